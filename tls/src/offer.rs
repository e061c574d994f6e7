//! What we tell a peer about ourselves as a verifier: the schemes we check and the authorities we trust.
//!
//! A peer that follows design §2 chooses its certificate by this, so it says what we *trust*, not what we can compute:
//! ML-DSA and composite schemes only while authorities of that form are held for a trust domain we may talk to, and
//! nothing that our own policy would refuse afterwards.

use rustls::{DistinguishedName, SignatureScheme};
use symbolon_pki::bundle::{BundleSet, TrustBundle};
use symbolon_pki::suite::Form;

use crate::authorize::AuthorizeId;
use crate::demand::Demand;
use crate::scheme::{self, CompositeSchemes};

/// Most octets of names sent in `certificate_authorities`, whose own limit is 65 535. Some 300 authorities.
const MAX_HINT_OCTETS: usize = 24 * 1024;

/// The forms in the order in which their schemes are offered.
const BEST_FIRST: [Form; 3] = [Form::Composite, Form::MlDsa, Form::Classical];

/// The signature schemes to offer, most preferred first.
pub(crate) fn offered_schemes(
    bundles: &BundleSet,
    authorize: &AuthorizeId,
    demand: Demand,
    composites: &CompositeSchemes,
) -> Vec<SignatureScheme> {
    // Who presents a catalyst chain signs as one of the classical form does.
    let signs = |form| demand.accepts(form) || form == Form::Classical && demand.accepts(Form::Catalyst);
    let accepted: Vec<_> = BEST_FIRST.into_iter().filter(|form| signs(*form)).collect();
    // Classical needs no authorities: a peer of another trust domain is to be refused for that, and not be left to say
    // that nothing matches.
    let mut forms = accepted.clone();
    forms.retain(|form| *form == Form::Classical || trusts(bundles, authorize, *form));
    // Nor is an offer ever empty. Where the policy wants what no authority is held for, nobody gets in either way, and
    // this way it is known why.
    if forms.is_empty() {
        forms = accepted;
    }
    let mut offered = Vec::new();
    for form in forms {
        match form {
            Form::Composite => offered.extend(composites.iter().map(|(_, code)| SignatureScheme::from(code))),
            Form::MlDsa => offered.extend(scheme::ML_DSA),
            // A form of which TLS knows no more is classical to it.
            _ => offered.extend(scheme::CLASSICAL),
        }
    }
    offered
}

/// The subjects of our authorities, for the peer's choice of certificate.
///
/// None while all authorities are such that stock software can use them, as SPIRE sends none; unless classical chains are
/// refused, and the peer is to choose a catalyst one. Otherwise all of them that the policies accept, since a stock peer
/// that heeds the list must find its own issuer there; where they are too many, ML-DSA goes first, whose choice hangs on
/// it.
pub(crate) fn root_hints(
    bundles: &BundleSet,
    authorize: &AuthorizeId,
    demand: Demand,
) -> Vec<DistinguishedName> {
    let trusts_any = [Form::MlDsa, Form::Composite]
        .into_iter()
        .any(|form| demand.accepts(form) && trusts(bundles, authorize, form));
    if !trusts_any && demand.accepts(Form::Classical) {
        return Vec::new();
    }
    let mut room = MAX_HINT_OCTETS;
    [Form::MlDsa, Form::Composite, Form::Catalyst, Form::Classical]
        .into_iter()
        .filter(|form| demand.accepts(*form))
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
