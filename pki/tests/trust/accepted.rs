//! Chains that must be accepted, and what is said about them.

use std::time::{Duration, UNIX_EPOCH};

use crate::support::{Ca, Draft, HOUR, bundle, bundles, now, sequence, signer, subject_key, trust_domain};
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use const_oid::AssociatedOid;
use const_oid::db::rfc5280::ANY_EXTENDED_KEY_USAGE;
use symbolon_pki::certificate::Certificate;
use symbolon_pki::key::SubjectKey;
use symbolon_pki::skid::Skid;
use symbolon_pki::suite::{Form, Suite};
use symbolon_pki::verify::{
    ChainReason, MAX_CHAIN_LEN, VerifyOptions, verify_authority, verify_x509_svid, verify_x509_svid_with,
};
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectKeyIdentifier};

#[test]
fn a_leaf_of_every_suite_under_an_authority_of_its_own() {
    for suite in Suite::DEFAULTS {
        let ca = Ca::root(suite);
        let leaf = ca.leaf(suite, |_| ());
        let verified = verify_x509_svid(&[leaf], &ca.bundles(), now()).unwrap();
        assert_eq!(verified.spiffe_id.to_string(), "spiffe://example.org/workload");
        assert_eq!(verified.form, suite.form(), "{suite}");
        assert_eq!(verified.suite, suite.name());
        assert_eq!(verified.authority_id, subject_key(&ca.signer).skid());
        assert_eq!(verified.not_after, now() + HOUR);
        assert_eq!(verified.chain_len, 2);
        assert!(!verified.tainted);
    }
}

#[test]
fn intermediates_in_any_order_and_certificates_that_do_not_matter() {
    let suite = Suite::MlDsa65EcdsaP256;
    let root = Ca::root(suite);
    let upper = root.intermediate(suite, |_| ());
    let lower = upper.intermediate(suite, |_| ());
    let leaf = lower.leaf(suite, |_| ());
    let stranger = Ca::root(Suite::EcdsaP256).certificate;
    let (root, upper, lower) = (root.certificate, upper.certificate, lower.certificate);

    for chain in [
        vec![leaf.clone(), lower.clone(), upper.clone()],
        vec![leaf.clone(), upper.clone(), lower.clone()],
        vec![leaf.clone(), lower.clone(), upper.clone(), root.clone()],
        vec![
            leaf.clone(),
            root.clone(),
            stranger,
            upper.clone(),
            lower.clone(),
            leaf.clone(),
        ],
    ] {
        let verified = verify_x509_svid(&chain, &bundles(&[&root]), now()).unwrap();
        assert_eq!((verified.chain_len, verified.form), (4, Form::Composite));
        assert_eq!(Some(&verified.authority_id), root.skid());
    }
    // With the intermediate itself in the bundle the path ends there.
    let verified =
        verify_x509_svid(&[leaf, lower, upper.clone()], &bundles(&[&root, &upper]), now()).unwrap();
    assert_eq!(
        (verified.chain_len, Some(&verified.authority_id)),
        (3, upper.skid())
    );
}

#[test]
fn a_path_is_worth_its_weakest_key() {
    let (classical, ml_dsa, composite) = (Suite::EcdsaP384, Suite::MlDsa87, Suite::MlDsa87EcdsaP384);
    for (root, leaf, form) in [
        (classical, composite, Form::Classical),
        (composite, classical, Form::Classical),
        (ml_dsa, composite, Form::MlDsa),
        (composite, ml_dsa, Form::MlDsa),
        (classical, ml_dsa, Form::Classical),
    ] {
        let ca = Ca::root(root);
        let chain = [ca.leaf(leaf, |_| ())];
        let verified = verify_x509_svid(&chain, &ca.bundles(), now()).unwrap();
        assert_eq!((verified.form, verified.suite.as_str()), (form, leaf.name()));
    }
    let root = Ca::root(composite);
    let middle = root.intermediate(classical, |_| ());
    let chain = [middle.leaf(composite, |_| ()), middle.certificate];
    assert_eq!(
        verify_x509_svid(&chain, &root.bundles(), now()).unwrap().form,
        Form::Classical
    );
}

#[test]
fn both_ends_of_the_validity_count() {
    let ca = Ca::root(Suite::Ed25519);
    let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
    let chain = [ca.leaf(Suite::Ed25519, |draft| {
        (draft.not_before, draft.not_after) = (at(1_795_317_000), at(1_795_318_000));
    })];
    let bundles = ca.bundles();
    let accepted = |when| verify_x509_svid(&chain, &bundles, when).is_ok();
    assert!(accepted(at(1_795_317_000)) && accepted(at(1_795_318_000)));
    assert!(accepted(at(1_795_318_000) + Duration::from_millis(999)));
    assert!(!accepted(at(1_795_317_000) - Duration::from_millis(1)) && !accepted(at(1_795_318_001)));
}

