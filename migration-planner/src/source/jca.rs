//! The transformations of `javax.crypto.Cipher`.

use super::spelling::spell;

/// `AES/CBC/PKCS5Padding`, `RSA/ECB/OAEPWithSHA-256AndMGF1Padding`, `PBEWithMD5AndDES`, `AES_256/GCM/NoPadding`.
pub(super) fn transformation(text: &str) -> Option<String> {
    let mut parts = text.split('/').map(str::trim);
    let algorithm = spell(parts.next()?)?;
    let mode = parts.next().unwrap_or_default().to_ascii_uppercase();
    let padding = parts.next().unwrap_or_default().to_ascii_uppercase();
    if algorithm == "RSA" {
        return Some(rsa(&padding));
    }
    let known = [
        "GCM", "CCM", "CBC", "ECB", "CTR", "CFB", "CFB8", "OFB", "XTS", "OCB", "SIV", "EAX", "CTS", "PCBC",
    ];
    let mode = known.iter().find(|known| **known == mode);
    let pads = match padding.as_str() {
        "PKCS5PADDING" => "-PKCS5",
        "PKCS7PADDING" => "-PKCS7",
        _ => "",
    };
    Some(match mode {
        Some(mode) if !algorithm.ends_with(mode) => format!("{algorithm}-{mode}{pads}"),
        _ => algorithm,
    })
}

fn rsa(padding: &str) -> String {
    if padding.starts_with("PKCS1") {
        return "RSAES-PKCS1".to_owned();
    }
    let Some(rest) = padding.strip_prefix("OAEP") else {
        return "RSA".to_owned();
    };
    let hash = rest
        .strip_prefix("WITH")
        .and_then(|rest| rest.split_once("AND"))
        .and_then(|(hash, _)| spell(hash));
    hash.map_or_else(|| "RSA-OAEP".to_owned(), |hash| format!("RSA-OAEP-{hash}"))
}

#[cfg(test)]
mod tests {
    use super::transformation;

    #[test]
    fn transformations() {
        for (text, name) in [
            ("AES/CBC/PKCS5Padding", "AES-CBC-PKCS5"),
            ("AES_256/GCM/NoPadding", "AES-256-GCM"),
            ("DESede/CBC/NoPadding", "3DES-CBC"),
            ("RSA/ECB/PKCS1Padding", "RSAES-PKCS1"),
            ("RSA/ECB/OAEPWithSHA-256AndMGF1Padding", "RSA-OAEP-SHA-256"),
            ("RSA/None/OAEPPadding", "RSA-OAEP"),
            ("AES", "AES"),
            ("PBEWithMD5AndDES", "PBES1"),
            ("ChaCha20-Poly1305", "ChaCha20-Poly1305"),
        ] {
            assert_eq!(transformation(text).as_deref(), Some(name), "{text}");
        }
        assert_eq!(transformation("hello/world"), None);
    }
}
