//! One thread of a scan: it takes tasks, walks, reads, shows files to scanners, and keeps what they find.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustix::fs::{FileType, Mode, OFlags, Stat, fstat};
use rustix::io::Errno;

use super::ignored::Ignored;
use super::run::{Place, Shared, Task, as_path};
use super::text::{from_utf16, push_name};
use super::walk::{CHUNK, Entry, Names, Root, is_pseudo, list, look_at, open_directory, open_file};
use super::{Budget, File, Piece, ScanError, Target, Trigger};
use crate::inventory::{Access, Fragment, Inventory, Reason, Subject, Unread};

/// Files up to this size need no share of the common memory.
const SMALL: u64 = 1 << 20;
const LIST_BUFFER: usize = 64 << 10;

pub(super) struct Worker<'a> {
    shared: &'a Shared<'a>,
    inventory: Inventory,
    found: Fragment,
    bytes: Vec<u8>,
    entries: Vec<u8>,
    shown: String,
    cache_error: Option<std::io::Error>,
}

impl<'a> Worker<'a> {
    pub(super) fn new(shared: &'a Shared<'a>) -> Self {
        Self {
            shared,
            inventory: Inventory::new(),
            found: Fragment::default(),
            bytes: Vec::with_capacity(LIST_BUFFER),
            entries: Vec::with_capacity(LIST_BUFFER),
            shown: String::new(),
            cache_error: None,
        }
    }

    pub(super) fn work(mut self) -> Result<Inventory, ScanError> {
        while let Some(task) = self.shared.queue.pop() {
            match task {
                Task::Path(path, share) => self.path(&path, share),
                Task::Contact(target, share) => self.contact(&target, share),
                Task::Directories(place, names) => self.next_directory(&place, names),
                Task::Files(place, names) => self.files_of(&place, &names),
            }
            self.shared.queue.done();
        }
        match (self.cache_error, &self.shared.request.cache) {
            (Some(problem), Some(path)) => Err(ScanError::Cache {
                path: path.clone(),
                problem,
            }),
            _ => Ok(self.inventory),
        }
    }

