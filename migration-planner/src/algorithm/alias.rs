//! Other people's spellings: OpenSSL, the JDK, SSH, JOSE, TLS.

use super::{Algorithm, curve, hybrid};

/// Spellings in lower case, with the canonical name.
#[rustfmt::skip]
const ALIASES: &[(&str, &str)] = &[
    // Hashes.
    ("md2", "MD2"), ("md4", "MD4"), ("md5", "MD5"), ("sha", "SHA-1"), ("sha1", "SHA-1"), ("sha224", "SHA-224"),
    ("sha256", "SHA-256"), ("sha384", "SHA-384"), ("sha512", "SHA-512"), ("sha2-224", "SHA-224"),
    ("sha2-256", "SHA-256"), ("sha2-384", "SHA-384"), ("sha2-512", "SHA-512"), ("sha512-224", "SHA-512/224"),
    ("sha512-256", "SHA-512/256"), ("sha512_224", "SHA-512/224"), ("sha512_256", "SHA-512/256"),
    ("sha3_224", "SHA3-224"), ("sha3_256", "SHA3-256"), ("sha3_384", "SHA3-384"), ("sha3_512", "SHA3-512"),
    ("shake_128", "SHAKE128"), ("shake_256", "SHAKE256"), ("shake-128", "SHAKE128"), ("shake-256", "SHAKE256"),
    ("ripemd160", "RIPEMD-160"), ("rmd160", "RIPEMD-160"), ("whirlpool", "Whirlpool"), ("blake2b", "BLAKE2b-512"),
    ("blake2s", "BLAKE2s-256"), ("blake2b512", "BLAKE2b-512"), ("blake2s256", "BLAKE2s-256"),
    // Ciphers.
    ("3des", "3DES"), ("desede", "3DES"), ("tripledes", "3DES"), ("des-ede3", "3DES-168"),
    ("des-ede3-cbc", "3DES-168-CBC"), ("des-ede-cbc", "3DES-112-CBC"), ("3des-cbc", "3DES-168-CBC"),
    ("des-cbc", "DES-56-CBC"), ("des-ecb", "DES-56-ECB"), ("des", "DES-56"), ("des3", "3DES-168-CBC"),
    ("rc4", "RC4"), ("arcfour", "RC4"), ("arc4", "RC4"), ("arcfour128", "RC4-128"), ("arcfour256", "RC4-256"),
    ("rc2", "RC2"), ("blowfish", "Blowfish"), ("bf-cbc", "Blowfish-CBC"), ("blowfish-cbc", "Blowfish-CBC"),
    ("cast5-cbc", "CAST5-CBC"), ("cast128-cbc", "CAST5-CBC"), ("cast-128", "CAST5-128"), ("idea-cbc", "IDEA-CBC"),
    ("chacha20-poly1305", "ChaCha20-Poly1305"), ("chacha20poly1305", "ChaCha20-Poly1305"),
    ("chacha20-poly1305@openssh.com", "ChaCha20-Poly1305"), ("chacha20", "ChaCha20"),
    ("xchacha20poly1305", "XChaCha20-Poly1305"), ("camellia", "CAMELLIA"), ("seed", "SEED-128"), ("aria", "ARIA"),
    ("aes128-ctr", "AES-128-CTR"), ("aes192-ctr", "AES-192-CTR"), ("aes256-ctr", "AES-256-CTR"),
    ("aes128-cbc", "AES-128-CBC"), ("aes192-cbc", "AES-192-CBC"), ("aes256-cbc", "AES-256-CBC"),
    ("rijndael-cbc@lysator.liu.se", "AES-256-CBC"), ("aes128-gcm@openssh.com", "AES-128-GCM"),
    ("aes256-gcm@openssh.com", "AES-256-GCM"),
    // MACs.
    ("hmac-md5", "HMAC-MD5"), ("hmac-md5-96", "HMAC-MD5-96"), ("hmac-sha1", "HMAC-SHA-1"),
    ("hmac-sha1-96", "HMAC-SHA-1-96"), ("hmac-sha2-256", "HMAC-SHA-256"), ("hmac-sha2-512", "HMAC-SHA-512"),
    ("hmac-md5-etm@openssh.com", "HMAC-MD5"), ("hmac-sha1-etm@openssh.com", "HMAC-SHA-1"),
    ("hmac-sha2-256-etm@openssh.com", "HMAC-SHA-256"), ("hmac-sha2-512-etm@openssh.com", "HMAC-SHA-512"),
    ("hmac-ripemd160", "HMAC-RIPEMD-160"), ("umac-64@openssh.com", "UMAC-64"), ("umac-128@openssh.com", "UMAC-128"),
    ("umac-64-etm@openssh.com", "UMAC-64"), ("umac-128-etm@openssh.com", "UMAC-128"),
    // SSH keys and key exchange.
    ("ssh-rsa", "RSA-PKCS1-1.5-SHA-1"), ("rsa-sha2-256", "RSA-PKCS1-1.5-SHA-256"),
    ("rsa-sha2-512", "RSA-PKCS1-1.5-SHA-512"), ("ssh-dss", "DSA-SHA-1"), ("ssh-ed25519", "Ed25519"),
    ("ssh-ed448", "Ed448"), ("ecdsa-sha2-nistp256", "ECDSA-P-256-SHA-256"),
    ("ecdsa-sha2-nistp384", "ECDSA-P-384-SHA-384"), ("ecdsa-sha2-nistp521", "ECDSA-P-521-SHA-512"),
    ("sk-ssh-ed25519@openssh.com", "Ed25519"), ("sk-ecdsa-sha2-nistp256@openssh.com", "ECDSA-P-256-SHA-256"),
    ("curve25519-sha256", "x25519"), ("curve25519-sha256@libssh.org", "x25519"), ("curve448-sha512", "x448"),
    ("ecdh-sha2-nistp256", "ECDHE-P-256"), ("ecdh-sha2-nistp384", "ECDHE-P-384"),
    ("ecdh-sha2-nistp521", "ECDHE-P-521"), ("diffie-hellman-group1-sha1", "FFDHE-1024"),
    ("diffie-hellman-group14-sha1", "FFDHE-2048"), ("diffie-hellman-group14-sha256", "FFDHE-2048"),
    ("diffie-hellman-group15-sha512", "FFDHE-3072"), ("diffie-hellman-group16-sha512", "FFDHE-4096"),
    ("diffie-hellman-group17-sha512", "FFDHE-6144"), ("diffie-hellman-group18-sha512", "FFDHE-8192"),
    ("diffie-hellman-group-exchange-sha1", "FFDHE"), ("diffie-hellman-group-exchange-sha256", "FFDHE"),
    ("sntrup761x25519-sha512@openssh.com", "sntrup761x25519-sha512"),
    ("sntrup4591761x25519-sha512@tinyssh.org", "sntrup4591761x25519-sha512"),
    
    ("webauthn-sk-ecdsa-sha2-nistp256@openssh.com", "ECDSA-P-256-SHA-256"), ("ssh-rsa-sha256@ssh.com", "RSA-PKCS1-1.5-SHA-256"),
    // SSH with GSSAPI (RFC 8732): the name of the mechanism follows the last dash.
    ("gss-gex-sha1-", "FFDHE"), ("gss-group1-sha1-", "FFDHE-1024"), ("gss-group14-sha1-", "FFDHE-2048"),
    ("gss-group14-sha256-", "FFDHE-2048"), ("gss-group15-sha512-", "FFDHE-3072"), ("gss-group16-sha512-", "FFDHE-4096"),
    ("gss-group17-sha512-", "FFDHE-6144"), ("gss-group18-sha512-", "FFDHE-8192"), ("gss-nistp256-sha256-", "ECDHE-P-256"),
    ("gss-nistp384-sha384-", "ECDHE-P-384"), ("gss-nistp521-sha512-", "ECDHE-P-521"),
    ("gss-curve25519-sha256-", "x25519"), ("gss-curve448-sha512-", "x448"),
    // IKE (strongSwan's words).
    ("modp768", "FFDHE-768"), ("modp1024", "FFDHE-1024"), ("modp1536", "FFDHE-1536"), ("modp2048", "FFDHE-2048"),
    ("modp3072", "FFDHE-3072"), ("modp4096", "FFDHE-4096"), ("modp6144", "FFDHE-6144"), ("modp8192", "FFDHE-8192"),
    ("modp1024s160", "FFDHE-1024"), ("modp2048s224", "FFDHE-2048"), ("modp2048s256", "FFDHE-2048"),
    ("ecp192", "ECDHE-P-192"), ("ecp224", "ECDHE-P-224"), ("ecp256", "ECDHE-P-256"), ("ecp384", "ECDHE-P-384"),
    ("ecp521", "ECDHE-P-521"), ("ecp224bp", "ECDHE-brainpoolP224r1"), ("ecp256bp", "ECDHE-brainpoolP256r1"),
    ("ecp384bp", "ECDHE-brainpoolP384r1"), ("ecp512bp", "ECDHE-brainpoolP512r1"), ("curve25519", "x25519"),
    ("curve448", "x448"),
    // TLS groups.
    ("x25519", "x25519"), ("x448", "x448"), ("ffdhe2048", "FFDHE-2048"), ("ffdhe3072", "FFDHE-3072"),
    ("ffdhe4096", "FFDHE-4096"), ("ffdhe6144", "FFDHE-6144"), ("ffdhe8192", "FFDHE-8192"),
    ("mlkem512", "ML-KEM-512"), ("mlkem768", "ML-KEM-768"), ("mlkem1024", "ML-KEM-1024"),
    ("ml-kem-512", "ML-KEM-512"), ("ml-kem-768", "ML-KEM-768"), ("ml-kem-1024", "ML-KEM-1024"),
    // The same groups as oqs-provider and s2n-tls (AWS) called them; `hybrid` takes other names of theirs apart.
    ("x25519_mlkem768", "X25519MLKEM768"), ("p256_mlkem768", "SecP256r1MLKEM768"),
    ("p384_mlkem1024", "SecP384r1MLKEM1024"), ("x25519_kyber512", "X25519Kyber512Draft00"),
    ("x25519_kyber768", "X25519Kyber768Draft00"), ("p256_kyber768", "SecP256r1Kyber768Draft00"),
    ("x25519_kyber-512-r3", "X25519Kyber512Draft00"), ("secp256r1_kyber-512-r3", "p256_kyber512"),
    ("secp384r1_kyber-768-r3", "p384_kyber768"), ("secp521r1_kyber-1024-r3", "p521_kyber1024"),
    // Libreswan.
    ("ml_kem_512", "ML-KEM-512"), ("ml_kem_768", "ML-KEM-768"), ("ml_kem_1024", "ML-KEM-1024"),
    // TLS signature schemes.
    ("rsa_pkcs1_md5", "RSA-PKCS1-1.5-MD5"), ("rsa_pkcs1_sha1", "RSA-PKCS1-1.5-SHA-1"),
    ("rsa_pkcs1_sha224", "RSA-PKCS1-1.5-SHA-224"), ("rsa_pkcs1_sha256", "RSA-PKCS1-1.5-SHA-256"),
    ("rsa_pkcs1_sha384", "RSA-PKCS1-1.5-SHA-384"), ("rsa_pkcs1_sha512", "RSA-PKCS1-1.5-SHA-512"),
    ("rsa_pss_rsae_sha256", "RSA-PSS-SHA-256"), ("rsa_pss_rsae_sha384", "RSA-PSS-SHA-384"),
    ("rsa_pss_rsae_sha512", "RSA-PSS-SHA-512"), ("rsa_pss_pss_sha256", "RSA-PSS-SHA-256"),
    ("rsa_pss_pss_sha384", "RSA-PSS-SHA-384"), ("rsa_pss_pss_sha512", "RSA-PSS-SHA-512"),
    ("ecdsa_sha1", "ECDSA-SHA-1"), ("ecdsa_sha224", "ECDSA-SHA-224"), ("dsa_sha224", "DSA-SHA-224"),
    ("ecdsa_secp256r1_sha256", "ECDSA-P-256-SHA-256"),
    ("ecdsa_secp384r1_sha384", "ECDSA-P-384-SHA-384"), ("ecdsa_secp521r1_sha512", "ECDSA-P-521-SHA-512"),
    ("ecdsa_brainpoolp256r1tls13_sha256", "ECDSA-brainpoolP256r1-SHA-256"),
    ("ecdsa_brainpoolp384r1tls13_sha384", "ECDSA-brainpoolP384r1-SHA-384"),
    ("ecdsa_brainpoolp512r1tls13_sha512", "ECDSA-brainpoolP512r1-SHA-512"), ("sm2sig_sm3", "SM2-SM3"),
    ("ed25519", "Ed25519"), ("ed448", "Ed448"), ("mldsa44", "ML-DSA-44"), ("mldsa65", "ML-DSA-65"),
    ("mldsa87", "ML-DSA-87"), ("dsa_sha1", "DSA-SHA-1"), ("dsa_sha256", "DSA-SHA-256"),
    // JOSE.
    ("hs256", "HMAC-SHA-256"), ("hs384", "HMAC-SHA-384"), ("hs512", "HMAC-SHA-512"),
    ("rs256", "RSA-PKCS1-1.5-SHA-256"), ("rs384", "RSA-PKCS1-1.5-SHA-384"), ("rs512", "RSA-PKCS1-1.5-SHA-512"),
    ("ps256", "RSA-PSS-SHA-256"), ("ps384", "RSA-PSS-SHA-384"), ("ps512", "RSA-PSS-SHA-512"),
    ("es256", "ECDSA-P-256-SHA-256"), ("es384", "ECDSA-P-384-SHA-384"), ("es512", "ECDSA-P-521-SHA-512"),
    ("es256k", "ECDSA-secp256k1-SHA-256"), ("eddsa", "EdDSA"), ("rsa1_5", "RSAES-PKCS1"), ("rsa-oaep", "RSA-OAEP"),
    ("rsa-oaep-256", "RSA-OAEP-SHA-256"), ("a128kw", "AES-128-KW"), ("a192kw", "AES-192-KW"),
    ("a256kw", "AES-256-KW"), ("a128gcm", "AES-128-GCM"), ("a192gcm", "AES-192-GCM"), ("a256gcm", "AES-256-GCM"),
    ("a128gcmkw", "AES-128-GCM"), ("a256gcmkw", "AES-256-GCM"), ("ecdh-es", "ECDHE"), ("a128cbc-hs256", "AES-128-CBC"),
    ("a256cbc-hs512", "AES-256-CBC"), ("ml-dsa-44", "ML-DSA-44"), ("ml-dsa-65", "ML-DSA-65"),
    ("ml-dsa-87", "ML-DSA-87"),
];

