//! Source code: which cryptography a program calls.
//!
//! Each language has a grammar (tree-sitter's) and the tables of its libraries ([`libraries`]); everything else is
//! shared. A file is parsed only when it names a library at all. One walk makes an [`index`] of it, one resolver
//! ([`resolve`]) says what expressions stand for through constants, aliases and imports, and a row's
//! [`template`] turns a call into the canonical names of what it does. Comments and strings are no calls, so they
//! are no findings. A call whose algorithm is not in the file is told as something that could not be read.

mod around;
mod branches;
mod imports;
mod index;
mod jca;
mod libraries;
mod lock;
mod macros;
mod markers;
mod protocols;
mod resolve;
mod spelling;
mod table;
mod template;
mod tree;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::{Arc, LazyLock};

use tree_sitter::{Node, ParseOptions, ParseState, Parser, Tree};

use self::index::Index;
use self::markers::Markers;
use self::resolve::Reader;
use self::table::{Library, SETTING, Table};
use self::template::{TELL, Use};
use crate::algorithm::{Algorithm, Function};
use crate::inventory::{AssetId, Fragment, Occurrence, Reason};
use crate::scan::{File, Piece, Scanner, Trigger};

pub use self::lock::{Lockfile, lock_scanners};

/// The largest source file that is parsed: a syntax tree is many times as large as its text.
const MAX_SOURCE: usize = 4 << 20;

/// The most findings of one file.
const MAX_FINDINGS: usize = 20_000;

/// All of them.
#[must_use]
pub fn scanners() -> Vec<Arc<dyn Scanner>> {
    let mut all: Vec<Arc<dyn Scanner>> = vec![
        Arc::new(Source(&JAVA)),
        Arc::new(Source(&PYTHON)),
        Arc::new(Source(&GO)),
        Arc::new(Source(&C)),
        Arc::new(Source(&CPP)),
        Arc::new(Source(&JAVASCRIPT)),
        Arc::new(Source(&TYPESCRIPT)),
        Arc::new(Source(&TSX)),
        Arc::new(Source(&RUST)),
    ];
    all.extend(lock_scanners());
    all
}

/// A language: its files, its grammar, its libraries.
struct Language {
    name: &'static str,
    triggers: &'static [Trigger],
    grammar: fn() -> tree_sitter::Language,
    table: LazyLock<Table>,
    markers: LazyLock<Markers>,
    /// Which kinds of the grammar are of interest.
    kinds: LazyLock<Vec<bool>>,
}

macro_rules! language {
    ($room:ident, $name:literal, [$($extension:literal),+], $grammar:expr, $libraries:expr) => {
        static $room: Language = Language {
            name: $name,
            triggers: &[$(Trigger::Extension($extension)),+],
            grammar: || $grammar.into(),
            table: LazyLock::new(|| Table::new($libraries)),
            markers: LazyLock::new(|| Markers::new($libraries)),
            kinds: LazyLock::new(|| tree::kinds_of_interest(&$grammar.into())),
        };
    };
}

language!(
    JAVA,
    "java",
    ["java"],
    tree_sitter_java::LANGUAGE,
    libraries::JAVA
);
language!(
    PYTHON,
    "python",
    ["py", "pyi", "pyw"],
    tree_sitter_python::LANGUAGE,
    libraries::PYTHON
);
language!(GO, "go", ["go"], tree_sitter_go::LANGUAGE, libraries::GO);
language!(C, "c", ["c"], tree_sitter_c::LANGUAGE, libraries::C);
// A header may be either language's; the grammar of C++ reads both.
language!(
    CPP,
    "cpp",
    ["cc", "cpp", "cxx", "c++", "h", "hh", "hpp", "hxx", "inl", "ipp"],
    tree_sitter_cpp::LANGUAGE,
    libraries::C
);
language!(
    JAVASCRIPT,
    "javascript",
    ["js", "cjs", "mjs", "jsx"],
    tree_sitter_javascript::LANGUAGE,
    libraries::JAVASCRIPT
);
language!(
    TYPESCRIPT,
    "typescript",
    ["ts", "mts", "cts"],
    tree_sitter_typescript::LANGUAGE_TYPESCRIPT,
    libraries::JAVASCRIPT
);
language!(
    TSX,
    "tsx",
    ["tsx"],
    tree_sitter_typescript::LANGUAGE_TSX,
    libraries::JAVASCRIPT
);
language!(RUST, "rust", ["rs"], tree_sitter_rust::LANGUAGE, libraries::RUST);

