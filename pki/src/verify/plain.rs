//! Chains of other PKIs: a device's identity, the endorsement of a TPM.
//!
//! The path is found and its signatures, dates, authorities, lengths and name constraints are checked as for SVIDs (RFC
//! 5280, section 6). What a leaf is for, and what its names mean, whoever asked knows and checks.

use std::time::SystemTime;

use super::error::{ChainError, Role};
use super::path::{Search, Step, StepKey};
use super::{VerifyOptions, at_first, refuse_shared_component_keys, rules, split};
use crate::bundle::X509Authority;
use crate::certificate::Certificate;
use crate::suite::Form;

/// A chain that leads to one of the authorities.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct VerifiedPath {
    /// The certificates of the path: the leaf first, the authority last. One alone if the leaf itself is an authority's.
    pub certificates: Vec<Certificate>,
    /// What the path is worth: the form of its weakest key, the leaf's included.
    pub form: Form,
    /// Until when all certificates of the path are valid.
    pub not_after: SystemTime,
}

/// Verifies a chain of a PKI that knows nothing of SPIFFE.
///
/// `chain` has the leaf first; signing certificates follow in any order. A leaf that stands among `authorities` itself is
/// believed for that.
///
/// # Errors
/// [`ChainError`]: which certificate broke which rule.
pub fn verify_plain_chain(
    chain: &[Certificate],
    authorities: &[X509Authority],
    now: SystemTime,
    options: &VerifyOptions,
) -> Result<VerifiedPath, ChainError> {
    let (leaf, rest) = split(chain)?;
    let key = rules::check_signing_key(leaf, Role::Leaf, now, options)
        .map_err(|reason| at_first(leaf, Role::Leaf, reason))?;
    let first = Step {
        certificate: leaf,
        key: StepKey::Signs(key),
        role: Role::Leaf,
    };
    if authorities
        .iter()
        .any(|authority| authority.certificate.der() == leaf.der())
    {
        return Ok(VerifiedPath {
            certificates: vec![leaf.clone()],
            form: first.form(options),
            not_after: leaf.not_after(),
        });
    }
    let path = Search::plain(first, rest, authorities, now, options).run()?;
    refuse_shared_component_keys(&path)?;
    Ok(VerifiedPath {
        certificates: path.steps.iter().map(|step| step.certificate.clone()).collect(),
        form: path.form,
        not_after: path.not_after(),
    })
}
