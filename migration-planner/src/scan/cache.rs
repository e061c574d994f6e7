//! What was found last time in files that have not changed since.
//!
//! A file is the same if device, inode, size, modification and change time, and path are the same, and the scanners
//! too. The cache file is a header and records: 16 bytes of a SHA-256 over all that, the length of what was found in
//! big-endian, and what was found as JSON; nothing for nothing. It holds no byte of any file that was scanned beyond
//! what the inventory holds.

use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use rustix::fs::Stat;
use symbolon_crypto::digest::{sha256, sha256_of};

use super::{ScanError, Scanner};
use crate::inventory::{Fragment, Reason};

const MAGIC: &[u8; 16] = b"symbolon-plan-1\n";
/// The largest cache read, in bytes.
const MAX_LEN: u64 = 2 << 30;
const KEY: usize = 16;

/// What identifies one state of one file.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Key([u8; KEY]);

/// The last scan's findings, and where this one's go.
#[derive(Debug)]
pub(super) struct Cache {
    scanners: [u8; 32],
    bytes: Vec<u8>,
    index: Index,
    next: Mutex<BufWriter<File>>,
    temporary: PathBuf,
    path: PathBuf,
    started: i64,
    /// How many records were taken over, and whether there is a new one.
    kept: AtomicUsize,
    changed: AtomicBool,
}

impl Cache {
    /// Opens the cache. One that cannot be read, or is no cache, is as good as none. `started` is the present in
    /// seconds since 1970: files changed about then may change again without a trace, and are not kept.
    pub(super) fn open(
        path: &Path,
        scanners: &[std::sync::Arc<dyn Scanner>],
        use_old: bool,
        started: i64,
    ) -> Result<Self, ScanError> {
        let problem = |problem| ScanError::Cache {
            path: path.to_owned(),
            problem,
        };
        let mut names: Vec<String> = scanners
            .iter()
            .map(|scanner| format!("{} {}\n", scanner.name(), scanner.version()))
            .collect();
        names.sort();
        let scanners = sha256(names.concat().as_bytes());
        let bytes = if use_old { read(path) } else { Vec::new() };
        let index = Index::of(&bytes);
        let mut temporary = path.to_owned().into_os_string();
        temporary.push(".new");
        let temporary = PathBuf::from(temporary);
        let file = create(&temporary).map_err(problem)?;
        let mut next = BufWriter::with_capacity(1 << 18, file);
        next.write_all(MAGIC).map_err(problem)?;
        Ok(Self {
            scanners,
            bytes,
            index,
            next: Mutex::new(next),
            temporary,
            path: path.to_owned(),
            started,
            kept: AtomicUsize::new(0),
            changed: AtomicBool::new(false),
        })
    }

    /// Whether there is anything from the last scan.
    pub(super) fn has_findings(&self) -> bool {
        !self.index.is_empty()
    }

    pub(super) fn key(&self, stat: &Stat, path: &str) -> Key {
        let mut numbers = [0_u8; 56];
        let fields: [u64; 7] = [
            stat.st_dev,
            stat.st_ino,
            stat.st_size.cast_unsigned(),
            stat.st_mtime.cast_unsigned(),
            stat.st_mtime_nsec,
            stat.st_ctime.cast_unsigned(),
            stat.st_ctime_nsec,
        ];
        for (place, field) in numbers.chunks_exact_mut(8).zip(fields) {
            place.copy_from_slice(&field.to_be_bytes());
        }
        let digest = sha256_of(&[&self.scanners, &numbers, path.as_bytes()]);
        let mut key = [0; KEY];
        key.copy_from_slice(digest.split_at(KEY).0);
        Key(key)
    }

    /// What was found in this state of the file, as JSON; empty for nothing.
    pub(super) fn get(&self, key: &Key) -> Option<&[u8]> {
        self.index.find(key, &self.bytes)
    }

    /// Keeps what was found, unless the file changed so lately that it may have changed since, or reading failed in a
    /// way that another attempt may not.
    pub(super) fn put(&self, key: &Key, stat: &Stat, found: &Fragment) -> std::io::Result<()> {
        let recent = stat.st_mtime.max(stat.st_ctime) >= self.started - 2;
        let passing = found
            .unread_entries()
            .iter()
            .any(|unread| matches!(unread.reason, Reason::TimedOut | Reason::Io | Reason::Vanished));
        if recent || passing {
            return Ok(());
        }
        self.changed.store(true, Ordering::Relaxed);
        if found.is_empty() {
            return self.write(key, &[]);
        }
        self.write(key, &serde_json::to_vec(found)?)
    }

