//! What was found last time in files that have not changed since.
//!
//! A file is the same if device, inode, size, modification and change time, and path are the same, and the scanners
//! too. The cache file is a header and groups, each of the files of one directory, in the order in which the directory
//! lists them (of a large directory, of so many as are looked at together). A group begins with 16 bytes of a SHA-256
//! over all that of all its files, so that a directory in which nothing has changed is one look-up; then follow its
//! length in big-endian, and a record for each file: 16 bytes of a SHA-256 over the same of that file alone, by which it
//! is found when others of its directory have changed, the length of what was found, and what was found as JSON; nothing
//! for nothing. A file that is to be looked at each time, such as one that may not be read, has a record without
//! content. The cache holds no byte of any file that was scanned beyond what the inventory holds.
//!
//! Nothing is written for what has not changed: which groups hold is noted in memory, and they are copied at the end if
//! there is anything else to write.

mod disk;
mod listing;
mod records;

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use rustix::fs::Stat;
use symbolon_crypto::digest::{sha256, sha256_of};

pub(super) use self::listing::{Listing, State};
pub(super) use self::records::Key;
use self::records::{HEAD, Index, Record, Records};
use super::{ScanError, Scanner};
use crate::inventory::{Fragment, Reason};

const MAGIC: &[u8; 16] = b"symbolon-plan-3\n";

/// The last scan's findings, and where this one's go.
#[derive(Debug)]
pub(super) struct Cache {
    scanners: [u8; 32],
    bytes: Vec<u8>,
    groups: Index,
    /// Where each file is; made once a directory has changed.
    files: OnceLock<Index>,
    /// A bit for each of the old groups that still holds, and how many do.
    holds: Vec<AtomicU64>,
    held: AtomicUsize,
    next: Mutex<BufWriter<File>>,
    temporary: PathBuf,
    path: PathBuf,
    started: i64,
    /// Whether there is a new group.
    changed: AtomicBool,
}

/// What one thread has for the cache.
#[derive(Debug, Default)]
pub(super) struct Desk {
    /// Groups that were not handed on yet.
    records: Vec<u8>,
    /// Where the group begins that is being made.
    group: Option<usize>,
    /// The files of that group.
    listing: Listing,
    /// The state of the file that is being looked at, as it was when it was opened.
    state: Option<State>,
    /// Where the record behind the last one that was found is.
    next: usize,
}

/// When a thread hands its groups on, in bytes.
const ENOUGH: usize = 1 << 16;
/// When a group is closed although more files of its directory follow, in bytes: it is in memory until then.
const MAX_GROUP: usize = 32 << 20;

impl Desk {
    /// Begins the group of a directory.
    pub(super) fn begin(&mut self, directory: &str) {
        self.listing.start(directory);
        self.group = Some(records::open(&mut self.records));
    }

    /// Forgets the group that is being made.
    pub(super) fn discard(&mut self) {
        if let Some(start) = self.group.take() {
            self.records.truncate(start);
        }
    }

    /// Where the record of the next file is going to be.
    pub(super) fn place(&mut self) -> usize {
        self.state = None;
        self.records.len()
    }

    /// Notes what a file was when it was opened.
    pub(super) fn opened(&mut self, stat: &Stat) {
        self.state = Some(State::of(stat));
    }

    /// Ends the record of a file that is to be at `place`: one for which none was made is looked at each time. Tells
    /// whether one was made. `look` tells the state of a file that could not be opened.
    pub(super) fn end_file(&mut self, place: usize, name: &[u8], look: impl FnOnce() -> State) -> bool {
        if self.group.is_none() {
            return false;
        }
        let made = self.records.len() > place;
        if !made {
            records::open(&mut self.records);
        }
        let state = self.state.take().unwrap_or_else(look);
        self.listing.push(name, state);
        made
    }

    /// Puts an old record of a file in this state into the group that is being made, where one is.
    pub(super) fn again(&mut self, key: Key, json: &[u8], state: State) {
        if self.group.is_some() {
            let start = records::open(&mut self.records);
            self.records.extend_from_slice(json);
            records::close(&mut self.records, start, key);
            self.state = Some(state);
        }
    }

    /// Whether the group that is being made is to be closed.
    pub(super) fn is_full(&self) -> bool {
        self.group
            .is_some_and(|start| self.records.len() - start > MAX_GROUP)
    }
}

/// A group that is as it was.
pub(super) struct Group<'a> {
    group: Record<'a>,
    bytes: &'a [u8],
    /// Whether there is a file in it that is to be looked at each time.
    pub(super) has_gaps: bool,
}

impl<'a> Group<'a> {
    /// What was found in each of its files, with its key; nothing where it is to be looked at.
    pub(super) fn files(&self) -> impl Iterator<Item = (Key, Option<&'a [u8]>)> + use<'a> {
        let records = self.group.inner(self.bytes);
        records.map(|record| (record.key, record.content))
    }
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
        // The tables of algorithms and libraries are others in another release.
        names.push(format!("program {}\n", env!("CARGO_PKG_VERSION")));
        let scanners = sha256(names.concat().as_bytes());
        let mut temporary = path.to_owned().into_os_string();
        temporary.push(".new");
        let temporary = PathBuf::from(temporary);
        let file = disk::create(&temporary).map_err(problem)?;
        let bytes = if use_old {
            disk::read(path, MAGIC)
        } else {
            Vec::new()
        };
        let groups = Index::of(&bytes, groups_of(&bytes));
        let mut next = BufWriter::with_capacity(1 << 18, file);
        next.write_all(MAGIC).map_err(problem)?;
        Ok(Self {
            scanners,
            holds: (0..=bit(bytes.len()).0).map(|_| AtomicU64::new(0)).collect(),
            held: AtomicUsize::new(0),
            bytes,
            groups,
            files: OnceLock::new(),
            next: Mutex::new(next),
            temporary,
            path: path.to_owned(),
            started,
            changed: AtomicBool::new(false),
        })
    }

