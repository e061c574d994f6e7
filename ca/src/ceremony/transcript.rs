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

/// More bytes than the events of a session with one intermediate have.
const MOST_OF_ONE: u64 = 512 * 1024;

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
    /// More would make it larger than any that is read.
    #[error("the transcript is as large as one may be; another root has to take over")]
    Full,
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
        Self::read(&read_file(path)?)
    }

    /// Refuses a transcript that could not take this many more intermediates and still be read.
    pub(super) fn check_room(&self, intermediates: usize) -> Result<(), TranscriptError> {
        let wanted = (intermediates as u64).saturating_mul(MOST_OF_ONE);
        match self.len.saturating_add(wanted) > MAX_LEN {
            true => Err(TranscriptError::Full),
            false => Ok(()),
        }
    }
}

/// The bytes of a transcript's file.
pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, TranscriptError> {
    let file = File::open(path).map_err(Transcript::failed(path, "read"))?;
    whole(&file, path)
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
    /// Bytes that are in the file, whole lines and what was cut off.
    len: u64,
    /// A line that was written in part could not be taken away, and nothing may be written after it.
    spoilt: bool,
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
            len: 0,
            spoilt: false,
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
            len: chain.len + chain.cut,
            spoilt: false,
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
            .map_err(Self::failed(&self.path, "mend"))?;
        self.len = chain.len;
        Ok(())
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
        if self.spoilt {
            let earlier = io::Error::other("an event before this one was written in part");
            return Err(Self::failed(&self.path, "write")(earlier));
        }
        if let Err(error) = self.file.write_all(&line).and_then(|()| self.file.sync_all()) {
            // A full disk takes a part of a line; what is written next must not come right behind it.
            self.spoilt = self.file.set_len(self.len).is_err();
            return Err(Self::failed(&self.path, "write")(error));
        }
        self.head = head;
        self.len += line.len() as u64;
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
mod tests;