    /// Keeps what was taken over, as JSON.
    pub(super) fn put_again(&self, key: &Key, json: &[u8]) -> std::io::Result<()> {
        self.kept.fetch_add(1, Ordering::Relaxed);
        self.write(key, json)
    }

    fn write(&self, key: &Key, json: &[u8]) -> std::io::Result<()> {
        let Ok(len) = u32::try_from(json.len()) else {
            return Ok(());
        };
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        next.write_all(&key.0)?;
        next.write_all(&len.to_be_bytes())?;
        next.write_all(json)
    }

    /// Puts the new cache in the old one's place.
    pub(super) fn finish(self) -> Result<(), ScanError> {
        let problem = |problem| ScanError::Cache {
            path: self.path.clone(),
            problem,
        };
        let next = self.next.into_inner().unwrap_or_else(PoisonError::into_inner);
        if !self.changed.into_inner()
            && self.kept.into_inner() == self.index.records
            && self.index.records > 0
        {
            // The old one says the same, and is on the disk already.
            return std::fs::remove_file(&self.temporary).map_err(problem);
        }
        let file = next.into_inner().map_err(|error| problem(error.into_error()))?;
        file.sync_data().map_err(problem)?;
        std::fs::rename(&self.temporary, &self.path).map_err(problem)
    }
}

/// A file that only its owner may read: locations tell where keys are. Never through a link that stands there.
fn create(path: &Path) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

fn read(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    match File::open(path).and_then(|file| file.take(MAX_LEN).read_to_end(&mut bytes)) {
        Ok(_) if bytes.starts_with(MAGIC) => bytes,
        _ => Vec::new(),
    }
}

/// Where the records are: an open-addressed table of their places in the file. Keys are digests, so their first bytes
/// are hash enough.
#[derive(Debug, Default)]
struct Index {
    /// Place of a record; 0 for none. A power of two of them, at most half taken.
    slots: Vec<u32>,
    records: usize,
}

impl Index {
    fn of(bytes: &[u8]) -> Self {
        let mut places = Vec::new();
        let mut at = MAGIC.len();
        while let Some((_, found)) = record(bytes, at) {
            let Ok(place) = u32::try_from(at) else { break };
            places.push(place);
            at += KEY + 4 + found.len();
        }
        if places.is_empty() {
            return Self::default();
        }
        let mut index = Self {
            slots: vec![0; (places.len() * 2).next_power_of_two()],
            records: places.len(),
        };
        for place in places {
            if let Some((key, _)) = record(bytes, place as usize)
                && let Some(free) = index.probe(&key).find(|slot| index.slots.get(*slot) == Some(&0))
                && let Some(slot) = index.slots.get_mut(free)
            {
                *slot = place;
            }
        }
        index
    }

    fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The slots in which a key may be, in order.
    fn probe(&self, key: &Key) -> impl Iterator<Item = usize> + use<> {
        let (start, _) = key.0.split_first_chunk::<8>().unwrap_or((&[0; 8], &[]));
        let len = self.slots.len();
        let mask = len.saturating_sub(1);
        #[expect(clippy::cast_possible_truncation, reason = "any bits of a digest do")]
        let first = u64::from_be_bytes(*start) as usize;
        (0..len).map(move |step| first.wrapping_add(step) & mask)
    }

    fn find<'a>(&self, key: &Key, bytes: &'a [u8]) -> Option<&'a [u8]> {
        for slot in self.probe(key) {
            match self.slots.get(slot).copied() {
                None | Some(0) => return None,
                Some(place) => {
                    let (known, found) = record(bytes, place as usize)?;
                    if known == *key {
                        return Some(found);
                    }
                }
            }
        }
        None
    }
}

/// The record at a place: its key and what was found.
fn record(bytes: &[u8], at: usize) -> Option<(Key, &[u8])> {
    let (key, rest) = bytes.get(at..)?.split_first_chunk::<KEY>()?;
    let (len, rest) = rest.split_first_chunk::<4>()?;
    let len = usize::try_from(u32::from_be_bytes(*len)).ok()?;
    Some((Key(*key), rest.get(..len)?))
}
