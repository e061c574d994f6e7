//! A certificate as a whole: what its parts say together.

use super::extensions;
use super::fields;
use super::finding::{At, Findings, bounded};
use super::keys::{self, Key};
use super::read::Certificate;
use super::rules::{extensions as rules, fields as field_rules};
use super::usage::{DIGITAL_SIGNATURE, KEY_AGREEMENT, KEY_CERT_SIGN, KEY_ENCIPHERMENT};
use super::{Role, Scope, hybrid, names, oid, own, signature, spiffe};
use crate::profile::MAX_SPIFFE_ID_LEN;

/// A certificate that could be read, and what it says.
pub(super) struct Judged<'a> {
    pub(super) certificate: Certificate<'a>,
    pub(super) fields: fields::Facts<'a>,
    pub(super) key: Option<Key<'a>>,
    pub(super) says: extensions::Facts<'a>,
    pub(super) role: Role,
}

/// Lints the DER of a certificate, or of a TBSCertificate that is about to be signed.
pub(super) fn check<'a>(
    der: &'a [u8],
    scope: Scope,
    signed: bool,
    findings: &mut Findings,
) -> Option<Judged<'a>> {
    let whole = super::whole(der, &field_rules::STRUCTURE, "certificate", findings)?;
    let read = if signed {
        Certificate::read(whole)
    } else {
        Certificate::read_tbs(whole)
    };
    let certificate = match read {
        Ok(certificate) => certificate,
        Err(problem) => {
            super::unread(problem, &field_rules::STRUCTURE, "certificate", findings);
            return None;
        }
    };
    super::locate(findings, |offset| certificate.field_at(offset));
    Some(judge(certificate, scope, findings))
}

fn judge<'a>(certificate: Certificate<'a>, scope: Scope, findings: &mut Findings) -> Judged<'a> {
    let fields = fields::check(&certificate, findings);
    signature::check(
        Some((&certificate.algorithm, "tbsCertificate.signature")),
        certificate.signed.as_ref(),
        certificate.is_self_issued(),
        findings,
    );
    let at = At::field("tbsCertificate.subjectPublicKeyInfo", certificate.spki.offset);
    let key = keys::check(&certificate.spki, at, findings);
    let has_subject = !certificate.subject.content.is_empty();
    let says = extensions::check(&certificate.extensions, has_subject, findings);
    let judged = Judged {
        role: role(scope, &says),
        certificate,
        fields,
        key,
        says,
    };
    together(&judged, findings);
    hybrid::check(
        &judged.says.hybrid,
        judged.key.as_ref(),
        judged.certificate.signed.is_some(),
        findings,
    );
    spiffe::check(&judged, findings);
    if scope == Scope::Symbolon {
        own::check(&judged, findings);
    }
    judged
}

fn role(scope: Scope, says: &extensions::Facts<'_>) -> Role {
    let by_itself = if says.authority {
        Role::Authority
    } else {
        Role::Leaf
    };
    let is_svid = says
        .names
        .as_ref()
        .is_some_and(|names| names.iter().any(super::alt_names::AltName::is_spiffe));
    match scope {
        Scope::Any => Role::Other,
        Scope::Svid => Role::Leaf,
        Scope::Authority => Role::Authority,
        Scope::Symbolon => by_itself,
        Scope::Auto if is_svid => by_itself,
        Scope::Auto => Role::Other,
    }
}

