//! What source says of TLS: suites, groups and versions.

use super::tests::seen;
use super::*;
use crate::inventory::Detail;
use crate::scan::conformance;

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
            "5 TLS_RSA_WITH_AES_128_CBC_SHA",
            "5 TLS_RSA_WITH_RC4_128_SHA",
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
