//! Algorithms by their OIDs, in words: ours, other people's, and the look-alikes that nobody else understands.

use const_oid::ObjectIdentifier;
use serde::Serialize;
use symbolon_crypto::Component;

use super::oids::{COMPOSITES, Composite, OQS_PROVIDER, PRIVATE_ARCS, SINGLES, SLH_DSA};
use crate::key::Half;
use crate::suite::Suite;

/// What this software can do with an algorithm.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Support {
    /// A suite, or half of one: issued, signed with and verified.
    Supported,
    /// Verified, and for stock software certified; never signed with.
    VerifiedOnly,
    /// A standard that is known by name and not implemented here.
    NotImplemented,
    /// A private or pre-standard algorithm: the name sounds right, the bytes mean something else.
    NotInteroperable,
    /// Broken or too weak, and refused.
    Refused,
    /// An OID without a meaning here.
    Unknown,
}

/// An algorithm, in words.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct AlgorithmDescription {
    /// The short name: the suite's if it is one, otherwise the usual one; the OID if there is none.
    pub name: String,
    /// The OID, dotted.
    pub oid: String,
    /// What it is, for people.
    pub words: String,
    /// The document that defines it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub standard: Option<&'static str>,
    /// What this software can do with it.
    pub support: Support,
}

/// One part of a key or a signature: half of a composite, or the whole of anything else.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct PartDescription {
    /// `post-quantum half` or `classical half`; absent when there is only one part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub half: Option<String>,
    /// The component, in words.
    pub component: String,
    /// Its size, in bytes.
    pub bytes: usize,
}

/// Whether the parts of a key or of a signature are asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Of {
    Key,
    Signature,
}

const LAMPS: &str = "draft-ietf-lamps-pq-composite-sigs-19";

/// The algorithm with this OID, in words.
#[must_use]
pub fn algorithm(oid: ObjectIdentifier) -> AlgorithmDescription {
    let dotted = oid.to_string();
    let describe = |name: &str, words: String, standard, support| AlgorithmDescription {
        name: name.to_owned(),
        oid: dotted.clone(),
        words,
        standard,
        support,
    };
    if let Some(&(_, id, ml_dsa, traditional)) = composite(oid) {
        let words = format!(
            "composite of {} and {traditional} ({id})",
            component_words(ml_dsa)
        );
        return match Suite::from_signature_oid(&oid) {
            Some(suite) => describe(suite.name(), words, Some(LAMPS), Support::Supported),
            None => describe(id, words, Some(LAMPS), Support::NotImplemented),
        };
    }
    if let Some(&(_, name, words, standard, support)) = SINGLES.iter().find(|(of, ..)| *of == dotted) {
        return describe(name, words.to_owned(), Some(standard), support);
    }
    if let Some(set) = arc_under(&dotted, "2.16.840.1.101.3.4.3.")
        .and_then(|arc| SLH_DSA.get(usize::try_from(arc.checked_sub(20)?).ok()?))
    {
        let words = format!("SLH-DSA-{set}, stateless hash-based signatures");
        return describe(
            &format!("slh-dsa-{set}"),
            words,
            Some("RFC 9909"),
            Support::Supported,
        );
    }
    if arc_under(&dotted, "1.3.6.1.5.5.7.6.").is_some_and(|arc| (55..=66).contains(&arc)) {
        let words = "composite of ML-KEM and a traditional key exchange".to_owned();
        let standard = Some("draft-ietf-lamps-pq-composite-kem");
        return describe("composite ML-KEM", words, standard, Support::NotImplemented);
    }
    if let Some((_, name)) = OQS_PROVIDER.iter().find(|(known, _)| dotted == *known) {
        let words = format!("{name} in oqs-provider's private encoding: not interoperable");
        return describe(name, words, None, Support::NotInteroperable);
    }
    if let Some((_, words)) = PRIVATE_ARCS.iter().find(|(prefix, _)| dotted.starts_with(prefix)) {
        return describe(
            &dotted,
            format!("{words}: not interoperable"),
            None,
            Support::NotInteroperable,
        );
    }
    describe(&dotted, "unknown algorithm".to_owned(), None, Support::Unknown)
}

/// An OID for an error message: with what it stands for where that explains why nobody else can use it either.
pub(crate) fn oid_in_words(oid: ObjectIdentifier) -> String {
    let described = algorithm(oid);
    match described.support {
        Support::NotInteroperable => format!("{oid} ({})", described.words),
        _ => oid.to_string(),
    }
}

/// How a key's or a signature's `len` bytes are divided. Empty for what has no known division.
pub(super) fn parts(oid: ObjectIdentifier, what: Of, len: usize) -> Vec<PartDescription> {
    let Some(&(_, _, ml_dsa, traditional)) = composite(oid) else {
        return Vec::new();
    };
    let first = match what {
        Of::Key => ml_dsa.public_key_len(),
        Of::Signature => ml_dsa.max_signature_len(),
    };
    let part = |half: Half, component: &str, bytes| PartDescription {
        half: Some(half.to_string()),
        component: component.to_owned(),
        bytes,
    };
    vec![
        part(Half::PostQuantum, component_words(ml_dsa), first.min(len)),
        part(Half::Classical, traditional, len.saturating_sub(first)),
    ]
}

