//! The cache's files.

use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;

/// The largest cache read, in bytes.
const MAX_LEN: u64 = 2 << 30;

/// A file that only its owner may read: locations tell where keys are. Never through a link that stands there, and never
/// one that another scan is writing.
pub(super) fn create(path: &Path) -> std::io::Result<File> {
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

/// The cache that is there; nothing when it cannot be read or begins otherwise.
pub(super) fn read(path: &Path, magic: &[u8]) -> Vec<u8> {
    let read = File::open(path).and_then(|file| {
        // Read into room that is there at once: growing would copy it all, several times.
        let len = file.metadata()?.len().min(MAX_LEN);
        let mut bytes = Vec::with_capacity(usize::try_from(len).unwrap_or_default().saturating_add(1));
        file.take(MAX_LEN).read_to_end(&mut bytes)?;
        Ok(bytes)
    });
    match read {
        Ok(bytes) if bytes.starts_with(magic) => bytes,
        _ => Vec::new(),
    }
}
