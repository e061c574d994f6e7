//! One sitting: events written as things happen, intermediates signed, and the root's signature at its end.

use std::sync::Arc;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use symbolon_crypto::{digest, random};
use symbolon_hsm::{KeyId, KeyStore};
use symbolon_issuance::{Authority, HasSigner, IntermediateRequest, Linted, Serial, prepare_intermediate};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::key::SuiteSigner;

use super::conductor::Conductor;
use super::error::CeremonyError;
use super::event::{
    CertificateIntended, CertificateMade, Purpose, SessionClosed, SessionStopped, What, closing_message,
};
use super::plan::{Name, Plan};
use super::requests::Request;
use super::root;
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
        authority: &Authority,
        request: &Request,
        now: SystemTime,
    ) -> Result<(), CeremonyError> {
        let linted = prepare_intermediate(
            authority,
            &IntermediateRequest {
                key: request.csr.key(),
                alternative: None,
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
            authority,
        )?;
        root::verify_below(plan, authority.certificate(), &certificate, now).map_err(|source| {
            CeremonyError::Unverified {
                name: request.name.clone(),
                source,
            }
        })
    }

    /// Has the root sign for everything that was written.
    pub(super) fn close(&mut self, ceremony: &[u8; 16], signer: &SuiteSigner) -> Result<(), CeremonyError> {
        let (number, previous) = self.transcript.position();
        let time = self.transcript.now();
        let message = closing_message(ceremony, number, &previous, &time);
        let signature = signer.sign(&message)?;
        // A wrong one, once written, could never be taken out again: the transcript would be lost, and the root with it.
        signer.public_key().verify(&message, &signature)?;
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

#[cfg(test)]
mod tests {
    use symbolon_crypto::{Component, HeldKey, MlDsaContext, PublicKey, SignError, SoftwareKey};
    use symbolon_hsm::{Passphrase, PassphraseError};
    use symbolon_pki::suite::Suite;
    use symbolon_pki::time::SystemClock;

    use super::super::conductor::{Declined, SecretWanted};
    use super::*;

    /// A key whose signatures have a bit that is wrong.
    #[derive(Debug)]
    struct Faulty(SoftwareKey);

    impl HeldKey for Faulty {
        fn component(&self) -> Component {
            self.0.component()
        }

        fn public_key(&self) -> &PublicKey {
            self.0.public_key()
        }

        fn sign(&self, message: &[u8], context: MlDsaContext<'_>) -> Result<Vec<u8>, SignError> {
            let mut signature = self.0.sign(message, context)?;
            signature[7] ^= 1;
            Ok(signature)
        }
    }

    struct Nobody;

    impl Conductor for Nobody {
        fn step(&mut self, _: &str) {}

        fn confirm(&mut self, _: &str) -> Result<(), Declined> {
            Err(Declined)
        }

        fn secret(&mut self, _: &SecretWanted) -> Result<Passphrase, PassphraseError> {
            Passphrase::new(Vec::new().into())
        }
    }

    #[test]
    fn a_wrong_signature_is_never_written() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("t");
        let mut session = Session {
            transcript: Transcript::create(&path, Arc::new(SystemClock)).unwrap(),
            conductor: &mut Nobody,
            made: Vec::new(),
        };
        let key = || SoftwareKey::generate(Component::Ed25519).unwrap();
        let faulty = SuiteSigner::new(Suite::Ed25519, vec![Arc::new(Faulty(key()))]).unwrap();
        let error = session.close(&[0; 16], &faulty).unwrap_err();
        assert!(matches!(error, CeremonyError::Signature(_)), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), b"");
        let sound = SuiteSigner::new(Suite::Ed25519, vec![Arc::new(key())]).unwrap();
        session.close(&[0; 16], &sound).unwrap();
    }
}
