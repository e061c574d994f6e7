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

/// What stands before the underscore of a name such as `p384_frodo976shake`: a group, and what signs with it.
#[rustfmt::skip]
const CLASSICAL: &[(&str, &str, &str)] = &[
    ("p256", "ECDHE-P-256", "ECDSA-P-256-SHA-256"), ("secp256r1", "ECDHE-P-256", "ECDSA-P-256-SHA-256"),
    ("p384", "ECDHE-P-384", "ECDSA-P-384-SHA-384"), ("secp384r1", "ECDHE-P-384", "ECDSA-P-384-SHA-384"),
    ("p521", "ECDHE-P-521", "ECDSA-P-521-SHA-512"), ("secp521r1", "ECDHE-P-521", "ECDSA-P-521-SHA-512"),
    ("bp256", "ECDHE-brainpoolP256r1", ""), ("bp384", "ECDHE-brainpoolP384r1", ""),
    ("bp512", "ECDHE-brainpoolP512r1", ""), ("x25519", "x25519", ""), ("x448", "x448", ""),
    ("rsa3072", "", "RSA-PKCS1-1.5-SHA-256-3072"),
];

/// Post-quantum names as oqs-provider and s2n-tls write them, in lower case.
#[rustfmt::skip]
const POST_QUANTUM: &[(&str, &str)] = &[
    ("mlkem512", "ML-KEM-512"), ("mlkem768", "ML-KEM-768"), ("mlkem1024", "ML-KEM-1024"),
    ("kyber512", "Kyber512"), ("kyber768", "Kyber768"), ("kyber1024", "Kyber1024"),
    ("kyber512r3", "Kyber512"), ("kyber768r3", "Kyber768"), ("kyber1024r3", "Kyber1024"),
    ("kyber-512-r3", "Kyber512"), ("kyber-768-r3", "Kyber768"), ("kyber-1024-r3", "Kyber1024"),
    ("frodo640aes", "FrodoKEM-640-AES"), ("frodo640shake", "FrodoKEM-640-SHAKE"),
    ("frodo976aes", "FrodoKEM-976-AES"), ("frodo976shake", "FrodoKEM-976-SHAKE"),
    ("frodo1344aes", "FrodoKEM-1344-AES"), ("frodo1344shake", "FrodoKEM-1344-SHAKE"),
    ("efrodo640aes", "eFrodoKEM-640-AES"), ("efrodo640shake", "eFrodoKEM-640-SHAKE"),
    ("efrodo976aes", "eFrodoKEM-976-AES"), ("efrodo976shake", "eFrodoKEM-976-SHAKE"),
    ("efrodo1344aes", "eFrodoKEM-1344-AES"), ("efrodo1344shake", "eFrodoKEM-1344-SHAKE"),
    ("bikel1", "BIKE-L1"), ("bikel3", "BIKE-L3"), ("bikel5", "BIKE-L5"),
    ("hqc1", "HQC-128"), ("hqc3", "HQC-192"), ("hqc5", "HQC-256"),
    ("hqc128", "HQC-128"), ("hqc192", "HQC-192"), ("hqc256", "HQC-256"),
    ("bike-l1-r3", "BIKE-L1"), ("sikep434", "SIKE-p434"), ("sike-p434-r2", "SIKE-p434"),
    ("sike-p434-r3", "SIKE-p434"),
    ("mldsa44", "ML-DSA-44"), ("mldsa65", "ML-DSA-65"), ("mldsa87", "ML-DSA-87"),
    ("dilithium2", "Dilithium2"), ("dilithium3", "Dilithium3"), ("dilithium5", "Dilithium5"),
    ("falcon512", "Falcon512"), ("falcon1024", "Falcon1024"),
    ("falconpadded512", "Falcon512"), ("falconpadded1024", "Falcon1024"),
    ("slhdsasha2128s", "SLH-DSA-SHA2-128s"), ("slhdsasha2128f", "SLH-DSA-SHA2-128f"),
    ("slhdsasha2192s", "SLH-DSA-SHA2-192s"), ("slhdsasha2192f", "SLH-DSA-SHA2-192f"),
    ("slhdsasha2256s", "SLH-DSA-SHA2-256s"), ("slhdsasha2256f", "SLH-DSA-SHA2-256f"),
    ("slhdsashake128s", "SLH-DSA-SHAKE-128s"), ("slhdsashake128f", "SLH-DSA-SHAKE-128f"),
    ("slhdsashake192s", "SLH-DSA-SHAKE-192s"), ("slhdsashake192f", "SLH-DSA-SHAKE-192f"),
    ("slhdsashake256s", "SLH-DSA-SHAKE-256s"), ("slhdsashake256f", "SLH-DSA-SHAKE-256f"),
];

