//! One sitting: events written as things happen, intermediates signed, and the root's signature at its end.

use std::sync::Arc;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use symbolon_crypto::{digest, random};
use symbolon_hsm::{KeyId, KeyStore};
use symbolon_issuance::{Authority, HasSigner, IntermediateRequest, Linted, Serial, prepare_intermediate};
use symbolon_pki::bundle::{TrustBundle, X509Authority};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::key::SuiteSigner;
use symbolon_pki::verify::{VerifyOptions, verify_authority};

use super::conductor::Conductor;
use super::error::CeremonyError;
use super::event::{
    CertificateIntended, CertificateMade, Purpose, SessionClosed, SessionStopped, What, closing_message,
};
use super::plan::{Name, Plan};
use super::requests::Request;
use super::transcript::Transcript;

/// What this program calls itself in transcripts.
pub(super) fn program() -> String {
    format!("symbolon {}", env!("CARGO_PKG_VERSION"))
}

/// A session that is being held.
pub(super) struct Session<'a> {
    pub(super) transcript: Transcript,
    pub(super) conductor: &'a mut dyn Conductor,
    /// Keys that were made in this session, to be destroyed if it fails.
    pub(super) made: Vec<(Arc<dyn KeyStore>, KeyId)>,
}

impl Session<'_> {
    /// Writes an event.
    pub(super) fn write(&mut self, what: What) -> Result<(), CeremonyError> {
        let event = self.transcript.append(what)?;
        self.conductor.written(&event);
        Ok(())
    }

    /// Says in the transcript that the session failed, and destroys the keys that it had made. The error that led here
    /// is what the caller returns; what fails in cleaning up is logged.
    pub(super) fn stop(&mut self, error: &CeremonyError) {
        let mut destroyed = Vec::new();
        for (store, id) in self.made.drain(..) {
            match store.destroy(&id) {
                Ok(()) => destroyed.push(id.to_string()),
                Err(error) => {
                    tracing::warn!(key = %id, %error, "cannot destroy a key of a ceremony that failed");
                }
            }
        }
        let stopped = What::SessionStopped(SessionStopped {
            reason: chain_of(error),
            keys_destroyed: destroyed,
        });
        if let Err(error) = self.write(stopped) {
            tracing::warn!(%error, "cannot write to the transcript that the ceremony failed");
        }
    }

    /// Records what is about to be signed, signs it, and records that.
    pub(super) fn certify(
        &mut self,
        purpose: Purpose,
        name: &Name,
        csr: Option<&[u8]>,
        linted: Linted,
        issuer: &impl HasSigner,
    ) -> Result<Certificate, CeremonyError> {
        self.write(What::CertificateIntended(CertificateIntended {
            purpose,
            name: name.clone(),
            serial: linted.serial().hex(),
            tbs_sha256: hex::encode(digest::sha256(linted.tbs_der())),
            csr_sha256: csr.map(|der| hex::encode(digest::sha256(der))),
        }))?;
        let issued = linted.sign(issuer)?;
        let certificate = Certificate::from_der(issued.der())
            .map_err(|error| symbolon_issuance::IssuanceError::Encoding(error.to_string()))?;
        self.write(What::CertificateMade(CertificateMade {
            purpose,
            name: name.clone(),
            sha256: hex::encode(issued.sha256()),
            certificate: STANDARD.encode(issued.der()),
            csr: csr.map(|der| STANDARD.encode(der)),
        }))?;
        Ok(certificate)
    }

    /// Signs an intermediate, and verifies it against the root as any verifier would.
    pub(super) fn sign(
        &mut self,
        plan: &Plan,
        root: &Authority,
        request: &Request,
        now: SystemTime,
    ) -> Result<(), CeremonyError> {
        let linted = prepare_intermediate(
            root,
            &IntermediateRequest {
                key: request.csr.key(),
                ttl: request.lifetime,
                path_len: Some(plan.policy.path_length),
                serial: Serial::random(random::fill)?,
                now,
            },
        )?;
        let certificate = self.certify(
            Purpose::Intermediate,
            &request.name,
            Some(&request.der),
            linted,
            root,
        )?;
        let mut bundle = TrustBundle::new(plan.trust_domain.clone());
        bundle
            .x509_authorities
            .push(X509Authority::new(root.certificate().clone()));
        verify_authority(&[certificate], &bundle, now, &VerifyOptions::default())
            .map(|_| ())
            .map_err(|source| CeremonyError::Unverified {
                name: request.name.clone(),
                source: Box::new(source),
            })
    }

    /// Has the root sign for everything that was written.
    pub(super) fn close(&mut self, ceremony: &[u8; 16], signer: &SuiteSigner) -> Result<(), CeremonyError> {
        let (number, previous) = self.transcript.position();
        let time = self.transcript.now();
        let signature = signer.sign(&closing_message(ceremony, number, &previous, &time))?;
        let event = self.transcript.append_at(
            time,
            What::SessionClosed(SessionClosed {
                suite: signer.suite().name().to_owned(),
                signature: STANDARD.encode(signature),
            }),
        )?;
        self.conductor.written(&event);
        Ok(())
    }
}

/// An error with its causes, in one line. No error of ours holds a secret.
fn chain_of(error: &CeremonyError) -> String {
    let mut words = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let text = cause.to_string();
        if !words.contains(&text) {
            words.push_str(": ");
            words.push_str(&text);
        }
        source = cause.source();
    }
    words
}
