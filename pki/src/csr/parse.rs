//! Walking a request in place.

use const_oid::db::{rfc5280, rfc5912};
use der::asn1::{AnyRef, BitStringRef, Ia5StringRef, ObjectIdentifier, OctetStringRef};
use der::{Decode, Reader, SliceReader, Tag, TagNumber, Tagged};

use super::{CsrError, MAX_ATTRIBUTES, MAX_CSR_LEN, MAX_NAMES, MAX_REQUESTED_EXTENSIONS};
use crate::catalyst::Part;
use crate::{names, related};

/// The parts of a request, as slices of it; nothing is verified.
pub(crate) struct CsrParts<'a> {
    /// What the signature is over: DER of the CertificationRequestInfo.
    pub(crate) signed: &'a [u8],
    /// DER of the subject's name.
    pub(crate) subject: &'a [u8],
    /// DER of the SubjectPublicKeyInfo.
    pub(crate) spki: &'a [u8],
    /// DER of the signature's AlgorithmIdentifier.
    pub(crate) algorithm: &'a [u8],
    /// The signature's bytes.
    pub(crate) signature: &'a [u8],
    /// Content of the attributes' SET.
    attributes: &'a [u8],
}

/// The alternative names that a request asks for.
#[derive(Default)]
pub(crate) struct Names {
    pub(crate) uris: Vec<String>,
    pub(crate) dns: Vec<String>,
}

/// The values of the attributes that are understood, DER of each.
#[derive(Default)]
pub(crate) struct Attributes<'a> {
    /// extensionRequest (RFC 2985 §5.4.2).
    pub(crate) extension_request: Option<&'a [u8]>,
    /// relatedCertRequest (RFC 9763 §3.1).
    pub(crate) related_request: Option<&'a [u8]>,
    alternative: [Option<&'a [u8]>; Part::ALL.len()],
}

impl<'a> Attributes<'a> {
    /// The parts of an alternative key with its proof of possession.
    pub(crate) fn alternative(&self) -> impl Iterator<Item = (Part, Option<&'a [u8]>)> {
        Part::ALL.into_iter().zip(self.alternative)
    }

    /// Where an attribute's value is kept; `None` for one that is passed over.
    fn place(&mut self, oid: ObjectIdentifier) -> Option<&mut Option<&'a [u8]>> {
        match oid {
            rfc5912::ID_EXTENSION_REQ => Some(&mut self.extension_request),
            related::REQUEST => Some(&mut self.related_request),
            other => Part::ALL
                .into_iter()
                .zip(&mut self.alternative)
                .find(|(part, _)| part.oid() == other)
                .map(|(_, place)| place),
        }
    }
}

/// One requested extension: its OID, whether it is marked critical, and its content.
pub(crate) type RequestedExtension<'a> = (ObjectIdentifier, bool, &'a [u8]);

const ATTRIBUTES: Tag = Tag::ContextSpecific {
    constructed: true,
    number: TagNumber(0),
};
const DNS_NAME: Tag = Tag::ContextSpecific {
    constructed: false,
    number: TagNumber(2),
};
const URI: Tag = Tag::ContextSpecific {
    constructed: false,
    number: TagNumber(6),
};

impl<'a> CsrParts<'a> {
    pub(crate) fn read(der: &'a [u8]) -> Result<Self, CsrError> {
        if der.len() > MAX_CSR_LEN {
            return Err(CsrError::TooLong { len: der.len() });
        }
        let mut reader = SliceReader::new(der)?;
        let (signed, algorithm, signature) = reader.sequence(|reader| {
            Ok::<_, der::Error>((
                reader.tlv_bytes()?,
                reader.tlv_bytes()?,
                BitStringRef::decode(reader)?,
            ))
        })?;
        reader.finish()?;
        let signature = signature.as_bytes().ok_or(CsrError::SignatureBits)?;

        let mut info = SliceReader::new(signed)?;
        let (version, subject, spki, attributes) = info.sequence(|reader| {
            let version = u8::decode(reader)?;
            let subject = reader.tlv_bytes()?;
            let spki = reader.tlv_bytes()?;
            let attributes = AnyRef::decode(reader)?;
            Ok::<_, der::Error>((version, subject, spki, attributes))
        })?;
        info.finish()?;
        if version != 0 {
            return Err(CsrError::Version);
        }
        if attributes.tag() != ATTRIBUTES {
            return Err(CsrError::Malformed(Tag::Set.value_error().into()));
        }
        names::read(subject)?;
        Ok(Self {
            signed,
            subject,
            spki,
            algorithm,
            signature,
            attributes: attributes.value(),
        })
    }