#[test]
fn what_stock_authorities_make_is_accepted() {
    // SPIRE gives these usages to every leaf.
    let ca = Ca::root(Suite::EcdsaP256);
    let leaf = ca.leaf(Suite::EcdsaP256, |draft| {
        let spire = KeyUsages::DigitalSignature | KeyUsages::KeyEncipherment | KeyUsages::KeyAgreement;
        draft.usage(true, spire);
    });
    assert!(verify_x509_svid(&[leaf], &ca.bundles(), now()).is_ok());

    // A root without key usage, key identifier or SPIFFE ID; a leaf without extended usages or basic constraints.
    let bare = Ca::root_with(signer(Suite::EcdsaP384), |draft| {
        draft.remove(KeyUsage::OID);
        draft.remove(SubjectKeyIdentifier::OID);
        draft.uris(&[]);
    });
    let leaf = bare.leaf(Suite::EcdsaP256, |draft| {
        draft.remove(ExtendedKeyUsage::OID);
        draft.remove(BasicConstraints::OID);
    });
    let verified = verify_x509_svid(&[leaf], &bare.bundles(), now()).unwrap();
    assert_eq!(verified.authority_id, subject_key(&bare.signer).skid());

    // An intermediate that may be used for anything, under one that limits the path to exactly that.
    let root = Ca::root_with(signer(Suite::EcdsaP256), |draft| {
        draft.set(
            true,
            &BasicConstraints {
                ca: true,
                path_len_constraint: Some(1),
            },
        );
    });
    let middle = root.intermediate(Suite::EcdsaP256, |draft| {
        draft.set(false, &ExtendedKeyUsage(vec![ANY_EXTENDED_KEY_USAGE]));
        draft.set(
            true,
            &BasicConstraints {
                ca: true,
                path_len_constraint: Some(0),
            },
        );
        draft.uris(&[]);
    });
    let chain = [middle.leaf(Suite::EcdsaP256, |_| ()), middle.certificate];
    assert!(verify_x509_svid(&chain, &root.bundles(), now()).is_ok());
}

#[test]
fn an_rsa_authority_and_an_rsa_leaf() {
    let public = |pair: &KeyPair| {
        let spki: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        SubjectKey::from_spki_der(spki.as_ref()).unwrap()
    };
    let [rsa, leaf_rsa] = [(); 2].map(|()| KeyPair::generate(KeySize::Rsa2048).unwrap());
    let sha256_with_rsa = sequence(&hex::decode("06092a864886f70d01010b0500").unwrap());
    let sign = |tbs: &[u8]| {
        let mut signature = vec![0; rsa.public_modulus_len()];
        rsa.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), tbs, &mut signature)
            .unwrap();
        signature
    };
    let mut draft = Draft::authority(&public(&rsa));
    draft.issuer = draft.subject.clone();
    let root = Certificate::from_der(&draft.sign_with(&sha256_with_rsa, sign)).unwrap();
    let mut draft = Draft::leaf(&public(&leaf_rsa)).under(&root);
    draft.usage(true, KeyUsages::DigitalSignature | KeyUsages::KeyEncipherment);
    let leaf = Certificate::from_der(&draft.sign_with(&sha256_with_rsa, sign)).unwrap();

    let verified = verify_x509_svid(std::slice::from_ref(&leaf), &bundles(&[&root]), now()).unwrap();
    assert_eq!(
        (verified.suite.as_str(), verified.form),
        ("rsa-2048", Form::Classical)
    );
    let broken = crate::support::flip_signature(&leaf, 17);
    assert!(verify_x509_svid(&[broken], &bundles(&[&root]), now()).is_err());
}

#[test]
fn authorities_that_share_a_name_are_told_apart() {
    let name = Ca::root(Suite::EcdsaP256).certificate;
    let roots: Vec<Ca> = (0..6)
        .map(|_| {
            Ca::root_with(signer(Suite::EcdsaP256), |draft| {
                draft.subject = names(&name);
                draft.issuer = names(&name);
                draft.remove(SubjectKeyIdentifier::OID);
            })
        })
        .collect();
    let all: Vec<&Certificate> = roots.iter().map(|ca| &ca.certificate).collect();
    for ca in &roots {
        let verified = verify_x509_svid(&[ca.leaf(Suite::EcdsaP256, |_| ())], &bundles(&all), now()).unwrap();
        assert_eq!(verified.authority_id, subject_key(&ca.signer).skid());
    }
}

