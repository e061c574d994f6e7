//! SARIF 2.1.0 for what was found in files at a line: what code review and editors show.

use std::collections::BTreeMap;
use std::io::Write;

use serde_json::{Value, json};

use super::component::quantum;
use crate::algorithm::{Algorithm, Quantum};
use crate::inventory::{Detail, Inventory, Occurrence};

/// Most results written; SARIF's readers give up earlier.
const MAX_RESULTS: usize = 100_000;

/// Writes every algorithm that was seen on a line of a file: those that a quantum computer breaks and unknown ones as
/// warnings, what is weak already as errors, the rest as notes.
///
/// # Errors
/// What the writer reports.
pub fn write_sarif(inventory: &Inventory, out: &mut dyn Write) -> std::io::Result<()> {
    let mut rules: BTreeMap<&str, Value> = BTreeMap::new();
    let mut results = Vec::new();
    let mut omitted = 0_usize;
    for asset in inventory.assets() {
        let Detail::Algorithm(algorithm) = &asset.detail else {
            continue;
        };
        let level = level(algorithm);
        let places = asset
            .evidence
            .iter()
            .filter(|place| place.line.is_some() && !place.location.contains("://"));
        for place in places {
            if results.len() >= MAX_RESULTS {
                omitted += 1;
                continue;
            }
            rules
                .entry(algorithm.name.as_str())
                .or_insert_with(|| rule(algorithm, level));
            results.push(result(algorithm, level, place));
        }
    }
    let mut run = json!({
        "tool": { "driver": {
            "name": "symbolon plan",
            "version": env!("CARGO_PKG_VERSION"),
            "informationUri": env!("CARGO_PKG_REPOSITORY"),
            "rules": rules.into_values().collect::<Vec<_>>(),
        } },
        "columnKind": "utf16CodeUnits",
        "results": results,
    });
    if omitted > 0 {
        super::component::put(&mut run, "properties", Some(json!({ "resultsOmitted": omitted })));
    }
    let document = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [run],
    });
    serde_json::to_writer_pretty(&mut *out, &document)?;
    out.write_all(b"\n")
}

fn level(algorithm: &Algorithm) -> &'static str {
    match (algorithm.quantum, algorithm.classical_bits) {
        (_, Some(0..112)) => "error",
        (Quantum::Broken | Quantum::Unknown, _) => "warning",
        _ => "note",
    }
}

fn rule(algorithm: &Algorithm, level: &str) -> Value {
    let words = match algorithm.quantum {
        Quantum::Broken => "a large quantum computer breaks it",
        Quantum::Resistant => "it is built to withstand a quantum computer",
        Quantum::Symmetric => "a quantum computer weakens it at most",
        Quantum::Unknown => "nobody here knows how strong it is",
    };
    json!({
        "id": rule_id(algorithm),
        "shortDescription": { "text": format!("{}: {words}", algorithm.name) },
        "defaultConfiguration": { "level": level },
        "properties": { "quantum": quantum(algorithm.quantum) },
    })
}

fn rule_id(algorithm: &Algorithm) -> String {
    format!("symbolon/{}", algorithm.name.replace(' ', "-"))
}

fn result(algorithm: &Algorithm, level: &str, place: &Occurrence) -> Value {
    let mut region = json!({ "startLine": place.line });
    super::component::put(&mut region, "startColumn", place.offset.map(|column| column + 1));
    let symbol = place
        .symbol
        .as_ref()
        .map(|symbol| format!(" ({symbol})"))
        .unwrap_or_default();
    json!({
        "ruleId": rule_id(algorithm),
        "level": level,
        "message": { "text": format!("{}{symbol}", algorithm.name) },
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": uri(&place.location) },
            "region": region,
        } }],
    })
}

/// A path as a URI reference: what is not allowed there is percent-encoded.
fn uri(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.strip_prefix("./").unwrap_or(path).bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/!$&'()*+,;=@".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}
