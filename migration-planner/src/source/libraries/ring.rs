//! ring and aws-lc-rs, which share an interface, and rustls.

use super::*;

macro_rules! ring {
    ($root:literal) => {
        &[
            (concat!($root, ".digest.digest"), "{0:hash}", DIGEST),
            (concat!($root, ".digest.Context.new"), "{0:hash}", DIGEST),
            (
                concat!($root, ".digest.SHA1_FOR_LEGACY_USE_ONLY"),
                "SHA-1",
                DIGEST,
            ),
            (concat!($root, ".digest.*"), "{*:hash}", DIGEST),
            (concat!($root, ".hmac.*"), "{*}", MAC),
            (concat!($root, ".hmac.Key.new"), "{0}", MAC),
            (concat!($root, ".hkdf.*"), "{*:hkdf}", DERIVE),
            (concat!($root, ".hkdf.Salt.new"), "{0:hkdf}", DERIVE),
            (concat!($root, ".pbkdf2.derive"), "{0:pbkdf2}", DERIVE),
            (concat!($root, ".pbkdf2.verify"), "{0:pbkdf2}", DERIVE),
            (concat!($root, ".pbkdf2.*"), "~{*:pbkdf2}", DERIVE),
            (concat!($root, ".aead.UnboundKey.new"), "{0}", CIPHER),
            (concat!($root, ".aead.RandomizedNonceKey.new"), "{0}", CIPHER),
            (concat!($root, ".aead.*"), "{*:aead}", CIPHER),
            (
                concat!($root, ".agreement.EphemeralPrivateKey.generate"),
                "{0:agree}",
                DERIVE,
            ),
            (
                concat!($root, ".agreement.UnparsedPublicKey.new"),
                "{0:agree}",
                DERIVE,
            ),
            (concat!($root, ".agreement.*"), "{*:agree}", DERIVE),
            (concat!($root, ".signature.Ed25519KeyPair."), "Ed25519", SIGN),
            (
                concat!($root, ".signature.EcdsaKeyPair."),
                "{0:ring-signature} || ECDSA",
                SIGN,
            ),
            (concat!($root, ".signature.RsaKeyPair."), "RSA", SIGN),
            (concat!($root, ".rsa.KeyPair."), "RSA", SIGN),
            (
                concat!($root, ".signature.UnparsedPublicKey.new"),
                "{0:ring-signature}",
                VERIFY,
            ),
            (concat!($root, ".signature.*"), "{*:ring-signature}", SIGNATURE),
            (concat!($root, ".kem.*"), "{*}", KEM),
            (concat!($root, ".unstable.signature.*"), "{*}", SIGNATURE),
        ]
    };
}

pub(in crate::source) static RING: Library = Library {
    name: "ring",
    markers: &["ring::"],
    rows: ring!("ring"),
};

pub(in crate::source) static AWS_LC: Library = Library {
    name: "aws-lc-rs",
    markers: &["aws_lc_rs::"],
    rows: ring!("aws_lc_rs"),
};

pub(in crate::source) static RUSTLS: Library = Library {
    name: "rustls",
    markers: &["rustls::"],
    rows: &[
        ("rustls.ClientConfig.", "TLS", ANY),
        ("rustls.ServerConfig.", "TLS", ANY),
        ("rustls.version.TLS12", "TLS-1.2", ANY),
        ("rustls.version.TLS13", "TLS-1.3", ANY),
    ],
};
