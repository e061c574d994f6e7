//! The server's half.

use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use spiffe::TrustDomain;
use symbolon_crypto::random;
use symbolon_pki::text::printable;

use super::METHOD;
use super::certificate::{CertificateError, HostCertificate};
use super::key::{Authority, Purpose};
use super::message::{Answer, Challenge, Evidence, NONCE_LEN, signed};
use crate::aside::{ANSWER, PAYLOAD, asking_once};
use crate::path_template::PathTemplate;
use crate::x509pop::message::{read, write};
use crate::{AttestationError, Attested, Challenger, Verifier};

/// How the server verifies.
#[derive(Clone, Debug)]
pub struct SshPopConfig {
    /// In which agents are named.
    pub trust_domain: TrustDomain,
    /// Whose certificates count.
    pub authorities: Vec<Authority>,
    /// The domain in which hosts' names must be, and which is taken off them; any, if there is none.
    pub canonical_domain: Option<String>,
    /// How agents are named.
    pub template: PathTemplate,
}

/// Lets in the nodes that have a host certificate and its key.
#[derive(Clone, Debug)]
pub struct SshPopVerifier(Arc<SshPopConfig>);

/// A certificate that was believed, who the node is if it has the key, and the nonce that it is to sign.
struct Opening {
    certificate: HostCertificate,
    attested: Attested,
    nonce: [u8; NONCE_LEN],
}

impl SshPopVerifier {
    /// A verifier that is configured so.
    pub fn new(config: SshPopConfig) -> Self {
        Self(Arc::new(config))
    }

    /// Everything that is known before the node is asked, and what it is asked.
    fn opening(&self, evidence: &[u8], now: SystemTime) -> Result<(Opening, Vec<u8>), AttestationError> {
        let evidence = Evidence::parse(evidence)?;
        let certificate = HostCertificate::parse(evidence.certificate()).map_err(|error| match error {
            CertificateError::NotHost => refused(&error),
            error => AttestationError::Malformed {
                field: PAYLOAD,
                reason: error.to_string(),
            },
        })?;
        certificate
            .verify(&self.0.authorities, now)
            .map_err(|error| refused(&error))?;
        let attested = self.attested(&certificate)?;
        let mut nonce = [0; NONCE_LEN];
        random::fill(&mut nonce).map_err(|error| AttestationError::Unavailable(error.into()))?;
        let challenge = write(&Challenge {
            nonce: nonce[..].into(),
        });
        let opening = Opening {
            certificate,
            attested,
            nonce,
        };
        Ok((opening, challenge))
    }

    fn attested(&self, certificate: &HostCertificate) -> Result<Attested, AttestationError> {
        let denied = |reason: String| AttestationError::Denied(reason);
        let principal = certificate.principal().unwrap_or_default();
        let host = match &self.0.canonical_domain {
            None => Some(principal),
            Some(domain) => principal
                .strip_suffix(domain.as_str())
                .and_then(|name| name.strip_suffix('.')),
        };
        let host = host.filter(|host| !host.is_empty()).ok_or_else(|| {
            let domain = self.0.canonical_domain.as_deref().unwrap_or_default();
            denied(format!(
                "the certificate's first principal, {}, is not in {domain}",
                printable(principal)
            ))
        })?;
        let named = |fingerprint: &str| {
            let value = |name: &str| match name {
                "Fingerprint" => Some(fingerprint.to_owned()),
                "Hostname" => Some(host.to_owned()),
                "KeyId" => Some(certificate.key_id().to_owned()),
                "Serial" => Some(certificate.serial().to_string()),
                _ => None,
            };
            let agent_id = self.0.template.agent_id(&self.0.trust_domain, value);
            agent_id.map_err(|error| denied(error.to_string()))
        };
        let agent_id = named(&certificate.fingerprint())?;
        let sibling = certificate.other_fingerprint();
        let sibling = sibling.map(|other| named(&other)).transpose()?;
        Ok(Attested {
            // Templates without a fingerprint give the same.
            siblings: sibling.into_iter().filter(|id| *id != agent_id).collect(),
            agent_id,
            selectors: [].into(),
            can_reattest: true,
        })
    }
}

#[async_trait]
impl Verifier for SshPopVerifier {
    fn method(&self) -> &'static str {
        METHOD
    }

    async fn verify(
        &self,
        evidence: &[u8],
        challenger: &mut dyn Challenger,
        now: SystemTime,
    ) -> Result<Attested, AttestationError> {
        let verifier = self.clone();
        asking_once(
            evidence,
            challenger,
            move |evidence| verifier.opening(evidence, now),
            Opening::judge,
        )
        .await
    }
}

impl Opening {
    /// Who the node is, by its answer.
    fn judge(self, answer: &[u8]) -> Result<Attested, AttestationError> {
        let answer: Answer = read(ANSWER, answer)?;
        let malformed = |reason: &str| AttestationError::Malformed {
            field: ANSWER,
            reason: reason.to_owned(),
        };
        let node: &[u8; NONCE_LEN] = answer
            .nonce
            .as_slice()
            .try_into()
            .map_err(|_| malformed("the nonce does not have 32 bytes"))?;
        let signature = answer
            .signature
            .ok_or_else(|| malformed("there is no signature in it"))?;
        if signature.rest.is_some_and(|rest| !rest.is_empty()) {
            return Err(malformed("there is something behind the signature"));
        }
        let proves = self.certificate.key.verifies(
            Purpose::Possession,
            &signed(&self.nonce, node),
            &signature.format,
            signature.blob.as_slice(),
        );
        match proves {
            true => Ok(self.attested),
            false => Err(AttestationError::Denied(
                "the proof of possession fails: the signature is not one of the certificate's key over both nonces"
                    .to_owned(),
            )),
        }
    }
}

fn refused(error: &CertificateError) -> AttestationError {
    AttestationError::Denied(format!("the host certificate is not accepted: {error}"))
}
