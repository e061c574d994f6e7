//! Certificate requests.

use super::finding::{At, Findings, bounded};
use super::read::{Extensions, Request};
use super::repeats::Repeats;
use super::rules::{lists as rules, spiffe as spiffe_rules};
use super::{Scope, alt_names, extensions, hybrid, keys, names, oid, signature};
use crate::profile::MAX_SPIFFE_ID_LEN;

/// A request that could be read, in words: the SPIFFE ID that it asks for or else its subject.
pub(super) fn check(der: &[u8], scope: Scope, findings: &mut Findings) -> Option<String> {
    let whole = super::whole(der, &rules::REQUEST_STRUCTURE, "certificationRequest", findings)?;
    let request = match Request::read(whole) {
        Ok(request) => request,
        Err(problem) => {
            super::unread(
                problem,
                &rules::REQUEST_STRUCTURE,
                "certificationRequest",
                findings,
            );
            return None;
        }
    };
    super::locate(findings, |offset| request.field_at(offset));
    let at = At::field("certificationRequestInfo.version", request.version.offset);
    findings.require(
        request.version.content == [0],
        &rules::REQUEST_VERSION,
        at,
        format_args!("it is encoded as {:02x?}", request.version.content),
    );
    names::check(&request.subject, "certificationRequestInfo.subject", findings);
    let at = At::field("certificationRequestInfo.subjectPKInfo", request.spki.offset);
    let key = keys::check(&request.spki, at, findings);
    signature::check(None, Some(&request.signed), false, findings);

    let mut says = extensions::Facts::default();
    let mut alternative = hybrid::Hybrid::default();
    let mut seen = Repeats::new();
    for attribute in &request.attributes {
        let at =
            At::field("certificationRequestInfo.attributes", attribute.element.offset).about(attribute.oid);
        findings.require(
            !seen.repeats(attribute.oid),
            &rules::ATTRIBUTE_TWICE,
            at,
            "it stands a second time",
        );
        let [value] = attribute.values.as_slice() else {
            findings.add(
                &rules::ATTRIBUTE_VALUES,
                at,
                format_args!("it has {}", attribute.values.len()),
            );
            continue;
        };
        match attribute.oid {
            oid::EXTENSION_REQUEST => match Extensions::read(*value) {
                Ok(asked) => {
                    let has_subject = !request.subject.content.is_empty();
                    says = extensions::check(&asked, has_subject, findings);
                    if let (Some(key), Some(usage)) = (&key, says.usage) {
                        keys::check_usage(key, usage, at, findings);
                    }
                }
                Err(problem) => {
                    super::unread(problem, &rules::REQUEST_STRUCTURE, at.field, findings);
                }
            },
            oid::RELATED_REQUEST => hybrid::check_request(value, at, findings),
            oid::ALT_PUBLIC_KEY => alternative.key = keys::check(value, at, findings),
            oid::ALT_SIGNATURE_ALGORITHM => match super::read::Algorithm::read(*value) {
                Ok(algorithm) => {
                    signature::check_algorithm(&algorithm, false, at, findings);
                    alternative.algorithm = Some(algorithm.oid);
                }
                Err(problem) => super::unread(problem, &rules::REQUEST_STRUCTURE, at.field, findings),
            },
            oid::ALT_SIGNATURE_VALUE => alternative.signature = Some(*value),
            _ => {}
        }
    }
    hybrid::check(&alternative, key.as_ref(), true, findings);
    let uris: Vec<_> = says
        .names
        .iter()
        .flatten()
        .filter(|name| name.tag == alt_names::URI)
        .collect();
    let svid = uris.iter().any(|name| name.is_spiffe());
    if matches!(scope, Scope::Svid | Scope::Symbolon) || (scope == Scope::Auto && svid) {
        let at = At::field("extensions.subjectAltName", request.whole.offset).about(oid::SUBJECT_ALT_NAME);
        findings.require(
            uris.len() <= 1,
            &spiffe_rules::ONE_URI,
            at,
            format_args!("{} are asked for", uris.len()),
        );
    }
    let spiffe_id = uris.iter().find(|name| name.is_spiffe());
    let words = spiffe_id.map(|name| bounded(name.text(), MAX_SPIFFE_ID_LEN));
    Some(words.unwrap_or_else(|| names::words(&request.subject)))
}
