//! Proposals for IKE and IPsec: `aes256gcm16-prfsha384-ecp384-ke1_mlkem768`, and Libreswan's way to write them.

use super::report::MAX_LIST;
use crate::inventory::{CipherSuite, ProtocolDetail};

/// The protocol that a list of proposals comes to, and whether `default` stands in it.
pub(super) fn protocol(kind: &str, version: Option<&str>, text: &str) -> (ProtocolDetail, bool) {
    let mut detail = ProtocolDetail {
        protocol: kind.to_owned(),
        version: version.map(str::to_owned),
        ..ProtocolDetail::default()
    };
    let mut default = false;
    for proposal in text
        .split([',', ' ', '\t'])
        .map(|text| text.trim_matches(['!', '"', '\'']))
    {
        if proposal.is_empty() || detail.suites.len() >= MAX_LIST {
            continue;
        }
        if proposal.eq_ignore_ascii_case("default") {
            default = true;
            continue;
        }
        let (suite, groups) = read(proposal);
        detail.suites.push(suite);
        for group in groups {
            if !detail.groups.contains(&group) {
                detail.groups.push(group);
            }
        }
    }
    (detail, default)
}

/// One proposal as a suite, and its key exchanges.
fn read(proposal: &str) -> (CipherSuite, Vec<String>) {
    let words = proposal
        .split(['-', ';', '+'])
        .filter(|word| !word.is_empty())
        .take(64);
    let mut words: Vec<String> = words.map(plain).collect();
    // Beside a cipher that authenticates `null` says that nothing else does.
    if words
        .first()
        .is_some_and(|word| ["gcm", "ccm", "chacha"].iter().any(|mode| word.contains(mode)))
    {
        words.retain(|word| word != "null");
    }
    let mut algorithms: Vec<String> = Vec::new();
    let mut groups: Vec<String> = Vec::new();
    let has_prf = words.iter().any(|word| word.starts_with("prf"));
    for word in &words {
        match transform(word, has_prf) {
            Transform::Nothing => {}
            Transform::Algorithm(name) => algorithms.push(name),
            Transform::Group(name) => groups.push(name),
        }
    }
    let mut seen: Vec<String> = Vec::new();
    for name in algorithms.into_iter().chain(groups.iter().cloned()) {
        if !seen.contains(&name) {
            seen.push(name);
        }
    }
    let suite = CipherSuite {
        name: super::report::shortened(proposal.to_owned()),
        algorithms: seen,
        identifiers: Vec::new(),
    };
    (suite, groups)
}

/// A word as strongSwan would write it. Libreswan puts what it is before some (`addke1=ml_kem_768`), and numbers before
/// groups (`dh19`).
fn plain(word: &str) -> String {
    let lower = word.to_ascii_lowercase();
    let (what, value) = lower.split_once('=').unwrap_or(("", &lower));
    let value = value.replace("sha2_", "sha").replace("ml_kem_", "mlkem");
    match (what, value.strip_prefix("dh")) {
        (_, Some(number)) => format!("modp_group{number}"),
        ("prf", None) => format!("prf{value}"),
        _ => value,
    }
}

enum Transform {
    Algorithm(String),
    Group(String),
    Nothing,
}

fn transform(word: &str, has_prf: bool) -> Transform {
    use Transform::{Algorithm, Group, Nothing};
    let text = |name: &str| Algorithm(name.to_owned());
    // RFC 9370: additional key exchanges.
    let (extra, group) = match word.strip_prefix("ke").and_then(|rest| rest.split_once('_')) {
        Some((number, group)) if number.len() == 1 => (true, group),
        _ => (false, word),
    };
    if extra && group == "none" {
        return Nothing;
    }
    let is_group = [
        "modp", "ecp", "curve", "mlkem", "x25519", "x448", "ffdhe", "frodo", "bike", "hqc", "kyber",
    ]
    .iter()
    .any(|prefix| group.starts_with(prefix));
    if extra || is_group {
        return Group(libreswan_group(group));
    }
    if matches!(
        word,
        "esn" | "noesn" | "modpnone" | "none" | "prfaesxcbc" | "prfaescmac" | "prfcamelliaxcbc"
    ) {
        return match word.strip_prefix("prfaes") {
            Some("cmac") => text("AES-128-CMAC"),
            Some(_) => text("AES-128-XCBC_MAC"),
            None => Nothing,
        };
    }
    if let Some(hash) = word.strip_prefix("prf") {
        return hash_name(hash).map_or_else(|| text(word), |hash| Algorithm(format!("HMAC-{hash}")));
    }
    if let Some(cipher) = cipher(word) {
        return Algorithm(cipher);
    }
    match word {
        "aesxcbc" | "aes_xcbc" => text("AES-128-XCBC_MAC"),
        "aescmac" | "aes_cmac" => text("AES-128-CMAC"),
        "aes128gmac" | "aes192gmac" | "aes256gmac" => {
            Algorithm(format!("AES-{}-GMAC", word.get(3..6).unwrap_or_default()))
        }
        // Beside an AEAD cipher the hash is the pseudo-random function; else it is both.
        _ => match hash_name(word) {
            Some(hash) => Algorithm(format!("HMAC-{hash}")),
            None if has_prf => text(word),
            None => text(word),
        },
    }
}

