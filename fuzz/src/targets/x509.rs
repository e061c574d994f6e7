//! Certificates, chains of them, requests, and everything that looks at them.

mod seeds;

use ::der::{Decode as _, Encode as _};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use symbolon_issuance::Serial;
use symbolon_issuance::lint::{self, Expected, Issuer, Scope};
use symbolon_issuance::{Profile, SvidProfile};
use symbolon_pki::certificate::{Certificate, split_chain};
use symbolon_pki::crl::Crl;
use symbolon_pki::csr::Csr;
use symbolon_pki::kem::KemPublicKey;
use symbolon_pki::{catalyst, chameleon, describe, pem};
use x509_parser::prelude::{FromDer as _, X509Certificate};
use x509_parser::revocation_list::CertificateRevocationList;

use super::der;
use crate::estate::{self, chain, chains, now};
use crate::{Shape, Target};
use symbolon_pki::suite::Suite;

pub(super) use self::seeds::certificates;

pub(super) const CERTIFICATE: Target = Target {
    name: "certificate",
    about: "a certificate: what is read is what x509-parser and webpki read, and comes out as it went in",
    shape: Shape::Der,
    max_len: 16 * 1024,
    body: certificate,
    seeds: certificates,
};

pub(super) const CHAIN: Target = Target {
    name: "chain",
    about: "certificates one after the other, as the Workload API sends them",
    shape: Shape::Der,
    max_len: 24 * 1024,
    body: |input| {
        if let Ok(chain) = split_chain(input) {
            let together: Vec<u8> = chain.iter().flat_map(|one| one.der().to_vec()).collect();
            assert_eq!(together, input, "the parts of a chain are not the whole");
        }
    },
    seeds: || {
        chains()
            .iter()
            .map(|chain| chain.certificates().concat())
            .collect()
    },
};

pub(super) const REQUEST: Target = Target {
    name: "request",
    about: "a certificate request with the signature it came with",
    shape: Shape::Der,
    max_len: 16 * 1024,
    body: request,
    seeds: seeds::requests,
};

pub(super) const REQUEST_INFO: Target = Target {
    name: "request-info",
    about: "what a certificate request says, under a signature that is right",
    shape: Shape::Der,
    max_len: 4 * 1024,
    body: |input| request(&der::signed(input, &estate::signer(Suite::EcdsaP256, 3))),
    seeds: seeds::request_infos,
};

pub(super) const CRL: Target = Target {
    name: "crl",
    about: "a revocation list with the signature it came with; beside x509-parser",
    shape: Shape::Der,
    max_len: 8 * 1024,
    body: crl,
    seeds: seeds::crls,
};

pub(super) const CRL_INFO: Target = Target {
    name: "crl-info",
    about: "what a revocation list says, under a signature that is right",
    shape: Shape::Der,
    max_len: 4 * 1024,
    body: |input| crl(&der::signed(input, &estate::signer(Suite::EcdsaP256, 2))),
    seeds: || vec![chain(Suite::EcdsaP256).tbs_crl()],
};

pub(super) const LINTER: Target = Target {
    name: "linter",
    about: "the linter over anybody's certificates, requests and lists",
    shape: Shape::Der,
    max_len: 24 * 1024,
    body: linter,
    seeds: || [certificates(), seeds::requests(), seeds::crls()].concat(),
};

pub(super) const DESCRIBE: Target = Target {
    name: "describe",
    about: "what `symbolon inspect` says of anything: never fails on what was read, and can be written",
    shape: Shape::Bytes,
    max_len: 24 * 1024,
    body: describe_anything,
    seeds: seeds::descriptions,
};

pub(super) const PEM: Target = Target {
    name: "pem",
    about: "PEM: blocks, certificates, a private key and a request, beside rustls' reader",
    shape: Shape::Bytes,
    max_len: 24 * 1024,
    body: read_pem,
    seeds: seeds::pems,
};

pub(super) const LINT: Target = Target {
    name: "lint",
    about: "the lint before every signature: what the linter makes of a TBSCertificate and what was asked for",
    shape: Shape::Der,
    max_len: 8 * 1024,
    body: lint_tbs,
    seeds: || certificates().iter().map(|der| der::to_be_signed(der)).collect(),
};

fn certificate(input: &[u8]) {
    let Ok(certificate) = Certificate::from_der(input) else {
        return;
    };
    assert_eq!(certificate.der(), input);
    let again = certificate
        .inner()
        .to_der()
        .expect("what was read can be written");
    assert_eq!(again, input, "a certificate that is written differently");
    assert!(
        input
            .windows(certificate.tbs_der().len())
            .any(|part| part == certificate.tbs_der())
    );
    looked_at(&certificate);
    as_x509_parser(&certificate);
    if let Ok(other) = webpki::EndEntityCert::try_from(&CertificateDer::from(input)) {
        assert_eq!(&*other.subject_public_key_info(), certificate.spki_der());
    }
    let described = describe::describe(input, now()).expect("what is read can be described");
    assert!(!described.is_empty());
}

