//! What stands beside a certificate's own key, in words: an alternative key and signature, or a link to another
//! certificate; and whether they hold, as far as the input shows.

use serde::Serialize;

use super::algorithm::{AlgorithmDescription, Of, algorithm, parts};
use super::certificate::{CertificateDescription, SignatureDescription};
use super::key::{self, PublicKeyDescription};
use crate::catalyst::{ALTERNATIVE_ALGORITHM, ALTERNATIVE_KEY, ALTERNATIVE_SIGNATURE, verify_alternative};
use crate::certificate::Certificate;
use crate::related::RelatedCertificate;
use crate::signature::algorithm_identifier;

/// An alternative key and signature (X.509, 2019), in words.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct AlternativeDescription {
    /// The alternative key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_key: Option<PublicKeyDescription>,
    /// The issuer's alternative signature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature: Option<SignatureDescription>,
}

/// The link to the first certificate of a pair (RFC 9763), in words.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct RelatedDescription {
    /// The hash function's name.
    pub hash: String,
    /// The hash of the other certificate, in hex.
    pub value: String,
    /// Which certificate of the input it is; absent when it is none of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
}

/// The alternative key and signature, if there is any of them.
pub(super) fn alternative(certificate: &Certificate) -> Option<AlternativeDescription> {
    let alternative = certificate.alternative()?;
    let content = |oid| Some(certificate.extension(oid)?.extn_value.as_bytes());
    let public_key = content(ALTERNATIVE_KEY).and_then(key::public_key).map(|mut key| {
        // The form is that of the certificate, not that of this key.
        key.form = None;
        if let (None, Err(error)) = (&key.problem, alternative.key()) {
            key.problem = Some(error.to_string());
        }
        key
    });
    let signature = content(ALTERNATIVE_ALGORITHM).and_then(|identifier| {
        let (oid, _) = algorithm_identifier(identifier).ok()?;
        let bytes = alternative.signature().ok()?.len();
        Some(SignatureDescription {
            algorithm: algorithm(oid),
            bytes,
            parts: parts(oid, Of::Signature, bytes),
            check: None,
        })
    });
    Some(AlternativeDescription {
        public_key,
        signature,
    })
}

/// The link to another certificate, if there is one.
pub(super) fn related(certificate: &Certificate) -> Option<RelatedDescription> {
    let related = certificate.related()?;
    Some(RelatedDescription {
        hash: related.hash_name(),
        value: hex::encode(related.hash_value()),
        found: None,
    })
}

/// What one of the extensions says, in a line; `None` for any other extension, and where it cannot be read.
pub(super) fn value(oid: der::oid::ObjectIdentifier, content: &[u8]) -> Option<String> {
    let line = |algorithm: AlgorithmDescription| format!("{} ({})", algorithm.words, algorithm.name);
    match oid {
        ALTERNATIVE_KEY => {
            let key = key::public_key(content)?;
            let id = key.key_id.map_or_else(String::new, |id| format!(", key id {id}"));
            Some(format!("{}{id}", line(key.algorithm)))
        }
        ALTERNATIVE_ALGORITHM => Some(line(algorithm(algorithm_identifier(content).ok()?.0))),
        ALTERNATIVE_SIGNATURE => Some(format!("{} bytes", content.len())),
        crate::related::EXTENSION => {
            let link = RelatedCertificate::from_der(content).ok()?;
            Some(format!("{} {}", link.hash_name(), hex::encode(link.hash_value())))
        }
        _ => None,
    }
}

/// Checks alternative signatures and links against the other certificates of the input. A signature by a certificate that
/// is not there stays unchecked.
pub(super) fn relate(certificates: &mut [CertificateDescription]) {
    let read: Vec<Option<Certificate>> = certificates.iter().map(|one| one.read.clone()).collect();
    let name = |position: usize| format!("certificate {} of the input", position + 1);
    for (position, described) in certificates.iter_mut().enumerate() {
        let Some(certificate) = &described.read else {
            continue;
        };
        if let Some(related) = &mut described.related {
            let is_meant = |other: &Option<Certificate>| {
                let link = certificate.related();
                other
                    .as_ref()
                    .zip(link)
                    .is_some_and(|(other, link)| link.check(other).is_ok())
            };
            related.found = read.iter().position(is_meant).map(name);
        }
        let Some(signature) = described
            .alternative
            .as_mut()
            .and_then(|alternative| alternative.signature.as_mut())
        else {
            continue;
        };
        let Some((issuer_position, issuer)) = issuer_of(certificate, &read) else {
            continue;
        };
        let whose = if issuer_position == position {
            "the certificate's own alternative key".to_owned()
        } else {
            format!("the alternative key of {}", name(issuer_position))
        };
        signature.check = Some(match verify_alternative(certificate, issuer) {
            Ok(()) => format!("it verifies with {whose}"),
            Err(error) => {
                let problem = format!("it does not verify with {whose}: {error}");
                described
                    .problems
                    .push(format!("the alternative signature: {problem}"));
                problem
            }
        });
    }
}

/// The certificate of the input that says to have issued this one, by name and key identifier.
fn issuer_of<'a>(
    certificate: &Certificate,
    all: &'a [Option<Certificate>],
) -> Option<(usize, &'a Certificate)> {
    all.iter().enumerate().find_map(|(position, other)| {
        let other = other.as_ref()?;
        let same_key = match (certificate.akid_bytes(), other.skid_bytes()) {
            (Some(wanted), Some(found)) => wanted == found,
            _ => true,
        };
        let named = other.subject_der() == certificate.issuer_der();
        (named && same_key && other.is_ca()).then_some((position, other))
    })
}
