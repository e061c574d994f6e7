//! Extensions that bring a second key or a link to a second certificate: X.509 (2019) alternative keys and
//! signatures, RFC 9763, and delta certificates.

use super::alt_names::is_absolute;
use super::element::{BIT_STRING, Element, IA5_STRING, INTEGER, OCTET_STRING, Problem, SEQUENCE};
use super::finding::{At, Findings};
use super::keys::{self, Key};
use super::oid;
use super::read::{Algorithm, Extension};
use super::rules::hybrid as rules;
use super::signature;

/// SHA-2 and SHA-3, as content octets without the last arc.
pub(super) const NIST_HASHES: &[u8] = &[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2];

/// What the extensions say.
#[derive(Debug, Default)]
pub(super) struct Hybrid<'a> {
    /// The alternative key.
    pub(super) key: Option<Key<'a>>,
    /// Content octets of the alternative signature's algorithm.
    pub(super) algorithm: Option<&'a [u8]>,
    /// Whether there is an alternative signature.
    pub(super) signature: Option<Element<'a>>,
    /// The hash of the related certificate, with the content octets of its algorithm.
    pub(super) related: Option<(&'a [u8], &'a [u8])>,
}

/// Reads the value of one of these extensions; passes over the others.
pub(super) fn read<'a>(
    extension: &Extension<'a>,
    value: Element<'a>,
    hybrid: &mut Hybrid<'a>,
    findings: &mut Findings,
) -> Result<(), Problem> {
    let at = extension.at();
    match extension.oid {
        oid::ALT_PUBLIC_KEY => hybrid.key = keys::check(&value.expect(SEQUENCE)?, at, findings),
        oid::ALT_SIGNATURE_ALGORITHM => {
            let algorithm = Algorithm::read(value)?;
            signature::check_algorithm(&algorithm, false, at, findings);
            hybrid.algorithm = Some(algorithm.oid);
        }
        oid::ALT_SIGNATURE_VALUE => hybrid.signature = Some(value.expect(BIT_STRING)?),
        oid::RELATED_CERTIFICATE => {
            hybrid.related = Some(related(value, at, findings)?);
            findings.require(
                !extension.is_critical(),
                &rules::RELATED_CRITICAL,
                at,
                "it is critical",
            );
        }
        oid::DELTA_CERTIFICATE => {
            findings.add(&rules::CHAMELEON, at, "there is one");
            findings.require(
                !extension.is_critical(),
                &rules::CHAMELEON_CRITICAL,
                at,
                "it is critical",
            );
        }
        _ => {}
    }
    if matches!(
        extension.oid,
        oid::ALT_PUBLIC_KEY | oid::ALT_SIGNATURE_ALGORITHM | oid::ALT_SIGNATURE_VALUE
    ) {
        findings.require(
            !extension.is_critical(),
            &rules::ALT_CRITICAL,
            at,
            "it is critical",
        );
    }
    Ok(())
}

/// Checks what the extensions say together. Before the signature there is an algorithm without a value.
pub(super) fn check(hybrid: &Hybrid<'_>, native: Option<&Key<'_>>, signed: bool, findings: &mut Findings) {
    let at = |field| At {
        field,
        ..At::default()
    };
    if signed {
        findings.require(
            hybrid.algorithm.is_some() == hybrid.signature.is_some(),
            &rules::ALT_INCOMPLETE,
            at("extensions").about(oid::ALT_SIGNATURE_VALUE),
            "there is one without the other",
        );
    }
    if let (Some(algorithm), Some(value)) = (hybrid.algorithm, &hybrid.signature) {
        let at = At::field("extensions.altSignatureValue", value.offset).about(oid::ALT_SIGNATURE_VALUE);
        signature::check_value(algorithm, value, at, findings);
    }
    if let (Some(native), Some(alternative)) = (native, &hybrid.key) {
        let at = at("extensions.subjectAltPublicKeyInfo").about(oid::ALT_PUBLIC_KEY);
        findings.require(
            !native.shares_a_component(alternative),
            &rules::ALT_SAME_KEY,
            at,
            "it is the certificate's own key, or a part of it",
        );
        let classical = |key: &Key<'_>| key.scheme.is_post_quantum() == Some(false);
        findings.require(
            !(classical(native) && classical(alternative)),
            &rules::ALT_CLASSICAL,
            at,
            "both keys are classical",
        );
    }
}

/// RelatedCertificate: a hash algorithm and a hash.
fn related<'a>(
    value: Element<'a>,
    at: At<'_>,
    findings: &mut Findings,
) -> Result<(&'a [u8], &'a [u8]), Problem> {
    let mut fields = value.fields_of(SEQUENCE)?;
    let algorithm = Algorithm::read(fields.next()?)?;
    let hash = fields.expect(OCTET_STRING)?.content;
    fields.end()?;
    let due = match algorithm.oid.split_last() {
        Some((1 | 6 | 8, NIST_HASHES)) => Some(32),
        Some((2 | 9, NIST_HASHES)) => Some(48),
        Some((3 | 10, NIST_HASHES)) => Some(64),
        _ => None,
    };
    findings.require(
        due == Some(hash.len()),
        &rules::RELATED_HASH,
        at,
        format_args!("{} bytes by {}", hash.len(), oid::Dotted(algorithm.oid)),
    );
    Ok((algorithm.oid, hash))
}

/// RequesterCertificate, the value of relatedCertRequest (RFC 9763, section 3.1).
pub(super) fn check_request(value: &Element<'_>, at: At<'_>, findings: &mut Findings) {
    let read = || {
        let mut fields = value.fields_of(SEQUENCE)?;
        let mut id = fields.expect(SEQUENCE)?.fields();
        id.expect(SEQUENCE)?;
        id.expect(INTEGER)?;
        id.end()?;
        fields.expect(INTEGER)?;
        let locations = fields.expect(SEQUENCE)?;
        let signature = fields.expect(BIT_STRING)?;
        fields.end()?;
        if signature.whole_bits().is_none_or(<[u8]>::is_empty) {
            return Err(Problem::new(signature.offset, "there is no signature"));
        }
        Ok(locations)
    };
    let locations = match read() {
        Ok(locations) => locations,
        Err(problem) => {
            let at = At {
                offset: Some(problem.offset),
                ..at
            };
            return findings.add(
                problem.rule.unwrap_or(&rules::RELATED_REQUEST),
                at,
                problem.detail,
            );
        }
    };
    let mut found = 0;
    for location in locations.children() {
        found += 1;
        let text = String::from_utf8_lossy(location.content);
        let absolute = location.tag == IA5_STRING && is_absolute(&text);
        findings.require(
            absolute,
            &rules::RELATED_LOCATION,
            at,
            format_args!("{text:?} is none"),
        );
    }
    findings.require(found > 0, &rules::RELATED_LOCATION, at, "there are none");
}