/// Rules of RFC 5280 that are about more than one field.
fn together(judged: &Judged<'_>, findings: &mut Findings) {
    let Judged {
        certificate,
        key,
        says,
        ..
    } = judged;
    let at = |extension: &'static [u8], field| {
        let offset = certificate
            .extensions
            .find(extension)
            .map(|extension| extension.element.offset);
        At {
            field,
            oid: extension,
            offset,
        }
    };
    let subject = certificate.subject.content;
    if says.authority {
        let at = At::field("tbsCertificate.subject", certificate.subject.offset);
        findings.require(
            !subject.is_empty(),
            &field_rules::SUBJECT_EMPTY,
            at,
            "it is empty",
        );
    } else if subject.is_empty() {
        let named = certificate
            .extensions
            .find(oid::SUBJECT_ALT_NAME)
            .is_some_and(super::read::Extension::is_critical);
        findings.require(
            named,
            &field_rules::SUBJECT_OR_SAN,
            at(oid::SUBJECT_ALT_NAME, "extensions.subjectAltName"),
            "there is no subject, and no critical subjectAltName",
        );
    }

    let usage_at = at(oid::KEY_USAGE, "extensions.keyUsage");
    match says.usage {
        Some(usage) => {
            if let Some(key) = key {
                keys::check_usage(key, usage, usage_at, findings);
            }
            let signs = usage & KEY_CERT_SIGN != 0;
            findings.require(
                !signs || says.authority,
                &rules::KU_WITHOUT_CA,
                usage_at,
                "it has keyCertSign, and cA is not set",
            );
            findings.require(
                signs || !says.authority || says.path_len.is_none(),
                &rules::PATH_LEN,
                at(oid::BASIC_CONSTRAINTS, "extensions.basicConstraints"),
                "there is a path length without keyCertSign",
            );
            let tls = |purpose: &&[u8]| matches!(*purpose, oid::SERVER_AUTH | oid::CLIENT_AUTH);
            let for_tls = says.purposes.as_ref().is_some_and(|list| list.iter().any(tls));
            findings.require(
                !for_tls
                    || says.authority
                    || usage & (DIGITAL_SIGNATURE | KEY_ENCIPHERMENT | KEY_AGREEMENT) != 0,
                &rules::EKU_KU,
                at(oid::EXT_KEY_USAGE, "extensions.extKeyUsage"),
                "keyUsage has neither digitalSignature nor keyEncipherment nor keyAgreement",
            );
        }
        None if certificate.extensions.find(oid::KEY_USAGE).is_none() => findings.require(
            !says.authority,
            &rules::KU_MISSING_AUTHORITY,
            usage_at,
            "it is missing",
        ),
        None => {}
    }

    let identifier = at(oid::SUBJECT_KEY_IDENTIFIER, "extensions.subjectKeyIdentifier");
    if certificate.extensions.find(oid::SUBJECT_KEY_IDENTIFIER).is_none() {
        let rule = if says.authority {
            &rules::SKI_MISSING_AUTHORITY
        } else {
            &rules::SKI_MISSING
        };
        findings.add(rule, identifier, "it is missing");
    }
    if certificate
        .extensions
        .find(oid::AUTHORITY_KEY_IDENTIFIER)
        .is_none()
    {
        findings.require(
            certificate.is_self_issued(),
            &rules::AKI_MISSING,
            at(oid::AUTHORITY_KEY_IDENTIFIER, "extensions.authorityKeyIdentifier"),
            "it is missing",
        );
    }
    findings.require(
        says.authority || certificate.extensions.find(oid::NAME_CONSTRAINTS).is_none(),
        &rules::NC_LEAF,
        at(oid::NAME_CONSTRAINTS, "extensions.nameConstraints"),
        "cA is not set",
    );
    findings.require(
        !says.authority || certificate.extensions.find(oid::RELATED_CERTIFICATE).is_none(),
        &super::rules::hybrid::RELATED_AUTHORITY,
        at(oid::RELATED_CERTIFICATE, "extensions.relatedCertificate"),
        "cA is set",
    );
}

/// Which certificate this is, in words: its SPIFFE ID or else its subject.
pub(super) fn words(judged: &Judged<'_>) -> String {
    let spiffe_id = judged
        .says
        .names
        .iter()
        .flatten()
        .find(|name| name.is_spiffe())
        .map(|name| bounded(name.text(), MAX_SPIFFE_ID_LEN));
    spiffe_id.unwrap_or_else(|| names::words(&judged.certificate.subject))
}
