//! The authority in a header block (RFC 7541).

use std::ops::Range;

/// The place of `:authority` in HPACK's static table (RFC 7541, appendix A).
const AUTHORITY_INDEX: usize = 1;
const AUTHORITY: &[u8] = b":authority";

/// Mends the authority in a header block. Stops where the block ends or makes no sense; the authority is among the
/// first fields, so it is not looked for in CONTINUATION frames.
pub(super) fn mend(block: &mut [u8]) {
    let mut at = 0;
    while let Some((authority, next)) = field(block, at) {
        if let Some(value) = authority.and_then(|range| block.get_mut(range)) {
            mend_authority(value);
        }
        at = next;
    }
}

fn mend_authority(value: &mut [u8]) {
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~:[]@!$&'()*+,;=".contains(byte);
    if !value.iter().all(fits) {
        for byte in value.iter_mut().filter(|byte| !byte.is_ascii_alphanumeric()) {
            *byte = b'-';
        }
    }
}

/// Where an authority's characters stand, if the field representation at a place has them; and where the next field
/// is (RFC 7541, section 6).
fn field(block: &[u8], at: usize) -> Option<(Option<Range<usize>>, usize)> {
    let prefix = match block.get(at)? {
        // Indexed, and a new size for the table: no literals.
        0x80.. => return Some((None, integer(block, at, 7)?.1)),
        0x20..=0x3f => return Some((None, integer(block, at, 5)?.1)),
        0x40..=0x7f => 6,
        0x00..=0x1f => 4,
    };
    let (index, next) = integer(block, at, prefix)?;
    let (is_authority, next) = match index {
        0 => {
            let (name, _, next) = string(block, next)?;
            (block.get(name) == Some(AUTHORITY), next)
        }
        _ => (index == AUTHORITY_INDEX, next),
    };
    let (value, plain, next) = string(block, next)?;
    Some(((is_authority && plain).then_some(value), next))
}

/// Where a string's octets stand, whether they are the characters themselves rather than Huffman code, and where they
/// end (RFC 7541, section 5.2).
fn string(block: &[u8], at: usize) -> Option<(Range<usize>, bool, usize)> {
    let plain = block.get(at)? & 0x80 == 0;
    let (length, start) = integer(block, at, 7)?;
    let end = start.checked_add(length)?;
    (end <= block.len()).then_some((start..end, plain, end))
}

/// An integer whose first `prefix` bits are the low ones of the byte at a place, and where it ends (RFC 7541, section
/// 5.1). None is longer than a frame.
fn integer(block: &[u8], at: usize, prefix: u32) -> Option<(usize, usize)> {
    let most = (1 << prefix) - 1;
    let mut value = usize::from(*block.get(at)?) & most;
    let mut next = at + 1;
    if value < most {
        return Some((value, next));
    }
    for shift in [0, 7, 14] {
        let byte = usize::from(*block.get(next)?);
        next += 1;
        value += (byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some((value, next));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A string literal without Huffman code.
    fn literal(text: &[u8]) -> Vec<u8> {
        assert!(text.len() < 127);
        [&[text.len() as u8], text].concat()
    }

    /// A block as gRPC's C core writes it: the method, then path and authority with literal names, then more.
    fn block(authority: &[u8]) -> Vec<u8> {
        let path = [literal(b":path"), literal(b"/SpiffeWorkloadAPI/FetchX509SVID")].concat();
        let named = [literal(AUTHORITY), literal(authority)].concat();
        let metadata = [literal(b"workload.spiffe.io"), literal(b"true")].concat();
        [
            &[0x83, 0x40],
            &*path,
            &[0x40],
            &named,
            &[0x3f, 0x20, 0x10],
            &metadata,
        ]
        .concat()
    }

    fn mended(mut block: Vec<u8>) -> Vec<u8> {
        mend(&mut block);
        block
    }

    const SENT: &[u8] = b"tmp%2Fagent%2Fapi.sock";
    const MENDED: &[u8] = b"tmp-2Fagent-2Fapi-sock";

    #[test]
    fn the_authorities_of_stock_clients_are_mended() {
        for (sent, expected) in [
            (SENT, MENDED),
            (b"/run/spire/api.sock", b"-run-spire-api-sock"),
            (b"%00abstract", b"-00abstract"),
        ] {
            assert_eq!(mended(block(sent)), block(expected));
        }
    }

    #[test]
    fn authorities_that_are_some_stay() {
        for good in [
            "localhost",
            "127.0.0.1:8081",
            "[::1]:8081",
            "a.b-c_d~e",
            "user@host",
        ] {
            let block = block(good.as_bytes());
            assert_eq!(mended(block.clone()), block, "{good}");
        }
    }

    #[test]
    fn it_is_found_by_its_index_however_it_is_to_be_remembered() {
        for first in [0x41, 0x01, 0x11] {
            let block = |authority| [&[first], &*literal(authority), &[0x83]].concat();
            assert_eq!(mended(block(SENT)), block(MENDED));
        }
    }

    #[test]
    fn other_values_huffman_code_and_what_makes_no_sense_stay() {
        let other = [&[0x40], &*literal(b"path"), &literal(SENT)].concat();
        let huffman = [&[0x41, 0x80 | SENT.len() as u8], SENT].concat();
        let endless = [0x41, 0x7f, 0xff, 0xff, 0xff, 0xff].to_vec();
        let short = [&[0x41, 100], SENT].concat();
        for block in [other, huffman, endless, short] {
            assert_eq!(mended(block.clone()), block);
        }
    }

    #[test]
    fn a_long_path_is_mended_to_its_end() {
        let long = [b'/'; 300];
        let block = |value: &[u8]| [&[0x41, 0x7f, 0xad, 0x01], value].concat();
        assert_eq!(mended(block(&long)), block(&[b'-'; 300]));
    }

    proptest! {
        #[test]
        fn any_block_keeps_its_length(block: Vec<u8>) {
            prop_assert_eq!(mended(block.clone()).len(), block.len());
        }
    }
}
