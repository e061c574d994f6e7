//! Every target once with its seeds, and with seeds that were damaged: so that targets keep compiling and passing, and
//! what they promise holds at least there. A fuzzer goes on from here (`cargo xtask fuzz`).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeSet;

use peak_alloc::PeakAlloc;
use symbolon_fuzz::{Shape, TARGETS, Target, memory, tree};

#[global_allocator]
static METER: PeakAlloc = PeakAlloc;

/// How many seeds of a target are damaged; the first ones are the most varied.
const DAMAGED: usize = 12;

/// A seed cut off, with something behind it, with single bytes changed, and with elements of DER changed.
fn damaged(target: &Target, seed: &[u8]) -> Vec<Vec<u8>> {
    let mut variants = vec![
        seed[..seed.len() / 2].to_vec(),
        seed[..seed.len().saturating_sub(1)].to_vec(),
        [seed, &[0]].concat(),
    ];
    for part in 0..8 {
        let mut changed = seed.to_vec();
        if let Some(byte) = changed.get_mut(seed.len() * part / 8) {
            *byte ^= 0x11;
        }
        variants.push(changed);
    }
    if target.shape == Shape::Der {
        variants.extend((0..24).filter_map(|number| tree::mutate(seed, number)));
    }
    variants
}

/// One test for all: the meter counts what any thread of the program has in use.
#[test]
fn every_target_stands_its_seeds_and_damaged_ones() {
    for target in TARGETS {
        let seeds = target.seeds();
        assert!(!seeds.is_empty(), "{target:?} has no seeds");
        for seed in &seeds {
            assert!(
                seed.len() <= target.max_len,
                "{target:?}: a seed of {} bytes, and a fuzzer would cut it",
                seed.len()
            );
            memory::run(target, &METER, seed);
        }
        memory::run(target, &METER, &[]);
        for variant in seeds.iter().take(DAMAGED).flat_map(|seed| damaged(target, seed)) {
            memory::run(target, &METER, &variant);
        }
    }
}

#[test]
fn names_are_unique_and_can_be_folders() {
    let names: BTreeSet<&str> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(names.len(), TARGETS.len());
    for name in names {
        assert!(
            name.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'-' || byte.is_ascii_digit())
        );
        assert_eq!(Target::named(name).unwrap().name, name);
    }
}
