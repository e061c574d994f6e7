use super::template::TELL;
use super::*;
use crate::algorithm::Algorithm;
use crate::scan::conformance;

/// What a file of a language has, as `line name`.
pub(super) fn seen(language: &'static Language, name: &str, text: &str) -> Vec<String> {
    let found = conformance::show(&Source(language), name, text.as_bytes());
    let mut seen: Vec<String> = found
        .assets()
        .iter()
        .flat_map(|asset| {
            let places = asset.evidence.iter().filter_map(|place| place.line);
            places
                .map(|line| format!("{line} {}", asset.name))
                .collect::<Vec<_>>()
        })
        .collect();
    seen.sort();
    seen.dedup();
    seen
}

const JAVA_SAMPLE: &str = r#"import javax.crypto.*;
import java.security.KeyPairGenerator;
import org.bouncycastle.crypto.engines.AESEngine;
import org.bouncycastle.crypto.modes.GCMBlockCipher;

class Sample {
    static final String MODE = "GCM";
    private static final String HOW = "AES/" + MODE + "/NoPadding";
    // Cipher.getInstance("DES/ECB/PKCS5Padding")
    String note = "MessageDigest.getInstance(\"MD5\")";
    void a(String unknown) throws Exception {
        Cipher c = Cipher.getInstance(HOW);
        KeyPairGenerator g = KeyPairGenerator.getInstance("RSA");
        g.initialize(3 * 1024);
        Mac m = Mac.getInstance(unknown);
        GCMBlockCipher gcm = new GCMBlockCipher(new AESEngine());
        java.security.MessageDigest d = java.security.MessageDigest.getInstance("sha-384");
    }
}
"#;

#[test]
fn java() {
    assert_eq!(
        seen(&JAVA, "A.java", JAVA_SAMPLE),
        ["12 AES-GCM", "13 RSA-3072", "16 AES", "16 AES-GCM", "17 SHA-384"]
    );
    let found = conformance::show(&Source(&JAVA), "A.java", JAVA_SAMPLE.as_bytes());
    let unread: Vec<_> = found.unread_entries().iter().map(|unread| unread.line).collect();
    assert_eq!(
        unread,
        [Some(15)],
        "an algorithm that nobody can tell is told as such"
    );
}

const PYTHON_SAMPLE: &str = r#"import hashlib as h, os
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms as alg, modes
from cryptography.hazmat.primitives.asymmetric import rsa, ec
from Crypto.Cipher import AES
import hmac
BITS = 1 << 12
KEY = os.urandom(32)
"""hashlib.md5()"""
def f(data):  # hashlib.sha1()
    h.sha3_256(data)
    Cipher(alg.AES(KEY), modes.CBC(os.urandom(16)))
    rsa.generate_private_key(public_exponent=65537, key_size=BITS)
    ec.generate_private_key(ec.SECP384R1())
    AES.new(KEY, AES.MODE_GCM)
    name = "sha512" if data else "sha256"
    h.new(name)
    hmac.new(KEY, data, h.sha1)
"#;

#[test]
fn python() {
    assert_eq!(
        seen(&PYTHON, "a.py", PYTHON_SAMPLE),
        [
            "10 SHA3-256",
            "11 AES-256",
            "11 AES-256-CBC",
            "12 RSA-4096",
            "13 EC-P-384",
            "14 AES-256-GCM",
            "16 SHA-256",
            "16 SHA-512",
            "17 HMAC-SHA-1",
            "17 SHA-1",
        ]
    );
}

const GO_SAMPLE: &str = r#"package p
import (
	"crypto/aes"
	c "crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"golang.org/x/crypto/pbkdf2"
)
const rounds = 4096
func f(p, s []byte) {
	key := make([]byte, 16)
	block, _ := aes.NewCipher(key)
	gcm, _ := c.NewGCM(block)
	_ = hmac.New(sha256.New, key)
	_ = pbkdf2.Key(p, s, rounds, 32, sha256.New)
	_ = &tls.Config{MinVersion: tls.VersionTLS13}
	_, _ = gcm, "md5.New()"
}
"#;

