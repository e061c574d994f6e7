//! Chains that must be refused, each for its own reason.

mod support;

use std::sync::Arc;

use const_oid::AssociatedOid;
use const_oid::ObjectIdentifier;
use const_oid::db::rfc5280::{ID_CE_NAME_CONSTRAINTS, ID_KP_CLIENT_AUTH, ID_KP_SERVER_AUTH};
use der::Encode;
use proptest::prelude::*;
use proptest::sample::Index;
use spiffe::TrustDomain;
use support::{Ca, Draft, HOUR, bundles, flip_signature, now, signer, subject_key, trust_domain};
use symbolon_crypto::{Component, HeldKey, SoftwareKey};
use symbolon_pki::bundle::{BundleSet, TrustBundle, X509Authority};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::key::{Half, SuiteSigner};
use symbolon_pki::suite::Suite;
use symbolon_pki::verify::{ChainError, ChainReason, MAX_SIGNATURE_CHECKS, Role, verify_x509_svid};
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectKeyIdentifier};

fn refused(chain: &[Certificate], bundles: &BundleSet) -> ChainError {
    verify_x509_svid(chain, bundles, now()).unwrap_err()
}

/// The reason for which a leaf that `change` spoilt is refused; the place must be the leaf.
fn bad_leaf(suite: Suite, change: impl FnOnce(&mut Draft)) -> ChainReason {
    let ca = Ca::root(suite);
    let error = refused(&[ca.leaf(suite, change)], &ca.bundles());
    assert_eq!((error.certificate, error.role), (0, Role::Leaf), "{error}");
    assert!(error.to_string().starts_with("leaf"), "{error}");
    *error.reason
}

/// The reason for which an intermediate that `change` spoilt is refused; the place must be the intermediate.
fn bad_intermediate(change: impl FnOnce(&mut Draft)) -> ChainReason {
    let suite = Suite::MlDsa44EcdsaP256;
    let root = Ca::root(suite);
    let middle = root.intermediate(suite, change);
    let chain = [middle.leaf(suite, |_| ()), middle.certificate];
    let error = refused(&chain, &root.bundles());
    assert_eq!(
        (error.certificate, error.role),
        (1, Role::Intermediate),
        "{error}"
    );
    *error.reason
}

/// The reason for which an authority that `change` spoilt is refused; the place must be the authority.
fn bad_authority(change: impl FnOnce(&mut Draft)) -> ChainReason {
    let ca = Ca::root_with(signer(Suite::MlDsa65), change);
    let error = refused(&[ca.leaf(Suite::MlDsa65, |_| ())], &ca.bundles());
    assert_eq!((error.certificate, error.role), (1, Role::Authority), "{error}");
    assert!(error.to_string().starts_with("authority 1"), "{error}");
    *error.reason
}

