//! The three names a key goes by: the store that holds it, its id there, and a label for people.
//!
//! Each is checked when it is made, so that whoever holds one can put it in a path, a log line, a token
//! attribute or a journal without looking again.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use symbolon_crypto::Component;

/// Why a text is not a name of the kind wanted.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NameError {
    /// Nothing, or more than the kind of name allows.
    #[error("{what} must have 1 to {most} bytes, not {found}")]
    Length {
        /// Which kind of name.
        what: &'static str,
        /// The most bytes it may have.
        most: usize,
        /// How many there were.
        found: usize,
    },
    /// A character that the kind of name does not allow.
    #[error("{what} may hold {allowed}, not {found:?}")]
    Character {
        /// Which kind of name.
        what: &'static str,
        /// What it may be made of, in words.
        allowed: &'static str,
        /// The first character that is not allowed.
        found: char,
    },
}

/// What configuration calls a store: 1 to 32 of `a-z`, `0-9` and `-`.
#[derive(Clone, Debug, Eq, PartialEq, Ord, PartialOrd, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StoreName(String);

impl StoreName {
    /// The most bytes a store's name may have.
    pub const MAX_LEN: usize = 32;

    /// Reads a store's name.
    ///
    /// # Errors
    /// [`NameError`] when it is empty, too long, or holds another character.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        check("a store's name", text, Self::MAX_LEN, "a-z, 0-9 and '-'", allowed)?;
        Ok(Self(text.to_owned()))
    }
}

/// What a store calls one of its keys: 1 to 128 of letters, digits, `-` and `_`.
///
/// Opaque to everyone but the store that made it, unique in that store, and never used again after the key is
/// destroyed.
#[derive(Clone, Debug, Eq, PartialEq, Ord, PartialOrd, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId(String);

impl KeyId {
    /// The most bytes a key's id may have.
    pub const MAX_LEN: usize = 128;

    /// Reads a key's id.
    ///
    /// # Errors
    /// [`NameError`] when it is empty, too long, or holds another character.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        check(
            "a key's id",
            text,
            Self::MAX_LEN,
            "a-z, A-Z, 0-9, '-' and '_'",
            allowed,
        )?;
        Ok(Self(text.to_owned()))
    }
}

/// What a key is for, in words that an operator sees beside it in any tool: 1 to 512 bytes of UTF-8 without
/// control characters. Two keys may share a label; only the id tells them apart.
#[derive(Clone, Debug, Eq, PartialEq, Ord, PartialOrd, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyLabel(String);

impl KeyLabel {
    /// The most bytes a label may have: room for a trust domain of 255 and everything around it.
    pub const MAX_LEN: usize = 512;

    /// Reads a label.
    ///
    /// # Errors
    /// [`NameError`] when it is empty, too long, or holds a control character.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let allowed = |c: char| !c.is_control();
        check(
            "a key's label",
            text,
            Self::MAX_LEN,
            "anything but control characters",
            allowed,
        )?;
        Ok(Self(text.to_owned()))
    }

    /// The label of a key that Symbolon makes for itself:
    /// `symbolon/<trust domain>/<server>/<family>/<component>`.
    ///
    /// # Errors
    /// [`NameError`] when a part is empty, when one holds anything but letters, digits, `.`, `-` and `_` (a
    /// `/` above all, which would make the parts ambiguous), or when the whole is too long.
    pub fn of(
        trust_domain: &str,
        server: &str,
        family: &str,
        component: Component,
    ) -> Result<Self, NameError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        for part in [trust_domain, server, family] {
            check(
                "a part of a key's label",
                part,
                Self::MAX_LEN,
                "letters, digits, '.', '-' and '_'",
                allowed,
            )?;
        }
        Self::parse(&format!("symbolon/{trust_domain}/{server}/{family}/{component}"))
    }
}

fn check(
    what: &'static str,
    text: &str,
    most: usize,
    allowed_words: &'static str,
    allowed: impl Fn(char) -> bool,
) -> Result<(), NameError> {
    if text.is_empty() || text.len() > most {
        return Err(NameError::Length {
            what,
            most,
            found: text.len(),
        });
    }
    match text.chars().find(|&c| !allowed(c)) {
        Some(found) => Err(NameError::Character {
            what,
            allowed: allowed_words,
            found,
        }),
        None => Ok(()),
    }
}

/// The conversions that all three names share.
macro_rules! text_conversions {
    ($($name:ident),*) => {$(
        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::parse(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }
    )*};
}

text_conversions!(StoreName, KeyId, KeyLabel);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn store_names_are_short_and_lower_case() {
        for good in ["a", "hsm-1", "software", &"z".repeat(32)] {
            assert_eq!(StoreName::parse(good).expect(good).as_str(), good);
        }
        for bad in ["", "HSM", "hsm_1", "../keys", "hsm 1", &"z".repeat(33)] {
            StoreName::parse(bad).expect_err(bad);
        }
    }

    #[test]
    fn key_ids_cannot_leave_a_directory() {
        KeyId::parse("00ff_-Z").expect("plain characters");
        for bad in ["", ".", "..", "a/b", "a.b", "a\0b", &"a".repeat(129)] {
            KeyId::parse(bad).expect_err(bad);
        }
    }

    #[test]
    fn labels_have_five_parts_or_are_the_operators_own() {
        let label = KeyLabel::of("example.org", "server-1", "composite", Component::MlDsa65).expect("label");
        assert_eq!(
            label.as_str(),
            "symbolon/example.org/server-1/composite/ml-dsa-65"
        );
        KeyLabel::of("example.org/x", "server", "jwt", Component::Ed25519).expect_err("slash in a part");
        KeyLabel::of("example.org", "", "jwt", Component::Ed25519).expect_err("empty part");
        KeyLabel::parse("clé de secours").expect("any text");
        KeyLabel::parse("two\nlines").expect_err("control character");
    }

    #[test]
    fn serde_checks_as_parsing_does() {
        let name: StoreName = serde_json::from_str("\"hsm1\"").expect("name");
        assert_eq!(serde_json::to_string(&name).expect("json"), "\"hsm1\"");
        serde_json::from_str::<StoreName>("\"No\"").expect_err("upper case");
    }

    #[test]
    fn errors_say_what_was_wrong() {
        let error = StoreName::parse("a b").expect_err("space");
        assert_eq!(
            error.to_string(),
            "a store's name may hold a-z, 0-9 and '-', not ' '"
        );
        let error = KeyId::parse("").expect_err("empty");
        assert_eq!(error.to_string(), "a key's id must have 1 to 128 bytes, not 0");
    }
}
