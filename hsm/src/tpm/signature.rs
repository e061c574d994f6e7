//! An ECDSA signature as the TPM gives it, as everyone else wants it.

/// Two unsigned big-endian numbers, of at most 66 bytes each, as DER's `SEQUENCE { r INTEGER, s INTEGER }` (RFC 3279,
/// section 2.2.3).
pub(super) fn der(r: &[u8], s: &[u8]) -> Vec<u8> {
    let content = [integer(r), integer(s)].concat();
    tagged(0x30, &content)
}

fn integer(number: &[u8]) -> Vec<u8> {
    let zeros = number.iter().take_while(|&&byte| byte == 0).count();
    let mut content = number.get(zeros..).unwrap_or_default().to_vec();
    // DER's integers are signed: a leading one bit needs a zero byte before it, and zero itself needs one byte.
    if content.first().is_none_or(|first| first & 0x80 != 0) {
        content.insert(0, 0);
    }
    tagged(0x02, &content)
}

fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    let [len, ..] = content.len().to_le_bytes();
    let header: &[u8] = if len < 0x80 {
        &[tag, len]
    } else {
        &[tag, 0x81, len]
    };
    [header, content].concat()
}

/// A point's uncompressed form (SEC 1, section 2.3.3), from coordinates that a TPM may give without their leading
/// zeros. `None` when one is longer than `len`.
pub(super) fn point(x: &[u8], y: &[u8], len: usize) -> Option<Vec<u8>> {
    let mut point = Vec::with_capacity(1 + 2 * len);
    point.push(4);
    for coordinate in [x, y] {
        let missing = len.checked_sub(coordinate.len())?;
        point.extend(std::iter::repeat_n(0, missing));
        point.extend_from_slice(coordinate);
    }
    Some(point)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_minimal_and_positive() {
        assert_eq!(der(&[1], &[0, 0, 2]), [0x30, 6, 2, 1, 1, 2, 1, 2]);
        assert_eq!(
            der(&[0x80], &[0x7f, 0xff]),
            [0x30, 8, 2, 2, 0, 0x80, 2, 2, 0x7f, 0xff]
        );
        assert_eq!(der(&[], &[0]), [0x30, 6, 2, 1, 0, 2, 1, 0]);
    }

    #[test]
    fn the_longest_needs_a_long_length() {
        let longest = der(&[0xff; 66], &[0xff; 66]);
        assert_eq!(longest.get(..5), Some(&[0x30, 0x81, 138, 2, 67][..]));
        assert_eq!(longest.len(), 3 + 138);
    }

    #[test]
    fn coordinates_are_padded() {
        assert_eq!(point(&[1], &[2, 3], 2), Some(vec![4, 0, 1, 2, 3]));
        assert_eq!(point(&[1, 2, 3], &[2, 3], 2), None);
    }
}
