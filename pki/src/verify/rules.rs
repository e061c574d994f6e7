//! The rules for one certificate by itself: those of X509-SVID, and of RFC 5280 and RFC 9881 beneath them.
//!
//! [`Certificate`] has already refused what is malformed, said twice or not in DER.

use std::time::{Duration, SystemTime};

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5280::{
    ANY_EXTENDED_KEY_USAGE, ID_CE_BASIC_CONSTRAINTS, ID_CE_EXT_KEY_USAGE, ID_CE_KEY_USAGE,
    ID_CE_SUBJECT_ALT_NAME, ID_KP_CLIENT_AUTH, ID_KP_SERVER_AUTH,
};
use spiffe::{SpiffeId, TrustDomain};
use x509_cert::ext::pkix::KeyUsage;

use super::VerifyOptions;
use super::error::{ChainReason, Role};
use super::path::{StepKey, alternative_of};
use super::profile::AlgorithmProfile;
use crate::certificate::Certificate;
use crate::kem::KemPublicKey;
use crate::key::SubjectKey;
use crate::suite::Form;
use crate::text;

/// DER of a name without any part.
const EMPTY_NAME: &[u8] = &[0x30, 0x00];

/// The rules for any certificate on a path whose key signs; gives that key.
pub(super) fn check_signing_key<'a>(
    certificate: &'a Certificate,
    role: Role,
    now: SystemTime,
    options: &VerifyOptions,
) -> Result<&'a SubjectKey, ChainReason> {
    check_any(certificate, now)?;
    let key = certificate
        .subject_key()
        .map_err(|problem| ChainReason::Key(problem.clone()))?;
    let alternative = alternative_of(certificate, options);
    let form = if alternative.is_some() {
        Form::Catalyst
    } else {
        key.form()
    };
    let policy = options.policy;
    if !policy.accepts(form) {
        return Err(ChainReason::Policy { policy, form });
    }
    if let Some(profile) = &options.profile {
        let is_leaf = role == Role::Leaf;
        profile
            .judge_key(key, alternative, is_leaf, now)
            .map_err(ChainReason::Profile)?;
        check_signature_profile(certificate, role, profile, now)?;
    }
    Ok(key)
}

/// The rules for a leaf whose key is that of a KEM.
pub(super) fn check_kem_key(
    certificate: &Certificate,
    key: &KemPublicKey,
    now: SystemTime,
    options: &VerifyOptions,
) -> Result<(), ChainReason> {
    check_any(certificate, now)?;
    let (policy, form) = (options.policy, Form::MlDsa);
    if !policy.accepts(form) {
        return Err(ChainReason::Policy { policy, form });
    }
    if let Some(profile) = &options.profile {
        profile
            .judge_kem(key.parameter_set(), now)
            .map_err(ChainReason::Profile)?;
        check_signature_profile(certificate, Role::Leaf, profile, now)?;
    }
    Ok(())
}

/// A bundle's own authority is believed for standing there, however it is signed.
fn check_signature_profile(
    certificate: &Certificate,
    role: Role,
    profile: &AlgorithmProfile,
    now: SystemTime,
) -> Result<(), ChainReason> {
    match certificate.algorithm() {
        Ok(algorithm) if role != Role::Authority => profile
            .judge_signature(algorithm, role == Role::Leaf, now)
            .map_err(ChainReason::Profile),
        _ => Ok(()),
    }
}

/// The rules for any certificate on a path.
fn check_any(certificate: &Certificate, now: SystemTime) -> Result<(), ChainReason> {
    if let Some(&extension) = certificate.unprocessed_critical_extensions().first() {
        return Err(ChainReason::CriticalExtension(extension));
    }
    check_validity(certificate, now)
}

/// Whether `now` lies within the certificate's validity, both ends included (RFC 5280, section 4.1.2.5).
fn check_validity(certificate: &Certificate, now: SystemTime) -> Result<(), ChainReason> {
    let (not_before, not_after) = (certificate.not_before(), certificate.not_after());
    if now < not_before {
        return Err(ChainReason::NotYetValid { not_before, now });
    }
    // Certificates know whole seconds only, and the last one counts to its end.
    match not_after.checked_add(Duration::from_secs(1)) {
        Some(end) if now >= end => Err(ChainReason::Expired { not_after, now }),
        _ => Ok(()),
    }
}

