//! Bad input: each case gets one error that says whose input was wrong and what, and nothing is signed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::*;
use spiffe::SpiffeId;
use symbolon_crypto::{Component, HeldKey, MlDsaContext, PublicKey, SignError, SoftwareKey};
use symbolon_issuance::{
    Authority, AuthorityError, AuthoritySpec, IntermediateRequest, IssuanceError, MAX_DNS_NAMES,
    ProfileError, RequestError, Serial, SigningError, SvidProfile, prepare_authority, prepare_intermediate,
    prepare_svid,
};
use symbolon_pki::key::{SubjectKey, SuiteSigner};
use symbolon_pki::suite::{Family, Suite};

/// The error of a workload request that `change` made wrong.
fn refusal(change: impl FnOnce(&mut symbolon_issuance::SvidRequest<'_>)) -> IssuanceError {
    let authority = authority(Suite::EcdsaP256);
    let (spiffe_id, key) = (id("/web"), key(Suite::EcdsaP256));
    let mut request = workload(&spiffe_id, &key);
    change(&mut request);
    prepare_svid(&authority, &request).unwrap_err()
}

fn request_error(error: IssuanceError) -> RequestError {
    match error {
        IssuanceError::Request(error) => error,
        other => panic!("not the request's fault: {other}"),
    }
}

#[test]
fn a_key_of_another_family() {
    for (issuer, leaf) in [
        (Suite::EcdsaP256, Suite::MlDsa65),
        (Suite::EcdsaP256, Suite::MlDsa65EcdsaP256),
        (Suite::MlDsa65, Suite::EcdsaP256),
        (Suite::MlDsa65EcdsaP256, Suite::MlDsa65),
    ] {
        let (spiffe_id, key) = (id("/web"), key(leaf));
        let error = prepare(&authority(issuer), workload(&spiffe_id, &key)).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains(leaf.name()) && text.contains(issuer.family().name()),
            "{text}"
        );
        assert!(
            matches!(request_error(error), RequestError::FamilyMismatch { family, .. } if family == issuer.family())
        );
    }
    let rsa = SubjectKey::from_spki_der(include_bytes!("data/rsa-2048.spki.der")).unwrap();
    let spiffe_id = id("/web");
    let error = prepare(&authority(Suite::MlDsa44), workload(&spiffe_id, &rsa)).unwrap_err();
    assert!(matches!(
        request_error(error),
        RequestError::FamilyMismatch {
            family: Family::MlDsa,
            ..
        }
    ));
}

#[test]
fn an_rsa_key_that_is_too_small_cannot_even_be_asked_with() {
    let error = SubjectKey::from_spki_der(include_bytes!("data/rsa-1024.spki.der")).unwrap_err();
    assert!(error.to_string().contains("1024"), "{error}");
}

#[test]
fn an_identity_of_another_trust_domain() {
    let foreign = SpiffeId::new("spiffe://elsewhere.org/web").unwrap();
    let key = key(Suite::EcdsaP256);
    let error = prepare(&authority(Suite::EcdsaP256), workload(&foreign, &key)).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("spiffe://elsewhere.org/web") && text.contains("example.org"),
        "{text}"
    );
    assert!(matches!(
        request_error(error),
        RequestError::ForeignTrustDomain { .. }
    ));
}

#[test]
fn an_identity_of_another_profile() {
    let (spiffe_id, key) = (id("/spire/server"), key(Suite::EcdsaP256));
    let error = prepare(&authority(Suite::EcdsaP256), workload(&spiffe_id, &key)).unwrap_err();
    assert!(
        matches!(
            &error,
            IssuanceError::Profile(ProfileError::Path {
                profile: SvidProfile::Workload,
                ..
            })
        ),
        "{error}"
    );
}

#[test]
fn an_identity_that_is_too_long() {
    let exact = id(&format!("/{}", "a".repeat(2048 - "spiffe://example.org/".len())));
    let long = id(&format!("/{}", "a".repeat(2049 - "spiffe://example.org/".len())));
    let authority = authority(Suite::EcdsaP256);
    let key = key(Suite::EcdsaP256);
    prepare(&authority, workload(&exact, &key)).unwrap();
    let error = prepare(&authority, workload(&long, &key)).unwrap_err();
    assert_eq!(
        request_error(error),
        RequestError::SpiffeIdTooLong { found: 2049 }
    );
}

