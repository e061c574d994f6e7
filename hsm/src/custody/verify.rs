//! Anyone's evidence, verified without a store.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;
use symbolon_crypto::digest::sha256;
use symbolon_crypto::{Component, MlDsaContext, PublicKey};

use super::evidence::{FORMAT, VERSION, signed_bytes};
use super::findings::{self, Certified, Finding};
use super::tpm2::{self, Kind};
use super::{Challenge, Holder, Holding, SealedSeedFacts, Statement, TpmCertification, strict};
use crate::tpm::policy;

/// The most bytes of a document that is looked at; evidence of ML-DSA-87 with a certification has some 15,000.
pub const MAX_LEN: usize = 256 * 1024;

/// What the verifier knows beforehand.
#[derive(Clone, Copy, Debug, Default)]
pub struct Expectations<'a> {
    /// The challenge that the evidence must answer.
    pub challenge: Option<&'a Challenge>,
    /// The name of the TPM's attestation key, in hex, that the verifier has enrolled.
    pub attestation_key: Option<&'a str>,
}

/// Evidence that holds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Verified {
    /// What is said.
    pub statement: Statement,
    /// The key it is about.
    pub public_key: PublicKey,
    /// What each part proves.
    pub findings: Vec<Finding>,
}

/// Why evidence is not to be believed, or cannot be read.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// More bytes than any evidence has.
    #[error("this is no key evidence: it has more than {MAX_LEN} bytes")]
    Length,
    /// Not the JSON that evidence is.
    #[error("this is no key evidence: {0}")]
    Document(String),
    /// Evidence of another release.
    #[error(
        "this is key evidence of version {found}, and this release reads version {VERSION}: use a newer one"
    )]
    Version {
        /// The version it says.
        found: u64,
    },
    /// The statement is not one.
    #[error("the evidence's statement is wrong: {0}")]
    Statement(String),
    /// A part that should be base64 is not.
    #[error("the evidence's {0} is not base64")]
    Base64(&'static str),
    /// The key did not sign this.
    #[error("the key's signature over the statement is wrong: it was changed, or another key signed")]
    Signature,
    /// It answers another challenge, or none.
    #[error("the evidence answers {found}, not the challenge that was given: it may be an older one")]
    Challenge {
        /// What it answers.
        found: String,
    },
    /// The TPM's certification does not hold.
    #[error("the TPM's certification is wrong: {0}")]
    Certification(&'static str),
    /// It was certified by another attestation key than the verifier knows.
    #[error("the attestation key is {found}, not the one that was named")]
    AttestationKey {
        /// Its name, in hex.
        found: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    /// Looked at before the rest.
    #[serde(rename = "format")]
    _format: String,
    #[serde(rename = "version")]
    _version: u64,
    statement: Value,
    signature: String,
    certification: Option<TpmCertification>,
    /// Not signed, so not looked at.
    #[serde(rename = "uncertified")]
    _uncertified: Option<String>,
}

/// Verifies evidence.
///
/// # Errors
/// [`Refusal`], which says which part does not hold.
pub fn verify(document: &[u8], expected: Expectations<'_>) -> Result<Verified, Refusal> {
    let document = read(document)?;
    let signed = signed_bytes(&document.statement)
        .map_err(|_| Refusal::Statement("it has something that statements do not have".to_owned()))?;
    let statement = statement(document.statement)?;
    let component: Component = statement
        .algorithm
        .parse()
        .map_err(|_| Refusal::Statement(format!("{:?} is no algorithm of ours", statement.algorithm)))?;
    let public_key = PublicKey::parse(component, &base64("public key", &statement.public_key)?)
        .map_err(|error| Refusal::Statement(format!("its public key is none: {error}")))?;
    let signature = base64("signature", &document.signature)?;
    public_key
        .verify(&signed, &signature, MlDsaContext::EMPTY)
        .map_err(|_| Refusal::Signature)?;
    if let Some(challenge) = expected.challenge
        && statement.challenge.as_ref() != Some(challenge)
    {
        let found = match &statement.challenge {
            Some(other) => format!("the challenge {}", other.as_str()),
            None => "no challenge".to_owned(),
        };
        return Err(Refusal::Challenge { found });
    }
    let certified = match &document.certification {
        Some(certification) => {
            let subject = (&statement, &public_key);
            Some(verify_certification(
                certification,
                subject,
                &sha256(&signed),
                expected,
            )?)
        }
        None if expected.attestation_key.is_some() => {
            return Err(Refusal::Certification(
                "there is none, and its attestation key was named",
            ));
        }
        None => None,
    };
    let findings = findings::of(&statement, expected.challenge.is_some(), certified.as_ref());
    Ok(Verified {
        statement,
        public_key,
        findings,
    })
}

fn read(document: &[u8]) -> Result<Document, Refusal> {
    if document.len() > MAX_LEN {
        return Err(Refusal::Length);
    }
    let wrong = |error: serde_json::Error| Refusal::Document(error.to_string());
    let value = strict::read(document).map_err(wrong)?;
    if !strict::is_plain(&value) {
        let words = "it has a control character, or one that turns the direction of writing";
        return Err(Refusal::Document(words.to_owned()));
    }
    // What it is, and of which version, before what is wrong with it.
    if value.get("format").and_then(Value::as_str) != Some(FORMAT) {
        return Err(Refusal::Document(format!("its format is not {FORMAT}")));
    }
    match value.get("version").and_then(Value::as_u64) {
        Some(VERSION) => {}
        Some(found) => return Err(Refusal::Version { found }),
        None => return Err(Refusal::Document("it has no version".to_owned())),
    }
    serde_json::from_value(value).map_err(wrong)
}

/// The statement, with nothing in it that would not be shown, and nothing left out.
fn statement(value: Value) -> Result<Statement, Refusal> {
    let wrong = |words: &str| Refusal::Statement(words.to_owned());
    let statement: Statement =
        serde_json::from_value(value.clone()).map_err(|error| Refusal::Statement(error.to_string()))?;
    // Some readers skip members that they do not know.
    if serde_json::to_value(&statement).ok() != Some(value) {
        return Err(wrong("it has other members than statements have"));
    }
    match (&statement.holder, &statement.holding) {
        (Holder::Software(_), Holding::EncryptedFile)
        | (Holder::Pkcs11(_), Holding::TokenObject(_))
        | (Holder::Tpm(_), Holding::TpmKey(_) | Holding::SealedSeed(_))
        | (Holder::Other, Holding::Untold) => Ok(statement),
        _ => Err(wrong("what holds the key does not hold keys so")),
    }
}

fn base64(part: &'static str, text: &str) -> Result<Vec<u8>, Refusal> {
    STANDARD.decode(text).map_err(|_| Refusal::Base64(part))
}

/// Each link from the attestation key to the statement.
fn verify_certification(
    certification: &TpmCertification,
    (statement, public_key): (&Statement, &PublicKey),
    signed: &[u8; 32],
    expected: Expectations<'_>,
) -> Result<Certified, Refusal> {
    let wrong = Refusal::Certification;
    if !matches!(statement.holder, Holder::Tpm(_)) {
        return Err(wrong("the statement says that no TPM holds the key"));
    }
    let attest_bytes = base64("attest", &certification.attest)?;
    let signature = base64("certification's signature", &certification.signature)?;
    let object = base64("object_public", &certification.object_public)?;
    let attestation_key = base64("attestation_key_public", &certification.attestation_key_public)?;

    attestation_public_key(&attestation_key)
        .ok_or(wrong(
            "its attestation key is no restricted P-256 signing key fixed to a TPM",
        ))?
        .verify(&attest_bytes, &signature, MlDsaContext::EMPTY)
        .map_err(|_| wrong("the attestation key's signature does not verify"))?;
    let attest = tpm2::attest(&attest_bytes).ok_or(wrong("what is signed is no TPM2_Certify"))?;
    if attest.extra != signed {
        return Err(wrong("it was made for another statement"));
    }
    if attest.name != tpm2::name(&object) {
        return Err(wrong("it is about another object than is enclosed"));
    }
    check_object(&object, attest.name, statement, public_key).map_err(wrong)?;

    let attestation_key = hex::encode(tpm2::name(&attestation_key));
    if let Some(expected) = expected.attestation_key
        && !expected.eq_ignore_ascii_case(&attestation_key)
    {
        return Err(Refusal::AttestationKey {
            found: attestation_key,
        });
    }
    let endorsement = certification.endorsement_certificate.as_deref();
    Ok(Certified {
        attestation_key,
        known: expected.attestation_key.is_some(),
        endorsed: endorsement
            .map(|certificate| base64("endorsement certificate", certificate))
            .transpose()?
            .is_some(),
    })
}

/// A key that can sign only what its TPM made: so an attest is the TPM's word.
fn attestation_public_key(public: &[u8]) -> Option<PublicKey> {
    let public = tpm2::public(public)?;
    let due =
        tpm2::FIXED_TPM | tpm2::FIXED_PARENT | tpm2::SENSITIVE_DATA_ORIGIN | tpm2::RESTRICTED | tpm2::SIGN;
    (public.attributes & (due | tpm2::DECRYPT) == due).then_some(())?;
    match public.kind {
        Kind::Ecc { point, scheme } if tpm2::is_ecdsa(scheme) => {
            PublicKey::parse(Component::EcdsaP256Sha256, &point).ok()
        }
        _ => None,
    }
}

/// Whether the certified object is what the statement says.
fn check_object(
    object: &[u8],
    name: &[u8],
    statement: &Statement,
    public_key: &PublicKey,
) -> Result<(), &'static str> {
    let public = tpm2::public(object).ok_or("the object enclosed is none that we make")?;
    let has = |attributes: u32| public.attributes & attributes == attributes;
    let is_named = |stated: &str| stated == hex::encode(name);
    match (&public.kind, &statement.holding) {
        (Kind::Ecc { point, scheme }, Holding::TpmKey(facts)) => {
            if point.as_slice() != public_key.as_bytes() {
                return Err("it is about another public key");
            }
            if !has(tpm2::FIXED_TPM | tpm2::FIXED_PARENT | tpm2::SENSITIVE_DATA_ORIGIN | tpm2::SIGN) {
                return Err("the key could leave the TPM, or was not made in it");
            }
            (tpm2::is_ecdsa(*scheme) && is_named(&facts.name))
                .then_some(())
                .ok_or("the key is another than the statement says")
        }
        (Kind::Sealed, Holding::SealedSeed(facts)) => {
            if !has(tpm2::FIXED_TPM | tpm2::FIXED_PARENT) || has(tpm2::USER_WITH_AUTH) {
                return Err("what is sealed could leave the TPM, or be had without its policy");
            }
            let policy = policy_of(facts).ok_or("the statement's PCR values are none")?;
            (public.policy == policy && is_named(&facts.name))
                .then_some(())
                .ok_or("what is sealed is sealed to other PCR values than the statement says")
        }
        _ => Err("the object is of another kind than the statement says"),
    }
}

fn policy_of(facts: &SealedSeedFacts) -> Option<[u8; 32]> {
    let mut values = policy::PcrValues::new();
    for (pcr, value) in &facts.pcrs {
        let (bank, number) = pcr.split_once(':')?;
        let read: u8 = number.parse().ok()?;
        // `07` and `+7` are 7 too: a second value for it would be shown and not compared.
        (read.to_string() == number).then_some(())?;
        let bank = values.entry(bank.to_owned()).or_default();
        bank.insert(read, value.clone());
    }
    policy::digest(&values).ok()
}
