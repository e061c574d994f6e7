//! Name constraints applied (RFC 5280, sections 4.2.1.10 and 6.1.3 (b) and (c)): whether the names below a signing
//! certificate are those that it may certify.
//!
//! Constraints of the bundle's own authorities count too, which RFC 5280 leaves open: who wrote them meant them. A name
//! that cannot be compared with a constraint on its kind is refused, never passed over.

mod directory;

use const_oid::db::rfc3280::EMAIL_ADDRESS;
use const_oid::db::rfc5280::ID_CE_SUBJECT_ALT_NAME;
use der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::name::Name;

use super::MAX_NAME_COMPARISONS;
use super::error::ChainReason;
use crate::certificate::{Certificate, NameConstraints, NameKind, Subtree, is_comparable_host, is_domain};
use crate::text;

/// How many comparisons are left for one chain.
pub(super) struct Budget(usize);

impl Default for Budget {
    fn default() -> Self {
        Self(MAX_NAME_COMPARISONS)
    }
}

impl Budget {
    fn spend(&mut self, count: usize) -> Result<(), ChainReason> {
        self.0 = self
            .0
            .checked_sub(count)
            .ok_or(ChainReason::TooManyNameComparisons {
                max: MAX_NAME_COMPARISONS,
            })?;
        Ok(())
    }
}

/// Whether `certificate` has only names that `constraints` allow.
///
/// `holder` says whose names they are, in messages.
pub(super) fn check(
    certificate: &Certificate,
    holder: &str,
    constraints: &NameConstraints,
    budget: &mut Budget,
) -> Result<(), ChainReason> {
    for name in names_of(certificate) {
        let subtrees = constraints.permitted.iter().chain(&constraints.excluded);
        budget.spend(subtrees.map(|subtree| name.comparisons(subtree)).sum())?;
        name.check(holder, constraints)?;
    }
    Ok(())
}

/// A name that a certificate has.
enum Presented {
    Uri(String),
    Dns(String),
    Directory(Name),
    /// Of a kind that is not compared.
    Opaque(NameKind),
}

/// Whether a name is within a subtree.
enum Within {
    Yes,
    No,
    /// It cannot be told, and why.
    Unknown(&'static str),
}

/// The subject and the alternative names.
fn names_of(certificate: &Certificate) -> Vec<Presented> {
    let mut names = Vec::new();
    let subject = certificate.inner().tbs_certificate().subject();
    if subject.iter().any(|attribute| attribute.oid == EMAIL_ADDRESS) {
        names.push(Presented::Opaque(NameKind::Email));
    }
    if !subject.is_empty() {
        names.push(Presented::Directory(subject.clone()));
    }
    // Reading the certificate has decoded the extension once already, so it decodes again.
    let alternative = certificate
        .extension(ID_CE_SUBJECT_ALT_NAME)
        .and_then(|extension| SubjectAltName::from_der(extension.extn_value.as_bytes()).ok())
        .map(|names| names.0)
        .unwrap_or_default();
    names.extend(alternative.into_iter().map(|name| match name {
        GeneralName::UniformResourceIdentifier(uri) => Presented::Uri(uri.as_str().to_owned()),
        GeneralName::DnsName(name) => Presented::Dns(name.as_str().to_owned()),
        GeneralName::DirectoryName(name) => Presented::Directory(name),
        other => Presented::Opaque(NameKind::of(&other)),
    }));
    names
}

impl Presented {
    fn kind(&self) -> NameKind {
        match self {
            Self::Uri(_) => NameKind::Uri,
            Self::Dns(_) => NameKind::Dns,
            Self::Directory(_) => NameKind::Directory,
            Self::Opaque(kind) => *kind,
        }
    }

    /// How many comparisons it may take to tell whether it is in the subtree.
    fn comparisons(&self, subtree: &Subtree) -> usize {
        match (self, subtree) {
            (Self::Directory(name), Subtree::Directory(constraint)) => {
                directory::comparisons(name, constraint)
            }
            _ => 1,
        }
    }

    fn shown(&self) -> String {
        let value = match self {
            Self::Uri(value) | Self::Dns(value) => text::printable(value),
            Self::Directory(name) => text::printable(&name.to_string()),
            Self::Opaque(_) => return format!("{} name", self.kind().name()),
        };
        format!("{} name {value:?}", self.kind().name())
    }

    fn check(&self, holder: &str, constraints: &NameConstraints) -> Result<(), ChainReason> {
        let of_kind = |list: &'_ [Subtree]| {
            let kind = self.kind();
            list.iter()
                .filter(move |subtree| subtree.kind() == kind)
                .cloned()
                .collect::<Vec<_>>()
        };
        let (name, holder) = (|| self.shown(), || holder.to_owned());
        let incomparable = |reason| ChainReason::NameNotComparable {
            name: name(),
            holder: holder(),
            reason,
        };
        for subtree in of_kind(&constraints.excluded) {
            match self.overlaps(&subtree) {
                Within::No => {}
                Within::Yes => {
                    return Err(ChainReason::NameExcluded {
                        name: name(),
                        holder: holder(),
                    });
                }
                Within::Unknown(reason) => return Err(incomparable(reason)),
            }
        }
        let permitted = of_kind(&constraints.permitted);
        if permitted.is_empty() {
            return Ok(());
        }
        let mut unknown = None;
        for subtree in permitted {
            match self.within(&subtree) {
                Within::Yes => return Ok(()),
                Within::No => {}
                Within::Unknown(reason) => unknown = Some(reason),
            }
        }
        Err(match unknown {
            Some(reason) => incomparable(reason),
            None => ChainReason::NameNotPermitted {
                name: name(),
                holder: holder(),
            },
        })
    }

