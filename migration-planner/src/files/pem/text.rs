//! The text of a block: what surroundings make of it, taken away.

use zeroize::Zeroizing;

/// The content of a block without what its surroundings put there.
#[derive(Default)]
pub(super) struct Clean {
    pub(super) base64: Zeroizing<Vec<u8>>,
    /// The cipher in OpenSSL's traditional header.
    pub(super) dek_info: Option<String>,
    /// There is something that is neither base64 nor explained.
    pub(super) junk: bool,
}

impl Clean {
    pub(super) fn of(content: &[u8]) -> Self {
        let mut clean = Self::default();
        clean.base64.reserve(content.len());
        let content = unescape(content);
        for line in content.split(|byte| matches!(byte, b'\n' | b'\r')) {
            clean.line(line);
        }
        clean
    }

    fn line(&mut self, line: &[u8]) {
        // Indentation, quotes, comment signs and the operators that join strings in source.
        let line = line.trim_ascii();
        let comment = [&b"// "[..], b"/// ", b"//! "].into_iter();
        let line = comment
            .filter_map(|sign| line.strip_prefix(sign))
            .next()
            .unwrap_or(line);
        let line = trim(line, |byte| b" \t\"'`,;*#|<>()".contains(&byte));
        let line = match line {
            [b'+' | b'.' | b'/', b' ' | b'"' | b'\'', rest @ ..] => {
                trim(rest, |byte| b" \t\"'`".contains(&byte))
            }
            [rest @ .., b'"' | b'\'', b' ', b'+' | b'.' | b'\\'] => {
                trim(rest, |byte| b" \t\"'`".contains(&byte))
            }
            [rest @ .., b'"' | b'\'' | b' ', b'+' | b'.' | b'\\'] => {
                trim(rest, |byte| b" \t\"'`".contains(&byte))
            }
            [rest @ .., b'\\'] => rest,
            line => line,
        };
        if line.is_empty() || matches!(line, b"//" | b"///" | b"//!" | b"+") {
            return;
        }
        if let Some(colon) = memchr::memchr(b':', line) {
            let name = line.get(..colon).unwrap_or_default();
            if name.eq_ignore_ascii_case(b"DEK-Info") {
                let value = line.get(colon + 1..).unwrap_or_default();
                self.dek_info = Some(String::from_utf8_lossy(value.trim_ascii()).into_owned());
            } else if !name
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
            {
                self.junk = true;
            }
            return;
        }
        if line
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(byte))
        {
            self.base64.extend_from_slice(line);
        } else if line
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+/= \t".contains(byte))
            && (!line.contains(&b' ') || is_joined(line))
        {
            self.base64
                .extend(line.iter().filter(|byte| !byte.is_ascii_whitespace()));
        } else {
            self.junk = true;
        }
    }
}

/// Whether it is lines of base64 that somebody put on one, as in a variable of the environment: all words but the last
/// are long, which those of prose are not.
fn is_joined(line: &[u8]) -> bool {
    const SHORTEST: usize = 48;
    let words: Vec<&[u8]> = line
        .split(|byte| *byte == b' ')
        .filter(|word| !word.is_empty())
        .collect();
    let Some((_, before)) = words.split_last() else {
        return false;
    };
    !before.is_empty() && before.iter().all(|word| word.len() >= SHORTEST)
}

fn trim(mut line: &[u8], what: impl Fn(u8) -> bool) -> &[u8] {
    while let [first, rest @ ..] = line
        && what(*first)
    {
        line = rest;
    }
    while let [rest @ .., last] = line
        && what(*last)
    {
        line = rest;
    }
    line
}

/// Turns `\n`, `\r` and `\t` of strings in JSON and source into what they stand for.
fn unescape(content: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut plain = Zeroizing::new(Vec::with_capacity(content.len()));
    let mut bytes = content.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            plain.push(byte);
            continue;
        }
        match bytes.peek() {
            Some(b'n' | b'r') => {
                bytes.next();
                plain.push(b'\n');
            }
            Some(b't') => {
                bytes.next();
            }
            // Escaped twice, as JSON within JSON is: what the second one stands before comes next.
            Some(b'\\') => {}
            Some(b'/') => {} // JSON may escape it; what counts is the slash
            _ => plain.push(b'\\'),
        }
    }
    plain
}

/// OpenPGP's armour ends with `=` and four characters of checksum (RFC 9580 §6.1).
pub(super) fn strip_checksum(text: &[u8]) -> &[u8] {
    match text {
        [body @ .., b'=', a, b, c, d] if [a, b, c, d].iter().all(|byte| **byte != b'=') => body,
        _ => text,
    }
}
