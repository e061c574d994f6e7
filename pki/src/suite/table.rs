//! The table of suites: OIDs, encodings, and what the composites' draft fixes.

use const_oid::ObjectIdentifier;
use symbolon_crypto::Component;

use super::Suite;
use crate::composite::{CompositeSpec, PreHash};

/// Everything that is fixed about a suite, in one row of a table.
pub(super) struct Spec {
    pub(super) suite: Suite,
    pub(super) name: &'static str,
    pub(super) components: &'static [Component],
    /// DER of the signature's AlgorithmIdentifier.
    pub(super) signature_algorithm: &'static [u8],
    /// DER of the key's AlgorithmIdentifier; the two differ for ECDSA only.
    pub(super) key_algorithm: &'static [u8],
    pub(super) signature_oid: ObjectIdentifier,
    pub(super) composite: Option<CompositeSpec>,
}

/// A row for a composite, whose AlgorithmIdentifiers differ from each other in the last byte only.
macro_rules! composite {
    ($suite:ident, $arc:literal, $name:literal, [$ml_dsa:ident, $traditional:ident], $pre_hash:ident, $label:literal) => {
        Spec {
            suite: Suite::$suite,
            name: $name,
            components: &[Component::$ml_dsa, Component::$traditional],
            signature_algorithm: &[
                0x30, 0x0a, 0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x06, $arc,
            ],
            key_algorithm: &[
                0x30, 0x0a, 0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x06, $arc,
            ],
            signature_oid: ObjectIdentifier::new_unwrap(concat!("1.3.6.1.5.5.7.6.", $arc)),
            composite: Some(CompositeSpec::new($label, PreHash::$pre_hash, $arc)),
        }
    };
}

/// A row for a parameter set of ML-DSA (RFC 9881, section 2) or SLH-DSA (RFC 9909, section 3): parameters absent, key
/// and signature alike.
macro_rules! nist {
    ($suite:ident, $arc:literal, $name:literal) => {
        Spec {
            suite: Suite::$suite,
            name: $name,
            components: &[Component::$suite],
            signature_algorithm: &[
                0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03, $arc,
            ],
            key_algorithm: &[
                0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03, $arc,
            ],
            signature_oid: ObjectIdentifier::new_unwrap(concat!("2.16.840.1.101.3.4.3.", $arc)),
            composite: None,
        }
    };
}