#[test]
fn a_clock_outside_the_authoritys_life() {
    let authority = authority(Suite::EcdsaP256);
    let (spiffe_id, key) = (id("/web"), key(Suite::EcdsaP256));
    let mut request = workload(&spiffe_id, &key);

    request.now = at(NOW - 11);
    let error = prepare(&authority, request).unwrap_err();
    assert!(
        matches!(
            &error,
            IssuanceError::Authority(AuthorityError::NotYetValid { .. })
        ),
        "{error}"
    );
    assert!(error.to_string().contains("2026-11-22T03:24:50Z"), "{error}");
    request.now = at(NOW - 10);
    prepare(&authority, request).unwrap();

    request.now = at(NOW + 86_400);
    let error = prepare(&authority, request).unwrap_err();
    assert!(
        matches!(&error, IssuanceError::Authority(AuthorityError::Expired { .. })),
        "{error}"
    );
    request.now = at(NOW + 86_399);
    prepare(&authority, request).unwrap();

    request.now = std::time::SystemTime::UNIX_EPOCH - Duration::from_secs(1);
    assert!(matches!(prepare(&authority, request), Err(IssuanceError::Clock)));
}

#[test]
fn lifetimes_too_short_are_refused_and_too_long_are_cut() {
    for ttl in [Duration::ZERO, Duration::from_millis(999)] {
        let error = refusal(|request| request.ttl = ttl);
        assert_eq!(request_error(error), RequestError::LifetimeTooShort(ttl));
    }
    let authority = authority(Suite::EcdsaP256);
    let (spiffe_id, key) = (id("/web"), key(Suite::EcdsaP256));
    let mut request = workload(&spiffe_id, &key);
    for ttl in [DAY * 2, Duration::MAX] {
        request.ttl = ttl;
        let linted = prepare(&authority, request).unwrap();
        assert_eq!(linted.not_after(), authority.certificate().not_after());
    }

    let trust_domain = trust_domain();
    let spec = |ttl| AuthoritySpec {
        trust_domain: &trust_domain,
        ttl,
        path_len: None,
    };
    let signer = signer(Suite::EcdsaP256);
    for ttl in [Duration::ZERO, Duration::MAX, DAY * 365 * 8_000] {
        let error = prepare_authority(&spec(ttl), &signer, serial(), now()).unwrap_err();
        request_error(error);
    }
}

#[test]
fn dns_names_that_may_not_stand_there() {
    let names = ["not a name".to_owned()];
    let error = refusal(|request| request.dns_names = Box::leak(Box::new(names)));
    assert!(error.to_string().contains("not a name"), "{error}");
    request_error(error);

    let many: Vec<_> = (0..=MAX_DNS_NAMES).map(|n| format!("n{n}.example.org")).collect();
    let (spiffe_id, key) = (id("/web"), key(Suite::EcdsaP256));
    let authority = authority(Suite::EcdsaP256);
    let mut request = workload(&spiffe_id, &key);
    request.dns_names = &many;
    let error = prepare(&authority, request).unwrap_err();
    assert_eq!(
        request_error(error),
        RequestError::TooManyDnsNames {
            found: MAX_DNS_NAMES + 1
        }
    );
    request.dns_names = &many[1..];
    prepare(&authority, request).unwrap();

    let server = id("/spire/server");
    request.profile = SvidProfile::Server;
    request.spiffe_id = &server;
    request.dns_names = &many[..1];
    assert!(matches!(
        prepare(&authority, request),
        Err(IssuanceError::Profile(ProfileError::DnsNames { found: 1, .. }))
    ));
}

#[test]
fn a_part_of_the_authoritys_own_key() {
    // The classical half of a composite authority, with another ML-DSA key beside it.
    let ml_dsa: [Arc<dyn HeldKey>; 2] =
        std::array::from_fn(|_| Arc::new(SoftwareKey::generate(Component::MlDsa65).unwrap()) as _);
    let p256: Arc<dyn HeldKey> = Arc::new(SoftwareKey::generate(Component::EcdsaP256Sha256).unwrap());
    let [first, second] = ml_dsa
        .map(|ml_dsa| SuiteSigner::new(Suite::MlDsa65EcdsaP256, vec![ml_dsa, Arc::clone(&p256)]).unwrap());
    let authority = authority_of(first, None, now(), DAY);
    let (spiffe_id, key) = (id("/web"), SubjectKey::Suite(second.public_key().clone()));
    let error = prepare(&authority, workload(&spiffe_id, &key)).unwrap_err();
    assert_eq!(
        request_error(error),
        RequestError::IssuersKey {
            component: Component::EcdsaP256Sha256
        }
    );
}

