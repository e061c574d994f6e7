//! The messages, in JSON as Go writes structures without names for their members.

use serde::{Deserialize, Serialize};

use crate::AttestationError;
use crate::bytes::Bytes;
use crate::x509pop::message::{read, write};

/// What a node opens with.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Evidence {
    /// The device's certificate, and those above it.
    #[serde(rename = "DevIDCert")]
    pub(crate) device_certificates: Option<Vec<Bytes>>,
    /// TPMT_PUBLIC of the device's key.
    #[serde(rename = "DevIDPub")]
    pub(crate) device_public: Bytes,
    /// The endorsement key's certificate.
    #[serde(rename = "EKCert")]
    pub(crate) endorsement_certificate: Bytes,
    /// TPMT_PUBLIC of the endorsement key.
    #[serde(rename = "EKPub")]
    pub(crate) endorsement_public: Bytes,
    /// TPMT_PUBLIC of the attestation key.
    #[serde(rename = "AKPub")]
    pub(crate) attestation_public: Bytes,
    /// TPMS_ATTEST of TPM2_Certify.
    #[serde(rename = "CertifiedDevID")]
    pub(crate) certified: Bytes,
    /// TPMT_SIGNATURE over it.
    pub(crate) certification_signature: Bytes,
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

    pub(crate) fn certificates(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        let certificates = self.device_certificates.as_deref().unwrap_or_default();
        certificates.iter().map(Bytes::as_slice)
    }
}

/// What the server asks.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct Challenge {
    /// What the device's key is to sign.
    #[serde(rename = "DevID")]
    pub(crate) device: Bytes,
    #[serde(rename = "CredActivation")]
    pub(crate) activation: Option<Activation>,
}

/// A credential to be activated.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Activation {
    pub(crate) credential: Bytes,
    pub(crate) secret: Bytes,
}

/// What the node answers.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Answer {
    /// The device key's signature.
    #[serde(rename = "DevID")]
    pub(crate) device: Bytes,
    /// What was in the credential.
    #[serde(rename = "CredActivation")]
    pub(crate) activated: Bytes,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_named_as_go_names_them() {
        let text = String::from_utf8(Evidence::default().to_json()).unwrap();
        assert_eq!(
            text,
            r#"{"DevIDCert":null,"DevIDPub":"","EKCert":"","EKPub":"","AKPub":"","CertifiedDevID":"","CertificationSignature":""}"#
        );
        let null = r#"{"DevIDCert":["AQ=="],"DevIDPub":null,"EKCert":null}"#;
        assert_eq!(Evidence::parse(null.as_bytes()).unwrap().certificates().len(), 1);
        let challenge = Challenge {
            device: Bytes(vec![1]),
            activation: Some(Activation {
                credential: Bytes(vec![2]),
                secret: Bytes(vec![3]),
            }),
        };
        assert_eq!(
            String::from_utf8(write(&challenge)).unwrap(),
            r#"{"DevID":"AQ==","CredActivation":{"Credential":"Ag==","Secret":"Aw=="}}"#
        );
        let answer = Answer {
            device: Bytes(vec![1]),
            activated: Bytes(vec![2]),
        };
        assert_eq!(
            String::from_utf8(write(&answer)).unwrap(),
            r#"{"DevID":"AQ==","CredActivation":"Ag=="}"#
        );
    }
}
