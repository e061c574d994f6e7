//! Certificates, requests and revocation lists taken apart into borrowed parts, without judging them.

mod parts;

use super::element::{
    BIT_STRING, Element, Fields, GENERALIZED_TIME, INTEGER, OBJECT_IDENTIFIER, Problem, SEQUENCE, SET,
    UTC_TIME, constructed, primitive,
};

pub(super) use self::parts::{Algorithm, Extension, Extensions, every};
use self::parts::{at, contains, explicit, time};

/// A certificate, or what is to be signed of one (RFC 5280, section 4.1).
pub(super) struct Certificate<'a> {
    pub(super) whole: Element<'a>,
    /// The INTEGER of the version, if there is one.
    pub(super) version: Option<Element<'a>>,
    pub(super) serial: Element<'a>,
    pub(super) algorithm: Algorithm<'a>,
    pub(super) issuer: Element<'a>,
    pub(super) not_before: Element<'a>,
    pub(super) not_after: Element<'a>,
    pub(super) subject: Element<'a>,
    pub(super) spki: Element<'a>,
    /// The unique identifiers of issuer and subject.
    pub(super) unique_ids: Vec<Element<'a>>,
    pub(super) extensions: Extensions<'a>,
    /// Absent before the signature.
    pub(super) signed: Option<Signed<'a>>,
}

/// What is outside of the signed part.
pub(super) struct Signed<'a> {
    pub(super) algorithm: Algorithm<'a>,
    pub(super) signature: Element<'a>,
}

/// A certificate request (RFC 2986, section 4).
pub(super) struct Request<'a> {
    pub(super) whole: Element<'a>,
    pub(super) version: Element<'a>,
    pub(super) subject: Element<'a>,
    pub(super) spki: Element<'a>,
    pub(super) attributes: Vec<Attribute<'a>>,
    pub(super) signed: Signed<'a>,
}

/// An attribute of a request.
pub(super) struct Attribute<'a> {
    pub(super) element: Element<'a>,
    /// Content octets of the type.
    pub(super) oid: &'a [u8],
    pub(super) values: Vec<Element<'a>>,
}

/// A certificate revocation list, or what is to be signed of one (RFC 5280, section 5.1).
pub(super) struct Crl<'a> {
    pub(super) whole: Element<'a>,
    pub(super) version: Option<Element<'a>>,
    pub(super) algorithm: Algorithm<'a>,
    pub(super) issuer: Element<'a>,
    pub(super) this_update: Element<'a>,
    pub(super) next_update: Option<Element<'a>>,
    /// The list, if there is one.
    pub(super) list: Option<Element<'a>>,
    pub(super) entries: Vec<Entry<'a>>,
    pub(super) extensions: Extensions<'a>,
    pub(super) signed: Option<Signed<'a>>,
}

/// A revoked certificate.
pub(super) struct Entry<'a> {
    pub(super) serial: Element<'a>,
    pub(super) date: Element<'a>,
    pub(super) extensions: Extensions<'a>,
}

impl<'a> Certificate<'a> {
    pub(super) fn read(whole: Element<'a>) -> Result<Self, Problem> {
        let mut fields = whole.fields_of(SEQUENCE)?;
        let tbs = fields.expect(SEQUENCE)?;
        let signed = Signed::read(&mut fields)?;
        Ok(Self {
            whole,
            signed: Some(signed),
            ..Self::read_tbs(tbs)?
        })
    }

    /// Reads what is to be signed.
    pub(super) fn read_tbs(tbs: Element<'a>) -> Result<Self, Problem> {
        let mut fields = tbs.fields_of(SEQUENCE)?;
        let version = explicit(&mut fields, 0)?
            .map(|version| version.expect(INTEGER))
            .transpose()?;
        let serial = fields.expect(INTEGER)?;
        let algorithm = Algorithm::read(fields.next()?)?;
        let issuer = fields.expect(SEQUENCE)?;
        let mut times = fields.next()?.fields_of(SEQUENCE)?;
        let (not_before, not_after) = (time(&mut times)?, time(&mut times)?);
        times.end()?;
        let subject = fields.expect(SEQUENCE)?;
        let spki = fields.expect(SEQUENCE)?;
        let mut unique_ids = Vec::new();
        for number in [1, 2] {
            unique_ids.extend(fields.optional(primitive(number))?);
        }
        let extensions = match explicit(&mut fields, 3)? {
            Some(list) => Extensions::read(list)?,
            None => Extensions::default(),
        };
        fields.end()?;
        Ok(Self {
            whole: tbs,
            version,
            serial,
            algorithm,
            issuer,
            not_before,
            not_after,
            subject,
            spki,
            unique_ids,
            extensions,
            signed: None,
        })
    }

    /// Issuer and subject are one.
    pub(super) fn is_self_issued(&self) -> bool {
        self.issuer.content == self.subject.content
    }

    /// The field that a byte of it is in.
    pub(super) fn field_at(&self, offset: usize) -> &'static str {
        let fields = [
            ("tbsCertificate.version", self.version),
            ("tbsCertificate.serialNumber", Some(self.serial)),
            ("tbsCertificate.signature", Some(self.algorithm.element)),
            ("tbsCertificate.issuer", Some(self.issuer)),
            ("tbsCertificate.validity.notBefore", Some(self.not_before)),
            ("tbsCertificate.validity.notAfter", Some(self.not_after)),
            ("tbsCertificate.subject", Some(self.subject)),
            ("tbsCertificate.subjectPublicKeyInfo", Some(self.spki)),
        ];
        at(&fields, offset)
            .or_else(|| self.extensions.field_at(offset))
            .or_else(|| self.signed.as_ref()?.field_at(offset))
            .unwrap_or("certificate")
    }
}

