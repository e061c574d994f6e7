//! Words of source code as canonical names: what a text, a number or a length is when it has to be of a kind.

use super::protocols;
use crate::algorithm::{Algorithm, Primitive, alias, curve};

/// Spellings of libraries, in lower case, that are no algorithm's name elsewhere.
#[rustfmt::skip]
const WORDS: &[(&str, &str)] = &[
    ("aesfast", "AES"), ("aeslight", "AES"), ("rijndael", "AES"), ("aeswrap", "AES-KW"), ("aeswrappad", "AES-KWP"),
    ("tripledes", "3DES"), ("triple_des", "3DES"), ("des_ede3", "3DES"), ("desede", "3DES"), ("des3", "3DES"),
    ("des", "DES"), ("desedewrap", "3DES"), ("cast5", "CAST5"), ("cast128", "CAST5"), ("cast", "CAST5"),
    ("diffiehellman", "FFDH"), ("dh", "FFDH"), ("xdh", "ECDH"), ("rsassa-pss", "RSA-PSS"), ("rsa-pss", "RSA-PSS"),
    ("nonewithrsa", "RSA-PKCS1-1.5"), ("nonewithecdsa", "ECDSA"), ("nonewithdsa", "DSA"), ("rawrsassa-pss", "RSA-PSS"),
    ("rsassa-pkcs1-v1_5", "RSA-PKCS1-1.5"), ("ecdh", "ECDH"), ("sphincsplus", "SPHINCS+"), ("arcfour", "RC4"),
    ("arc4", "RC4"), ("arc2", "RC2"), ("blake2b", "BLAKE2b"), ("blake2s", "BLAKE2s"), ("blake2bp", "BLAKE2b"),
    ("sha3", "SHA3"), ("keccak", "Keccak"), ("chacha", "ChaCha20"), ("chacha7539", "ChaCha20"), ("salsa", "Salsa20"),
    ("salsa20", "Salsa20"), ("xsalsa20", "XSalsa20"), ("gost28147", "GOST28147"), ("gost3412_2015", "Kuznyechik"),
    ("chacha20-poly1305", "ChaCha20-Poly1305"), ("ripemd", "RIPEMD-160"), ("ripemd128", "RIPEMD-128"),
    ("ripemd160", "RIPEMD-160"), ("rmd160", "RIPEMD-160"), ("mdc2", "MDC2"), ("sm3", "SM3"), ("sm4", "SM4"),
    ("xchacha20_poly1305", "XChaCha20-Poly1305"), ("chacha20_poly1305", "ChaCha20-Poly1305"),
    ("rc2", "RC2"), ("rc5", "RC5"), ("rc6", "RC6"), ("skipjack", "Skipjack"), ("twofish", "Twofish"), ("bf", "Blowfish"),
    ("serpent", "Serpent"), ("seed", "SEED"), ("camellialight", "CAMELLIA"), ("idea", "IDEA"), ("tea", "TEA"),
    ("xtea", "XTEA"), ("sha512t", "SHA-512"), ("des_ede3_cbc", "3DES-168-CBC"), ("des_cbc", "DES-56-CBC"),
    ("sha512_256", "SHA-512/256"), ("sha512_224", "SHA-512/224"), ("shake128", "SHAKE128"), ("shake256", "SHAKE256"),
    ("blake3", "BLAKE3"), ("whirlpool", "Whirlpool"), ("tiger", "Tiger"), ("ec", "EC"), ("x963", "ANSI-KDF"),
    ("rsa", "RSA"), ("dsa", "DSA"), ("ecdsa", "ECDSA"), ("hmac", "HMAC"), ("pbkdf2", "PBKDF2"), ("hkdf", "HKDF"),
    ("scrypt", "scrypt"), ("bcrypt", "bcrypt"), ("argon2id", "Argon2id"), ("argon2i", "Argon2i"), ("aes", "AES"),
    ("hmacsha512256", "HMAC-SHA-512/256"), ("poly1305", "Poly1305"), ("kuznyechik", "Kuznyechik"), ("grain128", "Grain"),
];

