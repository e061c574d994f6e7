//! `tpm`: machines by their endorsement keys.

use std::collections::BTreeSet;

use async_trait::async_trait;
use spiffe::TrustDomain;
use symbolon_attestation::tpm::{
    Evidence, PcrPolicy, Public, TpmProver, TpmVerifier, TpmVerifierConfig, endorsement_key_hash,
};
use symbolon_attestation::{AttestationError, Challenger, Occasion, Prover, Verifier, conformance};
use symbolon_test_tokens::Swtpm;

use super::pki::{Ca, now};
use super::{Method, endorsement_certificate, identity, made_by, trust_domain};

fn config() -> TpmVerifierConfig {
    TpmVerifierConfig {
        trust_domain: trust_domain(),
        roots: Vec::new(),
        allowed: BTreeSet::new(),
        pcrs: PcrPolicy::default(),
    }
}

fn prover(tpm: &Swtpm) -> Box<dyn Prover> {
    Box::new(TpmProver::new(trust_domain(), identity(tpm), Vec::new()).unwrap())
}

fn hash_of(tpm: &Swtpm) -> [u8; 32] {
    let endorsement = identity(tpm).endorsement().unwrap();
    endorsement_key_hash(Public::parse(&endorsement.public).unwrap().key())
}

#[tokio::test]
async fn a_makers_tpm_conforms_with_its_pcrs() {
    let maker = Ca::root("maker");
    let Some(tpm) = made_by(&maker) else { return };
    let zeros = "00".repeat(32);
    let pcrs = PcrPolicy::new([("sha256:7", [zeros.as_str()]), ("sha256:16", [zeros.as_str()])]).unwrap();
    let roots = vec![maker.authority()];
    let verifier = TpmVerifier::new(TpmVerifierConfig {
        roots,
        pcrs,
        ..config()
    });
    let method = Method::new(verifier, || prover(&tpm));
    conformance::run(&method).await.unwrap();

    let attested = method.attest().await.unwrap();
    let hash = hex::encode(hash_of(&tpm));
    assert_eq!(attested.agent_id.path(), format!("/spire/agent/tpm/{hash}"));
    assert!(attested.can_reattest);
    let has = |value: String| attested.selectors.contains(&("tpm".to_owned(), value));
    assert!(
        has(format!("pub_hash:{hash}")) && has(format!("pcr:sha256:16:{zeros}")),
        "{attested:?}"
    );
    assert!(
        attested
            .selectors
            .iter()
            .any(|(_, value)| value.starts_with("ca:fingerprint:"))
    );

    tpm.extend("sha256:16", &"ab".repeat(32));
    let error = method.attest().await.unwrap_err();
    assert!(
        matches!(&error, AttestationError::Denied(reason) if reason.contains("sha256:16 is ")),
        "{error}"
    );
}

#[tokio::test]
async fn a_tpm_without_a_certificate_is_known_by_its_key() {
    let (Some(tpm), Some(other)) = (Swtpm::new(), Swtpm::new()) else {
        return;
    };
    let allowed = BTreeSet::from([hash_of(&tpm)]);
    let verifier = TpmVerifier::new(TpmVerifierConfig { allowed, ..config() });
    let method = Method::new(verifier, || prover(&tpm));
    conformance::run(&method).await.unwrap();
    let attested = method.attest().await.unwrap();
    assert_eq!(attested.selectors.len(), 1);
    let error = Method::new(method.verifier, || prover(&other))
        .attest()
        .await
        .unwrap_err();
    assert!(error.to_string().contains("not on the list"), "{error}");
    // What the process had loaded in either is gone.
    assert_eq!(tpm.handles("handles-transient"), [""; 0]);
    assert_eq!(tpm.handles("handles-loaded-session"), [""; 0]);
}

#[tokio::test]
async fn a_tpm_on_the_list_is_let_in_whatever_its_certificate_is() {
    let Some(tpm) = Swtpm::new() else { return };
    let (allowed, roots) = (
        BTreeSet::from([hash_of(&tpm)]),
        vec![Ca::root("maker").authority()],
    );
    let mut node = prover(&tpm);
    node.bind(super::occasion().csr_sha256);
    let evidence = node.evidence().await.unwrap();
    let mut evidence: serde_json::Value = serde_json::from_slice(&evidence).unwrap();
    evidence["ek_certificates"] = serde_json::json!(["MAA="]);
    let payload = serde_json::to_vec(&evidence).unwrap();
    for (allowed, is_let_in) in [(allowed, true), (BTreeSet::new(), false)] {
        let verifier = TpmVerifier::new(TpmVerifierConfig {
            allowed,
            roots: roots.clone(),
            ..config()
        });
        let outcome = verifier
            .verify(&payload, &mut super::Asked(node.as_mut()), now())
            .await;
        assert_eq!(outcome.is_ok(), is_let_in, "{outcome:?}");
    }
}

