//! What Symbolon's own profiles demand beyond the standards, of any certificate of ours.

use symbolon_crypto::digest;

use super::Role;
use super::algorithm::Scheme;
use super::alt_names::{DNS_NAME, URI};
use super::certificate::Judged;
use super::element::{Element, SEQUENCE};
use super::finding::{At, Findings};
use super::names::Attribute;
use super::oid;
use super::rules::issuing as rules;
use super::spiffe::at;
use super::usage::{CRL_SIGN, DIGITAL_SIGNATURE, KEY_CERT_SIGN, KEY_ENCIPHERMENT, Names};

/// The longest serial number of ours, in bytes.
const SERIAL_LEN: usize = 16;

/// Above this an SVID's lifetime is worth a warning, in seconds.
const LONG: i64 = 24 * 60 * 60;

/// Before and after the request, as the profile backdates.
const SLACK: i64 = 60;

pub(super) fn check(judged: &Judged<'_>, findings: &mut Findings) {
    let authority = judged.role == Role::Authority;
    let serial = judged.certificate.serial;
    findings.require(
        serial.content.len() <= SERIAL_LEN,
        &rules::SERIAL,
        At::field("tbsCertificate.serialNumber", serial.offset),
        format_args!("it has {} bytes", serial.content.len()),
    );
    subject(judged, authority, findings);
    inventory(judged, authority, findings);
    usage(judged, authority, findings);
    identifiers(judged, findings);
    algorithms(judged, findings);
    if authority {
        return;
    }
    if let (Some(begins), Some(ends)) = (judged.fields.begins, judged.fields.ends) {
        let lifetime = ends.saturating_sub(begins);
        findings.require(
            lifetime <= LONG + SLACK,
            &rules::LONG_LIVED,
            At::field("tbsCertificate.validity", judged.certificate.not_before.offset),
            format_args!("it lives {lifetime} s"),
        );
    }
}

