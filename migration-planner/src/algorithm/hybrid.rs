//! Hybrids and composites: names that stand for two algorithms.

/// Hybrid key exchanges: name, post-quantum half, classical half.
///
/// TLS groups of draft-ietf-tls-ecdhe-mlkem, SSH methods of draft-ietf-sshm-mlkem-hybrid-kex and of OpenSSH, and
/// older ones that are still met.
#[rustfmt::skip]
pub(super) const EXCHANGES: &[(&str, &str, &str)] = &[
    ("X25519MLKEM768", "ML-KEM-768", "x25519"),
    ("SecP256r1MLKEM768", "ML-KEM-768", "ECDHE-P-256"),
    ("SecP384r1MLKEM1024", "ML-KEM-1024", "ECDHE-P-384"),
    ("curveSM2MLKEM768", "ML-KEM-768", "ECDHE-SM2"),
    ("X25519Kyber768Draft00", "Kyber768", "x25519"),
    ("SecP256r1Kyber768Draft00", "Kyber768", "ECDHE-P-256"),
    ("X25519Kyber512Draft00", "Kyber512", "x25519"),
    // oqs-provider's own, which have no number in the registry.
    ("x25519_mlkem512", "ML-KEM-512", "x25519"),
    ("p256_mlkem512", "ML-KEM-512", "ECDHE-P-256"),
    ("p384_mlkem768", "ML-KEM-768", "ECDHE-P-384"),
    ("x448_mlkem768", "ML-KEM-768", "x448"),
    ("p521_mlkem1024", "ML-KEM-1024", "ECDHE-P-521"),
    ("p256_kyber512", "Kyber512", "ECDHE-P-256"),
    ("p384_kyber768", "Kyber768", "ECDHE-P-384"),
    ("x448_kyber768", "Kyber768", "x448"),
    ("p521_kyber1024", "Kyber1024", "ECDHE-P-521"),
    ("mlkem768x25519-sha256", "ML-KEM-768", "x25519"),
    ("mlkem768nistp256-sha256", "ML-KEM-768", "ECDHE-P-256"),
    ("mlkem1024nistp384-sha384", "ML-KEM-1024", "ECDHE-P-384"),
    ("sntrup761x25519-sha512", "sntrup761", "x25519"),
    ("sntrup4591761x25519-sha512", "sntrup4591761", "x25519"),
    // OpenPGP (draft-ietf-openpgp-pqc).
    ("ML-KEM-768+x25519", "ML-KEM-768", "x25519"),
    ("ML-KEM-1024+x448", "ML-KEM-1024", "x448"),
    ("ML-DSA-65+Ed25519", "ML-DSA-65", "Ed25519"),
    ("ML-DSA-87+Ed448", "ML-DSA-87", "Ed448"),
];

/// LAMPS composite signatures (draft-ietf-lamps-pq-composite-sigs-19, section 6): last arc under
/// 1.3.6.1.5.5.7.6, name, ML-DSA half, traditional half.
#[rustfmt::skip]
pub(super) const SIGNATURES: &[(u32, &str, &str, &str)] = &[
    (37, "MLDSA44-RSA2048-PSS-SHA256", "ML-DSA-44", "RSA-PSS-SHA-256-2048"),
    (38, "MLDSA44-RSA2048-PKCS15-SHA256", "ML-DSA-44", "RSA-PKCS1-1.5-SHA-256-2048"),
    (39, "MLDSA44-Ed25519-SHA512", "ML-DSA-44", "Ed25519"),
    (40, "MLDSA44-ECDSA-P256-SHA256", "ML-DSA-44", "ECDSA-P-256-SHA-256"),
    (41, "MLDSA65-RSA3072-PSS-SHA512", "ML-DSA-65", "RSA-PSS-SHA-256-3072"),
    (42, "MLDSA65-RSA3072-PKCS15-SHA512", "ML-DSA-65", "RSA-PKCS1-1.5-SHA-256-3072"),
    (43, "MLDSA65-RSA4096-PSS-SHA512", "ML-DSA-65", "RSA-PSS-SHA-384-4096"),
    (44, "MLDSA65-RSA4096-PKCS15-SHA512", "ML-DSA-65", "RSA-PKCS1-1.5-SHA-384-4096"),
    (45, "MLDSA65-ECDSA-P256-SHA512", "ML-DSA-65", "ECDSA-P-256-SHA-256"),
    (46, "MLDSA65-ECDSA-P384-SHA512", "ML-DSA-65", "ECDSA-P-384-SHA-384"),
    (47, "MLDSA65-ECDSA-brainpoolP256r1-SHA512", "ML-DSA-65", "ECDSA-brainpoolP256r1-SHA-256"),
    (48, "MLDSA65-Ed25519-SHA512", "ML-DSA-65", "Ed25519"),
    (49, "MLDSA87-ECDSA-P384-SHA512", "ML-DSA-87", "ECDSA-P-384-SHA-384"),
    (50, "MLDSA87-ECDSA-brainpoolP384r1-SHA512", "ML-DSA-87", "ECDSA-brainpoolP384r1-SHA-384"),
    (51, "MLDSA87-Ed448-SHAKE256", "ML-DSA-87", "Ed448"),
    (52, "MLDSA87-RSA3072-PSS-SHA512", "ML-DSA-87", "RSA-PSS-SHA-256-3072"),
    (53, "MLDSA87-RSA4096-PSS-SHA512", "ML-DSA-87", "RSA-PSS-SHA-384-4096"),
    (54, "MLDSA87-ECDSA-P521-SHA512", "ML-DSA-87", "ECDSA-P-521-SHA-512"),
];

/// Both halves of a hybrid or composite by its name, post-quantum first, and whether it signs.
pub(super) fn halves(name: &str) -> Option<(&'static str, [&'static str; 2], bool)> {
    let exchange = EXCHANGES
        .iter()
        .find(|(known, ..)| known.eq_ignore_ascii_case(name))
        .map(|&(known, post_quantum, classical)| (known, [post_quantum, classical], false));
    exchange.or_else(|| {
        SIGNATURES
            .iter()
            .find(|(_, known, ..)| known.eq_ignore_ascii_case(name))
            .map(|&(_, known, post_quantum, classical)| (known, [post_quantum, classical], true))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::algorithm::{Algorithm, Primitive, Quantum};

    #[test]
    fn every_half_is_an_algorithm_that_is_known() {
        let exchanges = EXCHANGES.iter().flat_map(|&(_, a, b)| [a, b]);
        let signatures = SIGNATURES.iter().flat_map(|&(_, _, a, b)| [a, b]);
        for half in exchanges.chain(signatures) {
            let algorithm = Algorithm::named(half);
            assert_ne!(algorithm.primitive, Primitive::Unknown, "{half}");
            assert_ne!(algorithm.quantum, Quantum::Unknown, "{half}");
        }
    }
}
