//! From a canonical name to everything that follows from it.

use std::collections::BTreeSet;

use super::family::{FAMILIES, Family};
use super::{Algorithm, Primitive, Quantum, curve, hybrid};

/// Hashes that can end the name of a signature, a MAC or a KDF; longer ones first.
#[rustfmt::skip]
const HASHES: &[&str] = &[
    "SHA-512/224", "SHA-512/256", "SHA-1", "SHA-224", "SHA-256", "SHA-384", "SHA-512", "SHA3-224", "SHA3-256",
    "SHA3-384", "SHA3-512", "SHAKE128", "SHAKE256", "MD2", "MD4", "MD5", "RIPEMD-160", "SM3", "Whirlpool",
    "BLAKE2b-512", "BLAKE2b-256", "BLAKE2s-256", "GOSTR3411",
];

/// Modes in canonical names, with CycloneDX's word for them.
#[rustfmt::skip]
const MODES: &[(&str, &str)] = &[
    ("GCM-SIV", "other"), ("GCM", "gcm"), ("CCM", "ccm"), ("CBC", "cbc"), ("ECB", "ecb"), ("CTR", "ctr"),
    ("CFB", "cfb"), ("CFB1", "cfb"), ("CFB8", "cfb"), ("CFB64", "cfb"), ("CFB128", "cfb"), ("OFB", "ofb"),
    ("XTS", "other"), ("OCB", "other"), ("SIV", "other"), ("EAX", "other"), ("CTS", "other"), ("PCBC", "other"),
    ("IGE", "other"), ("CWC", "other"),
];

/// Families whose parameter set follows without a dash, as in `Kyber768`.
const NUMBERED: &[&str] = &["Dilithium", "Kyber", "NTRU", "Falcon", "sntrup"];

/// Families whose parameter set follows an underscore, as in `LMS_SHA256_M32_H10`.
const UNDERSCORED: &[&str] = &["LMS", "XMSS", "XMSSMT", "SP800_108", "SP800_56C", "Streebog"];

const AUTHENTICATED: &[&str] = &["GCM-SIV", "GCM", "CCM", "OCB", "SIV", "EAX", "CWC"];

pub(super) fn describe(name: &str) -> Algorithm {
    if let Some((known, parts)) = hybrid::halves(name) {
        return hybrid(&known, parts);
    }
    let Some((family, rest)) = family(name) else {
        return blank(name, Primitive::Unknown, Quantum::Unknown);
    };
    let &(prefix, registry, primitive, quantum, bits) = family;
    let mut algorithm = blank(name, primitive, quantum);
    algorithm.family = (!registry.is_empty()).then(|| registry.to_owned());
    algorithm.classical_bits = bits;
    let (rest, hash) = split_hash(rest);
    if let Some(hash) = hash {
        algorithm.parts.push(hash.to_owned());
    }
    match primitive {
        Primitive::BlockCipher => cipher(&mut algorithm, prefix, rest),
        _ if quantum == Quantum::Resistant => post_quantum(&mut algorithm, prefix, rest),
        _ if quantum == Quantum::Broken => classical(&mut algorithm, prefix, rest),
        Primitive::Mac => mac(&mut algorithm, rest),
        _ => {
            algorithm.parameter_set = number(rest).map(|bits| bits.to_string());
            if matches!(primitive, Primitive::Hash | Primitive::Xof) {
                hash_strength(&mut algorithm, prefix, rest);
            }
        }
    }
    if quantum == Quantum::Symmetric {
        algorithm.quantum_level = symmetric_level(&algorithm);
    }
    algorithm
}

fn blank(name: &str, primitive: Primitive, quantum: Quantum) -> Algorithm {
    Algorithm {
        name: name.to_owned(),
        primitive,
        family: None,
        parameter_set: None,
        curve: None,
        mode: None,
        padding: None,
        functions: BTreeSet::new(),
        classical_bits: None,
        quantum_level: (quantum == Quantum::Broken).then_some(0),
        quantum,
        oid: None,
        parts: Vec::new(),
    }
}

/// A combination stands as long as one half does: it is as strong against a quantum computer as its post-quantum
/// half, and against a classical one as its stronger half.
fn hybrid(name: &str, parts: [&str; 2]) -> Algorithm {
    let halves = parts.map(describe);
    let quantum = halves.first().map_or(Quantum::Unknown, |half| half.quantum);
    let mut algorithm = blank(name, Primitive::Combiner, quantum);
    algorithm.quantum_level = halves.iter().filter_map(|half| half.quantum_level).max();
    algorithm.classical_bits = halves.iter().filter_map(|half| half.classical_bits).max();
    algorithm.parts = parts.map(str::to_owned).to_vec();
    algorithm
}

