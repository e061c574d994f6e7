//! Building requests.

use std::time::SystemTime;

use spiffe::SpiffeId;
use symbolon_crypto::SignError;

use crate::catalyst::{Part, pre_request_info};
use crate::certificate::Certificate;
use crate::encode::whole;
use crate::key::SuiteSigner;
use crate::related::{self, RelatedError};

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OCTET_STRING: u8 = 0x04;
const BIT_STRING: u8 = 0x03;
const OBJECT_IDENTIFIER: u8 = 0x06;
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
    /// The certificate to be paired with is none to be paired with, or not the given key's.
    #[error("the certificate request cannot be for a pair: {0}")]
    Related(#[from] RelatedError),
    /// What was put together cannot be taken apart.
    #[error("the certificate request could not be put together: {0}")]
    Encoding(#[from] der::Error),
}

/// Builds a request for a key of any suite.
#[derive(Debug)]
pub struct CsrBuilder<'a> {
    signer: &'a SuiteSigner,
    spiffe_id: Option<String>,
    alternative: Option<&'a SuiteSigner>,
    first: Option<First<'a>>,
}

/// The first certificate of a pair, with its key and the present moment.
#[derive(Debug)]
struct First<'a> {
    certificate: &'a Certificate,
    signer: &'a SuiteSigner,
    now: SystemTime,
}

impl<'a> CsrBuilder<'a> {
    /// A request for the key that `signer` holds.
    #[must_use]
    pub fn new(signer: &'a SuiteSigner) -> Self {
        Self {
            signer,
            spiffe_id: None,
            alternative: None,
            first: None,
        }
    }

    /// Asks for this SPIFFE ID, as a URI in subjectAltName. Servers that know the caller do not need it.
    #[must_use]
    pub fn spiffe_id(mut self, id: &SpiffeId) -> Self {
        self.spiffe_id = Some(id.to_string());
        self
    }

    /// Asks for a catalyst certificate, with the key that `signer` holds as the alternative one.
    #[must_use]
    pub fn alternative(mut self, signer: &'a SuiteSigner) -> Self {
        self.alternative = Some(signer);
        self
    }

    /// Asks for a certificate that is paired with `certificate`, whose key `signer` holds. It is to be sent at once: it
    /// is dated `now`.
    #[must_use]
    pub fn related_to(
        mut self,
        certificate: &'a Certificate,
        signer: &'a SuiteSigner,
        now: SystemTime,
    ) -> Self {
        self.first = Some(First {
            certificate,
            signer,
            now,
        });
        self
    }

    /// Signs the request and gives its DER.
    ///
    /// # Errors
    /// [`CsrBuildError::Sign`] when a key does not sign, [`CsrBuildError::Related`] when the certificate to be paired with
    /// is no classical leaf or not its key's.
    pub fn build(&self) -> Result<Vec<u8>, CsrBuildError> {
        let mut attributes = Vec::new();
        attributes.extend(self.spiffe_id.as_deref().map(extension_request));
        if let Some(first) = &self.first {
            attributes.push(related::attribute(first.certificate, first.signer, first.now)?);
        }
        let mut info = self.info(&mut attributes);
        if let Some(alternative) = self.alternative {
            attributes.push(attribute(Part::Key, &alternative.public_key().spki_der()));
            let algorithm = alternative.suite().signature_algorithm_der();
            attributes.push(attribute(Part::Algorithm, algorithm));
            let signature = alternative.sign(&pre_request_info(&self.info(&mut attributes))?)?;
            let signature = whole(BIT_STRING, &[&[0], &signature]);
            attributes.push(attribute(Part::Signature, &signature));
            info = self.info(&mut attributes);
        }
        let signature = self.signer.sign(&info)?;
        let signature = whole(BIT_STRING, &[&[0], &signature]);
        let algorithm = self.signer.suite().signature_algorithm_der();
        Ok(whole(SEQUENCE, &[&info, algorithm, &signature]))
    }

    /// What is signed, with the attributes in DER's order.
    fn info(&self, attributes: &mut [Vec<u8>]) -> Vec<u8> {
        attributes.sort_unstable();
        let attributes = whole(ATTRIBUTES, &[&attributes.concat()]);
        let spki = self.signer.public_key().spki_der();
        whole(SEQUENCE, &[VERSION, SUBJECT, &spki, &attributes])
    }
}

/// The attribute that asks for a subjectAltName with this URI. Not critical, since the subject is not empty.
fn extension_request(uri: &str) -> Vec<u8> {
    let names = whole(SEQUENCE, &[&whole(URI, &[uri.as_bytes()])]);
    let extension = whole(SEQUENCE, &[SUBJECT_ALT_NAME, &whole(OCTET_STRING, &[&names])]);
    let extensions = whole(SEQUENCE, &[&extension]);
    whole(SEQUENCE, &[EXTENSION_REQUEST, &whole(SET, &[&extensions])])
}

/// An attribute that holds one part of an alternative key.
fn attribute(part: Part, value: &[u8]) -> Vec<u8> {
    let oid = whole(OBJECT_IDENTIFIER, &[part.oid().as_bytes()]);
    whole(SEQUENCE, &[&oid, &whole(SET, &[value])])
}
