//! Files: taking over what is known of them, reading them once, showing them to scanners.

use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

use rustix::fs::{FileType, Stat};
use rustix::io::Errno;

use super::{LIST_BUFFER, SMALL, Worker, words};
use crate::inventory::{Access, Fragment, Reason, Subject};
use crate::scan::cache::State;
use crate::scan::promise::broken;
use crate::scan::text::from_utf16;
use crate::scan::walk::open_file;
use crate::scan::{Budget, File, Piece, Scanner};

impl Worker<'_> {
    /// A file in this state, of a directory in which something has changed.
    pub(super) fn file(
        &mut self,
        directory: BorrowedFd<'_>,
        name: &CStr,
        start: usize,
        wanted: u64,
        state: State,
    ) {
        // What is too large today is told so, whatever was read of it once.
        if let Some(cache) = &self.shared.cache
            && state.size <= self.shared.request.limits.file_size
        {
            let key = cache.key(&state, &self.shown);
            if let Some(json) = cache.get(&key, &mut self.desk)
                && self.take_over(json, state.size)
            {
                return self.desk.again(key, json, state);
            }
        }
        self.open(directory, name, start, wanted);
    }

    /// A file of which nothing is known.
    pub(super) fn open(&mut self, directory: BorrowedFd<'_>, name: &CStr, start: usize, wanted: u64) {
        match open_file(directory, name) {
            Ok((fd, stat)) => {
                self.desk.opened(&stat);
                self.opened_file(fd.as_fd(), &stat, name.to_bytes(), start, wanted);
            }
            Err(Errno::LOOP) => self.unread(Reason::Vanished, "it has become a symbolic link"),
            Err(Errno::NXIO) => self.unread(Reason::SpecialFile, "it has become a pipe or a socket"),
            Err(error) => self.failed(error),
        }
    }

    /// Takes over what an earlier scan found in a file of this size; false when that cannot be understood.
    pub(super) fn take_over(&mut self, json: &[u8], size: u64) -> bool {
        if !json.is_empty() {
            let Ok(found) = serde_json::from_slice::<Fragment>(json) else {
                return false;
            };
            self.found = found;
            self.keep();
        }
        let tally = self.inventory.coverage.of(Subject::Files);
        tally.read += 1;
        tally.bytes += size;
        self.since.unchanged += 1;
        true
    }

    pub(super) fn opened_file(
        &mut self,
        fd: BorrowedFd<'_>,
        stat: &Stat,
        name: &[u8],
        start: usize,
        wanted: u64,
    ) {
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind != FileType::RegularFile {
            return self.unread(Reason::SpecialFile, &format!("it has become a {}", words(kind)));
        }
        let size = stat.st_size.cast_unsigned();
        let limit = self.shared.request.limits.file_size;
        if size > limit {
            return self.unread(
                Reason::TooLarge,
                &format!("it has {size} bytes, more than the {limit} that are read"),
            );
        }
        let _room = (size > SMALL).then(|| self.shared.memory.take(size));
        let mut bytes = std::mem::take(&mut self.bytes);
        match read_whole(fd, size, limit, &mut bytes) {
            Ok(true) => {
                let tally = self.inventory.coverage.of(Subject::Files);
                tally.read += 1;
                tally.bytes += bytes.len() as u64;
                self.since.bytes += bytes.len() as u64;
                self.look(&bytes, stat, name, start, wanted);
            }
            Ok(false) => self.unread(
                Reason::TooLarge,
                &format!("it grew beyond the {limit} bytes that are read"),
            ),
            Err(error) => self.failed(error),
        }
        if bytes.capacity() as u64 > SMALL {
            bytes = Vec::with_capacity(LIST_BUFFER);
        }
        self.bytes = bytes;
    }

    /// Shows a piece to a scanner. One that fails on it, or a library below it, fails on that piece alone: it is
    /// noted, what it found until then is kept, and the scan goes on.
    pub(super) fn show(&mut self, scanner: &dyn Scanner, piece: &Piece<'_>) {
        self.found.on_behalf_of(scanner.name());
        let found = &mut self.found;
        let shown = catch_unwind(AssertUnwindSafe(|| scanner.scan(piece, found)));
        if shown.is_err() {
            self.found.unread(
                Reason::Unsupported,
                None,
                "the scanner failed on it, which is a fault of Symbolon: please report it",
            );
        }
    }

    /// Shows the bytes to every scanner that wants them.
    pub(super) fn look(&mut self, raw: &[u8], stat: &Stat, name: &[u8], start: usize, wanted: u64) {
        let decoded = from_utf16(raw);
        let bytes = decoded.as_ref().map_or(raw, String::as_bytes);
        let classifier = &self.shared.classifier;
        let by_name = match classifier.by_name(name) {
            0 => classifier.by_name(of_template(name)),
            set => set,
        };
        let set = classifier.by_content(bytes, wanted | by_name);
        self.found.reset(&self.shown);
        if set != 0 {
            let shown = std::mem::take(&mut self.shown);
            let own = shown.get(start..).unwrap_or_default();
            let file = File {
                path: &shown,
                name: own.get(..of_template(own.as_bytes()).len()).unwrap_or(own),
                bytes,
                access: Access {
                    mode: stat.st_mode & 0o7777,
                    uid: stat.st_uid,
                    gid: stat.st_gid,
                },
                budget: Budget::starting_now(self.shared.request.limits.file_time),
            };
            for (index, scanner) in self.shared.request.scanners.iter().enumerate() {
                if set >> index & 1 == 1 {
                    self.show(scanner.as_ref(), &Piece::File(file));
                }
            }
            self.shown = shown;
        }
        if self.found.is_empty()
            && let Some((reason, detail)) = broken(name, bytes)
        {
            self.found.on_behalf_of("walk");
            self.found.unread(reason, None, detail);
        }
        if let Some(cache) = &self.shared.cache
            && let Err(error) = cache.put(stat, &self.shown, &self.found, &mut self.desk)
        {
            self.cache_error.get_or_insert(error);
        }
        self.keep();
    }
}

