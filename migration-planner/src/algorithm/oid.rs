//! Algorithms by object identifier, so that what is in a file is named whether or not anybody here can compute it.

use symbolon_pki::describe;

use super::{Algorithm, Function, curve, hybrid};

/// OIDs with the canonical name of what they stand for. Composites and SLH-DSA are ranges, and are not here.
#[rustfmt::skip]
const NAMES: &[(&str, &str)] = &[
    // Signatures.
    ("1.2.840.113549.1.1.2", "RSA-PKCS1-1.5-MD2"),
    ("1.2.840.113549.1.1.3", "RSA-PKCS1-1.5-MD4"),
    ("1.2.840.113549.1.1.4", "RSA-PKCS1-1.5-MD5"),
    ("1.2.840.113549.1.1.5", "RSA-PKCS1-1.5-SHA-1"),
    ("1.3.14.3.2.29", "RSA-PKCS1-1.5-SHA-1"),
    ("1.2.840.113549.1.1.11", "RSA-PKCS1-1.5-SHA-256"),
    ("1.2.840.113549.1.1.12", "RSA-PKCS1-1.5-SHA-384"),
    ("1.2.840.113549.1.1.13", "RSA-PKCS1-1.5-SHA-512"),
    ("1.2.840.113549.1.1.14", "RSA-PKCS1-1.5-SHA-224"),
    ("1.2.840.113549.1.1.15", "RSA-PKCS1-1.5-SHA-512/224"),
    ("1.2.840.113549.1.1.16", "RSA-PKCS1-1.5-SHA-512/256"),
    ("2.16.840.1.101.3.4.3.13", "RSA-PKCS1-1.5-SHA3-224"),
    ("2.16.840.1.101.3.4.3.14", "RSA-PKCS1-1.5-SHA3-256"),
    ("2.16.840.1.101.3.4.3.15", "RSA-PKCS1-1.5-SHA3-384"),
    ("2.16.840.1.101.3.4.3.16", "RSA-PKCS1-1.5-SHA3-512"),
    ("1.3.36.3.3.1.2", "RSA-PKCS1-1.5-RIPEMD-160"),
    ("1.2.840.113549.1.1.10", "RSA-PSS"),
    ("1.3.6.1.5.5.7.6.30", "RSA-PSS-SHAKE128"),
    ("1.3.6.1.5.5.7.6.31", "RSA-PSS-SHAKE256"),
    ("1.3.6.1.5.5.7.6.32", "ECDSA-SHAKE128"),
    ("1.3.6.1.5.5.7.6.33", "ECDSA-SHAKE256"),
    ("1.2.840.10045.4.1", "ECDSA-SHA-1"),
    ("1.2.840.10045.4.3.1", "ECDSA-SHA-224"),
    ("1.2.840.10045.4.3.2", "ECDSA-SHA-256"),
    ("1.2.840.10045.4.3.3", "ECDSA-SHA-384"),
    ("1.2.840.10045.4.3.4", "ECDSA-SHA-512"),
    ("2.16.840.1.101.3.4.3.9", "ECDSA-SHA3-224"),
    ("2.16.840.1.101.3.4.3.10", "ECDSA-SHA3-256"),
    ("2.16.840.1.101.3.4.3.11", "ECDSA-SHA3-384"),
    ("2.16.840.1.101.3.4.3.12", "ECDSA-SHA3-512"),
    ("1.2.840.10040.4.3", "DSA-SHA-1"),
    ("2.16.840.1.101.3.4.3.1", "DSA-SHA-224"),
    ("2.16.840.1.101.3.4.3.2", "DSA-SHA-256"),
    ("2.16.840.1.101.3.4.3.3", "DSA-SHA-384"),
    ("2.16.840.1.101.3.4.3.4", "DSA-SHA-512"),
    ("1.3.101.112", "Ed25519"),
    ("1.3.101.113", "Ed448"),
    ("1.3.6.1.4.1.11591.15.1", "Ed25519"),
    ("1.2.156.10197.1.501", "SM2-SM3"),
    ("1.2.643.2.2.3", "GOSTR3410-GOSTR3411"),
    ("1.2.643.7.1.1.3.2", "GOSTR3410-2012-256"),
    ("1.2.643.7.1.1.3.3", "GOSTR3410-2012-512"),
    ("2.16.840.1.101.3.4.3.17", "ML-DSA-44"),
    ("2.16.840.1.101.3.4.3.18", "ML-DSA-65"),
    ("2.16.840.1.101.3.4.3.19", "ML-DSA-87"),
    ("2.16.840.1.101.3.4.3.32", "HashML-DSA-44-SHA-512"),
    ("2.16.840.1.101.3.4.3.33", "HashML-DSA-65-SHA-512"),
    ("2.16.840.1.101.3.4.3.34", "HashML-DSA-87-SHA-512"),
    ("1.2.840.113549.1.9.16.3.17", "HSS-LMS"),
    ("1.3.6.1.5.5.7.6.34", "XMSS"),
    ("1.3.6.1.5.5.7.6.35", "XMSSMT"),
    // Keys.
    ("1.2.840.113549.1.1.1", "RSA"),
    ("1.2.840.113549.1.1.7", "RSA-OAEP"),
    ("2.5.8.1.1", "RSA"),
    ("1.2.840.10040.4.1", "DSA"),
    ("1.2.840.10045.2.1", "ECDSA"),
    ("1.3.132.1.12", "ECDH"),
    ("1.3.132.1.13", "ECMQV"),
    ("1.2.840.113549.1.3.1", "FFDH"),
    ("1.2.840.10046.2.1", "FFDH"),
    ("1.3.101.110", "x25519"),
    ("1.3.101.111", "x448"),
    ("1.3.6.1.4.1.3029.1.5.1", "x25519"),
    ("1.2.643.2.2.19", "GOSTR3410"),
    ("1.2.643.7.1.1.1.1", "GOSTR3410-2012-256"),
    ("1.2.643.7.1.1.1.2", "GOSTR3410-2012-512"),
    ("2.16.840.1.101.3.4.4.1", "ML-KEM-512"),
    ("2.16.840.1.101.3.4.4.2", "ML-KEM-768"),
    ("2.16.840.1.101.3.4.4.3", "ML-KEM-1024"),
    // Hashes and MACs.
    ("1.2.840.113549.2.2", "MD2"),
    ("1.2.840.113549.2.4", "MD4"),
    ("1.2.840.113549.2.5", "MD5"),
    ("1.3.14.3.2.26", "SHA-1"),
    ("2.16.840.1.101.3.4.2.1", "SHA-256"),
    ("2.16.840.1.101.3.4.2.2", "SHA-384"),
    ("2.16.840.1.101.3.4.2.3", "SHA-512"),
    ("2.16.840.1.101.3.4.2.4", "SHA-224"),
    ("2.16.840.1.101.3.4.2.5", "SHA-512/224"),
    ("2.16.840.1.101.3.4.2.6", "SHA-512/256"),
    ("2.16.840.1.101.3.4.2.7", "SHA3-224"),
    ("2.16.840.1.101.3.4.2.8", "SHA3-256"),
    ("2.16.840.1.101.3.4.2.9", "SHA3-384"),
    ("2.16.840.1.101.3.4.2.10", "SHA3-512"),
    ("2.16.840.1.101.3.4.2.11", "SHAKE128"),
    ("2.16.840.1.101.3.4.2.12", "SHAKE256"),
    ("1.3.36.3.2.1", "RIPEMD-160"),
    ("1.2.156.10197.1.401", "SM3"),
    ("1.2.840.113549.2.7", "HMAC-SHA-1"),
    ("1.2.840.113549.2.8", "HMAC-SHA-224"),
    ("1.2.840.113549.2.9", "HMAC-SHA-256"),
    ("1.2.840.113549.2.10", "HMAC-SHA-384"),
    ("1.2.840.113549.2.11", "HMAC-SHA-512"),
    ("1.2.840.113549.2.12", "HMAC-SHA-512/224"),
    ("1.2.840.113549.2.13", "HMAC-SHA-512/256"),
    ("1.2.840.113549.1.5.14", "PBMAC1"),
    // Key derivation and password-based encryption.
    ("1.2.840.113549.1.5.12", "PBKDF2"),
    ("1.2.840.113549.1.5.13", "PBES2"),
    ("1.3.6.1.4.1.11591.4.11", "scrypt"),
    ("1.2.840.113549.1.5.1", "PBES1-DES-MD2"),
    ("1.2.840.113549.1.5.3", "PBES1-DES-MD5"),
    ("1.2.840.113549.1.5.4", "PBES1-RC2-MD2"),
    ("1.2.840.113549.1.5.6", "PBES1-RC2-MD5"),
    ("1.2.840.113549.1.5.10", "PBES1-DES-SHA-1"),
    ("1.2.840.113549.1.5.11", "PBES1-RC2-SHA-1"),
    ("1.2.840.113549.1.12.1.1", "PBES1-RC4-128-SHA-1"),
    ("1.2.840.113549.1.12.1.2", "PBES1-RC4-40-SHA-1"),
    ("1.2.840.113549.1.12.1.3", "PBES1-3DES-168-SHA-1"),
    ("1.2.840.113549.1.12.1.4", "PBES1-3DES-112-SHA-1"),
    ("1.2.840.113549.1.12.1.5", "PBES1-RC2-128-SHA-1"),
    ("1.2.840.113549.1.12.1.6", "PBES1-RC2-40-SHA-1"),
    ("1.3.6.1.4.1.42.2.17.1.1", "PBES1-JKS-SHA-1"),
    ("1.3.6.1.4.1.42.2.19.1", "PBES1-3DES-168-MD5"),
    // Ciphers.
    ("2.16.840.1.101.3.4.1.1", "AES-128-ECB"),
    ("2.16.840.1.101.3.4.1.2", "AES-128-CBC"),
    ("2.16.840.1.101.3.4.1.5", "AES-128-KW"),
    ("2.16.840.1.101.3.4.1.6", "AES-128-GCM"),
    ("2.16.840.1.101.3.4.1.7", "AES-128-CCM"),
    ("2.16.840.1.101.3.4.1.21", "AES-192-ECB"),
    ("2.16.840.1.101.3.4.1.22", "AES-192-CBC"),
    ("2.16.840.1.101.3.4.1.25", "AES-192-KW"),
    ("2.16.840.1.101.3.4.1.26", "AES-192-GCM"),
    ("2.16.840.1.101.3.4.1.41", "AES-256-ECB"),
    ("2.16.840.1.101.3.4.1.42", "AES-256-CBC"),
    ("2.16.840.1.101.3.4.1.45", "AES-256-KW"),
    ("2.16.840.1.101.3.4.1.46", "AES-256-GCM"),
    ("2.16.840.1.101.3.4.1.47", "AES-256-CCM"),
    ("1.2.840.113549.3.7", "3DES-168-CBC"),
    ("1.3.14.3.2.7", "DES-56-CBC"),
    ("1.2.840.113549.3.2", "RC2-CBC"),
    ("1.2.840.113549.3.4", "RC4"),
    ("1.2.392.200011.61.1.1.1.2", "CAMELLIA-128-CBC"),
    ("1.2.392.200011.61.1.1.1.3", "CAMELLIA-192-CBC"),
    ("1.2.392.200011.61.1.1.1.4", "CAMELLIA-256-CBC"),
    ("1.2.410.200004.1.4", "SEED-128-CBC"),
    ("1.2.156.10197.1.104.2", "SM4-CBC"),
    ("1.2.840.113549.1.9.16.3.18", "ChaCha20-Poly1305"),
];

