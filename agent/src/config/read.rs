//! How values that are written as text are read.

use std::fmt::Display;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error};
use symbolon_pki::suite::Form;

/// A value that is written as text.
pub(super) fn from_text<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: FromStr<Err: Display>,
    D: Deserializer<'de>,
{
    String::deserialize(deserializer)?
        .parse()
        .map_err(D::Error::custom)
}

/// A value that is written as text, where there is one.
pub(super) fn optional_from_text<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: FromStr<Err: Display>,
    D: Deserializer<'de>,
{
    from_text(deserializer).map(Some)
}

/// A list of forms; one that is there twice counts once.
pub(super) fn forms<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Form>, D::Error> {
    let mut forms = Vec::new();
    for name in Vec::<String>::deserialize(deserializer)? {
        let form = name.parse().map_err(D::Error::custom)?;
        if !forms.contains(&form) {
            forms.push(form);
        }
    }
    Ok(forms)
}
