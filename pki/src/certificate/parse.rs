//! From bytes to a certificate.

use std::ops::Range;

use der::asn1::AnyRef;
use der::{Decode, Encode, Reader, SliceReader, Tag};
use x509_cert::certificate::Version;

use super::extensions::Extensions;
use super::{
    Certificate, CertificateError, Layout, MAX_CERTIFICATE_LEN, MAX_CERTIFICATES, MAX_SERIAL_LEN, Parsed,
};
use crate::key::SubjectKey;
use crate::names;
use crate::signature::{AlgorithmError, SignatureAlgorithm};

pub(super) fn parse(der: &[u8]) -> Result<Parsed, CertificateError> {
    if der.len() > MAX_CERTIFICATE_LEN {
        return Err(CertificateError::TooLong { len: der.len() });
    }
    let layout = Layout::of(der).map_err(CertificateError::Malformed)?;
    // Before `x509-cert` reads it, whose own error about a long serial says less.
    check_serial(slice(der, &layout.serial))?;
    let inner = x509_cert::Certificate::from_der(der).map_err(CertificateError::Malformed)?;
    if inner.to_der().map_err(CertificateError::Malformed)? != der {
        return Err(CertificateError::NotDer);
    }

    let tbs = inner.tbs_certificate();
    match tbs.version() {
        Version::V3 => {}
        older => return Err(CertificateError::Version(older as u8 + 1)),
    }
    for name in [tbs.issuer(), tbs.subject()] {
        names::check(name).map_err(CertificateError::Malformed)?;
    }
    if slice(der, &layout.inner_algorithm) != slice(der, &layout.outer_algorithm) {
        return Err(CertificateError::AlgorithmMismatch {
            signed: tbs.signature().oid,
            outer: inner.signature_algorithm().oid,
        });
    }
    // An unknown algorithm is a fact about the certificate; parameters that must not be there are a fault of it.
    let algorithm = SignatureAlgorithm::from_der(slice(der, &layout.outer_algorithm));
    if let Err(AlgorithmError::Parameters { oid, reason }) = algorithm {
        return Err(CertificateError::Parameters { oid, reason });
    }
    if inner.signature().unused_bits() != 0 {
        return Err(CertificateError::SignatureBits);
    }
    if tbs.subject_public_key_info().subject_public_key.unused_bits() != 0 {
        return Err(CertificateError::KeyBits);
    }
    let subject_key = SubjectKey::from_spki_der(slice(der, &layout.spki));
    let extensions = tbs.extensions().map_or(&[][..], Vec::as_slice);
    let extensions = Extensions::read(extensions, subject_key.as_ref().ok())?;
    let not_before = tbs.validity().not_before.to_system_time();
    let not_after = tbs.validity().not_after.to_system_time();
    Ok(Parsed {
        der: der.into(),
        layout,
        subject_key,
        algorithm,
        extensions,
        not_before,
        not_after,
        inner,
    })
}

pub(super) fn split(concatenated: &[u8]) -> Result<Vec<Certificate>, CertificateError> {
    let mut certificates = Vec::new();
    let mut rest = concatenated;
    while !rest.is_empty() {
        if certificates.len() == MAX_CERTIFICATES {
            return Err(CertificateError::TooMany);
        }
        let wrap = |error| CertificateError::InList {
            position: certificates.len() + 1,
            error: Box::new(error),
        };
        let der = first_tlv(rest)
            .map_err(CertificateError::Malformed)
            .map_err(wrap)?;
        let certificate = Certificate::from_der(der).map_err(wrap)?;
        certificates.push(certificate);
        rest = rest.get(der.len()..).unwrap_or_default();
    }
    if certificates.is_empty() {
        Err(CertificateError::Empty)
    } else {
        Ok(certificates)
    }
}

fn first_tlv(bytes: &[u8]) -> der::Result<&[u8]> {
    SliceReader::new(bytes)?.tlv_bytes()
}

fn check_serial(content: &[u8]) -> Result<(), CertificateError> {
    // Zero is against RFC 5280 as well, but roots with it exist and nothing can be confused by it.
    match content.first() {
        Some(first) if first & 0x80 != 0 => Err(CertificateError::NegativeSerial),
        _ if content.len() > MAX_SERIAL_LEN => Err(CertificateError::LongSerial { len: content.len() }),
        _ => Ok(()),
    }
}

fn slice<'a>(der: &'a [u8], range: &Range<usize>) -> &'a [u8] {
    der.get(range.clone()).unwrap_or_default()
}

impl Layout {
    /// Walks the two outer levels (RFC 5280 §4.1) and notes where the parts are.
    fn of(der: &[u8]) -> der::Result<Self> {
        let mut reader = SliceReader::new(der)?;
        let (tbs, outer_algorithm, _signature) = reader
            .sequence(|reader| Ok::<_, der::Error>((span(reader, 0)?, span(reader, 0)?, span(reader, 0)?)))?;
        reader.finish()?;

        let base = tbs.start;
        SliceReader::new(slice(der, &tbs))?.sequence(|reader| {
            if Tag::peek(reader)?.is_context_specific() {
                span(reader, base)?; // version
            }
            let mut layout = Self {
                tbs,
                serial: content(reader, base)?,
                inner_algorithm: span(reader, base)?,
                issuer: span(reader, base)?,
                subject: 0..0,
                spki: 0..0,
                outer_algorithm,
            };
            span(reader, base)?; // validity
            layout.subject = span(reader, base)?;
            layout.spki = span(reader, base)?;
            while !reader.is_finished() {
                span(reader, base)?; // unique identifiers, extensions
            }
            Ok(layout)
        })
    }
}

/// The range of the next element, header and content.
fn span<'a>(reader: &mut impl Reader<'a>, base: usize) -> der::Result<Range<usize>> {
    let start = usize::try_from(reader.position())?;
    let len = reader.tlv_bytes()?.len();
    Ok(base + start..base + start + len)
}

/// The range of the next element's content.
fn content<'a>(reader: &mut impl Reader<'a>, base: usize) -> der::Result<Range<usize>> {
    let len = AnyRef::decode(reader)?.value().len();
    let end = base + usize::try_from(reader.position())?;
    Ok(end - len..end)
}
