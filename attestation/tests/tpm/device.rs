//! `tpm_devid`: devices by identities in their TPMs.

use std::path::Path;

use symbolon_attestation::tpm::Public;
use symbolon_attestation::tpm_devid::{DevIdConfig, DevIdProver, DevIdVerifier, public_area};
use symbolon_attestation::{Prover, conformance};
use symbolon_hsm::tpm::identity::{DeviceKey, Wrapped};
use symbolon_pki::certificate::Certificate;
use symbolon_test_tokens::Swtpm;

use super::pki::{Ca, Certified, node_params};
use super::{Method, flush, identity, made_by, trust_domain};

pub(crate) const KEPT: &str = "sign|fixedtpm|fixedparent|sensitivedataorigin|userwithauth";

/// A device key as operators make it with tpm2-tools: under the storage root key of the high range.
pub(crate) fn device_key(tpm: &Swtpm, family: &str, kind: &str, attributes: &str) -> DeviceKey {
    let scratch = tempfile::tempdir().unwrap();
    let path = |name: &str| scratch.path().join(name).display().to_string();
    let (srk, public, private) = (path("srk"), path("public"), path("private"));
    let storage = "restricted|decrypt|fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda";
    tpm.tool(
        "tpm2_createprimary",
        &["-C", "o", "-G", family, "-a", storage, "-c", &srk],
    );
    flush(tpm);
    tpm.tool(
        "tpm2_create",
        &[
            "-C", &srk, "-G", kind, "-a", attributes, "-u", &public, "-r", &private,
        ],
    );
    flush(tpm);
    let read = |path: &str| public_area(&std::fs::read(Path::new(path)).unwrap()).to_vec();
    DeviceKey {
        wrapped: Wrapped {
            public: read(&public),
            private: read(&private),
        },
        password: None,
    }
}

/// Its certificate.
pub(crate) fn identify(ca: &Ca, key: &DeviceKey) -> Certificate {
    let public = Public::parse(&key.wrapped.public).unwrap();
    ca.sign(&node_params("device 7", &[]), &Certified(public.key()))
}

pub(crate) fn verifier(maker: &Ca, devices: &Ca) -> DevIdVerifier {
    DevIdVerifier::new(DevIdConfig {
        trust_domain: trust_domain(),
        device_roots: vec![devices.authority()],
        endorsement_roots: vec![maker.authority()],
    })
}

#[tokio::test]
async fn devices_of_either_kind_are_let_in() {
    let (maker, devices) = (Ca::root("maker"), Ca::root("devices"));
    let below = devices.below("factory");
    let Some(tpm) = made_by(&maker) else { return };
    for (family, kind) in [
        ("ecc256", "ecc256:ecdsa-sha256:null"),
        ("rsa2048", "rsa2048:rsassa-sha256:null"),
    ] {
        let key = device_key(&tpm, family, kind, KEPT);
        let chain = vec![identify(&below, &key), below.certificate.clone()];
        let prover = || {
            let prover = DevIdProver::new(identity(&tpm), chain.clone(), key.clone());
            Box::new(prover.unwrap()) as Box<dyn Prover>
        };
        let method = Method::new(verifier(&maker, &devices), prover);
        // Making RSA keys takes its time: one kind goes through the suite.
        if family == "ecc256" {
            conformance::run(&method).await.unwrap();
        }

        let attested = method.attest().await.unwrap();
        let sha1 = |certificate: &Certificate| {
            hex::encode(symbolon_crypto::digest::sha1_for_names(certificate.der()))
        };
        assert_eq!(
            attested.agent_id.path(),
            format!("/spire/agent/tpm_devid/{}", sha1(&chain[0]))
        );
        let expected = [
            "subject:cn:device 7".to_owned(),
            "issuer:cn:factory".to_owned(),
            format!("ca:fingerprint:{}", sha1(&below.certificate)),
            format!("ca:fingerprint:{}", sha1(&devices.certificate)),
        ];
        let expected = expected.map(|value| ("tpm_devid".to_owned(), value));
        assert_eq!(attested.selectors, expected.into());
    }
}
