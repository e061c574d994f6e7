//! Files whose names promise keys or certificates: one in which nothing is found is worth a word.

use crate::inventory::Reason;

/// Extensions of formats that scanners here read.
const READ: [&[u8]; 22] = [
    b"cer", b"crl", b"crt", b"csr", b"der", b"jceks", b"jks", b"jwk", b"jwks", b"p10", b"p12", b"p7b",
    b"p7c", b"p7m", b"p7s", b"p8", b"pem", b"pfx", b"pk8", b"ppk", b"req", b"spc",
];
/// Extensions of formats that none does, or that are used for other things too.
const OTHER: [&[u8]; 8] = [
    b"bcfks",
    b"bks",
    b"jwe",
    b"kdb",
    b"key",
    b"keystore",
    b"keytab",
    b"truststore",
];

/// What to say of a file of this name in which nothing was found; nothing where nothing was promised.
pub(super) fn broken(name: &[u8], bytes: &[u8]) -> Option<(Reason, &'static str)> {
    let dot = memchr::memrchr(b'.', name)?;
    let extension = name.get(dot + 1..)?.to_ascii_lowercase();
    let reason = match extension.as_slice() {
        read if READ.contains(&read) => Reason::Malformed,
        other if OTHER.contains(&other) => Reason::Unsupported,
        _ => return None,
    };
    // An empty file has been read to its end.
    (!bytes.trim_ascii().is_empty()).then_some((
        reason,
        "its name promises keys or certificates, and nothing that is known here is in it",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_promises_nothing_breaks_no_promise() {
        let reason = |name: &str, bytes: &[u8]| broken(name.as_bytes(), bytes).map(|(reason, _)| reason);
        assert_eq!(reason("a.PEM", b"x"), Some(Reason::Malformed));
        assert_eq!(reason("a.bks", b"x"), Some(Reason::Unsupported));
        assert_eq!(reason("a.pem", b" \n"), None);
        assert_eq!(reason("pem", b"x"), None);
        assert_eq!(reason("a.txt", b"x"), None);
    }
}
