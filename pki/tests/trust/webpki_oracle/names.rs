//! Name constraints.

use const_oid::db::rfc5280::ID_CE_NAME_CONSTRAINTS;
use der::Encode as _;
use der::asn1::{Ia5String, OctetString};
use proptest::prelude::*;
use symbolon_pki::suite::Suite;
use x509_cert::ext::pkix::constraints::name::GeneralSubtree;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{NameConstraints, SubjectAltName};

use super::{Chain, good};
use crate::support::{Ca, Draft, signer};

fn names(list: &[String]) -> Vec<GeneralName> {
    list.iter()
        .map(|name| GeneralName::DnsName(Ia5String::new(name).unwrap()))
        .collect()
}

fn subtrees(list: &[String]) -> Option<Vec<GeneralSubtree>> {
    let subtree = |base| GeneralSubtree {
        base,
        minimum: 0,
        maximum: None,
    };
    (!list.is_empty()).then(|| names(list).into_iter().map(subtree).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// DNS name constraints of any shape, at the root or in the middle, against names of any shape.
    #[test]
    fn verdicts_on_name_constraints_agree(
        permitted in proptest::collection::vec("(a\\.|b\\.)?(a|b)\\.(org|com)|org|\\.a\\.org", 0..3),
        excluded in proptest::collection::vec("(a\\.|b\\.)?(a|b)\\.(org|com)|\\.b\\.org", 0..3),
        found in proptest::collection::vec("(a\\.|b\\.|ab\\.)?(a|b|A)\\.(org|com)", 0..4),
        at_root in any::<bool>(),
    ) {
        thread_local! {
            static KEYS: [symbolon_pki::key::SuiteSigner; 3] = [(); 3].map(|()| signer(Suite::Ed25519));
        }
        let constraints = NameConstraints {
            permitted_subtrees: subtrees(&permitted),
            excluded_subtrees: subtrees(&excluded),
        };
        let constrain = |draft: &mut Draft, here: bool| {
            if here && (!permitted.is_empty() || !excluded.is_empty()) {
                draft.set_raw(ID_CE_NAME_CONSTRAINTS, true, &constraints.to_der().unwrap());
            }
        };
        let id = GeneralName::UniformResourceIdentifier(
            Ia5String::new("spiffe://example.org/workload").unwrap(),
        );
        let chain = KEYS.with(|[root, _, _]| {
            let root = Ca::root_with(root.clone(), |draft| constrain(draft, at_root));
            let middle = root.intermediate(Suite::Ed25519, |draft| constrain(draft, !at_root));
            let leaf = middle.leaf(Suite::Ed25519, |draft| {
                let mut all = vec![id];
                all.extend(names(&found));
                draft.set(false, &SubjectAltName(all));
            });
            Chain { root, middle, leaf }
        });
        let (ours, theirs) = (chain.ours(&[]), chain.theirs(&[]));
        prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "{:?} {:?}", ours, theirs);
    }
}

#[test]
fn constraints_that_webpki_does_not_apply_are_refused_by_it() {
    let uri = |text: &str| GeneralName::UniformResourceIdentifier(Ia5String::new(text).unwrap());
    let ip = GeneralName::IpAddress(OctetString::new(&[10, 0, 0, 0, 255, 0, 0, 0][..]).unwrap());
    for (base, differs) in [
        (
            uri("example.org"),
            Some("webpki does not apply constraints on URIs"),
        ),
        (uri("example.com"), None),
        // Nothing of that kind is there.
        (ip, None),
    ] {
        let constraints = NameConstraints {
            permitted_subtrees: Some(vec![GeneralSubtree {
                base,
                minimum: 0,
                maximum: None,
            }]),
            excluded_subtrees: None,
        };
        let root = Ca::root(Suite::Ed25519);
        let middle = root.intermediate(Suite::Ed25519, |draft| {
            draft.set_raw(ID_CE_NAME_CONSTRAINTS, true, &constraints.to_der().unwrap());
        });
        let leaf = middle.leaf(Suite::Ed25519, good);
        Chain { root, middle, leaf }.compare("URI or IP", &[], differs);
    }
}
