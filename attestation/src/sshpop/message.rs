//! The messages, in JSON as Go writes them.

use serde::{Deserialize, Serialize};
use symbolon_crypto::digest::sha256_of;

use crate::AttestationError;
use crate::aside::PAYLOAD;
use crate::bytes::Bytes;
use crate::x509pop::message::{read, write};

/// Length of a nonce, in bytes.
pub(super) const NONCE_LEN: usize = 32;

/// What a node opens with.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Evidence {
    #[serde(default, rename = "Certificate")]
    certificate: Bytes,
}

impl Evidence {
    pub(super) fn new(certificate: &[u8]) -> Self {
        Self {
            certificate: certificate.into(),
        }
    }

    /// Reads a payload.
    ///
    /// # Errors
    /// [`AttestationError::Malformed`] for what is too long or no such JSON.
    pub fn parse(payload: &[u8]) -> Result<Self, AttestationError> {
        read(PAYLOAD, payload)
    }

    /// Writes a payload.
    pub fn to_json(&self) -> Vec<u8> {
        write(self)
    }

    /// The certificate as OpenSSH writes it.
    pub fn certificate(&self) -> &[u8] {
        self.certificate.as_slice()
    }
}

/// What the server asks.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Challenge {
    #[serde(default, rename = "Nonce")]
    pub(super) nonce: Bytes,
}

/// What the node answers, and nothing beside it: every octet of an answer counts.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Answer {
    #[serde(default, rename = "Nonce")]
    pub(super) nonce: Bytes,
    #[serde(default, rename = "Signature")]
    pub(super) signature: Option<Signature>,
}

/// A signature of SSH's.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Signature {
    #[serde(default, rename = "Format")]
    pub(super) format: String,
    #[serde(default, rename = "Blob")]
    pub(super) blob: Bytes,
    /// What keys in hardware add; none here does.
    #[serde(default, rename = "Rest")]
    pub(super) rest: Option<Bytes>,
}

/// What is signed: SHA-256 of both nonces.
pub(super) fn signed(server: &[u8; NONCE_LEN], node: &[u8; NONCE_LEN]) -> [u8; 32] {
    sha256_of(&[server, node])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_as_spire_writes_them() {
        let evidence = Evidence::new(&[1, 2, 3]);
        assert_eq!(evidence.to_json(), br#"{"Certificate":"AQID"}"#);
        assert_eq!(Evidence::parse(&evidence.to_json()).unwrap(), evidence);
        let answer = Answer {
            nonce: Bytes(vec![1]),
            signature: Some(Signature {
                format: "ssh-ed25519".to_owned(),
                blob: Bytes(vec![2]),
                rest: None,
            }),
        };
        assert_eq!(
            String::from_utf8(write(&answer)).unwrap(),
            r#"{"Nonce":"AQ==","Signature":{"Format":"ssh-ed25519","Blob":"Ag==","Rest":null}}"#
        );
    }
}
