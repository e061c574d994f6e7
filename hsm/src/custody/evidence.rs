//! Evidence, and how a store makes it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use symbolon_crypto::digest::sha256;
use symbolon_crypto::{MlDsaContext, SignError, VerifyError};

use super::{Holder, Holding, canonical, strict};
use crate::names::KeyId;
use crate::store::{KeyStore, StoreError};

/// What stands in `format`.
pub(super) const FORMAT: &str = "symbolon-key-evidence";

/// The version that this release writes and reads.
pub(super) const VERSION: u64 = 1;

/// What stands before the canonical statement in what the key signs. No DER value begins so (a length of 0xff is none),
/// and neither does a token, a handshake or a composite's message representative: a signature over one is never
/// one over the other.
const LABEL: &[u8] = b"\x00\xffSymbolon key evidence, version 1\n";

/// Text that whoever wants evidence gives, so that it cannot have been made before: 1 to 256 visible ASCII characters.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Challenge(String);

/// A text that is no challenge.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a challenge is 1 to 256 visible ASCII characters")]
pub struct ChallengeError;

impl std::str::FromStr for Challenge {
    type Err = ChallengeError;

    fn from_str(text: &str) -> Result<Self, ChallengeError> {
        let fits = (1..=256).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| Self(text.to_owned())).ok_or(ChallengeError)
    }
}

impl TryFrom<String> for Challenge {
    type Error = ChallengeError;

    fn try_from(text: String) -> Result<Self, ChallengeError> {
        text.parse()
    }
}

impl From<Challenge> for String {
    fn from(challenge: Challenge) -> Self {
        challenge.0
    }
}

impl Challenge {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A statement about one key, and what stands behind it. As JSON this is the document that `symbolon key attest`
/// writes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evidence {
    format: &'static str,
    version: u64,
    statement: Value,
    /// The key's own signature over the label and the canonical statement, in base64.
    signature: String,
    /// What the TPM says of the key, where one holds it.
    certification: Option<TpmCertification>,
    /// Why there is no certification, where one could be expected. Not signed.
    uncertified: Option<String>,
}

/// What is said of a key.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// When it was made, by the maker's clock, as RFC 3339 has it.
    pub made_at: String,
    /// The challenge it answers.
    pub challenge: Option<Challenge>,
    /// The key's id in its store.
    pub key_id: String,
    /// Its label.
    pub label: String,
    /// Its component's name, as in `ml-dsa-65`.
    pub algorithm: String,
    /// Its public key, in base64: an uncompressed point, or the raw bytes of Ed25519 and ML-DSA.
    pub public_key: String,
    /// What holds it.
    pub holder: Holder,
    /// How.
    pub holding: Holding,
}

/// A TPM's certification that it has an object (TPM2_Certify), made by an attestation key of the same TPM. All are in
/// base64.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TpmCertification {
    /// The TPMS_ATTEST; its extra data is the SHA-256 of what the key signed.
    pub attest: String,
    /// The attestation key's signature over it, ECDSA P-256 with SHA-256, DER.
    pub signature: String,
    /// The object's TPMT_PUBLIC.
    pub object_public: String,
    /// The attestation key's TPMT_PUBLIC.
    pub attestation_key_public: String,
    /// The certificate of the TPM's endorsement key, if it has one: DER.
    pub endorsement_certificate: Option<String>,
}

/// What a store has to show for a key besides its own word.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Certification {
    /// This kind of store has nothing of the sort.
    NotOffered,
    /// It could have, and has not; why.
    Refused(String),
    /// A TPM's certification.
    Made(TpmCertification),
}

/// Why evidence was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvidenceError {
    /// The store failed, or has no such key.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key cannot be used as it is held, so that it cannot sign evidence.
    #[error("the key {id} cannot be used as it is held: {reason}")]
    Unusable {
        /// Its id.
        id: KeyId,
        /// What is wrong.
        reason: String,
    },
    /// The key did not sign.
    #[error("the key {id} did not sign the evidence")]
    Sign {
        /// Its id.
        id: KeyId,
        /// What its holder says.
        source: SignError,
    },
    /// What the key signed does not verify: its holder is broken, or holds another private key.
    #[error("the key {id} signed, and its public key does not verify that")]
    Signature {
        /// Its id.
        id: KeyId,
        /// What the verifier says.
        source: VerifyError,
    },
    /// What the store says cannot be written down.
    #[error(
        "what the store says of the key cannot be written down: it has a character that no terminal may be shown"
    )]
    Write,
}

/// What the key signs for a statement.
pub(super) fn signed_bytes(statement: &Value) -> Result<Vec<u8>, canonical::NotCanonical> {
    Ok([LABEL, &canonical::write(statement)?].concat())
}

impl Evidence {
    /// Asks the store how it holds a key now, and has the key sign the answer. `made_at` is the present moment as RFC
    /// 3339 has it.
    ///
    /// # Errors
    /// [`EvidenceError`].
    pub fn make(
        store: &dyn KeyStore,
        id: &KeyId,
        challenge: Option<Challenge>,
        made_at: &str,
    ) -> Result<Self, EvidenceError> {
        let info = store.info(id)?;
        let custody = store.custody(id)?;
        if let Some(reason) = custody.unusable {
            return Err(EvidenceError::Unusable {
                id: id.clone(),
                reason,
            });
        }
        let statement = Statement {
            made_at: made_at.to_owned(),
            challenge,
            key_id: info.id.to_string(),
            label: info.label.to_string(),
            algorithm: info.component.name().to_owned(),
            public_key: STANDARD.encode(info.public_key.as_bytes()),
            holder: store.holder()?,
            holding: custody.holding,
        };
        let statement = serde_json::to_value(statement).map_err(|_| EvidenceError::Write)?;
        if !strict::is_plain(&statement) {
            return Err(EvidenceError::Write);
        }
        let signed = signed_bytes(&statement).map_err(|_| EvidenceError::Write)?;
        let failed = |source| EvidenceError::Sign {
            id: id.clone(),
            source,
        };
        let signature = store
            .open(id)?
            .sign(&signed, MlDsaContext::EMPTY)
            .map_err(failed)?;
        info.public_key
            .verify(&signed, &signature, MlDsaContext::EMPTY)
            .map_err(|source| EvidenceError::Signature {
                id: id.clone(),
                source,
            })?;
        let (certification, uncertified) = match store.certify(id, &sha256(&signed))? {
            Certification::Made(certification) => (Some(certification), None),
            Certification::Refused(reason) => (None, Some(reason)),
            Certification::NotOffered => (None, None),
        };
        Ok(Self {
            format: FORMAT,
            version: VERSION,
            statement,
            signature: STANDARD.encode(signature),
            certification,
            uncertified,
        })
    }

    /// Why a TPM's key is not certified, if it could be expected to be.
    pub fn uncertified(&self) -> Option<&str> {
        self.uncertified.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_visible_and_bounded() {
        let longest = "x".repeat(256);
        for good in ["a", "2026-11-22/7f3a", longest.as_str()] {
            assert_eq!(good.parse::<Challenge>().expect(good).as_str(), good);
        }
        for bad in ["", "a b", "a\n", "é", &"x".repeat(257)] {
            bad.parse::<Challenge>().expect_err(bad);
        }
    }

    #[test]
    fn what_is_signed_is_no_der() {
        let signed = signed_bytes(&serde_json::json!({"b": 1, "a": null})).expect("bytes");
        // X.690, 8.1.3.5: the length octet 1111 1111 is not used.
        assert_eq!(signed.get(1), Some(&0xff));
        assert!(signed.ends_with(b", version 1\n{\"a\":null,\"b\":1}"));
    }
}
