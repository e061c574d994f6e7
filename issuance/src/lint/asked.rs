//! What is about to be signed against what was asked for, and against who signs it.
//!
//! What there is to know about the authority is read anew from its certificate, with the linter's own reader.

use std::time::{Duration, SystemTime};

use spiffe::SpiffeId;
use symbolon_crypto::digest;
use symbolon_pki::suite::Family;

use super::algorithm::Scheme;
use super::alt_names::{DNS_NAME, URI};
use super::certificate::{self, Judged};
use super::finding::{At, Findings};
use super::hybrid::NIST_HASHES;
use super::keys::Key;
use super::rules::issuing as rules;
use super::spiffe::at;
use super::{Expected, Issuer, Role, Scope, oid};
use crate::profile::BACKDATE;

pub(super) fn check(judged: &Judged<'_>, expected: &Expected<'_>, findings: &mut Findings) {
    let serial = judged.certificate.serial;
    let digits = serial.content.strip_prefix(&[0]).unwrap_or(serial.content);
    let wanted = expected.serial.as_bytes();
    let significant = wanted.iter().position(|byte| *byte != 0).unwrap_or(wanted.len());
    findings.require(
        wanted.get(significant..) == Some(digits),
        &rules::ASKED_SERIAL,
        At::field("tbsCertificate.serialNumber", serial.offset),
        format_args!("it is not {}", expected.serial),
    );
    let authority = expected.profile.is_authority();
    findings.require(
        (judged.role == Role::Authority) == authority,
        &rules::ASKED_ROLE,
        at(judged, oid::BASIC_CONSTRAINTS, "extensions.basicConstraints"),
        format_args!("a certificate for a {} was asked for", expected.profile),
    );
    subject(judged, expected, findings);
    names(judged, expected, findings);
    keys(judged, expected, findings);
    path_len(judged, expected.path_len, findings);
    let constrains = judged
        .certificate
        .extensions
        .find(oid::NAME_CONSTRAINTS)
        .is_some();
    findings.require(
        constrains == expected.constrains_names,
        &rules::ASKED_CONSTRAINTS,
        at(judged, oid::NAME_CONSTRAINTS, "extensions.nameConstraints"),
        if constrains {
            "nobody asked for them"
        } else {
            "they are missing"
        },
    );

    match expected.issuer {
        Issuer::Itself { .. } => {
            validity(judged, None, expected, findings);
            signer(judged, &IssuerFacts::of(judged), false, findings);
        }
        Issuer::Authority(authority) => {
            let Some(issuer) = authority.lint_facts() else {
                let at = At::field("tbsCertificate.issuer", judged.certificate.issuer.offset);
                return findings.add(
                    &rules::ISSUER_NAME,
                    at,
                    "the authority's own certificate cannot be read",
                );
            };
            validity(judged, Some(issuer), expected, findings);
            signer(judged, issuer, true, findings);
        }
    }
}

fn subject(judged: &Judged<'_>, expected: &Expected<'_>, findings: &mut Findings) {
    let attributes = judged.fields.subject.iter().flatten();
    let organization = attributes
        .clone()
        .find(|attribute| attribute.oid == oid::ORGANIZATION)
        .and_then(|attribute| attribute.text());
    let common_name = attributes
        .clone()
        .find(|attribute| attribute.oid == oid::COMMON_NAME)
        .and_then(|attribute| attribute.text());
    // SPIRE's common name is the first DNS name, if that is short enough for one.
    let first = expected.dns_names.first().filter(|name| name.len() <= 64);
    let (wanted, wanted_name) = if expected.profile.is_authority() {
        (expected.organization, None)
    } else {
        ("SPIRE", first.map(String::as_str))
    };
    findings.require(
        organization == Some(wanted) && common_name == wanted_name,
        &rules::ASKED_SUBJECT,
        At::field("tbsCertificate.subject", judged.certificate.subject.offset),
        format_args!("it is {}", super::names::Words(&judged.certificate.subject)),
    );
}

fn names(judged: &Judged<'_>, expected: &Expected<'_>, findings: &mut Findings) {
    let at = at(judged, oid::SUBJECT_ALT_NAME, "extensions.subjectAltName");
    let names = judged.says.names.iter().flatten();
    let id = names.clone().find(|name| name.tag == URI).map(|name| name.text());
    findings.require(
        id.and_then(|id| SpiffeId::new(id).ok()).as_ref() == Some(expected.spiffe_id),
        &rules::ASKED_ID,
        at,
        format_args!("it is {:?}", id.unwrap_or_default()),
    );
    let dns = names.filter(|name| name.tag == DNS_NAME).map(|name| name.text());
    findings.require(
        dns.eq(expected.dns_names.iter().map(String::as_str)),
        &rules::ASKED_DNS,
        at,
        format_args!("they are not {:?}", expected.dns_names),
    );
}

