//! The forms that have something beside the key: catalyst and paired, from the request to the verified certificate.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::*;
use symbolon_issuance::{
    Authority, AuthorityError, AuthorityKeys, AuthoritySpec, Beside, IntermediateRequest, IssuanceError,
    RequestError, SvidProfile, SvidRequest, prepare_authority, prepare_intermediate, prepare_svid,
};
use symbolon_pki::bundle::{BundleSet, TrustBundle, X509Authority};
use symbolon_pki::catalyst::{Part, pre_tbs, strip_signature, verify_alternative, verify_alternative_with};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::csr::{Csr, CsrBuilder};
use symbolon_pki::key::{SubjectKey, SuiteSigner};
use symbolon_pki::related::{PairError, RelatedCertificate, RelatedError, verify_pair};
use symbolon_pki::suite::{Family, Form, Suite};
use symbolon_pki::verify::{VerifyOptions, verify_x509_svid};

const NATIVE: [Suite; 2] = [Suite::EcdsaP256, Suite::EcdsaP384];
const ALTERNATIVE: [Suite; 3] = [Suite::MlDsa44, Suite::MlDsa65, Suite::MlDsa87];

fn bundles(authorities: &[&Authority]) -> BundleSet {
    let mut bundle = TrustBundle::new(trust_domain());
    bundle.x509_authorities = authorities
        .iter()
        .map(|authority| X509Authority::new(authority.certificate().clone()))
        .collect();
    bundle.into()
}

fn subject(signer: &SuiteSigner) -> SubjectKey {
    SubjectKey::Suite(signer.public_key().clone())
}