/// Modes as they are found inside of the names of constants and functions, with their canonical name.
#[rustfmt::skip]
const MODES: &[(&str, &str)] = &[
    ("GCMSIV", "GCM-SIV"), ("GCM_SIV", "GCM-SIV"), ("GCM", "GCM"), ("CCM", "CCM"), ("CBC", "CBC"), ("ECB", "ECB"),
    ("CTR", "CTR"), ("CFB8", "CFB8"), ("CFB", "CFB"), ("OFB", "OFB"), ("XTS", "XTS"), ("OCB3", "OCB"), ("OCB", "OCB"),
    ("SIV", "SIV"), ("EAX", "EAX"), ("CTS", "CTS"), ("OPENPGP", "CFB"), ("IGE", "IGE"), ("KWP", "KWP"), ("KW", "KW"),
];

/// What goes before a curve's name in constants.
const CURVE_PREFIXES: &[&str] = &[
    "NID_X9_62_",
    "X9_62_",
    "NID_",
    "MBEDTLS_ECP_DP_",
    "MBEDTLS_ECP_",
    "ECC_",
    "EC-",
    "ECDSA-",
    "ECDHE-",
    "ECDSA_",
    "ECDH_",
    "EC_GROUP_",
    "PSA_ECC_FAMILY_",
    "BRAINPOOL_",
];

/// The hash, cipher or whatever that goes by this word.
pub(super) fn spell(word: &str) -> Option<String> {
    let word = word.trim();
    if word.is_empty() || word.len() > 80 {
        return None;
    }
    let lower = word.to_ascii_lowercase();
    if let Some((_, name)) = WORDS.iter().find(|(known, _)| *known == lower) {
        return Some((*name).to_owned());
    }
    if let Some(rest) = lower.strip_prefix("hmac").filter(|rest| !rest.is_empty()) {
        let hash = rest.trim_start_matches(['-', '_']).trim_start_matches("with");
        return spell_hash(hash).map(|hash| format!("HMAC-{hash}"));
    }
    for prefix in ["pbkdf2withhmac", "pbkdf2withhmac-", "pbkdf2-hmac-", "pbkdf2_"] {
        if let Some(hash) = lower.strip_prefix(prefix).and_then(spell_hash) {
            return Some(format!("PBKDF2-{hash}"));
        }
    }
    if lower.starts_with("pbewithhmac") {
        return Some("PBES2".to_owned());
    }
    if lower.starts_with("pbewith") {
        return Some("PBES1".to_owned());
    }
    let resolved = alias::resolve(word).or_else(|| alias::resolve(&lower.replace('_', "-")));
    resolved.map(|algorithm| algorithm.name).or_else(|| split(&lower))
}

/// `aesgcm`, `sha256digest`, `aes_gcm_256`: an algorithm and its mode or size without or with other separators.
fn split(lower: &str) -> Option<String> {
    let compact: String = lower.chars().filter(|c| !matches!(c, '_' | '-')).collect();
    let rest = compact.strip_prefix("aes")?;
    let digits: String = rest.chars().filter(char::is_ascii_digit).collect();
    let letters: String = rest.chars().filter(char::is_ascii_alphabetic).collect();
    let bits = match digits.as_str() {
        "128" | "192" | "256" => format!("-{digits}"),
        "" | "3" => String::new(),
        _ => return None,
    };
    let mode = MODES
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(&letters))
        .map(|(_, mode)| *mode)
        .or_else(|| (letters == "cmac").then_some("CMAC"))
        .or_else(|| (letters == "gmac").then_some("GMAC"))?;
    Some(format!("AES{bits}-{mode}"))
}

fn spell_hash(word: &str) -> Option<String> {
    let name = WORDS
        .iter()
        .find(|(known, _)| *known == word)
        .map(|(_, name)| (*name).to_owned())
        .or_else(|| alias::resolve(word).map(|algorithm| algorithm.name))
        .or_else(|| alias::resolve(&word.replace('_', "-")).map(|algorithm| algorithm.name))
        .or_else(|| alias::resolve(&word.to_ascii_uppercase()).map(|algorithm| algorithm.name))?;
    is_hash(&name).then_some(name)
}

fn is_hash(name: &str) -> bool {
    matches!(Algorithm::named(name).primitive, Primitive::Hash | Primitive::Xof)
        || matches!(name, "SHA3" | "MDC2")
}

/// Only the names that are of a kind.
pub(super) fn of_kind(names: Vec<String>, kind: &str) -> Vec<String> {
    names
        .into_iter()
        .filter(|name| match kind {
            "hash" => is_hash(name),
            "cipher" => matches!(
                Algorithm::named(name).primitive,
                Primitive::BlockCipher | Primitive::Ae | Primitive::StreamCipher
            ),
            "any" | "mac" | "transformation" => true,
            _ => false,
        })
        .collect()
}

