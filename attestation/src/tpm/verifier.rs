//! The server's half.

use std::collections::BTreeSet;
use std::time::SystemTime;

use async_trait::async_trait;
use spiffe::{SpiffeId, TrustDomain};
use symbolon_crypto::digest::sha256;
use symbolon_crypto::random;
use symbolon_pki::bundle::X509Authority;
use symbolon_pki::key::SubjectKey;

use super::message::{Answer, Challenge, Evidence};
use super::pcrs::{PcrPolicy, about, opened};
use super::structure::Public;
use super::{MAX_CERTIFICATES, METHOD, check_certificate, endorsed_path, make_credential};
use crate::bytes::Bytes;
use crate::certificates::{chain, fingerprint};
use crate::x509pop::message::{read, write};
use crate::{AttestationError, Attested, Challenger, Verifier};

pub(crate) const PAYLOAD: &str = "params.data.payload";
pub(crate) const ANSWER: &str = "challenge_response";

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
#[derive(Debug)]
pub struct TpmVerifier(TpmVerifierConfig);

impl TpmVerifier {
    /// A verifier that is configured so.
    pub fn new(config: TpmVerifierConfig) -> Self {
        Self(config)
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
        let denied = |reason: String| AttestationError::Denied(reason);
        let evidence = Evidence::parse(evidence)?;
        let endorsement = public("the endorsement key", &evidence.ek_public)?;
        let key = public("the attestation key", &evidence.ak_public)?;
        if !endorsement.is_endorsement() {
            return Err(denied(
                "the endorsement key is no decryption key that its TPM made and keeps".to_owned(),
            ));
        }
        if !key.is_attestation() {
            return Err(denied(
                "the attestation key is no restricted signing key that its TPM made and keeps".to_owned(),
            ));
        }
        let mut selectors = self.endorsed(&evidence, &endorsement, now)?;
        let config = &self.0;
        let hash = hex::encode(endorsement_key_hash(endorsement.key()));
        let agent_id = SpiffeId::new(format!(
            "spiffe://{}/spire/agent/{METHOD}/{hash}",
            config.trust_domain
        ));
        let agent_id = agent_id.map_err(|error| denied(error.to_string()))?;

        let [secret, nonce] = fresh()?;
        let credential = make_credential(&endorsement, &key.name(), &secret)
            .map_err(|reason| denied(format!("no credential can be made for the TPM: {reason}")))?;
        let challenge = Challenge {
            credential: Bytes(credential.credential),
            secret: Bytes(credential.secret),
            nonce: Bytes::from(&nonce[..]),
            pcrs: (!config.pcrs.is_empty()).then(|| config.pcrs.selection()),
        };
        let answer = challenger.challenge(write(&challenge)).await?;
        let answer: Answer = read(ANSWER, &answer)?;
        let proof = opened(&config.trust_domain, &nonce, &secret);
        if !is_same(answer.proof.as_slice(), &proof) {
            return Err(denied(
                "the credential was not activated: the attestation key and the endorsement key are not in one TPM"
                    .to_owned(),
            ));
        }
        if !config.pcrs.is_empty() {
            let quote = answer.quote.as_ref().ok_or_else(|| AttestationError::Malformed {
                field: ANSWER,
                reason: "it has no quote, and PCRs were asked for".to_owned(),
            })?;
            let about = about(&config.trust_domain, &nonce);
            let found = config.pcrs.check(&key, &about, quote).map_err(denied)?;
            selectors.extend(
                found
                    .into_iter()
                    .map(|(pcr, value)| selector(format!("pcr:{pcr}:{value}"))),
            );
        }
        Ok(Attested {
            agent_id,
            siblings: Vec::new(),
            selectors,
            can_reattest: true,
        })
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
