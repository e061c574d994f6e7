//! Chains that must be refused because a certificate breaks a rule, each for its own reason and in its own place.

use crate::support::{Ca, Draft, HOUR, now, signer, subject_key};
use const_oid::AssociatedOid;
use const_oid::ObjectIdentifier;
use const_oid::db::rfc5280::{ID_CE_CERTIFICATE_POLICIES, ID_KP_CLIENT_AUTH, ID_KP_SERVER_AUTH};
use symbolon_pki::bundle::BundleSet;
use symbolon_pki::certificate::Certificate;
use symbolon_pki::suite::Suite;
use symbolon_pki::verify::{ChainError, ChainReason, Role, verify_x509_svid};
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectAltName};
use x509_cert::name::Name;

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
                draft.usage(true, KeyUsages::DigitalSignature | usage);
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
    // A policy binds only those who ask for one, critical or not; and the certificate itself says the same.
    let policy = hex::decode("3008300606042a030405").unwrap();
    let ca = Ca::root(Suite::MlDsa44);
    let leaf = ca.leaf(Suite::MlDsa44, |draft| {
        draft.set_raw(ID_CE_CERTIFICATE_POLICIES, true, &policy);
    });
    assert!(leaf.unprocessed_critical_extensions().is_empty());
    assert!(verify_x509_svid(&[leaf], &ca.bundles(), now()).is_ok());
    // Not critical: passed over.
    let leaf = ca.leaf(Suite::MlDsa44, |draft| draft.set_raw(unknown, false, &[5, 0]));
    assert!(verify_x509_svid(&[leaf], &ca.bundles(), now()).is_ok());
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
fn what_makes_a_ca_is_critical_in_an_intermediate() {
    let constraints = BasicConstraints {
        ca: true,
        path_len_constraint: None,
    };
    assert_eq!(
        bad_intermediate(|draft| draft.set(false, &constraints)),
        ChainReason::BasicConstraintsNotCritical
    );
    // Old roots are like that, and whoever put one into the bundle meant it.
    let suite = Suite::EcdsaP256;
    let root = Ca::root_with(signer(suite), |draft| draft.set(false, &constraints));
    verify_x509_svid(&[root.leaf(suite, |_| ())], &root.bundles(), now()).unwrap();
}

#[test]
fn whoever_has_no_subject_has_critical_names() {
    let nameless = |draft: &mut Draft| draft.subject = Name::default();
    assert_eq!(
        bad_leaf(Suite::MlDsa65, nameless),
        ChainReason::AlternativeNamesNotCritical
    );
    assert_eq!(
        bad_intermediate(nameless),
        ChainReason::AlternativeNamesNotCritical
    );
    let ca = Ca::root(Suite::MlDsa65);
    let leaf = ca.leaf(Suite::MlDsa65, |draft| {
        nameless(draft);
        let names = draft.extensions.iter_mut();
        let names = names.filter(|extension| extension.extn_id == SubjectAltName::OID);
        names.for_each(|extension| extension.critical = true);
    });
    verify_x509_svid(&[leaf], &ca.bundles(), now()).unwrap();
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
fn nothing_at_all() {
    let error = refused(&[], &BundleSet::new());
    assert_eq!(
        (error.to_string().as_str(), *error.reason),
        ("leaf: the chain is empty", ChainReason::Empty)
    );
}

#[test]
fn names_in_messages_are_printable_and_short() {
    let ca = Ca::root(Suite::EcdsaP256);
    let long = format!("spiffe://example.org/\u{1b}[31m{}", "a".repeat(3000));
    let leaf = ca.leaf(Suite::EcdsaP256, |draft| draft.uris(&[long.as_str()]));
    let message = refused(&[leaf], &ca.bundles()).to_string();
    assert!(message.len() < 1000 && !message.contains('\u{1b}'), "{message}");
}
