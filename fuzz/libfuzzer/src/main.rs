//! The fuzz targets under libFuzzer, as one program: the environment says which target this process is of.
//!
//! - `SYMBOLON_FUZZ_LIST=1`: prints every target's name, longest input and description, and ends.
//! - `SYMBOLON_FUZZ_SEEDS=FOLDER`: writes every target's seeds into folders of their names, and ends.
//! - `SYMBOLON_FUZZ_TARGET=NAME`: fuzzes that target; what follows on the command line is libFuzzer's.
#![no_main]

use std::path::Path;
use std::sync::OnceLock;

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use peak_alloc::PeakAlloc;
use symbolon_fuzz::{Shape, TARGETS, Target, memory, tree};

#[global_allocator]
static METER: PeakAlloc = PeakAlloc;

static TARGET: OnceLock<&'static Target> = OnceLock::new();

fuzz_target!(init: begin(), |input: &[u8]| {
    memory::run(target(), &METER, input);
});

// Every second change keeps DER whole; the others are libFuzzer's own.
fuzz_mutator!(|input: &mut [u8], size: usize, max_size: usize, seed: u32| {
    if target().shape == Shape::Der
        && seed % 2 == 0
        && let Some(changed) = tree::mutate(&input[..size], u64::from(seed))
        && changed.len() <= max_size
        && !changed.is_empty()
    {
        input[..changed.len()].copy_from_slice(&changed);
        return changed.len();
    }
    fuzzer_mutate(input, size, max_size)
});

fn target() -> &'static Target {
    TARGET.get().expect("`begin` has chosen a target")
}

fn begin() {
    if std::env::var_os("SYMBOLON_FUZZ_LIST").is_some() {
        for target in TARGETS {
            println!("{}\t{}\t{}", target.name, target.max_len, target.about);
        }
        std::process::exit(0);
    }
    if let Some(folder) = std::env::var_os("SYMBOLON_FUZZ_SEEDS") {
        for target in TARGETS {
            write_seeds(target, &Path::new(&folder).join(target.name));
        }
        std::process::exit(0);
    }
    let name = std::env::var("SYMBOLON_FUZZ_TARGET").expect("SYMBOLON_FUZZ_TARGET says which target");
    let target = Target::named(&name).unwrap_or_else(|| panic!("there is no target {name:?}"));
    // Whatever is made once is made before anything is measured.
    for seed in target.seeds().iter().take(4) {
        target.run(seed);
    }
    assert!(TARGET.set(target).is_ok(), "this begins once");
}

fn write_seeds(target: &Target, folder: &Path) {
    std::fs::create_dir_all(folder).expect("a folder for seeds");
    for (number, seed) in target.seeds().iter().enumerate() {
        std::fs::write(folder.join(format!("{number:04}")), seed).expect("a seed's file");
    }
}
