//! Everything that is wrong with a configuration file, not only the first thing.
//!
//! What cannot be read is taken out of the document, and the rest is read again, until nothing is wrong any more. So a
//! mistake hides no other, except those in the very value that it is in.

use std::ops::Range;
use std::path::Path;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer, Error};

use super::{ConfigError, read};

/// Most mistakes that are looked for: whoever has more has given the wrong file.
const MOST: usize = 100;

/// One thing that is wrong.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mistake {
    /// The key with the sections it is in; `None` where the file is not TOML there.
    pub key: Option<String>,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, and what would be right.
    pub reason: String,
}

/// What a file holds, and what is wrong with it.
#[derive(Debug)]
pub struct Examined<T> {
    /// What can be read, with stand-ins for what is missing and defaults for what is wrong. `None` if that is not enough.
    pub value: Option<T>,
    /// What is wrong, in the order of the file.
    pub mistakes: Vec<Mistake>,
}

impl<T> Examined<T> {
    /// Whether a key was wrong in itself, so that nothing follows from its value.
    pub fn is_unread(&self, key: &str) -> bool {
        let wrong = self.mistakes.iter().filter_map(|mistake| mistake.key.as_deref());
        wrong.into_iter().any(|wrong| {
            let within = |outer: &str, inner: &str| {
                inner
                    .strip_prefix(outer)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            };
            within(wrong, key) || within(key, wrong)
        })
    }
}

/// Reads a whole file. `T` should refuse unknown fields. `stand_ins` is TOML with a value for every key that has no
/// default.
///
/// # Errors
/// [`ConfigError`] where the file cannot be read at all.
pub fn examine<T: DeserializeOwned>(
    path: &Path,
    stand_ins: &'static str,
) -> Result<Examined<T>, ConfigError> {
    Ok(examine_text(&read(path)?, stand_ins))
}

pub(super) fn examine_text<T: DeserializeOwned>(text: &str, stand_ins: &'static str) -> Examined<T> {
    let line_of = |span: Option<Range<usize>>| {
        let before = span.and_then(|span| text.get(..span.start)).unwrap_or_default();
        before.matches('\n').count() + 1
    };
    let (mut document, unreadable) = DeTable::parse_recoverable(text);
    let mut mistakes: Vec<Mistake> = unreadable
        .iter()
        .map(|error| Mistake {
            key: None,
            line: line_of(error.span()),
            reason: one_line(error.message()),
        })
        .collect();
    let mut value = None;
    while mistakes.len() < MOST {
        let error = match T::deserialize(Deserializer::from(document.clone())) {
            Ok(read) => {
                value = Some(read);
                break;
            }
            Err(error) => error,
        };
        let missing = missing_field(error.message());
        let place = place_of(document.get_ref(), &error, missing.is_some());
        let key = missing
            .iter()
            .fold(place.join("."), |key, field| match key.is_empty() {
                true => (*field).to_owned(),
                false => format!("{key}.{field}"),
            });
        let mistake = Mistake {
            key: Some(key).filter(|key| !key.is_empty()),
            line: line_of(error.span()),
            reason: match missing {
                Some(_) => "is missing, and there is no default".to_owned(),
                None => one_line(error.message()),
            },
        };
        // What was mended is not wrong again; if it is, there is nothing more to be found out.
        if mistakes.contains(&mistake) {
            break;
        }
        // A field that was wrong and is taken out is missing now, which is nothing new.
        let is_known = missing.is_some() && mistakes.iter().any(|known| known.key == mistake.key);
        if !is_known {
            mistakes.push(mistake);
        }
        let is_mended = match missing {
            Some(field) => {
                stand_in(&mut document, &place, field, stand_ins) || take_out(document.get_mut(), &place)
            }
            None => take_out(document.get_mut(), &place),
        };
        if !is_mended {
            break;
        }
    }
    mistakes.sort_by_key(|mistake| mistake.line);
    Examined { value, mistakes }
}

fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The field that an error misses, as serde says it.
fn missing_field(message: &str) -> Option<&str> {
    message
        .strip_prefix("missing field `")?
        .split_once('`')
        .map(|(field, _)| field)
}

/// The keys on the way to what an error points at; none for the whole document. A field is missing in a table, whatever
/// else begins where that does.
fn place_of(table: &DeTable<'_>, error: &Error, is_missing: bool) -> Vec<String> {
    let mut place = Vec::new();
    if let Some(span) = error.span().filter(|span| !span.is_empty()) {
        find(table, &span, is_missing, &mut place);
    }
    place
}

fn find(table: &DeTable<'_>, wanted: &Range<usize>, tables_only: bool, place: &mut Vec<String>) -> bool {
    let holds = |span: Range<usize>| span.start <= wanted.start && wanted.end <= span.end;
    for (key, value) in table {
        place.push(key.get_ref().to_string());
        let inner = value.get_ref().as_table();
        if inner.is_some_and(|inner| find(inner, wanted, tables_only, place)) {
            return true;
        }
        let counts = inner.is_some() || !tables_only;
        if counts && (holds(key.span()) || holds(value.span())) {
            return true;
        }
        place.pop();
    }
    false
}

