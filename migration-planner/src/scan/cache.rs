//! What was found last time in files that have not changed since.
//!
//! A file is the same if device, inode, size, modification and change time, and path are the same, and the scanners
//! too. The cache file is a header and records: 16 bytes of a SHA-256 over all that, the length of what was found in
//! big-endian, and what was found as JSON; nothing for nothing. It holds no byte of any file that was scanned beyond
//! what the inventory holds.
//!
//! Records of one directory stand together, in the order in which the directory lists its files, so that of an unchanged
//! directory each record is found right behind the one before it. Nothing is written for what has not changed: which
//! records hold is noted in memory, and they are copied at the end if there is anything else to write.

use std::fs::File;
use std::io::{BufWriter, Read, Seek as _, Write};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{OFlags, Stat};
use symbolon_crypto::digest::{sha256, sha256_of};

use super::{ScanError, Scanner};
use crate::inventory::{Fragment, Reason};

const MAGIC: &[u8; 16] = b"symbolon-plan-2\n";
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
    /// A bit for each of the old records that still holds.
    holds: Vec<AtomicU64>,
    next: Mutex<BufWriter<File>>,
    temporary: PathBuf,
    path: PathBuf,
    started: i64,
    /// Whether there is a new record.
    changed: AtomicBool,
}

/// What one thread has for the cache and where it expects the next record: see [`Cache::get`] and [`Cache::put`].
#[derive(Debug, Default)]
pub(super) struct Desk {
    /// Records that were not handed on yet.
    records: Vec<u8>,
    /// Where the record after the last one that was found is.
    next: usize,
}

/// When a thread hands its records on, in bytes.
const ENOUGH: usize = 1 << 16;

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
        // The tables of algorithms and libraries are others in another release.
        names.push(format!("program {}\n", env!("CARGO_PKG_VERSION")));
        let scanners = sha256(names.concat().as_bytes());
        let mut temporary = path.to_owned().into_os_string();
        temporary.push(".new");
        let temporary = PathBuf::from(temporary);
        let file = create(&temporary).map_err(problem)?;
        let bytes = if use_old { read(path) } else { Vec::new() };
        let index = Index::of(&bytes);
        let mut next = BufWriter::with_capacity(1 << 18, file);
        next.write_all(MAGIC).map_err(problem)?;
        Ok(Self {
            scanners,
            holds: (0..=bit(bytes.len()).0).map(|_| AtomicU64::new(0)).collect(),
            bytes,
            index,
            next: Mutex::new(next),
            temporary,
            path: path.to_owned(),
            started,
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

    /// What was found in this state of the file, as JSON; empty for nothing. The record is looked for behind the last
    /// one that this desk found, and only then everywhere.
    pub(super) fn get(&self, key: &Key, desk: &mut Desk) -> Option<Record<'_>> {
        let expected = record(&self.bytes, desk.next).filter(|(known, _)| known == key);
        let (place, json) = match expected {
            Some((_, json)) => (desk.next, json),
            None => self.index.find(key, &self.bytes)?,
        };
        desk.next = place + KEY + 4 + json.len();
        Some(Record { place, json })
    }

    /// Notes that a record holds.
    pub(super) fn keep(&self, record: &Record<'_>) {
        let (word, mask) = bit(record.place);
        if let Some(word) = self.holds.get(word) {
            word.fetch_or(mask, Ordering::Relaxed);
        }
    }

    fn is_kept(&self, place: usize) -> bool {
        let (word, mask) = bit(place);
        self.holds
            .get(word)
            .is_some_and(|word| word.load(Ordering::Relaxed) & mask != 0)
    }

    /// Keeps what was found, unless the file changed so lately that it may have changed since, or reading failed in a
    /// way that another attempt may not.
    pub(super) fn put(
        &self,
        key: &Key,
        stat: &Stat,
        found: &Fragment,
        desk: &mut Desk,
    ) -> std::io::Result<()> {
        let recent = stat.st_mtime.max(stat.st_ctime) >= self.started - 2;
        let passing = found
            .unread_entries()
            .iter()
            .any(|unread| matches!(unread.reason, Reason::TimedOut | Reason::Io | Reason::Vanished));
        if recent || passing {
            return Ok(());
        }
        let start = desk.records.len();
        desk.records.extend_from_slice(&key.0);
        desk.records.extend_from_slice(&[0; 4]);
        if !found.is_empty() {
            serde_json::to_writer(&mut desk.records, found)?;
        }
        match u32::try_from(desk.records.len() - start - KEY - 4) {
            Ok(len) => {
                if let Some(place) = desk.records.get_mut(start + KEY..start + KEY + 4) {
                    place.copy_from_slice(&len.to_be_bytes());
                }
            }
            Err(_) => desk.records.truncate(start),
        }
        if desk.records.len() >= ENOUGH {
            self.hand_on(desk)?;
        }
        Ok(())
    }

    /// Writes what a desk has.
    pub(super) fn hand_on(&self, desk: &mut Desk) -> std::io::Result<()> {
        if desk.records.is_empty() {
            return Ok(());
        }
        self.changed.store(true, Ordering::Relaxed);
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        next.write_all(&desk.records)?;
        desk.records.clear();
        Ok(())
    }

    /// Puts the new cache in the old one's place.
    pub(super) fn finish(self) -> Result<(), ScanError> {
        self.write_out().map_err(|problem| ScanError::Cache {
            path: self.path.clone(),
            problem,
        })
    }

    fn write_out(&self) -> std::io::Result<()> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let mut places = Places::of(&self.bytes);
        let nothing_new = !self.changed.load(Ordering::Relaxed) && !self.index.is_empty();
        if nothing_new && places.all(|(place, _)| self.is_kept(place)) {
            // The old one says the same, and is on the disk already.
            return std::fs::remove_file(&self.temporary);
        }
        for (place, len) in Places::of(&self.bytes).filter(|(place, _)| self.is_kept(*place)) {
            next.write_all(self.bytes.get(place..place + len).unwrap_or_default())?;
        }
        next.flush()?;
        next.get_ref().sync_data()?;
        std::fs::rename(&self.temporary, &self.path)
    }
}

