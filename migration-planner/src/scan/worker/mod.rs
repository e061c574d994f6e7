//! One thread of a scan: it takes tasks, walks, reads, shows files to scanners, and keeps what they find.

mod file;
mod group;
mod tree;

use std::os::fd::AsFd;
use std::sync::Arc;

use rustix::fs::{FileType, Mode, OFlags, fstat};
use rustix::io::Errno;

use super::cache::{Desk, Listing};
use super::counts::Since;
use super::run::{Place, Shared, Task};
use super::text::push_name;
use super::walk::Root;
use super::{Budget, Piece, ScanError, Target, Trigger};
use crate::inventory::{Fragment, Inventory, Reason, Subject, Unread};

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
    desk: Desk,
    /// The files that are being looked at.
    listing: Listing,
    since: Since,
    /// Whether it is time to stop, as it was when somebody last looked.
    stopped: bool,
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
            desk: Desk::default(),
            listing: Listing::default(),
            since: Since::default(),
            stopped: false,
        }
    }

    pub(super) fn work(mut self) -> Result<Inventory, ScanError> {
        while let Some(task) = self.shared.queue.pop() {
            // Even where it ends in a panic: the others would wait for more.
            let _done = self.shared.queue.when_done();
            match task {
                Task::Path(path, share) => self.path(&path, share),
                Task::Contact(target, share) => self.contact(&target, share),
                Task::Directories(place, names) => self.next_directory(&place, names),
                Task::Files(place, names) => self.files_of(&place, &names),
            }
        }
        self.shared.counts.add(&mut self.since);
        if let Some(cache) = &self.shared.cache
            && let Err(error) = cache.hand_on(&mut self.desk)
        {
            self.cache_error.get_or_insert(error);
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
                self.finished(share);
            }
            Ok(None) => {
                self.shown = shown;
                self.unread(Reason::SpecialFile, "it is neither a file nor a directory");
                self.finished(share);
            }
            Err(error) => {
                self.shown = shown;
                self.inventory.coverage.of(Subject::Files).attempted += 1;
                self.failed(error);
                self.finished(share);
            }
        }
    }

    fn contact(&mut self, target: &Target, share: f64) {
        let Target::Uri { scheme, .. } = target else {
            return;
        };
        let subject = if scheme == "pkcs11" {
            Subject::Tokens
        } else {
            Subject::Endpoints
        };
        self.inventory.coverage.of(subject).attempted += 1;
        self.found.reset(&target.to_string());
        let budget = Budget::starting_now(self.shared.request.limits.endpoint_time);
        let mut asked = false;
        for scanner in &self.shared.request.scanners {
            if scanner
                .triggers()
                .iter()
                .any(|trigger| matches!(trigger, Trigger::Scheme(of) if of == scheme))
            {
                asked = true;
                self.show(scanner.as_ref(), &Piece::Target(target, budget));
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
        self.since.contacts += 1;
        self.finished(share);
        self.tick();
    }

    fn keep(&mut self) {
        if self.found.is_empty() {
            return;
        }
        if !self.found.assets().is_empty() {
            self.since.places += 1;
        }
        self.since.unread += self.found.unread_entries().len() as u64;
        self.inventory.absorb(std::mem::take(&mut self.found));
    }

    /// Tells the others how far this thread is, every few files, and learns whether it is time to stop.
    fn tick(&mut self) -> bool {
        const FILES: u64 = 32;
        const BYTES: u64 = 1 << 20;
        if self.since.files == 0 || self.since.files >= FILES || self.since.bytes >= BYTES {
            self.shared.counts.add(&mut self.since);
            self.stopped = self.shared.tick();
        }
        self.stopped
    }

    fn finished(&mut self, share: f64) {
        self.since.done += share;
    }

    fn count_file(&mut self) {
        self.inventory.coverage.of(Subject::Files).attempted += 1;
        self.since.files += 1;
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
        self.since.unread += 1;
        self.inventory.unread.add(Unread {
            location: self.shown.clone(),
            line: None,
            reason,
            scanner: "walk".to_owned(),
            detail: detail.to_owned(),
        });
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
