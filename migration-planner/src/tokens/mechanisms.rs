//! Names of mechanisms, and the algorithms that they are.

use symbolon_hsm::pkcs11::TokenMechanism;

use crate::algorithm::Function;

/// Mechanisms whose names follow no rule.
#[rustfmt::skip]
const NAMES: &[(&str, &str)] = &[
    ("RSA_PKCS_KEY_PAIR_GEN", "RSA"), ("RSA_X9_31_KEY_PAIR_GEN", "RSA"), ("RSA_PKCS", "RSA-PKCS1-1.5"),
    ("RSA_X_509", "RSA"), ("RSA_PKCS_OAEP", "RSA-OAEP"), ("RSA_PKCS_PSS", "RSA-PSS"),
    ("EC_KEY_PAIR_GEN", "EC"), ("ECDSA_KEY_PAIR_GEN", "EC"), ("ECDSA", "ECDSA"), ("ECDH1_DERIVE", "ECDH"),
    ("ECDH1_COFACTOR_DERIVE", "ECDH"), ("EDDSA", "EdDSA"), ("EC_EDWARDS_KEY_PAIR_GEN", "EdDSA"),
    ("EC_MONTGOMERY_KEY_PAIR_GEN", "x25519"), ("DH_PKCS_KEY_PAIR_GEN", "FFDH"), ("DH_PKCS_DERIVE", "FFDH"),
    ("DSA_KEY_PAIR_GEN", "DSA"), ("DSA", "DSA"), ("DSA_SHA1", "DSA-SHA-1"),
    ("AES_KEY_GEN", "AES"), ("AES_CBC_PAD", "AES-CBC-PKCS7"), ("AES_CBC_ENCRYPT_DATA", "AES-CBC"),
    ("AES_ECB_ENCRYPT_DATA", "AES-ECB"), ("AES_KEY_WRAP", "AES-KW"), ("AES_KEY_WRAP_PAD", "AES-KWP"),
    ("AES_KEY_WRAP_KWP", "AES-KWP"), ("AES_CMAC", "CMAC-AES"), ("AES_CMAC_GENERAL", "CMAC-AES"), ("AES_GMAC", "GMAC-AES"),
    ("DES3_KEY_GEN", "3DES-168"), ("DES2_KEY_GEN", "3DES-112"), ("DES3_ECB", "3DES-168-ECB"), ("DES3_CBC", "3DES-168-CBC"),
    ("DES3_CBC_PAD", "3DES-168-CBC"), ("DES3_CMAC", "CMAC-3DES"), ("DES3_ECB_ENCRYPT_DATA", "3DES-168-ECB"),
    ("DES3_CBC_ENCRYPT_DATA", "3DES-168-CBC"), ("DES_KEY_GEN", "DES-56"), ("DES_ECB", "DES-56-ECB"),
    ("DES_CBC", "DES-56-CBC"), ("DES_CBC_PAD", "DES-56-CBC"), ("DES_ECB_ENCRYPT_DATA", "DES-56-ECB"),
    ("DES_CBC_ENCRYPT_DATA", "DES-56-CBC"), ("CHACHA20_KEY_GEN", "ChaCha20"), ("CHACHA20_POLY1305", "ChaCha20-Poly1305"),
    ("CHACHA20", "ChaCha20"), ("ML_DSA_KEY_PAIR_GEN", "ML-DSA"), ("ML_DSA", "ML-DSA"), ("HASH_ML_DSA", "ML-DSA"),
    ("ML_KEM_KEY_PAIR_GEN", "ML-KEM"), ("ML_KEM", "ML-KEM"), ("SLH_DSA_KEY_PAIR_GEN", "SLH-DSA"),
    ("SLH_DSA", "SLH-DSA"), ("HASH_SLH_DSA", "SLH-DSA"), ("HKDF_DERIVE", "HKDF"), ("HKDF_DATA", "HKDF"),
    ("PKCS5_PBKD2", "PBKDF2"),
];

/// Mechanisms that are no algorithm: keys without one, and joining of bytes.
const NOTHING: &[&str] = &[
    "GENERIC_SECRET_KEY_GEN",
    "HKDF_KEY_GEN",
    "CONCATENATE_BASE_AND_KEY",
    "CONCATENATE_BASE_AND_DATA",
    "CONCATENATE_DATA_AND_BASE",
    "XOR_BASE_AND_DATA",
    "EXTRACT_KEY_FROM_KEY",
];

/// What a mechanism is, in a spelling that the tables of algorithms know, and what it is for. One that nobody here
/// knows keeps its own name, and so is unknown.
pub(super) fn algorithm(mechanism: &TokenMechanism) -> Option<(String, Vec<Function>)> {
    let name = mechanism.name.strip_prefix("CKM_").unwrap_or(&mechanism.name);
    if NOTHING.contains(&name) {
        return None;
    }
    let algorithm = NAMES
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, algorithm)| (*algorithm).to_owned())
        .or_else(|| by_rule(name))
        .unwrap_or_else(|| mechanism.name.clone());
    Some((algorithm, functions(mechanism)))
}