/// One row a suite, in the order of the variants.
pub(super) static SPECS: [Spec; 37] = [
    Spec {
        suite: Suite::EcdsaP256,
        name: "ecdsa-p256",
        components: &[Component::EcdsaP256Sha256],
        signature_algorithm: &[
            0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02,
        ],
        key_algorithm: &[
            0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
            0xce, 0x3d, 0x03, 0x01, 0x07,
        ],
        signature_oid: ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2"),
        composite: None,
    },
    Spec {
        suite: Suite::EcdsaP384,
        name: "ecdsa-p384",
        components: &[Component::EcdsaP384Sha384],
        signature_algorithm: &[
            0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03,
        ],
        key_algorithm: &[
            0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04,
            0x00, 0x22,
        ],
        signature_oid: ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3"),
        composite: None,
    },
    Spec {
        suite: Suite::EcdsaP521,
        name: "ecdsa-p521",
        components: &[Component::EcdsaP521Sha512],
        signature_algorithm: &[
            0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04,
        ],
        key_algorithm: &[
            0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04,
            0x00, 0x23,
        ],
        signature_oid: ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.4"),
        composite: None,
    },
    Spec {
        suite: Suite::Ed25519,
        name: "ed25519",
        components: &[Component::Ed25519],
        signature_algorithm: &[0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70],
        key_algorithm: &[0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70],
        signature_oid: ObjectIdentifier::new_unwrap("1.3.101.112"),
        composite: None,
    },
    nist!(MlDsa44, 17, "ml-dsa-44"),
    nist!(MlDsa65, 18, "ml-dsa-65"),
    nist!(MlDsa87, 19, "ml-dsa-87"),
    composite!(
        MlDsa44Rsa2048Pss,
        37,
        "mldsa44-rsa2048-pss",
        [MlDsa44, Rsa2048PssSha256],
        Sha256,
        "COMPSIG-MLDSA44-RSA2048-PSS-SHA256"
    ),
    composite!(
        MlDsa44Rsa2048Pkcs15,
        38,
        "mldsa44-rsa2048-pkcs15",
        [MlDsa44, Rsa2048Pkcs1Sha256],
        Sha256,
        "COMPSIG-MLDSA44-RSA2048-PKCS15-SHA256"
    ),
    composite!(
        MlDsa44Ed25519,
        39,
        "mldsa44-ed25519",
        [MlDsa44, Ed25519],
        Sha512,
        "COMPSIG-MLDSA44-Ed25519-SHA512"
    ),
    composite!(
        MlDsa44EcdsaP256,
        40,
        "mldsa44-ecdsa-p256",
        [MlDsa44, EcdsaP256Sha256],
        Sha256,
        "COMPSIG-MLDSA44-ECDSA-P256-SHA256"
    ),
    composite!(
        MlDsa65Rsa3072Pss,
        41,
        "mldsa65-rsa3072-pss",
        [MlDsa65, Rsa3072PssSha256],
        Sha512,
        "COMPSIG-MLDSA65-RSA3072-PSS-SHA512"
    ),
    composite!(
        MlDsa65Rsa3072Pkcs15,
        42,
        "mldsa65-rsa3072-pkcs15",
        [MlDsa65, Rsa3072Pkcs1Sha256],
        Sha512,
        "COMPSIG-MLDSA65-RSA3072-PKCS15-SHA512"
    ),
    composite!(
        MlDsa65Rsa4096Pss,
        43,
        "mldsa65-rsa4096-pss",
        [MlDsa65, Rsa4096PssSha384],
        Sha512,
        "COMPSIG-MLDSA65-RSA4096-PSS-SHA512"
    ),
    composite!(
        MlDsa65Rsa4096Pkcs15,
        44,
        "mldsa65-rsa4096-pkcs15",
        [MlDsa65, Rsa4096Pkcs1Sha384],
        Sha512,
        "COMPSIG-MLDSA65-RSA4096-PKCS15-SHA512"
    ),
    composite!(
        MlDsa65EcdsaP256,
        45,
        "mldsa65-ecdsa-p256",
        [MlDsa65, EcdsaP256Sha256],
        Sha512,
        "COMPSIG-MLDSA65-ECDSA-P256-SHA512"
    ),
    composite!(
        MlDsa65EcdsaP384,
        46,
        "mldsa65-ecdsa-p384",
        [MlDsa65, EcdsaP384Sha384],
        Sha512,
        "COMPSIG-MLDSA65-ECDSA-P384-SHA512"
    ),
    composite!(
        MlDsa65EcdsaBrainpoolP256r1,
        47,
        "mldsa65-ecdsa-brainpoolp256r1",
        [MlDsa65, EcdsaBrainpoolP256r1Sha256],
        Sha512,
        "COMPSIG-MLDSA65-ECDSA-BP256-SHA512"
    ),
    composite!(
        MlDsa65Ed25519,
        48,
        "mldsa65-ed25519",
        [MlDsa65, Ed25519],
        Sha512,
        "COMPSIG-MLDSA65-Ed25519-SHA512"
    ),
    composite!(
        MlDsa87EcdsaP384,
        49,
        "mldsa87-ecdsa-p384",
        [MlDsa87, EcdsaP384Sha384],
        Sha512,
        "COMPSIG-MLDSA87-ECDSA-P384-SHA512"
    ),
    composite!(
        MlDsa87EcdsaBrainpoolP384r1,
        50,
        "mldsa87-ecdsa-brainpoolp384r1",
        [MlDsa87, EcdsaBrainpoolP384r1Sha384],
        Sha512,
        "COMPSIG-MLDSA87-ECDSA-BP384-SHA512"
    ),
    composite!(
        MlDsa87Ed448,
        51,
        "mldsa87-ed448",
        [MlDsa87, Ed448],
        Shake256,
        "COMPSIG-MLDSA87-Ed448-SHAKE256"
    ),
    composite!(
        MlDsa87Rsa3072Pss,
        52,
        "mldsa87-rsa3072-pss",
        [MlDsa87, Rsa3072PssSha256],
        Sha512,
        "COMPSIG-MLDSA87-RSA3072-PSS-SHA512"
    ),
    composite!(
        MlDsa87Rsa4096Pss,
        53,
        "mldsa87-rsa4096-pss",
        [MlDsa87, Rsa4096PssSha384],
        Sha512,
        "COMPSIG-MLDSA87-RSA4096-PSS-SHA512"
    ),
    composite!(
        MlDsa87EcdsaP521,
        54,
        "mldsa87-ecdsa-p521",
        [MlDsa87, EcdsaP521Sha512],
        Sha512,
        "COMPSIG-MLDSA87-ECDSA-P521-SHA512"
    ),
    nist!(SlhDsaSha2_128s, 20, "slh-dsa-sha2-128s"),
    nist!(SlhDsaSha2_128f, 21, "slh-dsa-sha2-128f"),
    nist!(SlhDsaSha2_192s, 22, "slh-dsa-sha2-192s"),
    nist!(SlhDsaSha2_192f, 23, "slh-dsa-sha2-192f"),
    nist!(SlhDsaSha2_256s, 24, "slh-dsa-sha2-256s"),
    nist!(SlhDsaSha2_256f, 25, "slh-dsa-sha2-256f"),
    nist!(SlhDsaShake128s, 26, "slh-dsa-shake-128s"),
    nist!(SlhDsaShake128f, 27, "slh-dsa-shake-128f"),
    nist!(SlhDsaShake192s, 28, "slh-dsa-shake-192s"),
    nist!(SlhDsaShake192f, 29, "slh-dsa-shake-192f"),
    nist!(SlhDsaShake256s, 30, "slh-dsa-shake-256s"),
    nist!(SlhDsaShake256f, 31, "slh-dsa-shake-256f"),
];
