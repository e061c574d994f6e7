//! Targets as they stand in documents: a URI may carry a secret, and no document does.

/// Where a PIN stands in a `pkcs11:` URI (RFC 7512 §2.3).
const PIN: &str = "pin-value";
/// What stands where a secret stood.
const HIDDEN: &str = "…";

/// A target without its secrets: the value of `pin-value`, however it is spelt, and a user with a password before a
/// host. What is hidden ends where another attribute can begin, and nowhere before.
pub(crate) fn without_secrets(uri: &str) -> String {
    let mut shown = String::with_capacity(uri.len());
    for (place, attribute) in uri.split('&').enumerate() {
        if place > 0 {
            shown.push('&');
        }
        let lower = attribute.to_ascii_lowercase();
        match lower.find(PIN).and_then(|at| attribute.get(..at)) {
            Some(before) => {
                shown.push_str(before);
                shown.push_str(&[PIN, "=", HIDDEN].concat());
            }
            // No name has to be written so, and what is behind it may be the value all the same.
            None if decoded(&lower).contains(PIN) => shown.push_str(HIDDEN),
            None => shown.push_str(attribute),
        }
    }
    without_user(shown)
}

/// The same for a text in which a URI stands, such as a setting of a program: it ends at white space or a quote.
pub(crate) fn without_pins(text: String) -> String {
    if !decoded(&text.to_ascii_lowercase()).contains(PIN) {
        return text;
    }
    let is_end = |c: char| c.is_whitespace() || c == '"';
    let mut shown = String::with_capacity(text.len());
    for word in text.split_inclusive(is_end) {
        let uri = word.trim_end_matches(is_end);
        if decoded(&uri.to_ascii_lowercase()).contains(PIN) {
            shown.push_str(&without_secrets(uri));
            shown.push_str(word.get(uri.len()..).unwrap_or_default());
        } else {
            shown.push_str(word);
        }
    }
    shown
}

fn without_user(uri: String) -> String {
    let Some((scheme, rest)) = uri.split_once("://") else {
        return uri;
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
    match authority.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://{HIDDEN}@{host}{path}"),
        None => uri,
    }
}

/// With percent-encodings of ASCII undone; others stay as they are.
fn decoded(text: &str) -> String {
    let mut pieces = text.split('%');
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let byte = piece
            .get(..2)
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte.filter(u8::is_ascii) {
            Some(byte) => {
                plain.push(char::from(byte).to_ascii_lowercase());
                plain.push_str(piece.get(2..).unwrap_or_default());
            }
            None => {
                plain.push('%');
                plain.push_str(piece);
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_spelling_of_a_pin_is_shown() {
        for uri in [
            "pkcs11:token=x?module-path=/m.so&pin-value=31415",
            "pkcs11:token=x?pin-value=31415&module-path=/m.so",
            "PKCS11:token=x?PIN-Value=31415",
            "pkcs11:token=x;pin-value=31415?module-path=/m.so",
            "pkcs11:token=x?pin-value=?a;31415",
            "pkcs11:token=x?pin-value%3D31415",
            "pkcs11:token=x?pin%2dvalue=31415",
            "pkcs11:token=x?p%69n-value=31415",
            "pkcs11:?pin-value=1&pin-value=31415",
        ] {
            for shown in [without_secrets(uri), without_pins(format!("key \"{uri}\" on"))] {
                assert!(!shown.contains("31415"), "{uri}: {shown}");
                assert!(shown.contains(HIDDEN), "{uri}: {shown}");
            }
        }
        assert_eq!(
            without_secrets("pkcs11:token=x?pin-value=31415&module-path=/m.so"),
            "pkcs11:token=x?pin-value=…&module-path=/m.so"
        );
    }

    #[test]
    fn no_password_is_shown() {
        assert_eq!(
            without_secrets("smtp://me:s3cret@mail.example.org:25/x@y"),
            "smtp://…@mail.example.org:25/x@y"
        );
        assert_eq!(without_secrets("tls://a:b@c@host"), "tls://…@host");
    }

    #[test]
    fn what_is_no_secret_stays() {
        for uri in [
            "pkcs11:token=a%20b;serial=1?module-path=/m.so&pin-source=file:/run/pin",
            "tls://example.org:443",
            "ssh://[2001:db8::1]:22",
            "pkcs11:token=100%?x",
            "a%C3%A9%zz",
        ] {
            assert_eq!(without_secrets(uri), uri);
            assert_eq!(without_pins(uri.to_owned()), uri);
        }
        let setting = "spinning \"pins\" of me@example.org";
        assert_eq!(without_pins(setting.to_owned()), setting);
    }
}