fn take_out(table: &mut DeTable<'_>, place: &[String]) -> bool {
    match place {
        [] => false,
        [key] => table.remove(key.as_str()).is_some(),
        [key, rest @ ..] => match table.get_mut(key.as_str()).map(Spanned::get_mut) {
            Some(DeValue::Table(inner)) => take_out(inner, rest),
            _ => false,
        },
    }
}

/// Puts a stand-in for a missing field where it belongs; `false` if there is none.
fn stand_in(
    document: &mut Spanned<DeTable<'_>>,
    place: &[String],
    field: &str,
    stand_ins: &'static str,
) -> bool {
    let Ok(known) = DeTable::parse(stand_ins) else {
        return false;
    };
    let (mut from, mut to) = (known.get_ref(), document.get_mut());
    for key in place {
        let inner = from.get(key.as_str()).map(Spanned::get_ref);
        let outer = to.get_mut(key.as_str()).map(Spanned::get_mut);
        match (inner, outer) {
            (Some(DeValue::Table(inner)), Some(DeValue::Table(outer))) => (from, to) = (inner, outer),
            _ => return false,
        }
    }
    match from.get_key_value(field) {
        Some((key, value)) => to.insert(key.clone(), value.clone()).is_none(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    const STAND_INS: &str = "name = \"x\"\n[inner]\nsize = 1\n";

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        name: String,
        #[serde(default)]
        number: u8,
        inner: Option<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        size: u8,
        #[serde(default)]
        colour: String,
    }

    fn found(text: &str) -> (Option<Sample>, Vec<(Option<String>, usize)>) {
        let examined: Examined<Sample> = examine_text(text, STAND_INS);
        let mistakes = examined.mistakes.into_iter();
        (
            examined.value,
            mistakes.map(|mistake| (mistake.key, mistake.line)).collect(),
        )
    }

    fn key(key: &str, line: usize) -> (Option<String>, usize) {
        (Some(key.to_owned()), line)
    }

    #[test]
    fn what_is_right_is_read() {
        let (value, mistakes) = found("name = \"a\"\nnumber = 7\n[inner]\nsize = 2\n");
        let value = value.unwrap();
        assert!(mistakes.is_empty());
        assert_eq!(
            (value.name.as_str(), value.number, value.inner.unwrap().size),
            ("a", 7, 2)
        );
    }

    #[test]
    fn every_mistake_is_found_with_its_key_and_line() {
        let text = "nane = \"a\"\nnumber = \"seven\"\n\n[inner]\nsice = 2\ncolour = 3\n[other]\nx = 1\n";
        let (value, mistakes) = found(text);
        let mut keys: Vec<_> = mistakes.iter().filter_map(|(key, _)| key.clone()).collect();
        keys.sort();
        assert_eq!(
            keys,
            [
                "inner.colour",
                "inner.sice",
                "inner.size",
                "name",
                "nane",
                "number",
                "other"
            ]
        );
        for expected in [
            key("nane", 1),
            key("number", 2),
            key("inner.sice", 5),
            key("inner.colour", 6),
        ] {
            assert!(
                mistakes.contains(&expected),
                "{expected:?} is not in {mistakes:?}"
            );
        }
        let value = value.unwrap();
        let inner = value.inner.unwrap();
        assert_eq!((value.name.as_str(), value.number), ("x", 0));
        assert_eq!((inner.size, inner.colour.as_str()), (1, ""));
    }

    #[test]
    fn what_is_no_toml_is_told_by_its_line() {
        let (_, mistakes) = found("name = \"a\"\nnumber = = 7\n");
        assert!(mistakes.contains(&(None, 2)), "{mistakes:?}");
        let (_, cut) = found("name = \"a\"\n[inner\nsize = 2");
        assert!(!cut.is_empty());
        let (_, cut) = found("name = \"a");
        assert!(!cut.is_empty());
        assert_eq!(found("").1, [key("name", 1)]);
        let (value, half) = found("number = 7\n[inn");
        assert!(value.is_none_or(|value| value.number == 7));
        let named: Vec<_> = half
            .iter()
            .filter(|(found, _)| found.as_deref() == Some("name"))
            .collect();
        assert_eq!(named.len(), 1, "a field is missing once: {half:?}");
    }

    #[test]
    fn what_follows_from_a_mistake_can_be_told() {
        let examined: Examined<Sample> = examine_text("name = 1\n[inner]\nsize = \"x\"\n", STAND_INS);
        assert!(
            examined.is_unread("name") && examined.is_unread("inner") && examined.is_unread("inner.size")
        );
        assert!(
            !examined.is_unread("number")
                && !examined.is_unread("inner.colour")
                && !examined.is_unread("names")
        );
    }
}