/// A record that was found.
pub(super) struct Record<'a> {
    place: usize,
    /// What was found, as JSON; empty for nothing.
    pub(super) json: &'a [u8],
}

/// The bit of a record by its place: no two records begin within so few bytes.
fn bit(place: usize) -> (usize, u64) {
    let number = place / (KEY + 4);
    (number / 64, 1 << (number % 64))
}

/// A file that only its owner may read: locations tell where keys are. Never through a link that stands there, and never
/// one that another scan is writing.
fn create(path: &Path) -> std::io::Result<File> {
    loop {
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
            .open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => {
                let words = "another scan is using it";
                return Err(std::io::Error::new(std::io::ErrorKind::ResourceBusy, words));
            }
            Err(std::fs::TryLockError::Error(error)) => return Err(error),
        }
        // Whoever held the lock may have put it in its place, or removed it.
        let held = file.metadata()?;
        match std::fs::symlink_metadata(path) {
            Ok(named) if (named.dev(), named.ino()) == (held.dev(), held.ino()) => {}
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => continue,
        }
        file.set_len(0)?;
        file.rewind()?;
        return Ok(file);
    }
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
}

impl Index {
    fn of(bytes: &[u8]) -> Self {
        let places: Vec<u32> = Places::of(bytes)
            .map_while(|(place, _)| u32::try_from(place).ok())
            .collect();
        if places.is_empty() {
            return Self::default();
        }
        let mut index = Self {
            slots: vec![0; (places.len() * 2).next_power_of_two()],
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

    /// The place of the record of this key, and what was found.
    fn find<'a>(&self, key: &Key, bytes: &'a [u8]) -> Option<(usize, &'a [u8])> {
        for slot in self.probe(key) {
            match self.slots.get(slot).copied() {
                None | Some(0) => return None,
                Some(place) => {
                    let (known, found) = record(bytes, place as usize)?;
                    if known == *key {
                        return Some((place as usize, found));
                    }
                }
            }
        }
        None
    }
}

/// The places of all records in order, with how long they are.
struct Places<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Places<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            at: MAGIC.len(),
        }
    }
}

impl Iterator for Places<'_> {
    type Item = (usize, usize);

    fn next(&mut self) -> Option<(usize, usize)> {
        let (_, found) = record(self.bytes, self.at)?;
        let (place, len) = (self.at, KEY + 4 + found.len());
        self.at += len;
        Some((place, len))
    }
}

/// The record at a place: its key and what was found.
fn record(bytes: &[u8], at: usize) -> Option<(Key, &[u8])> {
    let (key, rest) = bytes.get(at..)?.split_first_chunk::<KEY>()?;
    let (len, rest) = rest.split_first_chunk::<4>()?;
    let len = usize::try_from(u32::from_be_bytes(*len)).ok()?;
    Some((Key(*key), rest.get(..len)?))
}