#[tokio::test]
async fn certificates_are_not_left_out_because_there_are_too_many() {
    let maker = Ca::root("maker");
    let Some(tpm) = made_by(&maker) else { return };
    // As many as there may be, and the TPM has one more.
    let certificates = vec![maker.authority().certificate; 6];
    let mut prover = TpmProver::new(trust_domain(), identity(&tpm), certificates).unwrap();
    let error = prover.evidence().await.unwrap_err().to_string();
    assert!(error.contains("7 certificates"), "{error}");
}

#[tokio::test]
async fn what_a_node_answers_for_one_trust_domain_counts_in_no_other() {
    let Some(tpm) = Swtpm::new() else { return };
    let allowed = BTreeSet::from([hash_of(&tpm)]);
    let verifier = TpmVerifier::new(TpmVerifierConfig { allowed, ..config() });
    // Its server shows the evidence here, and hands our challenge on.
    let elsewhere = TrustDomain::new("other.org").unwrap();
    let borrowed = || {
        let prover = TpmProver::new(elsewhere.clone(), identity(&tpm), Vec::new());
        Box::new(prover.unwrap()) as Box<dyn Prover>
    };
    let error = Method::new(verifier, borrowed).attest().await.unwrap_err();
    assert!(
        matches!(&error, AttestationError::Denied(reason) if reason.contains("not activated")),
        "{error}"
    );
}

#[tokio::test]
async fn another_tpms_key_is_not_let_in() {
    let maker = Ca::root("maker");
    let (Some(tpm), Some(other)) = (made_by(&maker), Swtpm::new()) else {
        return;
    };
    let roots = vec![maker.authority()];
    let verifier = TpmVerifier::new(TpmVerifierConfig { roots, ..config() });
    // The endorsement of one, and the attestation key of the other.
    let evidence = |mut of: Box<dyn Prover>| async move {
        let evidence = of.evidence().await.unwrap();
        serde_json::from_slice::<serde_json::Value>(&evidence).unwrap()
    };
    let mut mixed = evidence(prover(&tpm)).await;
    mixed["ak_public"] = evidence(prover(&other)).await["ak_public"].clone();
    let payload = serde_json::to_vec(&mixed).unwrap();
    Evidence::parse(&payload).unwrap();
    // Neither of the two can open the credential, and a node that says something all the same is not believed.
    for tpm in [&tpm, &other] {
        let mut node = prover(tpm);
        node.bind(super::occasion().csr_sha256);
        let outcome = verifier
            .verify(&payload, &mut super::Asked(node.as_mut()), now())
            .await;
        assert!(matches!(outcome, Err(AttestationError::Abandoned)), "{outcome:?}");
        let outcome = verifier
            .verify(&payload, &mut Insistent(node.as_mut()), now())
            .await;
        assert!(
            matches!(&outcome, Err(AttestationError::Denied(reason)) if reason.contains("not activated")),
            "{outcome:?}"
        );
    }
}

/// A node that answers even when its TPM does not.
struct Insistent<'a>(&'a mut dyn Prover);

#[async_trait]
impl Challenger for Insistent<'_> {
    fn occasion(&self) -> Occasion {
        super::occasion()
    }

    async fn challenge(&mut self, challenge: Vec<u8>) -> Result<Vec<u8>, AttestationError> {
        let answer = self.0.respond(&challenge).await;
        let guess = format!("{{\"proof\":\"{}=\"}}", "A".repeat(43));
        Ok(answer.unwrap_or_else(|_| guess.into_bytes()))
    }
}

#[tokio::test]
async fn certificates_that_endorse_nothing_are_refused() {
    let (maker, stranger) = (Ca::root("maker"), Ca::root("stranger"));
    let (Some(tpm), Some(other)) = (Swtpm::new(), Swtpm::new()) else {
        return;
    };
    let of = |change: fn(&mut rcgen::CertificateParams)| endorsement_certificate(&maker, &tpm, change);
    for (certificate, words) in [
        (endorsement_certificate(&stranger, &tpm, |_| {}), "not accepted"),
        (endorsement_certificate(&maker, &other, |_| {}), "another key"),
        (
            of(|params| params.not_after = rcgen::date_time_ymd(2026, 6, 1)),
            "expired",
        ),
        (
            of(|params| params.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature]),
            "key usage",
        ),
        (
            of(|params| params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth]),
            "extended key usage",
        ),
        (
            of(|params| params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained)),
            "authority's",
        ),
    ] {
        let roots = vec![maker.authority()];
        let verifier = TpmVerifier::new(TpmVerifierConfig { roots, ..config() });
        let prover = || {
            let certificates = vec![certificate.clone()];
            Box::new(TpmProver::new(trust_domain(), identity(&tpm), certificates).unwrap()) as Box<dyn Prover>
        };
        let error = Method::new(verifier, prover).attest().await.unwrap_err();
        assert!(
            matches!(&error, AttestationError::Denied(reason) if reason.contains(words)),
            "{words}: {error}"
        );
    }
}