    /// Whether there is anything from the last scan.
    pub(super) fn has_findings(&self) -> bool {
        self.groups.len > 0
    }

    /// The group of these files, if all of them are as they were.
    pub(super) fn group(&self, listing: &Listing) -> Option<Group<'_>> {
        let group = self.groups.find(&self.key_of(listing), &self.bytes)?;
        // A damaged one may have other files.
        let mut inner = group.inner(&self.bytes);
        let (mut count, mut has_gaps) = (0, false);
        for record in inner.by_ref() {
            count += 1;
            has_gaps |= record.content.is_none();
        }
        (count == listing.states.len() && inner.at == group.end()).then_some(Group {
            group,
            bytes: &self.bytes,
            has_gaps,
        })
    }

    fn key_of(&self, listing: &Listing) -> Key {
        Key::of(&sha256_of(&[&self.scanners, &listing.text]))
    }

    pub(super) fn key(&self, state: &State, path: &str) -> Key {
        Key::of(&sha256_of(&[&self.scanners, &state.numbers, path.as_bytes()]))
    }

    /// What was found in this state of the file, as JSON; empty for nothing. It is looked for behind the last one that
    /// this desk found, and only then everywhere.
    pub(super) fn get(&self, key: &Key, desk: &mut Desk) -> Option<&[u8]> {
        let expected = Record::at(&self.bytes, desk.next).filter(|record| record.key == *key);
        let found = expected.or_else(|| {
            let bytes = self.bytes.as_slice();
            let files = || Index::of(bytes, groups_of(bytes).flat_map(|group| group.inner(bytes)));
            self.files.get_or_init(files).find(key, bytes)
        })?;
        desk.next = found.end();
        found.content
    }

    /// Notes that a group holds.
    pub(super) fn keep(&self, group: &Group<'_>) {
        let (word, mask) = bit(group.group.place);
        if let Some(word) = self.holds.get(word)
            && word.fetch_or(mask, Ordering::Relaxed) & mask == 0
        {
            self.held.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn is_kept(&self, place: usize) -> bool {
        let (word, mask) = bit(place);
        self.holds
            .get(word)
            .is_some_and(|word| word.load(Ordering::Relaxed) & mask != 0)
    }

    /// Keeps what was found for the group that is being made, unless the file changed so lately that it may have changed
    /// since, or reading failed in a way that another attempt may not.
    pub(super) fn put(
        &self,
        stat: &Stat,
        path: &str,
        found: &Fragment,
        desk: &mut Desk,
    ) -> std::io::Result<()> {
        let recent = stat.st_mtime.max(stat.st_ctime) >= self.started - 2;
        let passing = found
            .unread_entries()
            .iter()
            .any(|unread| matches!(unread.reason, Reason::TimedOut | Reason::Io | Reason::Vanished));
        if recent || passing || desk.group.is_none() {
            return Ok(());
        }
        let start = records::open(&mut desk.records);
        if !found.is_empty()
            && let Err(error) = serde_json::to_writer(&mut desk.records, found)
        {
            desk.records.truncate(start);
            return Err(error.into());
        }
        records::close(&mut desk.records, start, self.key(&State::of(stat), path));
        Ok(())
    }

    /// Ends the group that is being made, and writes what there is once it is enough.
    pub(super) fn end_group(&self, desk: &mut Desk) -> std::io::Result<()> {
        let Some(start) = desk.group.take() else {
            return Ok(());
        };
        if desk.records.len() <= start + HEAD {
            desk.records.truncate(start);
            return Ok(());
        }
        let key = self.key_of(&desk.listing);
        records::close(&mut desk.records, start, key);
        match desk.records.len() >= ENOUGH {
            true => self.hand_on(desk),
            false => Ok(()),
        }
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
        let nothing_new = !self.changed.load(Ordering::Relaxed) && self.has_findings();
        if nothing_new && self.held.load(Ordering::Relaxed) == self.groups.len {
            // The old one says the same, and is on the disk already.
            return std::fs::remove_file(&self.temporary);
        }
        for group in groups_of(&self.bytes).filter(|group| self.is_kept(group.place)) {
            next.write_all(self.bytes.get(group.place..group.end()).unwrap_or_default())?;
        }
        next.flush()?;
        next.get_ref().sync_data()?;
        std::fs::rename(&self.temporary, &self.path)
    }
}

/// The groups of a cache.
fn groups_of(bytes: &[u8]) -> Records<'_> {
    Records {
        bytes,
        at: MAGIC.len(),
    }
}

/// The bit of a group by its place: no two begin within so few bytes.
fn bit(place: usize) -> (usize, u64) {
    let number = place / HEAD;
    (number / 64, 1 << (number % 64))
}
