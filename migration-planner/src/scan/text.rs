//! Text that is not UTF-8: what Windows tools write with a byte order mark, and file names of any bytes.

/// The text as UTF-8 if it begins with a UTF-16 byte order mark, or with enough ASCII in UTF-16; characters that are
/// none are replaced.
pub(super) fn from_utf16(bytes: &[u8]) -> Option<String> {
    let (little, rest) = match bytes {
        [0xff, 0xfe, rest @ ..] => (true, rest),
        [0xfe, 0xff, rest @ ..] => (false, rest),
        [0, ..] if is_wide(bytes, |pair| [pair[1], pair[0]]) => (false, bytes),
        [_, 0, ..] if is_wide(bytes, |pair| pair) => (true, bytes),
        _ => return None,
    };
    let units = rest.chunks_exact(2).map(|pair| match *pair {
        [a, b] if little => u16::from_le_bytes([a, b]),
        [a, b] => u16::from_be_bytes([a, b]),
        _ => 0,
    });
    Some(
        char::decode_utf16(units)
            .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect(),
    )
}

/// Whether it begins with ASCII text of two bytes each; `order` puts the one that is not zero first.
fn is_wide(bytes: &[u8], order: impl Fn([u8; 2]) -> [u8; 2]) -> bool {
    const ENOUGH: usize = 8;
    let is_text = |byte: u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace();
    let (pairs, _) = bytes.as_chunks::<2>();
    let begins = pairs.iter().take(ENOUGH).map(|pair| order(*pair));
    pairs.len() >= ENOUGH && begins.into_iter().all(|[text, zero]| zero == 0 && is_text(text))
}

/// Appends a file name; bytes that are not UTF-8 are written as `\xNN`, so that two names never look the same.
pub(super) fn push_name(text: &mut String, name: &[u8]) {
    for chunk in name.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf16_is_read_in_both_orders() {
        assert_eq!(from_utf16(b"\xff\xfeA\0B\0").as_deref(), Some("AB"));
        assert_eq!(from_utf16(b"\xfe\xff\0A\0B\0").as_deref(), Some("AB"));
        assert_eq!(from_utf16(b"\xff\xfe\x00\xd8").as_deref(), Some("\u{fffd}"));
        assert_eq!(from_utf16(b"AB"), None);
        let wide =
            |order: fn(u8) -> [u8; 2]| -> Vec<u8> { b"-----BEGIN".iter().copied().flat_map(order).collect() };
        for text in [wide(|byte| [byte, 0]), wide(|byte| [0, byte])] {
            assert_eq!(from_utf16(&text).as_deref(), Some("-----BEGIN"), "without a mark");
        }
        assert_eq!(
            from_utf16(b"A\0B\0C\0D\0\x01\0\0\0\0\0\0\0"),
            None,
            "numbers, not text"
        );
    }

    #[test]
    fn names_of_any_bytes_stay_apart() {
        let mut text = String::new();
        push_name(&mut text, b"a\xffb\xc3\xa9");
        assert_eq!(text, "a\\xffb\u{e9}");
    }
}