/// The row that the name begins with, and what follows without its dash.
fn family(name: &str) -> Option<(&'static Family, &str)> {
    FAMILIES.iter().find_map(|family| {
        let rest = name.strip_prefix(family.0)?;
        match rest.as_bytes().first() {
            None => Some((family, rest)),
            Some(b'-') => rest.get(1..).map(|rest| (family, rest)),
            Some(b'_') if UNDERSCORED.contains(&family.0) => rest.get(1..).map(|rest| (family, rest)),
            Some(b'0'..=b'9') if NUMBERED.contains(&family.0) => Some((family, rest)),
            Some(b'p' | b'c') if family.0.starts_with("Ed") => Some((family, rest)),
            Some(_) => None,
        }
    })
}

/// Takes a hash out of the dashed rest of a name: what else there is, and the hash.
fn split_hash(rest: &str) -> (&str, Option<&'static str>) {
    for hash in HASHES {
        let Some(at) = rest.find(hash) else { continue };
        let after = rest.get(at + hash.len()..).unwrap_or_default();
        let before = rest.get(..at).unwrap_or_default();
        let whole =
            (before.is_empty() || before.ends_with('-')) && (after.is_empty() || after.starts_with('-'));
        if whole {
            let before = before.trim_end_matches('-');
            let rest = if before.is_empty() {
                after.trim_start_matches('-')
            } else {
                before
            };
            return (rest, Some(hash));
        }
    }
    (rest, None)
}