#[test]
fn authorities_below_authorities() {
    let root = authority_of(signer(Suite::EcdsaP256), Some(1), now(), DAY);
    let below = intermediate(&root, Suite::EcdsaP384, None);
    assert_eq!(
        below.certificate().path_len(),
        Some(0),
        "cut to what the root allows"
    );
    let key = key(Suite::EcdsaP256);
    let mut request = IntermediateRequest {
        key: &key,
        alternative: None,
        ttl: HOUR,
        path_len: None,
        serial: serial(),
        now: now(),
    };
    assert!(matches!(
        prepare_intermediate(&below, &request),
        Err(IssuanceError::Authority(AuthorityError::PathLength(_)))
    ));
    let rsa = SubjectKey::from_spki_der(include_bytes!("data/rsa-2048.spki.der")).unwrap();
    request.key = &rsa;
    let stock = prepare_intermediate(&root, &request)
        .unwrap()
        .sign(&root)
        .unwrap();
    let stock = certificate(&stock);
    assert!(stock.is_ca());
    let usage = stock.key_usage().unwrap();
    assert!(usage.key_cert_sign() && !usage.key_encipherment() && !usage.digital_signature());
}

#[test]
fn what_is_no_authority() {
    let root = authority(Suite::EcdsaP256);
    let leaf = signer(Suite::EcdsaP256);
    let (spiffe_id, key) = (id("/web"), SubjectKey::Suite(leaf.public_key().clone()));
    let issued = prepare(&root, workload(&spiffe_id, &key))
        .unwrap()
        .sign(&root)
        .unwrap();
    let error = Authority::new(certificate(&issued), leaf.clone()).unwrap_err();
    assert!(
        matches!(
            &error,
            IssuanceError::Authority(AuthorityError::NotAnAuthority(_))
        ),
        "{error}"
    );
    let error = Authority::new(root.certificate().clone(), leaf).unwrap_err();
    assert!(
        matches!(&error, IssuanceError::Authority(AuthorityError::KeyMismatch(_))),
        "{error}"
    );
}

#[test]
fn somebody_elses_signature() {
    let (authority, other) = (authority(Suite::EcdsaP256), authority(Suite::EcdsaP256));
    let (spiffe_id, key) = (id("/web"), key(Suite::EcdsaP256));
    let error = prepare(&authority, workload(&spiffe_id, &key))
        .unwrap()
        .sign(&other)
        .unwrap_err();
    assert!(
        matches!(&error, IssuanceError::Signing(SigningError::WrongSigner)),
        "{error}"
    );
}

/// A key held elsewhere that returns a signature over something else.
#[derive(Debug)]
struct Faulty(SoftwareKey);

impl HeldKey for Faulty {
    fn component(&self) -> Component {
        self.0.component()
    }
    fn public_key(&self) -> &PublicKey {
        self.0.public_key()
    }
    fn sign(&self, message: &[u8], context: MlDsaContext<'_>) -> Result<Vec<u8>, SignError> {
        self.0.sign(&message[1..], context)
    }
}

#[test]
fn a_key_store_that_signs_something_else() {
    for (suite, component) in [
        (Suite::EcdsaP256, Component::EcdsaP256Sha256),
        (Suite::MlDsa44, Component::MlDsa44),
    ] {
        let key = Arc::new(Faulty(SoftwareKey::generate(component).unwrap()));
        let signer = SuiteSigner::new(suite, vec![key]).unwrap();
        let spec = AuthoritySpec {
            trust_domain: &trust_domain(),
            ttl: DAY,
            path_len: None,
        };
        let linted = prepare_authority(&spec, &signer, serial(), now()).unwrap();
        let error = linted.sign(&signer).unwrap_err();
        assert!(
            matches!(&error, IssuanceError::Signing(SigningError::Rejected(_))),
            "{error}"
        );
    }
}

#[test]
fn types_may_cross_threads() {
    fn assert<T: Send + Sync>() {}
    assert::<Authority>();
    assert::<symbolon_issuance::Linted>();
    assert::<symbolon_issuance::IssuedCertificate>();
    assert::<symbolon_issuance::jwt::JwtAuthority>();
    assert::<Serial>();
    assert::<IssuanceError>();
}
