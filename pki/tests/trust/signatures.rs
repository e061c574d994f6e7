//! Chains that must be refused because their signatures, keys or issuers are wrong, each for its own reason.

use std::sync::Arc;

use crate::support::{Ca, Draft, bundles, flip_signature, now, signer, subject_key, trust_domain};
use const_oid::AssociatedOid;
use const_oid::ObjectIdentifier;
use der::Encode;
use proptest::prelude::*;
use proptest::sample::Index;
use spiffe::TrustDomain;
use symbolon_crypto::{Component, HeldKey, SoftwareKey};
use symbolon_pki::bundle::{BundleSet, TrustBundle, X509Authority};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::key::{Half, SuiteSigner};
use symbolon_pki::suite::Suite;
use symbolon_pki::verify::{ChainError, ChainReason, MAX_SIGNATURE_CHECKS, verify_x509_svid};
use x509_cert::ext::pkix::SubjectKeyIdentifier;

fn refused(chain: &[Certificate], bundles: &BundleSet) -> ChainError {
    verify_x509_svid(chain, bundles, now()).unwrap_err()
}

#[test]
fn a_flipped_bit_in_either_half_is_found_in_that_half() {
    for suite in Suite::DEFAULTS {
        let ca = Ca::root(suite);
        let leaf = ca.leaf(suite, |_| ());
        let last = leaf.signature().len() - 1;
        for (at, half) in [(100, Half::PostQuantum), (last, Half::Classical)] {
            let at = at.min(last - 1);
            let error = refused(&[flip_signature(&leaf, at)], &ca.bundles());
            assert!(
                matches!(*error.reason, ChainReason::Signature { .. }),
                "{suite}: {error}"
            );
            if suite.is_composite() {
                assert_eq!(error.half(), Some(half), "{error}");
                assert!(error.to_string().contains(&half.to_string()), "{error}");
            } else {
                assert_eq!(error.half(), None, "{error}");
            }
        }
    }
}

#[test]
fn signatures_and_halves_that_were_swapped() {
    let suite = Suite::MlDsa65EcdsaP256;
    let ca = Ca::root(suite);
    let draft = Draft::leaf(&subject_key(&signer(suite))).under(&ca.certificate);
    let sign = |of: &dyn Fn(&[u8]) -> Vec<u8>| {
        let der = draft.sign_with(suite.signature_algorithm_der(), of);
        refused(&[Certificate::from_der(&der).unwrap()], &ca.bundles())
    };
    let ml_dsa_len = Component::MlDsa65.max_signature_len();
    let error = sign(&|tbs| {
        let signature = ca.signer.sign(tbs).unwrap();
        [&signature[ml_dsa_len..], &signature[..ml_dsa_len]].concat()
    });
    assert!(error.half().is_some(), "{error}");
    // Each half over something else.
    let error = sign(&|tbs| {
        let (good, other) = (ca.signer.sign(tbs).unwrap(), ca.signer.sign(b"other").unwrap());
        [&good[..ml_dsa_len], &other[ml_dsa_len..]].concat()
    });
    assert_eq!(error.half(), Some(Half::Classical));
    let error = sign(&|tbs| {
        let (good, other) = (ca.signer.sign(tbs).unwrap(), ca.signer.sign(b"other").unwrap());
        [&other[..ml_dsa_len], &good[ml_dsa_len..]].concat()
    });
    assert_eq!(error.half(), Some(Half::PostQuantum));
    // A good signature of another certificate.
    let error = sign(&|_| ca.leaf(suite, |_| ()).signature().to_vec());
    assert_eq!(error.half(), Some(Half::Both));
    for short in [0, 1, ml_dsa_len - 1, ml_dsa_len] {
        let error = sign(&|tbs| ca.signer.sign(tbs).unwrap()[..short].to_vec());
        assert!(matches!(*error.reason, ChainReason::Signature { .. }), "{error}");
    }
}

#[test]
fn a_signature_of_one_type_with_a_key_of_another() {
    let ca = Ca::root(Suite::MlDsa65EcdsaP256);
    let draft = Draft::leaf(&subject_key(&signer(Suite::EcdsaP256))).under(&ca.certificate);
    for suite in Suite::DEFAULTS {
        let der = draft.sign_with(suite.signature_algorithm_der(), |_| vec![1; 3381]);
        let error = refused(&[Certificate::from_der(&der).unwrap()], &ca.bundles());
        assert!(
            matches!(*error.reason, ChainReason::Signature { .. }),
            "{suite}: {error}"
        );
    }
    // SHA-384 in name only.
    let ca = Ca::root(Suite::EcdsaP256);
    let draft = draft.under(&ca.certificate);
    let sign = |tbs: &[u8]| ca.signer.sign(tbs).unwrap();
    let der = draft.sign_with(Suite::EcdsaP384.signature_algorithm_der(), sign);
    let error = refused(&[Certificate::from_der(&der).unwrap()], &ca.bundles());
    assert!(matches!(*error.reason, ChainReason::Signature { .. }), "{error}");
    // An algorithm that nobody knows: the old Entrust arc.
    let entrust = crate::support::sequence(&hex::decode("060b6086480186fa6b50080104").unwrap());
    let error = refused(
        &[Certificate::from_der(&draft.sign_with(&entrust, sign)).unwrap()],
        &ca.bundles(),
    );
    assert!(
        error.to_string().contains("2.16.840.1.114027.80.8.1.4"),
        "{error}"
    );
}

