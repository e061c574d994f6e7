//! The transcript's file: read with its chain checked, and written one event at a time, each on the disk before the
//! ceremony goes on.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use symbolon_host::file::{parent_of, sync_dir};
use symbolon_pki::time::{Clock, rfc3339};

use super::event::{Event, FIRST, MAX_LINE_LEN, What, link};

/// The largest transcript that is read, in bytes: some thousand intermediates.
const MAX_LEN: u64 = 64 * 1024 * 1024;

/// A transcript that cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TranscriptError {
    /// The system refused.
    #[error("cannot {doing} the transcript {path}", path = path.display())]
    Io {
        /// What was tried, as a verb.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// There is one already, and none is ever overwritten.
    #[error("there is a transcript {path} already; a ceremony needs a directory of its own", path = .0.display())]
    Exists(PathBuf),
    /// Another process has it open to write.
    #[error("another process is writing the transcript {path}", path = .0.display())]
    Locked(PathBuf),
    /// It is larger than any that this program writes.
    #[error("the transcript is larger than {MAX_LEN} bytes")]
    TooLarge,
    /// An event is not what was written, or not in its place.
    #[error("event {number} of the transcript is wrong: {reason}")]
    Event {
        /// Which event, counted from 0.
        number: u64,
        /// What does not hold.
        reason: String,
    },
}

/// A transcript as read: every line in canonical form, and the chain unbroken.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    pub(super) events: Vec<Event>,
    /// The link of the last event.
    pub(super) head: [u8; 32],
    /// Bytes of the whole lines.
    pub(super) len: u64,
    /// Bytes after them: a line that was cut off when it was written.
    pub(super) cut: u64,
}

impl Chain {
    /// Reads the lines of a transcript.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, TranscriptError> {
        match Self::read_as_far(bytes) {
            (chain, None) => Ok(chain),
            (_, Some(error)) => Err(error),
        }
    }

    /// As [`read`](Self::read), with what comes before a line that is wrong.
    pub(super) fn read_as_far(bytes: &[u8]) -> (Self, Option<TranscriptError>) {
        let mut chain = Self {
            events: Vec::new(),
            head: FIRST,
            len: 0,
            cut: 0,
        };
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let Some(line) = line.strip_suffix(b"\n") else {
                chain.cut = line.len() as u64;
                break;
            };
            let number = chain.events.len() as u64;
            match event(line, number, &chain.head) {
                Ok(event) => chain.events.push(event),
                Err(reason) => return (chain, Some(TranscriptError::Event { number, reason })),
            }
            chain.head = link(line);
            chain.len += line.len() as u64 + 1;
        }
        (chain, None)
    }

    /// Reads a transcript's file.
    pub(super) fn load(path: &Path) -> Result<Self, TranscriptError> {
        let failed = |source| TranscriptError::Io {
            doing: "read",
            path: path.to_owned(),
            source,
        };
        Self::read(&whole(&File::open(path).map_err(failed)?, path)?)
    }
}

fn whole(file: &File, path: &Path) -> Result<Vec<u8>, TranscriptError> {
    let mut bytes = Vec::new();
    file.take(MAX_LEN + 1)
        .read_to_end(&mut bytes)
        .map_err(|source| TranscriptError::Io {
            doing: "read",
            path: path.to_owned(),
            source,
        })?;
    if bytes.len() as u64 > MAX_LEN {
        return Err(TranscriptError::TooLarge);
    }
    Ok(bytes)
}

/// Reads one line, which must be in its place in the chain.
fn event(line: &[u8], number: u64, previous: &[u8; 32]) -> Result<Event, String> {
    if line.len() > MAX_LINE_LEN {
        return Err(format!("it is longer than {MAX_LINE_LEN} bytes"));
    }
    let event: Event = serde_json::from_slice(line).map_err(|error| format!("it is no event: {error}"))?;
    // One event has one spelling: no member twice, none unknown, none out of order.
    if serde_json::to_vec(&event).ok().as_deref() != Some(line) {
        return Err("it is not written in canonical form".to_owned());
    }
    if event.number != number {
        return Err(format!("it says that it is event {}", event.number));
    }
    if event.previous != hex::encode(previous) {
        return Err(match number {
            0 => "it says that another came before it".to_owned(),
            _ => format!(
                "the event before it, number {}, is not the one that it was written after",
                number - 1
            ),
        });
    }
    Ok(event)
}

