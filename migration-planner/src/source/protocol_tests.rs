//! What source says of TLS: suites, groups and versions.

use std::collections::BTreeSet;

use super::tests::seen;
use super::work::MAX_LIST;
use super::*;
use crate::algorithm::suite;
use crate::inventory::{Access, Detail};
use crate::scan::{Budget, conformance};

/// The suites that a file offers, by line.
fn suites(language: &'static Language, name: &str, text: &str) -> Vec<String> {
    let found = conformance::show(&Source(language), name, text.as_bytes());
    let mut told = Vec::new();
    for asset in found.assets() {
        let Detail::Protocol(detail) = &asset.detail else {
            continue;
        };
        let line = asset.evidence.iter().next().and_then(|place| place.line).unwrap();
        told.extend(detail.suites.iter().map(|suite| format!("{line} {}", suite.name)));
    }
    told
}

#[test]
fn cipher_strings_are_resolved() {
    let c = "#include <openssl/ssl.h>\n#define LIST \"ECDHE-RSA-AES128-GCM-SHA256:ADH-AES128-SHA\"\nvoid f(SSL_CTX *c, char *w) {\n\
        SSL_CTX_set_cipher_list(c, LIST);\nSSL_CTX_set_ciphersuites(c, \"TLS_AES_256_GCM_SHA384\");\nSSL_set_cipher_list(c, w); }\n";
    assert_eq!(
        suites(&C, "a.c", c),
        [
            "4 TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
            "4 TLS_DH_anon_WITH_AES_128_CBC_SHA",
            "5 TLS_AES_256_GCM_SHA384"
        ]
    );
    let found = conformance::show(&Source(&C), "a.c", c.as_bytes());
    let gaps: Vec<_> = found.unread_entries().iter().map(|unread| unread.line).collect();
    assert_eq!(gaps, [Some(6)]);
    let python = "import ssl\nctx = ssl.create_default_context()\nctx.set_ciphers('AES128-SHA')\nctx.minimum_version = ssl.TLSVersion.TLSv1_2\n\
        def f(other, names):\n    other.set_ciphers('RC4-MD5')\n    other.set_ciphers(names)\n    other.set_ciphers('no such thing')\n";
    assert_eq!(
        suites(&PYTHON, "a.py", python),
        ["3 TLS_RSA_WITH_AES_128_CBC_SHA", "6 TLS_RSA_WITH_RC4_128_MD5"]
    );
    assert!(seen(&PYTHON, "a.py", python).contains(&"4 TLS 1.2".to_owned()));
    let node = "const tls = require('tls');\ntls.createServer({ ciphers: 'TLS_AES_128_GCM_SHA256:AES128-SHA', minVersion: 'TLSv1.1' });\n";
    assert_eq!(
        suites(&JAVASCRIPT, "a.js", node),
        ["2 TLS_RSA_WITH_AES_128_CBC_SHA", "2 TLS_AES_128_GCM_SHA256"]
    );
    assert!(seen(&JAVASCRIPT, "a.js", node).contains(&"2 TLS 1.1".to_owned()));
    let java = "import javax.net.ssl.*;\nclass A { void f(SSLSocket s) { s.setEnabledCipherSuites(new String[] { \"SSL_RSA_WITH_RC4_128_MD5\" }); } }\n";
    assert_eq!(suites(&JAVA, "A.java", java), ["2 TLS_RSA_WITH_RC4_128_MD5"]);
}

#[test]
fn configurations_of_go_are_read_in_their_literal_and_after_it() {
    let go = "package a\nimport \"crypto/tls\"\nvar weak = []uint16{tls.TLS_RSA_WITH_RC4_128_SHA, tls.TLS_RSA_WITH_AES_128_CBC_SHA}\n\
        func f(n uint16) {\nc := &tls.Config{MinVersion: tls.VersionTLS11, CurvePreferences: []tls.CurveID{tls.X25519MLKEM768, tls.CurveP256}, CipherSuites: weak}\n\
        c.MinVersion = tls.VersionTLS12\nc.CipherSuites = []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}\n\
        c.CurvePreferences = []tls.CurveID{tls.CurveP384}\nc.MaxVersion = n\nother.MinVersion = 3\nprint(tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA) }\n";
    assert_eq!(
        suites(&GO, "a.go", go),
        [
            "5 TLS_RSA_WITH_RC4_128_SHA",
            "5 TLS_RSA_WITH_AES_128_CBC_SHA",
            "7 TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"
        ]
    );
    let seen = seen(&GO, "a.go", go);
    for told in [
        "5 TLS 1.1",
        "5 X25519MLKEM768",
        "5 ECDHE-P-256",
        "6 TLS 1.2",
        "8 ECDHE-P-384",
    ] {
        assert!(seen.iter().any(|seen| seen == told), "{told} in {seen:?}");
    }
    assert!(
        !seen
            .iter()
            .any(|seen| seen.starts_with("9 ") || seen.starts_with("10 ") || seen.starts_with("11 "))
    );
}

