//! What httpd puts into its configuration before it reads it: `Define`, and the macros of mod_macro.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::config::report::shortened;
use crate::config::text::{self, Line};
use crate::inventory::{Fragment, Reason};
use crate::scan::Budget;

/// The most variables and macros of one file.
const MAX_NAMES: usize = 4096;
/// The longest line that comes of putting values in.
const MAX_LINE: usize = 1 << 16;
/// The most lines and bytes that macros may come to, in one file.
const MAX_LINES: usize = 200_000;
const MAX_BYTES: usize = 32 << 20;
/// How deep macros may use each other.
const MAX_DEPTH: usize = 16;

/// Lines of a configuration.
pub(super) type Lines<'a> = Vec<Line<'a>>;

/// A macro's parameters, and its lines as they stand.
struct Macro<'a> {
    name: String,
    /// Each with its position; of two that begin alike the longer one comes first, which is the one that is meant.
    parameters: Vec<(usize, String)>,
    lines: Vec<Line<'a>>,
    used: bool,
}

struct Reading<'a> {
    budget: Budget,
    defined: BTreeMap<String, String>,
    macros: BTreeMap<String, Macro<'a>>,
    out: Vec<Line<'a>>,
    bytes: usize,
    full: bool,
}

/// The lines with values in the places of variables and macros that the file itself defines; and the macros that it
/// does not use, which others may, as they stand.
pub(super) fn filled<'a>(
    text: &'a str,
    budget: Budget,
    found: &mut Fragment,
) -> (Lines<'a>, Vec<(String, Lines<'a>)>) {
    let lines = text::joined(text);
    if !speaks_of_them(text) {
        return (lines, Vec::new());
    }
    let mut reading = Reading {
        budget,
        defined: BTreeMap::new(),
        macros: BTreeMap::new(),
        out: Vec::new(),
        bytes: 0,
        full: false,
    };
    reading.read(lines, 0, found);
    let unused = reading.macros.into_values().filter(|one| !one.used);
    (reading.out, unused.map(|one| (one.name, one.lines)).collect())
}

/// Whether there is anything to put in, which most files have not.
fn speaks_of_them(text: &str) -> bool {
    let begins = |line: &str, word: &str| {
        line.get(..word.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(word))
    };
    text.lines().map(str::trim_start).any(|line| {
        ["define", "undefine", "<macro", "use"]
            .iter()
            .any(|word| begins(line, word))
    })
}

impl<'a> Reading<'a> {
    fn read(&mut self, lines: Vec<Line<'a>>, depth: usize, found: &mut Fragment) {
        let mut lines = lines.into_iter();
        while let Some(line) = lines.next() {
            if self.full {
                return;
            }
            let plain = line.text.trim_start();
            if plain.is_empty() || plain.starts_with('#') {
                continue;
            }
            let directive = plain
                .split_whitespace()
                .next()
                .unwrap_or_default()
                .to_ascii_lowercase();
            if directive == "<macro" {
                self.keep(&line, &mut lines, found);
                continue;
            }
            let line = self.resolved(line);
            let words = || text::words(line.text.trim()).unwrap_or_default();
            match directive.as_str() {
                "define" => {
                    let words = words();
                    if let Some(name) = words.get(1).filter(|_| self.defined.len() < MAX_NAMES) {
                        let value = words.get(2).cloned().unwrap_or_default();
                        self.defined.insert(name.clone(), value);
                    }
                }
                "undefine" => {
                    if let Some(name) = words().get(1) {
                        self.defined.remove(name);
                    }
                }
                "use" => self.put_in(&words(), &line, depth, found),
                _ => self.push(line, found),
            }
        }
    }

    /// A macro's lines, up to its end.
    fn keep(&mut self, first: &Line<'a>, lines: &mut impl Iterator<Item = Line<'a>>, found: &mut Fragment) {
        let words = text::words(first.text.trim().trim_end_matches('>')).unwrap_or_default();
        let mut inside = Vec::new();
        let mut open = 1_usize;
        for line in lines {
            let plain = line.text.trim_start().to_ascii_lowercase();
            if plain.starts_with("<macro") {
                open += 1;
            } else if plain.starts_with("</macro") {
                open -= 1;
                if open == 0 {
                    break;
                }
            }
            inside.push(line);
        }
        if open > 0 {
            found.unread(Reason::Malformed, Some(first.number), "a macro without its end");
        }
        let Some(name) = words.get(1).filter(|_| self.macros.len() < MAX_NAMES) else {
            return;
        };
        let mut parameters: Vec<(usize, String)> =
            words.iter().skip(2).take(64).cloned().enumerate().collect();
        parameters.sort_by_key(|(_, name)| std::cmp::Reverse(name.len()));
        self.macros.insert(
            name.to_ascii_lowercase(),
            Macro {
                name: name.clone(),
                parameters,
                lines: inside,
                used: false,
            },
        );
    }

