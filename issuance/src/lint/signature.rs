//! Signatures: their algorithms and their lengths. Whether they are right needs the signer's key and is for
//! verifiers.

use super::algorithm::{Lengths, Scheme, Traditional};
use super::element::{Element, INTEGER, NULL, SEQUENCE, constructed};
use super::finding::{At, Findings};
use super::keys::positive;
use super::read::{Algorithm, Signed};
use super::rule::Rule;
use super::rules::{algorithms as rules, fields};

/// The length of the smallest RSA signature that there ever was in certificates, in bytes.
const MIN_RSA_SIGNATURE: usize = 64;

/// Checks the algorithm inside of the signed part and, after the signature, the one outside and the signature. Nobody
/// relies on what a certificate signs of itself.
pub(super) fn check(
    inside: Option<(&Algorithm<'_>, &'static str)>,
    signed: Option<&Signed<'_>>,
    by_itself: bool,
    findings: &mut Findings,
) {
    if let Some((algorithm, field)) = inside {
        let at = At::field(field, algorithm.element.offset);
        check_algorithm(algorithm, by_itself, at, findings);
    }
    let Some(signed) = signed else { return };
    let at = At::field("signatureAlgorithm", signed.algorithm.element.offset);
    match inside {
        Some((inside, _)) if inside.element.der == signed.algorithm.element.der => {}
        Some(_) => findings.add(
            &fields::SIGNATURE_ALGORITHMS,
            at.about(signed.algorithm.oid),
            "it is not the one in the signed part",
        ),
        None => check_algorithm(&signed.algorithm, by_itself, at, findings),
    }
    let at = At::field("signatureValue", signed.signature.offset);
    check_value(signed.algorithm.oid, &signed.signature, at, findings);
}

/// Checks an AlgorithmIdentifier of signatures.
pub(super) fn check_algorithm(
    algorithm: &Algorithm<'_>,
    by_itself: bool,
    at: At<'_>,
    findings: &mut Findings,
) {
    let at = at.about(algorithm.oid);
    let weak = if by_itself {
        &rules::SIGNATURE_WEAK_SELF
    } else {
        &rules::SIGNATURE_WEAK
    };
    let parameters = algorithm.parameters;
    let rule = match Scheme::of(algorithm.oid) {
        Scheme::RsaPkcs1 { sound } => {
            findings.require(sound, weak, at, "it hashes with MD2, MD4, MD5 or SHA-1");
            let null = parameters.is_some_and(|parameters| parameters.tag == NULL);
            return findings.require(
                null,
                &rules::SIGNATURE_PARAMETERS,
                at,
                "an RSA signature's parameters are not NULL",
            );
        }
        Scheme::RsaPss => return pss(parameters, weak, at, findings),
        Scheme::Ecdsa { sound } => {
            findings.require(sound, weak, at, "it hashes with SHA-1");
            &rules::SIGNATURE_PARAMETERS
        }
        Scheme::EdDsa { .. } => &rules::SIGNATURE_PARAMETERS,
        Scheme::MlDsa(_) => &rules::ML_DSA_PARAMETERS,
        Scheme::SlhDsa(_) => &rules::SLH_DSA_PARAMETERS,
        Scheme::Composite(..) => &rules::COMPOSITE_PARAMETERS,
        Scheme::HashMlDsa => return findings.add(&rules::HASH_ML_DSA, at, "it is signed with HashML-DSA"),
        Scheme::OldComposite => {
            return findings.add(
                &rules::OLD_COMPOSITE,
                at,
                "it is signed as an earlier draft wanted it",
            );
        }
        Scheme::Private(whose) => {
            return findings.add(&rules::KEY_PRIVATE, at, format_args!("the identifier is {whose}"));
        }
        Scheme::Rsa | Scheme::Ec | Scheme::Montgomery { .. } | Scheme::MlKem { .. } | Scheme::Unknown => {
            return findings.add(
                &rules::SIGNATURE_UNKNOWN,
                at,
                "no rule for this signature was applied",
            );
        }
    };
    findings.require(
        parameters.is_none(),
        rule,
        at,
        "the signature's algorithm has parameters",
    );
}