fn keys(judged: &Judged<'_>, expected: &Expected<'_>, findings: &mut Findings) {
    let certificate = &judged.certificate;
    findings.require(
        certificate.spki.der == expected.spki,
        &rules::ASKED_KEY,
        At::field("tbsCertificate.subjectPublicKeyInfo", certificate.spki.offset),
        "it is another",
    );
    let hybrid = &judged.says.hybrid;
    findings.require(
        hybrid.key.map(|key| key.spki) == expected.alternative_spki,
        &rules::ASKED_ALTERNATIVE,
        at(judged, oid::ALT_PUBLIC_KEY, "extensions.subjectAltPublicKeyInfo"),
        "it is another, or there is one where none was asked for or the other way round",
    );
    let same = match (hybrid.related, expected.related) {
        (None, None) => true,
        // The hash is the one of the first certificate's signature.
        (Some((algorithm, hash)), Some(first)) => match algorithm.split_last() {
            Some((1, NIST_HASHES)) => hash == digest::sha256(first),
            Some((2, NIST_HASHES)) => hash == digest::sha384(first),
            Some((3, NIST_HASHES)) => hash == digest::sha512(first),
            _ => false,
        },
        _ => false,
    };
    findings.require(
        same,
        &rules::ASKED_RELATED,
        at(judged, oid::RELATED_CERTIFICATE, "extensions.relatedCertificate"),
        "it is another, or there is one where none was asked for or the other way round",
    );
}

fn path_len(judged: &Judged<'_>, wanted: Option<u8>, findings: &mut Findings) {
    let found = judged.says.path_len.map(number);
    findings.require(
        found == wanted.map(u64::from),
        &rules::ASKED_PATH_LEN,
        at(judged, oid::BASIC_CONSTRAINTS, "extensions.basicConstraints"),
        format_args!("it is {found:?}, and {wanted:?} is due"),
    );
}

/// A small number; one that is not small is larger than all that are.
fn number(content: &[u8]) -> u64 {
    if content.len() > 8 {
        return u64::MAX;
    }
    content
        .iter()
        .fold(0, |value, byte| (value << 8) | u64::from(*byte))
}

