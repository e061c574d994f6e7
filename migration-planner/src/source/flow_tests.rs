//! Values through branches, macros and modules.

use super::tests::seen;
use super::*;

#[test]
fn what_a_variable_had_before_branches_counts_unless_one_of_them_is_taken_for_sure() {
    let python = |body: &str| {
        seen(
            &PYTHON,
            "a.py",
            &format!("import hashlib\n{body}hashlib.new(alg)\n"),
        )
    };
    let open = "alg = 'md5'\nif x:\n    alg = 'sha256'\n";
    assert_eq!(python(open), ["5 MD5", "5 SHA-256"]);
    let further = "alg = 'md5'\nif x:\n    alg = 'sha256'\nelif y:\n    alg = 'sha512'\n";
    assert_eq!(python(further), ["7 MD5", "7 SHA-256", "7 SHA-512"]);
    let closed = "alg = 'md5'\nif x:\n    alg = 'sha256'\nelse:\n    alg = 'sha512'\n";
    assert_eq!(python(closed), ["7 SHA-256", "7 SHA-512"]);
    let java = |body: &str| {
        let text = format!(
            "import java.security.*;\nclass A {{ void f(int x) throws Exception {{ String a = \"MD5\"; {body}\nMessageDigest.getInstance(a); }} }}\n"
        );
        seen(&JAVA, "A.java", &text)
    };
    assert_eq!(java("if (x > 1) { a = \"SHA-256\"; }"), ["3 MD5", "3 SHA-256"]);
    assert_eq!(
        java("if (x > 1) { a = \"SHA-256\"; } else if (x > 0) { a = \"SHA-384\"; }"),
        ["3 MD5", "3 SHA-256", "3 SHA-384"]
    );
    assert_eq!(
        java("if (x > 1) { a = \"SHA-256\"; } else { a = \"SHA-384\"; }"),
        ["3 SHA-256", "3 SHA-384"]
    );
    assert_eq!(
        java("switch (x) { case 1: a = \"SHA-256\"; break; default: a = \"SHA-384\"; }"),
        ["3 SHA-256", "3 SHA-384"]
    );
    assert_eq!(
        java("switch (x) { case 1: a = \"SHA-256\"; break; }"),
        ["3 MD5", "3 SHA-256"]
    );
}

#[test]
fn macros_of_c_stand_for_functions_and_calls() {
    let text = "#include <openssl/evp.h>\n#define DIGEST EVP_md5\n#define HASH() EVP_sha1()\n#define MAC(k) wrap((k), EVP_sha384())\n#define SIZE 1024 /* EVP_md4() */\n#define TEXT \"EVP_des_cbc()\" // EVP_rc4()\nvoid f(void) { use(DIGEST()); use(HASH()); }\n";
    assert_eq!(seen(&C, "a.c", text), ["3 SHA-1", "4 SHA-384", "7 MD5"]);
}

#[test]
fn a_module_that_is_required_in_passing_is_the_module() {
    let text = "const { createHmac: hm } = require('crypto');\nrequire('crypto').createHash('sha224');\n(await import('node:crypto')).createHash('sha384');\nhm('sha256', key);\n";
    assert_eq!(
        seen(&JAVASCRIPT, "a.js", text),
        ["2 SHA-224", "3 SHA-384", "4 HMAC-SHA-256", "4 SHA-256"]
    );
}

#[test]
fn hashes_of_go_and_curves_of_rust_are_known_by_their_constants() {
    let text = "package a\nimport \"crypto\"\nfunc f() { crypto.SHA384.New()\n crypto.MD5.New() }\n";
    assert_eq!(seen(&GO, "a.go", text), ["3 SHA-384", "4 MD5"]);
    let text = "use openssl::{ec::EcGroup, nid::Nid, hash::MessageDigest};\nfn f() { EcGroup::from_curve_name(Nid::X9_62_PRIME256V1);\n MessageDigest::from_name(\"md5\"); }\n";
    assert_eq!(seen(&RUST, "a.rs", text), ["2 EC-P-256", "3 MD5"]);
}

#[test]
fn a_signature_of_bouncy_castle_may_say_its_padding() {
    let text = "import java.security.*;\nclass A { void f() throws Exception { Signature.getInstance(\"SHA256withRSA/PSS\"); } }\n";
    assert_eq!(seen(&JAVA, "A.java", text), ["2 RSA-PSS-SHA-256", "2 SHA-256"]);
}

#[test]
fn groups_that_a_program_offers_are_found() {
    let text = "#include <openssl/ssl.h>\nvoid f(SSL_CTX *c) {\n SSL_CTX_set1_groups_list(c, \"?X25519MLKEM768 / *P-256:secp384r1\");\n SSL_CTX_set1_groups_list(c, from_elsewhere); }\n";
    assert_eq!(
        seen(&C, "a.c", text),
        [
            "3 ECDHE-P-256",
            "3 ECDHE-P-384",
            "3 ML-KEM-768",
            "3 X25519MLKEM768",
            "3 x25519"
        ]
    );
    let found = crate::scan::conformance::show(&Source(&C), "a.c", text.as_bytes());
    let unread: Vec<_> = found.unread_entries().iter().map(|unread| unread.line).collect();
    assert_eq!(unread, [Some(4)]);
}

#[test]
fn a_chain_of_conditions_as_long_as_a_file_can_be_needs_no_more_stack_than_a_scanner_has() {
    // What a thread has unless somebody says otherwise, as the threads of a scan have it.
    const STACK: usize = 2 << 20;
    let text = format!("if(a);{}", "else if(a);".repeat((MAX_SOURCE - 6) / 11));
    let mut parser = Parser::new();
    parser.set_language(&(JAVASCRIPT.grammar)()).unwrap();
    let tree = parser.parse(&text, None).unwrap();
    let asked = || branches::is_exhaustive(tree.root_node().child(0).unwrap());
    let taken = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK);
        thread.spawn_scoped(scope, asked).unwrap().join().unwrap()
    });
    assert!(!taken);
}

#[test]
fn branches_and_classes_far_out_count() {
    // More blocks than anybody would walk up from each place.
    let (open, close) = ("{".repeat(400), "}".repeat(400));
    let text = format!(
        "import java.security.*;\nclass A {{ String m = \"SHA-384\"; void f(int x) throws Exception {{ String a = \"MD5\"; \
         if (x > 1) {{ {open} a = \"SHA-256\"; {close} }}\nMessageDigest.getInstance(a); {open}\n\
         MessageDigest.getInstance(this.m); {close} }} }}\nclass B {{ String m = \"SHA-512\"; }}\n"
    );
    assert_eq!(seen(&JAVA, "A.java", &text), ["3 MD5", "3 SHA-256", "4 SHA-384"]);
}