fn names(certificate: &Certificate) -> x509_cert::name::Name {
    certificate.inner().tbs_certificate().subject().clone()
}

#[test]
fn a_tainted_authority_is_reported_or_refused() {
    let ca = Ca::root(Suite::MlDsa44);
    let chain = [ca.leaf(Suite::MlDsa44, |_| ())];
    let mut bundle = bundle(&[&ca.certificate]);
    bundle.x509_authorities[0].tainted = true;
    assert!(
        verify_x509_svid(&chain, &bundle.clone().into(), now())
            .unwrap()
            .tainted
    );

    let mut options = VerifyOptions::default();
    options.refuse_tainted = true;
    let error = verify_x509_svid_with(&chain, &bundle.clone().into(), now(), &options).unwrap_err();
    assert_eq!((error.certificate, *error.reason), (1, ChainReason::Tainted));
    let itself = [ca.certificate];
    assert!(
        verify_authority(&itself, &bundle, now(), &VerifyOptions::default())
            .unwrap()
            .tainted
    );
    assert!(verify_authority(&itself, &bundle, now(), &options).is_err());
}

#[test]
fn signing_certificates_are_verified_too() {
    let suite = Suite::MlDsa65EcdsaP256;
    let options = VerifyOptions::default();
    let root = Ca::root_with(signer(suite), |draft| {
        draft.set(
            true,
            &BasicConstraints {
                ca: true,
                path_len_constraint: Some(1),
            },
        );
    });
    let bundle = bundle(&[&root.certificate]);
    let upper = root.intermediate(suite, |_| ());
    let lower = upper.intermediate(suite, |_| ());
    let leaf = upper.leaf(suite, |_| ());
    let verify = |chain: &[Certificate]| verify_authority(chain, &bundle, now(), &options);

    let verified = verify(std::slice::from_ref(&root.certificate)).unwrap();
    assert_eq!((verified.chain_len, verified.form), (1, Form::Composite));
    let verified = verify(std::slice::from_ref(&upper.certificate)).unwrap();
    assert_eq!(
        (verified.chain_len, Some(&verified.authority_id)),
        (2, root.certificate.skid())
    );
    // The root allows one intermediate, so nothing could ever be signed by the second.
    let error = verify(&[lower.certificate, upper.certificate.clone()]).unwrap_err();
    assert_eq!(*error.reason, ChainReason::PathLength { allowed: 1, found: 2 });
    let error = verify(&[leaf, upper.certificate]).unwrap_err();
    assert_eq!((error.certificate, *error.reason), (0, ChainReason::NotCa));
}

#[test]
fn the_longest_chain_and_no_longer() {
    let suite = Suite::Ed25519;
    let root = Ca::root(suite);
    let mut cas = vec![root.clone()];
    let mut chain = Vec::new();
    for length in 2..=MAX_CHAIN_LEN + 1 {
        let last = cas.last().unwrap();
        chain = cas[1..].iter().map(|ca| ca.certificate.clone()).collect();
        chain.insert(0, last.leaf(suite, |_| ()));
        let verified = verify_x509_svid(&chain, &root.bundles(), now()).map(|verified| verified.chain_len);
        assert_eq!(verified.ok(), (length <= MAX_CHAIN_LEN).then_some(length));
        cas.push(last.intermediate(suite, |_| ()));
    }
    chain.push(chain[0].clone());
    let error = verify_x509_svid(&chain, &root.bundles(), now()).unwrap_err();
    assert_eq!(*error.reason, ChainReason::TooLong { found: 9, max: 8 });
}

#[test]
fn bundles_find_authorities_by_form_and_id() {
    let (one, two) = (Ca::root(Suite::EcdsaP256), Ca::root(Suite::MlDsa65EcdsaP256));
    let bundle = bundle(&[&one.certificate, &two.certificate]);
    assert_eq!(bundle.trust_domain, trust_domain());
    let composite: Vec<_> = bundle.authorities_of(Form::Composite).collect();
    assert_eq!(composite.len(), 1);
    assert_eq!(composite[0].certificate, two.certificate);
    assert_eq!(bundle.authorities_of(Form::MlDsa).count(), 0);
    let id = subject_key(&one.signer).skid();
    assert_eq!(bundle.x509_authority(&id).unwrap().certificate, one.certificate);
    assert!(bundle.x509_authority(&Skid::of(b"nobody")).is_none());
}
