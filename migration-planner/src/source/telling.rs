//! From an index to findings.

use std::collections::BTreeSet;

use tree_sitter::Node;

use super::resolve::Reader;
use super::table::{Library, SETTING};
use super::template::{TELL, Use};
use super::work::MAX_LIST;
use super::{macros, protocols, tree};
use crate::algorithm::{Algorithm, Function};
use crate::inventory::{AssetId, Fragment, Occurrence, Reason};
use crate::scan::File;

/// The most findings of one file.
const MAX_FINDINGS: usize = 20_000;

/// Turns an index into findings.
pub(super) struct Telling<'f, 'i, 't, 's> {
    reader: Reader<'i, 't, 's>,
    language: &'static str,
    /// What was told, by line.
    told: BTreeSet<(usize, String)>,
    found: &'f mut Fragment,
}

impl<'f, 'i, 't, 's> Telling<'f, 'i, 't, 's> {
    pub(super) fn new(reader: Reader<'i, 't, 's>, language: &'static str, found: &'f mut Fragment) -> Self {
        Self {
            reader,
            language,
            told: BTreeSet::new(),
            found,
        }
    }

    /// Whether the time is up, which is told then.
    fn is_late(&mut self, file: &File<'_>, of_what: &str) -> bool {
        let late = file.budget.is_spent();
        if late {
            let what = format!("not all of its {of_what} were looked at in time");
            self.found.unread(Reason::TimedOut, None, what);
        }
        late
    }

    pub(super) fn tell(mut self, file: &File<'_>) {
        let index = self.reader.index;
        for call in &index.calls {
            // One alone may take long.
            if self.is_late(file, "calls") {
                return;
            }
            let path = match self.reader.function_of(*call, 0) {
                Some(path) => self.reader.known_path(path),
                None => self.reader.method_of(*call),
            };
            if let Some(path) = path {
                self.used(*call, &path, true);
            }
        }
        // Settings of an object: who makes it is not asked, so their values have to say what they are.
        for (field, value) in &index.settings {
            if self.is_late(file, "settings") {
                return;
            }
            let path = [SETTING, field].concat();
            if self.reader.lookup(&path).is_some() {
                self.used(*value, &path, true);
            }
        }
        // Macros are not parsed; what they call is used wherever they are.
        for body in &index.macros {
            for name in macros::called_names(tree::text(*body, index.source)) {
                if self.is_late(file, "macros") {
                    return;
                }
                if let Some(path) = self.reader.known_path(name) {
                    self.used(*body, &path, false);
                }
            }
        }
        for name in &index.names {
            // A plain name counts when it was imported: a function handed on, a constant of a library.
            let text = tree::text(*name, index.source);
            let first = text.split(['.', ':']).next().unwrap_or_default();
            if index.imports.get(first).is_none() && !text.contains(':') {
                continue;
            }
            if self.is_late(file, "names") {
                return;
            }
            let path = self.reader.path_of(*name, 0);
            if let Some(path) = path.and_then(|path| self.reader.known_path(path)) {
                self.used(*name, &path, false);
            }
        }
    }

    fn used(&mut self, node: Node<'t>, path: &str, called: bool) {
        let Some(hit) = self.reader.lookup(path) else {
            return;
        };
        if hit.row.1.starts_with('~') || self.told.len() >= MAX_FINDINGS {
            return;
        }
        self.reader.work.begin();
        let mut names = if called {
            self.reader.names(Use { node, hit }, 0)
        } else {
            self.reader.names_of_path(hit, 0)
        };
        // A hash that has a line of its own is named there too.
        let hashes = self.reader.hashes_said_in(node);
        let said = self.reader.said_at(node);
        let line = said.start_position().row + 1;
        if let Some(reason) = self.reader.work.over() {
            let what = format!("what is handed to {path} stands for too much to be looked at whole");
            self.found.unread(reason, Some(line as u64), what);
        } else if names.is_empty() && called && hit.row.1.ends_with(TELL) {
            let what = format!("the algorithm of {path} is not said in this file");
            self.found.unread(Reason::Unsupported, Some(line as u64), what);
        }
        if names.is_empty() {
            return;
        }
        let here = self
            .found
            .here()
            .line(line as u64)
            .offset(said.start_position().column as u64)
            .symbol(path.trim_start_matches(SETTING));
        if let Some(offer) = protocols::offered(&mut names)
            && self
                .told
                .insert((line, format!("suites of {:?}", node.byte_range())))
        {
            if self.reader.work.was_cut() {
                let what = format!("of a list of more than {MAX_LIST} only the first were looked at");
                self.found.unread(Reason::TooLarge, Some(line as u64), what);
            }
            let id = self.found.protocol(offer.detail, here.clone());
            self.noted(&id, hit.library);
            for (name, value) in offer.facts {
                self.found.note(&id, name, &value);
            }
        }
        for name in names {
            if self.told.insert((line, name.clone())) {
                self.one(&name, hit.row.2, hit.library, here.clone());
            }
        }
        for (name, at) in hashes {
            let line = at.start_position().row + 1;
            if at.start_position().row != said.start_position().row && self.told.insert((line, name.clone()))
            {
                let here = self.found.here().line(line as u64).symbol(path);
                self.one(&name, &[], hit.library, here);
            }
        }
    }

    fn one(&mut self, name: &str, to: &[Function], library: &Library, here: Occurrence) {
        let id = match protocols::protocol(name) {
            Some(detail) => self.found.protocol(detail, here),
            None => self.found.algorithm(Algorithm::named(name).used_to(to), here),
        };
        self.noted(&id, library);
    }

    fn noted(&mut self, id: &AssetId, library: &Library) {
        self.found.note(id, "language", self.language);
        self.found.note(id, "library", library.name);
    }
}
