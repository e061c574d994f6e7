//! The extensions that this software understands, read strictly; the others are noted.

use std::net::IpAddr;

use const_oid::db::rfc5280::{ID_CE_CERTIFICATE_POLICIES, ID_CE_NAME_CONSTRAINTS};
use const_oid::{AssociatedOid, ObjectIdentifier};
use der::{Decode, Encode};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAltName,
    SubjectKeyIdentifier,
};

use super::constraints::NameConstraints;
use super::{CertificateError, MAX_EXTENSIONS};
use crate::catalyst::{Alternative, Part};
use crate::key::SubjectKey;
use crate::related::{self, RelatedCertificate};
use crate::skid::Skid;

#[derive(Default)]
pub(super) struct Extensions {
    pub(super) is_ca: bool,
    pub(super) path_len: Option<u8>,
    pub(super) key_usage: Option<KeyUsage>,
    pub(super) extended_key_usages: Vec<ObjectIdentifier>,
    pub(super) uri_sans: Vec<String>,
    pub(super) ip_sans: Vec<IpAddr>,
    pub(super) dns_sans: Vec<String>,
    pub(super) skid: Option<Skid>,
    pub(super) skid_bytes: Option<Box<[u8]>>,
    pub(super) akid: Option<Skid>,
    pub(super) akid_bytes: Option<Box<[u8]>>,
    pub(super) name_constraints: Option<NameConstraints>,
    pub(super) alternative: Option<Alternative>,
    pub(super) related: Option<RelatedCertificate>,
    pub(super) unprocessed_critical: Vec<ObjectIdentifier>,
}

impl Extensions {
    /// Reads all of them. Some are to be looked at together with the certificate's own key.
    pub(super) fn read(list: &[Extension], key: Option<&SubjectKey>) -> Result<Self, CertificateError> {
        if list.len() > MAX_EXTENSIONS {
            return Err(CertificateError::TooManyExtensions { count: list.len() });
        }
        let mut read = Self::default();
        for (i, extension) in list.iter().enumerate() {
            let oid = extension.extn_id;
            if list.iter().take(i).any(|earlier| earlier.extn_id == oid) {
                return Err(CertificateError::DuplicateExtension { oid });
            }
            read.one(extension)?;
        }
        if let Some(alternative) = &mut read.alternative {
            alternative
                .finish(key)
                .map_err(|missing| wrong(missing.name(), "it is missing beside its fellow"))?;
        }
        if read.related.is_some() && read.is_ca {
            return Err(wrong("relatedCertificate", "only leaves are paired"));
        }
        Ok(read)
    }

    fn one(&mut self, extension: &Extension) -> Result<(), CertificateError> {
        match extension.extn_id {
            BasicConstraints::OID => {
                let constraints: BasicConstraints = strict("basicConstraints", extension)?;
                self.is_ca = constraints.ca;
                self.path_len = constraints.path_len_constraint;
                if self.path_len.is_some() && !self.is_ca {
                    return Err(wrong(
                        "basicConstraints",
                        "it limits the path below what is no authority",
                    ));
                }
            }
            KeyUsage::OID => self.key_usage = Some(strict("keyUsage", extension)?),
            ExtendedKeyUsage::OID => {
                self.extended_key_usages = strict::<ExtendedKeyUsage>("extKeyUsage", extension)?.0;
            }
            SubjectAltName::OID => {
                for name in strict::<SubjectAltName>("subjectAltName", extension)?.0 {
                    match name {
                        GeneralName::UniformResourceIdentifier(uri) => {
                            self.uri_sans.push(uri.as_str().to_owned());
                        }
                        GeneralName::DnsName(name) => self.dns_sans.push(name.as_str().to_owned()),
                        GeneralName::IpAddress(octets) => self.ip_sans.extend(ip_address(octets.as_bytes())),
                        _ => {}
                    }
                }
            }
            SubjectKeyIdentifier::OID => {
                let id: SubjectKeyIdentifier = strict("subjectKeyIdentifier", extension)?;
                self.skid = Skid::from_bytes(id.0.as_bytes());
                self.skid_bytes = Some(id.0.as_bytes().into());
            }
            AuthorityKeyIdentifier::OID => {
                let id: AuthorityKeyIdentifier = strict("authorityKeyIdentifier", extension)?;
                if let Some(id) = id.key_identifier {
                    self.akid = Skid::from_bytes(id.as_bytes());
                    self.akid_bytes = Some(id.as_bytes().into());
                }
            }
            ID_CE_NAME_CONSTRAINTS => self.name_constraints = Some(NameConstraints::read(extension)?),
            // Marked critical, against RFC 9763, section 4, it is one that who verifies a chain by itself cannot process.
            related::EXTENSION if !extension.critical => {
                let related = RelatedCertificate::from_der(extension.extn_value.as_bytes());
                self.related = Some(related.map_err(|reason| wrong("relatedCertificate", reason))?);
            }
            // They only say something to those who ask for a policy (RFC 5280, section 6.1.1 (c)), which nobody does here.
            ID_CE_CERTIFICATE_POLICIES => {}
            other => match Part::of_oid(other) {
                Some(part) => self
                    .alternative
                    .get_or_insert_default()
                    .read(part, extension.extn_value.as_bytes(), extension.critical)
                    .map_err(|reason| wrong(part.name(), reason))?,
                None if extension.critical => self.unprocessed_critical.push(other),
                None => {}
            },
        }
        Ok(())
    }
}

/// An address as RFC 5280, section 4.2.1.6, writes it.
fn ip_address(octets: &[u8]) -> Option<IpAddr> {
    match octets.len() {
        4 => <[u8; 4]>::try_from(octets).ok().map(IpAddr::from),
        _ => <[u8; 16]>::try_from(octets).ok().map(IpAddr::from),
    }
}

/// Decodes an extension's content and refuses whatever would be encoded differently.
pub(super) fn strict<T>(name: &'static str, extension: &Extension) -> Result<T, CertificateError>
where
    T: for<'a> Decode<'a, Error = der::Error> + Encode,
{
    let bytes = extension.extn_value.as_bytes();
    let value = T::from_der(bytes).map_err(|error| wrong(name, error))?;
    match value.to_der() {
        Ok(encoded) if encoded == bytes => Ok(value),
        Ok(_) => Err(wrong(name, "it is not in DER")),
        Err(error) => Err(wrong(name, error)),
    }
}

pub(super) fn wrong(name: &'static str, reason: impl ToString) -> CertificateError {
    CertificateError::Extension {
        name,
        reason: reason.to_string(),
    }
}
