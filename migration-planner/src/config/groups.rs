//! Lists of groups and signature schemes in OpenSSL's notation.

use super::report::MAX_LIST;

/// The groups of a list such as `?X25519MLKEM768:X25519/P-256` in their order, without what says how to treat them;
/// words that leave the choice to the program (`auto`, `DEFAULT`) are no groups.
pub(super) fn list(text: &str) -> Vec<String> {
    let parts = text.split([':', '/', ',', ';', ' ', '\t']);
    let mut groups: Vec<String> = Vec::new();
    for part in parts.filter(|part| !part.starts_with('-')) {
        let name = part.trim_matches(['*', '?', '"', '\'']);
        let chosen_elsewhere = name.eq_ignore_ascii_case("auto") || name.eq_ignore_ascii_case("default");
        if !name.is_empty()
            && !chosen_elsewhere
            && !groups.iter().any(|known| known == name)
            && groups.len() < MAX_LIST
        {
            groups.push(name.to_owned());
        }
    }
    groups
}

/// The schemes of a list such as `ECDSA+SHA256:rsa_pss_rsae_sha256:?mldsa65`, by their names in TLS.
pub(super) fn schemes(text: &str) -> Vec<String> {
    let mut schemes: Vec<String> = Vec::new();
    for part in text.split([':', ',', ';', ' ', '\t']) {
        let part = part.trim_matches(['?', '"', '\'']);
        if part.is_empty() || schemes.len() >= MAX_LIST {
            continue;
        }
        let name = tls_name(part).unwrap_or_else(|| part.to_owned());
        if !schemes.contains(&name) {
            schemes.push(name);
        }
    }
    schemes
}

/// `RSA+SHA256` as TLS calls it.
fn tls_name(part: &str) -> Option<String> {
    let (key, hash) = part.split_once('+')?;
    let hash = hash.to_ascii_lowercase().replace('-', "");
    Some(match key.to_ascii_uppercase().as_str() {
        "RSA" => format!("rsa_pkcs1_{hash}"),
        "RSA-PSS" | "PSS" | "RSA-PSS-RSAE" => format!("rsa_pss_rsae_{hash}"),
        "RSA-PSS-PSS" => format!("rsa_pss_pss_{hash}"),
        "DSA" => format!("dsa_{hash}"),
        "ECDSA" => match hash.as_str() {
            "sha256" => "ecdsa_secp256r1_sha256".to_owned(),
            "sha384" => "ecdsa_secp384r1_sha384".to_owned(),
            "sha512" => "ecdsa_secp521r1_sha512".to_owned(),
            _ => format!("ecdsa_{hash}"),
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_and_schemes() {
        assert_eq!(
            list("?*X25519MLKEM768 / ?*X25519:?secp256r1:-P-521"),
            ["X25519MLKEM768", "X25519", "secp256r1"]
        );
        assert_eq!(list("auto"), Vec::<String>::new());
        assert_eq!(
            schemes("ECDSA+SHA256:RSA-PSS+SHA512:?mldsa65:RSA+SHA1:foo+bar"),
            [
                "ecdsa_secp256r1_sha256",
                "rsa_pss_rsae_sha512",
                "mldsa65",
                "rsa_pkcs1_sha1",
                "foo+bar"
            ]
        );
    }
}
