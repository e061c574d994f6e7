//! Certificate revocation lists.

use std::collections::HashSet;

use super::element::{self, ENUMERATED, INTEGER};
use super::extensions::{inventory, issuer_identifier};
use super::finding::{At, Findings};
use super::hybrid::{self, Hybrid};
use super::read::{Crl, Entry, Extension};
use super::rules::{extensions as extension_rules, fields as field_rules, lists as rules};
use super::{fields, names, oid, signature};

/// The reason that takes a certificate off a list again, and the one that says nothing.
const REMOVE_FROM_CRL: u8 = 8;
const UNSPECIFIED: u8 = 0;

/// A revocation list that could be read, in words: its issuer.
pub(super) fn check(der: &[u8], signed: bool, findings: &mut Findings) -> Option<String> {
    let whole = super::whole(der, &rules::CRL_STRUCTURE, "certificateList", findings)?;
    let read = if signed {
        Crl::read(whole)
    } else {
        Crl::read_tbs(whole)
    };
    let crl = match read {
        Ok(crl) => crl,
        Err(problem) => {
            super::unread(problem, &rules::CRL_STRUCTURE, "certificateList", findings);
            return None;
        }
    };
    super::locate(findings, |offset| crl.field_at(offset));
    head(&crl, findings);
    let delta = crl.extensions.find(oid::DELTA_CRL_INDICATOR).is_some();
    entries(&crl, delta, findings);
    list_extensions(&crl, findings);
    signature::check(
        Some((&crl.algorithm, "tbsCertList.signature")),
        crl.signed.as_ref(),
        false,
        findings,
    );
    Some(names::words(&crl.issuer))
}

fn head(crl: &Crl<'_>, findings: &mut Findings) {
    let offset = crl.version.map_or(crl.whole.offset, |version| version.offset);
    findings.require(
        crl.version.is_some_and(|version| version.content == [1]),
        &rules::CRL_VERSION,
        At::field("tbsCertList.version", offset),
        "it is another, or missing",
    );
    if let Some(issuer) = names::check(&crl.issuer, "tbsCertList.issuer", findings) {
        let at = At::field("tbsCertList.issuer", crl.issuer.offset);
        findings.require(!issuer.is_empty(), &field_rules::ISSUER_EMPTY, at, "it is empty");
    }
    let this = fields::time(&crl.this_update, "tbsCertList.thisUpdate", findings);
    let Some(next_update) = &crl.next_update else {
        let at = At::field("tbsCertList.nextUpdate", crl.this_update.offset);
        return findings.add(&rules::CRL_NEXT_UPDATE, at, "it is missing");
    };
    let next = fields::time(next_update, "tbsCertList.nextUpdate", findings);
    if let (Some(this), Some(next)) = (this, next) {
        let at = At::field("tbsCertList.nextUpdate", next_update.offset);
        findings.require(this < next, &rules::CRL_ORDER, at, "it is not later");
    }
}

fn entries(crl: &Crl<'_>, delta: bool, findings: &mut Findings) {
    if let Some(list) = &crl.list {
        let at = At::field("tbsCertList.revokedCertificates", list.offset);
        findings.require(!crl.entries.is_empty(), &rules::CRL_EMPTY, at, "it is empty");
    }
    let mut seen = HashSet::with_capacity(crl.entries.len());
    let mut issuer: &[u8] = &[];
    for entry in &crl.entries {
        let at = At::field("tbsCertList.revokedCertificates", entry.serial.offset);
        // In indirect lists the same number may be of another issuer, who is also that of the entries that follow.
        if let Some(other) = entry.extensions.find(oid::CERTIFICATE_ISSUER) {
            issuer = other.value.content;
        }
        findings.require(
            seen.insert((issuer, entry.serial.content)),
            &rules::CRL_TWICE,
            at,
            "the serial number stands a second time",
        );
        fields::time(&entry.date, "tbsCertList.revokedCertificates", findings);
        inventory(&entry.extensions, findings);
        reason(entry, delta, findings);
        for extension in &entry.extensions.list {
            criticality(extension, findings);
        }
    }
}

