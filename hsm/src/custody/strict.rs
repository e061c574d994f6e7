//! Reading JSON of outsiders so that every reader takes it for the same, and a terminal shows what it says.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::text::is_visible;

/// Reads JSON in which no member stands twice: of two, one reader takes the first and another the last.
pub(super) fn read(bytes: &[u8]) -> Result<Value, serde_json::Error> {
    serde_json::from_slice(bytes).map(|Once(value)| value)
}

/// Whether no name and no text in it has a character that makes a terminal, or whoever reads it there, see something
/// else than it says.
pub(super) fn is_plain(value: &Value) -> bool {
    match value {
        Value::String(text) => text.chars().all(is_visible),
        Value::Array(items) => items.iter().all(is_plain),
        Value::Object(members) => members
            .iter()
            .all(|(name, value)| name.chars().all(is_visible) && is_plain(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
    }
}

struct Once(Value);

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reading).map(Self)
    }
}

struct Reading;

impl<'de> Visitor<'de> for Reading {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("a number is none"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut read = Vec::new();
        while let Some(Once(item)) = items.next_element()? {
            read.push(item);
        }
        Ok(Value::Array(read))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut read = Map::new();
        while let Some((name, Once(value))) = members.next_entry::<String, Once>()? {
            if read.insert(name, value).is_some() {
                // The name is not repeated: it may have anything in it.
                return Err(A::Error::custom("a member stands twice"));
            }
        }
        Ok(Value::Object(read))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_what_anybody_reads() {
        for text in [
            "null",
            r#"{"a":[1,-1,1.5,true,"x"],"b":{"a":null}}"#,
            "18446744073709551615",
        ] {
            let expected: Value = serde_json::from_str(text).expect(text);
            assert_eq!(read(text.as_bytes()).expect(text), expected);
        }
    }

    #[test]
    fn nothing_stands_twice_and_nothing_is_too_deep() {
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":{"b":[{"c":1,"c":2}]}}"#,
            r#"{"a":1,"\u0061":2}"#,
        ] {
            let error = read(text.as_bytes()).expect_err(text).to_string();
            assert!(error.contains("stands twice"), "{error}");
        }
        read("[".repeat(100_000).as_bytes()).expect_err("too deep");
    }

    #[test]
    fn what_a_terminal_obeys_is_not_plain() {
        for (text, plain) in [
            ("Schlüssel €", true),
            ("\u{1b}[2J", false),
            ("a\nb", false),
            ("\u{9b}", false),
            ("\u{202e}", false),
            ("\u{2066}", false),
        ] {
            assert_eq!(is_plain(&serde_json::json!([{ "a": text }])), plain, "{text:?}");
            assert_eq!(is_plain(&serde_json::json!({ text: 1 })), plain, "{text:?}");
        }
    }
}
