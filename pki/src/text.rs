//! Strangers' text: made fit for an error message, or read as an identity.

use spiffe::SpiffeId;

/// Longest text that is repeated, in characters.
const MAX: usize = 256;

/// `text` fit to be shown ([`clean`]), and cut to a length that logs can bear.
pub fn printable(text: &str) -> String {
    let mut out: String = text.chars().take(MAX).map(shown).collect();
    if text.chars().nth(MAX).is_some() {
        out.push('…');
    }
    out
}

/// `text` without the characters that terminals obey, or that make what is shown differ from what is there.
pub fn clean(text: &str) -> String {
    text.chars().map(shown).collect()
}

/// The character, or a mark in its place if it [misleads](is_misleading).
fn shown(c: char) -> char {
    if is_misleading(c) {
        char::REPLACEMENT_CHARACTER
    } else {
        c
    }
}

/// Whether the character controls the terminal (C0 and C1 alike), the direction of the text around it, or is nothing that
/// can be seen.
pub fn is_misleading(c: char) -> bool {
    let reorders =
        matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let invisible = matches!(
        c,
        '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2028}' | '\u{2029}' | '\u{2060}' | '\u{feff}'
    );
    c.is_control() || reorders || invisible
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
        // CSI as one character of C1, and DEL.
        assert_eq!(clean("a\u{9b}31mb\u{7f}"), "a\u{fffd}31mb\u{fffd}");
        // Right-to-left override, an isolate, a zero-width space: what is seen is not what is there.
        assert_eq!(
            clean("a\u{202e}b\u{2066}c\u{200b}d é 界"),
            "a\u{fffd}b\u{fffd}c\u{fffd}d é 界"
        );
        assert_eq!(printable(&"é".repeat(300)).chars().count(), MAX + 1);
    }
}
