//! Certificates and requests, in words.

use std::time::{Duration, SystemTime};

use const_oid::AssociatedOid;
use der::{Decode, Encode};
use serde::Serialize;
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectKeyIdentifier,
};

use super::algorithm::{AlgorithmDescription, Of, PartDescription, algorithm, parts};
use super::beside::{self, AlternativeDescription, RelatedDescription};
use super::extension::{self, ExtensionDescription};
use super::key::{self, PublicKeyDescription};
use crate::certificate::Certificate;
use crate::csr::{Csr, CsrParts};
use crate::names;
use crate::related::RelatedRequest;
use crate::signature::algorithm_identifier;
use crate::text;
use crate::time::rfc3339;

/// A certificate, in words.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct CertificateDescription {
    /// What it is, in one line.
    pub summary: String,
    /// The SPIFFE ID, if it has exactly one URI name and that is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spiffe_id: Option<String>,
    /// Whether it may issue certificates.
    pub authority: bool,
    /// The subject's name (RFC 4514); empty for the empty name.
    pub subject: String,
    /// The issuer's name.
    pub issuer: String,
    /// Whether issuer and subject have the same name.
    pub self_issued: bool,
    /// The serial number in hex.
    pub serial: String,
    /// The serial number in decimal.
    pub serial_decimal: String,
    /// When it is valid.
    pub validity: ValidityDescription,
    /// The certified key; the form is that of the whole certificate.
    pub public_key: PublicKeyDescription,
    /// How it is signed.
    pub signature: SignatureDescription,
    /// The alternative key and signature of a catalyst certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alternative: Option<AlternativeDescription>,
    /// Which certificate this one is paired with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub related: Option<RelatedDescription>,
    /// The subject key identifier in hex; an authority's is its authority id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject_key_id: Option<String>,
    /// The key identifier of the authority that issued it, in hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authority_key_id: Option<String>,
    /// Key usages by name.
    pub key_usage: Vec<&'static str>,
    /// Extended key usages by name.
    pub extended_key_usage: Vec<String>,
    /// Every extension.
    pub extensions: Vec<ExtensionDescription>,
    /// Size of the whole certificate, in bytes.
    pub bytes: usize,
    /// SHA-256 of the whole certificate, in hex.
    pub sha256: String,
    /// What is wrong with it, as far as that can be seen in the input alone.
    pub problems: Vec<String>,
    /// The certificate, if it can be read.
    #[serde(skip)]
    pub(super) read: Option<Certificate>,
}

/// When a certificate or a token is valid.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct ValidityDescription {
    /// First valid moment (RFC 3339).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_before: Option<String>,
    /// Last valid moment (RFC 3339).
    pub not_after: String,
    /// Whether that is so at the given time: `valid for 42 min`, `expired 3 d ago` and the like.
    pub state: String,
}

impl ValidityDescription {
    pub(super) fn of(not_before: Option<SystemTime>, not_after: SystemTime, now: SystemTime) -> Self {
        let state = match (
            not_before.map(|start| start.duration_since(now)),
            not_after.duration_since(now),
        ) {
            (Some(Ok(wait)), _) if !wait.is_zero() => format!("not valid for another {}", span(wait)),
            (_, Ok(left)) => format!("valid for another {}", span(left)),
            (_, Err(past)) => format!("expired {} ago", span(past.duration())),
        };
        Self {
            not_before: not_before.map(rfc3339),
            not_after: rfc3339(not_after),
            state,
        }
    }
}

/// A signature, in words.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct SignatureDescription {
    /// The signature algorithm.
    pub algorithm: AlgorithmDescription,
    /// Size of the signature, in bytes.
    pub bytes: usize,
    /// The halves of a composite signature; empty for others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<PartDescription>,
    /// Whether it was checked, and with what result; absent when the key for that is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check: Option<String>,
}

/// A certificate request, in words.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct RequestDescription {
    /// What it is, in one line.
    pub summary: String,
    /// The SPIFFE ID that is asked for, if it is one and the only one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spiffe_id: Option<String>,
    /// The subject's name, which servers ignore.
    pub subject: String,
    /// The key to certify; the form is that of the whole request.
    pub public_key: PublicKeyDescription,
    /// The alternative key to certify, whose proof of possession is checked with the other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alternative_key: Option<PublicKeyDescription>,
    /// Which certificate the new one is to be paired with, by the serial number in hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub related_serial: Option<String>,
    /// How it is signed; the check is the proof of possession.
    pub signature: SignatureDescription,
    /// The extensions asked for.
    pub extensions: Vec<ExtensionDescription>,
    /// Size of the whole request, in bytes.
    pub bytes: usize,
    /// Why no certificate would be issued for it, if none would.
    pub problems: Vec<String>,
}