/// What a text is when it has to be of a kind.
pub(super) fn text_as(text: &str, kind: &str) -> Vec<String> {
    let one = |name: Option<String>| name.into_iter().collect();
    match kind {
        "any" | "cipher" | "mac" => of_kind(one(spell(text)), kind),
        "hash" => one(hash(text)),
        "curve" => one(curve_name(text)),
        "size" => one(text
            .parse::<u32>()
            .ok()
            .map(|bits| bits.to_string())
            .or_else(|| curve_name(text))),
        "mode" => one(mode(text)),
        "num" => one(text.parse::<u32>().ok().map(|number| number.to_string())),
        "key" => bytes_as(i64::try_from(text.len()).unwrap_or_default(), kind),
        "transformation" => one(super::jca::transformation(text)),
        "tls" => one(tls_version(text)),
        "version" => one(tls_version(text).filter(|version| version != "TLS")),
        "suites" => protocols::suites(text),
        "suites13" => protocols::suites_of_tls13(text),
        "ciphers" => one(protocols::cipher_string(text)),
        // OpenSSL's lists; 3.5 groups them by slashes and marks them.
        "groups" => text
            .split([':', '/', ' '])
            .map(|group| group.trim_matches(['?', '*', '-']))
            // Go's constants.
            .map(|group| group.strip_prefix("Curve").unwrap_or(group))
            .filter_map(|group| alias::resolve(group).map(|algorithm| algorithm.name))
            .collect(),
        // Families of constants and functions with their own way of spelling.
        "evp" => one(evp(text)),
        "pkey" => one(text.strip_prefix("EVP_PKEY_").and_then(pkey)),
        "mbed" => of_kind(
            one(text.strip_prefix("MBEDTLS_CIPHER_").and_then(spell)),
            "cipher",
        ),
        "sha" => one(spell_hash(&format!("sha{}", text.to_ascii_lowercase()))),
        "aead" => of_kind(one(spell(text)), "cipher"),
        "hkdf" => one(text
            .strip_prefix("HKDF_")
            .and_then(|hash| Some(format!("HKDF-{}", spell(hash)?)))),
        "pbkdf2" => one(text
            .strip_prefix("PBKDF2_HMAC_")
            .and_then(|hash| Some(format!("PBKDF2-{}", spell(hash)?)))),
        "agree" => one(agreement(text)),
        "ring-signature" => one(ring_signature(text)),
        _ => Vec::new(),
    }
}

fn hash(text: &str) -> Option<String> {
    let upper = text.to_ascii_uppercase();
    let bare = [
        "MBEDTLS_MD_",
        "EVP_",
        "NID_",
        "GCRY_MD_",
        "PSA_ALG_",
        "HMAC_",
        "WC_HASH_TYPE_",
        "PKCS1_",
        "PSS_",
    ]
    .iter()
    .find_map(|prefix| upper.strip_prefix(prefix))
    .unwrap_or(&upper);
    spell_hash(&bare.to_ascii_lowercase())
}

/// What a number is when it has to be of a kind.
pub(super) fn number_as(number: i64, kind: &str) -> Vec<String> {
    match kind {
        "num" | "size" if (8..=65536).contains(&number) => vec![number.to_string()],
        "bytes" => bytes_as(number, kind),
        // The flag of Mbed TLS that says which of two hashes is meant.
        "is224" => vec![if number == 0 { "SHA-256" } else { "SHA-224" }.to_owned()],
        "is384" => vec![if number == 0 { "SHA-512" } else { "SHA-384" }.to_owned()],
        _ => Vec::new(),
    }
}

/// What bytes of a length are when they have to be of a kind: the size of a key, in bits.
pub(super) fn bytes_as(length: i64, kind: &str) -> Vec<String> {
    match (kind, length) {
        ("key", 16 | 24 | 32) => vec![(length * 8).to_string()],
        ("bytes", 1..=8192) => vec![(length * 8).to_string()],
        _ => Vec::new(),
    }
}

