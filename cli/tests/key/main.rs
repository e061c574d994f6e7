//! `symbolon key` by the real program, on stores of every kind.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod doctor;
mod software;
mod tokens;
#[cfg(feature = "tpm")]
mod tpm;

use serde_json::Value;
use support::{Home, check_schema};

fn generate(home: &Home, store: &str, algorithm: &str, label: &str) -> Value {
    let made = home.json(&[
        "key",
        "generate",
        "--store",
        store,
        "--algorithm",
        algorithm,
        "--label",
        label,
    ]);
    check_schema("key-show", &made);
    made
}

fn keys(home: &Home, store: &str) -> Vec<Value> {
    let listed = home.json(&["key", "list", "--store", store]);
    check_schema("key-list", &listed);
    listed["keys"].as_array().unwrap().clone()
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member]
        .as_str()
        .unwrap_or_else(|| panic!("{member} of {value:#}"))
}

/// Writes evidence of a key to a file of the home; what was written.
fn attest(home: &Home, store: &str, key: &str, challenge: &str) -> Value {
    let arguments = ["key", "attest", key, "--store", store, "--challenge", challenge];
    let written = home.ok(&arguments);
    std::fs::write(home.path().join("evidence.json"), &written).unwrap();
    let evidence: Value = serde_json::from_str(&written).unwrap();
    check_schema("key-evidence", &evidence);
    evidence
}

/// The weight of a finding of the evidence in the home.
fn verify(home: &Home, more: &[&str]) -> Value {
    home.json(&[&["key", "verify-evidence", "evidence.json"], more].concat())
}

fn weight<'a>(answer: &'a Value, part: &str) -> &'a str {
    let findings = answer["findings"].as_array().unwrap();
    let found = findings.iter().find(|finding| finding["part"] == part);
    text(
        found.unwrap_or_else(|| panic!("no {part} in {answer:#}")),
        "weight",
    )
}