/// A component, as people write it.
#[must_use]
pub fn component_words(component: Component) -> &'static str {
    match component {
        Component::EcdsaP256Sha256 => "ECDSA P-256 with SHA-256",
        Component::EcdsaP384Sha384 => "ECDSA P-384 with SHA-384",
        Component::EcdsaP521Sha512 => "ECDSA P-521 with SHA-512",
        Component::EcdsaBrainpoolP256r1Sha256 => "ECDSA brainpoolP256r1 with SHA-256",
        Component::EcdsaBrainpoolP384r1Sha384 => "ECDSA brainpoolP384r1 with SHA-384",
        Component::Ed25519 => "Ed25519",
        Component::Ed448 => "Ed448",
        Component::Rsa2048PssSha256 => "RSA-2048 PSS",
        Component::Rsa2048Pkcs1Sha256 => "RSA-2048 PKCS#1 v1.5",
        Component::Rsa3072PssSha256 => "RSA-3072 PSS",
        Component::Rsa3072Pkcs1Sha256 => "RSA-3072 PKCS#1 v1.5",
        Component::Rsa4096PssSha384 => "RSA-4096 PSS",
        Component::Rsa4096Pkcs1Sha384 => "RSA-4096 PKCS#1 v1.5",
        Component::MlDsa44 => "ML-DSA-44",
        Component::MlDsa65 => "ML-DSA-65",
        Component::MlDsa87 => "ML-DSA-87",
        other => other.name(),
    }
}

fn composite(oid: ObjectIdentifier) -> Option<&'static Composite> {
    let arc = arc_under(&oid.to_string(), "1.3.6.1.5.5.7.6.")?;
    COMPOSITES.iter().find(|(of, ..)| *of == arc)
}

/// The one arc that `dotted` has below `prefix`.
fn arc_under(dotted: &str, prefix: &str) -> Option<u32> {
    dotted.strip_prefix(prefix)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::Family;

    fn of(oid: &str) -> AlgorithmDescription {
        algorithm(oid.parse().unwrap())
    }

    #[test]
    fn every_suite_is_supported_and_composites_have_both_halves() {
        for suite in Suite::ALL {
            let described = algorithm(suite.signature_oid());
            assert_eq!(described.support, Support::Supported, "{suite}");
            let parts = parts(suite.signature_oid(), Of::Signature, 5000);
            assert_eq!(parts.len(), if suite.is_composite() { 2 } else { 0 }, "{suite}");
            if let ([first, second], [ml_dsa, traditional]) = (parts.as_slice(), suite.components()) {
                assert_eq!(described.name, suite.name());
                assert_eq!(first.component, component_words(*ml_dsa));
                assert_eq!(first.bytes, ml_dsa.max_signature_len());
                assert_eq!(second.component, component_words(*traditional));
                assert_eq!(second.bytes, 5000 - first.bytes);
            }
        }
    }

    #[test]
    fn look_alikes_are_said_not_to_be_interoperable() {
        for oid in [
            "2.16.840.1.114027.80.8.1.21",
            "2.16.840.1.114027.80.9.1.3",
            "1.3.9999.7.5",
            "1.3.9999.3.11",
            "1.3.6.1.4.1.2.267.12.6.5",
        ] {
            let described = of(oid);
            assert_eq!(described.support, Support::NotInteroperable, "{oid}");
            assert!(described.words.ends_with(": not interoperable"), "{oid}");
            assert_eq!(described.oid, oid);
        }
    }

    #[test]
    fn hybrids_of_oqs_provider_are_named() {
        for (oid, name) in OQS_PROVIDER {
            let described = of(oid);
            assert_eq!(described.name, name);
            assert_eq!(described.support, Support::NotInteroperable, "{name}");
            let error = oid_in_words(oid.parse().unwrap());
            assert!(error.contains(name) && error.contains("oqs-provider"), "{error}");
        }
        // What it may call something tomorrow is still its own.
        assert_eq!(of("1.3.9999.7.99").support, Support::NotInteroperable);
    }

    #[test]
    fn every_suite_goes_by_its_own_name() {
        for suite in Suite::ALL
            .into_iter()
            .filter(|suite| suite.family() != Family::Classical)
        {
            assert_eq!(algorithm(suite.signature_oid()).name, suite.name());
        }
    }

    #[test]
    fn an_error_says_what_a_look_alike_is() {
        let entrust = oid_in_words("2.16.840.1.114027.80.8.1.7".parse().unwrap());
        assert!(entrust.contains("old LAMPS draft (Entrust"), "{entrust}");
        assert_eq!(oid_in_words("1.2.3.4".parse().unwrap()), "1.2.3.4");
    }

    #[test]
    fn standards_that_are_not_implemented_are_named() {
        let described = of("1.3.101.113");
        assert_eq!(described.name, "ed448");
        assert_eq!(described.support, Support::NotImplemented);
        assert_eq!(of("1.3.6.1.5.5.7.6.55").name, "composite ML-KEM");
        assert_eq!(of("1.2.840.113549.1.1.5").support, Support::Refused);
        assert_eq!(of("1.2.3.4").support, Support::Unknown);
    }
}
