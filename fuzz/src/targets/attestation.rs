//! What nodes send to be let in, and what they answer: nothing that a fuzzer makes lets anybody in.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::pin;
use std::sync::OnceLock;
use std::task::{Context, Poll, Waker};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use symbolon_attestation::tpm::{
    self, Attest, PcrPolicy, Public, Signature, TpmVerifier, TpmVerifierConfig, endorsement_key_hash,
};
use symbolon_attestation::tpm_devid::{self, DevIdConfig, DevIdVerifier};
use symbolon_attestation::x509pop::{
    self, DEFAULT_TEMPLATE, NodeKey, Trust, X509PopConfig, X509PopVerifier, path_template,
};
use symbolon_attestation::{AttestationError, Challenger, Occasion, Verifier};
use symbolon_crypto::{Component, HeldKey as _};
use symbolon_pki::suite::Suite;

use crate::estate::{bundle, chain, key, now, trust_domain};
use crate::{Shape, Target};

pub(super) const X509POP: Target = Target {
    name: "x509pop",
    about: "a node's certificates and its answer; the first two bytes say where the answer begins",
    shape: Shape::Bytes,
    max_len: 48 * 1024,
    body: |input| {
        let (payload, answer) = split(input);
        round_trip(payload, x509pop::Evidence::parse, x509pop::Evidence::to_json);
        never(x509pop_verifier(), payload, answer);
    },
    seeds: x509pop_seeds,
};

pub(super) const TPM: Target = Target {
    name: "tpm-payload",
    about: "a TPM's keys and its answer; the first two bytes say where the answer begins",
    shape: Shape::Bytes,
    max_len: 16 * 1024,
    body: |input| {
        let (payload, answer) = split(input);
        round_trip(payload, tpm::Evidence::parse, tpm::Evidence::to_json);
        never(tpm_verifier(), payload, answer);
    },
    seeds: tpm_seeds,
};

pub(super) const DEVICE: Target = Target {
    name: "tpm-devid-payload",
    about: "a device's identity and its answer; the first two bytes say where the answer begins",
    shape: Shape::Bytes,
    max_len: 32 * 1024,
    body: |input| {
        let (payload, answer) = split(input);
        round_trip(payload, tpm_devid::Evidence::parse, tpm_devid::Evidence::to_json);
        never(device_verifier(), payload, answer);
    },
    seeds: device_seeds,
};

pub(super) const STRUCTURES: Target = Target {
    name: "tpm-structures",
    about: "public areas, attestations and signatures of TPMs: a name changes with every byte",
    shape: Shape::Bytes,
    max_len: 2 * 1024,
    body: |input| {
        if let Ok(public) = Public::parse(input) {
            assert_eq!(Public::parse(input), Ok(public.clone()));
            let mut longer = input.to_vec();
            longer.push(0);
            assert!(Public::parse(&longer).is_err(), "something after a public area");
            assert_eq!(public.name().len(), 34);
        }
        if let Ok(attest) = Attest::parse(input) {
            assert!(attest.extra.len() < input.len());
        }
        let _ = Signature::parse(input);
    },
    seeds: || vec![endorsement(), attestation()],
};

pub(super) const TEMPLATE: Target = Target {
    name: "agent-path-template",
    about: "how agents are named: a template that is read names agents below their method",
    shape: Shape::Bytes,
    max_len: 2 * 1024,
    body: |input| {
        if let Ok(text) = std::str::from_utf8(input) {
            let _ = path_template(text);
        }
        let _ = NodeKey::from_pem(input);
    },
    seeds: || {
        vec![
            DEFAULT_TEMPLATE.as_bytes().to_vec(),
            b"/x509pop/{{ .URISanSelectors.env }}".to_vec(),
        ]
    },
};

/// The payload, and the answer behind it.
pub(super) fn split(input: &[u8]) -> (&[u8], &[u8]) {
    match input {
        [high, low, rest @ ..] => {
            let place = usize::from(u16::from_be_bytes([*high, *low])).min(rest.len());
            rest.split_at(place)
        }
        short => (short, &[]),
    }
}

pub(super) fn joined(payload: &[u8], answer: &[u8]) -> Vec<u8> {
    let place = u16::try_from(payload.len()).expect("a payload");
    [&place.to_be_bytes()[..], payload, answer].concat()
}

pub(super) fn round_trip<T: PartialEq + std::fmt::Debug>(
    payload: &[u8],
    parse: fn(&[u8]) -> Result<T, AttestationError>,
    write: fn(&T) -> Vec<u8>,
) {
    if let Ok(evidence) = parse(payload) {
        let again = parse(&write(&evidence)).expect("evidence of our own");
        assert_eq!(again, evidence);
    }
}

/// Says the same whatever it is asked.
struct Saying<'a>(&'a [u8]);

#[tonic::async_trait]
impl Challenger for Saying<'_> {
    fn occasion(&self) -> Occasion {
        Occasion {
            csr_sha256: [7; 32],
            address: None,
        }
    }

    async fn challenge(&mut self, _: Vec<u8>) -> Result<Vec<u8>, AttestationError> {
        Ok(self.0.to_vec())
    }
}

/// Nobody is let in by what was there before the question.
pub(super) fn never(verifier: &dyn Verifier, payload: &[u8], answer: &[u8]) {
    if let Some(error) = never_or_unavailable(verifier, payload, answer) {
        panic!("the verifier failed: {error}");
    }
}

