//! Questions to an inventory, changes between two, and the CBOMs of other tools.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use symbolon_migration_planner::algorithm::{Algorithm, Function, Quantum};
use symbolon_migration_planner::cbom::{ReadError, SpecVersion, read, write};
use symbolon_migration_planner::files::spki;
use symbolon_migration_planner::inventory::{Detail, Diff, Fragment, Inventory, Query, QueryError, Role};

fn of(places: &[(&str, u64, &str)]) -> Inventory {
    let mut inventory = Inventory::new();
    for (location, line, name) in places {
        let mut found = Fragment::at(*location);
        let here = found.here().line(*line);
        found.algorithm(Algorithm::named(name), here);
        inventory.absorb(found);
    }
    inventory
}

#[test]
fn queries_find_by_what_things_are_and_depend_on() {
    let mut inventory = of(&[
        ("a.py", 3, "AES-256-GCM"),
        ("b.py", 4, "RSA-2048"),
        ("b.py", 9, "ML-KEM-768"),
    ]);
    let mut found = Fragment::at("k.pem");
    let key = spki::of_raw("1.3.101.112", &[7; 32]).unwrap();
    let here = found.here();
    key.add("SPKI", here, &mut found);
    inventory.absorb(found);
    let names = |query: &str| -> Vec<String> {
        let query: Query = query.parse().unwrap();
        query.run(&inventory).map(|asset| asset.name.clone()).collect()
    };
    assert_eq!(
        names(""),
        [
            "AES-256-GCM",
            "Ed25519",
            "ML-KEM-768",
            "RSA-2048",
            "Ed25519 public key"
        ]
    );
    assert_eq!(
        names("quantum=broken"),
        ["Ed25519", "RSA-2048", "Ed25519 public key"]
    );
    assert_eq!(names("quantum=broken kind=algorithm"), ["Ed25519", "RSA-2048"]);
    assert_eq!(names("algorithm=ed25519 kind!=algorithm"), ["Ed25519 public key"]);
    assert_eq!(names("location~B.PY"), ["ML-KEM-768", "RSA-2048"]);
    assert_eq!(names("name=\"ed25519 public key\""), ["Ed25519 public key"]);
    assert_eq!(names("primitive=kem"), ["ML-KEM-768"]);
    assert_eq!(names("fact.form=composite"), Vec::<String>::new());
    assert!(
        matches!("colour=red".parse::<Query>(), Err(QueryError::UnknownField(field)) if field == "colour")
    );
    assert!(matches!("red".parse::<Query>(), Err(QueryError::NoCondition(_))));
    assert_eq!("name=\"red".parse::<Query>(), Err(QueryError::OpenQuote));
}

#[test]
fn a_small_inventory_is_joined_to_a_large_one_as_a_large_one_to_a_small_one() {
    let numbered = |numbers: std::ops::Range<u64>, place: &str| {
        let mut inventory = Inventory::new();
        for number in numbers {
            let mut found = Fragment::at(place);
            let here = found.here().line(number);
            let id = found.algorithm(Algorithm::named(&format!("1.2.3.{number}")), here.clone());
            let other = found.algorithm(Algorithm::named("SHA-1"), here);
            found.connect(&id, Role::Uses, &other);
            inventory.absorb(found);
        }
        inventory
    };
    let large = numbered(0..200, "a.c");
    for small in [
        numbered(198..203, "b.c"),
        numbered(50..60, "a.c"),
        Inventory::new(),
    ] {
        let mut into_large = large.clone();
        into_large.merge(small.clone());
        let mut into_small = small.clone();
        into_small.merge(large.clone());
        assert_eq!(into_large, into_small);
        assert_eq!(into_large.edges().count(), into_large.len() - 1);
        let there =
            |asset: &symbolon_migration_planner::inventory::Asset| into_large.get(asset.id()).is_some();
        assert!(large.assets().chain(small.assets()).all(there));
    }
}

#[test]
fn a_difference_tells_what_came_went_and_moved() {
    let old = of(&[
        ("a.py", 3, "AES-256-GCM"),
        ("b.py", 4, "RSA-2048"),
        ("c.py", 1, "SHA-1"),
    ]);
    let new = of(&[
        ("a.py", 3, "AES-256-GCM"),
        ("b.py", 7, "RSA-2048"),
        ("b.py", 9, "ML-KEM-768"),
    ]);
    let diff = Diff::between(&old, &new);
    let names = |changes: &[symbolon_migration_planner::inventory::Change]| -> Vec<String> {
        changes.iter().map(|change| change.name.clone()).collect()
    };
    assert_eq!(names(&diff.added), ["ML-KEM-768"]);
    assert_eq!(names(&diff.removed), ["SHA-1"]);
    assert_eq!(names(&diff.changed), ["RSA-2048"]);
    let moved = &diff.changed[0];
    assert_eq!(
        (moved.appeared[0].line, moved.disappeared[0].line, moved.altered),
        (Some(7), Some(4), false)
    );
    assert!(Diff::between(&old, &old).is_empty());
    let back = Diff::between(&new, &old);
    assert_eq!(
        (names(&back.added), names(&back.removed)),
        (vec!["SHA-1".to_owned()], vec!["ML-KEM-768".to_owned()])
    );
}

