//! Directories: listing them, leaving out what is to be left out, handing on what there is to do.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::fstat;

use super::file::read_whole;
use super::{SMALL, Worker, words};
use crate::inventory::{Reason, Subject};
use crate::scan::ignored::Ignored;
use crate::scan::run::{Place, Task, as_path};
use crate::scan::text::push_name;
use crate::scan::walk::{CHUNK, Entry, Names, is_pseudo, list, open_directory, open_file};

impl Worker<'_> {
    /// Takes the last of the directories and leaves the others to whoever comes next.
    pub(super) fn next_directory(&mut self, place: &Place, mut names: Names) {
        if self.tick() {
            self.gave_up(Subject::Directories, names.len());
            return;
        }
        let Some(name) = names.pop() else { return };
        if !names.is_empty() {
            self.shared.queue.push(Task::Directories(place.clone(), names));
        }
        self.directory(place, &name);
    }

    pub(super) fn directory(&mut self, above: &Place, name: &[u8]) {
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
            return self.finished(above.share);
        }
        let opened = open_directory(&above.root, &path).and_then(|fd| Ok((fstat(&fd)?, fd)));
        let (stat, fd) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                self.failed(error);
                return self.finished(above.share);
            }
        };
        if stat.st_dev != above.device && is_pseudo(fd.as_fd()) {
            self.unread(Reason::PseudoFileSystem, "the kernel makes this file system up");
            return self.finished(above.share);
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
        self.list_directory(place, &fd, stat.st_ino);
    }

    pub(super) fn list_directory(&mut self, mut place: Place, fd: &OwnedFd, inode: u64) {
        let mut entries = std::mem::take(&mut self.entries);
        entries.clear();
        let mut files = Names::default();
        let mut full: Vec<Names> = Vec::new();
        let mut directories = Names::default();
        let mut links = 0;
        let mut left_out = 0;
        let mut specials = Vec::new();
        let options = &self.shared.request.options;
        let own = self.shared.own_in((place.device, inode));
        let listed = list(fd.as_fd(), &mut entries, |entry| {
            let (name, is_dir) = match &entry {
                Entry::Directory(name) => (*name, true),
                Entry::File(name) | Entry::Special(name, _) => (*name, false),
                Entry::Link => {
                    links += 1;
                    return;
                }
            };
            if own.contains(&name) {
                return;
            }
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
            return self.finished(place.share);
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
    pub(super) fn files_of(&mut self, place: &Place, names: &Names) {
        if self.tick() {
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

    pub(super) fn ignore_files(&self, place: &Place, directory: BorrowedFd<'_>) -> Option<Arc<Ignored>> {
        let mut rules = place.ignored.clone();
        for name in [c".gitignore", c".ignore"] {
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

    pub(super) fn show_directory(&mut self, place: &Place, path: &[u8]) {
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
    pub(super) fn show_name(&mut self, base: usize, name: &[u8]) -> usize {
        self.shown.truncate(base);
        if !self.shown.ends_with('/') {
            self.shown.push('/');
        }
        let start = self.shown.len();
        push_name(&mut self.shown, name);
        start
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