fn validity(
    judged: &Judged<'_>,
    issuer: Option<&IssuerFacts>,
    expected: &Expected<'_>,
    findings: &mut Findings,
) {
    let (Some(begins), Some(ends)) = (judged.fields.begins, judged.fields.ends) else {
        return;
    };
    let certificate = &judged.certificate;
    let first = At::field("tbsCertificate.validity.notBefore", certificate.not_before.offset);
    let last = At::field("tbsCertificate.validity.notAfter", certificate.not_after.offset);
    let now = expected
        .now
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let mut due_begin = seconds(Duration::from_secs(now.as_secs()).saturating_sub(BACKDATE));
    let mut due_end = seconds(now).saturating_add(seconds(expected.ttl));
    let within = issuer.and_then(|issuer| issuer.begins.zip(issuer.ends));
    if let Some((issuer_begins, issuer_ends)) = within {
        due_begin = due_begin.max(issuer_begins);
        due_end = due_end.min(issuer_ends);
        findings.require(
            begins >= issuer_begins && ends <= issuer_ends,
            &rules::ISSUER_VALIDITY,
            first,
            "it is not",
        );
    }
    findings.require(
        begins == due_begin,
        &rules::ASKED_BEGIN,
        first,
        format_args!("it begins {} s after it should", begins.saturating_sub(due_begin)),
    );
    findings.require(
        ends == due_end,
        &rules::ASKED_END,
        last,
        format_args!("it ends {} s after it should", ends.saturating_sub(due_end)),
    );
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

/// Holds a certificate against its issuer, which may be itself.
fn signer(judged: &Judged<'_>, issuer: &IssuerFacts, other: bool, findings: &mut Findings) {
    let certificate = &judged.certificate;
    findings.require(
        *certificate.issuer.der == *issuer.subject,
        &rules::ISSUER_NAME,
        At::field("tbsCertificate.issuer", certificate.issuer.offset),
        "it is another",
    );
    let algorithm = &certificate.algorithm;
    findings.require(
        issuer.signature_oid.as_deref() == Some(algorithm.oid),
        &rules::ISSUER_ALGORITHM,
        At::field("tbsCertificate.signature", algorithm.element.offset).about(algorithm.oid),
        "it does not go with the authority's key",
    );
    findings.require(
        judged.says.hybrid.algorithm == issuer.alternative_oid.as_deref(),
        &rules::ISSUER_ALTERNATIVE,
        at(
            judged,
            oid::ALT_SIGNATURE_ALGORITHM,
            "extensions.altSignatureAlgorithm",
        ),
        "it does not go with the authority's alternative key",
    );
    findings.require(
        judged
            .says
            .issuer_identifier
            .and_then(|identifier| identifier.key)
            == issuer.key_identifier.as_deref(),
        &rules::ISSUER_KEY,
        at(
            judged,
            oid::AUTHORITY_KEY_IDENTIFIER,
            "extensions.authorityKeyIdentifier",
        ),
        "it is another",
    );
    if !other {
        return;
    }
    if let (Role::Authority, Some(above)) = (judged.role, issuer.path_len) {
        let below = judged.says.path_len.map(number);
        findings.require(
            below.is_some_and(|below| below < above),
            &rules::ISSUER_PATH_LEN,
            at(judged, oid::BASIC_CONSTRAINTS, "extensions.basicConstraints"),
            format_args!("it is {below:?} below an authority with {above}"),
        );
    }
    let key_at = At::field("tbsCertificate.subjectPublicKeyInfo", certificate.spki.offset);
    if let (Some(own), Some(issuers)) = (family(judged), issuer.family) {
        findings.require(
            own == issuers,
            &rules::ISSUER_FAMILY,
            key_at,
            format_args!("a {own} key below a {issuers} authority"),
        );
    }
    for own in [judged.key, judged.says.hybrid.key].iter().flatten() {
        let mut components = own.components().into_iter().filter(|own| !own.is_empty());
        findings.require(
            !components.any(|own| issuer.components.iter().any(|issuers| **issuers == *own)),
            &rules::COMPONENT_REUSE,
            key_at,
            "it, or a part of it, is the issuer's too",
        );
    }
}

/// What the linter read in an authority's certificate: once for all that the authority signs.
#[derive(Debug)]
pub(crate) struct IssuerFacts {
    /// DER of its name.
    subject: Box<[u8]>,
    /// Content octets of the algorithm that its key signs with.
    signature_oid: Option<Box<[u8]>>,
    alternative_oid: Option<Box<[u8]>>,
    key_identifier: Option<Box<[u8]>>,
    /// In seconds since 1970.
    begins: Option<i64>,
    ends: Option<i64>,
    path_len: Option<u64>,
    family: Option<Family>,
    /// Its component keys, those of the alternative key too.
    components: Vec<Box<[u8]>>,
}

impl IssuerFacts {
    /// Reads the DER of an authority's certificate. What is wrong with it was its own lint's to say.
    pub(crate) fn read(der: &[u8]) -> Option<Self> {
        let mut ignored = Findings::default();
        certificate::check(der, Scope::Any, true, &mut ignored).map(|judged| Self::of(&judged))
    }

    fn of(judged: &Judged<'_>) -> Self {
        let alternative = judged.says.hybrid.key;
        let oid = |key: Option<Key<'_>>| key.as_ref().and_then(Key::signature_oid).map(Box::from);
        let components = [judged.key, alternative]
            .iter()
            .flatten()
            .flat_map(Key::components)
            .filter(|component| !component.is_empty())
            .map(Box::from)
            .collect();
        Self {
            subject: judged.certificate.subject.der.into(),
            signature_oid: oid(judged.key),
            alternative_oid: oid(alternative),
            key_identifier: judged.says.key_identifier.map(Box::from),
            begins: judged.fields.begins,
            ends: judged.fields.ends,
            path_len: judged.says.path_len.map(number),
            family: family(judged),
            components,
        }
    }
}

/// The family that a certificate's keys belong to, if they are of a kind that is known.
fn family(judged: &Judged<'_>) -> Option<Family> {
    if judged.says.hybrid.key.is_some() {
        return Some(Family::Catalyst);
    }
    match judged.key?.scheme {
        Scheme::Rsa | Scheme::Ec | Scheme::EdDsa { .. } => Some(Family::Classical),
        Scheme::MlDsa(_) | Scheme::SlhDsa(_) => Some(Family::MlDsa),
        Scheme::Composite(..) => Some(Family::Composite),
        _ => None,
    }
}