const SLH_DSA: [&str; 12] = [
    "SHA2-128s",
    "SHA2-128f",
    "SHA2-192s",
    "SHA2-192f",
    "SHA2-256s",
    "SHA2-256f",
    "SHAKE-128s",
    "SHAKE-128f",
    "SHAKE-192s",
    "SHAKE-192f",
    "SHAKE-256s",
    "SHAKE-256f",
];

/// The algorithm with this object identifier. An OID that means nothing here becomes an algorithm of that name, of
/// unknown strength; one in an arc that is known to be private says so in its name.
#[must_use]
pub fn algorithm(dotted: &str) -> Algorithm {
    Algorithm::named(&name(dotted)).with_oid(dotted)
}

fn name(dotted: &str) -> String {
    if let Some((_, name)) = NAMES.iter().find(|(oid, _)| *oid == dotted) {
        return (*name).to_owned();
    }
    let arc = |prefix: &str| dotted.strip_prefix(prefix)?.parse::<u32>().ok();
    if let Some(arc) = arc("1.3.6.1.5.5.7.6.")
        && let Some((_, name, ..)) = hybrid::SIGNATURES.iter().find(|(of, ..)| *of == arc)
    {
        return (*name).to_owned();
    }
    if let Some(arc) = arc("2.16.840.1.101.3.4.3.") {
        let at = |from: u32| SLH_DSA.get(usize::try_from(arc.checked_sub(from)?).ok()?);
        if let Some(set) = at(20) {
            return format!("SLH-DSA-{set}");
        }
        if let Some(set) = at(35) {
            return format!("HashSLH-DSA-{set}");
        }
    }
    dotted.to_owned()
}

