//! The SHA-256 of the file a process runs, within bounds of size and work.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::sync::{Mutex, PoisonError};

use rustix::io::Errno;
use symbolon_crypto::digest::Sha256;

use super::peer::{Peer, PeerError, ended};
use super::process;

/// Largest file that is read, in bytes.
const MAX_BINARY: u64 = 512 * 1024 * 1024;

/// Most hashes that are remembered.
const MAX_REMEMBERED: usize = 256;

/// Tells one content of a file from another without reading it: a change of content changes the times, and the change
/// time cannot be set by anyone.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
struct Version {
    device: u64,
    inode: u64,
    len: u64,
    changed: (i64, i64),
}

/// The hashes of files that were read.
#[derive(Debug)]
pub(super) struct BinaryHashes {
    /// Held while a file is read: one at a time, whoever asks.
    known: Mutex<HashMap<Version, String>>,
}

impl BinaryHashes {
    pub(super) fn new() -> Self {
        Self {
            known: Mutex::default(),
        }
    }

    /// The hash of the file that the process runs, in hexadecimal. `None` if it is too large or hidden from us.
    pub(super) fn of(&self, peer: &Peer) -> Result<Option<String>, PeerError> {
        let Some(file) = process::executable(peer)? else {
            return Ok(None);
        };
        self.of_file(file)
            .map_err(|error| ended(Errno::from_io_error(&error).unwrap_or(Errno::IO)))
    }

    fn of_file(&self, file: File) -> std::io::Result<Option<String>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let before = version(&file)?;
        if before.len > MAX_BINARY {
            tracing::warn!(bytes = before.len, "an executable is too large to be hashed");
            return Ok(None);
        }
        if let Some(hash) = known.get(&before) {
            return Ok(Some(hash.clone()));
        }
        let Some(hash) = hash(&file)? else {
            return Ok(None);
        };
        // Changed under our hands, the hash is that of no content it ever had.
        if version(&file)? != before {
            return Ok(None);
        }
        if known.len() >= MAX_REMEMBERED {
            known.clear();
        }
        known.insert(before, hash.clone());
        Ok(Some(hash))
    }
}

fn version(file: &File) -> std::io::Result<Version> {
    let metadata = file.metadata()?;
    Ok(Version {
        device: metadata.dev(),
        inode: metadata.ino(),
        len: metadata.len(),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    })
}

fn hash(file: &File) -> std::io::Result<Option<String>> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    let mut reader = file.take(MAX_BINARY + 1);
    let mut total = 0;
    loop {
        match reader.read(&mut buffer)? {
            0 => break,
            read => {
                total += read as u64;
                hash.update(buffer.get(..read).unwrap_or_default());
            }
        }
    }
    Ok((total <= MAX_BINARY).then(|| hex::encode(hash.finish())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_remembered_until_the_file_changes() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("binary");
        let hashes = BinaryHashes::new();
        let of = |content: &[u8]| {
            std::fs::write(&path, content).unwrap();
            hashes.of_file(File::open(&path).unwrap()).unwrap().unwrap()
        };
        let expected = |content: &[u8]| hex::encode(symbolon_crypto::digest::sha256(content));
        assert_eq!(of(b"one"), expected(b"one"));
        assert_eq!(of(b"longer"), expected(b"longer"));
        let again = hashes.of_file(File::open(&path).unwrap()).unwrap().unwrap();
        assert_eq!(again, expected(b"longer"));
        assert_eq!(hashes.known.lock().unwrap().len(), 2, "each content once");
    }

    #[test]
    fn what_is_too_large_has_no_hash() {
        let scratch = tempfile::tempdir().unwrap();
        let file = File::create_new(scratch.path().join("hole")).unwrap();
        file.set_len(MAX_BINARY + 1).unwrap();
        assert_eq!(BinaryHashes::new().of_file(file).unwrap(), None);
    }
}