/// An authority's name ends with its serial number, so that no two share one; a leaf's is constant but for the
/// common name that SPIRE sets to the first DNS name.
fn subject(judged: &Judged<'_>, authority: bool, findings: &mut Findings) {
    let Some(attributes) = &judged.fields.subject else {
        return;
    };
    let texts: Vec<(&[u8], &str)> = attributes
        .iter()
        .map(|attribute: &Attribute<'_>| (attribute.oid, attribute.text().unwrap_or_default()))
        .collect();
    let holds = match texts.as_slice() {
        [
            (oid::COUNTRY, "US"),
            (oid::ORGANIZATION, _),
            (oid::SERIAL_NUMBER, number),
        ] if authority => *number == decimal(judged.certificate.serial.content),
        [(oid::COUNTRY, "US"), (oid::ORGANIZATION, "SPIRE")] => !authority,
        [
            (oid::COUNTRY, "US"),
            (oid::ORGANIZATION, "SPIRE"),
            (oid::COMMON_NAME, name),
        ] => {
            let names = judged.says.names.iter().flatten();
            let first = names.clone().find(|name| name.tag == DNS_NAME);
            !authority && first.is_some_and(|first| first.text() == *name)
        }
        _ => false,
    };
    findings.require(
        holds,
        &rules::SUBJECT,
        At::field("tbsCertificate.subject", judged.certificate.subject.offset),
        format_args!("it is {}", super::names::Words(&judged.certificate.subject)),
    );
}

/// A number of at most 16 bytes in decimal.
fn decimal(content: &[u8]) -> String {
    let digits = content.iter().skip_while(|byte| **byte == 0);
    let value = digits
        .take(SERIAL_LEN)
        .fold(0u128, |value, byte| (value << 8) | u128::from(*byte));
    value.to_string()
}

/// Which extensions there are, and how critical.
fn inventory(judged: &Judged<'_>, authority: bool, findings: &mut Findings) {
    const BOTH: [(&[u8], &str, bool); 5] = [
        (oid::KEY_USAGE, "extensions.keyUsage", true),
        (oid::BASIC_CONSTRAINTS, "extensions.basicConstraints", true),
        (
            oid::AUTHORITY_KEY_IDENTIFIER,
            "extensions.authorityKeyIdentifier",
            false,
        ),
        (
            oid::SUBJECT_KEY_IDENTIFIER,
            "extensions.subjectKeyIdentifier",
            false,
        ),
        (oid::SUBJECT_ALT_NAME, "extensions.subjectAltName", false),
    ];
    const LEAVES: (&[u8], &str, bool) = (oid::EXT_KEY_USAGE, "extensions.extKeyUsage", false);
    let wanted = BOTH.iter().chain((!authority).then_some(&LEAVES));
    let extensions = &judged.certificate.extensions;
    for (oid, field, critical) in wanted.clone() {
        match extensions.find(oid) {
            None => findings.add(&rules::EXTENSIONS, at(judged, oid, field), "it is missing"),
            Some(extension) => findings.require(
                extension.is_critical() == *critical,
                &rules::CRITICALITY,
                extension.at(),
                format_args!("critical is {}", extension.is_critical()),
            ),
        }
    }
    // What a second key or a second certificate brings with it.
    let hybrid = [
        oid::ALT_PUBLIC_KEY,
        oid::ALT_SIGNATURE_ALGORITHM,
        oid::ALT_SIGNATURE_VALUE,
        oid::RELATED_CERTIFICATE,
    ];
    for extension in &extensions.list {
        if hybrid.contains(&extension.oid) {
            findings.require(
                !extension.is_critical(),
                &rules::CRITICALITY,
                extension.at(),
                "critical is true",
            );
        } else if authority && extension.oid == oid::NAME_CONSTRAINTS {
            findings.require(
                extension.is_critical(),
                &rules::CRITICALITY,
                extension.at(),
                "critical is false",
            );
            let names = judged.says.names.iter().flatten();
            let host = names
                .clone()
                .find(|name| name.tag == URI)
                .and_then(|name| name.text().strip_prefix("spiffe://"));
            findings.require(
                host.is_some_and(|host| permits_only(host, extension.value.content)),
                &rules::CONSTRAINTS,
                extension.at(),
                "they say something else",
            );
        } else {
            findings.require(
                wanted.clone().any(|(oid, ..)| *oid == extension.oid),
                &rules::EXTENSIONS,
                extension.at(),
                "it is not the profile's",
            );
        }
    }
}

/// Whether name constraints are a permitted subtree of URIs with this host, and nothing more.
fn permits_only(host: &str, constraints: &[u8]) -> bool {
    const PERMITTED: u8 = 0xa0;
    let only = |der, tag| Element::only(der, 0).ok().filter(|element| element.tag == tag);
    only(constraints, SEQUENCE)
        .and_then(|constraints| only(constraints.content, PERMITTED))
        .and_then(|permitted| only(permitted.content, SEQUENCE))
        .and_then(|subtree| only(subtree.content, URI))
        .is_some_and(|base| base.content == host.as_bytes())
}

fn usage(judged: &Judged<'_>, authority: bool, findings: &mut Findings) {
    let rsa = judged.key.is_some_and(|key| key.scheme == Scheme::Rsa);
    let due = match (authority, rsa) {
        (true, _) => KEY_CERT_SIGN | CRL_SIGN,
        (false, true) => DIGITAL_SIGNATURE | KEY_ENCIPHERMENT,
        (false, false) => DIGITAL_SIGNATURE,
    };
    if let Some(found) = judged.says.usage {
        findings.require(
            found == due,
            &rules::PROFILE_KEY_USAGE,
            at(judged, oid::KEY_USAGE, "extensions.keyUsage"),
            format_args!("it has {} where {} are due", Names(found), Names(due)),
        );
    }
    if let Some(found) = &judged.says.purposes {
        findings.require(
            found.as_slice() == [oid::SERVER_AUTH, oid::CLIENT_AUTH],
            &rules::PROFILE_EKU,
            at(judged, oid::EXT_KEY_USAGE, "extensions.extKeyUsage"),
            "it has others, or in another order",
        );
    }
}

fn identifiers(judged: &Judged<'_>, findings: &mut Findings) {
    let says = &judged.says;
    if let (Some(found), Some(key)) = (says.key_identifier, judged.key) {
        let hash = digest::sha256(key.bits);
        findings.require(
            hash.get(..20) == Some(found),
            &rules::KEY_IDENTIFIER,
            at(
                judged,
                oid::SUBJECT_KEY_IDENTIFIER,
                "extensions.subjectKeyIdentifier",
            ),
            "it is something else",
        );
    }
    findings.require(
        says.issuer_identifier.is_none_or(|identifier| identifier.alone),
        &rules::ISSUER_IDENTIFIER,
        at(
            judged,
            oid::AUTHORITY_KEY_IDENTIFIER,
            "extensions.authorityKeyIdentifier",
        ),
        "it has more",
    );
    let tags: Vec<u8> = says.names.iter().flatten().map(|name| name.tag).collect();
    let holds = match tags.split_first() {
        Some((first, rest)) => *first == URI && rest.iter().all(|tag| *tag == DNS_NAME),
        // That they are missing has been said.
        None => true,
    };
    findings.require(
        holds,
        &rules::ALT_NAMES,
        at(judged, oid::SUBJECT_ALT_NAME, "extensions.subjectAltName"),
        "it has others, or in another order",
    );
}

fn algorithms(judged: &Judged<'_>, findings: &mut Findings) {
    let certificate = &judged.certificate;
    if let Some(key) = judged.key {
        let holds = matches!(key.scheme, Scheme::Rsa | Scheme::Ec | Scheme::EdDsa { .. })
            || matches!(
                key.scheme,
                Scheme::MlDsa(_) | Scheme::SlhDsa(_) | Scheme::Composite(..)
            );
        let at = At::field("tbsCertificate.subjectPublicKeyInfo", certificate.spki.offset);
        findings.require(holds, &rules::KEY, at.about(key.oid), "it is of another kind");
    }
    if let Some(alternative) = judged.says.hybrid.key {
        findings.require(
            matches!(alternative.scheme, Scheme::MlDsa(_)),
            &rules::KEY,
            at(judged, oid::ALT_PUBLIC_KEY, "extensions.subjectAltPublicKeyInfo"),
            "the alternative key is no ML-DSA key",
        );
    }
    let holds = matches!(
        Scheme::of(certificate.algorithm.oid),
        Scheme::Ecdsa { sound: true }
            | Scheme::EdDsa { .. }
            | Scheme::MlDsa(_)
            | Scheme::SlhDsa(_)
            | Scheme::Composite(..)
    );
    let at = At::field("tbsCertificate.signature", certificate.algorithm.element.offset);
    findings.require(
        holds,
        &rules::SIGNATURE,
        at.about(certificate.algorithm.oid),
        "it is of another kind",
    );
}
