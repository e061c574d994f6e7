//! The messages.

use std::collections::HashMap;

use symbolon_api::spiffe::workload as wire;
use symbolon_pki::bundle::TrustBundle;
use symbolon_pki::suite::Form;

use super::caller::Wanted;
use crate::cache::{Entry, Identity, Offer};

/// The identities for which there is an SVID.
///
/// Answers to those who name forms say of each SVID which it is, and give each a hint of its own: that of the entry, or
/// if it has none its id, and the form.
pub(super) fn x509(identities: &[Identity], bundle: &TrustBundle, wanted: &Wanted) -> wire::X509svidResponse {
    let mut roots: HashMap<Form, Vec<u8>> = HashMap::new();
    let svids = identities.iter().filter_map(|identity| {
        let Offer::Ready(svid) = &identity.offer else {
            return None;
        };
        let roots = roots
            .entry(identity.form)
            .or_insert_with(|| authorities(bundle, &[identity.form]));
        Some(wire::X509svid {
            spiffe_id: identity.entry.spiffe_id.to_string(),
            x509_svid: svid.chain.clone(),
            x509_svid_key: svid.key.0.to_vec(),
            bundle: roots.clone(),
            hint: hint(&identity.entry, identity.form, wanted),
            form: match wanted.named {
                true => identity.form.name().to_owned(),
                false => String::new(),
            },
        })
    });
    wire::X509svidResponse {
        svids: svids.collect(),
        crl: Vec::new(),
        federated_bundles: HashMap::new(),
    }
}

fn hint(entry: &Entry, form: Form, wanted: &Wanted) -> String {
    match (wanted.named, entry.hint.as_str()) {
        (false, hint) => hint.to_owned(),
        (true, "") => format!("{}/{form}", entry.id),
        (true, hint) => format!("{hint}/{form}"),
    }
}

/// The X.509 bundle, by its trust domain's SPIFFE ID as SPIRE has it.
pub(super) fn x509_bundles(bundle: &TrustBundle, wanted: &Wanted) -> wire::X509BundlesResponse {
    wire::X509BundlesResponse {
        crl: Vec::new(),
        bundles: [(
            bundle.trust_domain.id_string(),
            authorities(bundle, &wanted.forms),
        )]
        .into(),
    }
}

/// The JWT bundle, likewise.
pub(super) fn jwt_bundles(bundle: &TrustBundle) -> wire::JwtBundlesResponse {
    wire::JwtBundlesResponse {
        bundles: [(bundle.trust_domain.id_string(), bundle.to_jwt_jwks().into_bytes())].into(),
    }
}

/// The authorities of these forms in DER, one after the other.
fn authorities(bundle: &TrustBundle, forms: &[Form]) -> Vec<u8> {
    let of_forms = forms.iter().flat_map(|form| bundle.authorities_of(*form));
    of_forms
        .flat_map(|authority| authority.certificate.der())
        .copied()
        .collect()
}
