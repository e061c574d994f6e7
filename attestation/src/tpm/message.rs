//! The messages, in JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::AttestationError;
use crate::bytes::Bytes;
use crate::x509pop::message::{read, write};

/// What a node opens with.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Evidence {
    /// TPMT_PUBLIC of the endorsement key.
    pub(crate) ek_public: Bytes,
    /// Its certificate, and those above it.
    #[serde(default)]
    pub(crate) ek_certificates: Vec<Bytes>,
    /// TPMT_PUBLIC of the attestation key.
    pub(crate) ak_public: Bytes,
}

impl Evidence {
    /// Reads a payload.
    ///
    /// # Errors
    /// [`AttestationError::Malformed`] for what is too long or no such JSON.
    pub fn parse(payload: &[u8]) -> Result<Self, AttestationError> {
        read("params.data.payload", payload)
    }

    /// Writes a payload.
    pub fn to_json(&self) -> Vec<u8> {
        write(self)
    }
}

/// What the server asks.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Challenge {
    pub(crate) credential: Bytes,
    pub(crate) secret: Bytes,
    pub(crate) nonce: Bytes,
    /// Which PCRs are to be quoted.
    pub(crate) pcrs: Option<String>,
}

/// What the node answers.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Answer {
    /// That it knows what was in the credential, by [`opened`](super::pcrs::opened).
    pub(crate) proof: Bytes,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) quote: Option<Quote>,
}

/// PCRs, and the TPM's word for them.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Quote {
    pub(crate) attest: Bytes,
    pub(crate) signature: Bytes,
    /// By bank and number.
    pub(crate) values: BTreeMap<String, String>,
}