    fn put_in(&mut self, words: &[String], line: &Line<'a>, depth: usize, found: &mut Fragment) {
        let Some(name) = words.get(1) else { return };
        let Some(one) = self.macros.get_mut(&name.to_ascii_lowercase()) else {
            let what = format!("the macro {}, which is not in this file", shortened(name.clone()));
            return found.unread(Reason::Unsupported, Some(line.number), what);
        };
        one.used = true;
        if depth >= MAX_DEPTH {
            let what = "macros that use each other deeper than is read";
            return found.unread(Reason::TooLarge, Some(line.number), what);
        }
        let values = words.get(2..).unwrap_or_default();
        let lines: Vec<Line<'a>> = one
            .lines
            .iter()
            .map(|line| Line {
                number: line.number,
                text: match one.parameters.is_empty() {
                    true => line.text.clone(),
                    false => Cow::Owned(replaced(&line.text, &one.parameters, values)),
                },
            })
            .collect();
        self.bytes += lines.iter().map(|line| line.text.len()).sum::<usize>();
        if self.bytes > MAX_BYTES || self.budget.is_spent() {
            return self.stop(line.number, found);
        }
        self.read(lines, depth + 1, found);
    }

    fn push(&mut self, line: Line<'a>, found: &mut Fragment) {
        if self.out.len() >= MAX_LINES {
            return self.stop(line.number, found);
        }
        self.out.push(line);
    }

    fn stop(&mut self, line: u64, found: &mut Fragment) {
        self.full = true;
        found.unread(
            Reason::TooLarge,
            Some(line),
            "what its macros come to from here on",
        );
    }

    /// The line with the values of the variables that are defined by now; others stay as they are.
    fn resolved(&self, line: Line<'a>) -> Line<'a> {
        if self.defined.is_empty() || !line.text.contains("${") {
            return line;
        }
        let mut out = String::with_capacity(line.text.len());
        let mut rest: &str = &line.text;
        while let Some((before, after)) = rest.split_once("${") {
            out.push_str(before);
            let known = after
                .split_once('}')
                .and_then(|(name, after)| Some((self.defined.get(name)?, after)))
                .filter(|(value, _)| out.len() + value.len() <= MAX_LINE);
            match known {
                Some((value, after)) => {
                    out.push_str(value);
                    rest = after;
                }
                None => {
                    out.push_str("${");
                    rest = after;
                }
            }
        }
        out.push_str(rest);
        Line {
            number: line.number,
            text: Cow::Owned(out),
        }
    }
}

/// The text with values in the places of parameters.
fn replaced(text: &str, parameters: &[(usize, String)], values: &[String]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let parameter = parameters.iter().find_map(|(at, name)| {
            let after = rest.strip_prefix(name.as_str()).filter(|_| !name.is_empty())?;
            Some((values.get(*at)?, after))
        });
        match parameter.filter(|_| out.len() < MAX_LINE) {
            Some((value, after)) => {
                out.push_str(value);
                rest = after;
            }
            None => {
                out.push(letter);
                rest = rest.get(letter.len_utf8()..).unwrap_or_default();
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn lines(text: &str) -> (Vec<(u64, String)>, Vec<String>, Fragment) {
        let mut found = Fragment::at("x");
        let budget = Budget::starting_now(Duration::from_secs(10));
        let (lines, unused) = filled(text, budget, &mut found);
        let lines = lines.iter().map(|line| (line.number, line.text.to_string()));
        let unused = unused.into_iter().map(|(name, _)| name);
        (lines.collect(), unused.collect(), found)
    }

    #[test]
    fn values_are_those_of_their_place() {
        let text =
            "Define A one\nX ${A} ${B} ${A\nDefine A two\nDefine B ${A}-${A}\nX ${B}\nUnDefine A\nX ${A}\n";
        let (lines, _, found) = lines(text);
        let shown: Vec<(u64, &str)> = lines.iter().map(|(at, text)| (*at, text.as_str())).collect();
        assert_eq!(shown, [(2, "X one ${B} ${A"), (5, "X two-two"), (7, "X ${A}")]);
        assert!(found.is_empty());
    }

    #[test]
    fn macros_have_parameters_and_use_each_other() {
        let text = "<Macro Inner $n>\nName $n\n</Macro>\n<Macro Outer $name $n>\nUse inner $n.$name\n</Macro>\n\
            <Macro Spare>\nX\n</Macro>\nuse OUTER a \"b c\"\nUse Nobody\n";
        let (lines, unused, found) = lines(text);
        assert_eq!(lines, [(2, "Name b".to_owned())]);
        assert_eq!(unused, ["Spare"]);
        let unread = found.unread_entries().first().unwrap();
        assert_eq!((unread.reason, unread.line), (Reason::Unsupported, Some(11)));
    }

    #[test]
    fn macros_without_end_come_to_one() {
        let (lines, _, found) = lines("<Macro a>\nUse a\nUse a\nX\n</Macro>\nUse a\n<Macro b\nX\n");
        assert!(lines.len() <= MAX_LINES);
        let reasons: Vec<Reason> = found
            .unread_entries()
            .iter()
            .map(|unread| unread.reason)
            .collect();
        assert!(reasons.contains(&Reason::TooLarge) && reasons.contains(&Reason::Malformed));
        assert!(reasons.len() < 200_000);
    }
}