/// RSASSA-PSS-params: without a hash it is SHA-1 (RFC 4055, section 3.1).
fn pss(parameters: Option<Element<'_>>, weak: &'static Rule, at: At<'_>, findings: &mut Findings) {
    match parameters.filter(|parameters| parameters.tag == SEQUENCE) {
        None => findings.add(
            &rules::SIGNATURE_PARAMETERS,
            at,
            "an RSASSA-PSS signature has no parameters",
        ),
        Some(parameters) => {
            let hash = parameters.children().any(|child| child.tag == constructed(0));
            findings.require(
                hash,
                weak,
                at,
                "without a hash in its parameters it hashes with SHA-1",
            );
        }
    }
}

/// Checks the length and the structure of a signature.
pub(super) fn check_value(oid: &[u8], value: &Element<'_>, at: At<'_>, findings: &mut Findings) {
    let Some(signature) = value.whole_bits() else {
        return findings.add(&rules::SIGNATURE_BITS, at, "it is no BIT STRING of whole bytes");
    };
    let len = signature.len();
    let (holds, rule, due) = match Scheme::of(oid) {
        Scheme::Ecdsa { .. } => {
            return findings.require(
                is_ecdsa(signature, usize::MAX),
                &rules::SIGNATURE_ECDSA,
                at,
                "it is not DER of two positive numbers",
            );
        }
        // The signer's key, and with it the length that is due, is not known here.
        Scheme::RsaPkcs1 { .. } | Scheme::RsaPss => {
            return findings.require(
                len >= MIN_RSA_SIGNATURE,
                &rules::SIGNATURE_LENGTH,
                at,
                format_args!("it has {len} bytes, and no RSA key makes less than {MIN_RSA_SIGNATURE}"),
            );
        }
        Scheme::EdDsa { signature: due, .. } => (len == due, &rules::SIGNATURE_LENGTH, due),
        Scheme::MlDsa(Lengths { signature: due, .. }) => (len == due, &rules::ML_DSA_SIGNATURE, due),
        Scheme::SlhDsa(Lengths { signature: due, .. }) => (len == due, &rules::SLH_DSA_SIGNATURE, due),
        Scheme::Composite(first, traditional) => {
            return composite(signature, first, traditional, at, findings);
        }
        _ => return,
    };
    findings.require(
        holds,
        rule,
        at,
        format_args!("it has {len} bytes where {due} are due"),
    );
}

fn composite(
    signature: &[u8],
    first: Lengths,
    traditional: Traditional,
    at: At<'_>,
    findings: &mut Findings,
) {
    let part = signature.get(first.signature..).unwrap_or_default();
    let (holds, due) = match traditional {
        Traditional::Ec { coordinate } => (is_ecdsa(part, coordinate), "an ECDSA signature"),
        Traditional::Ed { signature, .. } => (part.len() == signature, "an EdDSA signature"),
        Traditional::Rsa { bits } => (part.len() == bits / 8, "an RSA signature"),
    };
    findings.require(
        holds,
        &rules::COMPOSITE_SIGNATURE,
        at,
        format_args!(
            "of its {} bytes, {} are for ML-DSA, and what follows is not {due}",
            signature.len(),
            first.signature
        ),
    );
}

/// Ecdsa-Sig-Value whose numbers have at most this many bytes.
fn is_ecdsa(signature: &[u8], coordinate: usize) -> bool {
    let numbers = || {
        let whole = Element::only(signature, 0).ok()?;
        let mut findings = Findings::default();
        super::element::check(&whole, &mut findings);
        let mut fields = whole.fields_of(SEQUENCE).ok()?;
        let r = positive(&fields.expect(INTEGER).ok()?)?;
        let s = positive(&fields.expect(INTEGER).ok()?)?;
        fields.end().ok()?;
        Some(findings.0.is_empty() && r.len() <= coordinate && s.len() <= coordinate)
    };
    numbers().unwrap_or(false)
}
