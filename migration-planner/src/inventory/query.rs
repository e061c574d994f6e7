//! Questions to an inventory: `kind=certificate algorithm~RSA quantum=broken`.
//!
//! A query is conditions, all of which must hold. A condition is `field=value`, `field!=value` or `field~part`;
//! comparison ignores case. Values with spaces stand in double quotes. An empty query takes everything.

use std::str::FromStr;

use super::{Asset, Detail, Inventory, Role};
use crate::algorithm::Quantum;

/// A question.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Query {
    conditions: Vec<Condition>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Condition {
    field: Field,
    test: Test,
    value: String,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Test {
    Contains,
    Is,
    IsNot,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Field {
    Algorithm,
    Exposure,
    Fact(String),
    Id,
    Kind,
    Location,
    Name,
    Owner,
    Primitive,
    Quantum,
}

/// Why a query was not understood.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// A word that is no condition.
    #[error("{0:?} is no condition: write field=value, field!=value or field~part")]
    NoCondition(String),
    /// A double quote that is never closed.
    #[error("a double quote is not closed")]
    OpenQuote,
    /// A field that assets do not have.
    #[error(
        "there is no field {0:?}: it is one of algorithm, exposure, fact.<name>, id, kind, location, name, owner, \
         primitive, quantum"
    )]
    UnknownField(String),
}

impl FromStr for Query {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<Self, QueryError> {
        let conditions = words(text)?
            .iter()
            .map(|word| condition(word))
            .collect::<Result<_, _>>()?;
        Ok(Self { conditions })
    }
}

impl Query {
    /// The assets for which every condition holds, in order.
    pub fn run<'a>(&'a self, inventory: &'a Inventory) -> impl Iterator<Item = &'a Asset> {
        inventory.assets().filter(|asset| self.matches(inventory, asset))
    }

    /// Whether every condition holds for this asset.
    #[must_use]
    pub fn matches(&self, inventory: &Inventory, asset: &Asset) -> bool {
        self.conditions.iter().all(|condition| {
            let values = condition.field.values(inventory, asset);
            let value = condition.value.as_str();
            match condition.test {
                Test::Contains => values.iter().any(|has| has.to_lowercase().contains(value)),
                Test::Is => values.iter().any(|has| has.to_lowercase() == value),
                Test::IsNot => values.iter().all(|has| has.to_lowercase() != value),
            }
        })
    }
}

impl Field {
    fn values(&self, inventory: &Inventory, asset: &Asset) -> Vec<String> {
        match self {
            Self::Algorithm => algorithms(inventory, asset)
                .map(|algorithm| algorithm.name.clone())
                .collect(),
            Self::Exposure => asset.exposure.iter().cloned().collect(),
            Self::Fact(name) => asset.facts_of(name).map(str::to_owned).collect(),
            Self::Id => vec![asset.id().to_string()],
            Self::Kind => vec![asset.detail.kind().to_owned()],
            Self::Location => asset
                .evidence
                .iter()
                .map(|place| place.location.clone())
                .collect(),
            Self::Name => vec![asset.name.clone()],
            Self::Owner => asset.owners.iter().cloned().collect(),
            Self::Primitive => algorithms(inventory, asset)
                .filter_map(|algorithm| serde_json::to_value(algorithm.primitive).ok())
                .filter_map(|word| word.as_str().map(str::to_owned))
                .collect(),
            Self::Quantum => algorithms(inventory, asset)
                .map(|algorithm| {
                    let word = match algorithm.quantum {
                        Quantum::Broken => "broken",
                        Quantum::Resistant => "resistant",
                        Quantum::Symmetric => "symmetric",
                        Quantum::Unknown => "unknown",
                    };
                    word.to_owned()
                })
                .collect(),
        }
    }
}

/// The algorithm that an asset is, and those that it depends on directly.
fn algorithms<'a>(
    inventory: &'a Inventory,
    asset: &'a Asset,
) -> impl Iterator<Item = &'a crate::algorithm::Algorithm> {
    let own = std::iter::once(asset);
    let near = inventory
        .edges_from(asset.id())
        .filter(|edge| edge.role != Role::MadeOf)
        .filter_map(|edge| inventory.get(&edge.to));
    own.chain(near).filter_map(|asset| match &asset.detail {
        Detail::Algorithm(algorithm) => Some(algorithm.as_ref()),
        _ => None,
    })
}

fn condition(word: &str) -> Result<Condition, QueryError> {
    let at = word
        .find(['=', '~'])
        .ok_or_else(|| QueryError::NoCondition(word.to_owned()))?;
    let (field, rest) = word.split_at_checked(at).unwrap_or((word, ""));
    let (field, test) = match (field.strip_suffix('!'), rest.starts_with('~')) {
        (Some(field), false) => (field, Test::IsNot),
        (_, true) => (field, Test::Contains),
        (None, false) => (field, Test::Is),
    };
    let value = rest.get(1..).unwrap_or_default().to_lowercase();
    let field = match field {
        "algorithm" => Field::Algorithm,
        "exposure" => Field::Exposure,
        "id" => Field::Id,
        "kind" => Field::Kind,
        "location" => Field::Location,
        "name" => Field::Name,
        "owner" => Field::Owner,
        "primitive" => Field::Primitive,
        "quantum" => Field::Quantum,
        other => match other.strip_prefix("fact.") {
            Some(name) => Field::Fact(name.to_owned()),
            None => return Err(QueryError::UnknownField(other.to_owned())),
        },
    };
    Ok(Condition { field, test, value })
}

/// Words between spaces, where double quotes keep spaces in.
fn words(text: &str) -> Result<Vec<String>, QueryError> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quoted = false;
    for character in text.chars() {
        match character {
            '"' => quoted = !quoted,
            c if c.is_whitespace() && !quoted => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            c => word.push(c),
        }
    }
    if quoted {
        return Err(QueryError::OpenQuote);
    }
    if !word.is_empty() {
        words.push(word);
    }
    Ok(words)
}