    /// A path that was named: links on the way to it are the operator's own and are followed.
    fn path(&mut self, path: &std::path::Path, share: f64) {
        let mut shown = String::new();
        push_name(
            &mut shown,
            std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()),
        );
        let opened = rustix::fs::stat(path).and_then(|stat| match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory | FileType::RegularFile => {
                let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
                let fd = rustix::fs::open(path, flags, Mode::empty())?;
                let stat = fstat(&fd)?;
                Ok(Some((fd, stat)))
            }
            _ => Ok(None),
        });
        match opened {
            Ok(Some((fd, stat))) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => {
                let root = Root {
                    fd,
                    shown,
                    ignored: self.shared.excluded.clone(),
                };
                let place = Place {
                    ignored: root.ignored.clone(),
                    root: Arc::new(root),
                    path: Arc::from(&b""[..]),
                    device: stat.st_dev,
                    share,
                };
                self.directory(&place, b"");
            }
            Ok(Some((fd, stat))) => {
                self.count_file();
                let name = path.file_name().unwrap_or(path.as_os_str());
                let name = std::os::unix::ffi::OsStrExt::as_bytes(name);
                self.shown = shown;
                let start = self.shown.len().saturating_sub(name.len());
                self.opened_file(
                    fd.as_fd(),
                    &stat,
                    name,
                    start,
                    self.shared.classifier.by_path(&self.shown),
                );
                self.shared.counts.finished(share);
            }
            Ok(None) => {
                self.shown = shown;
                self.unread(Reason::SpecialFile, "it is neither a file nor a directory");
                self.shared.counts.finished(share);
            }
            Err(error) => {
                self.shown = shown;
                self.inventory.coverage.of(Subject::Files).attempted += 1;
                self.failed(error);
                self.shared.counts.finished(share);
            }
        }
    }

    fn contact(&mut self, target: &Target, share: f64) {
        let Target::Uri { scheme, uri } = target else {
            return;
        };
        let subject = if scheme == "pkcs11" {
            Subject::Tokens
        } else {
            Subject::Endpoints
        };
        self.inventory.coverage.of(subject).attempted += 1;
        self.found.reset(uri);
        let budget = Budget::starting_now(self.shared.request.limits.endpoint_time);
        let mut asked = false;
        for scanner in &self.shared.request.scanners {
            if scanner
                .triggers()
                .iter()
                .any(|trigger| matches!(trigger, Trigger::Scheme(of) if of == scheme))
            {
                asked = true;
                self.found.on_behalf_of(scanner.name());
                scanner.scan(&Piece::Target(target, budget), &mut self.found);
            }
        }
        if !asked {
            self.found.on_behalf_of("walk");
            self.found.unread(
                Reason::Unsupported,
                None,
                format!("there is no scanner for {scheme}"),
            );
        }
        if !self.found.assets().is_empty() {
            self.inventory.coverage.of(subject).read += 1;
        }
        self.keep();
        self.shared.counts.contacts.fetch_add(1, Ordering::Relaxed);
        self.shared.counts.finished(share);
        self.shared.tick();
    }

    /// Takes the last of the directories and leaves the others to whoever comes next.
    fn next_directory(&mut self, place: &Place, mut names: Names) {
        if self.shared.tick() {
            self.gave_up(Subject::Directories, names.len());
            return;
        }
        let Some(name) = names.pop() else { return };
        if !names.is_empty() {
            self.shared.queue.push(Task::Directories(place.clone(), names));
        }
        self.directory(place, &name);
    }

    fn directory(&mut self, above: &Place, name: &[u8]) {
        self.inventory.coverage.of(Subject::Directories).attempted += 1;
        let path = match (above.path.is_empty(), name.is_empty()) {
            (_, true) => above.path.to_vec(),
            (true, false) => name.to_vec(),
            (false, false) => [&above.path, &b"/"[..], name].concat(),
        };
        self.show_directory(above, &path);
        if path.len() > self.shared.request.limits.path_len {
            let end = self
                .shown
                .char_indices()
                .nth(200)
                .map_or(self.shown.len(), |(at, _)| at);
            self.shown.truncate(end);
            self.unread(
                Reason::TooDeep,
                "the path from here on is longer than what is followed",
            );
            return self.shared.counts.finished(above.share);
        }
        let opened = open_directory(&above.root, &path).and_then(|fd| Ok((fstat(&fd)?, fd)));
        let (stat, fd) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                self.failed(error);
                return self.shared.counts.finished(above.share);
            }
        };
        if stat.st_dev != above.device && is_pseudo(fd.as_fd()) {
            self.unread(Reason::PseudoFileSystem, "the kernel makes this file system up");
            return self.shared.counts.finished(above.share);
        }
        let mut place = Place {
            root: above.root.clone(),
            path: Arc::from(path),
            ignored: above.ignored.clone(),
            device: stat.st_dev,
            share: above.share,
        };
        if self.shared.request.options.skip_ignored {
            place.ignored = self.ignore_files(&place, fd.as_fd());
        }
        self.list_directory(place, &fd);
    }

    fn list_directory(&mut self, mut place: Place, fd: &OwnedFd) {
        let mut entries = std::mem::take(&mut self.entries);
        entries.clear();
        let mut files = Names::default();
        let mut full: Vec<Names> = Vec::new();
        let mut directories = Names::default();
        let mut links = 0;
        let mut left_out = 0;
        let mut specials = Vec::new();
        let options = &self.shared.request.options;
        let listed = list(fd.as_fd(), &mut entries, |entry| {
            let (name, is_dir) = match &entry {
                Entry::Directory(name) => (*name, true),
                Entry::File(name) | Entry::Special(name, _) => (*name, false),
                Entry::Link => {
                    links += 1;
                    return;
                }
            };
            let hidden = options.skip_hidden && name.starts_with(b".");
            if hidden
                || place
                    .ignored
                    .as_ref()
                    .is_some_and(|ignored| is_ignored(ignored, &place.path, name, is_dir))
            {
                left_out += 1;
                return;
            }
            match entry {
                Entry::Directory(_) => directories.push(name),
                Entry::Special(_, kind) => specials.push((name.to_vec(), kind)),
                Entry::File(_) | Entry::Link => {
                    files.push(name);
                    if files.len() == CHUNK {
                        full.push(std::mem::take(&mut files));
                    }
                }
            }
        });
        self.entries = entries;
        self.inventory.unread.omit(Reason::SymbolicLink, links);
        self.inventory.unread.omit(Reason::NotAskedFor, left_out);
        let base = self.shown.len();
        for (name, kind) in specials {
            self.show_name(base, &name);
            self.unread(Reason::SpecialFile, &format!("it is a {}", words(kind)));
        }
        self.shown.truncate(base);
        match listed {
            Ok(()) => self.inventory.coverage.of(Subject::Directories).read += 1,
            Err(error) => self.failed(error),
        }
        let count = full.iter().map(Names::len).sum::<usize>() + files.len() + directories.len();
        if count == 0 {
            return self.shared.counts.finished(place.share);
        }
        #[expect(clippy::cast_precision_loss, reason = "it is an estimate")]
        let share = place.share / count as f64;
        place.share = share;
        if !directories.is_empty() {
            self.shared
                .queue
                .push(Task::Directories(place.clone(), directories));
        }
        for names in full {
            self.shared.queue.push(Task::Files(place.clone(), names));
        }
        self.files(fd.as_fd(), &place, &files);
    }

    /// Files of a directory that another thread listed, or this one some time ago.
    fn files_of(&mut self, place: &Place, names: &Names) {
        if self.shared.tick() {
            return self.gave_up(Subject::Files, names.len());
        }
        self.show_directory(place, &place.path);
        match open_directory(&place.root, &place.path) {
            Ok(fd) => self.files(fd.as_fd(), place, names),
            Err(error) => {
                self.inventory.coverage.of(Subject::Files).attempted += names.len() as u64;
                self.failed(error);
            }
        }
    }

    fn files(&mut self, directory: BorrowedFd<'_>, place: &Place, names: &Names) {
        let base = self.shown.len();
        let by_path = self.shared.classifier.by_path(&format!("{}/", self.shown));
        for (done, name) in names.iter().enumerate() {
            if self.shared.tick() {
                self.gave_up(Subject::Files, names.len() - done);
                break;
            }
            let start = self.show_name(base, name);
            self.count_file();
            self.file(directory, name, start, by_path);
            self.shared.counts.finished(place.share);
        }
        self.shown.truncate(base);
    }

    fn file(&mut self, directory: BorrowedFd<'_>, name: &[u8], start: usize, wanted: u64) {
        if let Some(cache) = self.shared.cache.as_ref().filter(|cache| cache.has_findings()) {
            let stat = match look_at(directory, name) {
                Ok(stat) => stat,
                Err(error) => return self.failed(error),
            };
            let key = cache.key(&stat, &self.shown);
            if let Some(json) = cache.get(&key)
                && self.take_over(json)
            {
                let tally = self.inventory.coverage.of(Subject::Files);
                tally.read += 1;
                tally.bytes += stat.st_size.cast_unsigned();
                self.shared.counts.unchanged.fetch_add(1, Ordering::Relaxed);
                if let Err(error) = cache.put_json(&key, json) {
                    self.cache_error.get_or_insert(error);
                }
                return;
            }
        }
        match open_file(directory, name) {
            Ok((fd, stat)) => self.opened_file(fd.as_fd(), &stat, name, start, wanted),
            Err(Errno::LOOP) => self.unread(Reason::Vanished, "it has become a symbolic link"),
            Err(Errno::NXIO) => self.unread(Reason::SpecialFile, "it has become a pipe or a socket"),
            Err(error) => self.failed(error),
        }
    }

    /// Takes over what an earlier scan found; false when that cannot be understood.
    fn take_over(&mut self, json: &[u8]) -> bool {
        if json.is_empty() {
            return true;
        }
        match serde_json::from_slice::<Fragment>(json) {
            Ok(found) => {
                self.found = found;
                self.keep();
                true
            }
            Err(_) => false,
        }
    }

    fn opened_file(&mut self, fd: BorrowedFd<'_>, stat: &Stat, name: &[u8], start: usize, wanted: u64) {
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
                self.shared
                    .counts
                    .bytes
                    .fetch_add(bytes.len() as u64, Ordering::Relaxed);
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

    /// Shows the bytes to every scanner that wants them.
    fn look(&mut self, raw: &[u8], stat: &Stat, name: &[u8], start: usize, wanted: u64) {
        let decoded = from_utf16(raw);
        let bytes = decoded.as_ref().map_or(raw, String::as_bytes);
        let classifier = &self.shared.classifier;
        let set = classifier.by_content(bytes, wanted | classifier.by_name(name));
        self.found.reset(&self.shown);
        if set != 0 {
            let shown = std::mem::take(&mut self.shown);
            let file = File {
                path: &shown,
                name: shown.get(start..).unwrap_or_default(),
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
                    self.found.on_behalf_of(scanner.name());
                    scanner.scan(&Piece::File(file), &mut self.found);
                }
            }
            self.shown = shown;
        }
        if let Some(cache) = &self.shared.cache {
            let key = cache.key(stat, &self.shown);
            if let Err(error) = cache.put(&key, stat, &self.found) {
                self.cache_error.get_or_insert(error);
            }
        }
        self.keep();
    }

    fn keep(&mut self) {
        if self.found.is_empty() {
            return;
        }
        if !self.found.assets().is_empty() {
            self.shared.counts.places.fetch_add(1, Ordering::Relaxed);
        }
        self.shared
            .counts
            .unread
            .fetch_add(self.found.unread_entries().len() as u64, Ordering::Relaxed);
        self.inventory.absorb(std::mem::take(&mut self.found));
    }

    fn ignore_files(&self, place: &Place, directory: BorrowedFd<'_>) -> Option<Arc<Ignored>> {
        let mut rules = place.ignored.clone();
        for name in [&b".gitignore"[..], b".ignore"] {
            let mut bytes = Vec::new();
            let read = open_file(directory, name).and_then(|(fd, stat)| {
                read_whole(fd.as_fd(), stat.st_size.cast_unsigned(), SMALL, &mut bytes)
            });
            // Without a readable rule file there are no rules, and more is scanned.
            if read == Ok(true) {
                rules = Ignored::with_file(rules, as_path(&place.path), &String::from_utf8_lossy(&bytes));
            }
        }
        rules
    }

    fn show_directory(&mut self, place: &Place, path: &[u8]) {
        self.shown.clear();
        self.shown.push_str(&place.root.shown);
        if !path.is_empty() {
            if !self.shown.ends_with('/') {
                self.shown.push('/');
            }
            push_name(&mut self.shown, path);
        }
    }

    /// Shows a name below the directory that takes the first `base` bytes; tells where the name begins.
    fn show_name(&mut self, base: usize, name: &[u8]) -> usize {
        self.shown.truncate(base);
        if !self.shown.ends_with('/') {
            self.shown.push('/');
        }
        let start = self.shown.len();
        push_name(&mut self.shown, name);
        start
    }

    fn count_file(&mut self) {
        self.inventory.coverage.of(Subject::Files).attempted += 1;
        self.shared.counts.files.fetch_add(1, Ordering::Relaxed);
    }

    fn gave_up(&mut self, subject: Subject, count: usize) {
        self.inventory.coverage.of(subject).attempted += count as u64;
        let reason = if self.shared.cancelled() {
            Reason::NotAskedFor
        } else {
            Reason::TimedOut
        };
        self.inventory.unread.omit(reason, count as u64);
    }

    fn failed(&mut self, error: Errno) {
        let reason = match error {
            Errno::ACCESS | Errno::PERM => Reason::PermissionDenied,
            Errno::NOENT | Errno::NOTDIR | Errno::STALE => Reason::Vanished,
            // openat2 found a link where a directory was.
            Errno::LOOP | Errno::XDEV => Reason::Vanished,
            Errno::NAMETOOLONG => Reason::TooDeep,
            _ => Reason::Io,
        };
        self.unread(reason, &std::io::Error::from(error).to_string());
    }

    fn unread(&mut self, reason: Reason, detail: &str) {
        self.shared.counts.unread.fetch_add(1, Ordering::Relaxed);
        self.inventory.unread.add(Unread {
            location: self.shown.clone(),
            line: None,
            reason,
            scanner: "walk".to_owned(),
            detail: detail.to_owned(),
        });
    }
}

fn is_ignored(ignored: &Ignored, directory: &[u8], name: &[u8], is_dir: bool) -> bool {
    let path = if directory.is_empty() {
        name.to_vec()
    } else {
        [directory, b"/", name].concat()
    };
    ignored.leaves_out(as_path(&path), is_dir)
}

/// Reads to the end, or to `limit`: false when there is more.
fn read_whole(fd: BorrowedFd<'_>, size: u64, limit: u64, bytes: &mut Vec<u8>) -> Result<bool, Errno> {
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

fn words(kind: FileType) -> &'static str {
    match kind {
        FileType::BlockDevice => "block device",
        FileType::CharacterDevice => "character device",
        FileType::Directory => "directory",
        FileType::Fifo => "pipe",
        FileType::Socket => "socket",
        FileType::Symlink => "symbolic link",
        _ => "file of an unknown kind",
    }
}
