//! The tables behind [`algorithm`](super::algorithm()): one row an algorithm, laid out to be read across.

use symbolon_crypto::Component::{self, MlDsa44, MlDsa65, MlDsa87};

use super::algorithm::Support::{self, NotImplemented, Refused, Supported, VerifiedOnly};

/// A LAMPS composite: last arc of 1.3.6.1.5.5.7.6.N, name, ML-DSA half, traditional half.
pub(super) type Composite = (u32, &'static str, Component, &'static str);

/// An algorithm with an OID of its own: OID, name, words, standard, support.
pub(super) type Single = (&'static str, &'static str, &'static str, &'static str, Support);

/// draft-ietf-lamps-pq-composite-sigs-19, section 6.
#[rustfmt::skip]
pub(super) const COMPOSITES: [Composite; 18] = [
    (37, "id-MLDSA44-RSA2048-PSS-SHA256", MlDsa44, "RSA-2048 PSS"),
    (38, "id-MLDSA44-RSA2048-PKCS15-SHA256", MlDsa44, "RSA-2048 PKCS#1 v1.5"),
    (39, "id-MLDSA44-Ed25519-SHA512", MlDsa44, "Ed25519"),
    (40, "id-MLDSA44-ECDSA-P256-SHA256", MlDsa44, "ECDSA P-256 with SHA-256"),
    (41, "id-MLDSA65-RSA3072-PSS-SHA512", MlDsa65, "RSA-3072 PSS"),
    (42, "id-MLDSA65-RSA3072-PKCS15-SHA512", MlDsa65, "RSA-3072 PKCS#1 v1.5"),
    (43, "id-MLDSA65-RSA4096-PSS-SHA512", MlDsa65, "RSA-4096 PSS"),
    (44, "id-MLDSA65-RSA4096-PKCS15-SHA512", MlDsa65, "RSA-4096 PKCS#1 v1.5"),
    (45, "id-MLDSA65-ECDSA-P256-SHA512", MlDsa65, "ECDSA P-256 with SHA-256"),
    (46, "id-MLDSA65-ECDSA-P384-SHA512", MlDsa65, "ECDSA P-384 with SHA-384"),
    (47, "id-MLDSA65-ECDSA-brainpoolP256r1-SHA512", MlDsa65, "ECDSA brainpoolP256r1 with SHA-256"),
    (48, "id-MLDSA65-Ed25519-SHA512", MlDsa65, "Ed25519"),
    (49, "id-MLDSA87-ECDSA-P384-SHA512", MlDsa87, "ECDSA P-384 with SHA-384"),
    (50, "id-MLDSA87-ECDSA-brainpoolP384r1-SHA512", MlDsa87, "ECDSA brainpoolP384r1 with SHA-384"),
    (51, "id-MLDSA87-Ed448-SHAKE256", MlDsa87, "Ed448"),
    (52, "id-MLDSA87-RSA3072-PSS-SHA512", MlDsa87, "RSA-3072 PSS"),
    (53, "id-MLDSA87-RSA4096-PSS-SHA512", MlDsa87, "RSA-4096 PSS"),
    (54, "id-MLDSA87-ECDSA-P521-SHA512", MlDsa87, "ECDSA P-521 with SHA-512"),
];

