//! What a TPM certifies of its keys.

use serde_json::{Value, json};
use symbolon_crypto::Component;
use symbolon_hsm::custody::{Evidence, Expectations, Holding, Refusal, Verified, Weight, verify};
use symbolon_hsm::{KeyStore, Placement, TpmConfig};
use symbolon_test_tokens::Swtpm;

use super::{config, label, open};

fn made(store: &dyn KeyStore, component: Component) -> Value {
    let (info, _) = store.generate(component, &label()).expect("generate");
    let evidence = Evidence::make(store, &info.id, None, "2026-11-22T07:00:00Z").expect("evidence");
    assert_eq!(evidence.uncertified(), None);
    serde_json::to_value(evidence).expect("json")
}

fn check(document: &Value, attestation_key: Option<&str>) -> Result<Verified, Refusal> {
    let expected = Expectations {
        attestation_key,
        ..Expectations::default()
    };
    verify(document.to_string().as_bytes(), expected)
}

fn weight(verified: &Verified, part: &str) -> Weight {
    let mut findings = verified.findings.iter();
    findings.find(|finding| finding.part == part).expect(part).weight
}

/// The name of the attestation key that a document was certified with.
fn attestation_key(document: &Value) -> String {
    let Err(Refusal::AttestationKey { found }) = check(document, Some("00")) else {
        panic!("another name is refused");
    };
    found
}

#[test]
fn the_tpm_certifies_keys_and_sealed_seeds_by_one_attestation_key() {
    let Some(tpm) = Swtpm::new() else { return };
    let scratch = tempfile::tempdir().expect("scratch");
    let mut names = Vec::new();
    for placement in [Placement::Wrapped, Placement::Persistent] {
        let config = TpmConfig {
            placement,
            ..config(&tpm)
        };
        let store = open(&scratch.path().join(format!("{placement:?}")), &config);
        for component in [
            Component::EcdsaP256Sha256,
            Component::EcdsaP384Sha384,
            Component::MlDsa65,
        ] {
            let document = made(&*store, component);
            let verified = check(&document, None).expect("verifies");
            assert_eq!(weight(&verified, "TPM's certification"), Weight::Said);
            assert_eq!(weight(&verified, "attestation key"), Weight::Open);
            match (component.is_ml_dsa(), &verified.statement.holding) {
                (true, Holding::SealedSeed(facts)) => {
                    assert_eq!(facts.pcrs.keys().collect::<Vec<_>>(), ["sha256:7"]);
                    assert_eq!(weight(&verified, "sealed seed"), Weight::Said);
                }
                (false, Holding::TpmKey(facts)) => {
                    assert_eq!(facts.handle.is_some(), placement == Placement::Persistent);
                }
                (_, other) => panic!("{other:?}"),
            }
            let name = attestation_key(&document);
            let verified = check(&document, Some(&name)).expect("verifies");
            assert_eq!(weight(&verified, "attestation key"), Weight::Proven);
            assert_eq!(weight(&verified, "TPM's certification"), Weight::Proven);
            names.push(name);
        }
        if placement == Placement::Wrapped {
            tpm.reset();
        }
    }
    names.dedup();
    assert_eq!(names.len(), 1, "the attestation key changed: {names:?}");
    assert_eq!(tpm.handles("handles-loaded-session"), [""; 0]);
    assert_eq!(tpm.handles("handles-transient"), [""; 0]);
}

#[test]
fn a_certification_holds_for_its_own_statement_alone() {
    let Some(tpm) = Swtpm::new() else { return };
    let scratch = tempfile::tempdir().expect("scratch");
    let store = open(&scratch.path().join("keys"), &config(&tpm));
    let [one, two, seed] = [
        Component::EcdsaP256Sha256,
        Component::EcdsaP256Sha256,
        Component::MlDsa44,
    ]
    .map(|component| made(&*store, component));

    for other in [&two, &seed] {
        let mut mixed = one.clone();
        mixed["certification"] = other["certification"].clone();
        assert_eq!(
            check(&mixed, None),
            Err(Refusal::Certification("it was made for another statement"))
        );
        let mut mixed = one.clone();
        mixed["certification"]["object_public"] = other["certification"]["object_public"].clone();
        assert_eq!(
            check(&mixed, None),
            Err(Refusal::Certification(
                "it is about another object than is enclosed"
            ))
        );
    }
    // A key that signs whatever it is given signs no attest.
    let mut mixed = one.clone();
    mixed["certification"]["attestation_key_public"] = one["certification"]["object_public"].clone();
    assert_eq!(
        check(&mixed, None),
        Err(Refusal::Certification(
            "its attestation key is no restricted P-256 signing key fixed to a TPM"
        ))
    );
    for part in ["attest", "signature"] {
        let mut mixed = one.clone();
        mixed["certification"][part] = two["certification"][part].clone();
        assert_eq!(
            check(&mixed, None),
            Err(Refusal::Certification(
                "the attestation key's signature does not verify"
            ))
        );
    }
    // Left out, it is missed and not refused: what remains is somebody's word.
    let mut without = one;
    without["certification"] = json!(null);
    let verified = check(&without, None).expect("verifies");
    assert_eq!(weight(&verified, "TPM's certification"), Weight::Open);
}

#[test]
fn a_changed_pcr_makes_a_seed_unusable_and_says_so() {
    let Some(tpm) = Swtpm::new() else { return };
    let scratch = tempfile::tempdir().expect("scratch");
    let store = open(&scratch.path().join("keys"), &config(&tpm));
    let (key, _) = store.generate(Component::EcdsaP256Sha256, &label()).expect("key");
    let (seed, _) = store.generate(Component::MlDsa65, &label()).expect("seed");
    assert_eq!(store.custody(&seed.id).expect("custody").unusable, None);
    tpm.extend("sha256:7", &"ab".repeat(32));
    let unusable = store
        .custody(&seed.id)
        .expect("custody")
        .unusable
        .expect("unusable");
    assert!(unusable.contains("sha256:7"), "{unusable}");
    assert_eq!(store.custody(&key.id).expect("custody").unusable, None);
    Evidence::make(&*store, &seed.id, None, "2026-11-22T07:00:00Z").expect_err("unusable");
}
