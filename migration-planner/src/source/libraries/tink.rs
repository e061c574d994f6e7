//! Google Tink: key templates are named after what they make.

use super::*;

pub(in crate::source) static JAVA: Library = Library {
    name: "Tink",
    markers: &["com.google.crypto.tink"],
    rows: &[
        ("com.google.crypto.tink.aead.AeadKeyTemplates.*", "{*}", CIPHER),
        (
            "com.google.crypto.tink.aead.PredefinedAeadParameters.*",
            "{*}",
            CIPHER,
        ),
        ("com.google.crypto.tink.KeyTemplates.get", "{0}", ANY),
    ],
};

pub(in crate::source) static PYTHON: Library = Library {
    name: "Tink",
    markers: &["tink"],
    rows: &[
        (
            "tink.aead.aead_key_templates.AES256_CTR_HMAC_SHA256",
            "AES-256-CTR",
            CIPHER,
        ),
        (
            "tink.aead.aead_key_templates.AES128_CTR_HMAC_SHA256",
            "AES-128-CTR",
            CIPHER,
        ),
        ("tink.aead.aead_key_templates.*", "{*}", CIPHER),
    ],
};

pub(in crate::source) static GO: Library = Library {
    name: "Tink",
    markers: &["tink/go", "tink-go"],
    rows: &[
        (
            "github.com/google/tink/go/aead.AES256CTRHMACSHA256KeyTemplate",
            "AES-256-CTR",
            CIPHER,
        ),
        (
            "github.com/google/tink/go/aead.AES128CTRHMACSHA256KeyTemplate",
            "AES-128-CTR",
            CIPHER,
        ),
        ("github.com/google/tink/go/aead.*KeyTemplate", "{*}", CIPHER),
        (
            "github.com/google/tink/go/mac.HMACSHA256Tag256KeyTemplate",
            "HMAC-SHA-256",
            MAC,
        ),
        (
            "github.com/google/tink/go/mac.HMACSHA256Tag128KeyTemplate",
            "HMAC-SHA-256",
            MAC,
        ),
        (
            "github.com/google/tink/go/mac.HMACSHA512Tag256KeyTemplate",
            "HMAC-SHA-512",
            MAC,
        ),
        (
            "github.com/google/tink/go/mac.HMACSHA512Tag512KeyTemplate",
            "HMAC-SHA-512",
            MAC,
        ),
        (
            "github.com/google/tink/go/mac.AESCMACTag128KeyTemplate",
            "AES-256-CMAC",
            MAC,
        ),
        (
            "github.com/google/tink/go/signature.ECDSAP256KeyTemplate",
            "ECDSA-P-256-SHA-256",
            SIGNATURE,
        ),
        (
            "github.com/google/tink/go/signature.ECDSAP384SHA384KeyTemplate",
            "ECDSA-P-384-SHA-384",
            SIGNATURE,
        ),
        (
            "github.com/google/tink/go/signature.ED25519KeyTemplate",
            "Ed25519",
            SIGNATURE,
        ),
    ],
};

pub(in crate::source) static CPP: Library = Library {
    name: "Tink",
    markers: &["tink/"],
    rows: &[
        ("AeadKeyTemplates.*", "{*}", CIPHER),
        ("crypto.tink.AeadKeyTemplates.*", "{*}", CIPHER),
    ],
};
