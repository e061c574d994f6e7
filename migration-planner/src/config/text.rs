//! The text of a configuration: its lines, continued ones joined, and the words of a line.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::inventory::{Fragment, Reason};
use crate::scan::File;

/// The largest configuration that is read: generated maps and lists come to a few megabytes.
pub(super) const MAX_TEXT: usize = 8 << 20;
/// The most lines of one file that are asked about.
const MAX_LINES: usize = 200_000;

/// The file as text, without its byte order mark. `None`, and noted, when it is none.
pub(super) fn of<'a>(file: &File<'a>, found: &mut Fragment) -> Option<Cow<'a, str>> {
    let bytes = file.bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file.bytes);
    if bytes.len() > MAX_TEXT {
        let limit = MAX_TEXT >> 20;
        found.unread(
            Reason::TooLarge,
            None,
            format!("configurations over {limit} MiB are not read"),
        );
        return None;
    }
    if memchr::memchr(0, bytes).is_some() {
        found.unread(
            Reason::Malformed,
            None,
            "it has the name of a configuration and is no text",
        );
        return None;
    }
    Some(String::from_utf8_lossy(bytes))
}

/// The same for what is read line by line; that there are more lines than are read is noted.
pub(super) fn in_lines<'a>(file: &File<'a>, found: &mut Fragment) -> Option<Cow<'a, str>> {
    let text = of(file, found)?;
    let mut ends = memchr::memchr_iter(b'\n', text.as_bytes());
    if ends.nth(MAX_LINES - 1).is_some_and(|end| end + 1 < text.len()) {
        let line = MAX_LINES as u64 + 1;
        found.unread(Reason::TooLarge, Some(line), "the lines from here on");
    }
    Some(text)
}

/// A line, or several that continue each other, and the number of the first.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Line<'a> {
    pub(super) number: u64,
    pub(super) text: Cow<'a, str>,
}

/// The lines as they are, without their ends.
pub(super) fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    (1..)
        .zip(text.split('\n'))
        .take(MAX_LINES)
        .map(|(number, line)| Line {
            number,
            text: Cow::Borrowed(line.strip_suffix('\r').unwrap_or(line)),
        })
}

/// The lines, with each that ends in a backslash joined to the next as it stands.
pub(super) fn joined(text: &str) -> Vec<Line<'_>> {
    join(text, |part| part)
}

/// The same, where the blanks at the beginning of what follows do not count, as in property files.
pub(super) fn joined_closely(text: &str) -> Vec<Line<'_>> {
    join(text, str::trim_start)
}

fn join<'a>(text: &'a str, follows: fn(&str) -> &str) -> Vec<Line<'a>> {
    let mut all: Vec<Line<'_>> = Vec::new();
    let mut open = false;
    for line in lines(text) {
        let continues = ends_open(&line.text);
        let end = line.text.len() - usize::from(continues);
        let part = line.text.get(..end).unwrap_or_default().to_owned();
        match all.last_mut().filter(|_| open) {
            Some(last) => last.text.to_mut().push_str(follows(&part)),
            None if continues => all.push(Line {
                number: line.number,
                text: Cow::Owned(part),
            }),
            None => all.push(line),
        }
        open = continues;
    }
    all
}