#[test]
fn a_field_has_the_value_of_its_own_class() {
    let text = "from hashlib import sha256, sha384\nfrom cryptography.hazmat.primitives.asymmetric import ec\n\
        class A:\n    curve = ec.SECP256R1()\n    hash = sha256\n    def f(self):\n        \
        ec.generate_private_key(self.curve)\n        self.hash(b'')\nclass B(A):\n    curve = ec.SECP384R1()\n    \
        hash = sha384\n    def g(self):\n        self.hash(b'')\n";
    let seen = seen(&PYTHON, "a.py", text);
    for line in ["7 EC-P-256", "8 SHA-256", "13 SHA-384"] {
        assert!(seen.contains(&line.to_owned()), "{line} in {seen:?}");
    }
    assert!(
        !seen
            .iter()
            .any(|line| line.starts_with("7 EC-P-384") || line.starts_with("8 SHA-384"))
    );
}

#[test]
fn what_branches_give_a_variable_may_all_be_it() {
    let text = "package a\nimport (\"crypto/ecdsa\"; \"crypto/elliptic\"; \"crypto/rand\")\n\
        func f(n string) {\n\tvar c elliptic.Curve\n\tswitch n {\n\tcase \"a\":\n\t\tc = elliptic.P256()\n\t\
        case \"b\":\n\t\tc = elliptic.P384()\n\t}\n\tecdsa.GenerateKey(c, rand.Reader)\n\t\
        c = elliptic.P521()\n\tecdsa.GenerateKey(c, rand.Reader)\n}\n";
    let seen = seen(&GO, "a.go", text);
    for line in ["11 ECDSA-P-256", "11 ECDSA-P-384", "13 ECDSA-P-521"] {
        assert!(seen.contains(&line.to_owned()), "{line} in {seen:?}");
    }
    let wrong = ["11 ECDSA-P-521", "13 ECDSA-P-256", "13 ECDSA-P-384"];
    assert!(
        !wrong.iter().any(|line| seen.contains(&(*line).to_owned())),
        "{seen:?}"
    );
}

#[test]
fn go() {
    assert_eq!(
        seen(&GO, "a.go", GO_SAMPLE),
        [
            "13 AES-128-GCM",
            "14 AES-128-GCM",
            "15 HMAC-SHA-256",
            "15 SHA-256",
            "16 PBKDF2-SHA-256",
            "16 SHA-256",
            "17 TLS 1.3",
        ]
    );
}

const C_SAMPLE: &str = r#"#include <openssl/evp.h>
#include <openssl/rsa.h>
#define BITS 2048
/* MD5(data, n, out); */
void f(RSA *r, BIGNUM *e, const unsigned char *k) {
    EVP_EncryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, k, iv);
    RSA_generate_key_ex(r, BITS, e, NULL);
    const char *s = "EVP_md5()";
    EVP_PKEY_CTX_set_ec_paramgen_curve_nid(p, NID_X9_62_prime256v1);
    EVP_MD_fetch(NULL, "SHA3-256", NULL);
    EVP_EncryptUpdate(ctx, o, &l, i, n);
}
"#;

#[test]
fn c_and_cpp() {
    for (language, name) in [(&C, "a.c"), (&CPP, "a.hpp")] {
        assert_eq!(
            seen(language, name, C_SAMPLE),
            ["10 SHA3-256", "6 AES-256-GCM", "7 RSA-2048", "9 EC-P-256"]
        );
    }
}

const JAVASCRIPT_SAMPLE: &str = r#"const { createHash, createCipheriv: cipher } = require('node:crypto');
const crypto = require('crypto');
const ALGORITHM = { hash: 'sha512' };
// createHash('md5')
createHash(ALGORITHM.hash).update("createHash('md5')");
cipher('aes-128-ctr', key, iv);
crypto.generateKeyPairSync('ec', { namedCurve: 'P-384' });
crypto.subtle.digest('SHA-256', data);
async function f() {
  await crypto.subtle.generateKey({
    name: 'RSA-PSS', modulusLength: 4096,
    hash: 'SHA-512' }, true, []);
  await crypto.subtle.importKey('raw', key, { hash: 'SHA-256', name: 'HMAC' }, true, ['sign']);
}
other.createHash('sha1');
"#;

#[test]
fn javascript_and_typescript() {
    for (language, name) in [(&JAVASCRIPT, "a.mjs"), (&TYPESCRIPT, "a.ts"), (&TSX, "a.tsx")] {
        assert_eq!(
            seen(language, name, JAVASCRIPT_SAMPLE),
            [
                "11 RSA-PSS-4096-SHA-512",
                "11 SHA-512",
                "12 SHA-512",
                "13 HMAC-SHA-256",
                "13 SHA-256",
                "5 SHA-512",
                "6 AES-128-CTR",
                "7 EC-P-384",
                "8 SHA-256",
            ],
            "{name}"
        );
    }
}

