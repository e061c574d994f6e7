//! Keys in a TPM. The TPM is a swtpm.

use symbolon_test_tokens::Swtpm;

use super::{attest, check_schema, generate, keys, text, verify, weight};
use crate::support::Home;

#[test]
fn a_tpm_holds_certifies_and_destroys_keys() {
    let Some(tpm) = Swtpm::new() else { return };
    let home = Home::new();
    let store = format!("tpm:{}?dir=./tpm-keys&pcrs=sha256:7&deadline=120", tpm.tcti());
    let key = generate(&home, &store, "ecdsa-p256", "key");
    let seed = generate(&home, &store, "ml-dsa-65", "seed");
    assert_eq!(key["held"]["as"], "tpm-key");
    assert_eq!(seed["held"]["as"], "sealed-seed");
    assert_eq!(key["holder"]["kind"], "tpm");
    let arguments = [
        "key",
        "generate",
        "--store",
        &store,
        "--algorithm",
        "ed25519",
        "--label",
        "x",
    ];
    let (code, said) = home.fails(&arguments);
    assert_eq!(code, 5, "{said}");

    attest(&home, &store, "key", "7f3a");
    let answer = verify(&home, &["--challenge", "7f3a"]);
    assert_eq!(weight(&answer, "TPM's certification"), "said");
    assert_eq!(weight(&answer, "attestation key"), "open");
    let (code, said) = home.fails(&[
        "key",
        "verify-evidence",
        "evidence.json",
        "--attestation-key",
        "000b",
    ]);
    assert_eq!(code, 3, "{said}");
    let found = said.split_once("the attestation key is ").unwrap().1;
    let name = found.split(',').next().unwrap();
    let answer = verify(&home, &["--attestation-key", name]);
    assert_eq!(weight(&answer, "attestation key"), "proven");
    assert_eq!(weight(&answer, "TPM's certification"), "proven");

    attest(&home, &store, "seed", "7f3a");
    let answer = verify(&home, &["--attestation-key", name]);
    assert_eq!(weight(&answer, "TPM's certification"), "proven");
    assert_eq!(weight(&answer, "sealed seed"), "said");

    tpm.extend("sha256:7", &"ab".repeat(32));
    let shown = home.json(&["key", "show", "seed", "--store", &store]);
    assert_eq!(shown["usable"], false);
    check_schema("key-show", &shown);
    assert!(text(&shown, "unusable_because").contains("sha256:7"), "{shown:#}");
    let (code, said) = home.fails(&["key", "attest", "seed", "--store", &store]);
    assert_eq!(code, 1, "{said}");

    for label in ["key", "seed"] {
        home.ok(&["key", "destroy", label, "--store", &store, "--yes", "--force"]);
    }
    assert!(keys(&home, &store).is_empty());
}

#[test]
fn the_doctor_knows_tpms() {
    let Some(tpm) = Swtpm::new() else { return };
    let home = Home::new();
    let store = format!("tpm:{}?dir=./tpm-keys&deadline=120", tpm.tcti());
    let diagnosis = home.json(&["key", "doctor", &store]);
    check_schema("key-doctor", &diagnosis);
    assert_eq!(diagnosis["passed"], true, "{diagnosis:#}");
    assert_eq!(diagnosis["made"], true, "a TPM needs a directory");
    let again = home.ok(&["key", "doctor", &store]);
    assert!(!again.contains("which was not there"), "{again}");
    let suites = diagnosis["suites"].as_array().unwrap();
    let here = suites.iter().filter(|suite| suite["here"] == true);
    let here: Vec<&str> = here.map(|suite| text(suite, "suite")).collect();
    for suite in ["ecdsa-p256", "ml-dsa-65", "mldsa65-ecdsa-p256"] {
        assert!(here.contains(&suite), "{here:?}");
    }
    assert!(!here.contains(&"ed25519"), "{here:?}");
    assert!(keys(&home, &store).is_empty());
}
