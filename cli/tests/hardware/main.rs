//! The main job with the authorities' keys on tokens and in a TPM, by the real program.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;

#[cfg(feature = "tpm")]
mod attest;
mod hanging;
mod prompt;
mod rotate;
mod tokens;
#[cfg(feature = "tpm")]
mod tpm;
mod trouble;

use std::collections::BTreeMap;

use serde_json::Value;
use support::Home;
use symbolon_test_tokens::Token;

/// A home whose programs reach these tokens.
fn home(tokens: &[&Token]) -> Home {
    Home::with(tokens.iter().flat_map(|token| token.environment()).collect())
}

/// `up` once with its keys in `stores`, which has to give three verified forms of one identity.
fn up_once(home: &Home, stores: &[&str]) -> Value {
    let mut arguments = vec!["up", "--once"];
    for store in stores {
        arguments.extend(["--keys", store]);
    }
    let document = home.json(&arguments);
    support::check_schema("up-output", &document);
    let svids = document["svids"].as_array().unwrap();
    let forms: Vec<&str> = svids.iter().map(|svid| svid["form"].as_str().unwrap()).collect();
    assert_eq!(forms, ["classical", "ml-dsa", "composite"]);
    assert!(svids.iter().all(|svid| svid["verified"] == true), "{document:#}");
    assert_eq!(document["tls"]["form"], "composite");
    document
}

/// The authority of each family.
fn authority_ids(document: &Value) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let authorities = document["authorities"].as_array().unwrap();
    authorities
        .iter()
        .map(|authority| (text(&authority["family"]), text(&authority["authority_id"])))
        .collect()
}

/// The stores of each family's key, component by component.
fn places(document: &Value) -> BTreeMap<String, Vec<String>> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let authorities = document["authorities"].as_array().unwrap();
    let place = |authority: &Value| {
        let keys = authority["keys"].as_array().unwrap();
        (
            text(&authority["family"]),
            keys.iter().map(|key| text(&key["store"])).collect(),
        )
    };
    authorities.iter().map(place).collect()
}

/// What [`places`] gives for these stores of the families; a catalyst authority's keys are where a classical one's and an
/// ML-DSA one's are.
fn expected_places(
    classical: &str,
    ml_dsa: &str,
    composite: [&str; 2],
    jwt: &str,
) -> BTreeMap<String, Vec<String>> {
    let composite: &[&str] = &composite;
    [
        ("classical", &[classical][..]),
        ("ml-dsa", &[ml_dsa]),
        ("composite", composite),
        ("catalyst", &[classical, ml_dsa]),
        ("jwt", &[jwt]),
    ]
    .into_iter()
    .map(|(family, stores)| {
        (
            family.to_owned(),
            stores.iter().map(ToString::to_string).collect(),
        )
    })
    .collect()
}

/// What is not to change when something fails: every file by its digest, and what the datastore says, whose own files
/// change with every look.
fn snapshot(home: &Home) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![home.data()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() {
                folders.push(path);
            } else if path.is_file() && name != "lock" && !name.starts_with("db") {
                let digest = symbolon_crypto::digest::sha256(&std::fs::read(&path).unwrap());
                found.insert(path.display().to_string(), hex::encode(digest));
            }
        }
    }
    for question in [["cert", "list"], ["bundle", "show"]] {
        found.insert(question.join(" "), home.json(&question).to_string());
    }
    found
}