/// Everything that a caller may ask a certificate.
fn looked_at(certificate: &Certificate) {
    let _ = (
        certificate.spiffe_id(),
        certificate.form(),
        certificate.algorithm(),
        certificate.signature_suite(),
        certificate.skid(),
        certificate.akid(),
        certificate.path_len(),
        certificate.key_usage(),
        certificate.issuer(),
        certificate.subject(),
        certificate.serial_hex(),
        certificate.serial_decimal(),
        certificate.sha256(),
        // In whichever order: one that is over before it begins is never valid.
        (certificate.not_before(), certificate.not_after()),
    );
    if let Ok(key) = certificate.subject_key() {
        assert_eq!(
            key.spki_der(),
            certificate.spki_der(),
            "a key that is written differently"
        );
        let _ = certificate.verify_signature(key);
    }
    let _ = KemPublicKey::of(certificate);
    if let Ok(Some(delta)) = chameleon::delta(certificate) {
        assert_ne!(delta.spki_der(), certificate.spki_der());
        looked_at(&delta);
    }
    if let Some(alternative) = certificate.alternative() {
        let _ = (
            alternative.key().is_ok(),
            alternative.algorithm().is_ok(),
            alternative.signature().is_ok(),
        );
        let _ = catalyst::verify_alternative(certificate, certificate);
        let signed = catalyst::pre_tbs(certificate.tbs_der()).expect("what was read can be signed");
        assert!(signed.len() < certificate.tbs_der().len());
    }
    if let Some(related) = certificate.related() {
        let _ = (related.hash_name(), related.check(certificate).is_ok());
    }
    if certificate.is_self_issued() {
        assert_eq!(certificate.issuer_der(), certificate.subject_der());
    }
}

/// A second reader that accepts this, too, and reads the same.
fn as_x509_parser(certificate: &Certificate) {
    let (rest, other) =
        X509Certificate::from_der(certificate.der()).expect("x509-parser refuses what we accept");
    assert!(rest.is_empty());
    assert_eq!(other.tbs_certificate.as_ref(), certificate.tbs_der());
    assert_eq!(other.signature_value.data.as_ref(), certificate.signature());
    assert_eq!(other.tbs_certificate.subject_pki.raw, certificate.spki_der());
    assert_eq!(other.issuer().as_raw(), certificate.issuer_der());
    assert_eq!(other.subject().as_raw(), certificate.subject_der());
    assert_eq!(other.raw_serial(), certificate.serial(), "serial number");
    let seconds = |at: std::time::SystemTime| {
        at.duration_since(std::time::SystemTime::UNIX_EPOCH)
            .map(|since| since.as_secs())
            .expect("after 1970")
    };
    assert_eq!(
        u64::try_from(other.validity().not_before.timestamp()),
        Ok(seconds(certificate.not_before()))
    );
    assert_eq!(
        u64::try_from(other.validity().not_after.timestamp()),
        Ok(seconds(certificate.not_after()))
    );
    let extensions: Vec<_> = other
        .extensions()
        .iter()
        .map(|one| (one.oid.to_id_string(), one.critical, one.value.to_vec()))
        .collect();
    let ours: Vec<_> = certificate
        .extensions()
        .iter()
        .map(|one| {
            (
                one.extn_id.to_string(),
                one.critical,
                one.extn_value.as_bytes().to_vec(),
            )
        })
        .collect();
    assert_eq!(extensions, ours, "extensions");
}

fn request(input: &[u8]) {
    let Ok(request) = Csr::from_der(input) else { return };
    assert_eq!(SubjectDer::of(input).as_deref(), Some(request.subject_der()));
    assert!(
        request
            .uri_sans()
            .iter()
            .chain(request.dns_sans())
            .all(|name| name.is_ascii())
    );
    let _ = (request.form(), request.alternative_key());
    if let Some(related) = request.related_request() {
        let first = Certificate::from_der(&chain(Suite::EcdsaP256).leaf).expect("a certificate of our own");
        let _ = (
            related.serial_hex(),
            related.locations(),
            related.prove(&first, now()).is_ok(),
        );
    }
    if let Ok(Some(id)) = request.spiffe_id() {
        assert_eq!(request.uri_sans(), [id.to_string()]);
    }
    let spki = request.key().spki_der();
    assert!(
        input.windows(spki.len()).any(|part| part == spki),
        "the key is not in the request"
    );
    // Not that it is written the same: attributes that are not looked at are taken in any order.
    let x509_cert = x509_cert::request::CertReq::from_der(input).expect("x509-cert refuses what we accept");
    assert_eq!(
        x509_cert.info.public_key.to_der().expect("writable"),
        spki,
        "another key"
    );
    describe::describe(input, now()).expect("what is read can be described");
}