/// The canonical name of a post-quantum algorithm that stands alone under such a name, in lower case.
pub(super) fn alone(lower: &str) -> Option<&'static str> {
    POST_QUANTUM
        .iter()
        .find(|(known, _)| *known == lower)
        .map(|(_, name)| *name)
}

/// Both halves of a hybrid or composite by its name, post-quantum first, with the name as it is written.
pub(super) fn halves(name: &str) -> Option<(String, [&'static str; 2])> {
    let exchange = EXCHANGES
        .iter()
        .find(|(known, ..)| known.eq_ignore_ascii_case(name))
        .map(|&(known, post_quantum, classical)| (known.to_owned(), [post_quantum, classical]));
    exchange
        .or_else(|| {
            SIGNATURES
                .iter()
                .find(|(_, known, ..)| known.eq_ignore_ascii_case(name))
                .map(|&(_, known, post_quantum, classical)| (known.to_owned(), [post_quantum, classical]))
        })
        .or_else(|| by_rule(name))
}

/// Names that no registry has, and that are put together of a classical and a post-quantum one.
fn by_rule(name: &str) -> Option<(String, [&'static str; 2])> {
    if name.len() > 64 {
        return None;
    }
    let lower = name.to_ascii_lowercase();
    let (classical, post_quantum) = lower.split_once('_')?;
    let (_, group, signs) = CLASSICAL.iter().find(|(known, ..)| *known == classical)?;
    let post_quantum = alone(post_quantum)?;
    let signature = super::family::signs(post_quantum);
    let classical = if signature { *signs } else { *group };
    (!classical.is_empty()).then_some((lower, [post_quantum, classical]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::algorithm::{Algorithm, Primitive, Quantum};

    #[test]
    fn every_half_is_an_algorithm_that_is_known() {
        let exchanges = EXCHANGES.iter().flat_map(|&(_, a, b)| [a, b]);
        let signatures = SIGNATURES.iter().flat_map(|&(_, _, a, b)| [a, b]);
        let classical = CLASSICAL.iter().flat_map(|&(_, a, b)| [a, b]);
        let rest = classical.chain(POST_QUANTUM.iter().map(|&(_, name)| name));
        let rest = rest.filter(|name| !name.is_empty());
        for half in exchanges.chain(signatures).chain(rest) {
            let algorithm = Algorithm::named(half);
            assert_ne!(algorithm.primitive, Primitive::Unknown, "{half}");
            assert_ne!(algorithm.quantum, Quantum::Unknown, "{half}");
        }
    }
    #[test]
    fn names_that_are_put_together_are_taken_apart() {
        for (name, level, parts) in [
            ("p256_frodo640aes", 1, ["FrodoKEM-640-AES", "ECDHE-P-256"]),
            ("x448_efrodo976shake", 3, ["eFrodoKEM-976-SHAKE", "x448"]),
            ("P521_BIKEL5", 5, ["BIKE-L5", "ECDHE-P-521"]),
            ("x25519_hqc1", 1, ["HQC-128", "x25519"]),
            ("bp512_mlkem1024", 5, ["ML-KEM-1024", "ECDHE-brainpoolP512r1"]),
            ("secp521r1_kyber-1024-r3", 5, ["Kyber1024", "ECDHE-P-521"]),
            ("p384_mldsa65", 3, ["ML-DSA-65", "ECDSA-P-384-SHA-384"]),
            (
                "rsa3072_falconpadded512",
                1,
                ["Falcon512", "RSA-PKCS1-1.5-SHA-256-3072"],
            ),
        ] {
            let algorithm = Algorithm::named(name);
            assert_eq!(algorithm.parts, parts, "{name}");
            assert_eq!(
                (algorithm.primitive, algorithm.quantum, algorithm.quantum_level),
                (Primitive::Combiner, Quantum::Resistant, Some(level)),
                "{name}"
            );
        }
        // SIKE was broken on a laptop: such a pair is as weak as its classical half.
        let sike = Algorithm::named("x25519_sikep434");
        assert_eq!((sike.quantum, sike.quantum_level), (Quantum::Broken, Some(0)));
        assert_eq!(sike.classical_bits, Some(128));
        for unknown in [
            "p256_mayo1",
            "x25519_mldsa44",
            "rsa3072_mlkem768",
            "_mlkem768",
            "p256_",
        ] {
            assert_eq!(Algorithm::named(unknown).quantum, Quantum::Unknown, "{unknown}");
        }
    }
}