impl<'a> Request<'a> {
    pub(super) fn read(whole: Element<'a>) -> Result<Self, Problem> {
        let mut fields = whole.fields_of(SEQUENCE)?;
        let info = fields.expect(SEQUENCE)?;
        let signed = Signed::read(&mut fields)?;
        let mut fields = info.fields();
        let version = fields.expect(INTEGER)?;
        let subject = fields.expect(SEQUENCE)?;
        let spki = fields.expect(SEQUENCE)?;
        // Its SET has the implicit tag [0]; many programs leave it out when it is empty.
        let attributes = match fields.optional(constructed(0))? {
            Some(set) => every(set.fields(), Attribute::read)?,
            None => Vec::new(),
        };
        fields.end()?;
        Ok(Self {
            whole,
            version,
            subject,
            spki,
            attributes,
            signed,
        })
    }

    pub(super) fn field_at(&self, offset: usize) -> &'static str {
        let fields = [
            ("certificationRequestInfo.version", Some(self.version)),
            ("certificationRequestInfo.subject", Some(self.subject)),
            ("certificationRequestInfo.subjectPKInfo", Some(self.spki)),
        ];
        at(&fields, offset)
            .or_else(|| {
                let (first, last) = (self.attributes.first()?, self.attributes.last()?);
                let from_first = offset >= first.element.offset;
                let to_last = offset < last.element.offset || contains(&last.element, offset);
                (from_first && to_last).then_some("certificationRequestInfo.attributes")
            })
            .or_else(|| self.signed.field_at(offset))
            .unwrap_or("certificationRequest")
    }
}

impl<'a> Attribute<'a> {
    fn read(element: Element<'a>) -> Result<Self, Problem> {
        let mut fields = element.fields_of(SEQUENCE)?;
        let oid = fields.expect(OBJECT_IDENTIFIER)?.content;
        let values = every(fields.expect(SET)?.fields(), Ok)?;
        fields.end()?;
        Ok(Self { element, oid, values })
    }
}

impl<'a> Crl<'a> {
    pub(super) fn read(whole: Element<'a>) -> Result<Self, Problem> {
        let mut fields = whole.fields_of(SEQUENCE)?;
        let tbs = fields.expect(SEQUENCE)?;
        let signed = Signed::read(&mut fields)?;
        Ok(Self {
            whole,
            signed: Some(signed),
            ..Self::read_tbs(tbs)?
        })
    }

    /// Reads what is to be signed.
    pub(super) fn read_tbs(tbs: Element<'a>) -> Result<Self, Problem> {
        let mut fields = tbs.fields_of(SEQUENCE)?;
        let version = fields.optional(INTEGER)?;
        let algorithm = Algorithm::read(fields.next()?)?;
        let issuer = fields.expect(SEQUENCE)?;
        let this_update = time(&mut fields)?;
        let next_update = match fields.optional(UTC_TIME)? {
            Some(time) => Some(time),
            None => fields.optional(GENERALIZED_TIME)?,
        };
        let list = fields.optional(SEQUENCE)?;
        let entries = match list {
            Some(list) => every(list.fields(), Entry::read)?,
            None => Vec::new(),
        };
        let extensions = match explicit(&mut fields, 0)? {
            Some(list) => Extensions::read(list)?,
            None => Extensions::default(),
        };
        fields.end()?;
        Ok(Self {
            whole: tbs,
            version,
            algorithm,
            issuer,
            this_update,
            next_update,
            list,
            entries,
            extensions,
            signed: None,
        })
    }

    pub(super) fn field_at(&self, offset: usize) -> &'static str {
        let fields = [
            ("tbsCertList.version", self.version),
            ("tbsCertList.signature", Some(self.algorithm.element)),
            ("tbsCertList.issuer", Some(self.issuer)),
            ("tbsCertList.thisUpdate", Some(self.this_update)),
            ("tbsCertList.nextUpdate", self.next_update),
            ("tbsCertList.revokedCertificates", self.list),
        ];
        at(&fields, offset)
            .or_else(|| self.extensions.field_at(offset))
            .or_else(|| self.signed.as_ref()?.field_at(offset))
            .unwrap_or("certificateList")
    }
}

impl<'a> Entry<'a> {
    fn read(element: Element<'a>) -> Result<Self, Problem> {
        let mut fields = element.fields_of(SEQUENCE)?;
        let serial = fields.expect(INTEGER)?;
        let date = time(&mut fields)?;
        let extensions = match fields.optional(SEQUENCE)? {
            Some(list) => Extensions::read(list)?,
            None => Extensions::default(),
        };
        fields.end()?;
        Ok(Self {
            serial,
            date,
            extensions,
        })
    }
}

impl<'a> Signed<'a> {
    fn read(fields: &mut Fields<'a>) -> Result<Self, Problem> {
        let algorithm = Algorithm::read(fields.next()?)?;
        let signature = fields.expect(BIT_STRING)?;
        fields.end()?;
        Ok(Self { algorithm, signature })
    }

    fn field_at(&self, offset: usize) -> Option<&'static str> {
        let fields = [
            ("signatureAlgorithm", Some(self.algorithm.element)),
            ("signatureValue", Some(self.signature)),
        ];
        at(&fields, offset)
    }
}
