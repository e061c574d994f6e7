//! The messages.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use symbolon_api::MAX_MESSAGE;
use symbolon_api::spiffe::workload as wire;
use symbolon_pki::bundle::TrustBundle;
use symbolon_pki::suite::Form;
use symbolon_tls::Migration;

use super::caller::Wanted;
use crate::cache::{Entry, Identity, Offer};
use crate::migration::Stages;
use crate::telemetry;

/// What may go around a field of a message, in bytes: tags and lengths.
const AROUND: usize = 16;

/// The identities for which there is an SVID.
///
/// Answers to those who name forms say of each SVID which it is, and, where the form is among them that its migration leads to,
/// how far that is, and give each a hint of its own: that of the entry, or if it has none its id, and the form. A pair is two SVIDs, one after the other, whose hints end in what each of them is.
///
/// The bundles of other trust domains are those of the forms that were asked for, as the own one is in [`x509_bundles`]:
/// which form a peer of another trust domain will show is not for us to know.
pub(super) fn x509(
    identities: &[Identity],
    bundle: &TrustBundle,
    federated: &[Arc<TrustBundle>],
    stages: &Stages,
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
        let migration = stages
            .of(&identity.entry.id)
            .filter(|migration| wanted.can_follow(*migration));
        let name_of =
            |name: fn(Migration) -> &'static str| migration.map(name).unwrap_or_default().to_owned();
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
            migration_target: name_of(|migration| migration.target.name()),
            migration_stage: name_of(|migration| migration.stage.name()),
        }
    });
    let svids: Vec<_> = svids.collect();
    let used = svids.iter().map(length).sum();
    let federated = federated.iter().map(|bundle| x509_bundle(bundle, wanted));
    wire::X509svidResponse {
        svids,
        crl: Vec::new(),
        federated_bundles: those_that_fit(federated, used).collect(),
    }
}

/// What an SVID takes of a message, at most.
fn length(svid: &wire::X509svid) -> usize {
    let texts = [
        &svid.spiffe_id,
        &svid.hint,
        &svid.form,
        &svid.migration_target,
        &svid.migration_stage,
    ]
    .map(|text| text.len() + AROUND);
    let bytes = [
        &svid.x509_svid,
        &svid.x509_svid_key,
        &svid.alternative_key,
        &svid.bundle,
    ];
    AROUND + texts.iter().sum::<usize>() + bytes.map(|bytes| bytes.len() + AROUND).iter().sum::<usize>()
}

/// The bundles of other trust domains for which there is room in a message beside the `used` bytes of our own. What others
/// publish must not keep a workload from what is its own.
fn those_that_fit(
    bundles: impl Iterator<Item = (String, Vec<u8>)>,
    used: usize,
) -> impl Iterator<Item = (String, Vec<u8>)> {
    let mut room = MAX_MESSAGE.saturating_sub(used + AROUND);
    bundles.filter(move |(trust_domain, bundle)| {
        let needed = trust_domain.len() + bundle.len() + 3 * AROUND;
        let fits = needed <= room;
        match fits {
            true => room -= needed,
            false => tracing::warn!(
                event = telemetry::FEDERATED_BUNDLE_MISSING,
                trust_domain,
                reason = "there is no room for it in a message of the Workload API",
                bytes = bundle.len(),
            ),
        }
        fits
    })
}

/// What is our own, and as many of the others as fit beside it.
fn own_first(
    own: (String, Vec<u8>),
    federated: impl Iterator<Item = (String, Vec<u8>)>,
) -> HashMap<String, Vec<u8>> {
    let used = own.0.len() + own.1.len() + 3 * AROUND;
    std::iter::once(own)
        .chain(those_that_fit(federated, used))
        .collect()
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
    let federated = federated.iter().map(|bundle| x509_bundle(bundle, wanted));
    wire::X509BundlesResponse {
        crl: Vec::new(),
        bundles: own_first(x509_bundle(bundle, wanted), federated),
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
    let named = |bundle: &TrustBundle| (bundle.trust_domain.id_string(), bundle.to_jwt_jwks().into_bytes());
    wire::JwtBundlesResponse {
        bundles: own_first(
            named(bundle),
            federated.iter().map(|bundle| named(bundle.as_ref())),
        ),
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

#[cfg(test)]
mod tests {
    use spiffe::TrustDomain;
    use symbolon_pki::bundle::JwtAuthority;
    use symbolon_pki::key::PrivateKey;
    use symbolon_pki::suite::Suite;

    use super::*;

    /// A bundle whose one JWT key has a name of this length.
    fn bundle(name: &str, length: usize) -> TrustBundle {
        let key = PrivateKey::generate(Suite::EcdsaP256).unwrap();
        let spki = key.public_key().unwrap().spki_der();
        let mut bundle = TrustBundle::new(TrustDomain::new(name).unwrap());
        bundle.jwt_authorities = vec![JwtAuthority::from_spki_der("k".repeat(length), &spki).unwrap()];
        bundle
    }

    #[test]
    fn what_others_publish_leaves_room_for_our_own() {
        let own = bundle("example.org", 8);
        let others = [
            bundle("a.test", MAX_MESSAGE),
            bundle("b.test", MAX_MESSAGE / 2),
            bundle("c.test", MAX_MESSAGE / 2),
            bundle("d.test", 8),
        ];
        let answer = jwt_bundles(&own, &others.map(Arc::new));
        let mut names: Vec<_> = answer.bundles.keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            ["spiffe://b.test", "spiffe://d.test", "spiffe://example.org"]
        );
        let length: usize = answer.bundles.values().map(Vec::len).sum();
        assert!(length < MAX_MESSAGE, "{length}");
    }

    #[test]
    fn nothing_is_taken_where_there_is_no_room() {
        let bundles = || [("spiffe://a.test".to_owned(), vec![0; 100])].into_iter();
        assert_eq!(those_that_fit(bundles(), 0).count(), 1);
        assert_eq!(those_that_fit(bundles(), MAX_MESSAGE - 100).count(), 0);
        assert_eq!(those_that_fit(bundles(), usize::MAX - AROUND).count(), 0);
    }
}