/// The rules for a leaf; gives the identity it claims.
pub(super) fn check_leaf(certificate: &Certificate, key: StepKey<'_>) -> Result<SpiffeId, ChainReason> {
    if certificate.is_ca() {
        return Err(ChainReason::LeafIsCa);
    }
    if certificate.name_constraints().is_some() {
        return Err(ChainReason::NameConstraintsOfLeaf);
    }
    let usage = critical_key_usage(certificate)?;
    if usage.key_cert_sign() {
        return Err(ChainReason::KeyUsageOfCa("keyCertSign"));
    }
    if usage.crl_sign() {
        return Err(ChainReason::KeyUsageOfCa("cRLSign"));
    }
    match key {
        StepKey::Signs(key) => {
            if !usage.digital_signature() {
                return Err(ChainReason::KeyUsageLacks("digitalSignature"));
            }
            check_usage_of_algorithm(key, usage)?;
            check_extended_usage(certificate, false)?;
        }
        // What a KEM key is for is no end of TLS.
        StepKey::Kem(key) => check_usage_of_kem(key, usage)?,
    }

    let [uri] = certificate.uri_sans() else {
        return Err(ChainReason::UriNames(certificate.uri_sans().len()));
    };
    check_named(certificate)?;
    let id = parse_spiffe_id(uri)?;
    if id.path().is_empty() {
        Err(ChainReason::NoPath)
    } else {
        Ok(id)
    }
}

/// The rules for a signing certificate that arrived with the leaf and must prove itself.
pub(super) fn check_intermediate(
    certificate: &Certificate,
    key: &SubjectKey,
    trust_domain: &TrustDomain,
) -> Result<(), ChainReason> {
    if !certificate.is_ca() {
        return Err(ChainReason::NotCa);
    }
    if !is_critical(certificate, ID_CE_BASIC_CONSTRAINTS) {
        return Err(ChainReason::BasicConstraintsNotCritical);
    }
    let usage = critical_key_usage(certificate)?;
    if !usage.key_cert_sign() {
        return Err(ChainReason::KeyUsageLacks("keyCertSign"));
    }
    check_usage_of_algorithm(key, usage)?;
    check_extended_usage(certificate, true)?;
    check_named(certificate)?;
    check_signing_names(certificate, trust_domain)
}

/// The rules for a signing certificate out of the bundle. Whoever made the bundle vouches for its names; roots of
/// enterprise PKIs may lack keyUsage, so its absence is no fault (RFC 5280, section 6.1.1 (d), asks even less). Old ones
/// also have basicConstraints that are not critical, which can mislead nobody who reads them, and we do.
pub(super) fn check_authority(certificate: &Certificate, key: &SubjectKey) -> Result<(), ChainReason> {
    if !certificate.is_ca() {
        return Err(ChainReason::NotCa);
    }
    match certificate.key_usage() {
        Some(usage) if !usage.key_cert_sign() => Err(ChainReason::KeyUsageLacks("keyCertSign")),
        Some(usage) => check_usage_of_algorithm(key, usage),
        None => Ok(()),
    }
}

/// Whether a signing certificate allows `below` intermediates between it and the leaf.
pub(super) fn check_path_length(certificate: &Certificate, below: usize) -> Result<(), ChainReason> {
    match certificate.path_len().map(usize::from) {
        Some(allowed) if below > allowed => Err(ChainReason::PathLength {
            allowed,
            found: below,
        }),
        _ => Ok(()),
    }
}

fn critical_key_usage(certificate: &Certificate) -> Result<KeyUsage, ChainReason> {
    let usage = certificate.key_usage().ok_or(ChainReason::NoKeyUsage)?;
    if is_critical(certificate, ID_CE_KEY_USAGE) {
        Ok(usage)
    } else {
        Err(ChainReason::KeyUsageNotCritical)
    }
}

fn is_critical(certificate: &Certificate, extension: ObjectIdentifier) -> bool {
    certificate
        .extension(extension)
        .is_some_and(|extension| extension.critical)
}