fn reason(entry: &Entry<'_>, delta: bool, findings: &mut Findings) {
    let Some(extension) = entry.extensions.find(oid::REASON_CODE) else {
        return;
    };
    let at = extension.at();
    let code = extension.inner().and_then(|value| value.expect(ENUMERATED));
    match code.map(|code| code.content) {
        Ok([UNSPECIFIED]) => findings.add(&rules::CRL_UNSPECIFIED, at, "it is 0"),
        Ok([REMOVE_FROM_CRL]) => {
            findings.require(delta, &rules::CRL_REMOVE, at, "this list is complete");
        }
        Ok([1..=6 | 9 | 10]) => {}
        Ok(other) => findings.add(&rules::CRL_REASON, at, format_args!("it is {other:02x?}")),
        Err(problem) => findings.add(
            problem.rule.unwrap_or(&extension_rules::VALUE),
            at,
            problem.detail,
        ),
    }
}

fn list_extensions(crl: &Crl<'_>, findings: &mut Findings) {
    inventory(&crl.extensions, findings);
    let mut alternative = Hybrid::default();
    for extension in &crl.extensions.list {
        criticality(extension, findings);
        let read = extension.inner().and_then(|value| {
            if oid::extension_name(extension.oid).is_some() {
                element::check(&value, findings);
            }
            match extension.oid {
                oid::CRL_NUMBER | oid::DELTA_CRL_INDICATOR => {
                    let number = value.expect(INTEGER)?.content;
                    let negative = number.first().is_some_and(|byte| byte & 0x80 != 0);
                    findings.require(
                        !negative && number.len() <= 20,
                        &rules::CRL_NUMBER,
                        extension.at(),
                        "it is negative or longer",
                    );
                }
                oid::AUTHORITY_KEY_IDENTIFIER => drop(issuer_identifier(value, extension.at(), findings)?),
                _ => hybrid::read(extension, value, &mut alternative, findings)?,
            }
            Ok(())
        });
        if let (Err(problem), Some(_)) = (read, oid::extension_name(extension.oid)) {
            let rule = problem.rule.unwrap_or(&extension_rules::VALUE);
            findings.add(rule, extension.at(), problem.detail);
        }
    }
    hybrid::check(&alternative, None, crl.signed.is_some(), findings);
    let at = |oid| At {
        field: "tbsCertList.crlExtensions",
        oid,
        offset: crl.extensions.element.map(|list| list.offset),
    };
    findings.require(
        crl.extensions.find(oid::CRL_NUMBER).is_some(),
        &rules::CRL_NUMBER_MISSING,
        at(oid::CRL_NUMBER),
        "it is missing",
    );
    findings.require(
        crl.extensions.find(oid::AUTHORITY_KEY_IDENTIFIER).is_some(),
        &rules::CRL_AKI,
        at(oid::AUTHORITY_KEY_IDENTIFIER),
        "it is missing",
    );
}

fn criticality(extension: &Extension<'_>, findings: &mut Findings) {
    let (wanted, rule, section) = match extension.oid {
        oid::DELTA_CRL_INDICATOR => (true, &extension_rules::MUST_BE_CRITICAL, "5.2.4"),
        oid::ISSUING_DISTRIBUTION_POINT => (true, &extension_rules::MUST_BE_CRITICAL, "5.2.5"),
        oid::CERTIFICATE_ISSUER => (true, &extension_rules::MUST_BE_CRITICAL, "5.3.3"),
        oid::AUTHORITY_KEY_IDENTIFIER => (false, &extension_rules::MUST_NOT_BE_CRITICAL, "5.2.1"),
        oid::CRL_NUMBER => (false, &extension_rules::MUST_NOT_BE_CRITICAL, "5.2.3"),
        oid::FRESHEST_CRL => (false, &extension_rules::MUST_NOT_BE_CRITICAL, "5.2.6"),
        oid::REASON_CODE => (false, &extension_rules::MUST_NOT_BE_CRITICAL, "5.3.1"),
        oid::INVALIDITY_DATE => (false, &extension_rules::MUST_NOT_BE_CRITICAL, "5.3.2"),
        known if oid::extension_name(known).is_some() => return,
        _ => (false, &extension_rules::UNKNOWN_CRITICAL, "5.2"),
    };
    findings.require(
        extension.is_critical() == wanted,
        rule,
        extension.at(),
        format_args!("section {section} wants it otherwise"),
    );
}