/// The algorithm that goes by this spelling: a canonical name, an alias from the table, a JDK signature name
/// (`SHA256withRSA`), an OpenSSL cipher (`aes-256-gcm`, `AES256`), or a curve as a key-exchange group (`prime256v1`).
/// `None` when nobody here knows it.
#[must_use]
pub fn resolve(spelling: &str) -> Option<Algorithm> {
    let spelling = spelling.trim();
    if spelling.is_empty() || spelling.len() > 128 {
        return None;
    }
    let lower = spelling.to_ascii_lowercase();
    // An SSH certificate is about a key of the same algorithm.
    if let Some(plain) = lower.strip_suffix("-cert-v01@openssh.com") {
        return match plain.strip_prefix("sk-") {
            Some(_) => resolve(&format!("{plain}@openssh.com")),
            None => resolve(plain),
        };
    }
    if let Some((_, name)) = ALIASES.iter().find(|(alias, _)| *alias == lower) {
        return Some(Algorithm::named(name));
    }
    compact_cipher(&lower)
        .or_else(|| hybrid::alone(&lower).and_then(known))
        .or_else(|| known(spelling))
        .or_else(|| jdk_signature(&lower))
        .or_else(|| known(&format!("ECDHE-{}", curve::by_name(spelling)?.name)))
}

