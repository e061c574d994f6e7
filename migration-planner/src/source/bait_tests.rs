//! What must not be found, and lock files.

use super::tests::seen;
use super::*;
use crate::scan::conformance;

/// Programs in which cryptography is only spoken of, or in which something else has its names.
const BAIT: &[(&Language, &str, &str)] = &[
    (
        &JAVA,
        "B.java",
        r#"import java.security.Principal;
// import javax.crypto.Cipher; Cipher.getInstance("DES");
class B {
    static class Cipher { static Cipher getInstance(String how) { return null; } }
    /* MessageDigest.getInstance("MD5") */
    String help = "use Cipher.getInstance(\"AES/ECB/PKCS5Padding\")";
    Object o = Cipher.getInstance("DES");
    Object p = Registry.getInstance("RSA");
    int aes(int md5) { return md5 + sha256(md5); }
}
"#,
    ),
    (
        &PYTHON,
        "b.py",
        r#"'''import hashlib; hashlib.md5()'''
# from Crypto.Cipher import DES; DES.new(k)
import mylib as hashing
hash = {"md5": 1, "sha1": "hashlib.sha1(x)"}
def md5(x): return x
md5("sha256")
hashing.sha256(b"x")
ssl_note = "ssl.SSLContext(ssl.PROTOCOL_TLSv1)"
print(f"RSA {hashing.new('des')} hmac")
"#,
    ),
    (
        &GO,
        "b.go",
        r#"package b
import (
	"example.org/crypto/aes"
	md5 "example.org/notes"
)
// "crypto/des"
var note = `des.NewCipher(key) "crypto/rc4"`
func f() { aes.NewCipher(nil); md5.New(); sha1.Sum(nil); rsa.GenerateKey(nil, 1024) }
"#,
    ),
    (
        &C,
        "b.c",
        r#"/* #include <openssl/md5.h> */
#define NOTE "EVP_md5()"
int md5(int a);
void f(void) {
    // MD5(d, n, o); EVP_des_cbc();
    puts("RSA_generate_key_ex(r, 512, e, NULL) EVP_sha1()");
    md5(3); SHA_table_lookup(4); EVP_free_all(); EVP_EncryptUpdate(c, o, &l, i, n);
}
"#,
    ),
    (
        &JAVASCRIPT,
        "b.js",
        r#"// const crypto = require('crypto'); crypto.createHash('md5')
import { createHash } from './table.js';
const text = "crypto.createHash('sha1')" + `crypto.createCipheriv('des-cbc')`;
createHash('md5'); store.createHash('sha1'); cache.subtle.digest('SHA-1');
const md5 = (x) => x; md5('rsa'); price.crypto.createHash('x');
"#,
    ),
    (
        &RUST,
        "b.rs",
        r#"// use ring::digest; digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, b"");
use crate::sha2::Sha256;
const NOTE: &str = "md5::compute(x) sha1::Sha1::new() ring::digest::SHA256";
struct Aes256;
fn f() { let _ = Sha256::new(); let _ = Aes256::new(); hmac(1); blake3_like(2); }
"#,
    ),
];

#[test]
fn bait_is_not_taken() {
    for (language, name, text) in BAIT {
        assert_eq!(seen(language, name, text), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn lock_files_name_libraries() {
    let samples = [
        (
            "Cargo.lock",
            "[[package]]\nname = \"ring\"\nversion = \"0.17.8\"\n[[package]]\nname = \"serde\"\nversion = \"1.0.0\"\n",
            "pkg:cargo/ring@0.17.8",
            2,
        ),
        (
            "package-lock.json",
            "{\"packages\":{\"\":{},\n\"node_modules/crypto-js\":{\"version\":\"4.2.0\"},\"node_modules/left-pad\":{\"version\":\"1.3.0\"}}}",
            "pkg:npm/crypto-js@4.2.0",
            2,
        ),
        (
            "yarn.lock",
            "# yarn\n\n\"@noble/hashes@^1.3.0\":\n  version \"1.3.3\"\nleft-pad@^1.0.0:\n  version \"1.3.0\"\n",
            "pkg:npm/%40noble/hashes@1.3.3",
            3,
        ),
        (
            "pnpm-lock.yaml",
            "lockfileVersion: '9.0'\npackages:\n  jose@5.2.0:\n    resolution: {}\n  left-pad@1.3.0:\n",
            "pkg:npm/jose@5.2.0",
            3,
        ),
        (
            "go.mod",
            "module x\nrequire (\n\tgolang.org/x/crypto v0.31.0\n\tgolang.org/x/text v0.21.0\n)\n",
            "pkg:golang/golang.org/x/crypto@v0.31.0",
            3,
        ),
        (
            "poetry.lock",
            "[[package]]\nname = \"cryptography\"\nversion = \"42.0.1\"\n",
            "pkg:pypi/cryptography@42.0.1",
            2,
        ),
        (
            "requirements.txt",
            "requests==2.0\nPyNaCl==1.5.0 ; python_version > '3'\n",
            "pkg:pypi/pynacl@1.5.0",
            2,
        ),
        (
            "pom.xml",
            "<project>\n<dependency><groupId>org.bouncycastle</groupId><artifactId>bcprov-jdk18on</artifactId><version>1.78</version></dependency>\n</project>",
            "pkg:maven/org.bouncycastle/bcprov-jdk18on@1.78",
            2,
        ),
        (
            "gradle.lockfile",
            "# x\ncom.nimbusds:nimbus-jose-jwt:9.37=runtimeClasspath\n",
            "pkg:maven/com.nimbusds/nimbus-jose-jwt@9.37",
            2,
        ),
    ];
    for (name, text, purl, line) in samples {
        let wanted = name.to_ascii_lowercase();
        let scanner = lock_scanners()
            .into_iter()
            .find(|scanner| {
                scanner
                    .triggers()
                    .iter()
                    .any(|trigger| matches!(trigger, Trigger::FileName(file) if *file == wanted))
            })
            .unwrap();
        let found = conformance::show(&*scanner, name, text.as_bytes());
        let libraries: Vec<_> = found
            .assets()
            .iter()
            .filter_map(|asset| match &asset.detail {
                crate::inventory::Detail::Library(library) => {
                    Some((library.purl.clone()?, asset.evidence.iter().next()?.line?))
                }
                _ => None,
            })
            .collect();
        assert_eq!(libraries, [(purl.to_owned(), line)], "{name}");
        assert_eq!(
            conformance::run(&*scanner, name, text.as_bytes(), &[]),
            Ok(()),
            "{name}"
        );
    }
}