/// Whose only names are the alternative ones must say so (RFC 5280, section 4.2.1.6): software that passes over them
/// would believe in a certificate for nobody.
fn check_named(certificate: &Certificate) -> Result<(), ChainReason> {
    if certificate.subject_der() == EMPTY_NAME && !is_critical(certificate, ID_CE_SUBJECT_ALT_NAME) {
        Err(ChainReason::AlternativeNamesNotCritical)
    } else {
        Ok(())
    }
}

/// Post-quantum and composite keys sign and do nothing else. Classical ones are left alone: stock CAs give
/// keyEncipherment and keyAgreement to all of them.
fn check_usage_of_algorithm(key: &SubjectKey, usage: KeyUsage) -> Result<(), ChainReason> {
    if key.form() == Form::Classical {
        return Ok(());
    }
    let forbidden = [
        (usage.key_encipherment(), "keyEncipherment"),
        (usage.data_encipherment(), "dataEncipherment"),
        (usage.key_agreement(), "keyAgreement"),
        (usage.encipher_only(), "encipherOnly"),
        (usage.decipher_only(), "decipherOnly"),
    ];
    refuse_usages(forbidden, || key.algorithm_name())
}

/// ML-KEM keys receive shared secrets and do nothing else (RFC 9935, section 5).
fn check_usage_of_kem(key: &KemPublicKey, usage: KeyUsage) -> Result<(), ChainReason> {
    if !usage.key_encipherment() {
        return Err(ChainReason::KeyUsageLacks("keyEncipherment"));
    }
    let forbidden = [
        (usage.digital_signature(), "digitalSignature"),
        (usage.non_repudiation(), "nonRepudiation"),
        (usage.data_encipherment(), "dataEncipherment"),
        (usage.key_agreement(), "keyAgreement"),
        (usage.encipher_only(), "encipherOnly"),
        (usage.decipher_only(), "decipherOnly"),
    ];
    refuse_usages(forbidden, || key.parameter_set().to_string())
}

/// Refuses the first usage that is set.
fn refuse_usages<const N: usize>(
    forbidden: [(bool, &'static str); N],
    algorithm: impl FnOnce() -> String,
) -> Result<(), ChainReason> {
    match forbidden.into_iter().find(|(set, _)| *set) {
        Some((_, usage)) => Err(ChainReason::KeyUsageOfAlgorithm {
            usage,
            algorithm: algorithm(),
        }),
        None => Ok(()),
    }
}

/// Extended usages, if there are any, must cover both ends of TLS. "Any" is enough for a CA, not for a leaf.
fn check_extended_usage(certificate: &Certificate, any_will_do: bool) -> Result<(), ChainReason> {
    if certificate.extension(ID_CE_EXT_KEY_USAGE).is_none() {
        return Ok(());
    }
    let usages = certificate.extended_key_usages();
    if any_will_do && usages.contains(&ANY_EXTENDED_KEY_USAGE) {
        return Ok(());
    }
    for (usage, name) in [
        (ID_KP_SERVER_AUTH, "serverAuth"),
        (ID_KP_CLIENT_AUTH, "clientAuth"),
    ] {
        if !usages.contains(&usage) {
            return Err(ChainReason::ExtendedKeyUsageLacks(name));
        }
    }
    Ok(())
}

/// A signing certificate may have no SPIFFE ID; if it has one, it is its trust domain's.
fn check_signing_names(certificate: &Certificate, trust_domain: &TrustDomain) -> Result<(), ChainReason> {
    let uri = match certificate.uri_sans() {
        [] => return Ok(()),
        [uri] => uri,
        several => return Err(ChainReason::UriNames(several.len())),
    };
    let id = parse_spiffe_id(uri)?;
    if id.trust_domain() != trust_domain {
        let (found, expected) = (id.trust_domain().clone(), trust_domain.clone());
        return Err(ChainReason::OtherTrustDomain { found, expected });
    }
    if id.path().is_empty() {
        Ok(())
    } else {
        Err(ChainReason::SigningCertificateWithPath(id))
    }
}

fn parse_spiffe_id(uri: &str) -> Result<SpiffeId, ChainReason> {
    text::canonical_spiffe_id(uri).map_err(|problem| ChainReason::SpiffeId {
        uri: text::printable(uri),
        problem,
    })
}