#[rustfmt::skip]
pub(super) const SINGLES: [Single; 34] = [
    ("1.2.840.10045.4.3.2", "ecdsa-with-SHA256", "ECDSA with SHA-256", "RFC 5758", Supported),
    ("1.2.840.10045.4.3.3", "ecdsa-with-SHA384", "ECDSA with SHA-384", "RFC 5758", Supported),
    ("1.2.840.10045.4.3.4", "ecdsa-with-SHA512", "ECDSA with SHA-512", "RFC 5758", Supported),
    ("1.2.840.10045.4.3.1", "ecdsa-with-SHA224", "ECDSA with SHA-224", "RFC 5758", Refused),
    ("1.2.840.10045.4.1", "ecdsa-with-SHA1", "ECDSA with SHA-1", "RFC 3279", Refused),
    ("1.2.840.10045.2.1", "id-ecPublicKey", "elliptic curve key", "RFC 5480", NotImplemented),
    ("1.2.840.113549.1.1.1", "rsaEncryption", "RSA key", "RFC 8017", VerifiedOnly),
    ("1.2.840.113549.1.1.4", "md5WithRSAEncryption", "RSA with MD5", "RFC 3279", Refused),
    ("1.2.840.113549.1.1.5", "sha1WithRSAEncryption", "RSA with SHA-1", "RFC 3279", Refused),
    ("1.2.840.113549.1.1.10", "id-RSASSA-PSS", "RSA with PSS padding", "RFC 4055", VerifiedOnly),
    ("1.2.840.113549.1.1.11", "sha256WithRSAEncryption", "RSA PKCS#1 v1.5 with SHA-256", "RFC 4055", VerifiedOnly),
    ("1.2.840.113549.1.1.12", "sha384WithRSAEncryption", "RSA PKCS#1 v1.5 with SHA-384", "RFC 4055", VerifiedOnly),
    ("1.2.840.113549.1.1.13", "sha512WithRSAEncryption", "RSA PKCS#1 v1.5 with SHA-512", "RFC 4055", VerifiedOnly),
    ("1.3.101.110", "X25519", "X25519 key agreement key", "RFC 8410", NotImplemented),
    ("1.3.101.111", "X448", "X448 key agreement key", "RFC 8410", NotImplemented),
    ("1.3.101.112", "ed25519", "Ed25519", "RFC 8410", Supported),
    ("1.3.101.113", "ed448", "Ed448", "RFC 8410", NotImplemented),
    ("2.16.840.1.101.3.4.3.17", "ml-dsa-44", "ML-DSA-44", "RFC 9881", Supported),
    ("2.16.840.1.101.3.4.3.18", "ml-dsa-65", "ML-DSA-65", "RFC 9881", Supported),
    ("2.16.840.1.101.3.4.3.19", "ml-dsa-87", "ML-DSA-87", "RFC 9881", Supported),
    ("2.16.840.1.101.3.4.3.32", "hash-ml-dsa-44", "HashML-DSA-44, not for certificates", "RFC 9881", Refused),
    ("2.16.840.1.101.3.4.3.33", "hash-ml-dsa-65", "HashML-DSA-65, not for certificates", "RFC 9881", Refused),
    ("2.16.840.1.101.3.4.3.34", "hash-ml-dsa-87", "HashML-DSA-87, not for certificates", "RFC 9881", Refused),
    ("2.16.840.1.101.3.4.4.1", "ml-kem-512", "ML-KEM-512 key encapsulation key", "RFC 9935", VerifiedOnly),
    ("2.16.840.1.101.3.4.4.2", "ml-kem-768", "ML-KEM-768 key encapsulation key", "RFC 9935", VerifiedOnly),
    ("2.16.840.1.101.3.4.4.3", "ml-kem-1024", "ML-KEM-1024 key encapsulation key", "RFC 9935", VerifiedOnly),
    ("1.2.840.10040.4.1", "id-dsa", "DSA key", "RFC 3279", Refused),
    ("1.2.840.10040.4.3", "id-dsa-with-sha1", "DSA with SHA-1", "RFC 3279", Refused),
    ("1.2.840.113549.1.9.16.3.17", "id-alg-hss-lms-hashsig", "HSS/LMS, stateful hashes", "RFC 9802", NotImplemented),
    ("1.3.6.1.5.5.7.6.34", "id-alg-xmss-hashsig", "XMSS, stateful hashes", "RFC 9802", NotImplemented),
    ("1.3.6.1.5.5.7.6.35", "id-alg-xmssmt-hashsig", "XMSS^MT, stateful hashes", "RFC 9802", NotImplemented),
    ("1.3.6.1.5.5.7.6.36", "id-alg-unsigned", "no signature: a trust anchor only", "RFC 9925", NotImplemented),
    ("1.3.6.1.4.1.44363.47.0", "id-alg-mtcProof", "Merkle tree certificate proof", "draft-ietf-plants-merkle-tree-certs", NotImplemented),
    ("1.2.156.10197.1.501", "sm2-with-sm3", "SM2 with SM3", "GB/T 32918", NotImplemented),
];

/// Parameter sets of SLH-DSA, in the order of their OIDs from 2.16.840.1.101.3.4.3.20 on (RFC 9909).
#[rustfmt::skip]
pub(super) const SLH_DSA: [&str; 12] = [
    "sha2-128s", "sha2-128f", "sha2-192s", "sha2-192f", "sha2-256s", "sha2-256f",
    "shake-128s", "shake-128f", "shake-192s", "shake-192f", "shake-256s", "shake-256f",
];

/// Arcs under which only one implementation, or only an old draft, means anything: prefix, and who it is.
#[rustfmt::skip]
pub(super) const PRIVATE_ARCS: [(&str, &str); 7] = [
    ("2.16.840.1.114027.80.8.1.", "composite signature of an old LAMPS draft (Entrust's OID arc)"),
    ("2.16.840.1.114027.80.9.1.", "composite signature of an old LAMPS draft (Entrust's OID arc)"),
    ("2.16.840.1.114027.80.", "pre-standard algorithm in Entrust's OID arc"),
    ("1.3.9999.7.", "ML-DSA, alone or hybrid, in oqs-provider's private encoding"),
    ("1.3.9999.", "algorithm in oqs-provider's private encoding"),
    ("1.3.6.1.4.1.2.267.", "Dilithium before it became ML-DSA"),
    ("1.3.6.1.4.1.22554.", "pre-standard algorithm in BouncyCastle's OID arc"),
];

/// What oqs-provider 0.12 calls its hybrids and its Falcon under 1.3.9999: each half in an encoding of its own, which no
/// other software reads.
#[rustfmt::skip]
pub(super) const OQS_PROVIDER: [(&str, &str); 14] = [
    ("1.3.9999.7.5", "p256_mldsa44"),
    ("1.3.9999.7.6", "rsa3072_mldsa44"),
    ("1.3.9999.7.7", "p384_mldsa65"),
    ("1.3.9999.7.8", "p521_mldsa87"),
    ("1.3.9999.3.11", "falcon512"),
    ("1.3.9999.3.12", "p256_falcon512"),
    ("1.3.9999.3.13", "rsa3072_falcon512"),
    ("1.3.9999.3.14", "falcon1024"),
    ("1.3.9999.3.15", "p521_falcon1024"),
    ("1.3.9999.3.16", "falconpadded512"),
    ("1.3.9999.3.17", "p256_falconpadded512"),
    ("1.3.9999.3.18", "rsa3072_falconpadded512"),
    ("1.3.9999.3.19", "falconpadded1024"),
    ("1.3.9999.3.20", "p521_falconpadded1024"),
];