impl std::fmt::Debug for Language {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// The scanner of one language.
#[derive(Debug)]
struct Source(&'static Language);

impl Scanner for Source {
    fn name(&self) -> &'static str {
        self.0.name
    }

    fn version(&self) -> u32 {
        4
    }

    fn triggers(&self) -> &[Trigger] {
        self.0.triggers
    }

    fn scan(&self, piece: &Piece<'_>, found: &mut Fragment) {
        let Piece::File(file) = piece else { return };
        if !self.0.markers.are_in(file.bytes) {
            return;
        }
        if file.bytes.len() > MAX_SOURCE {
            let limit = MAX_SOURCE >> 20;
            found.unread(
                Reason::TooLarge,
                None,
                format!("source files over {limit} MiB are not parsed"),
            );
            return;
        }
        let Some(tree) = parse(self.0, file) else {
            found.unread(
                Reason::TimedOut,
                None,
                format!("parsing it as {} took too long", self.0.name),
            );
            return;
        };
        if tree.root_node().is_error() {
            found.unread(Reason::Malformed, None, format!("it is not {}", self.0.name));
        }
        let index = Index::new(&tree, &self.0.kinds, file.bytes);
        if index.cut {
            found.unread(
                Reason::TooLarge,
                None,
                "it has too many parts; only the first were looked at",
            );
        }
        let reader = Reader {
            index: &index,
            table: &self.0.table,
        };
        Telling {
            reader,
            language: self.0.name,
            told: BTreeSet::new(),
            found,
        }
        .tell(file);
    }
}

thread_local! {
    /// A parser of each language for each thread: what one has allocated serves the next file.
    static PARSERS: RefCell<BTreeMap<&'static str, Parser>> = const { RefCell::new(BTreeMap::new()) };
}

/// The syntax tree, unless the time is up.
fn parse(language: &Language, file: &File<'_>) -> Option<Tree> {
    let kept = PARSERS.with_borrow_mut(|parsers| parsers.remove(language.name));
    let mut parser = match kept {
        Some(parser) => parser,
        None => {
            let mut parser = Parser::new();
            parser.set_language(&(language.grammar)()).ok()?;
            parser
        }
    };
    let tree = parse_with(&mut parser, file);
    // One that was stopped half-way would go on where it was.
    parser.reset();
    PARSERS.with_borrow_mut(|parsers| parsers.insert(language.name, parser));
    tree
}

fn parse_with(parser: &mut Parser, file: &File<'_>) -> Option<Tree> {
    let bytes = file.bytes;
    let budget = file.budget;
    let mut read = |at: usize, _| bytes.get(at..).unwrap_or_default();
    let mut ask = |_: &ParseState| {
        if budget.is_spent() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    parser.parse_with_options(
        &mut read,
        None,
        Some(ParseOptions::new().progress_callback(&mut ask)),
    )
}

/// Turns an index into findings.
struct Telling<'f, 'i, 't, 's> {
    reader: Reader<'i, 't, 's>,
    language: &'static str,
    /// What was told, by line.
    told: BTreeSet<(usize, String)>,
    found: &'f mut Fragment,
}

impl<'t> Telling<'_, '_, 't, '_> {
    fn tell(mut self, file: &File<'_>) {
        let index = self.reader.index;
        for call in &index.calls {
            // One alone may take long.
            if file.budget.is_spent() {
                self.found.unread(
                    Reason::TimedOut,
                    None,
                    "not all of its calls were looked at in time",
                );
                return;
            }
            let path = self.reader.function_of(*call, 0);
            if let Some(path) = path.and_then(|path| self.reader.known_path(path)) {
                self.used(*call, &path, true);
            }
        }
        // Settings of an object: who makes it is not asked, so their values have to say what they are.
        for (field, value) in &index.settings {
            let path = [SETTING, field].concat();
            if self.reader.lookup(&path).is_some() {
                self.used(*value, &path, true);
            }
        }
        // Macros are not parsed; what they call is used wherever they are.
        for body in &index.macros {
            for name in macros::called_names(tree::text(*body, index.source)) {
                if let Some(path) = self.reader.known_path(name) {
                    self.used(*body, &path, false);
                }
            }
        }
        for (at, name) in index.names.iter().enumerate() {
            if at % 1024 == 0 && file.budget.is_spent() {
                self.found.unread(
                    Reason::TimedOut,
                    None,
                    "not all of its names were looked at in time",
                );
                return;
            }
            // A plain name counts when it was imported: a function handed on, a constant of a library.
            let text = tree::text(*name, index.source);
            let first = text.split(['.', ':']).next().unwrap_or_default();
            if index.imports.get(first).is_none() && !text.contains(':') {
                continue;
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
        let mut names = if called {
            self.reader.names(Use { node, hit }, 0)
        } else {
            self.reader.names_of_path(hit, 0)
        };
        let said = self.reader.said_at(node);
        let line = said.start_position().row + 1;
        if names.is_empty() {
            if called && hit.row.1.ends_with(TELL) {
                let what = format!("the algorithm of {path} is not said in this file");
                self.found.unread(Reason::Unsupported, Some(line as u64), what);
            }
            return;
        }
        let here = self
            .found
            .here()
            .line(line as u64)
            .offset(said.start_position().column as u64)
            .symbol(path.trim_start_matches(SETTING));
        if let Some(offered) = protocols::offered(&mut names)
            && self.told.insert((line, "cipher suites".to_owned()))
        {
            let id = self.found.protocol(offered, here.clone());
            self.noted(&id, hit.library);
        }
        for name in names {
            if self.told.insert((line, name.clone())) {
                self.one(&name, hit.row.2, hit.library, here.clone());
            }
        }
        // A hash that has a line of its own is named there too.
        for (name, at) in self.reader.hashes_said_in(node) {
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

#[cfg(test)]
mod bait_tests;
#[cfg(test)]
mod flow_tests;
#[cfg(test)]
mod protocol_tests;
#[cfg(test)]
mod tests;
