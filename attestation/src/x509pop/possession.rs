//! The proof that a node has the key of its certificate.

use spiffe::TrustDomain;
use symbolon_crypto::digest::sha256;
use symbolon_crypto::random;
use symbolon_crypto::stock::{self, EcdsaHash};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::key::SubjectKey;
use symbolon_pki::suite::Suite;

use super::message::{Answer, Challenge, EcdsaSignature, Nonce};
use crate::AttestationError;
use crate::aside::ANSWER;
use crate::bytes::Bytes;

/// Length of a nonce, in bytes.
pub(super) const NONCE_LEN: usize = 32;

/// What is signed with keys that SPIRE does not know begins so, and nothing else does.
const LABEL: &[u8] = b"Symbolon x509pop proof of possession, version 2\0";

/// What a node signs with a key that SPIRE does not know: the label (48 bytes, the last one zero), the length of the trust
/// domain's name (one byte) and the name, SHA-256 of the leaf's DER, SHA-256 of the DER of the request for a certificate that
/// came with it, the server's nonce, the node's nonce (32 bytes each). ML-DSA and composites sign it with an empty context.
pub fn signed_message(
    trust_domain: &TrustDomain,
    leaf: &Certificate,
    csr_sha256: &[u8; 32],
    server_nonce: &[u8],
    node_nonce: &[u8],
) -> Vec<u8> {
    let name = trust_domain.as_str().as_bytes();
    // Names have at most 255 bytes (SPIFFE-ID, section 2.3).
    let len = u8::try_from(name.len()).unwrap_or(u8::MAX);
    let leaf = sha256(leaf.der());
    [LABEL, &[len], name, &leaf, csr_sha256, server_nonce, node_nonce].concat()
}

/// What a node signs with a key that SPIRE knows: both nonces, the server's first. The signature's hash is SHA-256.
pub(super) fn stock_message(server_nonce: &[u8; NONCE_LEN], node_nonce: &[u8; NONCE_LEN]) -> Vec<u8> {
    [&server_nonce[..], node_nonce].concat()
}

/// How a key is asked to prove itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Scheme {
    /// RSA-PSS with SHA-256, as SPIRE has it.
    Rsa,
    /// ECDSA with SHA-256, as SPIRE has it.
    Ecdsa,
    /// The suite's own signature, over [`signed_message`].
    Suite,
}

impl Scheme {
    pub(super) fn of(key: &SubjectKey) -> Self {
        match key {
            SubjectKey::Rsa(_) => Self::Rsa,
            SubjectKey::Suite(key) if is_ecdsa(key.suite()) => Self::Ecdsa,
            SubjectKey::Suite(_) => Self::Suite,
        }
    }
}

pub(super) fn is_ecdsa(suite: Suite) -> bool {
    matches!(suite, Suite::EcdsaP256 | Suite::EcdsaP384 | Suite::EcdsaP521)
}

pub(super) fn fresh_nonce() -> Result<[u8; NONCE_LEN], random::RandomError> {
    let mut nonce = [0; NONCE_LEN];
    random::fill(&mut nonce)?;
    Ok(nonce)
}

/// A challenge for a key.
pub(super) fn challenge(scheme: Scheme, nonce: &[u8; NONCE_LEN]) -> Challenge {
    let nonce = Some(Nonce {
        nonce: Bytes::from(&nonce[..]),
    });
    let mut challenge = Challenge::default();
    match scheme {
        Scheme::Rsa => challenge.rsa_signature = nonce,
        Scheme::Ecdsa => challenge.ecdsa_signature = nonce,
        Scheme::Suite => challenge.symbolon_signature = nonce,
    }
    challenge
}

/// Checks the answer to a challenge.
///
/// # Errors
/// [`AttestationError::Malformed`] for an answer to something else, [`AttestationError::Denied`] for a signature that does
/// not hold.
pub(super) fn verify(
    trust_domain: &TrustDomain,
    leaf: &Certificate,
    key: &SubjectKey,
    csr_sha256: &[u8; 32],
    server_nonce: &[u8; NONCE_LEN],
    answer: &Answer,
) -> Result<(), AttestationError> {
    let missing = |member: &str| AttestationError::Malformed {
        field: ANSWER,
        reason: format!("it has no {member}, as was asked for"),
    };
    let denied = |reason: &str| AttestationError::Denied(format!("the proof of possession fails: {reason}"));
    match key {
        SubjectKey::Rsa(key) => {
            let answer = answer
                .rsa_signature
                .as_ref()
                .ok_or_else(|| missing("rsa_signature"))?;
            let message = stock_message(server_nonce, node_nonce(&answer.nonce)?);
            stock::verify_rsa_pss_sha256(key, &message, answer.signature.as_slice())
                .map_err(|error| denied(&error.to_string()))
        }
        SubjectKey::Suite(key) if is_ecdsa(key.suite()) => {
            let answer = answer
                .ecdsa_signature
                .as_ref()
                .ok_or_else(|| missing("ecdsa_signature"))?;
            let message = stock_message(server_nonce, node_nonce(&answer.nonce)?);
            let signature = ecdsa_der(answer)?;
            let component = key
                .components()
                .first()
                .ok_or_else(|| denied("the key is no ECDSA key"))?;
            stock::verify_ecdsa(component, EcdsaHash::Sha256, &message, &signature)
                .map_err(|error| denied(&error.to_string()))
        }
        SubjectKey::Suite(key) => {
            let answer = answer
                .symbolon_signature
                .as_ref()
                .ok_or_else(|| missing("symbolon_signature"))?;
            let node_nonce = node_nonce(&answer.nonce)?;
            let message = signed_message(trust_domain, leaf, csr_sha256, server_nonce, node_nonce);
            key.verify(&message, answer.signature.as_slice())
                .map_err(|error| denied(&error.to_string()))
        }
    }
}

/// The node's nonce, which must have its length: else bytes could be moved from one nonce to the other.
fn node_nonce(nonce: &Bytes) -> Result<&[u8; NONCE_LEN], AttestationError> {
    nonce
        .as_slice()
        .try_into()
        .map_err(|_| AttestationError::Malformed {
            field: ANSWER,
            reason: format!("its nonce has {} bytes, not {NONCE_LEN}", nonce.as_slice().len()),
        })
}

/// The DER of an ECDSA signature.
fn ecdsa_der(answer: &EcdsaSignature) -> Result<Vec<u8>, AttestationError> {
    crate::ecdsa::der(answer.r.as_slice(), answer.s.as_slice()).ok_or_else(|| AttestationError::Malformed {
        field: ANSWER,
        reason: "r or s of its signature is longer than any curve's".to_owned(),
    })
}