fn number(rest: &str) -> Option<u32> {
    let start = rest.find(|c: char| c.is_ascii_digit())?;
    let digits: &str = rest.get(start..)?.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

fn classical(algorithm: &mut Algorithm, prefix: &str, rest: &str) {
    match prefix {
        "RSA-PKCS1-1.5" | "RSAES-PKCS1" => algorithm.padding = Some("pkcs1v15".to_owned()),
        "RSA-OAEP" => algorithm.padding = Some("oaep".to_owned()),
        "RSA-PSS" => algorithm.padding = Some("other".to_owned()),
        _ => {}
    }
    if matches!(prefix, "Ed25519" | "Ed448") {
        algorithm.curve = curve::by_name(prefix).map(|curve| curve.registry.to_owned());
        algorithm.parameter_set = prefix.strip_prefix("Ed").map(str::to_owned);
        return;
    }
    if let Some(of) = match prefix {
        "x25519" => Some("Curve25519"),
        "x448" => Some("Curve448"),
        _ => None,
    } {
        algorithm.curve = curve::by_name(of).map(|curve| curve.registry.to_owned());
        algorithm.parameter_set = prefix.strip_prefix('x').map(str::to_owned);
        return;
    }
    if let Some(curve) = curve::by_name(rest) {
        algorithm.curve = Some(curve.registry.to_owned());
        algorithm.classical_bits = Some(curve.bits);
        algorithm.parameter_set = Some(curve.name.to_owned());
        return;
    }
    if let Some(bits) = number(rest) {
        algorithm.parameter_set = Some(bits.to_string());
        algorithm.classical_bits = Some(factoring_strength(bits));
    } else if !rest.is_empty() {
        algorithm.parameter_set = Some(rest.to_owned());
    }
}

/// Strength of a modulus of so many bits (SP 800-57 part 1 rev. 5 table 2; between its rows, the row below, but for
/// 4096 bits the estimate of SP 800-56B appendix D).
fn factoring_strength(bits: u32) -> u32 {
    match bits {
        15360.. => 256,
        7680.. => 192,
        4096.. => 152,
        3072.. => 128,
        2048.. => 112,
        1024.. => 80,
        _ => 0,
    }
}

fn post_quantum(algorithm: &mut Algorithm, prefix: &str, rest: &str) {
    if !rest.is_empty() {
        algorithm.parameter_set = Some(rest.to_owned());
    }
    algorithm.quantum_level = post_quantum_level(prefix, rest);
    algorithm.classical_bits = match algorithm.quantum_level {
        Some(1 | 2) => Some(128),
        Some(3 | 4) => Some(192),
        Some(5) => Some(256),
        _ => None,
    };
}

/// FIPS 203 table 2, FIPS 204 table 1, FIPS 205 table 2, and the submissions of the others.
fn post_quantum_level(prefix: &str, rest: &str) -> Option<u8> {
    let is = |wanted: &[&str]| wanted.iter().any(|part| rest.contains(part));
    Some(match prefix {
        "ML-KEM" | "Kyber" if is(&["1024"]) => 5,
        "ML-KEM" | "Kyber" if is(&["768"]) => 3,
        "ML-KEM" | "Kyber" if is(&["512"]) => 1,
        "ML-DSA" | "HashML-DSA" if is(&["87"]) => 5,
        "ML-DSA" | "HashML-DSA" if is(&["65"]) => 3,
        "ML-DSA" | "HashML-DSA" if is(&["44"]) => 2,
        "Dilithium" if is(&["5"]) => 5,
        "Dilithium" if is(&["3"]) => 3,
        "Dilithium" if is(&["2"]) => 2,
        "SLH-DSA" | "HashSLH-DSA" | "SPHINCS+" if is(&["256s", "256f"]) => 5,
        "SLH-DSA" | "HashSLH-DSA" | "SPHINCS+" if is(&["192s", "192f"]) => 3,
        "SLH-DSA" | "HashSLH-DSA" | "SPHINCS+" if is(&["128s", "128f"]) => 1,
        "FN-DSA" | "Falcon" if is(&["1024"]) => 5,
        "FN-DSA" | "Falcon" if is(&["512"]) => 1,
        "HQC" if is(&["256"]) => 5,
        "HQC" if is(&["192"]) => 3,
        "HQC" if is(&["128"]) => 1,
        "FrodoKEM" | "eFrodoKEM" if is(&["1344"]) => 5,
        "FrodoKEM" | "eFrodoKEM" if is(&["976"]) => 3,
        "FrodoKEM" | "eFrodoKEM" if is(&["640"]) => 1,
        "BIKE" if is(&["L5"]) => 5,
        "BIKE" if is(&["L3"]) => 3,
        "BIKE" if is(&["L1"]) => 1,
        "Classic-McEliece" if is(&["6688128", "6960119", "8192128"]) => 5,
        "Classic-McEliece" if is(&["460896"]) => 3,
        "Classic-McEliece" if is(&["348864"]) => 1,
        "sntrup" if is(&["761", "653"]) => 2,
        "XMSS" | "XMSSMT" | "LMS" | "HSS" if is(&["192"]) => 3,
        "XMSS" | "XMSSMT" | "LMS" | "HSS" => 5,
        _ => return None,
    })
}

fn cipher(algorithm: &mut Algorithm, prefix: &str, rest: &str) {
    let mut key_bits = None;
    for part in rest.split('-').filter(|part| !part.is_empty()) {
        if let Ok(bits) = part.parse::<u32>() {
            key_bits = key_bits.or(Some(bits));
        }
    }
    let upper = rest.to_ascii_uppercase();
    let has = |wanted: &str| format!("-{upper}-").contains(&format!("-{wanted}-"));
    if let Some((mode, word)) = MODES.iter().find(|(mode, _)| has(mode)) {
        algorithm.mode = Some((*word).to_owned());
        if AUTHENTICATED.contains(mode) {
            algorithm.primitive = Primitive::Ae;
        }
    }
    if ["KW", "KWP", "WRAP"].iter().any(|wrap| has(wrap)) {
        algorithm.primitive = Primitive::KeyWrap;
    }
    if ["CMAC", "GMAC", "XCBC_MAC", "CBC_MAC"].iter().any(|mac| has(mac)) {
        algorithm.primitive = Primitive::Mac;
    }
    for (word, padding) in [("PKCS5", "pkcs5"), ("PKCS7", "pkcs7"), ("NOPADDING", "raw")] {
        if has(word) {
            algorithm.padding = Some(padding.to_owned());
        }
    }
    algorithm.parameter_set = key_bits.map(|bits| bits.to_string());
    algorithm.classical_bits = algorithm.classical_bits.or(match prefix {
        "3DES" if key_bits == Some(112) => Some(80),
        _ => key_bits,
    });
    if prefix == "3DES" && key_bits == Some(112) {
        algorithm.classical_bits = Some(80);
    }
}

fn mac(algorithm: &mut Algorithm, rest: &str) {
    algorithm.parameter_set = number(rest).map(|bits| bits.to_string());
    let hash = algorithm.parts.first().map(|hash| describe(hash));
    // A MAC does not need its hash to be free of collisions: its strength is the output's.
    if let Some(bits) = hash.and_then(|hash| output_bits(&hash.name)) {
        algorithm.classical_bits = algorithm.classical_bits.or(Some(bits.min(256)));
    }
}

fn hash_strength(algorithm: &mut Algorithm, prefix: &str, rest: &str) {
    let bits = number(rest).or_else(|| number(prefix));
    if algorithm.parameter_set.is_none() {
        algorithm.parameter_set = output_bits(&algorithm.name).or(bits).map(|bits| bits.to_string());
    }
    algorithm.classical_bits = algorithm.classical_bits.or(bits.map(|bits| bits / 2));
}

fn output_bits(hash: &str) -> Option<u32> {
    Some(match hash {
        "SHA-1" => 160,
        "MD2" | "MD4" | "MD5" => 128,
        "SHA-512/224" => 224,
        "SHA-512/256" => 256,
        "Whirlpool" => 512,
        "SM3" => 256,
        _ => number(hash.split_once('-').map_or(hash, |(_, rest)| rest))?,
    })
}

/// NIST's categories are defined by these algorithms: AES key search is 1, 3 and 5, SHA-2 collisions 2 and 4. What
/// is below 112 classical bits has none.
fn symmetric_level(algorithm: &Algorithm) -> Option<u8> {
    let bits = algorithm.classical_bits?;
    Some(match algorithm.primitive {
        Primitive::Hash | Primitive::Xof => match bits {
            256.. => 5,
            192.. => 4,
            128.. => 2,
            _ => 0,
        },
        _ => match bits {
            256.. => 5,
            192.. => 3,
            128.. => 1,
            _ => 0,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_they_mean() {
        let gcm = describe("AES-256-GCM");
        assert_eq!((gcm.primitive, gcm.mode.as_deref()), (Primitive::Ae, Some("gcm")));
        assert_eq!(
            (gcm.parameter_set.as_deref(), gcm.quantum_level),
            (Some("256"), Some(5))
        );

        let cbc = describe("AES-128-CBC-PKCS7");
        assert_eq!(
            (cbc.primitive, cbc.padding.as_deref()),
            (Primitive::BlockCipher, Some("pkcs7"))
        );
        assert_eq!(cbc.quantum_level, Some(1));

        let ecdsa = describe("ECDSA-P-384-SHA-384");
        assert_eq!(ecdsa.curve.as_deref(), Some("nist/P-384"));
        assert_eq!(ecdsa.parts, ["SHA-384"]);
        assert_eq!((ecdsa.quantum, ecdsa.quantum_level), (Quantum::Broken, Some(0)));

        let rsa = describe("RSA-PKCS1-1.5-SHA-256-2048");
        assert_eq!(rsa.parts, ["SHA-256"]);
        assert_eq!(
            (rsa.parameter_set.as_deref(), rsa.classical_bits),
            (Some("2048"), Some(112))
        );
        assert_eq!(describe("RSA-1024").classical_bits, Some(80));

        let hmac = describe("HMAC-SHA-1");
        assert_eq!((hmac.primitive, hmac.classical_bits), (Primitive::Mac, Some(160)));
        assert_eq!(describe("SHA-512/256").classical_bits, Some(128));
        assert_eq!(describe("BLAKE2b-512").classical_bits, Some(256));
        assert_eq!(describe("3DES-112-CBC").classical_bits, Some(80));
    }

    #[test]
    fn post_quantum_names_have_their_category() {
        for (name, level) in [
            ("ML-KEM-512", 1),
            ("ML-KEM-768", 3),
            ("ML-DSA-44", 2),
            ("ML-DSA-87", 5),
            ("SLH-DSA-SHAKE-192f", 3),
            ("X25519MLKEM768", 3),
            ("SecP384r1MLKEM1024", 5),
            ("MLDSA65-ECDSA-P256-SHA512", 3),
        ] {
            let algorithm = describe(name);
            assert_eq!(algorithm.quantum_level, Some(level), "{name}");
            assert_eq!(algorithm.quantum, Quantum::Resistant, "{name}");
        }
        assert_eq!(describe("X25519MLKEM768").primitive, Primitive::Combiner);
        assert_eq!(describe("X25519MLKEM768").parts, ["ML-KEM-768", "x25519"]);
    }

    #[test]
    fn look_alikes_are_not_mistaken() {
        // "DES" must not swallow "DESX", nor "RSA" something that merely begins so.
        assert_eq!(describe("RSAX").primitive, Primitive::Unknown);
        assert_eq!(describe("1.2.3.4").quantum, Quantum::Unknown);
        assert_eq!(describe("SHA-512").family.as_deref(), Some("SHA-2"));
        assert_eq!(describe("SHA-1").classical_bits, Some(80));
        assert_eq!(describe("").primitive, Primitive::Unknown);
    }
}
