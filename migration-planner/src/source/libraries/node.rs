//! Node.js' `crypto` and the Web Cryptography API.

use super::*;

/// What the options of a connection say. `ciphers` has the suites of TLS 1.3 beside OpenSSL's cipher string.
const CONTEXT: &str =
    "{minVersion:tls} && {maxVersion:tls} && {ciphers:ciphers} && {ciphers:suites13} && {ecdhCurve:groups}";

pub(in crate::source) static NODE: Library = Library {
    name: "node:crypto",
    markers: &[
        "crypto",
        "'tls'",
        "\"tls\"",
        "node:tls",
        "'https'",
        "\"https\"",
        "node:https",
        "http2",
    ],
    rows: &[
        ("crypto.createHash", "{0:hash} || ?", DIGEST),
        ("crypto.hash", "{0:hash}", DIGEST),
        ("crypto.createHmac", "HMAC[-{0:hash}]", MAC),
        ("crypto.createCipheriv", "{0} || ?", ENCRYPT),
        ("crypto.createDecipheriv", "{0} || ?", DECRYPT),
        ("crypto.createCipher", "{0} || ?", ENCRYPT),
        ("crypto.createDecipher", "{0} || ?", DECRYPT),
        ("crypto.createSign", "{0} || ?", SIGN),
        ("crypto.createVerify", "{0} || ?", VERIFY),
        ("crypto.sign", "~{0}", SIGN),
        ("crypto.createECDH", "ECDHE-{0:curve}", DERIVE),
        ("crypto.createDiffieHellman", "FFDH[-{0:num}]", DERIVE),
        ("crypto.createDiffieHellmanGroup", "FFDH", DERIVE),
        ("crypto.getDiffieHellman", "FFDH", DERIVE),
        ("crypto.diffieHellman", "ECDH", DERIVE),
        (
            "crypto.generateKeyPair",
            "{0}[-{namedCurve:curve}][-{modulusLength:num}] || ?",
            KEYGEN,
        ),
        (
            "crypto.generateKeyPairSync",
            "{0}[-{namedCurve:curve}][-{modulusLength:num}] || ?",
            KEYGEN,
        ),
        ("crypto.generateKey", "{0}[-{length:num}]", KEYGEN),
        ("crypto.generateKeySync", "{0}[-{length:num}]", KEYGEN),
        ("crypto.pbkdf2", "PBKDF2[-{4:hash}]", DERIVE),
        ("crypto.pbkdf2Sync", "PBKDF2[-{4:hash}]", DERIVE),
        ("crypto.scrypt", "scrypt", DERIVE),
        ("crypto.scryptSync", "scrypt", DERIVE),
        ("crypto.hkdf", "HKDF[-{0:hash}]", DERIVE),
        ("crypto.hkdfSync", "HKDF[-{0:hash}]", DERIVE),
        ("crypto.argon2", "{0}", DERIVE),
        ("crypto.argon2Sync", "{0}", DERIVE),
        ("crypto.publicEncrypt", "RSA-OAEP", ENCRYPT),
        ("crypto.privateDecrypt", "RSA-OAEP", DECRYPT),
        ("tls.createSecureContext", CONTEXT, ANY),
        ("tls.createServer", CONTEXT, ANY),
        ("tls.connect", CONTEXT, ANY),
        ("https.createServer", CONTEXT, ANY),
        ("https.request", CONTEXT, ANY),
        ("https.get", CONTEXT, ANY),
        ("https.Agent.new", CONTEXT, ANY),
        ("http2.createSecureServer", CONTEXT, ANY),
    ],
};

macro_rules! subtle {
    ($at:literal) => {
        &[
            (concat!($at, ".digest"), "{0:hash} || ?", DIGEST),
            (
                concat!($at, ".generateKey"),
                "{0}[-{namedCurve:curve}][-{length|modulusLength:num}][-{hash:hash}]",
                KEYGEN,
            ),
            (
                concat!($at, ".importKey"),
                "{2}[-{namedCurve:curve}][-{hash:hash}]",
                ANY,
            ),
            (concat!($at, ".encrypt"), "{0}", ENCRYPT),
            (concat!($at, ".decrypt"), "{0}", DECRYPT),
            (concat!($at, ".sign"), "{0}[-{hash:hash}]", SIGN),
            (concat!($at, ".verify"), "{0}[-{hash:hash}]", VERIFY),
            (concat!($at, ".deriveKey"), "{0}[-{hash:hash}]", DERIVE),
            (concat!($at, ".deriveBits"), "{0}[-{hash:hash}]", DERIVE),
            (concat!($at, ".wrapKey"), "{3}", ENCRYPT),
            (concat!($at, ".unwrapKey"), "{3}", DECRYPT),
        ]
    };
}

pub(in crate::source) static WEB: Library = Library {
    name: "WebCrypto",
    markers: &["subtle"],
    rows: subtle!("crypto.subtle"),
};

/// The same by its other names.
pub(in crate::source) static WEB_IN_NODE: Library = Library {
    name: "WebCrypto",
    markers: &["subtle"],
    rows: subtle!("crypto.webcrypto.subtle"),
};

/// And as a property of the global object.
pub(in crate::source) static WEB_IN_WINDOW: Library = Library {
    name: "WebCrypto",
    markers: &["subtle"],
    rows: subtle!("window.crypto.subtle"),
};

/// And of the other global object.
pub(in crate::source) static WEB_GLOBAL: Library = Library {
    name: "WebCrypto",
    markers: &["subtle"],
    rows: subtle!("globalThis.crypto.subtle"),
};
