//! Chameleon certificates (draft-bonnell-lamps-chameleon-certs-07): the second certificate that is folded into a first.
//!
//! A *base* certificate carries a descriptor of how a *delta* certificate differs from it, signature included. [`delta`]
//! puts the delta together again; it is then a certificate like any other, to be verified by itself. Symbolon reads such
//! certificates and never issues them: the draft has expired, and its OIDs are of a private arc.

use const_oid::ObjectIdentifier;
use der::asn1::{AnyRef, BitStringRef, OctetStringRef};
use der::{Decode, Reader, SliceReader, Tag, TagNumber};

use crate::certificate::{Certificate, CertificateError, MAX_EXTENSIONS};
use crate::encode::whole;

/// The deltaCertificateDescriptor extension.
pub const DELTA_CERTIFICATE_DESCRIPTOR: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("2.16.840.1.114027.80.6.1");

/// Why a base certificate's delta cannot be had.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DeltaError {
    /// The descriptor is not DER of the right shape.
    #[error("the delta certificate descriptor is malformed: {0}")]
    Malformed(#[from] der::Error),
    /// A field that says what the base says already, and had to be left out (section 4 of the draft).
    #[error("the delta certificate descriptor repeats the base certificate's {0}")]
    Repeats(&'static str),
    /// The delta has the base's key.
    #[error("the delta certificate has the key of the base certificate")]
    SameKey,
    /// The delta has the base's serial number and issuer.
    #[error("the delta certificate has the issuer and the serial number of the base certificate")]
    SameSerial,
    /// An extension that the base does not have: a delta can neither add nor remove any.
    #[error("the delta certificate has the extension {0}, which the base certificate does not have")]
    AddedExtension(ObjectIdentifier),
    /// An extension that is to be replaced twice.
    #[error("the delta certificate descriptor has the extension {0} twice")]
    DuplicateExtension(ObjectIdentifier),
    /// An extension with another criticality than the base's.
    #[error("the delta certificate's extension {0} is not as critical as the base certificate's")]
    Criticality(ObjectIdentifier),
    /// A descriptor among the delta's own extensions.
    #[error("the delta certificate has a delta certificate descriptor of its own")]
    Nested,
    /// What was put together is no certificate that is read.
    #[error("the delta certificate: {0}")]
    Certificate(Box<CertificateError>),
}

/// The delta certificate that is described in `base`; `None` if there is none. Neither signature is checked.
///
/// # Errors
/// [`DeltaError`], naming the rule of the draft that the descriptor breaks.
pub fn delta(base: &Certificate) -> Result<Option<Certificate>, DeltaError> {
    let Some(extension) = base.extension(DELTA_CERTIFICATE_DESCRIPTOR) else {
        return Ok(None);
    };
    let mut reader = SliceReader::new(extension.extn_value.as_bytes())?;
    let descriptor = reader.sequence(Descriptor::read)?;
    reader.finish()?;

    let mut fields = SliceReader::new(base.tbs_der())?;
    let base_fields = fields.sequence(Fields::read)?;
    fields.finish()?;
    let der = descriptor.apply(&base_fields)?;
    Certificate::from_der(&der)
        .map(Some)
        .map_err(|error| DeltaError::Certificate(Box::new(error)))
}

/// The descriptor's fields in DER, without the tags of those that have one.
struct Descriptor<'a> {
    serial: &'a [u8],
    algorithm: Option<&'a [u8]>,
    issuer: Option<&'a [u8]>,
    validity: Option<&'a [u8]>,
    subject: Option<&'a [u8]>,
    spki: &'a [u8],
    extensions: Vec<Extension<'a>>,
    signature: &'a [u8],
}

/// One extension: its OID, whether it is critical, and its whole DER.
struct Extension<'a> {
    oid: ObjectIdentifier,
    critical: bool,
    der: &'a [u8],
}

