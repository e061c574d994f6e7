//! Tables that fit 100 columns, and JSON.

use std::io::Write as _;

use anyhow::Result;
use clap::ValueEnum;
use comfy_table::{ColumnConstraint, ContentArrangement, Table as Grid, presets};
use serde::Serialize;
use symbolon_pki::text::is_misleading;

use crate::exit::BrokenOutput;

/// Widest line that a table has, in columns.
const WIDTH: u16 = 100;

/// How a command answers.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(crate) enum Format {
    /// A table for people.
    #[default]
    Table,
    /// JSON for scripts; its members are stable.
    Json,
}

/// Something that can be shown either way.
pub(crate) trait Show: Serialize {
    /// The table, or whatever else a person reads.
    fn text(&self) -> String;
}

impl Format {
    /// Prints `value`.
    ///
    /// # Errors
    /// If standard output is gone.
    pub(crate) fn print(self, value: &impl Show) -> Result<()> {
        match self {
            Self::Table => print(&printable(&value.text())),
            Self::Json => print(&escaped(&serde_json::to_string_pretty(value)?)),
        }
    }

    /// Prints `value` as one of a sequence: JSON stands on one line each.
    ///
    /// # Errors
    /// As [`print`](Self::print).
    pub(crate) fn print_next(self, value: &impl Show) -> Result<()> {
        match self {
            Self::Table => print(&printable(&value.text())),
            Self::Json => print(&escaped(&serde_json::to_string(value)?)),
        }
    }
}

/// Words that may have come from elsewhere, without what would move a terminal's cursor, change its colours, or make them
/// look like other words.
pub(crate) fn printable(words: &str) -> String {
    let shown = |c| match c {
        '\n' | '\t' => c,
        c if is_misleading(c) => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    words.chars().map(shown).collect()
}

/// JSON that a terminal may be shown: the same document, with what [`printable`] takes away written as `\u` and four
/// digits (RFC 8259, section 7). Outside of strings JSON has no such characters, and of those below U+0020 strings have
/// none left.
pub(crate) fn escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if c >= '\u{7f}' && is_misleading(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// Prints text and a newline.
///
/// # Errors
/// If standard output is gone.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = anstream::stdout().lock();
    writeln!(out, "{}", text.trim_end())
        .and_then(|()| out.flush())
        .map_err(|error| BrokenOutput(error).into())
}

/// A table with a head line, columns as narrow as they can be and two spaces between them. Only the last column is broken
/// into lines where a row would be too wide; what stands in the others can be copied whole.
pub(crate) fn table<const N: usize>(head: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut grid = Grid::new();
    grid.load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(WIDTH)
        .set_header(head.map(str::to_uppercase));
    for row in rows {
        grid.add_row(row);
    }
    for (index, column) in grid.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if index + 1 < N {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    trim_lines(&grid.to_string())
}

/// Pairs of a name and a value, aligned.
pub(crate) fn facts(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    rows.iter()
        .map(|(name, value)| format!("{name:width$}  {value}\n"))
        .collect()
}

fn trim_lines(text: &str) -> String {
    text.lines()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect()
}

/// An algorithm, with the one that stands beside it if there is one.
pub(crate) fn with_alternative(algorithm: String, alternative: Option<&str>) -> String {
    match alternative {
        Some(alternative) => format!("{algorithm} + {alternative}"),
        None => algorithm,
    }
}

/// A size in bytes, as a person reads it.
pub(crate) fn bytes(count: usize) -> String {
    format!("{count} B")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_fit_a_hundred_columns_and_end_without_blanks() {
        let long = "spiffe://example.org/a/very/long/path/that/goes/on/and/on/and/on/until/it/is/too/long"
            .to_owned();
        let text = table(
            ["id", "form"],
            [
                [long.clone(), "classical".to_owned()],
                [long, "composite".to_owned()],
            ],
        );
        assert!(text.starts_with("ID"), "{text}");
        for line in text.lines() {
            assert!(line.chars().count() <= usize::from(WIDTH), "{line}");
            assert_eq!(line, line.trim_end());
        }
    }

    #[test]
    fn what_stands_before_the_last_column_is_never_broken() {
        let serial = "2cd378e31ab35bfd39bb2fc5805aa178".to_owned();
        for identity in ["spiffe://example.org/uid/0".to_owned(), "x/".repeat(300)] {
            let row = [
                serial.clone(),
                "workload".to_owned(),
                "composite".to_owned(),
                "2026-11-22T06:15:45Z".to_owned(),
                identity.clone(),
            ];
            let text = table(["serial", "profile", "form", "expires", "identity"], [row]);
            assert!(text.contains(&serial), "{text}");
            let whole: String = text.split_whitespace().collect();
            assert!(identity.len() > 100 || whole.contains(&identity), "{text}");
        }
    }

    #[test]
    fn what_misleads_is_marked_in_text_and_escaped_in_json() {
        // ESC; CSI of C1; DEL; a right-to-left override; an isolate; a zero-width space.
        let hostile = "a\x1b[2K\u{9b}2K\u{7f}\u{202e}b\u{2066}\u{200b}\n\té 界";
        assert_eq!(
            printable(hostile),
            "a\u{fffd}[2K\u{fffd}2K\u{fffd}\u{fffd}b\u{fffd}\u{fffd}\n\té 界"
        );
        for json in [
            serde_json::to_string(&[hostile]).unwrap(),
            serde_json::to_string_pretty(&[(hostile, 1)]).unwrap(),
        ] {
            let shown = escaped(&json);
            assert!(shown.chars().all(|c| c == '\n' || !is_misleading(c)), "{shown:?}");
            // Nothing is lost: it reads the same.
            let same: serde_json::Value = serde_json::from_str(&shown).unwrap();
            assert_eq!(same, serde_json::from_str::<serde_json::Value>(&json).unwrap());
        }
        assert_eq!(escaped("\"\u{9b}\u{202e}é\""), "\"\\u009b\\u202eé\"");
    }

    #[test]
    fn facts_are_aligned() {
        assert_eq!(
            facts(&[("a", "1".to_owned()), ("long", "2".to_owned())]),
            "a     1\nlong  2\n"
        );
    }
}