/// An odd number of backslashes at the end: the last one is not itself escaped.
fn ends_open(line: &str) -> bool {
    line.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

/// The words of a line: blanks part them, quotes of either kind hold them together, a backslash takes the meaning of
/// a quote, a blank or a backslash away. `None` when a quote is never closed.
pub(super) fn words(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut rest = line.chars().peekable();
    while let Some(letter) = rest.next() {
        match letter {
            '\\' if rest
                .peek()
                .is_some_and(|next| matches!(next, '"' | '\'' | '\\' | ' ' | '#')) =>
            {
                word.get_or_insert_default().extend(rest.next());
            }
            _ if quote == Some(letter) => quote = None,
            '"' | '\'' if quote.is_none() => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            _ if quote.is_none() && letter.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

/// Without the quotes that go around all of it, and without blanks around them.
pub(super) fn unquoted(text: &str) -> &str {
    let text = text.trim();
    ['"', '\'']
        .iter()
        .find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote))
        .unwrap_or(text)
}

/// The text before a comment that begins with this letter, which does not count inside quotes.
pub(super) fn before_comment(line: &str, mark: char) -> &str {
    let mut quote = None;
    let mut before = None;
    for (at, letter) in line.char_indices() {
        match letter {
            _ if quote == Some(letter) && before != Some('\\') => quote = None,
            '"' | '\'' if quote.is_none() && before != Some('\\') => quote = Some(letter),
            _ if letter == mark && quote.is_none() && before != Some('\\') => {
                return line.get(..at).unwrap_or_default();
            }
            _ => {}
        }
        before = Some(letter);
    }
    line
}

/// What a property file says, by name, each with its value and line: what stands last holds.
pub(super) fn properties<'a>(lines: &'a [Line<'_>]) -> BTreeMap<&'a str, (&'a str, u64)> {
    let said = |line: &'a Line<'_>| property(&line.text).map(|(name, value)| (name, (value, line.number)));
    lines.iter().filter_map(said).collect()
}

/// `name = value`, `name: value` or `name value`, as property files have it; the separator's backslash escape is
/// honoured, and escapes in the value are left as they are.
fn property(line: &str) -> Option<(&str, &str)> {
    let line = line.trim_start();
    if line.is_empty() || line.starts_with(['#', '!']) {
        return None;
    }
    let mut escaped = false;
    let end = line.find(|letter: char| {
        let is_end = !escaped && (letter == '=' || letter == ':' || letter.is_whitespace());
        escaped = letter == '\\' && !escaped;
        is_end
    });
    let Some(end) = end else {
        return Some((line, ""));
    };
    let (name, rest) = line.split_at_checked(end)?;
    let rest = rest.trim_start();
    let value = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    Some((name, value.trim()))
}

/// Whether a value is filled in by something else before the program reads it: `${…}`, `{{ … }}`, `%(…)s`, `<%= … %>`.
pub(super) fn is_template(value: &str) -> bool {
    ["${", "{{", "{%", "<%"].iter().any(|mark| value.contains(mark)) || value.starts_with("%(")
}

/// The same of a list of names, in which `$name` and `@NAME@` are no names either.
pub(super) fn has_variables(list: &str) -> bool {
    let variable = |part: &str| {
        let name = part.strip_prefix('$').unwrap_or_default();
        name.starts_with(|first: char| first.is_ascii_alphabetic())
            || (part.len() > 2 && part.starts_with('@') && part.ends_with('@'))
    };
    is_template(list) || list.split([':', ',', ' ', '/']).any(variable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_joined_and_keep_their_first_number() {
        let text = "a\r\nb = 1,\\\r\n   2,\\\n\t3\nc\\\\\nd\\";
        let all = joined_closely(text);
        let shown: Vec<(u64, &str)> = all.iter().map(|line| (line.number, &*line.text)).collect();
        assert_eq!(shown, [(1, "a"), (2, "b = 1,2,3"), (5, "c\\\\"), (6, "d")]);
        assert_eq!(
            joined(text).get(1).map(|line| &*line.text),
            Some("b = 1,   2,\t3")
        );
    }

    #[test]
    fn words_keep_what_quotes_hold_together() {
        assert_eq!(
            words(r#"a "b c"  'd "e"' f\ g "" h"#).unwrap(),
            ["a", "b c", "d \"e\"", "f g", "", "h"]
        );
        assert_eq!(words(r#"a "b"#), None);
        assert_eq!(words("").unwrap(), Vec::<String>::new());
        assert_eq!(before_comment(r##"a "#b" # c"##, '#'), r##"a "#b" "##);
    }

    #[test]
    fn properties_have_three_separators() {
        for line in ["a=b c", "a = b c", "a: b c", "  a b c"] {
            assert_eq!(property(line), Some(("a", "b c")), "{line}");
        }
        assert_eq!(property("# a=b"), None);
        assert_eq!(property("a"), Some(("a", "")));
        assert_eq!(property("a\\=b=c"), Some(("a\\=b", "c")));
        assert_eq!(unquoted(" 'x' "), "x");
    }
}