impl<'a> Descriptor<'a> {
    fn read(reader: &mut SliceReader<'a>) -> Result<Self, DeltaError> {
        let serial = reader.tlv_bytes()?;
        let mut explicit = |number| -> der::Result<Option<&'a [u8]>> {
            let tag = Tag::ContextSpecific {
                constructed: true,
                number: TagNumber(number),
            };
            if Tag::peek(reader)? != tag {
                return Ok(None);
            }
            let content = AnyRef::decode(reader)?.value();
            // One element, and nothing after it.
            AnyRef::from_der(content)?;
            Ok(Some(content))
        };
        let (algorithm, issuer, validity, subject) = (explicit(0)?, explicit(1)?, explicit(2)?, explicit(3)?);
        let spki = reader.tlv_bytes()?;
        let tagged = Tag::ContextSpecific {
            constructed: true,
            number: TagNumber(4),
        };
        let list = if Tag::peek(reader)? == tagged {
            let content = AnyRef::decode(reader)?.value();
            extensions(content)?
        } else {
            Vec::new()
        };
        let signature = reader.tlv_bytes()?;
        BitStringRef::from_der(signature)?;
        Ok(Self {
            serial,
            algorithm,
            issuer,
            validity,
            subject,
            spki,
            extensions: list,
            signature,
        })
    }

    /// The delta certificate's DER.
    fn apply(&self, base: &Fields<'a>) -> Result<Vec<u8>, DeltaError> {
        for (own, base, name) in [
            (self.algorithm, base.algorithm, "signature algorithm"),
            (self.issuer, base.issuer, "issuer"),
            (self.validity, base.validity, "validity"),
            (self.subject, base.subject, "subject"),
        ] {
            if own == Some(base) {
                return Err(DeltaError::Repeats(name));
            }
        }
        if self.spki == base.spki {
            return Err(DeltaError::SameKey);
        }
        if self.serial == base.serial && self.issuer.is_none() {
            return Err(DeltaError::SameSerial);
        }
        let algorithm = self.algorithm.unwrap_or(base.algorithm);
        let mut tbs = [base.version, self.serial, algorithm].concat();
        tbs.extend_from_slice(self.issuer.unwrap_or(base.issuer));
        tbs.extend_from_slice(self.validity.unwrap_or(base.validity));
        tbs.extend_from_slice(self.subject.unwrap_or(base.subject));
        tbs.extend_from_slice(self.spki);
        tbs.extend_from_slice(&whole(
            0xa3,
            &[&whole(0x30, &[&self.extensions(&base.extensions)?])],
        ));

        let tbs = whole(0x30, &[&tbs]);
        Ok(whole(0x30, &[&tbs, algorithm, self.signature]))
    }

    /// The base's extensions in their order, those that the descriptor has taken from there.
    fn extensions(&self, base: &[Extension<'a>]) -> Result<Vec<u8>, DeltaError> {
        for (index, own) in self.extensions.iter().enumerate() {
            if own.oid == DELTA_CERTIFICATE_DESCRIPTOR {
                return Err(DeltaError::Nested);
            }
            if self
                .extensions
                .iter()
                .take(index)
                .any(|other| other.oid == own.oid)
            {
                return Err(DeltaError::DuplicateExtension(own.oid));
            }
            let replaced = base
                .iter()
                .find(|extension| extension.oid == own.oid)
                .ok_or(DeltaError::AddedExtension(own.oid))?;
            if replaced.critical != own.critical {
                return Err(DeltaError::Criticality(own.oid));
            }
            if replaced.der == own.der {
                return Err(DeltaError::Repeats("extension"));
            }
        }
        let kept = base
            .iter()
            .filter(|extension| extension.oid != DELTA_CERTIFICATE_DESCRIPTOR)
            .map(|extension| {
                self.extensions
                    .iter()
                    .find(|own| own.oid == extension.oid)
                    .map_or(extension.der, |own| own.der)
            });
        Ok(kept.collect::<Vec<_>>().concat())
    }
}

/// The fields of the base's TBSCertificate, which has been read as a certificate of version 3 already.
struct Fields<'a> {
    version: &'a [u8],
    serial: &'a [u8],
    algorithm: &'a [u8],
    issuer: &'a [u8],
    validity: &'a [u8],
    subject: &'a [u8],
    spki: &'a [u8],
    extensions: Vec<Extension<'a>>,
}

impl<'a> Fields<'a> {
    fn read(reader: &mut SliceReader<'a>) -> Result<Self, DeltaError> {
        Ok(Self {
            version: reader.tlv_bytes()?,
            serial: reader.tlv_bytes()?,
            algorithm: reader.tlv_bytes()?,
            issuer: reader.tlv_bytes()?,
            validity: reader.tlv_bytes()?,
            subject: reader.tlv_bytes()?,
            spki: reader.tlv_bytes()?,
            extensions: extensions(AnyRef::decode(reader)?.value())?,
        })
    }
}

/// The content of an explicit tag around Extensions.
fn extensions(content: &[u8]) -> der::Result<Vec<Extension<'_>>> {
    let mut reader = SliceReader::new(content)?;
    let list = reader.sequence(|reader| {
        let mut list = Vec::new();
        while !reader.is_finished() {
            if list.len() == MAX_EXTENSIONS {
                return Err(der::Error::from(Tag::Sequence.length_error()));
            }
            let der = reader.tlv_bytes()?;
            let (oid, critical) = AnyRef::from_der(der)?.sequence(|fields| {
                let oid = ObjectIdentifier::decode(fields)?;
                let critical = Tag::peek(fields)? == Tag::Boolean && bool::decode(fields)?;
                <&OctetStringRef>::decode(fields)?;
                Ok::<_, der::Error>((oid, critical))
            })?;
            list.push(Extension { oid, critical, der });
        }
        Ok(list)
    })?;
    reader.finish()?;
    Ok(list)
}