#[test]
fn a_trust_domain_is_vouched_for_by_its_own_bundle_alone() {
    let (ours, theirs) = (Ca::root(Suite::EcdsaP256), Ca::root(Suite::EcdsaP256));
    let other = TrustDomain::new("other.org").unwrap();
    let foreign = [ours.leaf(Suite::EcdsaP256, |draft| {
        draft.uris(&["spiffe://other.org/workload"]);
    })];

    let mut bundles = ours.bundles();
    assert_eq!(
        *refused(&foreign, &bundles).reason,
        ChainReason::UnknownTrustDomain(other.clone())
    );

    let mut theirs_bundle = TrustBundle::new(other.clone());
    theirs_bundle
        .x509_authorities
        .push(X509Authority::new(theirs.certificate));
    bundles.insert(theirs_bundle);
    let error = refused(&foreign, &bundles);
    assert!(
        matches!(&*error.reason, ChainReason::IssuerNotFound { trust_domain, .. } if *trust_domain == other),
        "{error}"
    );
    // The right domain, an authority of nobody's.
    let stranger = Ca::root(Suite::EcdsaP256);
    let chain = [
        stranger.leaf(Suite::EcdsaP256, |_| ()),
        stranger.certificate.clone(),
    ];
    let error = refused(&chain, &bundles);
    assert!(
        matches!(*error.reason, ChainReason::IssuerNotFound { .. }),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .contains(&stranger.certificate.skid().unwrap().to_string()),
        "{error}"
    );
    assert!(matches!(
        *refused(&chain[..1], &TrustBundle::new(trust_domain()).into()).reason,
        ChainReason::IssuerNotFound { .. }
    ));
}

#[test]
fn a_key_identifier_that_points_elsewhere() {
    let ca = Ca::root(Suite::EcdsaP256);
    let other = Ca::root(Suite::EcdsaP256);
    let leaf = ca.leaf(Suite::EcdsaP256, |draft| {
        draft.authority_key(other.certificate.skid());
    });
    let error = refused(&[leaf], &ca.bundles());
    assert!(
        matches!(*error.reason, ChainReason::IssuerNotFound { .. }),
        "{error}"
    );
}

#[test]
fn the_search_is_bounded() {
    let namesake = Ca::root(Suite::EcdsaP256).certificate;
    let name = namesake.inner().tbs_certificate().subject().clone();
    let make = || {
        Ca::root_with(signer(Suite::EcdsaP256), |draft| {
            (draft.subject, draft.issuer) = (name.clone(), name.clone());
            draft.remove(SubjectKeyIdentifier::OID);
        })
    };
    let roots: Vec<Ca> = (0..=MAX_SIGNATURE_CHECKS).map(|_| make()).collect();
    let all: Vec<&Certificate> = roots.iter().map(|ca| &ca.certificate).collect();
    let error = refused(&[make().leaf(Suite::EcdsaP256, |_| ())], &bundles(&all));
    assert_eq!(
        *error.reason,
        ChainReason::TooManySignatureChecks {
            max: MAX_SIGNATURE_CHECKS
        }
    );
    // With one authority fewer every one of them could be tried.
    let error = refused(&[make().leaf(Suite::EcdsaP256, |_| ())], &bundles(&all[1..]));
    assert!(matches!(*error.reason, ChainReason::Signature { .. }), "{error}");
}

#[test]
fn a_ring_of_intermediates_ends() {
    let suite = Suite::Ed25519;
    let (one, two) = (Ca::root(suite), Ca::root(suite));
    let cross = |of: &Ca, by: &Ca| {
        Draft::authority(&subject_key(&of.signer))
            .under(&by.certificate)
            .sign(&by.signer)
    };
    let ring = [one.leaf(suite, |_| ()), cross(&one, &two), cross(&two, &one)];
    let stranger = Ca::root(suite);
    let error = refused(&ring, &stranger.bundles());
    assert!(
        matches!(
            *error.reason,
            ChainReason::IssuerNotFound { .. } | ChainReason::Signature { .. }
        ),
        "{error}"
    );
}

