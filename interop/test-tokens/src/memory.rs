//! What is in a process's memory.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use memchr::memmem::Finder;

/// How much is read at once.
const PIECE: usize = 1 << 20;
/// What is read where not so much can be.
const PAGE: usize = 4096;

/// Memory of a process that is in RAM, in bytes.
///
/// # Panics
/// When there is no such process.
pub fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("status");
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .expect("VmRSS");
    let digits: String = line.chars().filter(char::is_ascii_digit).collect();
    digits.parse::<u64>().expect("kB") * 1024
}

/// How many times the bytes stand anywhere in the readable memory of another process, in this order or the other way
/// round, as libraries keep big integers. The process is not changed by the search. (One that searched itself would
/// find its own copy.)
///
/// # Panics
/// When there is no such process, or its memory cannot be read.
pub fn finds(process: u32, bytes: &[u8]) -> usize {
    let reversed: Vec<u8> = bytes.iter().rev().copied().collect();
    let finders = [Finder::new(bytes), Finder::new(&reversed)];
    let mut found = 0;
    in_pieces(process, bytes.len(), |piece| {
        found += finders
            .iter()
            .map(|finder| finder.find_iter(piece).count())
            .sum::<usize>();
    });
    found
}

/// Every string of `len` bytes that follows `prefix` in the readable memory of another process.
///
/// # Panics
/// As [`finds`].
pub fn following(process: u32, prefix: &[u8], len: usize) -> Vec<Vec<u8>> {
    let finder = Finder::new(prefix);
    let mut found = Vec::new();
    in_pieces(process, prefix.len() + len, |piece| {
        let starts = finder.find_iter(piece).map(|start| start + prefix.len());
        found.extend(starts.filter_map(|start| Some(piece.get(start..start + len)?.to_vec())));
    });
    found
}

/// Shows the readable memory of a process to `look`, in pieces that overlap by one byte less than `len`, so that
/// nothing of that length is cut and nothing is seen twice.
fn in_pieces(process: u32, len: usize, mut look: impl FnMut(&[u8])) {
    let maps = std::fs::read_to_string(format!("/proc/{process}/maps")).expect("maps");
    let memory = File::open(format!("/proc/{process}/mem")).expect("mem");
    let mut read = 0_u64;
    for (start, end) in maps.lines().filter_map(readable) {
        let mut at = start;
        let mut piece = Vec::new();
        while at < end {
            let kept = piece.len().min(len.saturating_sub(1));
            piece.drain(..piece.len() - kept);
            let left = usize::try_from(end - at).unwrap_or(PIECE);
            let Some(more) = take(&memory, at, left, &mut piece) else {
                // A mapping may have gone since, and some of the kernel's own cannot be read.
                piece.clear();
                at += PAGE as u64;
                continue;
            };
            look(&piece);
            at += more as u64;
            read += more as u64;
        }
    }
    assert!(read > 0, "nothing of the memory of {process} could be read");
}

/// Where a line of `maps` says that memory is, when it can be read.
fn readable(line: &str) -> Option<(u64, u64)> {
    let mut fields = line.split_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let [start, end] = [start, end].map(|hex| u64::from_str_radix(hex, 16).ok());
    let is_readable = fields.next()?.starts_with('r') && !line.ends_with("[vsyscall]");
    is_readable.then_some((start?, end?))
}

/// Adds a piece of memory to `piece`, or a page when not more can be read; how much it was.
fn take(memory: &File, at: u64, left: usize, piece: &mut Vec<u8>) -> Option<usize> {
    let kept = piece.len();
    [left.min(PIECE), left.min(PAGE)].into_iter().find(|more| {
        piece.resize(kept + more, 0);
        let into = piece.get_mut(kept..).expect("it was made longer");
        memory.read_exact_at(into, at).is_ok()
    })
}
