//! `cargo xtask tree DIRECTORY --files N`: a tree to measure scans on, the same for the same number everywhere.
//!
//! It is made to be met, not to be found in: a machine's mix of files, of which most hold no cryptography. What the
//! mix is stands in [`MIX`] and is printed. Nothing in it is secret: keys are random numbers in the clothes of keys.

mod der;
mod random;
mod words;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, Result, ensure};

use self::random::Random;
use self::words::Words;

/// What there is, in files of a thousand, with the extensions, and the sizes between which most are.
pub(crate) const MIX: &[Kind] = &[
    Kind::new("source", 300, "c cpp go h java js py rs ts", 400, 24_000),
    Kind::new("text", 220, "css html md po rst txt xml", 200, 16_000),
    Kind::new("data", 160, "csv json log sql", 100, 20_000),
    Kind::new(
        "configuration",
        120,
        "cfg conf ini properties service toml yaml yml",
        80,
        6_000,
    ),
    Kind::new("binary", 140, "bin class gz o png pyc so ttf", 300, 40_000),
    Kind::new("tiny", 45, "keep lock sig stamp", 0, 64),
    Kind::new("certificate", 10, "cer crt pem", 0, 0),
    Kind::new("key", 5, "key pub", 0, 0),
];

/// In one of so many source and configuration files there is cryptography.
const RARE: u64 = 40;

/// Files of one directory, most often; every thousandth directory has a hundred times as many.
const IN_A_DIRECTORY: u64 = 16;

/// One kind of file.
pub(crate) struct Kind {
    name: &'static str,
    of_a_thousand: u64,
    extensions: &'static str,
    least: u64,
    most: u64,
}

impl Kind {
    const fn new(
        name: &'static str,
        of_a_thousand: u64,
        extensions: &'static str,
        least: u64,
        most: u64,
    ) -> Self {
        Self {
            name,
            of_a_thousand,
            extensions,
            least,
            most,
        }
    }
}

/// Makes the tree in a directory that is not there yet, or empty.
pub(crate) fn tree(directory: &Path, files: u64) -> Result<()> {
    fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
    ensure!(
        fs::read_dir(directory)?.next().is_none(),
        "{} is not empty",
        directory.display()
    );
    let words = Words::new();
    let bytes = AtomicU64::new(0);
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get) as u64;
    // Whole directories to each, so that nobody waits for another's.
    let share = files.div_ceil(threads).next_multiple_of(IN_A_DIRECTORY);
    std::thread::scope(|scope| {
        let makers: Vec<_> = (0..threads)
            .map(|thread| {
                let (words, bytes) = (&words, &bytes);
                let numbers = thread * share..((thread + 1) * share).min(files);
                scope.spawn(move || make(directory, numbers, words, bytes))
            })
            .collect();
        makers.into_iter().try_for_each(|maker| match maker.join() {
            Ok(made) => made,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    })?;
    let total = bytes.into_inner();
    println!("{files} files, {:.2} GB, of a thousand:", total as f64 / 1e9);
    for kind in MIX {
        println!(
            "  {:>4}  {:<14} {}",
            kind.of_a_thousand, kind.name, kind.extensions
        );
    }
    println!("one of {RARE} source and configuration files uses cryptography");
    Ok(())
}

fn make(directory: &Path, numbers: std::ops::Range<u64>, words: &Words, total: &AtomicU64) -> Result<()> {
    let mut content = Vec::new();
    let mut last = PathBuf::new();
    for number in numbers {
        let mut random = Random::new(number);
        let folder = directory.join(folder(number));
        if folder != last {
            fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
            last.clone_from(&folder);
        }
        let kind = kind(&mut random);
        let extension = random.one_of(kind.extensions);
        let dot = if random.below(50) == 0 { "." } else { "" };
        let name = format!("{dot}{}-{number}.{extension}", words.name(&mut random));
        content.clear();
        fill(&mut content, kind, extension, words, &mut random);
        let path = folder.join(name);
        fs::File::create_new(&path)
            .and_then(|mut file| file.write_all(&content))
            .with_context(|| format!("cannot write {}", path.display()))?;
        total.fetch_add(content.len() as u64, Ordering::Relaxed);
    }
    Ok(())
}

/// Where a file is: three levels, and now and then a directory with very many.
fn folder(number: u64) -> PathBuf {
    let directory = number / IN_A_DIRECTORY;
    let block = directory / 1000;
    if directory % 1000 < 100 {
        return PathBuf::from(format!("area-{}/many-{block}", block % 20));
    }
    PathBuf::from(format!(
        "area-{}/part-{block}/unit-{}/module-{directory}",
        block % 20,
        directory / 10 % 100
    ))
}

fn kind(random: &mut Random) -> &'static Kind {
    let mut at = random.below(1000);
    for kind in MIX {
        if at < kind.of_a_thousand {
            return kind;
        }
        at -= kind.of_a_thousand;
    }
    &MIX[0]
}

fn fill(content: &mut Vec<u8>, kind: &Kind, extension: &str, words: &Words, random: &mut Random) {
    // Small files are many and large ones few: the square of an even number leans that way.
    let part = random.below(1000);
    let size = kind.least + (kind.most - kind.least) * part * part / 1_000_000;
    let is_rare = random.below(RARE) == 0;
    match kind.name {
        "source" => words.source(content, extension, size, is_rare, random),
        "configuration" => words.configuration(content, size, is_rare, random),
        "binary" => {
            let magic: &[u8] = match extension {
                "class" => b"\xca\xfe\xba\xbe\0\0\0\x41",
                "gz" => b"\x1f\x8b\x08\0",
                "o" | "so" | "bin" => b"\x7fELF\x02\x01\x01\0",
                "png" => b"\x89PNG\r\n\x1a\n",
                _ => b"\0\x01\0\0",
            };
            content.extend_from_slice(magic);
            // Programs are half code, half text and zeroes; what is compressed looks random.
            let random_part = if matches!(extension, "gz" | "png") {
                size
            } else {
                size / 2
            };
            random.fill(content, random_part);
            content.resize(content.len() + (size / 4) as usize, 0);
            words.text(content, size / 4, random);
        }
        "tiny" => words.text(content, size, random),
        "certificate" => der::certificate(content, extension, random),
        "key" => der::key(content, extension, random),
        _ => words.text(content, size, random),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn listed(folder: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                listed(&path, found);
            } else {
                found.insert(path.clone(), fs::read(&path).unwrap());
            }
        }
    }

    #[test]
    fn the_mix_is_whole_and_the_tree_the_same_every_time() {
        assert_eq!(MIX.iter().map(|kind| kind.of_a_thousand).sum::<u64>(), 1000);
        let scratch = tempfile::tempdir().unwrap();
        let mut both = Vec::new();
        for name in ["one", "two"] {
            let root = scratch.path().join(name);
            tree(&root, 3000).unwrap();
            let mut found = BTreeMap::new();
            listed(&root, &mut found);
            let found: BTreeMap<PathBuf, Vec<u8>> = found
                .into_iter()
                .map(|(path, bytes)| (path.strip_prefix(&root).unwrap().to_owned(), bytes))
                .collect();
            both.push(found);
        }
        assert_eq!(both[0].len(), 3000);
        assert_eq!(both[0], both[1]);
        let certificates = both[0].keys().filter(|path| {
            path.extension()
                .is_some_and(|e| e == "crt" || e == "cer" || e == "pem")
        });
        assert!((10..100).contains(&certificates.count()));
        tree(&scratch.path().join("one"), 1).unwrap_err();
    }
}