    /// Whether every name that this one stands for is in the subtree.
    fn within(&self, subtree: &Subtree) -> Within {
        match (self, subtree) {
            (Self::Uri(uri), Subtree::Uri(constraint)) => match host(uri) {
                Ok(host) => host_within(host, constraint).into(),
                Err(reason) => Within::Unknown(reason),
            },
            (Self::Dns(name), Subtree::Dns(constraint)) => {
                let base = name.strip_prefix("*.").unwrap_or(name);
                match is_domain(base) {
                    true => dns_within(base, base != name, constraint).into(),
                    false => Within::Unknown("it is no DNS name"),
                }
            }
            (Self::Directory(name), Subtree::Directory(constraint)) => directory::within(name, constraint),
            _ => Within::Unknown("names of this kind are not compared with constraints"),
        }
    }

    /// Whether any name that this one stands for is in the subtree: more than [`within`](Self::within) for wildcards.
    fn overlaps(&self, subtree: &Subtree) -> Within {
        if let (Self::Dns(name), Subtree::Dns(constraint)) = (self, subtree)
            && let Some(base) = name.strip_prefix("*.")
            && is_domain(base)
            && is_below(constraint.strip_prefix('.').unwrap_or(constraint), base)
        {
            return Within::Yes;
        }
        self.within(subtree)
    }
}

impl From<bool> for Within {
    fn from(within: bool) -> Self {
        if within { Self::Yes } else { Self::No }
    }
}

/// The host of a URI, if it is a domain name: what RFC 5280 constrains, and refuses where it is absent or an address.
fn host(uri: &str) -> Result<&str, &'static str> {
    let rest = uri
        .split_once("://")
        .map(|(_scheme, rest)| rest)
        .ok_or("it has no host")?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    let host = match host.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        Some(_) => return Err("its host is no domain name"),
        None => host,
    };
    if is_comparable_host(host) {
        Ok(host)
    } else {
        Err("its host is no domain name")
    }
}

/// A URI constraint without a leading full stop is that host and no other.
fn host_within(host: &str, constraint: &str) -> bool {
    match constraint.strip_prefix('.') {
        Some(domain) => !host.eq_ignore_ascii_case(domain) && is_below(host, domain),
        None => host.eq_ignore_ascii_case(constraint),
    }
}

/// A DNS constraint is that name and all below it; with a leading full stop, which RFC 5280 does not have and others
/// write, those below it alone.
fn dns_within(name: &str, is_wildcard: bool, constraint: &str) -> bool {
    match constraint.strip_prefix('.') {
        Some(domain) => (is_wildcard || !name.eq_ignore_ascii_case(domain)) && is_below(name, domain),
        None => is_below(name, constraint),
    }
}

/// Whether `name` is `domain` or ends with it after a full stop. Everything is below the empty domain.
fn is_below(name: &str, domain: &str) -> bool {
    if domain.is_empty() {
        return true;
    }
    let (name, domain) = (name.as_bytes(), domain.as_bytes());
    match name.len().checked_sub(domain.len()).map(|at| name.split_at(at)) {
        Some((rest, tail)) => {
            tail.eq_ignore_ascii_case(domain) && rest.last().is_none_or(|byte| *byte == b'.')
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_compared_as_rfc_5280_says() {
        for (host, constraint, within) in [
            ("example.org", "example.org", true),
            ("Example.ORG", "example.org", true),
            ("a.example.org", "example.org", false),
            ("a.example.org", ".example.org", true),
            ("a.b.example.org", ".example.org", true),
            ("example.org", ".example.org", false),
            ("badexample.org", ".example.org", false),
            ("badexample.org", "example.org", false),
            ("org", "example.org", false),
        ] {
            assert_eq!(host_within(host, constraint), within, "{host} {constraint}");
        }
    }

    #[test]
    fn dns_names_are_compared_with_all_below() {
        for (name, constraint, within) in [
            ("example.org", "example.org", true),
            ("a.Example.org", "example.ORG", true),
            ("badexample.org", "example.org", false),
            ("example.org", ".example.org", false),
            ("a.example.org", ".example.org", true),
            ("anything", "", true),
            ("org", "example.org", false),
        ] {
            assert_eq!(dns_within(name, false, constraint), within, "{name} {constraint}");
        }
    }

    #[test]
    fn wildcards_reach_further_than_they_are_spelled() {
        let wildcard = Presented::Dns("*.example.org".to_owned());
        let subtree = |name: &str| Subtree::Dns(name.to_owned());
        // Excluded: what the wildcard could stand for.
        for excluded in ["example.org", ".example.org", "secret.example.org", "org", ""] {
            assert!(
                matches!(wildcard.overlaps(&subtree(excluded)), Within::Yes),
                "{excluded}"
            );
        }
        assert!(matches!(wildcard.overlaps(&subtree("example.com")), Within::No));
        // Permitted: all that it could stand for.
        assert!(matches!(wildcard.within(&subtree(".example.org")), Within::Yes));
        assert!(matches!(
            wildcard.within(&subtree("secret.example.org")),
            Within::No
        ));
    }

    #[test]
    fn the_host_of_a_uri_is_a_domain_name_or_cannot_be_compared() {
        assert_eq!(host("spiffe://example.org/a/b"), Ok("example.org"));
        assert_eq!(host("https://me@a.example:8443?x#y"), Ok("a.example"));
        assert_eq!(host("spiffe://example.org"), Ok("example.org"));
        for uri in [
            "urn:uuid:1",
            "mailto:a@b",
            "spiffe://",
            "spiffe:///a",
            "https://192.0.2.1/",
            "https://[2001:db8::1]/",
            "https://a..b/",
            "https://a%2eb/",
        ] {
            assert!(host(uri).is_err(), "{uri}");
        }
    }
}
