//! The message, in JSON, and the document in it.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::{Deserialize, Serialize};
use symbolon_pki::text::printable;

use crate::AttestationError;
use crate::aside::PAYLOAD;
use crate::x509pop::message::{read, write};

/// Base64 with padding or without.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a node opens with.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Evidence {
    #[serde(default)]
    document: String,
    /// Of RSA-1024, for SPIRE's older servers.
    #[serde(default)]
    signature: String,
    #[serde(default)]
    rsa2048: String,
}

/// What a document says.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    pub(super) account_id: String,
    pub(super) region: String,
    pub(super) instance_id: String,
    #[serde(default)]
    pub(super) image_id: String,
    #[serde(default)]
    pub(super) availability_zone: String,
}

impl Evidence {
    pub(super) fn new(document: String, signature: String, rsa2048: String) -> Self {
        Self {
            document,
            signature,
            rsa2048,
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

    /// The document as it was signed.
    pub(super) fn text(&self) -> &str {
        &self.document
    }

    /// What the document says, before anything vouches for it.
    pub(super) fn document(&self) -> Result<Document, AttestationError> {
        serde_json::from_str(&self.document).map_err(|error| AttestationError::Malformed {
            field: PAYLOAD,
            reason: format!("the document: {}", printable(&error.to_string())),
        })
    }

    /// The signature that counts, in whatever encoding of ASN.1 it has.
    pub(super) fn signature(&self) -> Result<Vec<u8>, AttestationError> {
        let malformed = |reason: &str| AttestationError::Malformed {
            field: PAYLOAD,
            reason: reason.to_owned(),
        };
        // In lines, and without the two that PEM has around them.
        let packed: String = self.rsa2048.split_ascii_whitespace().collect();
        if packed.is_empty() {
            return Err(malformed(
                "there is no signature of RSA-2048 (`rsa2048`), and the one of RSA-1024 does not count",
            ));
        }
        LENIENT
            .decode(packed)
            .map_err(|_| malformed("the signature is no base64"))
    }
}
