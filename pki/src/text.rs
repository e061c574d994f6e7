//! Strangers' text: made fit for an error message, or read as an identity.

use spiffe::SpiffeId;

/// Longest text that is repeated, in characters.
const MAX: usize = 256;

/// `text` without control characters and cut to a length that logs can bear.
pub(crate) fn printable(text: &str) -> String {
    let mut out: String = text
        .chars()
        .take(MAX)
        .map(|c| {
            if c.is_control() {
                char::REPLACEMENT_CHARACTER
            } else {
                c
            }
        })
        .collect();
    if text.chars().nth(MAX).is_some() {
        out.push('…');
    }
    out
}

/// Reads a SPIFFE ID that is spelled in the one way that the specification calls canonical: two spellings of one
/// identity would let two programs disagree about who somebody is.
///
/// # Errors
/// What is wrong with it, in words.
pub(crate) fn canonical_spiffe_id(uri: &str) -> Result<SpiffeId, String> {
    let id = SpiffeId::new(uri).map_err(|problem| problem.to_string())?;
    if id.to_string() == uri {
        Ok(id)
    } else {
        Err("scheme and trust domain must be in lower case".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_spelling_is_an_identity() {
        assert!(canonical_spiffe_id("spiffe://example.org/a").is_ok());
        for other in [
            "SPIFFE://example.org/a",
            "spiffe://Example.org/a",
            "spiffe://example.org/",
            "https://a/b",
            "",
        ] {
            assert!(canonical_spiffe_id(other).is_err(), "{other:?}");
        }
    }

    #[test]
    fn long_or_hostile_text_is_tamed() {
        assert_eq!(printable("spiffe://example.org"), "spiffe://example.org");
        assert_eq!(printable("a\x1b[31mb\n"), "a\u{fffd}[31mb\u{fffd}");
        assert_eq!(printable(&"é".repeat(300)).chars().count(), MAX + 1);
    }
}
