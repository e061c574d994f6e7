//! Tables of libraries: which call means which algorithm.

use std::collections::HashMap;

use crate::algorithm::Function;

/// What the path of a value that a field gets begins with.
pub(super) const SETTING: &str = "=";

/// What a path begins with that is a method's, whatever its object is.
pub(super) const ANY_OBJECT: &str = "*.";

/// One call: its path, what it means (a [template](super::template)), and what it is for.
///
/// A path is dotted (`javax.crypto.Cipher.getInstance`, `hashlib.sha256`, `crypto/aes.NewCipher`); `.new` is a
/// constructor of Java and JavaScript, `()` the result of a call, `*` any part without a dot (`{*}` in the
/// template), `*.` at the beginning any object, a dot at the end any function of the type before it, and `=` at the
/// beginning a value that a field of this name gets, whatever the object. A template that begins with `~` is for use
/// inside of others, and no finding by itself.
pub(super) type Row = (&'static str, &'static str, &'static [Function]);

/// One library.
#[derive(Debug)]
pub(super) struct Library {
    /// What people call it.
    pub(super) name: &'static str,
    /// What a file must contain, any one of these, for the table to be looked at: imports, headers.
    pub(super) markers: &'static [&'static str],
    /// Its calls.
    pub(super) rows: &'static [Row],
}

/// The rows of all libraries of a language, arranged to be looked up.
#[derive(Debug)]
pub(super) struct Table {
    exact: HashMap<&'static str, (&'static Row, &'static Library)>,
    patterns: Vec<Pattern>,
}

#[derive(Debug)]
struct Pattern {
    before: &'static str,
    after: Option<&'static str>,
    any_function: bool,
    row: &'static Row,
    library: &'static Library,
}

/// A row that a path leads to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hit<'p> {
    pub(super) row: &'static Row,
    pub(super) library: &'static Library,
    /// What `*` stands for.
    pub(super) capture: &'p str,
}

impl Table {
    pub(super) fn new(libraries: &[&'static Library]) -> Self {
        let mut table = Self {
            exact: HashMap::new(),
            patterns: Vec::new(),
        };
        for library in libraries {
            for row in library.rows {
                let any_function = row.0.ends_with('.');
                match row.0.split_once('*') {
                    None if !any_function => {
                        table.exact.insert(row.0, (row, library));
                    }
                    parts => table.patterns.push(Pattern {
                        before: parts.map_or(row.0, |(before, _)| before),
                        after: parts.map(|(_, after)| after),
                        any_function,
                        row,
                        library,
                    }),
                }
            }
        }
        table
    }

    /// The row of a path: an exact one before a pattern, an earlier pattern before a later one.
    pub(super) fn find<'p>(&self, path: &'p str) -> Option<Hit<'p>> {
        if let Some((row, library)) = self.exact.get(path) {
            return Some(Hit {
                row,
                library,
                capture: "",
            });
        }
        self.patterns.iter().find_map(|pattern| {
            let capture = pattern.matches(path)?;
            Some(Hit {
                row: pattern.row,
                library: pattern.library,
                capture,
            })
        })
    }
}

impl Pattern {
    fn matches<'p>(&self, path: &'p str) -> Option<&'p str> {
        let rest = path.strip_prefix(self.before)?;
        let Some(after) = self.after else {
            return plain(rest).then_some("");
        };
        if self.any_function {
            // `*.` at the end: the type is captured, its function is whatever it is.
            let (capture, function) = rest.split_once('.')?;
            let captured = capture.strip_suffix(after.strip_suffix('.')?)?;
            return (plain(captured) && plain(function)).then_some(captured);
        }
        let capture = rest.strip_suffix(after)?;
        if self.row.0.starts_with(ANY_OBJECT) {
            return (!capture.is_empty()).then_some(capture);
        }
        // Giving back what an algorithm needed is no use of it.
        (plain(capture) && capture != "free" && !capture.ends_with("_free")).then_some(capture)
    }
}

/// Whether this is one name, not empty.
fn plain(part: &str) -> bool {
    !part.is_empty() && !part.contains(['.', '(', ')'])
}

#[cfg(test)]
mod tests {
    use super::*;

    static SAMPLE: Library = Library {
        name: "sample",
        markers: &["sample"],
        rows: &[
            ("sample.one", "SHA-256", &[]),
            ("sample.*.new", "{*:any}", &[]),
            ("sample.Cipher.", "AES", &[]),
            ("crate.*.", "{*:any}", &[]),
            ("EVP_*", "{*:any}", &[]),
            ("*.set_list", "{0:ciphers}", &[]),
        ],
    };

    #[test]
    fn paths_lead_to_rows() {
        let table = Table::new(&[&SAMPLE]);
        let hit = |path: &'static str| table.find(path).map(|hit| (hit.row.0, hit.capture));
        assert_eq!(hit("sample.one"), Some(("sample.one", "")));
        assert_eq!(hit("sample.Md5.new"), Some(("sample.*.new", "Md5")));
        assert_eq!(hit("sample.Cipher.seal"), Some(("sample.Cipher.", "")));
        assert_eq!(hit("crate.Sha256.digest"), Some(("crate.*.", "Sha256")));
        assert_eq!(hit("EVP_sha256"), Some(("EVP_*", "sha256")));
        assert_eq!(hit("it.set_list"), Some(("*.set_list", "it")));
        let made = hit("lib.Maker.new().build().unwrap().set_list");
        assert_eq!(made, Some(("*.set_list", "lib.Maker.new().build().unwrap()")));
        for no in [
            "sample.two",
            "sample.a.b.new",
            "crate.Sha256.new().update",
            "EVP_",
            "sample.one()",
            "set_list",
            ".set_list",
            "it.reset_list",
            "it.set_list()",
        ] {
            assert_eq!(hit(no), None, "{no}");
        }
    }
}
