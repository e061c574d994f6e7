//! Evidence of how keys are held: it verifies, and nothing of it can be changed.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

mod tokens;

use serde_json::{Value, json};
use symbolon_crypto::Component;
use symbolon_hsm::custody::{
    Challenge, Evidence, Expectations, Finding, Holding, MAX_LEN, Refusal, Verified, Weight, verify,
};
use symbolon_hsm::{KekSource, KeyInfo, KeyLabel, KeyStore, SoftwareStore};
use symbolon_test_tokens::{Kind, on};

use self::tokens::Stored as _;

const NOW: &str = "2026-11-22T07:00:00Z";

fn challenge(text: &str) -> Challenge {
    text.parse().expect("challenge")
}

fn generate(store: &dyn KeyStore, component: Component) -> KeyInfo {
    let label = KeyLabel::parse("a key of a test").expect("label");
    store.generate(component, &label).expect("generate").0
}

fn evidence(store: &dyn KeyStore, info: &KeyInfo) -> Value {
    let made = Evidence::make(store, &info.id, Some(challenge("7f3a")), NOW).expect("evidence");
    serde_json::to_value(made).expect("json")
}

fn check(document: &Value, expected: Expectations<'_>) -> Result<Verified, Refusal> {
    verify(document.to_string().as_bytes(), expected)
}

fn software() -> (tempfile::TempDir, SoftwareStore) {
    let scratch = tempfile::tempdir().expect("scratch");
    let kek = KekSource::KeyFile(scratch.path().join("kek"));
    let store = SoftwareStore::open(&scratch.path().join("keys"), &kek).expect("store");
    (scratch, store)
}

fn weight(findings: &[Finding], part: &str) -> Option<Weight> {
    findings
        .iter()
        .find(|finding| finding.part == part)
        .map(|finding| finding.weight)
}

#[test]
fn software_says_that_it_is_software_with_every_component() {
    let (_scratch, store) = software();
    for component in Component::DEFAULTS {
        let info = generate(&store, component);
        let document = evidence(&store, &info);
        let seven = challenge("7f3a");
        let expected = Expectations {
            challenge: Some(&seven),
            ..Expectations::default()
        };
        let verified = check(&document, expected).expect("verifies");
        assert_eq!(verified.public_key, info.public_key);
        assert_eq!(verified.statement.holding, Holding::EncryptedFile);
        assert_eq!(weight(&verified.findings, "signature"), Some(Weight::Proven));
        assert_eq!(weight(&verified.findings, "challenge"), Some(Weight::Proven));
        let custody = verified.findings.iter().find(|finding| finding.part == "custody");
        let custody = custody.expect("custody");
        assert_eq!(custody.weight, Weight::Said);
        assert!(custody.words.starts_with("software: "), "{}", custody.words);
        // Without a challenge to compare, it may be an old one.
        let verified = check(&document, Expectations::default()).expect("verifies");
        assert_eq!(weight(&verified.findings, "challenge"), Some(Weight::Open));
    }
}

/// Changes every value of a document in turn.
fn each_change(value: &Value, change: &mut dyn FnMut(Value)) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                each_change(member, &mut |changed| {
                    let mut members = members.clone();
                    members.insert(name.clone(), changed);
                    change(Value::Object(members));
                });
            }
            let mut more = members.clone();
            more.insert("more".to_owned(), Value::Null);
            change(Value::Object(more));
        }
        Value::String(text) => {
            let mut other = text.clone();
            let first = other.chars().next().unwrap_or('x');
            other.replace_range(
                ..first.len_utf8().min(text.len()),
                if first == 'x' { "y" } else { "x" },
            );
            change(Value::String(other));
        }
        Value::Bool(is) => change(Value::Bool(!is)),
        Value::Number(_) => change(json!(99)),
        Value::Null => change(json!("something")),
        Value::Array(_) => {}
    }
}