/// The same, where a service that the verifier asks may fail. Returns why it did.
pub(super) fn never_or_unavailable(
    verifier: &dyn Verifier,
    payload: &[u8],
    answer: &[u8],
) -> Option<Box<dyn std::error::Error + Send + Sync>> {
    let mut node = Saying(answer);
    let mut verifying = pin!(verifier.verify(payload, &mut node, now()));
    match verifying.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(attested)) => panic!("{attested:?} was let in"),
        Poll::Ready(Err(AttestationError::Unavailable(error))) => Some(error),
        Poll::Ready(Err(_)) => None,
        Poll::Pending => panic!("it waits for nobody"),
    }
}

fn x509pop_verifier() -> &'static X509PopVerifier {
    static VERIFIER: OnceLock<X509PopVerifier> = OnceLock::new();
    VERIFIER.get_or_init(|| {
        let trust = Trust::ExternalPki(bundle().x509_authorities);
        let template = path_template(DEFAULT_TEMPLATE).expect("a template");
        X509PopVerifier::new(X509PopConfig::new(trust_domain(), trust, template))
    })
}

fn x509pop_seeds() -> Vec<Vec<u8>> {
    let nonce = STANDARD.encode([7; 32]);
    [Suite::EcdsaP256, Suite::MlDsa44]
        .map(|suite| {
            let [leaf, below, _] = chain(suite).certificates().map(|der| STANDARD.encode(der));
            let payload = format!(r#"{{"certificates":["{leaf}","{below}"]}}"#);
            let answer = match suite {
                Suite::EcdsaP256 => {
                    format!(r#"{{"ecdsa_signature":{{"nonce":"{nonce}","r":"AQ==","s":"AQ=="}}}}"#)
                }
                _ => format!(r#"{{"symbolon_signature":{{"nonce":"{nonce}","signature":"AQ=="}}}}"#),
            };
            joined(payload.as_bytes(), answer.as_bytes())
        })
        .to_vec()
}

/// A P-256 key in a TPM: what it is for, and its schemes.
fn public(number: u8, attributes: u32, schemes: &[u16]) -> Vec<u8> {
    let key = key(Component::EcdsaP256Sha256, number);
    let (x, y) = key.public_key().as_bytes()[1..].split_at(32);
    let numbers = |numbers: &[u16]| {
        numbers
            .iter()
            .flat_map(|number| number.to_be_bytes())
            .collect::<Vec<_>>()
    };
    [
        &numbers(&[0x0023, 0x000b])[..],
        &attributes.to_be_bytes(),
        &numbers(&[0]),
        &numbers(schemes),
        &numbers(&[0x0003, 0x0010, 32]),
        x,
        &numbers(&[32]),
        y,
    ]
    .concat()
}

/// An endorsement key: fixed, restricted, for decryption, with AES-128.
fn endorsement() -> Vec<u8> {
    public(40, 0x0003_0032, &[0x0006, 128, 0x0043, 0x0010])
}

/// An attestation key: fixed, restricted, for ECDSA with SHA-256.
fn attestation() -> Vec<u8> {
    public(41, 0x0005_0032, &[0x0010, 0x0018, 0x000b])
}

fn tpm_verifier() -> &'static TpmVerifier {
    static VERIFIER: OnceLock<TpmVerifier> = OnceLock::new();
    VERIFIER.get_or_init(|| {
        let endorsement = Public::parse(&endorsement()).expect("an endorsement key");
        let zeros = "00".repeat(32);
        TpmVerifier::new(TpmVerifierConfig {
            trust_domain: trust_domain(),
            roots: bundle().x509_authorities,
            allowed: BTreeSet::from([endorsement_key_hash(endorsement.key())]),
            pcrs: PcrPolicy::new([("sha256:7", [zeros.as_str()])]).expect("a policy"),
        })
    })
}

fn tpm_seeds() -> Vec<Vec<u8>> {
    let [endorsement, attestation] = [endorsement(), attestation()].map(|one| STANDARD.encode(one));
    let certificate = STANDARD.encode(&chain(Suite::EcdsaP256).leaf);
    let secret = STANDARD.encode([7; 32]);
    let quote = format!(
        r#"{{"attest":"AQ==","signature":"AQ==","values":{{"sha256:7":"{}"}}}}"#,
        "00".repeat(32)
    );
    let answer = format!(r#"{{"proof":"{secret}","quote":{quote}}}"#);
    ["".to_owned(), format!("\"{certificate}\"")]
        .map(|certificates| {
            let payload = format!(
                r#"{{"ek_public":"{endorsement}","ek_certificates":[{certificates}],"ak_public":"{attestation}"}}"#
            );
            joined(payload.as_bytes(), answer.as_bytes())
        })
        .to_vec()
}

fn device_verifier() -> &'static DevIdVerifier {
    static VERIFIER: OnceLock<DevIdVerifier> = OnceLock::new();
    VERIFIER.get_or_init(|| {
        DevIdVerifier::new(DevIdConfig {
            trust_domain: trust_domain(),
            device_roots: bundle().x509_authorities,
            endorsement_roots: bundle().x509_authorities,
        })
    })
}

fn device_seeds() -> Vec<Vec<u8>> {
    let [leaf, below, root] = chain(Suite::EcdsaP256)
        .certificates()
        .map(|der| STANDARD.encode(der));
    let [endorsement, attestation] = [endorsement(), attestation()].map(|one| STANDARD.encode(one));
    let payload = format!(
        r#"{{"DevIDCert":["{leaf}","{below}"],"DevIDPub":"{attestation}","EKCert":"{root}","EKPub":"{endorsement}","AKPub":"{attestation}","CertifiedDevID":"AQ==","CertificationSignature":"AQ=="}}"#
    );
    vec![joined(
        payload.as_bytes(),
        br#"{"DevID":"AQ==","CredActivation":"AQ=="}"#,
    )]
}
