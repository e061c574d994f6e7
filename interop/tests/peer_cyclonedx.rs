//! cyclonedx-python-lib's strict validator of what `symbolon plan scan` writes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use symbolon_interop::{programs, up};
use tempfile::TempDir;

fn scan(tree: &Path, version: &str, out: &Path) {
    let scanned = Command::new(up::program().unwrap())
        .args(["plan", "scan", "--quiet", "--spec-version", version, "--out"])
        .arg(out)
        .arg(tree)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(
        scanned.status.success(),
        "{}",
        String::from_utf8_lossy(&scanned.stderr)
    );
}

/// What the validator has against each document.
fn complaints(documents: &[&Path]) -> Value {
    programs::json(programs::python("cyclonedx_strict.py").unwrap().args(documents)).unwrap()
}

#[test]
fn documents_about_this_repository_are_valid_in_both_versions_and_a_wrong_one_is_not() {
    let folder = TempDir::new().unwrap();
    // Source, lock files, certificates and configuration of every kind that our tests have.
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let extra = folder.path().join("extra");
    fs::create_dir(&extra).unwrap();
    fs::write(
        extra.join("nginx.conf"),
        "server {\n  listen [2001:db8::1]:8443 ssl;\n  ssl_protocols TLSv1.2 TLSv1.3;\n  ssl_certificate /x.pem;\n}\n",
    )
    .unwrap();
    let mut documents = Vec::new();
    for version in ["1.6", "1.7"] {
        for (name, tree) in [
            ("planner", repository.join("migration-planner")),
            ("lock", repository.join("Cargo.lock")),
            ("extra", extra.clone()),
        ] {
            let out = folder.path().join(format!("{name}-{version}.json"));
            scan(&tree, version, &out);
            documents.push(out);
        }
    }
    let named: Vec<&Path> = documents.iter().map(AsRef::as_ref).collect();
    for (name, complaint) in complaints(&named).as_object().unwrap() {
        assert!(complaint.is_null(), "{name}: {complaint}");
    }
    // It does look.
    let wrong = folder.path().join("wrong.json");
    let mut document: Value = serde_json::from_slice(&fs::read(named[0]).unwrap()).unwrap();
    document["components"][0]["cryptoProperties"]["assetType"] = "nonsense".into();
    fs::write(&wrong, document.to_string()).unwrap();
    let said = complaints(&[&wrong]);
    assert!(said.as_object().unwrap().values().all(Value::is_string), "{said}");
}