/// A transcript that this process alone writes to.
#[derive(Debug)]
pub(super) struct Transcript {
    file: File,
    path: PathBuf,
    next: u64,
    head: [u8; 32],
    clock: Arc<dyn Clock>,
}

impl Transcript {
    /// Begins a transcript.
    pub(super) fn create(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, TranscriptError> {
        let made = OpenOptions::new()
            .append(true)
            .create_new(true)
            .mode(0o644)
            .open(path);
        let file = match made {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(TranscriptError::Exists(path.to_owned()));
            }
            made => made.map_err(Self::failed(path, "make"))?,
        };
        lock(&file, path)?;
        sync_dir(parent_of(path)).map_err(Self::failed(path, "make"))?;
        Ok(Self {
            file,
            path: path.to_owned(),
            next: 0,
            head: FIRST,
            clock,
        })
    }

    /// Opens a transcript to write on, and reads what it has. Nothing is changed yet.
    pub(super) fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<(Self, Chain), TranscriptError> {
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .open(path)
            .map_err(Self::failed(path, "open"))?;
        lock(&file, path)?;
        let chain = Chain::read(&whole(&file, path)?)?;
        let transcript = Self {
            file,
            path: path.to_owned(),
            next: chain.events.len() as u64,
            head: chain.head,
            clock,
        };
        Ok((transcript, chain))
    }

    /// Takes away a line that was cut off, of which nothing follows from: it was never acknowledged.
    pub(super) fn drop_cut(&mut self, chain: &Chain) -> Result<(), TranscriptError> {
        if chain.cut == 0 {
            return Ok(());
        }
        self.file
            .set_len(chain.len)
            .and_then(|()| self.file.seek(SeekFrom::End(0)))
            .and_then(|_| self.file.sync_all())
            .map_err(Self::failed(&self.path, "mend"))
    }

    /// The number and the link that the next event is signed for, if it closes the session.
    pub(super) fn position(&self) -> (u64, [u8; 32]) {
        (self.next, self.head)
    }

    /// The present moment as events have it.
    pub(super) fn now(&self) -> String {
        rfc3339(self.clock.now())
    }

    /// Writes an event; when this returns it is on the disk.
    pub(super) fn append(&mut self, what: What) -> Result<Event, TranscriptError> {
        self.append_at(self.now(), what)
    }

    /// As [`append`](Self::append), with a moment that was read before.
    pub(super) fn append_at(&mut self, time: String, what: What) -> Result<Event, TranscriptError> {
        let event = Event {
            number: self.next,
            time,
            previous: hex::encode(self.head),
            what,
        };
        let mut line = serde_json::to_vec(&event).map_err(|error| TranscriptError::Event {
            number: self.next,
            reason: error.to_string(),
        })?;
        let head = link(&line);
        line.push(b'\n');
        self.file
            .write_all(&line)
            .and_then(|()| self.file.sync_all())
            .map_err(Self::failed(&self.path, "write"))?;
        self.head = head;
        self.next += 1;
        Ok(event)
    }

