//! The messages.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use symbolon_api::spiffe::workload as wire;
use symbolon_pki::bundle::TrustBundle;
use symbolon_pki::suite::Form;

use super::caller::Wanted;
use crate::cache::{Entry, Identity, Offer};

/// The identities for which there is an SVID.
///
/// Answers to those who name forms say of each SVID which it is, and give each a hint of its own: that of the entry, or
/// if it has none its id, and the form. A pair is two SVIDs, one after the other, whose hints end in what each of them is.
///
/// The bundles of other trust domains are those of the forms that were asked for, as the own one is in [`x509_bundles`]:
/// which form a peer of another trust domain will show is not for us to know.
pub(super) fn x509(
    identities: &[Identity],
    bundle: &TrustBundle,
    federated: &[Arc<TrustBundle>],
    wanted: &Wanted,
) -> wire::X509svidResponse {
    let mut roots: HashMap<Form, Vec<u8>> = HashMap::new();
    let ready = identities.iter().filter_map(|identity| match &identity.offer {
        Offer::Ready(svid) => Some((identity, svid)),
        _ => None,
    });
    let parts = ready.flat_map(|(identity, svid)| svid.parts.iter().map(move |part| (identity, part)));
    let svids = parts.map(|(identity, part)| {
        let roots = roots
            .entry(part.form)
            .or_insert_with(|| authorities(bundle, &[part.form]));
        wire::X509svid {
            spiffe_id: identity.entry.spiffe_id.to_string(),
            x509_svid: part.chain.clone(),
            x509_svid_key: part.key.0.to_vec(),
            alternative_key: part
                .alternative_key
                .as_ref()
                .map(|key| key.0.to_vec())
                .unwrap_or_default(),
            bundle: roots.clone(),
            hint: hint(&identity.entry, identity.form, part.form, wanted),
            form: match wanted.named {
                true => identity.form.name().to_owned(),
                false => String::new(),
            },
        }
    });
    wire::X509svidResponse {
        svids: svids.collect(),
        crl: Vec::new(),
        federated_bundles: federated
            .iter()
            .map(|bundle| x509_bundle(bundle, wanted))
            .collect(),
    }
}

fn hint(entry: &Entry, form: Form, part: Form, wanted: &Wanted) -> String {
    let name = match (wanted.named, entry.hint.as_str()) {
        (false, hint) => return hint.to_owned(),
        (true, "") => entry.id.as_str(),
        (true, hint) => hint,
    };
    match form {
        Form::Paired => format!("{name}/{form}/{part}"),
        form => format!("{name}/{form}"),
    }
}

/// The X.509 bundles, by their trust domains' SPIFFE IDs as SPIRE has it.
pub(super) fn x509_bundles(
    bundle: &TrustBundle,
    federated: &[Arc<TrustBundle>],
    wanted: &Wanted,
) -> wire::X509BundlesResponse {
    let all = std::iter::once(bundle).chain(federated.iter().map(Arc::as_ref));
    wire::X509BundlesResponse {
        crl: Vec::new(),
        bundles: all.map(|bundle| x509_bundle(bundle, wanted)).collect(),
    }
}

fn x509_bundle(bundle: &TrustBundle, wanted: &Wanted) -> (String, Vec<u8>) {
    (
        bundle.trust_domain.id_string(),
        authorities(bundle, &wanted.forms),
    )
}

/// The JWT bundles, likewise.
pub(super) fn jwt_bundles(bundle: &TrustBundle, federated: &[Arc<TrustBundle>]) -> wire::JwtBundlesResponse {
    let all = std::iter::once(bundle).chain(federated.iter().map(Arc::as_ref));
    let named = |bundle: &TrustBundle| (bundle.trust_domain.id_string(), bundle.to_jwt_jwks().into_bytes());
    wire::JwtBundlesResponse {
        bundles: all.map(named).collect(),
    }
}

/// The authorities of these forms in DER, one after the other. Who trusts the classical ones, if only for the first half of
/// a pair, trusts the catalyst ones as well: to software that does not look closer they are classical, and so are the
/// peers that they vouch for.
fn authorities(bundle: &TrustBundle, forms: &[Form]) -> Vec<u8> {
    let mut seen = HashSet::new();
    let of_form = |form: &Form| {
        let catalyst = matches!(form, Form::Classical | Form::Paired).then_some(Form::Catalyst);
        std::iter::once(*form)
            .chain(catalyst)
            .flat_map(|form| bundle.authorities_of(form))
    };
    forms
        .iter()
        .flat_map(of_form)
        .map(|authority| authority.certificate.der())
        .filter(|der| seen.insert(*der))
        .flatten()
        .copied()
        .collect()
}