/// Describes a certificate, even one that [`Certificate::from_der`] refuses: that is then among its problems.
/// `None` when it is no certificate at all.
pub(super) fn certificate(der: &[u8], now: SystemTime) -> Option<CertificateDescription> {
    let mut problems = Vec::new();
    let strict = Certificate::from_der(der)
        .map_err(|error| problems.push(error.to_string()))
        .ok();
    let inner = match &strict {
        Some(strict) => strict.inner().clone(),
        None => x509_cert::Certificate::from_der(der).ok()?,
    };
    let tbs = inner.tbs_certificate();
    let spki = tbs.subject_public_key_info().to_der().ok()?;
    let mut public_key = key::public_key(&spki)?;
    problems.extend(public_key.problem.clone());
    if let Some(form) = strict.as_ref().and_then(Certificate::form) {
        public_key.form = Some(form.name());
    }

    let spiffe_id = match strict.as_ref().map(|strict| (strict, strict.spiffe_id())) {
        Some((_, Ok(id))) => Some(id.to_string()),
        // Authorities need no SPIFFE ID, and nor do certificates that are no SVIDs.
        Some((strict, Err(error))) if !strict.uri_sans().is_empty() => {
            problems.push(error.to_string());
            None
        }
        _ => None,
    };
    for oid in strict
        .iter()
        .flat_map(|strict| strict.unprocessed_critical_extensions())
    {
        problems.push(format!(
            "the critical extension {oid} is not understood, so the certificate is refused"
        ));
    }

    let extension = |oid| {
        extensions(&inner)
            .find(|extension| extension.extn_id == oid)
            .map(|e| e.extn_value.as_bytes())
    };
    let authority = extension(BasicConstraints::OID)
        .and_then(|content| BasicConstraints::from_der(content).ok())
        .is_some_and(|constraints| constraints.ca);
    let self_issued = tbs.issuer() == tbs.subject();
    let check = strict
        .as_ref()
        .filter(|strict| names_itself(strict))
        .and_then(self_signature);
    if let Some(Err(problem)) = &check {
        problems.push(problem.clone());
    }
    let signature_len = inner.signature().raw_bytes().len();
    let algorithm_oid = inner.signature_algorithm().oid;
    let serial = tbs.serial_number().as_bytes();
    let id = |content: &[u8]| {
        SubjectKeyIdentifier::from_der(content)
            .ok()
            .map(|id| hex::encode(id.0.as_bytes()))
    };

    Some(CertificateDescription {
        summary: summary(spiffe_id.as_deref(), authority, self_issued, &public_key),
        spiffe_id,
        authority,
        subject: names::text(tbs.subject()),
        issuer: names::text(tbs.issuer()),
        self_issued,
        serial: hex::encode(serial),
        serial_decimal: names::decimal(serial),
        validity: ValidityDescription::of(
            Some(tbs.validity().not_before.to_system_time()),
            tbs.validity().not_after.to_system_time(),
            now,
        ),
        public_key,
        signature: SignatureDescription {
            algorithm: algorithm(algorithm_oid),
            bytes: signature_len,
            parts: parts(algorithm_oid, Of::Signature, signature_len),
            check: check.map(|check| check.unwrap_or_else(|problem| problem)),
        },
        alternative: strict.as_ref().and_then(beside::alternative),
        related: strict.as_ref().and_then(beside::related),
        subject_key_id: extension(SubjectKeyIdentifier::OID).and_then(id),
        authority_key_id: extension(AuthorityKeyIdentifier::OID)
            .and_then(|content| AuthorityKeyIdentifier::from_der(content).ok()?.key_identifier)
            .map(|id| hex::encode(id.as_bytes())),
        key_usage: extension(KeyUsage::OID)
            .and_then(|content| KeyUsage::from_der(content).ok())
            .map(|usage| extension::key_usages(&usage))
            .unwrap_or_default(),
        extended_key_usage: extension(ExtendedKeyUsage::OID)
            .and_then(|content| ExtendedKeyUsage::from_der(content).ok())
            .map(|usages| usages.0.into_iter().map(extension::extended_key_usage).collect())
            .unwrap_or_default(),
        extensions: extensions(&inner).map(extension::of).collect(),
        bytes: der.len(),
        sha256: hex::encode(symbolon_crypto::digest::sha256(der)),
        problems,
        read: strict,
    })
}

