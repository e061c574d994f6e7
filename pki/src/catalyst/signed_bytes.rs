//! What an alternative signature is over (X.509, 2019, section 7.2.2; what BouncyCastle does for PKCS#10).
//!
//! The native signature algorithm is left out, so that the alternative signature does not hang on it, and so is the
//! extension that will hold the signature itself. Everything else stays as it stands, byte for byte, in its order; only
//! the lengths around it are written anew.

use const_oid::ObjectIdentifier;
use der::asn1::AnyRef;
use der::{Decode, Reader, SliceReader, Tag, TagNumber, Tagged};

use super::ALTERNATIVE_SIGNATURE;
use crate::encode::{element, whole};

const SEQUENCE: u8 = 0x30;
const OCTET_STRING: u8 = 0x04;
const BIT_STRING: u8 = 0x03;
const OBJECT_IDENTIFIER: u8 = 0x06;
const CONTEXT_CONSTRUCTED: u8 = 0xa0;

/// What an alternative signature of a certificate is over: the TBSCertificate without its `signature` field and without
/// the extension altSignatureValue.
///
/// # Errors
/// If `tbs` is no DER TBSCertificate of version 3, as far as its outermost fields and extensions go.
pub fn pre_tbs(tbs: &[u8]) -> der::Result<Vec<u8>> {
    Ok(Fields::of_certificate(tbs)?.write(Algorithm::Left, &[]))
}

/// What an alternative signature of a CRL is over: the TBSCertList without its `signature` field and without the CRL
/// extension altSignatureValue.
///
/// # Errors
/// If `tbs` is no DER TBSCertList of version 2, as far as its outermost fields and extensions go.
pub fn pre_tbs_crl(tbs: &[u8]) -> der::Result<Vec<u8>> {
    Ok(Fields::of_crl(tbs)?.write(Algorithm::Left, &[]))
}

/// The TBSCertificate with this alternative signature as its last extension, not critical, in place of one that it may
/// have.
///
/// # Errors
/// As [`pre_tbs`].
pub fn append_signature(tbs: &[u8], signature: &[u8]) -> der::Result<Vec<u8>> {
    Ok(Fields::of_certificate(tbs)?.write(Algorithm::Kept, &signature_extension(signature)))
}

/// The TBSCertList with this alternative signature as its last CRL extension, not critical, in place of one that it may
/// have.
///
/// # Errors
/// As [`pre_tbs_crl`].
pub fn append_crl_signature(tbs: &[u8], signature: &[u8]) -> der::Result<Vec<u8>> {
    Ok(Fields::of_crl(tbs)?.write(Algorithm::Kept, &signature_extension(signature)))
}

/// The TBSCertificate as it was before it had an alternative signature.
///
/// # Errors
/// As [`pre_tbs`].
pub fn strip_signature(tbs: &[u8]) -> der::Result<Vec<u8>> {
    Ok(Fields::of_certificate(tbs)?.write(Algorithm::Kept, &[]))
}

/// What the alternative signature of a request is over: the CertificationRequestInfo without the attribute
/// altSignatureValue, the others in DER's order whatever theirs is.
///
/// # Errors
/// If `info` is no DER CertificationRequestInfo, as far as its outermost fields and attributes go.
pub(crate) fn pre_request_info(info: &[u8]) -> der::Result<Vec<u8>> {
    let fields = elements(content_of(info, Tag::Sequence)?)?;
    let [version, subject, key, attributes] = fields.as_slice() else {
        return Err(Tag::Sequence.length_error().into());
    };
    let mut kept = Vec::new();
    for attribute in elements(content_of(attributes, context(0))?)? {
        if oid_of(attribute)? != ALTERNATIVE_SIGNATURE {
            kept.push(attribute);
        }
    }
    kept.sort_unstable();
    let attributes = whole(CONTEXT_CONSTRUCTED, &kept);
    Ok(whole(SEQUENCE, &[version, subject, key, &attributes]))
}

/// Whether the field `signature` is written.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Algorithm {
    Kept,
    Left,
}