/// A canonical name, but only one that means something.
fn known(name: &str) -> Option<Algorithm> {
    let algorithm = Algorithm::named(name);
    (algorithm.primitive != super::Primitive::Unknown).then_some(algorithm)
}

/// `<hash>with<key>`, as `java.security.Signature` and X.509 tools write it.
fn jdk_signature(lower: &str) -> Option<Algorithm> {
    let (hash, key) = lower.split_once("with")?;
    let hash = resolve_hash(hash.trim_end_matches(['-', '_']))?;
    let key = key.trim_start_matches(['-', '_']);
    let family = match key {
        "rsa" | "rsaencryption" => "RSA-PKCS1-1.5",
        "rsaandmgf1" | "rsassa-pss" | "rsapss" | "rsa/pss" => "RSA-PSS",
        "ecdsa" | "ecdsainp1363format" | "cvc-ecdsa" | "plain-ecdsa" => "ECDSA",
        "dsa" | "dsainp1363format" => "DSA",
        "sm2" => "SM2",
        _ => return None,
    };
    known(&format!("{family}-{hash}"))
}

fn resolve_hash(lower: &str) -> Option<String> {
    let name = ALIASES
        .iter()
        .find(|(alias, _)| *alias == lower)
        .map(|(_, name)| *name);
    let name = name.map_or_else(
        || Algorithm::named(&lower.to_ascii_uppercase()).name,
        str::to_owned,
    );
    let algorithm = Algorithm::named(&name);
    matches!(
        algorithm.primitive,
        super::Primitive::Hash | super::Primitive::Xof
    )
    .then_some(name)
}

