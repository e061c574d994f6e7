//! Extensions by name, with what they say as far as that fits a line.

use const_oid::db::DB;
use const_oid::{AssociatedOid, ObjectIdentifier};
use der::Decode;
use serde::Serialize;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};
use x509_cert::ext::pkix::{
    AuthorityInfoAccessSyntax, AuthorityKeyIdentifier, BasicConstraints, CrlDistributionPoints,
    ExtendedKeyUsage, KeyUsage, SubjectAltName, SubjectKeyIdentifier,
};

use super::beside;
use crate::names;

/// An extension of a certificate, or one that a request asks for.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct ExtensionDescription {
    /// The usual name; the OID if there is none.
    pub name: String,
    /// The OID, dotted.
    pub oid: String,
    /// Whether who does not understand it must refuse the certificate.
    pub critical: bool,
    /// What it says, or how long it is.
    pub value: String,
}

/// Names that the OID database lacks, or has under longer names than people use.
const NAMES: [(&str, &str); 14] = [
    ("2.5.29.14", "subjectKeyIdentifier"),
    ("2.5.29.15", "keyUsage"),
    ("2.5.29.17", "subjectAltName"),
    ("2.5.29.19", "basicConstraints"),
    ("2.5.29.30", "nameConstraints"),
    ("2.5.29.31", "cRLDistributionPoints"),
    ("2.5.29.35", "authorityKeyIdentifier"),
    ("2.5.29.37", "extKeyUsage"),
    (
        "2.5.29.72",
        "subjectAltPublicKeyInfo (catalyst: a second, alternative key)",
    ),
    ("2.5.29.73", "altSignatureAlgorithm (catalyst)"),
    ("2.5.29.74", "altSignatureValue (catalyst: a second signature)"),
    ("1.3.6.1.5.5.7.1.1", "authorityInfoAccess"),
    (
        "1.3.6.1.5.5.7.1.36",
        "relatedCertificate (RFC 9763: names the certificate this one is paired with)",
    ),
    (
        "2.16.840.1.114027.80.6.1",
        "deltaCertificateDescriptor (chameleon certificate)",
    ),
];

/// Describes one extension by its OID and content.
pub(super) fn describe(oid: ObjectIdentifier, critical: bool, content: &[u8]) -> ExtensionDescription {
    let value = value(oid, content)
        .or_else(|| beside::value(oid, content))
        .unwrap_or_else(|| format!("{} bytes", content.len()));
    ExtensionDescription {
        name: name(oid),
        oid: oid.to_string(),
        critical,
        value,
    }
}

pub(super) fn of(extension: &Extension) -> ExtensionDescription {
    describe(
        extension.extn_id,
        extension.critical,
        extension.extn_value.as_bytes(),
    )
}

fn name(oid: ObjectIdentifier) -> String {
    let dotted = oid.to_string();
    if let Some((_, name)) = NAMES.iter().find(|(of, _)| *of == dotted) {
        return (*name).to_owned();
    }
    DB.by_oid(&oid).map_or(dotted, str::to_owned)
}

