//! Certificates: the official ones and rcgen's are read and their signatures verified, and no bytes make it panic.

mod common;

use std::time::{Duration, UNIX_EPOCH};

use common::{FOREIGN, composite_x5c, vectors};
use der::Encode;
use proptest::prelude::*;
use symbolon_pki::bundle::MAX_AUTHORITIES;
use symbolon_pki::certificate::{Certificate, CertificateError, MAX_CERTIFICATES, SvidError, split_chain};
use symbolon_pki::key::Half;
use symbolon_pki::pem;
use symbolon_pki::suite::Suite;

#[test]
fn every_official_composite_certificate_is_read_and_ours_verify() {
    let Some(certificates) = composite_x5c() else {
        return;
    };
    for (id, der) in &certificates {
        let certificate = Certificate::from_der(der).unwrap_or_else(|error| panic!("{id}: {error}"));
        assert_eq!(certificate.der(), der);
        assert!(certificate.is_self_issued(), "{id}");
        let key = certificate
            .subject_key()
            .unwrap_or_else(|error| panic!("{id}: {error}"));
        certificate
            .verify_signature(key)
            .unwrap_or_else(|error| panic!("{id}: {error}"));
        assert!(certificate.signature_suite().is_some(), "{id}");
    }
    assert_eq!(certificates.len(), 3 + 18);
}

#[test]
fn a_wrong_half_of_a_certificate_is_named() {
    let Some(certificates) = composite_x5c() else {
        return;
    };
    let (_, der) = certificates
        .iter()
        .find(|(id, _)| id == "id-MLDSA65-ECDSA-P256-SHA512")
        .unwrap();
    let good = Certificate::from_der(der).unwrap();
    let start = der.len() - good.signature().len();
    for (at, half) in [(start, Half::PostQuantum), (der.len() - 1, Half::Classical)] {
        let mut broken = der.clone();
        broken[at] ^= 1;
        let broken = Certificate::from_der(&broken).unwrap();
        let error = broken.verify_signature(good.subject_key().unwrap()).unwrap_err();
        assert_eq!(error.half(), Some(half));
    }
}

#[test]
fn the_rfc_9881_certificates_verify() {
    let Some(folder) = vectors("mldsa-pkcs8") else {
        return;
    };
    for (name, suite) in [
        ("ML-DSA-44", Suite::MlDsa44),
        ("ML-DSA-65", Suite::MlDsa65),
        ("ML-DSA-87", Suite::MlDsa87),
    ] {
        let text = std::fs::read(folder.join(format!("{name}.crt"))).unwrap();
        let certificate = pem::certificates(&text).unwrap().remove(0).unwrap();
        assert_eq!(certificate.signature_suite(), Some(suite));
        certificate
            .verify_signature(certificate.subject_key().unwrap())
            .unwrap();
    }
}

#[test]
fn foreign_certificates_are_read() {
    let chain = split_chain(&[FOREIGN.leaf.as_slice(), FOREIGN.ca.as_slice()].concat()).unwrap();
    let [leaf, ca] = chain.as_slice() else {
        panic!("two certificates")
    };

    assert!(ca.is_ca());
    assert_eq!(ca.path_len(), Some(1));
    assert!(ca.key_usage().unwrap().key_cert_sign());
    assert!(matches!(ca.spiffe_id(), Err(SvidError::NoUri)));
    assert_eq!(ca.not_before(), UNIX_EPOCH + Duration::from_secs(1_767_225_600));
    assert_eq!(ca.not_after(), UNIX_EPOCH + Duration::from_secs(2_556_144_000));

    assert!(!leaf.is_ca());
    assert_eq!(leaf.spiffe_id().unwrap().to_string(), "spiffe://example.org/web");
    assert_eq!(leaf.dns_sans(), ["web.example.org"]);
    assert_eq!(leaf.serial_hex(), "00800102");
    assert_eq!(leaf.serial_decimal(), "8388866");
    assert_eq!(leaf.extended_key_usages().len(), 2);
    assert_eq!(leaf.akid_bytes(), ca.skid_bytes());
    assert_eq!(leaf.akid(), ca.skid().map(|_| ca.skid().unwrap()));
    assert_eq!(leaf.issuer_der(), ca.subject_der());
    assert_eq!(leaf.subject_key().unwrap().algorithm_name(), "ecdsa-p384");
    assert_eq!(leaf.spki_der(), leaf.subject_key().unwrap().spki_der());
    assert!(leaf.unprocessed_critical_extensions().is_empty());
    leaf.verify_signature(ca.subject_key().unwrap()).unwrap();
    // The leaf's own key is P-384; the P-256 signature is not its.
    assert!(leaf.verify_signature(leaf.subject_key().unwrap()).is_err());
    assert_eq!(leaf.inner().to_der().unwrap(), leaf.der());
}

#[test]
fn lists_are_bounded_and_say_which_certificate_is_wrong() {
    assert_eq!(split_chain(&[]), Err(CertificateError::Empty));
    let mut second_broken = FOREIGN.leaf.clone();
    second_broken.extend_from_slice(&[0x30, 0x03, 1, 2, 3]);
    let error = split_chain(&second_broken).unwrap_err().to_string();
    assert!(
        error.starts_with("certificate 2 of the list: not a DER certificate"),
        "{error}"
    );
    assert_eq!(
        split_chain(&FOREIGN.ca.repeat(MAX_CERTIFICATES + 1)),
        Err(CertificateError::TooMany)
    );
    // Every bundle that can be read can be passed on.
    assert_eq!(
        split_chain(&FOREIGN.ca.repeat(MAX_AUTHORITIES)).unwrap().len(),
        MAX_AUTHORITIES
    );
}

/// Everything that can be asked of a certificate, so that a test can see that none of it panics.
fn ask_everything(certificate: &Certificate) {
    let _ = (
        certificate.spiffe_id(),
        certificate.subject(),
        certificate.issuer(),
        certificate.serial_decimal(),
    );
    let _ = (
        certificate.not_before(),
        certificate.not_after(),
        certificate.sha256(),
        certificate.signature(),
    );
    if let Ok(key) = certificate.subject_key() {
        let _ = certificate.verify_signature(key);
    }
}

proptest! {
    #[test]
    fn whatever_is_read_is_identical(at in any::<prop::sample::Index>(), with in any::<u8>()) {
        for der in [&FOREIGN.leaf, &FOREIGN.ca] {
            let mut changed = der.clone();
            *at.get_mut(&mut changed) ^= with;
            if let Ok(certificate) = Certificate::from_der(&changed) {
                prop_assert_eq!(certificate.der(), changed.as_slice());
                prop_assert_eq!(certificate.inner().to_der().unwrap(), changed);
                ask_everything(&certificate);
            }
        }
    }

    #[test]
    fn a_truncated_certificate_is_an_error(cut in any::<prop::sample::Index>()) {
        let der = &FOREIGN.leaf[..cut.index(FOREIGN.leaf.len())];
        prop_assert!(Certificate::from_der(der).is_err());
        prop_assert!(split_chain(der).is_err());
    }

    #[test]
    fn a_spliced_certificate_never_panics(at in any::<prop::sample::Index>(), insert in proptest::collection::vec(any::<u8>(), 0..8), drop in 0usize..8) {
        let mut spliced = FOREIGN.leaf.clone();
        let at = at.index(spliced.len());
        let end = (at + drop).min(spliced.len());
        spliced.splice(at..end, insert);
        if let Ok(certificate) = Certificate::from_der(&spliced) {
            prop_assert_eq!(certificate.inner().to_der().unwrap(), spliced);
            ask_everything(&certificate);
        }
    }
}
