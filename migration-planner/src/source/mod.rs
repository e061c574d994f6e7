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
mod known;
mod libraries;
mod lock;
mod macros;
mod markers;
mod protocols;
mod resolve;
mod spelling;
mod table;
mod telling;
mod template;
mod tree;
mod work;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, LazyLock};

use tree_sitter::{ParseOptions, ParseState, Parser, Tree};

use self::index::Index;
use self::markers::Markers;
use self::resolve::Reader;
use self::table::Table;
use self::telling::Telling;
use self::work::Work;
use crate::inventory::{Fragment, Reason};
use crate::scan::{File, Piece, Scanner, Trigger};

pub use self::lock::{Lockfile, lock_scanners};

/// The largest source file that is parsed: a syntax tree is many times as large as its text.
const MAX_SOURCE: usize = 4 << 20;

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
        5
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
        let work = Work::new(&file.budget);
        let reader = Reader {
            index: &index,
            table: &self.0.table,
            work: &work,
        };
        Telling::new(reader, self.0.name, found).tell(file);
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

#[cfg(test)]
mod bait_tests;
#[cfg(test)]
mod flow_tests;
#[cfg(test)]
mod protocol_tests;
#[cfg(test)]
mod tests;
