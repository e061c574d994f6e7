//! The files of a directory, together: what is known of all of them is one look-up.

use std::ffi::CStr;
use std::os::fd::BorrowedFd;

use super::Worker;
use crate::inventory::Subject;
use crate::scan::cache::{Cache, Group, State};
use crate::scan::run::Place;
use crate::scan::walk::{Names, look_at};

impl<'a> Worker<'a> {
    /// The files of the directory that is shown. Those of one in which nothing has changed are not even named.
    pub(super) fn files(&mut self, directory: BorrowedFd<'_>, place: &Place, names: &Names) {
        if names.is_empty() {
            return;
        }
        let base = self.shown.len();
        let shared = self.shared;
        let mut known = shared
            .cache
            .as_ref()
            .and_then(|cache| self.known(cache, directory, names));
        let mut records = known.as_ref().map(Group::files);
        if shared.cache.is_some() && known.as_ref().is_none_or(|known| known.has_gaps) {
            self.desk.begin(&self.shown);
        }
        let mut by_path = None;
        let mut as_it_was = true;
        for (number, name) in names.iter().enumerate() {
            if self.tick() {
                self.gave_up(Subject::Files, names.len() - number);
                as_it_was = false;
                break;
            }
            self.count_file();
            let record = records.as_mut().and_then(Iterator::next);
            let state = self.listing.states.get(number).copied();
            let at = self.desk.place();
            // What is too large today is told so, whatever was read of it once.
            let found = record
                .and_then(|(key, found)| Some((key, found?, state?)))
                .filter(|(_, _, state)| state.size <= shared.request.limits.file_size);
            if let Some((key, json, state)) = found
                && self.take_over(json, state.size)
            {
                self.desk.again(key, json, state);
                self.desk.end_file(at, name.to_bytes(), || state);
            } else {
                self.shown.truncate(base);
                let wanted = *by_path.get_or_insert_with(|| {
                    let path = format!("{}/", self.shown);
                    shared.classifier.by_path(&path)
                });
                let start = self.show_name(base, name.to_bytes());
                match state.filter(|_| record.is_none()) {
                    Some(state) => self.file(directory, name, start, wanted, state),
                    None => self.open(directory, name, start, wanted),
                }
                let look = || state_of(directory, name);
                let made = self.desk.end_file(at, name.to_bytes(), look);
                // One that can be kept from now on, or of which there was rubbish.
                as_it_was &= !made && found.is_none();
                self.close_full(base);
            }
            self.finished(place.share);
        }
        self.shown.truncate(base);
        let Some(cache) = &shared.cache else { return };
        match known.take() {
            Some(known) if as_it_was => {
                self.desk.discard();
                cache.keep(&known);
            }
            _ => self.end_group(cache),
        }
    }

    /// What is known of these files, if all of them are as they were.
    fn known(&mut self, cache: &'a Cache, directory: BorrowedFd<'_>, names: &Names) -> Option<Group<'a>> {
        self.listing.states.clear();
        if !cache.has_findings() {
            return None;
        }
        self.listing.start(&self.shown);
        for name in names.iter() {
            self.listing.push(name.to_bytes(), state_of(directory, name));
        }
        cache.group(&self.listing)
    }

    /// Hands a group on that takes too much memory, and goes on with another one.
    fn close_full(&mut self, base: usize) {
        if let Some(cache) = &self.shared.cache
            && self.desk.is_full()
        {
            self.end_group(cache);
            self.desk.begin(self.shown.get(..base).unwrap_or_default());
        }
    }

    fn end_group(&mut self, cache: &Cache) {
        if let Err(error) = cache.end_group(&mut self.desk) {
            self.cache_error.get_or_insert(error);
        }
    }
}

fn state_of(directory: BorrowedFd<'_>, name: &CStr) -> State {
    look_at(directory, name).map_or(State::UNKNOWN, |stat| State::of(&stat))
}