fn hash_name(word: &str) -> Option<&'static str> {
    Some(match word {
        "md5" | "md5_128" => "MD5",
        "sha" | "sha1" | "sha1_160" => "SHA-1",
        "sha256" | "sha2" | "sha256_96" => "SHA-256",
        "sha384" => "SHA-384",
        "sha512" => "SHA-512",
        _ => return None,
    })
}

fn libreswan_group(group: &str) -> String {
    // `dh19` and friends: the numbers of IANA's registry.
    let number = group
        .strip_prefix("modp_group")
        .map(|rest| rest.trim_start_matches('_'));
    match number {
        Some("1") => "modp768",
        Some("2") => "modp1024",
        Some("5") => "modp1536",
        Some("14") => "modp2048",
        Some("15") => "modp3072",
        Some("16") => "modp4096",
        Some("17") => "modp6144",
        Some("18") => "modp8192",
        Some("19") => "ecp256",
        Some("20") => "ecp384",
        Some("21") => "ecp521",
        Some("22") => "modp1024s160",
        Some("23") => "modp2048s224",
        Some("24") => "modp2048s256",
        Some("31") => "curve25519",
        Some("32") => "curve448",
        Some(other) => return format!("dh{other}"),
        None => group,
    }
    .to_owned()
}

/// `aes256gcm16`, `aes_gcm256`, `aes128ctr`, `chacha20poly1305`, `3des`, `camellia256`, `null`.
fn cipher(word: &str) -> Option<String> {
    match word {
        "3des" | "3des_cbc" => return Some("3DES-168-CBC".to_owned()),
        "des" => return Some("DES-56-CBC".to_owned()),
        "null" | "null_auth" => return Some("NULL".to_owned()),
        "chacha20poly1305" | "chacha20_poly1305" => return Some("ChaCha20-Poly1305".to_owned()),
        _ => {}
    }
    for (prefix, name) in [
        ("aes", "AES"),
        ("camellia", "CAMELLIA"),
        ("blowfish", "Blowfish"),
        ("cast", "CAST5"),
        ("serpent", "Serpent"),
        ("twofish", "Twofish"),
    ] {
        let Some(rest) = word.strip_prefix(prefix) else {
            continue;
        };
        let rest = rest.replace('_', "");
        if rest.ends_with("gmac") || rest == "xcbc" || rest == "cmac" {
            return None;
        }
        let mode = ["gcm", "ccm", "ctr", "cbc"]
            .iter()
            .find_map(|mode| Some((*mode, rest.find(mode)?)));
        let sizes = ["128", "192", "256", "448"];
        let bits = sizes
            .iter()
            .find(|size| rest.starts_with(**size) || rest.ends_with(**size));
        let known = rest.is_empty() || bits.is_some() || mode.is_some();
        if !known {
            return None;
        }
        let mode = mode.map_or("CBC".to_owned(), |(mode, _)| mode.to_ascii_uppercase());
        return Some(match bits {
            Some(bits) => format!("{name}-{bits}-{mode}"),
            None => format!("{name}-{mode}"),
        });
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn algorithms(proposal: &str) -> String {
        read(proposal).0.algorithms.join(" ")
    }

    #[test]
    fn proposals_say_what_they_are_made_of() {
        for (proposal, expected) in [
            ("aes256-sha256-modp2048", "AES-256-CBC HMAC-SHA-256 modp2048"),
            (
                "aes256gcm16-prfsha384-ecp384-ke1_mlkem768",
                "AES-256-GCM HMAC-SHA-384 ecp384 mlkem768",
            ),
            (
                "aes128ctr-aesxcbc-curve25519-noesn",
                "AES-128-CTR AES-128-XCBC_MAC curve25519",
            ),
            (
                "chacha20poly1305-prfsha512-x25519-ke1_none",
                "ChaCha20-Poly1305 HMAC-SHA-512 x25519",
            ),
            ("3des-md5-modp1024", "3DES-168-CBC HMAC-MD5 modp1024"),
            ("aes_gcm256-sha2_512;dh19", "AES-256-GCM HMAC-SHA-512 ecp256"),
            ("null-sha1", "NULL HMAC-SHA-1"),
            ("aes_gcm256-null", "AES-256-GCM"),
            ("aes-aes_xcbc;modp2048", "AES-CBC AES-128-XCBC_MAC modp2048"),
            (
                "aes128-sha2-dh31;addke1=ml_kem_768+none;addke2=dh20",
                "AES-128-CBC HMAC-SHA-256 curve25519 mlkem768 ecp384",
            ),
            ("aes;ke=ml_kem_1024", "AES-CBC mlkem1024"),
            ("aes_gcm;prf=sha2_512;modp2048", "AES-GCM HMAC-SHA-512 modp2048"),
            ("aes192ccm12-frob", "AES-192-CCM frob"),
        ] {
            assert_eq!(algorithms(proposal), expected, "{proposal}");
        }
    }

    #[test]
    fn lists_keep_their_order_and_say_default() {
        let (detail, default) = protocol(
            "ike",
            Some("2"),
            "aes128-sha256-ecp256, default,aes256-sha384-ecp256-ke1_mlkem512!",
        );
        assert!(default);
        assert_eq!(detail.suites.len(), 2);
        assert_eq!(detail.groups, ["ecp256", "mlkem512"]);
        for name in detail.suites.iter().flat_map(|suite| &suite.algorithms) {
            let known = crate::algorithm::alias::resolve(name);
            assert!(known.is_some(), "{name}");
        }
    }
}