/// What people call an OID that has no canonical name: the words of `symbolon inspect`.
#[must_use]
pub fn words(dotted: &str) -> Option<String> {
    let described = describe::algorithm(dotted.parse().ok()?);
    (described.support != describe::Support::Unknown).then_some(described.words)
}

/// The algorithm of a public key from its identifier, the curve in its parameters if there is one, and the bits of
/// its modulus if it has one.
#[must_use]
pub fn key(dotted: &str, curve_oid: Option<&str>, modulus_bits: Option<usize>) -> Algorithm {
    let base = name(dotted);
    let named = match (base.as_str(), curve_oid, modulus_bits) {
        ("ECDSA" | "ECDH" | "ECMQV", Some("1.2.156.10197.1.301"), _) => "SM2".to_owned(),
        ("ECDSA" | "ECDH" | "ECMQV", Some(oid), _) => {
            let name = curve::by_oid(oid).map_or(oid, |curve| curve.name);
            format!("{base}-{name}")
        }
        ("RSA" | "RSA-PSS" | "RSA-OAEP" | "DSA" | "FFDH", _, Some(bits)) => format!("{base}-{bits}"),
        _ => base,
    };
    Algorithm::named(&named).with_oid(dotted)
}

/// A signature algorithm from its identifier and, for RSA-PSS, the hash in its parameters.
#[must_use]
pub fn signature(dotted: &str, pss_hash_oid: Option<&str>) -> Algorithm {
    let base = name(dotted);
    let named = match (base.as_str(), pss_hash_oid) {
        ("RSA-PSS", Some(oid)) => format!("RSA-PSS-{}", name(oid)),
        ("RSA-PSS", None) => "RSA-PSS-SHA-1".to_owned(), // RFC 4055 §3.1: the default
        _ => base,
    };
    Algorithm::named(&named)
        .with_oid(dotted)
        .used_to(&[Function::Verify])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::algorithm::{Primitive, Quantum};

    #[test]
    fn every_name_in_the_table_is_a_canonical_one() {
        for (oid, name) in NAMES {
            let algorithm = algorithm(oid);
            assert_ne!(algorithm.primitive, Primitive::Unknown, "{oid} {name}");
            assert_ne!(algorithm.quantum, Quantum::Unknown, "{oid} {name}");
        }
    }

    #[test]
    fn ranges_and_strangers() {
        assert_eq!(algorithm("1.3.6.1.5.5.7.6.45").name, "MLDSA65-ECDSA-P256-SHA512");
        assert_eq!(algorithm("2.16.840.1.101.3.4.3.31").name, "SLH-DSA-SHAKE-256f");
        assert_eq!(algorithm("2.16.840.1.101.3.4.3.20").quantum_level, Some(1));
        assert_eq!(
            algorithm("2.16.840.1.101.3.4.3.46").name,
            "HashSLH-DSA-SHAKE-256f"
        );
        assert_eq!(algorithm("1.2.3.4.5").quantum, Quantum::Unknown);
        assert!(words("1.3.9999.7.5").is_some_and(|words| words.contains("oqs-provider")));
        assert_eq!(
            key("1.2.840.10045.2.1", Some("1.3.132.0.34"), None).name,
            "ECDSA-P-384"
        );
        assert_eq!(key("1.2.840.113549.1.1.1", None, Some(3072)).name, "RSA-3072");
        assert_eq!(signature("1.2.840.113549.1.1.10", None).parts, ["SHA-1"]);
    }
}
