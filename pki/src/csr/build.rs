//! Building requests.

use spiffe::SpiffeId;
use symbolon_crypto::SignError;

use crate::encode::element;
use crate::key::SuiteSigner;

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OCTET_STRING: u8 = 0x04;
const BIT_STRING: u8 = 0x03;
/// `[0]`, constructed: the attributes.
const ATTRIBUTES: u8 = 0xa0;
/// `[6]`, primitive: a URI among GeneralNames.
const URI: u8 = 0x86;

/// `INTEGER 0`, the version.
const VERSION: &[u8] = &[0x02, 0x01, 0x00];
/// `C=US, O=SPIRE`, as SPIRE's own clients write it; servers ignore it.
const SUBJECT: &[u8] = &[
    0x30, 0x1d, 0x31, 0x0b, 0x30, 0x09, 0x06, 0x03, 0x55, 0x04, 0x06, 0x13, 0x02, b'U', b'S', 0x31, 0x0e,
    0x30, 0x0c, 0x06, 0x03, 0x55, 0x04, 0x0a, 0x13, 0x05, b'S', b'P', b'I', b'R', b'E',
];
/// The OID of extensionRequest (RFC 2985 §5.4.2).
const EXTENSION_REQUEST: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x0e];
/// The OID of subjectAltName.
const SUBJECT_ALT_NAME: &[u8] = &[0x06, 0x03, 0x55, 0x1d, 0x11];

/// Why a request could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CsrBuildError {
    /// The key refused to sign.
    #[error("the certificate request could not be signed: {0}")]
    Sign(#[from] SignError),
}

/// Builds a request for a key of any suite.
#[derive(Debug)]
pub struct CsrBuilder<'a> {
    signer: &'a SuiteSigner,
    spiffe_id: Option<String>,
}

impl<'a> CsrBuilder<'a> {
    /// A request for the key that `signer` holds.
    #[must_use]
    pub fn new(signer: &'a SuiteSigner) -> Self {
        Self {
            signer,
            spiffe_id: None,
        }
    }

    /// Asks for this SPIFFE ID, as a URI in subjectAltName. Servers that know the caller do not need it.
    #[must_use]
    pub fn spiffe_id(mut self, id: &SpiffeId) -> Self {
        self.spiffe_id = Some(id.to_string());
        self
    }

    /// Signs the request and gives its DER.
    ///
    /// # Errors
    /// [`CsrBuildError::Sign`] when the key does not sign.
    pub fn build(&self) -> Result<Vec<u8>, CsrBuildError> {
        let spki = self.signer.public_key().spki_der();
        let attributes = self
            .spiffe_id
            .as_deref()
            .map(extension_request)
            .unwrap_or_default();
        let attributes = wrap(ATTRIBUTES, &[&attributes]);
        let info = wrap(SEQUENCE, &[VERSION, SUBJECT, &spki, &attributes]);

        let signature = self.signer.sign(&info)?;
        let signature = wrap(BIT_STRING, &[&[0], &signature]);
        let algorithm = self.signer.suite().signature_algorithm_der();
        Ok(wrap(SEQUENCE, &[&info, algorithm, &signature]))
    }
}

/// The attribute that asks for a subjectAltName with this URI. Not critical, since the subject is not empty.
fn extension_request(uri: &str) -> Vec<u8> {
    let names = wrap(SEQUENCE, &[&wrap(URI, &[uri.as_bytes()])]);
    let extension = wrap(SEQUENCE, &[SUBJECT_ALT_NAME, &wrap(OCTET_STRING, &[&names])]);
    let extensions = wrap(SEQUENCE, &[&extension]);
    wrap(SEQUENCE, &[EXTENSION_REQUEST, &wrap(SET, &[&extensions])])
}

fn wrap(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let mut out = Vec::with_capacity(content.len() + 6);
    element(&mut out, tag, &content);
    out
}
