//! Every suite in every profile: verified by the project's one verifier, read by `x509-parser` as second opinion.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::*;
use symbolon_issuance::{
    IssuedCertificate, MAX_DNS_NAMES, MAX_SPIFFE_ID_LEN, Profile, SvidProfile, SvidRequest, prepare_svid,
};
use symbolon_pki::bundle::{BundleSet, TrustBundle, X509Authority};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::csr::{Csr, CsrBuilder};
use symbolon_pki::key::SubjectKey;
use symbolon_pki::suite::Suite;
use symbolon_pki::verify::verify_x509_svid;
use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension, X509Certificate};

fn bundle(authority: &Certificate) -> BundleSet {
    let mut bundle = TrustBundle::new(trust_domain());
    bundle
        .x509_authorities
        .push(X509Authority::new(authority.clone()));
    let mut bundles = BundleSet::new();
    bundles.insert(bundle);
    bundles
}

/// What `x509-parser` says about a certificate must be what our `Facts` say, and what the standards demand.
fn second_opinion(issued: &IssuedCertificate, dns_names: &[String], rsa: bool) {
    let facts = issued.facts();
    let (rest, parsed) = X509Certificate::from_der(issued.der()).unwrap();
    assert!(rest.is_empty());
    assert_eq!(parsed.version.0, 2);
    assert_eq!(parsed.serial.to_str_radix(10), facts.serial.decimal());
    assert_eq!(
        at(parsed.validity.not_before.timestamp() as u64),
        facts.not_before
    );
    assert_eq!(at(parsed.validity.not_after.timestamp() as u64), facts.not_after);
    assert_eq!(parsed.signature_algorithm, parsed.tbs_certificate.signature);
    assert!(parsed.signature_algorithm.parameters.is_none());

    let authority = facts.profile.is_authority();
    let usage = parsed.key_usage().unwrap().unwrap();
    assert!(usage.critical);
    assert_eq!(usage.value.key_cert_sign(), authority);
    assert_eq!(usage.value.crl_sign(), authority);
    assert_eq!(usage.value.digital_signature(), !authority);
    assert_eq!(usage.value.key_encipherment(), rsa);
    assert!(!usage.value.key_agreement());
    let constraints = parsed.basic_constraints().unwrap().unwrap();
    assert!(constraints.critical);
    assert_eq!(constraints.value.ca, authority);
    match parsed.extended_key_usage().unwrap() {
        Some(usage) => assert!(!authority && usage.value.server_auth && usage.value.client_auth),
        None => assert!(authority),
    }

    let mut uris = Vec::new();
    let mut names = Vec::new();
    for name in &parsed
        .subject_alternative_name()
        .unwrap()
        .unwrap()
        .value
        .general_names
    {
        match name {
            GeneralName::URI(uri) => uris.push((*uri).to_owned()),
            GeneralName::DNSName(name) => names.push((*name).to_owned()),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(uris, [facts.spiffe_id.to_string()]);
    assert_eq!(names, dns_names);

    let mut ids = [None, None];
    for extension in parsed.extensions() {
        match extension.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(id) => ids[0] = Some(id.0.to_vec()),
            ParsedExtension::AuthorityKeyIdentifier(id) => {
                ids[1] = id.key_identifier.as_ref().map(|id| id.0.to_vec());
            }
            _ => {}
        }
    }
    assert_eq!(ids[0].as_deref(), Some(&facts.key_id.as_bytes()[..]));
    assert_eq!(ids[1].as_deref(), Some(&facts.authority_id.as_bytes()[..]));

    let subject = parsed.subject().to_string();
    if authority {
        assert_eq!(
            subject,
            format!("C=US, O=SPIFFE, serialNumber={}", facts.serial.decimal())
        );
    } else {
        let common_name = dns_names
            .first()
            .map(|name| format!(", CN={name}"))
            .unwrap_or_default();
        assert_eq!(subject, format!("C=US, O=SPIRE{common_name}"));
    }
}

/// The leaf suites that an authority of `suite` certifies.
fn leaves_of(suite: Suite) -> impl Iterator<Item = Suite> {
    Suite::DEFAULTS
        .into_iter()
        .filter(move |leaf| leaf.family() == suite.family())
}

#[test]
fn every_suite_and_profile_from_csr_to_verified_certificate() {
    for suite in Suite::DEFAULTS {
        let root = authority(suite);
        second_opinion_of_authority(&root);
        let below = intermediate(&root, suite, Some(0));
        second_opinion_of_authority(&below);
        let bundles = bundle(root.certificate());

        for leaf_suite in leaves_of(suite) {
            let leaf = signer(leaf_suite);
            let csr = Csr::from_der(&CsrBuilder::new(&leaf).build().unwrap()).unwrap();
            for (profile, path) in [
                (SvidProfile::Server, "/spire/server"),
                (SvidProfile::Agent, "/spire/agent/join_token/abc"),
                (SvidProfile::Workload, "/web"),
            ] {
                let dns_names = match profile {
                    SvidProfile::Workload => vec!["web.example.org".to_owned(), "*.web".to_owned()],
                    _ => Vec::new(),
                };
                for issuer in [&root, &below] {
                    let spiffe_id = id(path);
                    let request = SvidRequest {
                        profile,
                        dns_names: &dns_names,
                        ..workload(&spiffe_id, csr.key())
                    };
                    let linted = prepare_svid(issuer, &request).unwrap();
                    let tbs = linted.tbs_der().to_vec();
                    let issued = linted.sign(issuer).unwrap();
                    let certificate = certificate(&issued);
                    assert_eq!(certificate.tbs_der(), tbs);
                    assert_eq!(issued.facts().profile, Profile::Svid(profile));
                    assert_eq!(certificate.serial_hex(), request.serial.hex());
                    assert_eq!(certificate.subject_key().unwrap(), csr.key());
                    second_opinion(&issued, &dns_names, false);

                    let chain = [certificate, below.certificate().clone()];
                    let verified = verify_x509_svid(&chain, &bundles, now()).unwrap();
                    assert_eq!(verified.spiffe_id, spiffe_id);
                    assert_eq!(verified.form, suite.form());
                    assert_eq!(verified.suite, leaf_suite.name());
                    assert_eq!(verified.authority_id, *root.authority_id());
                }
            }
        }
    }
}

fn second_opinion_of_authority(authority: &symbolon_issuance::Authority) {
    let (_, parsed) = X509Certificate::from_der(authority.certificate().der()).unwrap();
    assert!(parsed.is_ca());
    let constraints = parsed.basic_constraints().unwrap().unwrap().value;
    assert_eq!(
        constraints.path_len_constraint,
        authority.certificate().path_len().map(u32::from)
    );
}

#[test]
fn a_self_signed_authority_says_what_was_asked() {
    for suite in Suite::DEFAULTS {
        let signer = signer(suite);
        let spec = symbolon_issuance::AuthoritySpec {
            trust_domain: &trust_domain(),
            ttl: DAY,
            path_len: Some(3),
        };
        let linted = symbolon_issuance::prepare_authority(&spec, &signer, serial(), now()).unwrap();
        let issued = linted.sign(&signer).unwrap();
        second_opinion(&issued, &[], false);
        let certificate = certificate(&issued);
        assert_eq!(issued.facts().authority_id, signer.public_key().skid());
        assert_eq!(certificate.path_len(), Some(3));
        assert!(certificate.is_self_issued());
        let key = SubjectKey::Suite(signer.public_key().clone());
        certificate.verify_signature(&key).unwrap();
    }
}

#[test]
fn a_root_names_its_organization_and_intermediates_below_it_verify() {
    let signer = signer(Suite::MlDsa65EcdsaP256);
    let root_of = |organization| {
        let root = symbolon_issuance::RootSpec {
            authority: symbolon_issuance::AuthoritySpec {
                trust_domain: &trust_domain(),
                ttl: DAY,
                path_len: Some(1),
            },
            organization,
            constrains_names: false,
        };
        symbolon_issuance::prepare_root(&root, &signer, serial(), now())
    };
    let issued = root_of("Exämple & Söhne").unwrap().sign(&signer).unwrap();
    let root = certificate(&issued);
    assert!(root.subject().contains("O=Exämple & Söhne"), "{}", root.subject());
    let root = symbolon_issuance::Authority::new(root, signer.clone()).unwrap();
    let below = intermediate(&root, Suite::MlDsa65EcdsaP256, Some(0));
    let leaf_key = key(Suite::MlDsa65EcdsaP256);
    let spiffe_id = id("/web");
    let leaf = prepare(&below, workload(&spiffe_id, &leaf_key))
        .unwrap()
        .sign(&below)
        .unwrap();
    let chain = [certificate(&leaf), below.certificate().clone()];
    verify_x509_svid(&chain, &bundle(root.certificate()), now()).unwrap();
    for wrong in ["", &"x".repeat(65)] {
        let error = root_of(wrong).unwrap_err();
        assert!(
            matches!(error, symbolon_issuance::IssuanceError::Lint(_)),
            "{error}"
        );
    }
}

#[test]
fn rsa_keys_of_stock_clients_may_encipher() {
    let key = SubjectKey::from_spki_der(include_bytes!("data/rsa-2048.spki.der")).unwrap();
    let authority = authority(Suite::EcdsaP256);
    let spiffe_id = id("/web");
    let issued = prepare(&authority, workload(&spiffe_id, &key))
        .unwrap()
        .sign(&authority)
        .unwrap();
    assert_eq!(issued.facts().algorithm, "rsa-2048");
    second_opinion(&issued, &[], true);
    let chain = [certificate(&issued)];
    verify_x509_svid(&chain, &bundle(authority.certificate()), now()).unwrap();
}

#[test]
fn the_largest_certificate_can_be_read_by_its_verifiers() {
    let suite = Suite::MlDsa87EcdsaP384;
    let authority = authority(suite);
    let key = key(suite);
    let longest_id = id(&format!(
        "/{}",
        "w".repeat(MAX_SPIFFE_ID_LEN - "spiffe://example.org/".len())
    ));
    let tail = ["a"; 122].join(".");
    let names: Vec<_> = (0..MAX_DNS_NAMES).map(|n| format!("{n:09}.{tail}")).collect();
    assert_eq!(names[0].len(), 253);
    let mut request = workload(&longest_id, &key);
    request.dns_names = &names;
    let issued = prepare(&authority, request).unwrap().sign(&authority).unwrap();
    let read = Certificate::from_der(issued.der()).unwrap();
    assert_eq!(read.dns_sans(), names);
    verify_x509_svid(&[read], &bundle(authority.certificate()), now()).unwrap();
}

#[test]
fn a_life_into_the_years_of_generalized_time() {
    let authority = authority_of(signer(Suite::EcdsaP256), None, now(), DAY * 365 * 40);
    let spiffe_id = id("/web");
    let key = key(Suite::EcdsaP256);
    let mut request = workload(&spiffe_id, &key);
    request.ttl = DAY * 365 * 30;
    let issued = prepare(&authority, request).unwrap().sign(&authority).unwrap();
    second_opinion(&issued, &[], false);
    // And across the border in one certificate's own validity, to the second.
    request.now = at(2_524_608_005);
    request.ttl = HOUR;
    let issued = prepare(&authority, request).unwrap().sign(&authority).unwrap();
    second_opinion(&issued, &[], false);
}
