//! PEM from outside: whatever it is, it is read without panic, and what is written reads back.

use proptest::prelude::*;
use symbolon_pki::pem::{blocks, encode};

proptest! {
    #[test]
    fn what_is_written_is_read_back(der in proptest::collection::vec(any::<u8>(), 0..400)) {
        let text = encode("TEST DATA", &der);
        prop_assert!(text.lines().all(|line| line.len() <= 64));
        let mut blocks = blocks(text.as_bytes()).unwrap();
        prop_assert_eq!(blocks.len(), 1);
        let block = blocks.remove(0).unwrap();
        prop_assert_eq!(block.der.as_slice(), der.as_slice());
    }

    #[test]
    fn a_good_block_survives_any_neighbour(garbage in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut input = garbage;
        input.push(b'\n');
        input.extend_from_slice(encode("TEST DATA", b"kept").as_bytes());
        let blocks = blocks(&input).unwrap();
        let last = blocks.last().unwrap().as_ref().unwrap();
        prop_assert_eq!(last.der.as_slice(), b"kept");
    }

    #[test]
    fn marked_garbage_is_read_without_panic(garbage in "(-----BEGIN X-----|-----END X-----|\n|[A-Za-z0-9+/=: -]{0,9}){0,30}") {
        if let Ok(blocks) = blocks(garbage.as_bytes()) {
            prop_assert!(!blocks.is_empty());
        }
    }
}
