//! Name constraints (RFC 5280, section 4.2.1.10): which names an authority may certify.
//!
//! What is read here is applied in `verify`.

use const_oid::db::rfc5280::ID_CE_NAME_CONSTRAINTS;
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::NameConstraints as Decoded;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::name::Name;

use super::CertificateError;
use super::extensions::{strict, wrong};

/// The most subtrees that a certificate's name constraints may have, permitted and excluded ones together.
pub const MAX_SUBTREES: usize = 64;

const NAME: &str = "nameConstraints";

/// The names that a signing certificate allows below it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NameConstraints {
    /// For each kind of name that is among them: only names within one of them are allowed.
    pub permitted: Vec<Subtree>,
    /// Names within these are not allowed.
    pub excluded: Vec<Subtree>,
}

/// A set of names of one kind.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Subtree {
    /// URIs with this host; with a leading full stop, those with a host below it.
    Uri(String),
    /// This DNS name and all below it; all DNS names if it is empty.
    Dns(String),
    /// Directory names that begin with this one.
    Directory(Name),
    /// Names of a kind that are not compared: where one turns up, the certificate is refused.
    Unsupported(NameKind),
}

/// A kind of GeneralName.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum NameKind {
    /// uniformResourceIdentifier.
    Uri,
    /// dNSName.
    Dns,
    /// directoryName, or the subject.
    Directory,
    /// rfc822Name, or emailAddress in the subject.
    Email,
    /// iPAddress.
    Ip,
    /// otherName.
    Other,
    /// ediPartyName.
    EdiParty,
    /// registeredID.
    RegisteredId,
}

impl NameKind {
    /// What people call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Uri => "URI",
            Self::Dns => "DNS",
            Self::Directory => "directory",
            Self::Email => "email",
            Self::Ip => "IP address",
            Self::Other => "other",
            Self::EdiParty => "EDI party",
            Self::RegisteredId => "registered",
        }
    }

    /// The kind of a GeneralName.
    pub(crate) fn of(name: &GeneralName) -> Self {
        match name {
            GeneralName::UniformResourceIdentifier(_) => Self::Uri,
            GeneralName::DnsName(_) => Self::Dns,
            GeneralName::DirectoryName(_) => Self::Directory,
            GeneralName::Rfc822Name(_) => Self::Email,
            GeneralName::IpAddress(_) => Self::Ip,
            GeneralName::OtherName(_) => Self::Other,
            GeneralName::EdiPartyName(_) => Self::EdiParty,
            GeneralName::RegisteredId(_) => Self::RegisteredId,
        }
    }
}

impl Subtree {
    /// The kind of its names.
    #[must_use]
    pub const fn kind(&self) -> NameKind {
        match self {
            Self::Uri(_) => NameKind::Uri,
            Self::Dns(_) => NameKind::Dns,
            Self::Directory(_) => NameKind::Directory,
            Self::Unsupported(kind) => *kind,
        }
    }

    fn read(base: GeneralName) -> Result<Self, &'static str> {
        let kind = NameKind::of(&base);
        Ok(match base {
            GeneralName::UniformResourceIdentifier(host) => {
                let host = host.as_str();
                if !is_domain(host.strip_prefix('.').unwrap_or(host)) {
                    return Err("a URI constraint is not a host name");
                }
                Self::Uri(host.to_owned())
            }
            GeneralName::DnsName(name) => {
                let name = name.as_str();
                if !name.is_empty() && !is_domain(name.strip_prefix('.').unwrap_or(name)) {
                    return Err("a DNS constraint is not a DNS name");
                }
                Self::Dns(name.to_owned())
            }
            GeneralName::DirectoryName(name) => Self::Directory(name),
            _ => Self::Unsupported(kind),
        })
    }
}

impl NameConstraints {
    pub(super) fn read(extension: &Extension) -> Result<Self, CertificateError> {
        debug_assert_eq!(extension.extn_id, ID_CE_NAME_CONSTRAINTS);
        let decoded: Decoded = strict(NAME, extension)?;
        let lists = [&decoded.permitted_subtrees, &decoded.excluded_subtrees];
        if lists.iter().all(|list| list.is_none()) {
            return Err(wrong(NAME, "it constrains nothing"));
        }
        let mut count = 0;
        for subtree in lists.into_iter().flatten() {
            if subtree.is_empty() {
                return Err(wrong(NAME, "it has an empty list of subtrees"));
            }
            count += subtree.len();
            if subtree
                .iter()
                .any(|one| one.minimum != 0 || one.maximum.is_some())
            {
                return Err(wrong(
                    NAME,
                    "it has a minimum or a maximum, which RFC 5280 excludes",
                ));
            }
        }
        if count > MAX_SUBTREES {
            return Err(wrong(
                NAME,
                format!("it has {count} subtrees, more than {MAX_SUBTREES}"),
            ));
        }
        let read = |list: Option<Vec<x509_cert::ext::pkix::constraints::name::GeneralSubtree>>| {
            list.unwrap_or_default()
                .into_iter()
                .map(|subtree| Subtree::read(subtree.base).map_err(|reason| wrong(NAME, reason)))
                .collect::<Result<Vec<_>, _>>()
        };
        Ok(Self {
            permitted: read(decoded.permitted_subtrees)?,
            excluded: read(decoded.excluded_subtrees)?,
        })
    }
}

/// Whether URIs with this host can be compared with constraints on URIs: it is a domain name, and no address (RFC 5280,
/// section 4.2.1.10). Certificates with a URI of another host are refused below an authority that constrains URIs.
#[must_use]
pub fn is_comparable_host(host: &str) -> bool {
    let is_address = host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    is_domain(host) && !is_address
}

/// Whether this can be compared label by label: labels of letters, digits, hyphens and underscores, none empty.
pub(crate) fn is_domain(name: &str) -> bool {
    name.split('.').all(|label| {
        !label.is_empty()
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    })
}
