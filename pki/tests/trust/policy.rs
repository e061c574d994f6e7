//! What a path must be worth, as the verifier's policy says: which chains a policy refuses, at which certificate.

use crate::support::{Ca, bundle, bundles, now};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::suite::{Form, Suite};
use symbolon_pki::verify::{
    ChainReason, PathPolicy, Role, VerifiedSvid, VerifyOptions, verify_authority, verify_x509_svid_with,
};

const CLASSICAL: Suite = Suite::EcdsaP256;
const ML_DSA: Suite = Suite::MlDsa65;
const COMPOSITE: Suite = Suite::MlDsa65EcdsaP256;

fn options(policy: PathPolicy) -> VerifyOptions {
    let mut options = VerifyOptions::default();
    options.policy = policy;
    options
}

fn verify(
    chain: &[Certificate],
    authorities: &[&Certificate],
    policy: PathPolicy,
) -> Result<VerifiedSvid, (usize, Role, ChainReason)> {
    verify_x509_svid_with(chain, &bundles(authorities), now(), &options(policy))
        .map_err(|error| (error.certificate, error.role, *error.reason))
}

#[test]
fn every_key_on_the_path_counts() {
    use PathPolicy::{ClassicalOk, HybridRequired, PqRequired};
    for (root, middle, leaf) in [
        (COMPOSITE, COMPOSITE, COMPOSITE),
        (ML_DSA, ML_DSA, ML_DSA),
        (CLASSICAL, CLASSICAL, CLASSICAL),
        // Whoever can forge for the weakest key makes the rest himself.
        (CLASSICAL, COMPOSITE, COMPOSITE),
        (COMPOSITE, CLASSICAL, COMPOSITE),
        (COMPOSITE, COMPOSITE, CLASSICAL),
        (ML_DSA, COMPOSITE, COMPOSITE),
        (COMPOSITE, ML_DSA, COMPOSITE),
        (COMPOSITE, COMPOSITE, ML_DSA),
    ] {
        let root_ca = Ca::root(root);
        let middle_ca = root_ca.intermediate(middle, |_| ());
        let chain = [middle_ca.leaf(leaf, |_| ()), middle_ca.certificate];
        for policy in [ClassicalOk, PqRequired, HybridRequired] {
            let got = verify(&chain, &[&root_ca.certificate], policy);
            // The one at fault that is nearest to the leaf.
            let fault = [
                (leaf, Role::Leaf),
                (middle, Role::Intermediate),
                (root, Role::Authority),
            ]
            .into_iter()
            .enumerate()
            .find(|(_, (suite, _))| !policy.accepts(suite.form()));
            match fault {
                None => assert!(got.is_ok(), "{root} {middle} {leaf} {policy}"),
                Some((index, (suite, role))) => {
                    let form = suite.form();
                    let reason = ChainReason::Policy { policy, form };
                    assert_eq!(got.unwrap_err(), (index, role, reason), "{root} {middle} {leaf}");
                }
            }
        }
    }
}

#[test]
fn the_reason_says_what_was_asked_and_what_was_there() {
    let root = Ca::root(CLASSICAL);
    let error = verify_x509_svid_with(
        &[root.leaf(COMPOSITE, |_| ())],
        &root.bundles(),
        now(),
        &options(PathPolicy::HybridRequired),
    )
    .unwrap_err()
    .to_string();
    assert!(error.starts_with("authority 1 (spiffe://example.org"), "{error}");
    assert!(
        error.ends_with("its key is of form classical, which the policy hybrid-required does not accept"),
        "{error}"
    );
}

#[test]
fn a_path_that_the_policy_accepts_is_found_beside_one_that_it_refuses() {
    // One intermediate key, certified by a classical authority and by a composite one.
    let (old, new) = (Ca::root(CLASSICAL), Ca::root(COMPOSITE));
    let middle = old.intermediate(COMPOSITE, |_| ());
    let draft = crate::support::Draft::authority(&crate::support::subject_key(&middle.signer));
    let crossed = draft.under(&new.certificate).sign(&new.signer);
    let leaf = middle.leaf(COMPOSITE, |_| ());
    let authorities = [&old.certificate, &new.certificate];
    for chain in [
        [leaf.clone(), middle.certificate.clone(), crossed.clone()],
        [leaf.clone(), crossed, middle.certificate.clone()],
    ] {
        let verified = verify(&chain, &authorities, PathPolicy::HybridRequired).unwrap();
        assert_eq!(
            (verified.form, Some(&verified.authority_id)),
            (Form::Composite, new.certificate.skid())
        );
    }
    let (_, role, _) = verify(&[leaf, middle.certificate], &authorities, PathPolicy::PqRequired).unwrap_err();
    assert_eq!(role, Role::Authority);
}

#[test]
fn signing_certificates_are_under_the_policy_too() {
    let root = Ca::root(ML_DSA);
    let middle = root.intermediate(COMPOSITE, |_| ());
    let bundle = bundle(&[&root.certificate]);
    let verify = |certificate: &Certificate, policy| {
        verify_authority(
            std::slice::from_ref(certificate),
            &bundle,
            now(),
            &options(policy),
        )
    };
    for certificate in [&root.certificate, &middle.certificate] {
        assert!(verify(certificate, PathPolicy::PqRequired).is_ok());
        let error = verify(certificate, PathPolicy::HybridRequired).unwrap_err();
        assert_eq!(error.role, Role::Authority, "{error}");
        assert!(matches!(*error.reason, ChainReason::Policy { .. }), "{error}");
    }
}
