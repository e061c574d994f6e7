//! Suites that are not offered by default: certificates by them and for them pass the linter and the verifier.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::*;
use symbolon_issuance::{Authority, IssuanceError, RequestError};
use symbolon_pki::bundle::{BundleSet, TrustBundle, X509Authority};
use symbolon_pki::csr::{Csr, CsrBuilder, CsrError};
use symbolon_pki::key::{KeyError, SubjectKey};
use symbolon_pki::suite::Suite;
use symbolon_pki::verify::verify_x509_svid;

/// One of each kind of classical half: RSA's sizes and paddings take long to make keys of, and differ in nothing here.
const COMPOSITES: [Suite; 6] = [
    Suite::MlDsa44Rsa2048Pss,
    Suite::MlDsa44Rsa2048Pkcs15,
    Suite::MlDsa65EcdsaBrainpoolP256r1,
    Suite::MlDsa87EcdsaBrainpoolP384r1,
    Suite::MlDsa87Ed448,
    Suite::MlDsa87EcdsaP521,
];

fn bundles(root: &Authority) -> BundleSet {
    let mut bundle = TrustBundle::new(trust_domain());
    bundle
        .x509_authorities
        .push(X509Authority::new(root.certificate().clone()));
    let document = bundle.to_jwks();
    let read = TrustBundle::from_jwks(&trust_domain(), document.as_bytes()).unwrap();
    assert_eq!(read.x509_authorities, bundle.x509_authorities);
    let mut bundles = BundleSet::new();
    bundles.insert(read);
    bundles
}

/// A workload's certificate for `key`, which is verified with whatever stands between it and the root.
fn serves(root: &Authority, below: Option<&Authority>, key: &SubjectKey) {
    let spiffe_id = id("/web");
    let issuer = below.unwrap_or(root);
    let linted = prepare(issuer, workload(&spiffe_id, key)).unwrap();
    let leaf = certificate(&linted.sign(issuer).unwrap());
    let chain: Vec<_> = [leaf]
        .into_iter()
        .chain(below.map(|below| below.certificate().clone()))
        .collect();
    let verified = verify_x509_svid(&chain, &bundles(root), now()).unwrap();
    assert_eq!(verified.spiffe_id, spiffe_id);
    assert_eq!(verified.suite, key.algorithm_name());
    assert_eq!(verified.authority_id, *root.authority_id());
}

#[test]
fn composites_of_every_kind_are_issued_by_and_issued_to() {
    let default = authority(Suite::MlDsa65EcdsaP256);
    for suite in COMPOSITES {
        let leaf = signer(suite);
        let csr = Csr::from_der(&CsrBuilder::new(&leaf).build().unwrap()).unwrap();
        serves(&default, None, csr.key());
        serves(&authority(suite), None, &key(Suite::MlDsa65EcdsaP256));
    }
}

#[test]
fn roots_sign_those_that_sign() {
    for (root, below) in [
        (Suite::EcdsaP521, Suite::EcdsaP256),
        (Suite::SlhDsaSha2_128f, Suite::MlDsa65),
        (Suite::SlhDsaSha2_256f, Suite::MlDsa87),
        (Suite::SlhDsaShake128f, Suite::MlDsa44),
    ] {
        let root = authority(root);
        let below = intermediate(&root, below, Some(0));
        serves(&root, Some(&below), &key(below.suite()));
    }
}

#[test]
fn nothing_below_a_root_has_a_key_that_is_for_roots() {
    for suite in [Suite::EcdsaP521, Suite::SlhDsaSha2_128f] {
        let der = CsrBuilder::new(&signer(suite)).build().unwrap();
        let error = Csr::from_der(&der).unwrap_err();
        assert!(
            matches!(
                error,
                CsrError::TooLong { .. } | CsrError::Key(KeyError::ForRoots(_))
            ),
            "{error}"
        );
        // And without a request in which to look.
        let below = match suite {
            Suite::EcdsaP521 => Suite::EcdsaP256,
            _ => Suite::MlDsa65,
        };
        let refused = prepare(&authority(below), workload(&id("/web"), &key(suite))).unwrap_err();
        assert!(
            matches!(refused, IssuanceError::Request(RequestError::ForRoots(named)) if named == suite),
            "{refused}"
        );
    }
}