/// The refusal of a request.
fn refused(authority: &Authority, request: &SvidRequest<'_>) -> RequestError {
    match prepare_svid(authority, request) {
        Err(IssuanceError::Request(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn catalyst_from_the_request_to_both_signatures_of_the_whole_chain() {
    for native in NATIVE {
        for alternative in ALTERNATIVE {
            let root = catalyst_authority(native, alternative);
            assert_eq!(root.family(), Family::Catalyst);
            assert_eq!(root.certificate().form(), Some(Form::Catalyst));
            verify_alternative(root.certificate(), root.certificate()).unwrap();
            let below = catalyst_intermediate(&root, Suite::EcdsaP256, Suite::MlDsa44);
            verify_alternative(below.certificate(), root.certificate()).unwrap();

            let (leaf, leaf_alternative) = (signer(native), signer(alternative));
            let csr = CsrBuilder::new(&leaf).alternative(&leaf_alternative).build();
            let csr = Csr::from_der(&csr.unwrap()).unwrap();
            assert_eq!(csr.form(), Form::Catalyst);
            for (profile, path) in [
                (SvidProfile::Server, "/spire/server"),
                (SvidProfile::Agent, "/spire/agent/join_token/abc"),
                (SvidProfile::Workload, "/web"),
            ] {
                let spiffe_id = id(path);
                let request = SvidRequest {
                    profile,
                    beside: Beside::Alternative(csr.alternative_key().unwrap()),
                    ..workload(&spiffe_id, csr.key())
                };
                for issuer in [&root, &below] {
                    let linted = prepare_svid(issuer, &request).unwrap();
                    let tbs = linted.tbs_der().to_vec();
                    let issued = linted.sign(issuer).unwrap();
                    let facts = issued.facts();
                    assert_eq!(facts.form, Form::Catalyst);
                    assert_eq!(facts.alternative.as_deref(), Some(alternative.name()));
                    assert_eq!(
                        facts.issuer_alternative,
                        Some(issuer.alternative().unwrap().suite())
                    );

                    let certificate = certificate(&issued);
                    assert_eq!(strip_signature(certificate.tbs_der()).unwrap(), tbs);
                    verify_alternative(&certificate, issuer.certificate()).unwrap();
                    for part in Part::ALL {
                        assert!(!certificate.extension(part.oid()).unwrap().critical);
                    }
                    // To who does not look, it is a classical certificate.
                    let chain = [certificate.clone(), below.certificate().clone()];
                    verify_x509_svid(&chain, &bundles(&[&root]), now()).unwrap();
                    let (_, parsed) = x509_parser::parse_x509_certificate(certificate.der()).unwrap();
                    assert!(parsed.extensions().iter().all(|extension| {
                        !extension.critical
                            || matches!(extension.oid.to_id_string().as_str(), "2.5.29.15" | "2.5.29.19")
                    }));
                }
            }
        }
    }
}

#[test]
fn the_alternative_signature_is_over_what_the_standard_says() {
    let root = catalyst_authority(Suite::EcdsaP256, Suite::MlDsa44);
    let certificate = root.certificate();
    let signed = pre_tbs(certificate.tbs_der()).unwrap();
    let key = root.alternative().unwrap().public_key();
    let signature = certificate.alternative().unwrap().signature().unwrap();
    key.verify(&signed, signature).unwrap();
    // Neither the certificate as it is, nor without its last extension, is what was signed.
    key.verify(certificate.tbs_der(), signature).unwrap_err();
    key.verify(&strip_signature(certificate.tbs_der()).unwrap(), signature)
        .unwrap_err();
}

#[test]
fn an_authority_needs_both_its_keys() {
    let root = catalyst_authority(Suite::EcdsaP256, Suite::MlDsa44);
    let certificate = root.certificate().clone();
    let native = root.signer().clone();
    let wrong = AuthorityKeys::catalyst(native.clone(), signer(Suite::MlDsa44)).unwrap();
    let classical = authority(Suite::EcdsaP256);
    let too_many = AuthorityKeys::catalyst(classical.signer().clone(), signer(Suite::MlDsa44)).unwrap();
    for (certificate, keys) in [
        (certificate.clone(), AuthorityKeys::from(native)),
        (certificate, wrong),
        (classical.certificate().clone(), too_many),
    ] {
        let error = Authority::new(certificate, keys).unwrap_err();
        assert!(
            matches!(
                error,
                IssuanceError::Authority(AuthorityError::AlternativeKeyMismatch(_))
            ),
            "{error}"
        );
    }
    for (native, alternative) in [
        (Suite::MlDsa44, Suite::EcdsaP256),
        (Suite::EcdsaP256, Suite::EcdsaP384),
        (Suite::MlDsa44, Suite::MlDsa65),
        (Suite::EcdsaP256, Suite::MlDsa44EcdsaP256),
        (Suite::MlDsa44EcdsaP256, Suite::MlDsa44),
        (Suite::Ed25519, Suite::MlDsa44),
    ] {
        let error = AuthorityKeys::catalyst(signer(native), signer(alternative)).unwrap_err();
        assert_eq!(error, AuthorityError::NotCatalyst { native, alternative });
    }
}

#[test]
fn only_the_keys_that_it_was_prepared_for_can_sign_it() {
    let keys = catalyst_keys(Suite::EcdsaP256, Suite::MlDsa44);
    let other = AuthorityKeys::catalyst(keys.signer().clone(), signer(Suite::MlDsa44)).unwrap();
    let native_alone = AuthorityKeys::from(keys.signer().clone());
    let prepare = |keys: &AuthorityKeys| {
        let spec = AuthoritySpec {
            trust_domain: &trust_domain(),
            ttl: DAY,
            path_len: None,
        };
        prepare_authority(&spec, keys, serial(), now()).unwrap()
    };
    for (prepared_for, signed_with) in [(&keys, &other), (&keys, &native_alone), (&native_alone, &keys)] {
        let error = prepare(prepared_for).sign(signed_with).unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("the signer is not the issuer that the certificate names"),
            "{error}"
        );
    }
}

#[test]
fn catalyst_requests_that_are_refused() {
    let root = catalyst_authority(Suite::EcdsaP256, Suite::MlDsa44);
    let classical = authority(Suite::EcdsaP256);
    let (native, alternative) = (key(Suite::EcdsaP256), key(Suite::MlDsa44));
    let spiffe_id = id("/web");
    let ask = |authority: &Authority, key: &SubjectKey, beside: Beside<'_>| {
        let request = SvidRequest {
            beside,
            ..workload(&spiffe_id, key)
        };
        refused(authority, &request)
    };

    // Not this family's.
    for (authority, key, beside) in [
        (&root, &native, Beside::Nothing),
        (&root, &alternative, Beside::Nothing),
        (&classical, &native, Beside::Alternative(&alternative)),
    ] {
        let error = ask(authority, key, beside);
        assert!(matches!(error, RequestError::FamilyMismatch { .. }), "{error}");
    }
    // Not these keys.
    let rsa = SubjectKey::from_spki_der(include_bytes!("data/rsa-2048.spki.der")).unwrap();
    for (key, alternative) in [
        (&alternative, &native),
        (&alternative, &alternative),
        (&native, &native),
        (&rsa, &alternative),
        (&key(Suite::Ed25519), &alternative),
        (&native, &key(Suite::MlDsa44EcdsaP256)),
        (&key(Suite::MlDsa44EcdsaP256), &alternative),
    ] {
        let error = ask(&root, key, Beside::Alternative(alternative));
        assert!(matches!(error, RequestError::CatalystKeys { .. }), "{error}");
    }
    // Not the authority's own.
    let (own, own_alternative) = (subject(root.signer()), subject(root.alternative().unwrap()));
    for (key, alternative) in [(&own, &alternative), (&native, &own_alternative)] {
        let error = ask(&root, key, Beside::Alternative(alternative));
        assert!(matches!(error, RequestError::IssuersKey { .. }), "{error}");
    }
    // An authority below has both keys, too.
    for (authority, alternative) in [(&root, None), (&classical, Some(&alternative))] {
        let request = IntermediateRequest {
            key: &native,
            alternative,
            ttl: HOUR,
            path_len: None,
            serial: serial(),
            now: now(),
        };
        let error = prepare_intermediate(authority, &request).unwrap_err();
        assert!(
            matches!(error, IssuanceError::Request(RequestError::FamilyMismatch { .. })),
            "{error}"
        );
    }
}

/// A pair for `/web`: the authorities of the two halves, and the two certificates.
fn pair() -> (Authority, Authority, Certificate, Certificate) {
    let (classical, first, second, related) = proven_first(now());
    let ml_dsa = authority(Suite::MlDsa65);
    let (spiffe_id, key) = (id("/web"), subject(&second));
    let request = SvidRequest {
        beside: Beside::Related(&related),
        ..workload(&spiffe_id, &key)
    };
    let linted = prepare_svid(&ml_dsa, &request).unwrap();
    assert_eq!(linted.facts().form, Form::Paired);
    assert_eq!(linted.facts().algorithm, "ml-dsa-44");
    let issued = linted.sign(&ml_dsa).unwrap();
    (classical, ml_dsa, first, certificate(&issued))
}

#[test]
fn paired_from_two_requests_to_one_verified_pair() {
    let (classical, ml_dsa, first, second) = pair();
    let link = second.related().unwrap();
    assert_eq!(link, &RelatedCertificate::to(&first));
    assert_eq!(link.hash_name(), "SHA-256");
    assert!(!second.extension(RelatedCertificate::oid()).unwrap().critical);
    assert_eq!(second.form(), Some(Form::Paired));

    let bundles = bundles(&[&classical, &ml_dsa]);
    let verified = verify_pair(
        std::slice::from_ref(&first),
        std::slice::from_ref(&second),
        &bundles,
        now(),
        &VerifyOptions::default(),
    )
    .unwrap();
    assert_eq!(verified.spiffe_id, id("/web"));
    assert_eq!(verified.first.authority_id, *classical.authority_id());
    assert_eq!(verified.second.authority_id, *ml_dsa.authority_id());
    // Each half is an SVID by itself.
    for half in [&first, &second] {
        verify_x509_svid(std::slice::from_ref(half), &bundles, now()).unwrap();
    }

    // A pair the other way round, of one half twice, or with another first.
    let verify = |first: &Certificate, second: &Certificate| {
        let (first, second) = (std::slice::from_ref(first), std::slice::from_ref(second));
        verify_pair(first, second, &bundles, now(), &VerifyOptions::default()).unwrap_err()
    };
    assert!(matches!(verify(&second, &first), PairError::Second(_)));
    assert!(matches!(verify(&first, &first), PairError::Second(_)));
    let (other_classical, _, other_first, _) = pair();
    let both = {
        let mut bundle = TrustBundle::clone(bundles.get(&trust_domain()).unwrap());
        bundle
            .x509_authorities
            .push(X509Authority::new(other_classical.certificate().clone()));
        BundleSet::from(bundle)
    };
    let error = verify_pair(&[other_first], &[second], &both, now(), &VerifyOptions::default());
    assert_eq!(
        error.unwrap_err(),
        PairError::Related(RelatedError::OtherHash { hash: "SHA-256" })
    );
}

#[test]
fn the_hash_of_the_link_is_that_of_the_first_certificates_signature() {
    let authority = authority(Suite::EcdsaP384);
    let spiffe_id = id("/web");
    let issued = prepare(&authority, workload(&spiffe_id, &key(Suite::EcdsaP256))).unwrap();
    let first = certificate(&issued.sign(&authority).unwrap());
    assert_eq!(RelatedCertificate::to(&first).hash_name(), "SHA-384");
}

#[test]
fn second_certificates_that_are_refused() {
    let (_, first, second, related) = proven_first(now());
    let ml_dsa = authority(Suite::MlDsa65);
    let (key, spiffe_id) = (subject(&second), id("/web"));
    let request = SvidRequest {
        beside: Beside::Related(&related),
        ..workload(&spiffe_id, &key)
    };
    prepare_svid(&ml_dsa, &request).unwrap();

    // For somebody else.
    let other = id("/other");
    let error = refused(
        &ml_dsa,
        &SvidRequest {
            spiffe_id: &other,
            ..request
        },
    );
    assert!(matches!(error, RequestError::OtherFirst { .. }), "{error}");
    // After the first has ended.
    let late = authority_of(signer(Suite::MlDsa65), None, now(), DAY * 2);
    let error = refused(
        &late,
        &SvidRequest {
            now: first.not_after() + HOUR,
            ..request
        },
    );
    assert!(matches!(error, RequestError::FirstEnded { .. }), "{error}");
    // By another family, or for another family's key.
    let (composite, classical) = (authority(Suite::MlDsa44EcdsaP256), common::key(Suite::EcdsaP256));
    for (authority, key) in [(&composite, &key), (&ml_dsa, &classical)] {
        let error = refused(authority, &SvidRequest { key, ..request });
        assert!(matches!(error, RequestError::FamilyMismatch { .. }), "{error}");
    }
}

#[test]
fn a_leaf_without_an_alternative_key_is_no_catalyst_certificate() {
    let root = catalyst_authority(Suite::EcdsaP256, Suite::MlDsa44);
    let classical = authority(Suite::EcdsaP256);
    let spiffe_id = id("/web");
    let issued = prepare(&classical, workload(&spiffe_id, &key(Suite::EcdsaP256))).unwrap();
    let leaf = certificate(&issued.sign(&classical).unwrap());
    let key = subject(root.alternative().unwrap());
    let error = verify_alternative_with(&leaf, &key).unwrap_err();
    assert!(
        error.to_string().contains("there is no subjectAltPublicKeyInfo"),
        "{error}"
    );
    let error = verify_alternative(root.certificate(), classical.certificate()).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("the issuer cannot have made an alternative signature"),
        "{error}"
    );
}
