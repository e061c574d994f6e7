//! The server's half.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use spiffe::{SpiffeId, TrustDomain};
use symbolon_crypto::digest::sha256;
use symbolon_crypto::random;
use symbolon_pki::bundle::X509Authority;
use symbolon_pki::key::SubjectKey;

use super::message::{Answer, Challenge, Evidence};
use super::pcrs::{Occurrence, PcrPolicy};
use super::structure::Public;
use super::{MAX_CERTIFICATES, METHOD, check_certificate, endorsed_path, make_credential};
use crate::aside::{ANSWER, PAYLOAD, asking_once};
use crate::bytes::Bytes;
use crate::certificates::{chain, fingerprint};
use crate::x509pop::message::{read, write};
use crate::{AttestationError, Attested, Challenger, Verifier};

/// Which TPMs are let in.
#[derive(Clone, Debug)]
pub struct TpmVerifierConfig {
    /// In which agents are named.
    pub trust_domain: TrustDomain,
    /// Makers' authorities: a TPM whose endorsement certificate leads to one of them is let in.
    pub roots: Vec<X509Authority>,
    /// Endorsement keys that are let in whatever their certificates say, by [`endorsement_key_hash`].
    pub allowed: BTreeSet<[u8; 32]>,
    /// What PCRs must be.
    pub pcrs: PcrPolicy,
}

/// What an endorsement key is known by: SHA-256 of its SubjectPublicKeyInfo in DER.
pub fn endorsement_key_hash(key: &SubjectKey) -> [u8; 32] {
    sha256(&key.spki_der())
}

/// Lets in machines by their TPMs.
#[derive(Clone, Debug)]
pub struct TpmVerifier(Arc<TpmVerifierConfig>);

/// What a TPM is asked, and who it is if it can answer.
struct Opening {
    key: Public,
    attested: Attested,
    secret: [u8; 32],
    nonce: [u8; 32],
}

impl TpmVerifier {
    /// A verifier that is configured so.
    pub fn new(config: TpmVerifierConfig) -> Self {
        Self(Arc::new(config))
    }

    /// Whether the endorsement key is one that is let in, and what is known of it.
    fn endorsed(
        &self,
        evidence: &Evidence,
        endorsement: &Public,
        now: SystemTime,
    ) -> Result<BTreeSet<(String, String)>, AttestationError> {
        let hash = endorsement_key_hash(endorsement.key());
        let is_allowed = self.0.allowed.contains(&hash);
        let mut values = vec![format!("pub_hash:{}", hex::encode(hash))];
        let certificates = evidence.ek_certificates.iter().map(Bytes::as_slice);
        if certificates.len() > 0 && !self.0.roots.is_empty() {
            let believed = chain(PAYLOAD, certificates, MAX_CERTIFICATES).and_then(|chain| {
                chain
                    .first()
                    .ok_or_else(|| "there is no endorsement certificate".to_owned())
                    .and_then(|leaf| check_certificate(leaf, endorsement))
                    .and_then(|()| endorsed_path(&chain, &self.0.roots, now))
                    .map_err(AttestationError::Denied)
            });
            match believed {
                Ok(path) => {
                    let above = path.iter().skip(1);
                    values.extend(above.map(|one| format!("ca:fingerprint:{}", fingerprint(one))));
                }
                // It stands on the list, and what else it says counts for nothing, readable or not.
                Err(_) if is_allowed => {}
                Err(error) => return Err(error),
            }
        } else if !is_allowed {
            return Err(AttestationError::Denied(format!(
                "the TPM's endorsement key {} is not on the list of those allowed, and no certificate speaks for it",
                hex::encode(hash)
            )));
        }
        Ok(values.into_iter().map(selector).collect())
    }