/// `aes256`, `aes-256-gcm`, `aes_128_cbc`, `camellia128`: family, key length and mode with or without separators.
fn compact_cipher(lower: &str) -> Option<Algorithm> {
    let (family, rest) = [
        ("aes", "AES"),
        ("camellia", "CAMELLIA"),
        ("aria", "ARIA"),
        ("id-aes", "AES"),
    ]
    .iter()
    .find_map(|(prefix, family)| Some((*family, lower.strip_prefix(prefix)?)))?;
    let rest = rest.replace(['_', '/'], "-");
    let rest = rest.trim_matches('-');
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (bits, mode) = rest.split_at_checked(digits)?;
    if !matches!(bits, "" | "128" | "192" | "256") {
        return None;
    }
    let mode = mode.trim_start_matches('-').to_ascii_uppercase();
    let known_mode = matches!(
        mode.as_str(),
        "" | "GCM"
            | "CBC"
            | "ECB"
            | "CTR"
            | "CFB"
            | "CFB1"
            | "CFB8"
            | "CFB128"
            | "OFB"
            | "CCM"
            | "XTS"
            | "OCB"
            | "SIV"
            | "GCM-SIV"
            | "KW"
            | "KWP"
            | "WRAP"
            | "CTS"
    );
    let parts = [family, bits, mode.as_str()]
        .iter()
        .filter(|part| !part.is_empty())
        .copied()
        .collect::<Vec<_>>();
    known_mode.then(|| known(&parts.join("-"))).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_alias_leads_to_a_known_algorithm() {
        for (alias, name) in ALIASES {
            let algorithm = resolve(alias).unwrap();
            assert_eq!(algorithm.name, *name, "{alias}");
            assert_ne!(algorithm.primitive, super::super::Primitive::Unknown, "{alias}");
        }
    }

    #[test]
    fn spellings() {
        for (spelling, name) in [
            ("SHA256withRSA", "RSA-PKCS1-1.5-SHA-256"),
            ("SHA-384withECDSA", "ECDSA-SHA-384"),
            ("aes-256-gcm", "AES-256-GCM"),
            ("AES256", "AES-256"),
            ("AES_128_CBC", "AES-128-CBC"),
            ("prime256v1", "ECDHE-P-256"),
            ("secp521r1", "ECDHE-P-521"),
            ("x25519mlkem768", "X25519MLKEM768"),
            ("RSA-2048", "RSA-2048"),
            ("ssh-ed25519-cert-v01@openssh.com", "Ed25519"),
            (
                "sk-ecdsa-sha2-nistp256-cert-v01@openssh.com",
                "ECDSA-P-256-SHA-256",
            ),
        ] {
            assert_eq!(
                resolve(spelling).map(|algorithm| algorithm.name).as_deref(),
                Some(name),
                "{spelling}"
            );
        }
        for nonsense in ["", "aes-foo", "aes-300", "hello", "withRSA", "fooWithRSA"] {
            assert_eq!(resolve(nonsense), None, "{nonsense}");
        }
    }
}
