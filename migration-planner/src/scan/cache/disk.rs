//! The cache's files.

use std::fs::File;
use std::io::Seek as _;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;

/// The largest cache read, in bytes.
const MAX_LEN: u64 = 2 << 30;
/// The least that is worth a thread, in bytes.
const MIN_PART: usize = 1 << 20;

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
    match read_by_parts(path) {
        Ok(bytes) if bytes.starts_with(magic) => bytes,
        _ => Vec::new(),
    }
}

/// Reads what there is when it begins, each thread a part: nobody can begin a scan before it is there, and most of the
/// time goes into memory that is touched for the first time.
fn read_by_parts(path: &Path) -> std::io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let len = usize::try_from(file.metadata()?.len().min(MAX_LEN)).unwrap_or_default();
    let mut bytes = vec![0; len];
    let parts = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let size = len.div_ceil(parts).max(MIN_PART);
    let file = &file;
    std::thread::scope(|scope| {
        let mut threads = Vec::new();
        for (part, offset) in bytes.chunks_mut(size).zip((0_u64..).step_by(size)) {
            let read = move || file.read_exact_at(part, offset);
            threads.push(std::thread::Builder::new().spawn_scoped(scope, read)?);
        }
        threads.into_iter().try_for_each(|thread| match thread.join() {
            Ok(read) => read,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    })?;
    Ok(bytes)
}