/// A hash alone, or a hash together with what signs or authenticates.
fn by_rule(name: &str) -> Option<String> {
    if let Some(hash) = hash(name) {
        return Some(hash);
    }
    for (suffix, before) in [
        ("_RSA_PKCS_PSS", "RSA-PSS"),
        ("_RSA_PKCS", "RSA-PKCS1-1.5"),
        ("_HMAC_GENERAL", "HMAC"),
        ("_HMAC", "HMAC"),
        ("_KEY_DERIVATION", ""),
        ("_KEY_DERIVE", ""),
        ("_KEY_GEN", "HMAC"),
    ] {
        if let Some(hash) = name.strip_suffix(suffix).and_then(hash) {
            return Some(if before.is_empty() {
                hash
            } else {
                format!("{before}-{hash}")
            });
        }
    }
    for (prefix, before) in [
        ("ECDSA_", "ECDSA"),
        ("DSA_", "DSA"),
        ("HASH_ML_DSA_", "ML-DSA"),
        ("HASH_SLH_DSA_", "SLH-DSA"),
    ] {
        if let Some(hash) = name.strip_prefix(prefix).and_then(hash) {
            return Some(format!("{before}-{hash}"));
        }
    }
    let mode = name.strip_prefix("AES_")?;
    [
        "ECB", "CBC", "CTR", "GCM", "CCM", "CTS", "OFB", "CFB8", "CFB128", "XTS",
    ]
    .contains(&mode)
    .then(|| format!("AES-{mode}"))
}

fn hash(name: &str) -> Option<String> {
    let known = match name {
        "MD5" => "MD5",
        "SHA1" | "SHA_1" => "SHA-1",
        "SHA224" => "SHA-224",
        "SHA256" => "SHA-256",
        "SHA384" => "SHA-384",
        "SHA512" => "SHA-512",
        "SHA512_224" => "SHA-512/224",
        "SHA512_256" => "SHA-512/256",
        "SHA3_224" => "SHA3-224",
        "SHA3_256" => "SHA3-256",
        "SHA3_384" => "SHA3-384",
        "SHA3_512" => "SHA3-512",
        "SHAKE128" => "SHAKE128",
        "SHAKE256" => "SHAKE256",
        "RIPEMD160" => "RIPEMD-160",
        _ => return None,
    };
    Some(known.to_owned())
}

fn functions(mechanism: &TokenMechanism) -> Vec<Function> {
    let mut functions: Vec<Function> = mechanism
        .functions
        .iter()
        .filter_map(|word| match *word {
            "encrypt" | "wrap" => Some(Function::Encrypt),
            "decrypt" | "unwrap" => Some(Function::Decrypt),
            "digest" => Some(Function::Digest),
            "sign" => Some(Function::Sign),
            "verify" => Some(Function::Verify),
            "generate-key" | "generate-key-pair" => Some(Function::Keygen),
            "derive" => Some(Function::Keyderive),
            "encapsulate" => Some(Function::Encapsulate),
            "decapsulate" => Some(Function::Decapsulate),
            _ => None,
        })
        .collect();
    functions.sort();
    functions.dedup();
    functions
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::algorithm::{Algorithm, Quantum, alias};

    #[test]
    fn every_name_leads_to_an_algorithm_that_is_known() {
        let by_rule = [
            "SHA256_RSA_PKCS_PSS",
            "SHA512_RSA_PKCS",
            "SHA_1_HMAC",
            "SHA3_256_HMAC_GENERAL",
            "ECDSA_SHA384",
            "SHA384_KEY_DERIVATION",
            "AES_GCM",
            "HASH_ML_DSA_SHA512",
        ];
        let rows = NAMES
            .iter()
            .map(|(name, algorithm)| (*name, (*algorithm).to_owned()));
        let all = rows.chain(by_rule.map(|name| (name, super::by_rule(name).unwrap_or_default())));
        for (name, spelling) in all {
            let algorithm = alias::resolve(&spelling).unwrap_or_else(|| Algorithm::named(&spelling));
            assert_ne!(algorithm.quantum, Quantum::Unknown, "{name}: {spelling}");
        }
    }

    #[test]
    fn what_nobody_knows_keeps_its_name() {
        assert_eq!(by_rule("GOSTR3411"), None);
        assert_eq!(by_rule("SHA256_RSA_PKCS_PSS").as_deref(), Some("RSA-PSS-SHA-256"));
        assert_eq!(by_rule("SHA256").as_deref(), Some("SHA-256"));
    }
}
