//! Evidence that somebody makes up: what is shown of it is what was verified, and what a key in software can forge is
//! never said to be proven.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail as tests do"
)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use symbolon_crypto::digest::sha256;
use symbolon_crypto::{Component, HeldKey as _, MlDsaContext, SoftwareKey};
use symbolon_hsm::custody::{Expectations, Refusal, Verified, Weight, verify};

const FIXED_TPM: u32 = 1 << 1;
const FIXED_PARENT: u32 = 1 << 4;
const MADE_IN_IT: u32 = 1 << 5;
const USER_WITH_AUTH: u32 = 1 << 6;
const RESTRICTED: u32 = 1 << 16;
const SIGN: u32 = 1 << 18;

/// What the book says that a key signs. serde_json sorts members and writes no blanks.
fn signed(statement: &Value) -> Vec<u8> {
    let canonical = statement.to_string();
    [
        &b"\x00\xffSymbolon key evidence, version 1\n"[..],
        canonical.as_bytes(),
    ]
    .concat()
}

fn key(component: Component) -> SoftwareKey {
    SoftwareKey::generate(component).expect("key")
}

fn sign(key: &SoftwareKey, message: &[u8]) -> String {
    STANDARD.encode(key.sign(message, MlDsaContext::EMPTY).expect("signature"))
}

fn statement(key: &SoftwareKey, holder: Value, holding: Value) -> Value {
    json!({
        "made_at": "2026-11-22T07:00:00Z",
        "challenge": null,
        "key_id": "00ff",
        "label": "root",
        "algorithm": key.component().name(),
        "public_key": STANDARD.encode(key.public_key().as_bytes()),
        "holder": holder,
        "holding": holding,
    })
}

fn software() -> (Value, Value) {
    (
        json!({"kind": "software", "encrypted_under": "key file"}),
        json!({"as": "encrypted-file"}),
    )
}

fn tpm() -> Value {
    json!({
        "kind": "tpm",
        "manufacturer": "IFX",
        "model": "SLB9672",
        "firmware_version": "000f00160000468a",
        "specification": "1.59",
        "storage_root": format!("000b{}", "00".repeat(32)),
    })
}

/// The document for a statement, signed as it must be.
fn document(key: &SoftwareKey, statement: &Value, certification: &Value) -> Value {
    json!({
        "format": "symbolon-key-evidence",
        "version": 1,
        "statement": statement,
        "signature": sign(key, &signed(statement)),
        "certification": certification,
        "uncertified": null,
    })
}

fn check(document: &Value) -> Result<Verified, Refusal> {
    verify(document.to_string().as_bytes(), Expectations::default())
}

fn weight(verified: &Verified, part: &str) -> Weight {
    let mut findings = verified.findings.iter();
    findings.find(|finding| finding.part == part).expect(part).weight
}

fn sized(bytes: &[u8]) -> Vec<u8> {
    let len = u16::try_from(bytes.len()).expect("length");
    [&len.to_be_bytes()[..], bytes].concat()
}