fn curve_name(text: &str) -> Option<String> {
    let bare = CURVE_PREFIXES
        .iter()
        .find_map(|prefix| text.strip_prefix(prefix))
        .unwrap_or(text);
    let known = curve::by_name(bare).or_else(|| curve::by_name(&bare.replace('_', "-")));
    let known = known.or_else(|| {
        // `NistP256`, `BrainpoolP256R1`, `p256`, `nistp256`.
        let lower = bare.to_ascii_lowercase().replace(['_', '-'], "");
        curve::by_name(&lower)
    });
    known.map(|curve| curve.name.to_owned())
}

fn mode(text: &str) -> Option<String> {
    let upper = text.to_ascii_uppercase();
    MODES
        .iter()
        .find(|(known, _)| upper.contains(known))
        .map(|(_, mode)| (*mode).to_owned())
}

/// `EVP_aes_256_gcm`, `EVP_sha256`: only ciphers and hashes, for there are many other functions of that prefix.
fn evp(word: &str) -> Option<String> {
    let name = spell(word)?;
    let primitive = Algorithm::named(&name).primitive;
    let object = matches!(
        primitive,
        Primitive::BlockCipher
            | Primitive::Ae
            | Primitive::StreamCipher
            | Primitive::KeyWrap
            | Primitive::Hash
            | Primitive::Xof
    );
    object.then_some(name)
}

fn pkey(word: &str) -> Option<String> {
    let family = [
        "RSA", "DSA", "DH", "EC", "ED25519", "ED448", "X25519", "X448", "HKDF", "RSA_PSS", "HMAC", "SM2",
    ];
    let known = family.contains(&word).then(|| word.replace('_', "-"))?;
    if matches!(known.as_str(), "HKDF" | "HMAC" | "RSA" | "EC" | "DSA") {
        return Some(known);
    }
    spell(&known)
}

/// `X25519`, `ECDH_P256`.
fn agreement(word: &str) -> Option<String> {
    match word.strip_prefix("ECDH_") {
        Some(curve) => Some(format!("ECDHE-{}", curve_name(curve)?)),
        None => spell(word).filter(|name| Algorithm::named(name).primitive == Primitive::KeyAgree),
    }
}

/// `ED25519`, `ECDSA_P256_SHA256_ASN1_SIGNING`, `RSA_PKCS1_2048_8192_SHA256`, `RSA_PSS_SHA512`.
fn ring_signature(word: &str) -> Option<String> {
    let mut parts = word.split('_');
    let rest: Vec<&str> = match parts.next()? {
        "ED25519" => return Some("Ed25519".to_owned()),
        "ECDSA" => {
            let curve = curve_name(parts.next()?)?;
            let hash = parts.next().and_then(spell)?;
            return Some(format!("ECDSA-{curve}-{hash}"));
        }
        "RSA" => parts.collect(),
        _ => return None,
    };
    let scheme = match *rest.first()? {
        "PKCS1" => "RSA-PKCS1-1.5",
        "PSS" => "RSA-PSS",
        _ => return None,
    };
    let hash = rest
        .iter()
        .find(|part| part.starts_with("SHA"))
        .and_then(|hash| spell(hash));
    Some(hash.map_or_else(|| scheme.to_owned(), |hash| format!("{scheme}-{hash}")))
}

/// The version of TLS in a constant or a setting, as `-1.2`; empty when only TLS is said.
fn tls_version(text: &str) -> Option<String> {
    let compact: String = text
        .to_ascii_uppercase()
        .chars()
        .filter(|c| !matches!(c, '_' | '.' | '-' | ' '))
        .collect();
    let found = [
        ("TLSV13", "TLS-1.3"),
        ("TLSV12", "TLS-1.2"),
        ("TLSV11", "TLS-1.1"),
        ("TLSV10", "TLS-1.0"),
        ("TLS13", "TLS-1.3"),
        ("TLS12", "TLS-1.2"),
        ("TLS11", "TLS-1.1"),
        ("TLS10", "TLS-1.0"),
        ("SSLV3", "SSL-3.0"),
        ("SSL30", "SSL-3.0"),
        ("SSLV2", "SSL-2.0"),
        ("TLSV1", "TLS-1.0"),
        ("TLS1", "TLS-1.0"),
        ("TLS", "TLS"),
        ("SSLV23", "TLS"),
        ("SSL", "TLS"),
    ];
    found
        .iter()
        .find(|(known, _)| compact.contains(known))
        .map(|(_, version)| (*version).to_owned())
}
