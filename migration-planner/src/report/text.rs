//! Names out of an estate, made harmless: they may be written by somebody who wants the report to say something
//! else.

use std::fmt::{self, Display, Write as _};

/// Text that may be anything, for HTML: as content and, in double quotes, as an attribute's value.
pub(super) struct Html<T>(pub(super) T);

impl<T: AsRef<str>> Display for Html<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (text, rest) = clipped(self.0.as_ref());
        for character in text.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                other => visible(other, f)?,
            }
        }
        and_more(rest, f)
    }
}

/// The longest text that a page or a Markdown file shows, in characters: a name that is longer is one that somebody
/// made so. The JSON form has all of it.
const LONGEST: usize = 1_500;

/// The beginning of a text, and the rest that is not shown.
fn clipped(text: &str) -> (&str, &str) {
    let end = text.char_indices().nth(LONGEST).map_or(text.len(), |(at, _)| at);
    text.split_at_checked(end).unwrap_or((text, ""))
}

fn and_more(rest: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match rest.chars().count() {
        0 => Ok(()),
        more => write!(f, "… ({} more characters)", thousands(more as u64)),
    }
}

/// Text that may be anything, for Markdown, within a line or a cell of a table.
pub(super) struct Md<T>(pub(super) T);

impl<T: AsRef<str>> Display for Md<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (text, cut) = clipped(self.0.as_ref());
        let mut before = ' ';
        for (at, character) in text.char_indices() {
            let rest = text.get(at..).unwrap_or_default();
            let links = rest.starts_with("://") || (character == '.' && before.eq_ignore_ascii_case(&'w'));
            let starts = at == 0 && matches!(character, '-' | '+' | '=' | '#' | '>' | '0'..='9');
            match character {
                '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '~' | '&' | '$' | '#' => {
                    write!(f, "\\{character}")?;
                }
                '-' | '+' | '=' if starts => write!(f, "\\{character}")?,
                ':' | '.' if links => write!(f, "\\{character}")?,
                other => visible(other, f)?,
            }
            before = character;
        }
        and_more(cut, f)
    }
}

/// A character that would not be seen, or would change how its neighbours are seen, is written as what it is.
fn visible(character: char, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let hidden = character.is_control()
        || matches!(
            character,
            '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{3164}' | '\u{ffa0}' | '\u{2800}'
                | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' | '\u{1d173}'..='\u{1d17a}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}' | '\u{61c}' | '\u{ad}'
        );
    if hidden {
        return write!(f, "\\u{{{:x}}}", u32::from(character));
    }
    f.write_char(character)
}

/// A number with its thousands apart.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Whole per cent, rounded down, so that not quite everything is never everything.
pub(super) fn percent(part: u64, of: u64) -> String {
    if of == 0 {
        return "–".to_owned();
    }
    format!("{} %", u128::from(part) * 100 / u128::from(of))
}

/// A number with its noun.
pub(super) fn count(number: usize, one: &str, many: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        _ => format!("{} {many}", thousands(number as u64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_has_no_way_out() {
        assert_eq!(
            Html("<b onclick='x()'>&\"").to_string(),
            "&lt;b onclick=&#39;x()&#39;&gt;&amp;&quot;"
        );
        assert_eq!(Html("a\u{202e}b\u{7}c\n").to_string(), "a\\u{202e}b\\u{7}c\\u{a}");
        assert_eq!(Html("naïve 日本").to_string(), "naïve 日本");
    }

    #[test]
    fn what_is_too_long_is_cut_and_says_so() {
        let long = "ä".repeat(1_000_000);
        for shown in [Html(&long).to_string(), Md(&long).to_string()] {
            assert!(shown.len() < 4_000, "{} bytes", shown.len());
            assert!(shown.ends_with("ä… (998,500 more characters)"));
        }
        assert_eq!(
            Html("\u{3164}\u{fe0f}\u{2800}").to_string(),
            "\\u{3164}\\u{fe0f}\\u{2800}"
        );
    }

    #[test]
    fn markdown_has_no_way_out() {
        assert_eq!(Md("a|b\n# c").to_string(), "a\\|b\\u{a}\\# c");
        assert_eq!(Md("[x](https://e.org)").to_string(), "\\[x\\](https\\://e.org)");
        assert_eq!(Md("<img src=x>").to_string(), "\\<img src=x\\>");
        assert_eq!(Md("- item").to_string(), "\\- item");
        assert_eq!(Md("www.example.org").to_string(), "www\\.example.org");
        assert_eq!(Md("RSA-PKCS1-1.5").to_string(), "RSA-PKCS1-1.5");
    }

    #[test]
    fn figures_are_readable_and_never_flatter() {
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!((thousands(0), thousands(999)), ("0".to_owned(), "999".to_owned()));
        assert_eq!(percent(999, 1000), "99 %");
        assert_eq!(percent(0, 0), "–");
    }
}