/// As other tools write: names of their own, references by UUID, a value that should not be there.
const FOREIGN: &str = r#"{
  "bomFormat": "CycloneDX", "specVersion": "1.6", "serialNumber": "urn:uuid:1f4b6a3c-0d0e-4a8b-9a3e-0c8f3a4b5c6d",
  "components": [
    { "type": "cryptographic-asset", "bom-ref": "1", "name": "AES256-GCM",
      "evidence": { "occurrences": [{ "location": "src/A.java", "line": 12, "offset": 8, "additionalContext": "Cipher#getInstance" }] },
      "cryptoProperties": { "assetType": "algorithm", "oid": "2.16.840.1.101.3.4.1.46",
        "algorithmProperties": { "primitive": "ae", "cryptoFunctions": ["encrypt"] } } },
    { "type": "cryptographic-asset", "bom-ref": "2", "name": "SHA256withRSA",
      "cryptoProperties": { "assetType": "algorithm", "algorithmProperties": { "primitive": "signature" } } },
    { "type": "cryptographic-asset", "bom-ref": "3", "name": "Lattice-Thing",
      "cryptoProperties": { "assetType": "algorithm", "algorithmProperties": { "primitive": "kem" } } },
    { "type": "cryptographic-asset", "bom-ref": "4", "name": "cert",
      "cryptoProperties": { "assetType": "certificate", "certificateProperties": {
        "subjectName": "CN=a", "issuerName": "CN=b", "signatureAlgorithmRef": "2", "subjectPublicKeyRef": "5" } } },
    { "type": "cryptographic-asset", "bom-ref": "5", "name": "key",
      "cryptoProperties": { "assetType": "related-crypto-material", "relatedCryptoMaterialProperties": {
        "type": "private-key", "size": 2048, "value": "MIIEvQIBADANBgkqhkiG9w0", "algorithmRef": "2" } } },
    { "type": "cryptographic-asset", "bom-ref": "6", "name": "nonsense", "cryptoProperties": { "assetType": 7 } },
    { "type": "library", "bom-ref": "7", "name": "bcprov", "version": "1.80", "purl": "pkg:maven/org.bouncycastle/bcprov@1.80" },
    { "type": "library", "bom-ref": "8", "name": "left-pad" }
  ],
  "dependencies": [{ "ref": "7", "provides": ["1"] }, { "ref": "8", "dependsOn": [] }, { "ref": "1", "dependsOn": ["nowhere"] }]
}"#;

#[test]
fn another_tools_document_is_taken_over_with_our_names() {
    let inventory = read(FOREIGN.as_bytes()).unwrap();
    let find = |name: &str| inventory.assets().find(|asset| asset.name == name).unwrap();
    let aes = find("AES-256-GCM");
    let Detail::Algorithm(algorithm) = &aes.detail else {
        panic!("{aes:?}")
    };
    assert!(algorithm.functions.contains(&Function::Encrypt));
    assert_eq!(aes.evidence.iter().next().unwrap().line, Some(12));
    let Detail::Algorithm(unknown) = &find("Lattice-Thing").detail else {
        panic!()
    };
    assert_eq!(
        unknown.quantum,
        Quantum::Unknown,
        "a kind of algorithm is not yet a strength"
    );
    let certificate = find("cert");
    let roles: Vec<Role> = inventory
        .edges_from(certificate.id())
        .map(|edge| edge.role)
        .collect();
    assert_eq!(roles, [Role::Certifies, Role::SignedWith]);
    let library = find("bcprov");
    let edge = inventory.edges_from(library.id()).next().unwrap();
    assert_eq!((edge.role, &edge.to), (Role::Provides, aes.id()));
    assert!(
        inventory.assets().all(|asset| asset.name != "left-pad"),
        "it has nothing to do with cryptography"
    );
    assert_eq!(
        inventory.unread.iter().count(),
        1,
        "the component that cannot be understood"
    );
    for version in SpecVersion::ALL {
        let mut written = Vec::new();
        write(&inventory, version, &mut written).unwrap();
        common::validate(&written, version.name());
        assert!(
            !String::from_utf8(written)
                .unwrap()
                .contains("MIIEvQIBADANBgkqhkiG9w0"),
            "a value was taken over"
        );
    }
}

#[test]
fn what_is_no_bom_is_refused_and_says_why() {
    assert!(matches!(read(b"<bom/>"), Err(ReadError::NotJson(_))));
    assert!(matches!(read(b"{}"), Err(ReadError::NotCycloneDx)));
    assert!(read(br#"{"bomFormat":"CycloneDX","components":[1,null,{}],"dependencies":{}}"#).is_ok());
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(matches!(read(deep.as_bytes()), Err(ReadError::NotJson(_))));
}
