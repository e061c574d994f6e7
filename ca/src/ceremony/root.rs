//! The root's name, and what is below it.

use std::time::SystemTime;

use const_oid::ObjectIdentifier;
use symbolon_pki::bundle::{TrustBundle, X509Authority};
use symbolon_pki::certificate::{Certificate, Subtree};
use symbolon_pki::verify::{ChainError, VerifyOptions, verify_authority};

use super::plan::Plan;

/// organizationName (RFC 4519, section 2.19).
pub(super) const ORGANIZATION_OID: ObjectIdentifier = const_oid::db::rfc4519::O;

/// What a rehearsal's root begins its organization with.
const DRY_RUN: &str = "DRY RUN ";

/// Longest organization, in characters (RFC 5280, appendix A.1, `ub-organization-name`).
const MAX_ORGANIZATION: usize = 64;

/// The organization in the root's subject; that of a rehearsal says what it is.
pub(super) fn organization(plan: &Plan, dry_run: bool) -> String {
    if dry_run {
        let words = format!("{DRY_RUN}{}", plan.organization);
        words.chars().take(MAX_ORGANIZATION).collect()
    } else {
        plan.organization.clone()
    }
}

/// Whether the root's name constraints are those that the file wants: none, or the URIs of the trust domain alone.
pub(super) fn constrains_as_planned(plan: &Plan, root: &Certificate) -> bool {
    match (root.name_constraints(), plan.root.name_constraints) {
        (None, false) => true,
        (Some(found), true) => {
            found.excluded.is_empty()
                && found.permitted == [Subtree::Uri(plan.trust_domain.as_str().to_owned())]
        }
        _ => false,
    }
}

/// Verifies an intermediate against the root as any verifier would who trusts the root.
pub(super) fn verify_below(
    plan: &Plan,
    root: &Certificate,
    intermediate: &Certificate,
    at: SystemTime,
) -> Result<(), Box<ChainError>> {
    let mut bundle = TrustBundle::new(plan.trust_domain.clone());
    bundle.x509_authorities.push(X509Authority::new(root.clone()));
    let chain = std::slice::from_ref(intermediate);
    verify_authority(chain, &bundle, at, &VerifyOptions::default())?;
    Ok(())
}
