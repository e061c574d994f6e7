//! How stores are named.

use serde::de::{Deserialize, Deserializer, Error};
use symbolon_hsm::StoreName;

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
