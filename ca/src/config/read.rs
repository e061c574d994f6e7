//! How values that are written as text are read.

use std::fmt::Display;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error};
use symbolon_hsm::StoreName;

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

/// One store, or a list of them.
pub(super) fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<StoreName>, D::Error> {
    #[derive(serde::Deserialize)]
    #[serde(untagged, expecting = "expected a store's name or a list of them")]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }
    let names = match OneOrMany::deserialize(deserializer)? {
        OneOrMany::One(name) => vec![name],
        OneOrMany::Many(names) if names.is_empty() => {
            return Err(D::Error::custom(
                "the list of stores is empty; leave it out for the default",
            ));
        }
        OneOrMany::Many(names) => names,
    };
    names
        .iter()
        .map(|name| StoreName::parse(name).map_err(D::Error::custom))
        .collect()
}
