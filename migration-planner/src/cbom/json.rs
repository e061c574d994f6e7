//! Reading other people's JSON without minding what is missing.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::properties::read_context;
use crate::inventory::Occurrence;

/// A component's `symbolon:` properties, by name.
pub(super) type Facts = BTreeMap<String, BTreeSet<String>>;

/// A member that is text.
pub(super) fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Value::as_str)
}

/// A member that is a list; nothing if it is none.
pub(super) fn list<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

pub(super) fn first<'a>(facts: &'a Facts, name: &str) -> Option<&'a str> {
    facts
        .get(name)
        .and_then(|values| values.first())
        .map(String::as_str)
}

pub(super) fn facts(component: &Value) -> Facts {
    let mut facts = Facts::new();
    for property in list(component, "properties") {
        let name = text(property, "name").and_then(|name| name.strip_prefix("symbolon:"));
        if let (Some(name), Some(value)) = (name, text(property, "value")) {
            facts.entry(name.to_owned()).or_default().insert(value.to_owned());
        }
    }
    facts
}

/// Where a component was seen.
pub(super) fn places(component: &Value) -> impl Iterator<Item = Occurrence> {
    let none = Value::Object(Map::new());
    let evidence = component.get("evidence").unwrap_or(&none).clone();
    list(&evidence, "occurrences")
        .map(occurrence)
        .collect::<Vec<_>>()
        .into_iter()
}

pub(super) fn occurrence(value: &Value) -> Occurrence {
    let number = |name: &str| value.get(name).and_then(Value::as_u64);
    let (access, context) = text(value, "additionalContext")
        .map(read_context)
        .unwrap_or_default();
    Occurrence {
        location: text(value, "location").unwrap_or_default().to_owned(),
        line: number("line"),
        offset: number("offset"),
        symbol: text(value, "symbol").map(str::to_owned),
        context,
        access,
    }
}