    /// Everything that is known before the node is asked, and what it is asked.
    fn opening(&self, evidence: &[u8], now: SystemTime) -> Result<(Opening, Vec<u8>), AttestationError> {
        let evidence = Evidence::parse(evidence)?;
        let endorsement = public("the endorsement key", &evidence.ek_public)?;
        let key = public("the attestation key", &evidence.ak_public)?;
        if !endorsement.is_endorsement() {
            return Err(denied(
                "the endorsement key is no decryption key that its TPM made and keeps",
            ));
        }
        if !key.is_attestation() {
            return Err(denied(
                "the attestation key is no restricted signing key that its TPM made and keeps",
            ));
        }
        let selectors = self.endorsed(&evidence, &endorsement, now)?;
        let hash = hex::encode(endorsement_key_hash(endorsement.key()));
        let agent_id = SpiffeId::new(format!(
            "spiffe://{}/spire/agent/{METHOD}/{hash}",
            self.0.trust_domain
        ));
        let attested = Attested {
            agent_id: agent_id.map_err(|error| denied(error.to_string()))?,
            siblings: Vec::new(),
            selectors,
            can_reattest: true,
        };
        let [secret, nonce] = fresh()?;
        let credential = make_credential(&endorsement, &key.name(), &secret)
            .map_err(|reason| denied(format!("no credential can be made for the TPM: {reason}")))?;
        let pcrs = &self.0.pcrs;
        let challenge = write(&Challenge {
            credential: Bytes(credential.credential),
            secret: Bytes(credential.secret),
            nonce: Bytes::from(&nonce[..]),
            pcrs: (!pcrs.is_empty()).then(|| pcrs.selection()),
        });
        let opening = Opening {
            key,
            attested,
            secret,
            nonce,
        };
        Ok((opening, challenge))
    }

    /// Who the node is, by its answer.
    fn attested(
        &self,
        opening: Opening,
        csr_sha256: &[u8; 32],
        answer: &[u8],
    ) -> Result<Attested, AttestationError> {
        let Opening {
            key,
            mut attested,
            secret,
            nonce,
        } = opening;
        let answer: Answer = read(ANSWER, answer)?;
        let occurrence = Occurrence {
            trust_domain: &self.0.trust_domain,
            csr_sha256,
            nonce: &nonce,
        };
        if !is_same(answer.proof.as_slice(), &occurrence.opened(&secret)) {
            return Err(denied(
                "the credential was not activated: the attestation key and the endorsement key are not in one TPM, or the \
                 answer is to another server or for another request",
            ));
        }
        if !self.0.pcrs.is_empty() {
            let quote = answer.quote.as_ref().ok_or_else(|| AttestationError::Malformed {
                field: ANSWER,
                reason: "it has no quote, and PCRs were asked for".to_owned(),
            })?;
            let found = self.0.pcrs.check(&key, &occurrence.quoted(), quote);
            attested.selectors.extend(
                found
                    .map_err(denied)?
                    .into_iter()
                    .map(|(pcr, value)| selector(format!("pcr:{pcr}:{value}"))),
            );
        }
        Ok(attested)
    }
}

fn denied(reason: impl Into<String>) -> AttestationError {
    AttestationError::Denied(reason.into())
}

fn selector(value: String) -> (String, String) {
    (METHOD.to_owned(), value)
}

#[async_trait]
impl Verifier for TpmVerifier {
    fn method(&self) -> &'static str {
        METHOD
    }

    async fn verify(
        &self,
        evidence: &[u8],
        challenger: &mut dyn Challenger,
        now: SystemTime,
    ) -> Result<Attested, AttestationError> {
        let (opener, judge) = (self.clone(), self.clone());
        let csr_sha256 = challenger.occasion().csr_sha256;
        asking_once(
            evidence,
            challenger,
            move |evidence| opener.opening(evidence, now),
            move |opening, answer| judge.attested(opening, &csr_sha256, answer),
        )
        .await
    }
}

/// A public area in the evidence.
pub(crate) fn public(what: &str, bytes: &Bytes) -> Result<Public, AttestationError> {
    Public::parse(bytes.as_slice()).map_err(|reason| AttestationError::Malformed {
        field: PAYLOAD,
        reason: format!("{what}: {reason}"),
    })
}

/// Two fresh secrets.
pub(crate) fn fresh() -> Result<[[u8; 32]; 2], AttestationError> {
    let mut both = [[0; 32]; 2];
    for one in &mut both {
        random::fill(one).map_err(|error| AttestationError::Unavailable(error.into()))?;
    }
    Ok(both)
}

/// Whether two secrets are the same, in a time that does not tell where they differ.
pub(crate) fn is_same(one: &[u8], other: &[u8]) -> bool {
    sha256(one) == sha256(other)
}

#[cfg(test)]
mod tests;
