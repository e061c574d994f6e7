//! The TPM methods against software TPMs: they conform, and let nobody else in.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

#[path = "../asked/mod.rs"]
mod asked;
mod device;
mod machine;
#[path = "../pki/mod.rs"]
mod pki;
mod refusals;

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyUsagePurpose};
use spiffe::TrustDomain;
use symbolon_attestation::conformance::Scenario;
use symbolon_attestation::tpm::Public;
use symbolon_attestation::{AttestationError, Attested, Prover, Verifier};
use symbolon_hsm::tpm::identity::TpmIdentity;
use symbolon_pki::certificate::Certificate;
use symbolon_test_tokens::Swtpm;

use self::asked::{Asked, NeverAsked, occasion};
use self::pki::{Ca, now};

fn trust_domain() -> TrustDomain {
    TrustDomain::new("example.org").unwrap()
}

fn identity(tpm: &Swtpm) -> TpmIdentity {
    let tcti = tpm.tcti().parse().unwrap();
    TpmIdentity::new(&tcti, Duration::from_secs(120), None, None)
}

/// A TPM of a maker's: its endorsement key is kept in it, and certified there.
fn made_by(maker: &Ca) -> Option<Swtpm> {
    let tpm = Swtpm::new()?;
    let scratch = tempfile::tempdir().unwrap();
    let path = |name: &str| scratch.path().join(name).display().to_string();
    tpm.tool(
        "tpm2_createek",
        &["-c", "0x81010001", "-G", "rsa", "-u", &path("ek")],
    );
    flush(&tpm);
    let certificate = endorsement_certificate(maker, &tpm, |_| {});
    // Makers leave room behind it.
    let stored = [certificate.der(), &[0xff; 40]].concat();
    std::fs::write(path("certificate"), &stored).unwrap();
    let attributes = "ppwrite|ppread|ownerread|authread|no_da|platformcreate";
    let size = stored.len().to_string();
    tpm.tool(
        "tpm2_nvdefine",
        &["0x01c00002", "-C", "p", "-s", &size, "-a", attributes],
    );
    tpm.tool(
        "tpm2_nvwrite",
        &["0x01c00002", "-C", "p", "-i", &path("certificate")],
    );
    Some(tpm)
}

/// Tools leave what they made loaded.
fn flush(tpm: &Swtpm) {
    for kind in ["-t", "-l", "-s"] {
        tpm.tool("tpm2_flushcontext", &[kind]);
    }
}

/// A certificate for a TPM's endorsement key.
fn endorsement_certificate(
    maker: &Ca,
    tpm: &Swtpm,
    change: impl FnOnce(&mut CertificateParams),
) -> Certificate {
    let endorsement = identity(tpm).endorsement().unwrap();
    let public = Public::parse(&endorsement.public).unwrap();
    let mut params = pki::node_params("", &[]);
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.key_usages = vec![KeyUsagePurpose::KeyEncipherment];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::Other(vec![2, 23, 133, 8, 1])];
    change(&mut params);
    maker.sign(&params, &pki::Certified(public.key()))
}

/// A verifier, and how a node that it lets in is made.
struct Method<V, F> {
    trust_domain: TrustDomain,
    verifier: V,
    prover: F,
}

impl<V: Verifier, F: Fn() -> Box<dyn Prover> + Send + Sync> Method<V, F> {
    fn new(verifier: V, prover: F) -> Self {
        Self {
            trust_domain: trust_domain(),
            verifier,
            prover,
        }
    }

    async fn attest(&self) -> Result<Attested, AttestationError> {
        let mut prover = (self.prover)();
        prover.bind(occasion().csr_sha256);
        let evidence = prover.evidence().await.unwrap();
        self.verifier
            .verify(&evidence, &mut Asked(prover.as_mut()), now())
            .await
    }
}

#[async_trait]
impl<V: Verifier, F: Fn() -> Box<dyn Prover> + Send + Sync> Scenario for Method<V, F> {
    fn trust_domain(&self) -> &TrustDomain {
        &self.trust_domain
    }

    fn verifier(&self) -> &dyn Verifier {
        &self.verifier
    }

    async fn honest(&self) -> Box<dyn Prover> {
        (self.prover)()
    }

    fn now(&self) -> SystemTime {
        now()
    }

    /// SPIRE's protocol has no room for it.
    fn binds_request(&self) -> bool {
        self.verifier.method() == "tpm"
    }
}