    /// The attributes that are understood, each at most once and with exactly one value.
    pub(crate) fn attributes(&self) -> Result<Attributes<'a>, CsrError> {
        let mut found = Attributes::default();
        let mut reader = SliceReader::new(self.attributes)?;
        let mut count = 0;
        while !reader.is_finished() {
            count += 1;
            if count > MAX_ATTRIBUTES {
                return Err(CsrError::TooMany {
                    what: "attributes",
                    limit: MAX_ATTRIBUTES,
                });
            }
            let (oid, values) = reader.sequence(|reader| {
                Ok::<_, der::Error>((ObjectIdentifier::decode(reader)?, AnyRef::decode(reader)?))
            })?;
            values.tag().assert_eq(Tag::Set)?;
            let mut values = SliceReader::new(values.value())?;
            let Some(place) = found.place(oid) else {
                // What is passed over is DER all the same: another reader may look at it.
                while !values.is_finished() {
                    values.tlv_bytes()?;
                }
                continue;
            };
            let only = values.tlv_bytes().ok().filter(|_| values.is_finished());
            if place.is_some() || only.is_none() {
                return Err(CsrError::Attribute { oid });
            }
            *place = only;
        }
        Ok(found)
    }

    /// The requested extensions, in order; none of them twice.
    pub(crate) fn extensions(&self) -> Result<Vec<RequestedExtension<'a>>, CsrError> {
        let Some(list) = self.attributes()?.extension_request else {
            return Ok(Vec::new());
        };
        AnyRef::from_der(list)?.sequence(|reader| {
            let mut extensions: Vec<RequestedExtension<'a>> = Vec::new();
            while !reader.is_finished() {
                if extensions.len() == MAX_REQUESTED_EXTENSIONS {
                    let limit = MAX_REQUESTED_EXTENSIONS;
                    return Err(CsrError::TooMany {
                        what: "requested extensions",
                        limit,
                    });
                }
                let extension = reader.sequence(extension)?;
                if extensions.iter().any(|(oid, ..)| *oid == extension.0) {
                    return Err(CsrError::DuplicateExtension { oid: extension.0 });
                }
                extensions.push(extension);
            }
            Ok(extensions)
        })
    }

    /// The requested alternative names.
    pub(crate) fn names(&self) -> Result<Names, CsrError> {
        let mut names = Names::default();
        let extensions = self.extensions()?;
        let Some((.., content)) = extensions
            .iter()
            .find(|(oid, ..)| *oid == rfc5280::ID_CE_SUBJECT_ALT_NAME)
        else {
            return Ok(names);
        };
        AnyRef::from_der(content)?.sequence(|reader| {
            let mut count = 0;
            while !reader.is_finished() {
                count += 1;
                if count > MAX_NAMES {
                    return Err(CsrError::TooMany {
                        what: "alternative names",
                        limit: MAX_NAMES,
                    });
                }
                let name = AnyRef::decode(reader)?;
                let list = match name.tag() {
                    URI => &mut names.uris,
                    DNS_NAME => &mut names.dns,
                    _ => continue,
                };
                list.push(Ia5StringRef::new(name.value())?.as_str().to_owned());
            }
            Ok(())
        })?;
        Ok(names)
    }
}

/// The content of one `Extension` (RFC 5280 §4.1), FALSE being the default and so not to be written in DER.
fn extension<'a>(reader: &mut SliceReader<'a>) -> der::Result<RequestedExtension<'a>> {
    let oid = ObjectIdentifier::decode(reader)?;
    let critical = Tag::peek(reader)? == Tag::Boolean;
    if critical && !bool::decode(reader)? {
        return Err(reader.error(Tag::Boolean.non_canonical_error()));
    }
    let content = <&OctetStringRef>::decode(reader)?;
    Ok((oid, critical, content.as_bytes()))
}