    fn failed(path: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> TranscriptError {
        let path = path.to_owned();
        move |source| TranscriptError::Io { doing, path, source }
    }
}

fn lock(file: &File, path: &Path) -> Result<(), TranscriptError> {
    use std::fs::TryLockError;
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(TranscriptError::Locked(path.to_owned())),
        Err(TryLockError::Error(source)) => Err(Transcript::failed(path, "lock")(source)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::ceremony::event::SessionStopped;

    #[derive(Debug)]
    struct Stopped;

    impl Clock for Stopped {
        fn now(&self) -> SystemTime {
            SystemTime::UNIX_EPOCH
        }
    }

    fn happened(reason: &str) -> What {
        What::SessionStopped(SessionStopped {
            reason: reason.to_owned(),
            keys_destroyed: Vec::new(),
        })
    }

    /// A transcript of three events.
    fn written(path: &Path) -> Vec<u8> {
        let mut transcript = Transcript::create(path, Arc::new(Stopped)).unwrap();
        for reason in ["one", "two", "three"] {
            transcript.append(happened(reason)).unwrap();
        }
        std::fs::read(path).unwrap()
    }

    /// The line and the link below were computed with other software, by the format's documentation.
    #[test]
    fn the_format_is_what_it_is() {
        let scratch = tempfile::tempdir().unwrap();
        let bytes = written(&scratch.path().join("t"));
        let first = bytes.split(|byte| *byte == b'\n').next().unwrap();
        let line = format!(
            "{{\"number\":0,\"time\":\"1970-01-01T00:00:00Z\",\"previous\":\"{}\",\"kind\":\"session-stopped\",\
             \"facts\":{{\"reason\":\"one\",\"keys_destroyed\":[]}}}}",
            "0".repeat(64)
        );
        assert_eq!(std::str::from_utf8(first).unwrap(), line);
        assert_eq!(
            hex::encode(link(first)),
            "bbe100c21fb71d7491a3489f0b8789c8bce4715ea58a2cfe643a202016550440"
        );
    }

    #[test]
    fn what_was_written_is_read_and_written_on() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("t");
        written(&path);
        let exists = Transcript::create(&path, Arc::new(Stopped)).unwrap_err();
        assert!(matches!(exists, TranscriptError::Exists(_)), "{exists}");
        let (mut transcript, chain) = Transcript::open(&path, Arc::new(Stopped)).unwrap();
        assert_eq!((chain.events.len(), chain.cut), (3, 0));
        let locked = Transcript::open(&path, Arc::new(Stopped)).unwrap_err();
        assert!(matches!(locked, TranscriptError::Locked(_)), "{locked}");
        transcript.append(happened("four")).unwrap();
        drop(transcript);
        assert_eq!(Chain::load(&path).unwrap().events.len(), 4);
    }

    #[test]
    fn a_line_that_was_cut_off_is_told_from_one_that_was_changed() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("t");
        let whole = written(&path);
        let ends: Vec<usize> = (0..whole.len())
            .filter(|at| whole[*at] == b'\n')
            .map(|at| at + 1)
            .collect();
        for end in 0..whole.len() {
            let chain = Chain::read(&whole[..end]).unwrap();
            let lines = ends.iter().filter(|line_end| **line_end <= end).count();
            assert_eq!(chain.events.len(), lines);
            assert_eq!(chain.len + chain.cut, end as u64);
        }
        std::fs::write(&path, &whole[..ends[1] + 7]).unwrap();
        let (mut transcript, chain) = Transcript::open(&path, Arc::new(Stopped)).unwrap();
        transcript.drop_cut(&chain).unwrap();
        transcript.append(happened("three again")).unwrap();
        let mended = Chain::load(&path).unwrap();
        assert_eq!((mended.events.len(), mended.cut), (3, 0));
    }

    #[test]
    fn every_changed_byte_is_found_and_its_event_named() {
        let scratch = tempfile::tempdir().unwrap();
        let whole = written(&scratch.path().join("t"));
        let head = Chain::read(&whole).unwrap().head;
        let mut line = 0;
        for at in 0..whole.len() {
            for change in [1, 0x20, 0x80] {
                let mut changed = whole.clone();
                changed[at] ^= change;
                match Chain::read(&changed) {
                    // A change to the last event shows in the head alone, which the root has signed.
                    Ok(chain) => assert!(line == 2 && (chain.head != head || chain.cut > 0), "{at}"),
                    Err(TranscriptError::Event { number, .. }) => {
                        assert!((line..=line + 1).contains(&number), "{at}: {number}, not {line}");
                    }
                    Err(other) => panic!("{other}"),
                }
            }
            line += u64::from(whole[at] == b'\n');
        }
    }

    #[test]
    fn one_event_has_one_spelling() {
        let scratch = tempfile::tempdir().unwrap();
        let whole = String::from_utf8(written(&scratch.path().join("t"))).unwrap();
        let first = whole.split_inclusive('\n').next().unwrap();
        Chain::read(first.as_bytes()).unwrap();
        for (from, to) in [
            ("\"number\":0", "\"number\": 0"),
            ("\"number\":0", "\"number\":0,\"more\":1"),
            ("\"reason\":\"one\"", "\"reason\":\"\\u006fne\""),
            ("\"keys_destroyed\":[]", "\"keys_destroyed\":[],\"more\":1"),
            ("{\"number\":0,", "{\"number\":0,\"number\":0,"),
        ] {
            let spelt = first.replacen(from, to, 1);
            assert_ne!(spelt, first);
            Chain::read(spelt.as_bytes()).unwrap_err();
        }
    }
}
