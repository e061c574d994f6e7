//! `tpm_devid`: what proves no residency.

use serde_json::{Value, json};
use symbolon_attestation::tpm_devid::DevIdProver;
use symbolon_attestation::{AttestationError, Prover, Verifier};

use super::device::{KEPT, device_key, identify, verifier};
use super::pki::{Ca, now};
use super::{NeverAsked, identity, made_by};

async fn evidence(prover: DevIdProver) -> Value {
    let mut prover = prover;
    serde_json::from_slice(&prover.evidence().await.unwrap()).unwrap()
}

#[tokio::test]
async fn evidence_that_does_not_hold_together_is_refused_unasked() {
    let (maker, devices) = (Ca::root("maker"), Ca::root("devices"));
    let Some(tpm) = made_by(&maker) else { return };
    let make = |attributes: &str| {
        let key = device_key(&tpm, "ecc256", "ecc256:ecdsa-sha256:null", attributes);
        let chain = vec![identify(&devices, &key)];
        DevIdProver::new(identity(&tpm), chain, key).unwrap()
    };
    let good = evidence(make(KEPT)).await;
    let other = evidence(make(KEPT)).await;
    // It may be taken to another TPM.
    let movable = evidence(make("sign|sensitivedataorigin|userwithauth")).await;

    let with = |member: &str, value: &Value| {
        let mut changed = good.clone();
        changed[member] = value.clone();
        changed
    };
    let both = |one: &str, other_member: &str| {
        let mut changed = with(one, &other[one]);
        changed[other_member] = other[other_member].clone();
        changed
    };
    let strange = verifier(&Ca::root("maker"), &devices);
    let elsewhere = verifier(&maker, &Ca::root("devices"));
    let right = verifier(&maker, &devices);
    for (verifier, evidence, words) in [
        (&right, json!({}), "AKPub is missing"),
        (&right, with("DevIDCert", &json!([])), "no certificate"),
        (
            &right,
            with("DevIDCert", &json!(vec!["AAAA"; 7])),
            "7 certificates",
        ),
        (&right, with("EKCert", &json!("AAAA")), "cannot be read"),
        (&right, with("EKPub", &json!("AAAA")), "EKPub"),
        (
            &right,
            with("EKPub", &good["AKPub"]),
            "EKPub is no decryption key",
        ),
        (
            &right,
            with("AKPub", &good["EKPub"]),
            "AKPub is no restricted signing key",
        ),
        (
            &right,
            with("AKPub", &good["DevIDPub"]),
            "AKPub is no restricted signing key",
        ),
        (&right, with("EKCert", &good["DevIDCert"][0]), "another key"),
        (
            &right,
            with("DevIDPub", &other["DevIDPub"]),
            "another key than DevIDPub",
        ),
        (&right, with("AKPub", &other["AKPub"]), "CertificationSignature"),
        (
            &right,
            with("CertificationSignature", &json!("AAAA")),
            "CertificationSignature",
        ),
        (
            &right,
            with("CertifiedDevID", &other["CertifiedDevID"]),
            "CertificationSignature",
        ),
        // A device that another attestation key certified, and whose certificate is another's.
        (&right, both("DevIDPub", "DevIDCert"), "about another object"),
        (&right, movable, "could leave it"),
        (&strange, good.clone(), "not accepted"),
        (&elsewhere, good.clone(), "DevID certificate is not accepted"),
    ] {
        let payload = serde_json::to_vec(&evidence).unwrap();
        let error = verifier
            .verify(&payload, &mut NeverAsked, now())
            .await
            .unwrap_err();
        assert!(
            matches!(
                error,
                AttestationError::Malformed { .. } | AttestationError::Refused(_)
            ),
            "{words}: {error}"
        );
        assert!(error.to_string().contains(words), "{words}: {error}");
    }
}