fn words(words: &[u16]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// The TPMT_PUBLIC that a P-256 key would have in a TPM.
fn ecc_public(key: &SoftwareKey, attributes: u32) -> Vec<u8> {
    let point = key.public_key().as_bytes();
    let (x, y) = point[1..].split_at(32);
    [
        words(&[0x0023, 0x000b]),
        attributes.to_be_bytes().to_vec(),
        sized(&[]),
        words(&[0x0010, 0x0018, 0x000b, 0x0003, 0x0010]),
        sized(x),
        sized(y),
    ]
    .concat()
}

/// The TPMT_PUBLIC of data sealed under a policy.
fn sealed_public(policy: &[u8], attributes: u32) -> Vec<u8> {
    [
        words(&[0x0008, 0x000b]),
        attributes.to_be_bytes().to_vec(),
        sized(policy),
        words(&[0x0010]),
        sized(&[7; 32]),
    ]
    .concat()
}

fn name(public: &[u8]) -> Vec<u8> {
    [&[0x00, 0x0b][..], &sha256(public)].concat()
}

/// TPM2_Certify by a key of software that says of itself what an attestation key says.
fn certification(attestation_key: &SoftwareKey, attributes: u32, object: &[u8], statement: &Value) -> Value {
    let attest = [
        0xff54_4347_u32.to_be_bytes().to_vec(),
        words(&[0x8017]),
        sized(&name(b"signer")),
        sized(&sha256(&signed(statement))),
        vec![0; 8 + 4 + 4 + 1 + 8],
        sized(&name(object)),
        sized(&name(b"qualified")),
    ]
    .concat();
    json!({
        "attest": STANDARD.encode(&attest),
        "signature": sign(attestation_key, &attest),
        "object_public": STANDARD.encode(object),
        "attestation_key_public": STANDARD.encode(ecc_public(attestation_key, attributes)),
        "endorsement_certificate": null,
    })
}

const ATTESTING: u32 = FIXED_TPM | FIXED_PARENT | MADE_IN_IT | USER_WITH_AUTH | RESTRICTED | SIGN;

#[test]
fn what_a_key_in_software_certifies_is_not_proven() {
    let (forged, attestation_key) = (key(Component::EcdsaP256Sha256), key(Component::EcdsaP256Sha256));
    let object = ecc_public(
        &forged,
        FIXED_TPM | FIXED_PARENT | MADE_IN_IT | USER_WITH_AUTH | SIGN,
    );
    let holding = json!({"as": "tpm-key", "name": hex::encode(name(&object)), "handle": null});
    let statement = statement(&forged, tpm(), holding);
    let certified = |attributes| certification(&attestation_key, attributes, &object, &statement);
    let forgery = document(&forged, &statement, &certified(ATTESTING));
    let verified = check(&forgery).expect("it is well formed");
    assert_eq!(weight(&verified, "TPM's certification"), Weight::Said);
    assert_eq!(weight(&verified, "attestation key"), Weight::Open);

    // What is no attestation key by its own word is none.
    for missing in [FIXED_TPM, FIXED_PARENT, MADE_IN_IT, RESTRICTED, SIGN] {
        let document = document(&forged, &statement, &certified(ATTESTING & !missing));
        let error = check(&document).expect_err("no attestation key");
        assert!(
            matches!(error, Refusal::Certification(_)),
            "{missing:#x}: {error}"
        );
    }
}

/// The policy of PCRs 0 and 7 of the SHA-256 bank with these values, one after the other (TPM2_PolicyPCR).
fn policy(values: &[u8]) -> [u8; 32] {
    let selection = [0, 0, 1, 0x7f, 0, 0, 0, 1, 0, 0x0b, 3, 0x81, 0, 0];
    sha256(&[&[0; 32][..], &selection, &sha256(values)].concat())
}

#[test]
fn every_pcr_value_that_is_stated_is_the_one_that_is_sealed_to() {
    let (seed, attestation_key) = (key(Component::MlDsa65), key(Component::EcdsaP256Sha256));
    let values: Vec<u8> = (0..64).collect();
    let (zero, seven) = (hex::encode(&values[..32]), hex::encode(&values[32..]));
    let sealed = |attributes: u32, pcrs: &Value| {
        let object = sealed_public(&policy(&values), attributes);
        let holding = json!({"as": "sealed-seed", "name": hex::encode(name(&object)), "pcrs": pcrs});
        let statement = statement(&seed, tpm(), holding);
        let certification = certification(&attestation_key, ATTESTING, &object, &statement);
        check(&document(&seed, &statement, &certification))
    };
    let fixed = FIXED_TPM | FIXED_PARENT;
    sealed(fixed, &json!({"sha256:0": zero, "sha256:7": seven})).expect("as it is sealed");

    let other = "00".repeat(32);
    for pcrs in [
        json!({"sha256:0": zero, "sha256:7": other}),
        // The same bytes one after the other, and other values.
        json!({"sha256:0": hex::encode(&values[..20]), "sha256:7": hex::encode(&values[20..])}),
        json!({"sha256:0": "", "sha256:7": hex::encode(&values)}),
        // A second value for one PCR.
        json!({"sha256:0": zero, "sha256:07": other, "sha256:7": seven}),
        json!({"sha256:+7": other, "sha256:0": zero, "sha256:7": seven}),
        json!({"sha256:0": zero, "sha256:7": seven, "sha384:7": other}),
        json!({"sha256:7": seven}),
        json!({}),
    ] {
        let error = sealed(fixed, &pcrs).expect_err(&pcrs.to_string());
        assert!(matches!(error, Refusal::Certification(_)), "{pcrs}: {error}");
    }
    for attributes in [fixed | USER_WITH_AUTH, FIXED_TPM, FIXED_PARENT] {
        let pcrs = json!({"sha256:0": zero, "sha256:7": seven});
        sealed(attributes, &pcrs).expect_err("it could leave, or be had without its policy");
    }
}

#[test]
fn a_member_that_stands_twice_is_refused_wherever_it_stands() {
    let key = key(Component::Ed25519);
    let (holder, holding) = software();
    let text = document(&key, &statement(&key, holder, holding), &Value::Null).to_string();
    verify(text.as_bytes(), Expectations::default()).expect("verifies");
    for (once, twice) in [
        ("\"label\":", "\"label\":\"forged\",\"label\":"),
        ("\"kind\":", "\"kind\":\"tpm\",\"kind\":"),
        ("\"signature\":", "\"signature\":\"\",\"signature\":"),
    ] {
        let changed = text.replacen(once, twice, 1);
        assert_ne!(changed, text);
        let error = verify(changed.as_bytes(), Expectations::default()).expect_err(&changed);
        assert!(matches!(error, Refusal::Document(_)), "{error}");
    }
}

#[test]
fn a_statement_says_what_statements_say_and_no_more() {
    let key = key(Component::Ed25519);
    let (holder, holding) = software();
    let good = statement(&key, holder.clone(), holding.clone());
    check(&document(&key, &good, &Value::Null)).expect("verifies");
    let mut without = good.clone();
    without.as_object_mut().expect("object").remove("challenge");
    let mut more = good.clone();
    more["certified_by"] = json!("an authority");
    for bad in [
        without,
        more,
        // Members beside a tag that has none.
        statement(
            &key,
            holder.clone(),
            json!({"as": "encrypted-file", "certified_by": "an authority"}),
        ),
        statement(
            &key,
            json!({"kind": "other", "model": "HSM"}),
            json!({"as": "untold"}),
        ),
        // A holder that does not hold keys so.
        statement(&key, tpm(), holding),
        statement(&key, holder, json!({"as": "untold"})),
    ] {
        let error = check(&document(&key, &bad, &Value::Null)).expect_err(&bad.to_string());
        assert!(matches!(error, Refusal::Statement(_)), "{bad}: {error}");
    }
}

#[test]
fn what_a_terminal_would_obey_is_refused() {
    let key = key(Component::Ed25519);
    let (holder, holding) = software();
    for text in [
        "root\nTPM's certification  proven",
        "\u{1b}[2Jroot",
        "\u{9b}31m",
        "\u{202e}toor",
    ] {
        let mut statement = statement(&key, holder.clone(), holding.clone());
        statement["label"] = json!(text);
        let error = check(&document(&key, &statement, &Value::Null)).expect_err(text);
        assert!(matches!(error, Refusal::Document(_)), "{error}");
        let mut with_a_name = document(&key, &statement, &Value::Null);
        with_a_name["statement"]["label"] = json!("root");
        with_a_name[text] = json!(1);
        let error = check(&with_a_name).expect_err(text).to_string();
        assert!(!error.contains(text), "{error}");
    }
}