const RUST_SAMPLE: &str = r#"use aes_gcm::{Aes256Gcm as Gcm, KeyInit};
use ring::{digest, signature::{self, Ed25519KeyPair}};
use sha2::{Digest, Sha256};
// Sha512::new()
fn f(rng: &R) {
    let c = Gcm::new(&key);
    digest::digest(&digest::SHA384, b"sha2::Sha512::new()");
    let k = Ed25519KeyPair::generate_pkcs8(rng);
    let h = Sha256::new();
    signature::EcdsaKeyPair::generate_pkcs8(&signature::ECDSA_P256_SHA256_ASN1_SIGNING, rng);
}
"#;

#[test]
fn rust() {
    assert_eq!(
        seen(&RUST, "a.rs", RUST_SAMPLE),
        [
            "10 ECDSA-P-256-SHA-256",
            "10 SHA-256",
            "6 AES-256-GCM",
            "7 SHA-384",
            "8 Ed25519",
            "9 SHA-256",
        ]
    );
}

#[test]
fn every_scanner_conforms() {
    let secret: &[u8] = b"kQ7-very-secret-passphrase";
    for (language, name, sample) in [
        (&JAVA, "A.java", JAVA_SAMPLE),
        (&PYTHON, "a.py", PYTHON_SAMPLE),
        (&GO, "a.go", GO_SAMPLE),
        (&C, "a.c", C_SAMPLE),
        (&CPP, "a.cc", C_SAMPLE),
        (&JAVASCRIPT, "a.js", JAVASCRIPT_SAMPLE),
        (&TYPESCRIPT, "a.ts", JAVASCRIPT_SAMPLE),
        (&TSX, "a.tsx", JAVASCRIPT_SAMPLE),
        (&RUST, "a.rs", RUST_SAMPLE),
    ] {
        let end = match name {
            "a.py" => "\nkey = \"kQ7-very-secret-passphrase\"\nh.new(key)\n",
            _ => "\n",
        };
        let sample = format!("{sample}{end}");
        assert_eq!(
            conformance::run(&Source(language), name, sample.as_bytes(), &[secret]),
            Ok(()),
            "{name}"
        );
    }
}

#[test]
fn deep_nesting_is_survived() {
    let deep = format!(
        "import hashlib\nx = {}1{}\nhashlib.new(x)\n",
        "(".repeat(50_000),
        ")".repeat(50_000)
    );
    conformance::show(&Source(&PYTHON), "a.py", deep.as_bytes());
    let chain = format!("import hashlib\nx = a{}\nhashlib.new(x)\n", ".b()".repeat(20_000));
    conformance::show(&Source(&PYTHON), "a.py", chain.as_bytes());
}

#[test]
fn every_template_of_a_table_fills_or_is_one_that_needs_arguments() {
    // Canonical names that stand in a table as they are have to be known, or to be listed here as names that
    // nobody gave a canonical form.
    let unlisted = [
        "Grain-128AEAD",
        "Kupyna",
        "Kalyna",
        "VMPC-MAC",
        "Kalyna-GMAC",
        "ISO9796-2",
        "ISO9796-2-PSS",
        "SPHINCS-256",
        "GMSS",
        "RSA-KEM",
        "ECIES-KEM",
        "CSPRNG",
        "AEGIS",
    ];
    let all = [
        libraries::JAVA,
        libraries::PYTHON,
        libraries::GO,
        libraries::C,
        libraries::JAVASCRIPT,
        libraries::RUST,
    ];
    for library in all.iter().flat_map(|libraries| libraries.iter()) {
        assert!(!library.markers.is_empty(), "{}", library.name);
        for (path, gives, _) in library.rows {
            for name in gives.trim_start_matches('~').split(['|', '&']).map(str::trim) {
                if name.is_empty()
                    || name.contains(['{', '[', '}', ']'])
                    || name.starts_with("TLS")
                    || name == TELL
                {
                    continue;
                }
                if name.starts_with("SSL") || unlisted.contains(&name) || gives.contains('{') {
                    continue;
                }
                let algorithm = Algorithm::named(name);
                assert_ne!(
                    algorithm.primitive,
                    crate::algorithm::Primitive::Unknown,
                    "{path}: {name}"
                );
            }
        }
    }
}