/// What the extension says; `None` for one that is not understood or is malformed.
fn value(oid: ObjectIdentifier, content: &[u8]) -> Option<String> {
    Some(match oid {
        BasicConstraints::OID => {
            let constraints = BasicConstraints::from_der(content).ok()?;
            match (constraints.ca, constraints.path_len_constraint) {
                (false, _) => "end entity".to_owned(),
                (true, None) => "authority".to_owned(),
                (true, Some(0)) => "authority, of end entities only".to_owned(),
                (true, Some(n)) => format!("authority, with at most {n} more below it"),
            }
        }
        KeyUsage::OID => key_usages(&KeyUsage::from_der(content).ok()?).join(", "),
        ExtendedKeyUsage::OID => {
            let usages = ExtendedKeyUsage::from_der(content).ok()?.0;
            usages
                .into_iter()
                .map(extended_key_usage)
                .collect::<Vec<_>>()
                .join(", ")
        }
        SubjectAltName::OID => {
            let names = SubjectAltName::from_der(content).ok()?.0;
            names.iter().map(general_name).collect::<Vec<_>>().join(", ")
        }
        SubjectKeyIdentifier::OID => hex::encode(SubjectKeyIdentifier::from_der(content).ok()?.0.as_bytes()),
        AuthorityKeyIdentifier::OID => hex::encode(
            AuthorityKeyIdentifier::from_der(content)
                .ok()?
                .key_identifier?
                .as_bytes(),
        ),
        CrlDistributionPoints::OID => {
            let points = CrlDistributionPoints::from_der(content).ok()?.0;
            let mut names = Vec::new();
            for point in &points {
                if let Some(DistributionPointName::FullName(full)) = &point.distribution_point {
                    names.extend(full.iter().map(general_name));
                }
            }
            names.join(", ")
        }
        AuthorityInfoAccessSyntax::OID => {
            let list = AuthorityInfoAccessSyntax::from_der(content).ok()?.0;
            list.iter()
                .map(|access| {
                    format!(
                        "{} {}",
                        name(access.access_method),
                        general_name(&access.access_location)
                    )
                })
                .collect::<Vec<_>>()
                .join(", ")
        }
        _ => return None,
    })
}

/// The usages that are set, by RFC 5280's names.
pub(super) fn key_usages(usage: &KeyUsage) -> Vec<&'static str> {
    [
        (usage.digital_signature(), "digitalSignature"),
        (usage.non_repudiation(), "nonRepudiation"),
        (usage.key_encipherment(), "keyEncipherment"),
        (usage.data_encipherment(), "dataEncipherment"),
        (usage.key_agreement(), "keyAgreement"),
        (usage.key_cert_sign(), "keyCertSign"),
        (usage.crl_sign(), "cRLSign"),
        (usage.encipher_only(), "encipherOnly"),
        (usage.decipher_only(), "decipherOnly"),
    ]
    .into_iter()
    .filter_map(|(set, name)| set.then_some(name))
    .collect()
}

/// An extended key usage by name.
pub(super) fn extended_key_usage(oid: ObjectIdentifier) -> String {
    match oid {
        const_oid::db::rfc5280::ID_KP_SERVER_AUTH => "serverAuth".to_owned(),
        const_oid::db::rfc5280::ID_KP_CLIENT_AUTH => "clientAuth".to_owned(),
        const_oid::db::rfc5280::ID_KP_CODE_SIGNING => "codeSigning".to_owned(),
        const_oid::db::rfc5280::ID_KP_EMAIL_PROTECTION => "emailProtection".to_owned(),
        const_oid::db::rfc5280::ID_KP_TIME_STAMPING => "timeStamping".to_owned(),
        const_oid::db::rfc5280::ID_KP_OCSP_SIGNING => "OCSPSigning".to_owned(),
        other => name(other),
    }
}

fn general_name(name: &GeneralName) -> String {
    match name {
        GeneralName::UniformResourceIdentifier(uri) => format!("URI {}", uri.as_str()),
        GeneralName::DnsName(name) => format!("DNS {}", name.as_str()),
        GeneralName::Rfc822Name(name) => format!("email {}", name.as_str()),
        GeneralName::IpAddress(bytes) => match *bytes.as_bytes() {
            [a, b, c, d] => format!("IP {}", std::net::Ipv4Addr::new(a, b, c, d)),
            ref bytes => match <[u8; 16]>::try_from(bytes) {
                Ok(octets) => format!("IP {}", std::net::Ipv6Addr::from(octets)),
                Err(_) => format!("IP of {} bytes", bytes.len()),
            },
        },
        GeneralName::DirectoryName(name) => format!("directory name {}", names::text(name)),
        GeneralName::RegisteredId(oid) => format!("registered id {oid}"),
        GeneralName::OtherName(other) => format!("other name {}", other.type_id),
        GeneralName::EdiPartyName(_) => "EDI party name".to_owned(),
    }
}