fn held(component: Component) -> Arc<dyn HeldKey> {
    Arc::new(SoftwareKey::generate(component).unwrap())
}

#[test]
fn component_keys_are_used_once() {
    let (ml_dsa, ecdsa) = (held(Component::MlDsa65), held(Component::EcdsaP256Sha256));
    let suite = Suite::MlDsa65EcdsaP256;
    let composite = |keys: [&Arc<dyn HeldKey>; 2]| {
        SuiteSigner::new(suite, keys.into_iter().map(Arc::clone).collect()).unwrap()
    };
    let both = composite([&ml_dsa, &ecdsa]);
    let authority = Ca::root_with(both.clone(), |_| ());
    let alone = SuiteSigner::new(Suite::EcdsaP256, vec![Arc::clone(&ecdsa)]).unwrap();
    let half_shared = composite([&ml_dsa, &held(Component::EcdsaP256Sha256)]);

    for leaf in [&both, &alone, &half_shared] {
        let chain = [authority.certify(&subject_key(leaf), |_| ())];
        let error = refused(&chain, &authority.bundles());
        assert_eq!(error.certificate, 0);
        assert!(
            matches!(*error.reason, ChainReason::SharedComponentKey { .. }),
            "{error}"
        );
        assert!(error.to_string().contains("authority 1"), "{error}");
    }
    // Nor does a key that stands alone certify itself under another name.
    let plain = Ca::root_with(alone.clone(), |_| ());
    let error = refused(&[plain.certify(&subject_key(&alone), |_| ())], &plain.bundles());
    assert!(
        matches!(*error.reason, ChainReason::SharedComponentKey { .. }),
        "{error}"
    );
    // An authority's key in two of its own certificates is a renewal.
    let renewed = Draft::authority(&subject_key(&both)).under(&authority.certificate);
    let renewed = Ca {
        certificate: renewed.sign(&authority.signer),
        signer: both,
    };
    let chain = [renewed.leaf(suite, |_| ()), renewed.certificate];
    assert!(verify_x509_svid(&chain, &authority.bundles(), now()).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever bit of a leaf or an intermediate is flipped: the chain is refused, if it can be read at all.
    #[test]
    fn no_flipped_bit_is_overlooked(place in any::<Index>(), bit in 0_u8..8, of_leaf in any::<bool>()) {
        thread_local! {
            static CHAIN: (Ca, Certificate, Certificate) = {
                let root = Ca::root(Suite::MlDsa44EcdsaP256);
                let middle = root.intermediate(Suite::MlDsa44EcdsaP256, |_| ());
                let leaf = middle.leaf(Suite::EcdsaP256, |_| ());
                (root, middle.certificate, leaf)
            };
        }
        CHAIN.with(|(root, middle, leaf)| -> Result<(), TestCaseError> {
            let spoil = |certificate: &Certificate| {
                let mut der = certificate.der().to_vec();
                let at = place.index(der.len());
                der[at] ^= 1 << bit;
                Certificate::from_der(&der)
            };
            let spoilt = if of_leaf { spoil(leaf) } else { spoil(middle) };
            let Ok(spoilt) = spoilt else { return Ok(()) };
            let chain = if of_leaf { [spoilt, middle.clone()] } else { [leaf.clone(), spoilt] };
            prop_assert!(verify_x509_svid(&chain, &root.bundles(), now()).is_err());
            Ok(())
        })?;
    }

    /// Any bytes in any extension that is looked at: an answer, and never a panic.
    #[test]
    fn any_bytes_in_extensions(
        which in any::<Index>(),
        value in proptest::collection::vec(any::<u8>(), 0..64),
        critical in any::<bool>(),
    ) {
        let oids = ["2.5.29.14", "2.5.29.15", "2.5.29.17", "2.5.29.19", "2.5.29.30", "2.5.29.35", "2.5.29.37"];
        let oid = ObjectIdentifier::new_unwrap(oids[which.index(oids.len())]);
        let ca = Ca::root(Suite::Ed25519);
        let mut draft = Draft::leaf(&subject_key(&ca.signer)).under(&ca.certificate);
        draft.set_raw(oid, critical, &value);
        let der = draft.sign_with(Suite::Ed25519.signature_algorithm_der(), |tbs| ca.signer.sign(tbs).unwrap());
        if let Ok(certificate) = Certificate::from_der(&der) {
            let _ = verify_x509_svid(&[certificate], &ca.bundles(), now());
        }
        prop_assert!(draft.extensions.to_der().is_ok());
    }
}
