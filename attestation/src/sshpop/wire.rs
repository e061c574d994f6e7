//! SSH's data types (RFC 4251, section 5), in the one form that each has.

/// What is left of a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn number(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_be_bytes)
    }

    pub(super) fn long_number(&mut self) -> Option<u64> {
        self.take(8)?.try_into().ok().map(u64::from_be_bytes)
    }

    pub(super) fn string(&mut self) -> Option<&'a [u8]> {
        let len = self.number()?;
        self.take(usize::try_from(len).ok()?)
    }

    pub(super) fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.string()?).ok()
    }

    /// A number that is not negative, big-endian and without zeros before it; empty for zero.
    pub(super) fn integer(&mut self) -> Option<&'a [u8]> {
        let content = self.string()?;
        match content {
            [first, ..] if first & 0x80 != 0 => None,
            [0] => None,
            [0, second, ..] if second & 0x80 == 0 => None,
            [0, rest @ ..] => Some(rest),
            whole => Some(whole),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// That nothing is left.
    pub(super) fn end(self) -> Option<()> {
        self.is_empty().then_some(())
    }
}

/// Writes a string.
pub(super) fn put_string(out: &mut Vec<u8>, content: &[u8]) {
    // Everything written here is a few kilobytes long.
    let len = u32::try_from(content.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(content);
}

/// Writes a number that is not negative.
pub(super) fn put_integer(out: &mut Vec<u8>, number: &[u8]) {
    let start = number.iter().position(|byte| *byte != 0).unwrap_or(number.len());
    let number = number.get(start..).unwrap_or_default();
    let mut content = Vec::with_capacity(number.len() + 1);
    if number.first().is_some_and(|first| first & 0x80 != 0) {
        content.push(0);
    }
    content.extend_from_slice(number);
    put_string(out, &content);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_have_one_form() {
        for number in [&[][..], &[1], &[0x7f], &[0x80], &[0xff, 0], &[1, 0, 0]] {
            let mut written = Vec::new();
            put_integer(&mut written, number);
            let mut reader = Reader(&written);
            assert_eq!(reader.integer(), Some(number));
            assert!(reader.end().is_some());
        }
        for content in [&[0x80_u8][..], &[0], &[0, 1], &[0, 0, 0x80]] {
            let mut written = Vec::new();
            put_string(&mut written, content);
            assert_eq!(Reader(&written).integer(), None, "{content:?}");
        }
    }

    #[test]
    fn what_is_cut_off_is_nothing() {
        let mut written = Vec::new();
        put_string(&mut written, b"abc");
        for len in 0..written.len() {
            assert_eq!(Reader(&written[..len]).string(), None);
        }
        assert_eq!(Reader(&[0xff; 8]).string(), None);
    }
}
