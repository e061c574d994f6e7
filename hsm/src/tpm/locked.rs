//! A secret in memory of its own that the system may not write to swap or to a core dump.
//!
//! A page of its own, because locks do not nest: of two secrets in one page, the first to go would unlock the other.
#![allow(
    unsafe_code,
    reason = "mapping and locking memory is the system's business, and rustix leaves the pointers to its caller"
)]

use std::fmt;
use std::io;
use std::ptr::NonNull;

use rustix::mm::{Advice, MapFlags, ProtFlags};
use zeroize::Zeroize;

use super::error::TpmError;

/// `N` bytes that are locked, and wiped when dropped.
pub(super) struct Locked<const N: usize> {
    page: NonNull<[u8; N]>,
}

impl<const N: usize> Locked<N> {
    /// `N` zeros.
    pub(super) fn zeroed() -> Result<Self, TpmError> {
        Self::map().map_err(|error| TpmError::MemoryLock {
            bytes: N,
            reason: error.to_string(),
        })
    }

    fn map() -> io::Result<Self> {
        let rights = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new private mapping, wherever the system likes, touches nothing that exists.
        let page = unsafe { rustix::mm::mmap_anonymous(std::ptr::null_mut(), N, rights, MapFlags::PRIVATE) }?;
        let page = NonNull::new(page.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        // From here on, dropping it unmaps it.
        let locked = Self { page };
        let start = page.as_ptr().cast();
        // SAFETY: `start` and `N` are those of the mapping just made, and neither call changes its contents.
        unsafe {
            rustix::mm::mlock(start, N)?;
            rustix::mm::madvise(start, N, Advice::LinuxDontDump)?;
        }
        Ok(locked)
    }

    pub(super) fn get(&self) -> &[u8; N] {
        // SAFETY: the mapping is readable, aligned to a page, at least `N` bytes long, zeroed by the system at first,
        // and lives as long as `self`, which alone owns it.
        unsafe { self.page.as_ref() }
    }

    pub(super) fn get_mut(&mut self) -> &mut [u8; N] {
        // SAFETY: as above, it is writable, and `self` is borrowed exclusively.
        unsafe { self.page.as_mut() }
    }
}

impl<const N: usize> Drop for Locked<N> {
    fn drop(&mut self) {
        self.get_mut().zeroize();
        // SAFETY: the mapping is ours, and nothing borrows from it any more. Unmapping unlocks.
        let unmapped = unsafe { rustix::mm::munmap(self.page.as_ptr().cast(), N) };
        if let Err(error) = unmapped {
            tracing::warn!(%error, "cannot give back the memory of a secret; it is wiped");
        }
    }
}

// SAFETY: it owns its mapping as a Box owns its allocation; shared references only read.
unsafe impl<const N: usize> Send for Locked<N> {}
// SAFETY: as above.
unsafe impl<const N: usize> Sync for Locked<N> {}

impl<const N: usize> fmt::Debug for Locked<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Locked(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The kernel's own account of the mapping at `address`: its flags.
    fn flags(address: usize) -> Option<String> {
        let maps = std::fs::read_to_string("/proc/self/smaps").expect("smaps");
        let mut inside = false;
        for line in maps.lines() {
            if let Some((from, to)) = line.split(' ').next().and_then(|range| range.split_once('-'))
                && let (Ok(from), Ok(to)) = (usize::from_str_radix(from, 16), usize::from_str_radix(to, 16))
            {
                inside = (from..to).contains(&address);
            }
            if inside && let Some(flags) = line.strip_prefix("VmFlags:") {
                return Some(flags.to_owned());
            }
        }
        None
    }

    #[test]
    fn a_secret_is_locked_and_kept_out_of_dumps_while_it_lives() {
        let mut secret = Locked::<32>::zeroed().expect("lock");
        assert_eq!(*secret.get(), [0; 32]);
        secret.get_mut().fill(7);
        let other = Locked::<32>::zeroed().expect("lock");
        drop(other);
        assert_eq!(*secret.get(), [7; 32]);
        let flags = flags(secret.page.as_ptr() as usize).expect("mapped");
        for wanted in ["lo", "dd"] {
            assert!(flags.split_whitespace().any(|flag| flag == wanted), "{flags}");
        }
        assert_eq!(format!("{secret:?}"), "Locked(hidden)");
    }
}