/// The fields of what an authority signs, taken apart as far as alternative signatures need it.
struct Fields<'a> {
    /// Those before the extensions, in order.
    fields: Vec<&'a [u8]>,
    /// Which of them is `signature`.
    algorithm: usize,
    /// The number of the extensions' tag.
    tag: u8,
    /// The extensions without altSignatureValue, in order.
    extensions: Vec<&'a [u8]>,
}

impl<'a> Fields<'a> {
    fn of_certificate(tbs: &'a [u8]) -> der::Result<Self> {
        // [0] version, serialNumber, signature, ... (RFC 5280, section 4.1). Version 1 has no extensions.
        Self::of(tbs, context(0), 2, 3)
    }

    fn of_crl(tbs: &'a [u8]) -> der::Result<Self> {
        // version, signature, ... (RFC 5280, section 5.1). Version 1 has no extensions.
        Self::of(tbs, Tag::Integer, 1, 0)
    }

    fn of(tbs: &'a [u8], version: Tag, algorithm: usize, tag: u8) -> der::Result<Self> {
        let mut fields = elements(content_of(tbs, Tag::Sequence)?)?;
        if tag_of(fields.first())? != version {
            return Err(version.value_error().into());
        }
        if tag_of(fields.get(algorithm))? != Tag::Sequence {
            return Err(Tag::Sequence.value_error().into());
        }
        let explicit = context(tag.into());
        let list = match fields.last() {
            Some(last) if fields.len() > algorithm + 1 && tag_of(Some(last))? == explicit => {
                content_of(last, explicit)?
            }
            _ => return Err(explicit.value_error().into()),
        };
        fields.pop();
        let mut extensions = Vec::new();
        for extension in elements(content_of(list, Tag::Sequence)?)? {
            if oid_of(extension)? != ALTERNATIVE_SIGNATURE {
                extensions.push(extension);
            }
        }
        Ok(Self {
            fields,
            algorithm,
            tag,
            extensions,
        })
    }

    /// Writes them, with `more` after the extensions.
    fn write(&self, algorithm: Algorithm, more: &[u8]) -> Vec<u8> {
        let mut content = Vec::new();
        for (position, field) in self.fields.iter().enumerate() {
            if algorithm == Algorithm::Kept || position != self.algorithm {
                content.extend_from_slice(field);
            }
        }
        let extensions = whole(SEQUENCE, &[&self.extensions.concat(), more]);
        element(&mut content, CONTEXT_CONSTRUCTED | self.tag, &extensions);
        whole(SEQUENCE, &[&content])
    }
}

/// The Extension altSignatureValue.
fn signature_extension(signature: &[u8]) -> Vec<u8> {
    let bits = whole(BIT_STRING, &[&[0], signature]);
    let oid = whole(OBJECT_IDENTIFIER, &[ALTERNATIVE_SIGNATURE.as_bytes()]);
    whole(SEQUENCE, &[&oid, &whole(OCTET_STRING, &[&bits])])
}

/// The elements that follow one another in `content`.
fn elements(content: &[u8]) -> der::Result<Vec<&[u8]>> {
    let mut reader = SliceReader::new(content)?;
    let mut elements = Vec::new();
    while !reader.is_finished() {
        elements.push(reader.tlv_bytes()?);
    }
    Ok(elements)
}

/// The content of the one element that `der` is.
fn content_of(der: &[u8], tag: Tag) -> der::Result<&[u8]> {
    let element = AnyRef::from_der(der)?;
    element.tag().assert_eq(tag)?;
    Ok(element.value())
}

/// The OID that an Extension or an Attribute begins with.
fn oid_of(der: &[u8]) -> der::Result<ObjectIdentifier> {
    ObjectIdentifier::decode(&mut SliceReader::new(content_of(der, Tag::Sequence)?)?)
}

fn tag_of(element: Option<&&[u8]>) -> der::Result<Tag> {
    Tag::peek(&SliceReader::new(element.copied().unwrap_or_default())?)
}

const fn context(number: u32) -> Tag {
    Tag::ContextSpecific {
        constructed: true,
        number: TagNumber(number),
    }
}