#[test]
fn settings_of_objects_that_the_file_makes_are_found() {
    let java = "import javax.net.ssl.*;\nclass A { void f(SSLSocketFactory f, SSLSocket[] all) {\n\
        SSLSocket s = (SSLSocket) f.createSocket(\"h\", 1);\n\
        s.setEnabledCipherSuites(new String[] { \"SSL_RSA_WITH_RC4_128_MD5\" });\n\
        SSLParameters p = s.getSSLParameters();\np.setProtocols(new String[] { \"TLSv1.1\" });\n\
        p.setCipherSuites(new String[] { \"TLS_RSA_WITH_AES_128_CBC_SHA\" });\n\
        all[0].setEnabledProtocols(new String[] { \"TLSv1\" }); } }\n";
    assert_eq!(
        suites(&JAVA, "A.java", java),
        ["4 TLS_RSA_WITH_RC4_128_MD5", "7 TLS_RSA_WITH_AES_128_CBC_SHA"]
    );
    assert_eq!(
        seen(&JAVA, "A.java", java)
            .into_iter()
            .filter(|seen| seen.contains("TLS 1."))
            .collect::<Vec<_>>(),
        ["6 TLS 1.1", "8 TLS 1.0"]
    );
    let rust = "use openssl::ssl::{SslConnector, SslMethod};\nfn f() -> Result<(), ErrorStack> {\n\
        let mut b = SslConnector::builder(SslMethod::tls())?;\nb.set_cipher_list(\"AES128-SHA:RC4-MD5\")?;\n\
        b.set_ciphersuites(\"TLS_AES_256_GCM_SHA384\")?;\nb.set_groups_list(\"X25519MLKEM768\")?;\nOk(()) }\n";
    assert_eq!(
        suites(&RUST, "a.rs", rust),
        [
            "4 TLS_RSA_WITH_AES_128_CBC_SHA",
            "4 TLS_RSA_WITH_RC4_128_MD5",
            "5 TLS_AES_256_GCM_SHA384"
        ]
    );
    assert!(seen(&RUST, "a.rs", rust).contains(&"6 X25519MLKEM768".to_owned()));
    let python = "from urllib3.util.ssl_ import create_urllib3_context\nctx = create_urllib3_context()\n\
        ctx.set_ciphers('AES128-SHA')\npools[0].set_ciphers('RC4-MD5')\n";
    assert_eq!(
        suites(&PYTHON, "a.py", python),
        ["3 TLS_RSA_WITH_AES_128_CBC_SHA", "4 TLS_RSA_WITH_RC4_128_MD5"]
    );
}

