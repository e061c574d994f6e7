//! The messages, in JSON.

use serde::{Deserialize, Serialize};
use symbolon_pki::text::printable;

use crate::bytes::Bytes;
use crate::{AttestationError, check_len};

/// Most certificates that a node may send, whatever is configured: what a path may have.
pub const MAX_CERTIFICATES: usize = symbolon_pki::verify::MAX_CHAIN_LEN;

/// What a node opens with.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Evidence {
    #[serde(default)]
    certificates: Option<Vec<Bytes>>,
}

impl Evidence {
    /// From certificates in DER, leaf first.
    pub(crate) fn new<'a>(certificates: impl IntoIterator<Item = &'a [u8]>) -> Self {
        Self {
            certificates: Some(certificates.into_iter().map(Bytes::from).collect()),
        }
    }

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

    /// The certificates in DER, leaf first.
    pub fn certificates(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.certificates
            .as_deref()
            .unwrap_or_default()
            .iter()
            .map(Bytes::as_slice)
    }
}

/// What the server asks. Stock servers and agents know the first two members, and always write both.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Challenge {
    #[serde(default)]
    pub(crate) rsa_signature: Option<Nonce>,
    #[serde(default)]
    pub(crate) ecdsa_signature: Option<Nonce>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) symbolon_signature: Option<Nonce>,
}

/// Bytes that are used once.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Nonce {
    pub(crate) nonce: Bytes,
}

/// What the node answers: as it was asked, and nothing beside it, so that every octet of it counts.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Answer {
    #[serde(default)]
    pub(crate) rsa_signature: Option<Signature>,
    #[serde(default)]
    pub(crate) ecdsa_signature: Option<EcdsaSignature>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) symbolon_signature: Option<Signature>,
}

/// The node's nonce, and a signature as the algorithm writes it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Signature {
    pub(crate) nonce: Bytes,
    pub(crate) signature: Bytes,
}

/// The node's nonce, and the two numbers of an ECDSA signature, big-endian.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EcdsaSignature {
    pub(crate) nonce: Bytes,
    pub(crate) r: Bytes,
    pub(crate) s: Bytes,
}

/// Reads a message of the other side.
pub(crate) fn read<'a, T: Deserialize<'a>>(
    field: &'static str,
    message: &'a [u8],
) -> Result<T, AttestationError> {
    check_len(field, message)?;
    serde_json::from_slice(message).map_err(|error| AttestationError::Malformed {
        field,
        // It may repeat what it could not read.
        reason: printable(&error.to_string()),
    })
}

/// Writes a message.
pub(crate) fn write<T: Serialize>(message: &T) -> Vec<u8> {
    // Maps with keys that are no text cannot be written, and there are none.
    serde_json::to_vec(message).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stock_messages_have_both_members_and_no_third() {
        let nonce = Nonce {
            nonce: Bytes(vec![1, 2, 3]),
        };
        let challenge = Challenge {
            ecdsa_signature: Some(nonce),
            ..Challenge::default()
        };
        assert_eq!(
            String::from_utf8(write(&challenge)).unwrap(),
            r#"{"rsa_signature":null,"ecdsa_signature":{"nonce":"AQID"}}"#
        );
        let answer = br#"{"rsa_signature":{"nonce":"AQID","signature":"BAU="},"ecdsa_signature":null}"#;
        let answer: Answer = read("challenge_response", answer).unwrap();
        assert_eq!(answer.rsa_signature.unwrap().signature.as_slice(), [4, 5]);
        assert!(answer.ecdsa_signature.is_none() && answer.symbolon_signature.is_none());
    }

    #[test]
    fn what_cannot_be_read_is_not_repeated_at_length() {
        let long = format!(r#"{{"certificates":"{}"}}"#, "a\\n".repeat(10_000));
        for message in [
            long.as_bytes(),
            format!(r#"{{"certificates":[{long:?}]}}"#).as_bytes(),
        ] {
            let error = Evidence::parse(message).unwrap_err().to_string();
            assert!(error.contains("params.data.payload is malformed"), "{error}");
            assert!(error.len() < 1024 && !error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn no_list_of_certificates_is_an_empty_one() {
        for text in ["{}", r#"{"certificates":null}"#, r#"{"certificates":[]}"#] {
            assert_eq!(Evidence::parse(text.as_bytes()).unwrap().certificates().len(), 0);
        }
        let two = Evidence::new([&[1_u8][..], &[2]]);
        assert_eq!(Evidence::parse(&two.to_json()).unwrap(), two);
    }
}