fn crl(input: &[u8]) {
    let Ok(crl) = Crl::from_der(input) else { return };
    assert_eq!(crl.der(), input);
    let (rest, other) =
        CertificateRevocationList::from_der(input).expect("x509-parser refuses what we accept");
    assert!(rest.is_empty());
    assert_eq!(other.tbs_cert_list.as_ref(), crl.tbs_der());
    assert_eq!(other.signature_value.data.as_ref(), crl.signature());
    let serials: Vec<&[u8]> = other
        .iter_revoked_certificates()
        .map(|one| one.raw_serial())
        .collect();
    assert_eq!(serials.len(), crl.entries().len());
    for serial in serials {
        assert!(
            crl.revocation_of(serial).is_some(),
            "a serial number that is not found again"
        );
    }
    let _ = (crl.issuer(), crl.number_decimal(), crl.scope(), crl.algorithm());
    for chain in [chain(Suite::EcdsaP256), chain(Suite::MlDsa44)] {
        let key = chain.below.certificate().subject_key().expect("a key of our own");
        let _ = (
            crl.verify_signature(key).is_ok(),
            crl.verify_alternative(key).is_ok(),
        );
    }
}

/// The subject of a request as x509-parser reads it.
struct SubjectDer;

impl SubjectDer {
    fn of(request: &[u8]) -> Option<Vec<u8>> {
        let (_, other) = x509_parser::certification_request::X509CertificationRequest::from_der(request)
            .expect("x509-parser refuses what we accept");
        Some(other.certification_request_info.subject.as_raw().to_vec())
    }
}

fn describe_anything(input: &[u8]) {
    if let Ok(things) = describe::describe(input, now()) {
        assert!(!things.is_empty());
        for thing in &things {
            let _ = thing.problems();
        }
        serde_json::to_string(&things).expect("a description can be written");
    }
}

fn read_pem(input: &[u8]) {
    let _ = pem::looks_like_pem(input);
    if let Ok(blocks) = pem::blocks(input) {
        for block in blocks.into_iter().flatten() {
            let again = pem::encode(&block.label, &block.der);
            let mut read = pem::blocks(again.as_bytes()).expect("PEM of our own");
            let same = read.remove(0).expect("a block of our own");
            assert!(read.is_empty());
            assert_eq!((&same.label, &*same.der), (&block.label, &*block.der));
        }
    }
    if let Ok(certificates) = pem::certificates(input)
        && let Ok(ours) = certificates.into_iter().collect::<Result<Vec<_>, _>>()
        && let Ok(others) = CertificateDer::pem_slice_iter(input).collect::<Result<Vec<_>, _>>()
    {
        let ours: Vec<&[u8]> = ours.iter().map(Certificate::der).collect();
        let others: Vec<&[u8]> = others.iter().map(AsRef::as_ref).collect();
        assert_eq!(ours, others, "certificates as rustls reads them");
    }
    if let Ok(key) = pem::private_key(input)
        && let Ok(again) = pem::encode_private_key(&key)
    {
        let same = pem::private_key(again.as_bytes()).expect("a key of our own");
        assert_eq!(same.public_key().ok(), key.public_key().ok());
        let _ = PrivateKeyDer::from_pem_slice(input);
    }
    let _ = pem::certificate_request(input);
}

fn lint_tbs(input: &[u8]) {
    for chain in [chain(Suite::EcdsaP256), chain(Suite::MlDsa65EcdsaP256)] {
        let serial = Serial::from_bytes([7; 16]).expect("a serial number");
        let expected = Expected {
            profile: Profile::Svid(SvidProfile::Workload),
            serial: &serial,
            spiffe_id: &estate::workload(),
            dns_names: &[],
            spki: &chain.spki,
            alternative_spki: None,
            related: None,
            path_len: None,
            constrains_names: false,
            organization: "Symbolon",
            ttl: std::time::Duration::from_secs(3600),
            now: now(),
            issuer: Issuer::Authority(&chain.below),
        };
        let _ = lint::check(input, &expected);
    }
}

fn linter(input: &[u8]) {
    for scope in Scope::ALL {
        let reports = lint::lint(input, scope).unwrap_or_default();
        for report in reports.iter().chain(&[
            lint::lint_certificate(input, scope),
            lint::lint_request(input, scope),
        ]) {
            assert_eq!(report.worst().is_some(), !report.findings.is_empty());
            let _ = report.findings.iter().map(ToString::to_string).count();
        }
    }
    let _ = lint::lint_crl(input).worst();
}