#[test]
fn what_a_cipher_string_excludes_is_not_offered() {
    let node = "const tls = require('tls');\n\
        tls.createServer({ ciphers: 'DES-CBC3-SHA:ECDHE-RSA-AES128-SHA:TLS_AES_128_GCM_SHA256:!3DES' });\n\
        tls.connect({ ciphers: 'DEFAULT:DES-CBC3-SHA' });\n";
    assert_eq!(
        suites(&JAVASCRIPT, "a.js", node),
        ["2 TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "2 TLS_AES_128_GCM_SHA256"]
    );
}

#[test]
fn what_else_a_cipher_string_says_is_kept() {
    let c = "#include <openssl/ssl.h>\nvoid f(SSL_CTX *c) {\nSSL_CTX_set_cipher_list(c, \"HIGH:@SECLEVEL=0\"); }\n";
    let found = conformance::show(&Source(&C), "a.c", c.as_bytes());
    let written = serde_json::to_string(&found).unwrap();
    for fact in [
        "cipher-string-keywords",
        "expanded as OpenSSL 3 does",
        "security-level",
    ] {
        assert!(written.contains(fact), "{fact} in {written}");
    }
}

#[test]
fn each_list_of_a_line_is_told() {
    let python = "import ssl\na.set_ciphers('AES128-SHA'); b.set_ciphers('RC4-MD5')\n";
    assert_eq!(
        suites(&PYTHON, "a.py", python),
        ["2 TLS_RSA_WITH_AES_128_CBC_SHA", "2 TLS_RSA_WITH_RC4_128_MD5"]
    );
    // One of them begins where the other does.
    let rust = "use openssl::ssl::SslConnector;\n\
        fn f(b: B) { b.with().set_cipher_list(\"AES128-SHA\").set_ciphersuites(\"TLS_AES_256_GCM_SHA384\"); }\n";
    let mut told = suites(&RUST, "a.rs", rust);
    told.sort();
    assert_eq!(
        told,
        ["2 TLS_AES_256_GCM_SHA384", "2 TLS_RSA_WITH_AES_128_CBC_SHA"]
    );
}

/// What a file has, when there is time for as many questions as the budget says, however long they take.
fn scanned(language: &'static Language, name: &str, text: &str, budget: Budget) -> Fragment {
    let mut found = Fragment::at(name);
    let file = File {
        path: name,
        name,
        bytes: text.as_bytes(),
        access: Access {
            mode: 0o600,
            uid: 0,
            gid: 0,
        },
        budget,
    };
    Source(language).scan(&Piece::File(file), &mut found);
    found
}

/// A class that offers these suites on its third line.
fn java_offering(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    let list = quoted.join(", ");
    format!(
        "import javax.net.ssl.*;\nclass A {{ void f(SSLSocket s) {{\ns.setEnabledCipherSuites(new String[] {{ {list} }}); }} }}\n"
    )
}

#[test]
fn long_lists_of_suites_keep_their_order() {
    let names: Vec<String> = suite::all().iter().take(100).map(suite::Suite::name).collect();
    for names in [names.clone(), names.into_iter().rev().collect()] {
        let expected: Vec<String> = names.iter().map(|name| format!("3 {name}")).collect();
        assert_eq!(suites(&JAVA, "A.java", &java_offering(&names)), expected);
    }
}

#[test]
fn a_list_that_is_cut_is_told() {
    for (more, told) in [(0, None), (1, Some((Reason::TooLarge, Some(3))))] {
        let names = vec!["TLS_RSA_WITH_AES_128_CBC_SHA".to_owned(); MAX_LIST + more];
        let found = scanned(
            &JAVA,
            "A.java",
            &java_offering(&names),
            Budget::of_questions(usize::MAX),
        );
        let unread = found.unread_entries().first();
        assert_eq!(unread.map(|unread| (unread.reason, unread.line)), told);
    }
}

#[test]
fn the_lowest_and_the_highest_version_are_both_told() {
    let go = "package a\nimport \"crypto/tls\"\nvar c = tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}\n";
    assert_eq!(seen(&GO, "a.go", go), ["3 TLS 1.0", "3 TLS 1.1"]);
    let node =
        "const tls = require('tls');\ntls.connect({ minVersion: 'TLSv1.1', maxVersion: 'TLSv1.2' });\n";
    assert_eq!(seen(&JAVASCRIPT, "a.js", node), ["2 TLS 1.1", "2 TLS 1.2"]);
}

#[test]
fn time_may_be_up_between_two_settings() {
    let python = "import ssl\na.minimum_version = ssl.TLSVersion.TLSv1_1\nb.maximum_version = ssl.TLSVersion.TLSv1_2\n";
    // With time for one more question each: how many of the two are told.
    let mut told = BTreeSet::new();
    for questions in 0.. {
        let found = scanned(&PYTHON, "a.py", python, Budget::of_questions(questions));
        told.insert(found.assets().len());
        let mut reasons = found.unread_entries().iter().map(|unread| unread.reason);
        if found.unread_entries().is_empty() {
            break;
        }
        assert!(reasons.all(|reason| reason == Reason::TimedOut));
    }
    assert_eq!(told.into_iter().collect::<Vec<_>>(), [0, 1, 2]);
}

#[test]
fn lists_of_lists_of_lists_come_to_an_end() {
    let many = |entry: &str| vec![entry; 100].join(", ");
    let python = format!(
        "import hashlib\na = [{}]\nb = [{}]\nc = [{}]\nhashlib.new(c)\nhashlib.new('md5')\n",
        many("'x'"),
        many("a"),
        many("b")
    );
    let found = scanned(&PYTHON, "a.py", &python, Budget::of_questions(usize::MAX));
    let unread = found.unread_entries().iter();
    let unread: Vec<_> = unread.map(|unread| (unread.reason, unread.line)).collect();
    assert_eq!(unread, [(Reason::TooLarge, Some(5))]);
    let names: Vec<_> = found.assets().iter().map(|asset| asset.name.as_str()).collect();
    assert_eq!(names, ["MD5"]);
}
