//! What we tell a peer about ourselves as a verifier: the schemes we check and the authorities we trust.
//!
//! A peer that follows design §2 chooses its certificate by this, so it says what we *trust*, not what we can compute:
//! ML-DSA and composite schemes only while authorities of that form are held for a trust domain we may talk to.

use rustls::{DistinguishedName, SignatureScheme};
use symbolon_pki::bundle::{BundleSet, TrustBundle};
use symbolon_pki::suite::Form;

use crate::authorize::AuthorizeId;
use crate::scheme::{self, CompositeSchemes};

/// Most octets of names sent in `certificate_authorities`, whose own limit is 65 535. Some 300 authorities.
const MAX_HINT_OCTETS: usize = 24 * 1024;

/// The signature schemes to offer, most preferred first.
pub(crate) fn offered_schemes(
    bundles: &BundleSet,
    authorize: &AuthorizeId,
    composites: &CompositeSchemes,
) -> Vec<SignatureScheme> {
    let mut offered = Vec::new();
    if trusts(bundles, authorize, Form::Composite) {
        offered.extend(composites.iter().map(|(_, code)| SignatureScheme::from(code)));
    }
    if trusts(bundles, authorize, Form::MlDsa) {
        offered.extend(scheme::ML_DSA);
    }
    // Classical stands always: without it a peer could only say that nothing matches, and not be refused for a reason.
    offered.extend(scheme::CLASSICAL);
    offered
}

/// The subjects of our authorities, for the peer's choice of certificate.
///
/// None while all authorities are classical, as SPIRE sends none. Otherwise all of them, since a stock peer that
/// heeds the list must find its own issuer there; where they are too many, ML-DSA goes first, whose choice hangs on it.
pub(crate) fn root_hints(bundles: &BundleSet, authorize: &AuthorizeId) -> Vec<DistinguishedName> {
    if ![Form::MlDsa, Form::Composite]
        .into_iter()
        .any(|form| trusts(bundles, authorize, form))
    {
        return Vec::new();
    }
    let mut room = MAX_HINT_OCTETS;
    [Form::MlDsa, Form::Composite, Form::Classical]
        .into_iter()
        .flat_map(|form| reachable(bundles, authorize).flat_map(move |bundle| bundle.authorities_of(form)))
        .map(|authority| authority.certificate.subject_der())
        .map_while(|name| {
            room = room.checked_sub(name.len())?;
            Some(DistinguishedName::from(name.to_vec()))
        })
        .collect()
}

fn trusts(bundles: &BundleSet, authorize: &AuthorizeId, form: Form) -> bool {
    reachable(bundles, authorize).any(|bundle| bundle.authorities_of(form).next().is_some())
}

fn reachable<'a>(
    bundles: &'a BundleSet,
    authorize: &'a AuthorizeId,
) -> impl Iterator<Item = &'a TrustBundle> {
    bundles
        .iter()
        .map(AsRef::as_ref)
        .filter(|bundle: &&TrustBundle| authorize.may_reach(&bundle.trust_domain))
}