/// Describes a request, even one that [`Csr::from_der`] refuses. `None` when it is no request at all.
pub(super) fn request(der: &[u8]) -> Option<RequestDescription> {
    let parsed = CsrParts::read(der).ok()?;
    let mut public_key = key::public_key(parsed.spki)?;
    let mut problems = Vec::new();
    let (mut spiffe_id, mut alternative_key, mut related_serial) = (None, None, None);
    let check = match Csr::from_der(der) {
        Ok(csr) => {
            public_key.form = Some(csr.form().name());
            alternative_key = csr
                .alternative_key()
                .and_then(|alternative| key::public_key(&alternative.spki_der()));
            related_serial = csr.related_request().map(RelatedRequest::serial_hex);
            match csr.spiffe_id() {
                Ok(id) => spiffe_id = id.map(|id| id.to_string()),
                Err(error) => problems.push(error.to_string()),
            }
            "the proof of possession is good".to_owned()
        }
        Err(error) => {
            problems.push(error.to_string());
            error.to_string()
        }
    };
    let (oid, _) = algorithm_identifier(parsed.algorithm).ok()?;
    let wanted = spiffe_id
        .as_ref()
        .map_or_else(String::new, |id| format!(" for {id}"));
    Some(RequestDescription {
        summary: format!(
            "certificate request{wanted} with a key of type {}",
            public_key.algorithm.name
        ),
        spiffe_id,
        subject: x509_cert::name::Name::from_der(parsed.subject)
            .map(|name| names::text(&name))
            .unwrap_or_default(),
        public_key,
        alternative_key,
        related_serial,
        signature: SignatureDescription {
            algorithm: algorithm(oid),
            bytes: parsed.signature.len(),
            parts: parts(oid, Of::Signature, parsed.signature.len()),
            check: Some(check),
        },
        extensions: parsed
            .extensions()
            .unwrap_or_default()
            .into_iter()
            .map(|(oid, critical, content)| extension::describe(oid, critical, content))
            .collect(),
        bytes: der.len(),
        problems,
    })
}

fn extensions(certificate: &x509_cert::Certificate) -> impl Iterator<Item = &x509_cert::ext::Extension> {
    certificate.tbs_certificate().extensions().into_iter().flatten()
}

fn summary(
    spiffe_id: Option<&str>,
    authority: bool,
    self_issued: bool,
    key: &PublicKeyDescription,
) -> String {
    let what = match (authority, self_issued, spiffe_id) {
        (true, true, _) => "self-issued authority".to_owned(),
        (true, false, _) => "intermediate authority".to_owned(),
        (false, _, Some(id)) => {
            return format!("X.509-SVID of {id} with a key of type {}", key.algorithm.name);
        }
        (false, _, None) => "certificate".to_owned(),
    };
    let whose = spiffe_id.map_or_else(String::new, |id| format!(" of {id}"));
    format!("{what}{whose} with a key of type {}", key.algorithm.name)
}

/// Whether it says that its own key signed it: by name and, where it has them, by key identifiers.
fn names_itself(certificate: &Certificate) -> bool {
    certificate.is_self_issued()
        && (certificate.akid_bytes().is_none() || certificate.akid_bytes() == certificate.skid_bytes())
}

/// A self-issued certificate should be signed by its own key; a problem if it is not, `None` if nobody can tell.
fn self_signature(certificate: &Certificate) -> Option<Result<String, String>> {
    let key = certificate.subject_key().ok()?;
    certificate.algorithm().ok()?;
    Some(match certificate.verify_signature(key) {
        Ok(()) => Ok("it verifies with the certificate's own key".to_owned()),
        Err(error) => Err(format!(
            "it does not verify with the certificate's own key: {error}"
        )),
    })
}

/// A duration in its largest unit, as people say it.
fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        7200..=172_799 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// Text from a stranger, for a description.
pub(super) fn strangers(value: &str) -> String {
    text::printable(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn validity_is_said_in_words() {
        let at = |seconds: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let state = |now: u64| ValidityDescription::of(Some(at(1000)), at(4600), at(now)).state;
        assert_eq!(state(900), "not valid for another 100 s");
        assert_eq!(state(1000), "valid for another 60 min");
        assert_eq!(state(4600), "valid for another 0 s");
        assert_eq!(state(4601), "expired 1 s ago");
        assert_eq!(state(4600 + 3 * 86_400), "expired 3 d ago");
    }
}