/// What a file is called that another one becomes: `sshd_config` of `sshd_config.j2`.
fn of_template(name: &[u8]) -> &[u8] {
    let Some(dot) = memchr::memrchr(b'.', name).filter(|dot| *dot > 0) else {
        return name;
    };
    let (before, after) = name.split_at(dot);
    match TEMPLATES.contains(&after) {
        true => before,
        false => name,
    }
}

/// Extensions of files that become others when they are filled in.
const TEMPLATES: [&[u8]; 9] = [
    b".j2",
    b".jinja",
    b".jinja2",
    b".erb",
    b".epp",
    b".tmpl",
    b".tpl",
    b".template",
    b".in",
];

/// Reads to the end, or to `limit`: false when there is more.
pub(super) fn read_whole(
    fd: BorrowedFd<'_>,
    size: u64,
    limit: u64,
    bytes: &mut Vec<u8>,
) -> Result<bool, Errno> {
    bytes.clear();
    // One byte more than the size shows by a short read that this is the end, without another call.
    let expected = usize::try_from(size.min(limit))
        .unwrap_or(usize::MAX)
        .saturating_add(1);
    bytes.reserve(expected);
    loop {
        if bytes.len() == bytes.capacity() {
            bytes.reserve(LIST_BUFFER);
        }
        let room = bytes.capacity() - bytes.len();
        let before = bytes.len();
        match rustix::io::read(fd, rustix::buffer::spare_capacity(bytes)) {
            Ok(0) => return Ok(true),
            // A regular file gives all that there is.
            Ok(count) if count < room && before as u64 + count as u64 == size => return Ok(true),
            Ok(_) if bytes.len() as u64 > limit => return Ok(false),
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
}