#[test]
fn a_flipped_bit_in_either_half_is_found_in_that_half() {
    for suite in Suite::ALL {
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
    for suite in Suite::ALL {
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
    let entrust = support::sequence(&hex::decode("060b6086480186fa6b50080104").unwrap());
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
fn every_certificate_of_a_path_must_be_in_its_time() {
    let past = |draft: &mut Draft| draft.not_after = now() - HOUR / 2;
    let future = |draft: &mut Draft| draft.not_before = now() + HOUR / 2;
    let expired = ChainReason::Expired {
        not_after: now() - HOUR / 2,
        now: now(),
    };
    let not_yet = ChainReason::NotYetValid {
        not_before: now() + HOUR / 2,
        now: now(),
    };

    assert_eq!(bad_leaf(Suite::MlDsa65, past), expired);
    assert_eq!(bad_leaf(Suite::MlDsa65, future), not_yet);
    assert_eq!(bad_intermediate(past), expired);
    assert_eq!(bad_intermediate(future), not_yet);
    assert_eq!(bad_authority(past), expired);
    assert_eq!(bad_authority(future), not_yet);
    assert_eq!(
        expired.to_string(),
        "it expired at 2026-11-22T02:55:00Z; it is now 2026-11-22T03:25:00Z"
    );
}

#[test]
fn a_trust_domain_is_vouched_for_by_its_own_bundle_alone() {
    let (ours, theirs) = (Ca::root(Suite::EcdsaP256), Ca::root(Suite::EcdsaP256));
    let other = TrustDomain::new("other.org").unwrap();
    let foreign = [ours.leaf(Suite::EcdsaP256, |draft| {
        draft.uris(&["spiffe://other.org/workload"])
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
fn a_leaf_has_exactly_one_spiffe_id_with_a_path() {
    let uris = |uris: &'static [&'static str]| bad_leaf(Suite::Ed25519, move |draft| draft.uris(uris));
    assert_eq!(uris(&[]), ChainReason::UriNames(0));
    assert_eq!(
        uris(&["spiffe://example.org/a", "spiffe://example.org/b"]),
        ChainReason::UriNames(2)
    );
    assert_eq!(
        uris(&["spiffe://example.org/a", "https://example.org/"]),
        ChainReason::UriNames(2)
    );
    assert_eq!(uris(&["spiffe://example.org"]), ChainReason::NoPath);
    for uri in [
        "https://example.org/a",
        "spiffe://Example.org/a",
        "SPIFFE://example.org/a",
        "spiffe://example.org/a/",
        "spiffe://example.org/a//b",
        "spiffe://example.org/../b",
        "spiffe://example.org/a%20b",
        "spiffe://user@example.org/a",
        "spiffe://example.org:443/a",
        "spiffe://example.org/a?b",
        "spiffe:///a",
        "",
    ] {
        let uri: &'static [&'static str] = Box::leak(Box::new([uri]));
        assert!(matches!(uris(uri), ChainReason::SpiffeId { .. }), "{uri:?}");
    }
}

#[test]
fn a_leaf_is_no_signing_certificate() {
    let suite = Suite::EcdsaP384;
    let ca = bad_leaf(suite, |draft| {
        draft.set(
            true,
            &BasicConstraints {
                ca: true,
                path_len_constraint: None,
            },
        );
    });
    assert_eq!(ca, ChainReason::LeafIsCa);
    let usage = |critical, usages| bad_leaf(suite, move |draft| draft.usage(critical, usages));
    let sign = KeyUsages::DigitalSignature;
    assert_eq!(
        usage(true, sign | KeyUsages::KeyCertSign),
        ChainReason::KeyUsageOfCa("keyCertSign")
    );
    assert_eq!(
        usage(true, sign | KeyUsages::CRLSign),
        ChainReason::KeyUsageOfCa("cRLSign")
    );
    assert_eq!(
        usage(true, KeyUsages::KeyAgreement | KeyUsages::KeyEncipherment),
        ChainReason::KeyUsageLacks("digitalSignature")
    );
    assert_eq!(usage(false, sign.into()), ChainReason::KeyUsageNotCritical);
    assert_eq!(
        bad_leaf(suite, |draft| draft.remove(KeyUsage::OID)),
        ChainReason::NoKeyUsage
    );
}

#[test]
fn post_quantum_and_composite_keys_only_sign() {
    for suite in [Suite::MlDsa44, Suite::MlDsa65Ed25519] {
        for (usage, name) in [
            (KeyUsages::KeyEncipherment, "keyEncipherment"),
            (KeyUsages::DataEncipherment, "dataEncipherment"),
            (KeyUsages::KeyAgreement, "keyAgreement"),
        ] {
            let algorithm = suite.name().to_owned();
            let reason = bad_leaf(suite, |draft| {
                draft.usage(true, KeyUsages::DigitalSignature | usage)
            });
            assert_eq!(
                reason,
                ChainReason::KeyUsageOfAlgorithm {
                    usage: name,
                    algorithm
                }
            );
        }
    }
    let usages = KeyUsages::KeyCertSign | KeyUsages::KeyAgreement;
    let misused = |reason| {
        matches!(
            reason,
            ChainReason::KeyUsageOfAlgorithm {
                usage: "keyAgreement",
                ..
            }
        )
    };
    assert!(misused(bad_intermediate(|draft| draft.usage(true, usages))));
    assert!(misused(bad_authority(|draft| draft.usage(true, usages))));
}

#[test]
fn extended_usages_cover_both_ends() {
    let with =
        |usages: Vec<ObjectIdentifier>| move |draft: &mut Draft| draft.set(false, &ExtendedKeyUsage(usages));
    let lacks = ChainReason::ExtendedKeyUsageLacks;
    assert_eq!(
        bad_leaf(Suite::Ed25519, with(vec![ID_KP_SERVER_AUTH])),
        lacks("clientAuth")
    );
    assert_eq!(
        bad_leaf(Suite::Ed25519, with(vec![ID_KP_CLIENT_AUTH])),
        lacks("serverAuth")
    );
    assert_eq!(
        bad_intermediate(with(vec![ID_KP_CLIENT_AUTH])),
        lacks("serverAuth")
    );
}

#[test]
fn critical_extensions_that_are_not_processed() {
    let unknown = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.32473.1");
    let critical = |draft: &mut Draft| draft.set_raw(unknown, true, &[5, 0]);
    assert_eq!(
        bad_leaf(Suite::MlDsa44, critical),
        ChainReason::CriticalExtension(unknown)
    );
    assert_eq!(
        bad_intermediate(critical),
        ChainReason::CriticalExtension(unknown)
    );
    assert_eq!(bad_authority(critical), ChainReason::CriticalExtension(unknown));
    // Not critical: passed over.
    let ca = Ca::root(Suite::MlDsa44);
    let leaf = ca.leaf(Suite::MlDsa44, |draft| draft.set_raw(unknown, false, &[5, 0]));
    assert!(verify_x509_svid(&[leaf], &ca.bundles(), now()).is_ok());
    // Name constraints: never passed over.
    for is_critical in [true, false] {
        let constraints = support::sequence(&hex::decode("a00f300d860b6578616d706c652e6f7267").unwrap());
        let constrained =
            |draft: &mut Draft| draft.set_raw(ID_CE_NAME_CONSTRAINTS, is_critical, &constraints);
        assert_eq!(bad_intermediate(constrained), ChainReason::NameConstraints);
    }
}

#[test]
fn intermediates_keep_the_rules_of_signing_certificates() {
    assert_eq!(
        bad_intermediate(|draft| draft.set(
            true,
            &BasicConstraints {
                ca: false,
                path_len_constraint: None
            }
        )),
        ChainReason::NotCa
    );
    assert_eq!(
        bad_intermediate(|draft| draft.usage(true, KeyUsages::DigitalSignature)),
        ChainReason::KeyUsageLacks("keyCertSign")
    );
    assert_eq!(
        bad_intermediate(|draft| draft.usage(false, KeyUsages::KeyCertSign)),
        ChainReason::KeyUsageNotCritical
    );
    assert_eq!(
        bad_intermediate(|draft| draft.remove(KeyUsage::OID)),
        ChainReason::NoKeyUsage
    );
    assert!(matches!(
        bad_intermediate(|draft| draft.uris(&["spiffe://other.org"])),
        ChainReason::OtherTrustDomain { .. }
    ));
    assert!(matches!(
        bad_intermediate(|draft| draft.uris(&["spiffe://example.org/workload"])),
        ChainReason::SigningCertificateWithPath(_)
    ));
    assert_eq!(
        bad_authority(|draft| draft.set(
            true,
            &BasicConstraints {
                ca: false,
                path_len_constraint: None
            }
        )),
        ChainReason::NotCa
    );
    assert_eq!(
        bad_authority(|draft| draft.usage(true, KeyUsages::CRLSign)),
        ChainReason::KeyUsageLacks("keyCertSign")
    );
}

#[test]
fn a_workload_cannot_sign_for_another() {
    let suite = Suite::EcdsaP256;
    let root = Ca::root(suite);
    let key = signer(suite);
    let workload = Ca {
        certificate: root.certify(&subject_key(&key), |_| ()),
        signer: key,
    };
    let forged = workload.leaf(suite, |draft| draft.uris(&["spiffe://example.org/admin"]));
    let error = refused(&[forged, workload.certificate], &root.bundles());
    assert_eq!((error.certificate, *error.reason), (1, ChainReason::NotCa));
}

#[test]
fn path_lengths_count_intermediates() {
    let suite = Suite::Ed25519;
    let limited = |draft: &mut Draft| {
        draft.set(
            true,
            &BasicConstraints {
                ca: true,
                path_len_constraint: Some(0),
            },
        );
    };
    let root = Ca::root_with(signer(suite), limited);
    let middle = root.intermediate(suite, |_| ());
    let chain = [middle.leaf(suite, |_| ()), middle.certificate];
    let error = refused(&chain, &root.bundles());
    assert_eq!((error.certificate, error.role), (2, Role::Authority));
    assert_eq!(*error.reason, ChainReason::PathLength { allowed: 0, found: 1 });

    let root = Ca::root(suite);
    let upper = root.intermediate(suite, limited);
    let lower = upper.intermediate(suite, |_| ());
    let chain = [lower.leaf(suite, |_| ()), lower.certificate, upper.certificate];
    let error = refused(&chain, &root.bundles());
    assert_eq!((error.certificate, error.role), (2, Role::Intermediate));
    assert_eq!(*error.reason, ChainReason::PathLength { allowed: 0, found: 1 });
}

#[test]
fn a_key_identifier_that_points_elsewhere() {
    let ca = Ca::root(Suite::EcdsaP256);
    let other = Ca::root(Suite::EcdsaP256);
    let leaf = ca.leaf(Suite::EcdsaP256, |draft| {
        draft.authority_key(other.certificate.skid())
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

#[test]
fn nothing_at_all() {
    let error = refused(&[], &BundleSet::new());
    assert_eq!(
        (error.to_string().as_str(), *error.reason),
        ("leaf: the chain is empty", ChainReason::Empty)
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
    // An authority's key in two of its own certificates is a renewal.
    let renewed = Draft::authority(&subject_key(&both)).under(&authority.certificate);
    let renewed = Ca {
        certificate: renewed.sign(&authority.signer),
        signer: both,
    };
    let chain = [renewed.leaf(suite, |_| ()), renewed.certificate];
    assert!(verify_x509_svid(&chain, &authority.bundles(), now()).is_ok());
}

#[test]
fn names_in_messages_are_printable_and_short() {
    let ca = Ca::root(Suite::EcdsaP256);
    let long = format!("spiffe://example.org/\u{1b}[31m{}", "a".repeat(3000));
    let leaf = ca.leaf(Suite::EcdsaP256, |draft| draft.uris(&[long.as_str()]));
    let message = refused(&[leaf], &ca.bundles()).to_string();
    assert!(message.len() < 1000 && !message.contains('\u{1b}'), "{message}");
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