#[test]
fn nothing_of_it_can_be_changed() {
    let (_scratch, store) = software();
    let info = generate(&store, Component::MlDsa65);
    let document = evidence(&store, &info);
    let mut changes = 0;
    each_change(&document, &mut |changed| {
        // The one member that is not signed.
        if changed.get("uncertified") != document.get("uncertified") {
            return;
        }
        changes += 1;
        check(&changed, Expectations::default()).expect_err(&changed.to_string());
    });
    assert!(changes > 12, "{changes}");

    // What does not change what is said changes nothing.
    let pretty = serde_json::to_string_pretty(&document).expect("json");
    verify(pretty.as_bytes(), Expectations::default()).expect("verifies");
}

#[test]
fn another_key_another_challenge_and_other_documents_are_refused() {
    let (_scratch, store) = software();
    let (one, two) = (
        generate(&store, Component::Ed25519),
        generate(&store, Component::Ed25519),
    );
    let (one, two) = (evidence(&store, &one), evidence(&store, &two));
    let mut mixed = one.clone();
    mixed["signature"] = two["signature"].clone();
    assert_eq!(check(&mixed, Expectations::default()), Err(Refusal::Signature));

    let other = challenge("another");
    let expected = Expectations {
        challenge: Some(&other),
        ..Expectations::default()
    };
    let error = check(&one, expected).expect_err("another challenge");
    assert_eq!(
        error,
        Refusal::Challenge {
            found: "the challenge 7f3a".to_owned()
        }
    );

    let expected = Expectations {
        attestation_key: Some("000b00"),
        ..Expectations::default()
    };
    let error = check(&one, expected).expect_err("no certification");
    assert!(matches!(error, Refusal::Certification(_)), "{error}");

    let mut newer = one.clone();
    newer["version"] = json!(2);
    assert_eq!(
        check(&newer, Expectations::default()),
        Err(Refusal::Version { found: 2 })
    );
    let twice = one
        .to_string()
        .replacen("\"version\":1", "\"version\":1,\"version\":1", 1);
    for bad in [
        "",
        "{}",
        "[]",
        "{\"format\":\"symbolon-key-evidence\"}",
        twice.as_str(),
    ] {
        let error = verify(bad.as_bytes(), Expectations::default()).expect_err(bad);
        assert!(matches!(error, Refusal::Document(_)), "{error}");
    }
    let long = vec![b' '; MAX_LEN + 1];
    assert_eq!(verify(&long, Expectations::default()), Err(Refusal::Length));
}

/// What a token says of itself and of a key of each of these components.
fn tokens_say(kind: Kind, test: &str, components: &[Component]) {
    on(kind, test, |token| {
        let store = token.open();
        for &component in components {
            let info = generate(&store, component);
            let verified = check(&evidence(&store, &info), Expectations::default()).expect("verifies");
            let Holding::TokenObject(object) = &verified.statement.holding else {
                panic!("{:?}", verified.statement.holding);
            };
            assert_eq!(object.attributes, store.attributes(&info.id).expect("attributes"));
            assert_eq!(object.attributes.sensitive, Some(true));
            assert_eq!(object.attributes.extractable, Some(false));
            assert_eq!(object.attributes.local, Some(true));
            assert_eq!(weight(&verified.findings, "attributes"), Some(Weight::Said));
            assert_eq!(
                weight(&verified.findings, "token's attestation"),
                Some(Weight::Open)
            );
            assert_eq!(store.custody(&info.id).expect("custody").unusable, None);
        }
    });
}

#[test]
fn softhsm_is_quoted() {
    let components = [
        Component::EcdsaP256Sha256,
        Component::EcdsaP384Sha384,
        Component::Ed25519,
    ];
    tokens_say(Kind::SoftHsm, "softhsm_is_quoted", &components);
}

#[test]
fn the_pq_token_is_quoted() {
    let components = [Component::EcdsaP256Sha256, Component::MlDsa65, Component::MlDsa87];
    tokens_say(Kind::Pq, "the_pq_token_is_quoted", &components);
}
