//! Certificates: the official ones and rcgen's are read and their signatures verified; each rule refuses what
//! breaks it.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::{Duration, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use der::Encode;
use proptest::prelude::*;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType};
use symbolon_pki::certificate::{
    Certificate, CertificateError, MAX_CERTIFICATE_LEN, MAX_CERTIFICATES, SvidError, split_chain,
};
use symbolon_pki::encode::element;
use symbolon_pki::key::{Half, KeyError};
use symbolon_pki::pem;
use symbolon_pki::skid::Skid;
use symbolon_pki::suite::Suite;

/// The folder of the vectors called `name`, if it can be had.
fn vectors(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("SYMBOLON_VECTORS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors"),
        PathBuf::from,
    );
    let folder = root.join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    let required = std::env::var("SYMBOLON_REQUIRE_VECTORS").is_ok_and(|value| value == "1");
    assert!(
        !required,
        "the vectors are required and {} is missing",
        folder.display()
    );
    eprintln!("SKIPPED: no vectors in {}", folder.display());
    None
}

fn composite_x5c() -> Option<Vec<(String, Vec<u8>)>> {
    let text = std::fs::read_to_string(vectors("composite-mldsa")?.join("testvectors.json")).unwrap();
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    let cases = document["tests"].as_array().unwrap().iter();
    Some(
        cases
            .map(|case| {
                let text = |name: &str| case[name].as_str().unwrap().to_owned();
                (text("tcId"), BASE64_STANDARD.decode(text("x5c")).unwrap())
            })
            .collect(),
    )
}

#[test]
fn every_official_composite_certificate_is_read_and_ours_verify() {
    let Some(certificates) = composite_x5c() else {
        return;
    };
    let (mut verified, mut unknown) = (0, 0);
    for (id, der) in &certificates {
        let certificate = Certificate::from_der(der).unwrap_or_else(|error| panic!("{id}: {error}"));
        assert_eq!(certificate.der(), der);
        assert!(certificate.is_self_issued(), "{id}");
        match certificate.subject_key() {
            Ok(key) => {
                verified += 1;
                certificate
                    .verify_signature(key)
                    .unwrap_or_else(|error| panic!("{id}: {error}"));
                assert!(certificate.signature_suite().is_some(), "{id}");
            }
            Err(error) => {
                unknown += 1;
                assert_eq!(
                    error,
                    &KeyError::UnknownAlgorithm(certificate.signature_oid()),
                    "{id}"
                );
                assert!(certificate.algorithm().is_err(), "{id}");
            }
        }
    }
    assert_eq!((verified, unknown), (9, 12));
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

/// A CA and a leaf of rcgen's, which is as foreign as software that we can link gets.
struct Foreign {
    ca: Vec<u8>,
    leaf: Vec<u8>,
}

static FOREIGN: LazyLock<Foreign> = LazyLock::new(|| {
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(1));
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    ca.not_before = rcgen::date_time_ymd(2026, 1, 1);
    ca.not_after = rcgen::date_time_ymd(2051, 1, 1);
    let ca_der = ca.self_signed(&ca_key).unwrap().der().to_vec();

    let mut leaf = CertificateParams::new(vec!["web.example.org".to_owned()]).unwrap();
    leaf.subject_alt_names
        .push(SanType::URI("spiffe://example.org/web".try_into().unwrap()));
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.extended_key_usages = vec![
        rcgen::ExtendedKeyUsagePurpose::ServerAuth,
        rcgen::ExtendedKeyUsagePurpose::ClientAuth,
    ];
    leaf.use_authority_key_identifier_extension = true;
    leaf.serial_number = Some(rcgen::SerialNumber::from(vec![0x80, 1, 2]));
    let leaf_key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    let leaf = leaf.signed_by(&leaf_key, &Issuer::new(ca, ca_key)).unwrap();
    Foreign {
        ca: ca_der,
        leaf: leaf.der().to_vec(),
    }
});

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
    assert!(leaf.unknown_critical_extensions().is_empty());
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
    assert_eq!(
        split_chain(&FOREIGN.ca.repeat(MAX_CERTIFICATES)).unwrap().len(),
        MAX_CERTIFICATES
    );
}

/// A certificate put together by hand; its signature is nonsense, which reading does not care about.
struct ByHand {
    version: Vec<u8>,
    serial: Vec<u8>,
    inner: Vec<u8>,
    outer: Vec<u8>,
    not_before: Vec<u8>,
    key: Vec<u8>,
    extensions: Vec<Vec<u8>>,
    signature: Vec<u8>,
}

fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    element(&mut out, tag, &parts.concat());
    out
}

const ECDSA_SHA256: &[u8] = &[
    0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02,
];
const CA_TRUE: &[u8] = &[0x30, 0x03, 0x01, 0x01, 0xff];

fn extension(oid_end: u8, critical: Option<u8>, content: &[u8]) -> Vec<u8> {
    let critical = critical.map(|value| vec![0x01, 0x01, value]).unwrap_or_default();
    tlv(
        0x30,
        &[
            &[0x06, 0x03, 0x55, 0x1d, oid_end],
            &critical,
            &tlv(0x04, &[content]),
        ],
    )
}

impl ByHand {
    fn new() -> Self {
        Self {
            version: vec![0xa0, 0x03, 0x02, 0x01, 0x02],
            serial: vec![1],
            inner: ECDSA_SHA256.to_vec(),
            outer: ECDSA_SHA256.to_vec(),
            not_before: tlv(0x17, &[b"260101000000Z"]),
            key: Certificate::from_der(&FOREIGN.ca).unwrap().spki_der().to_vec(),
            extensions: vec![extension(19, Some(0xff), CA_TRUE)],
            signature: vec![0, 1, 2, 3],
        }
    }

    fn read(&self) -> Result<Certificate, CertificateError> {
        let name = tlv(0x30, &[]);
        let validity = tlv(0x30, &[&self.not_before, &tlv(0x17, &[b"270101000000Z"])]);
        let extensions = tlv(0xa3, &[&tlv(0x30, &[&self.extensions.concat()])]);
        let tbs = tlv(
            0x30,
            &[
                &self.version,
                &tlv(2, &[&self.serial]),
                &self.inner,
                &name,
                &validity,
                &name,
                &self.key,
                &extensions,
            ],
        );
        Certificate::from_der(&tlv(0x30, &[&tbs, &self.outer, &tlv(3, &[&self.signature])]))
    }

    fn refusal(&self) -> String {
        self.read().expect_err("it must be refused").to_string()
    }
}

#[test]
fn the_one_by_hand_is_good_before_it_is_spoilt() {
    let good = ByHand::new().read().unwrap();
    assert!(good.is_ca());
    assert_eq!(good.signature(), [1, 2, 3]);
    assert_eq!(good.issuer(), "");
}

#[test]
fn serials_are_bounded() {
    let with = |serial: &[u8]| ByHand {
        serial: serial.to_vec(),
        ..ByHand::new()
    };
    assert!(with(&[0x7f; 20]).read().is_ok());
    assert_eq!(with(&[0]).read().unwrap().serial_decimal(), "0");
    assert_eq!(
        with(&[0x80]).refusal(),
        "the certificate's serial number is negative"
    );
    assert_eq!(
        with(&[0x7f; 21]).refusal(),
        "the certificate's serial number has 21 octets, more than 20"
    );
    // The unsigned number has 20 octets, the INTEGER 21.
    assert!(
        with(&[&[0u8][..], &[0xff; 20]].concat())
            .refusal()
            .contains("21 octets")
    );
    assert!(with(&[0, 1]).refusal().starts_with("not a DER certificate"));
    assert!(with(&[]).refusal().starts_with("not a DER certificate"));
}

#[test]
fn only_version_3_is_read() {
    let v2 = ByHand {
        version: vec![0xa0, 0x03, 0x02, 0x01, 0x01],
        ..ByHand::new()
    };
    assert_eq!(v2.refusal(), "the certificate has X.509 version 2, not 3");
    let v1 = ByHand {
        version: vec![],
        ..ByHand::new()
    };
    assert_eq!(v1.refusal(), "the certificate has X.509 version 1, not 3");
}

#[test]
fn the_two_signature_algorithms_must_be_the_same_and_bare() {
    let sha384 = Suite::EcdsaP384.signature_algorithm_der().to_vec();
    let two = ByHand {
        outer: sha384,
        ..ByHand::new()
    };
    assert_eq!(
        two.refusal(),
        "the certificate names two signature algorithms, 1.2.840.10045.4.3.2 inside and 1.2.840.10045.4.3.3 outside"
    );
    for suite in Suite::ALL {
        let bare = suite.signature_algorithm_der().to_vec();
        let good = ByHand {
            inner: bare.clone(),
            outer: bare.clone(),
            ..ByHand::new()
        };
        assert_eq!(good.read().unwrap().signature_suite(), Some(suite));
        let with_null = tlv(0x30, &[&bare[2..], &[0x05, 0x00]]);
        let spoilt = ByHand {
            inner: with_null.clone(),
            outer: with_null,
            ..ByHand::new()
        };
        assert!(
            spoilt
                .refusal()
                .ends_with("has wrong parameters: they must be absent"),
            "{suite}"
        );
    }
}

#[test]
fn extensions_are_read_strictly() {
    let with = |extensions: &[Vec<u8>]| ByHand {
        extensions: extensions.to_vec(),
        ..ByHand::new()
    };
    let ca = extension(19, Some(0xff), CA_TRUE);
    assert_eq!(
        with(&[ca.clone(), ca]).refusal(),
        "the certificate has the extension 2.5.29.19 twice"
    );

    // Encodings that mean something but are not the one that DER allows.
    let not_der = "the certificate is not in DER: it would be encoded differently";
    assert_eq!(with(&[extension(19, Some(0x00), CA_TRUE)]).refusal(), not_der);
    let explicit_false = extension(19, Some(0xff), &[0x30, 0x03, 0x01, 0x01, 0x00]);
    assert!(
        with(&[explicit_false])
            .refusal()
            .contains("basicConstraints extension is wrong")
    );
    let trailing = extension(19, Some(0xff), &[CA_TRUE, &[0x05, 0x00]].concat());
    assert!(
        with(&[trailing])
            .refusal()
            .contains("basicConstraints extension is wrong")
    );
    // Key usage with a trailing zero bit, which a named bit list does not have.
    let loose_bits = extension(15, Some(0xff), &[0x03, 0x02, 0x06, 0x80]);
    assert!(
        with(&[loose_bits])
            .refusal()
            .contains("keyUsage extension is wrong")
    );

    let path_on_leaf = extension(19, Some(0xff), &[0x30, 0x03, 0x02, 0x01, 0x00]);
    assert!(with(&[path_on_leaf]).refusal().contains("limits the path"));

    // Name constraints are not processed, so the verifier must hear of them; the same non-critical is passed over.
    let constraints = [0x30, 0x00];
    let critical = with(&[extension(30, Some(0xff), &constraints)]).read().unwrap();
    assert_eq!(
        critical.unknown_critical_extensions(),
        ["2.5.29.30".parse().unwrap()]
    );
    let lenient = with(&[extension(30, None, &constraints)]).read().unwrap();
    assert!(lenient.unknown_critical_extensions().is_empty());

    let many: Vec<_> = (40..110).map(|end| extension(end, None, &constraints)).collect();
    assert_eq!(
        with(&many).refusal(),
        "the certificate has 70 extensions, more than 64"
    );
}

#[test]
fn key_identifiers_of_other_lengths_are_kept_as_bytes() {
    let long = ByHand {
        extensions: vec![extension(14, None, &tlv(4, &[&[7; 32]]))],
        ..ByHand::new()
    }
    .read()
    .unwrap();
    assert_eq!(long.skid(), None);
    assert_eq!(long.skid_bytes(), Some(&[7; 32][..]));
    let usual = ByHand {
        extensions: vec![extension(14, None, &tlv(4, &[&[7; 20]]))],
        ..ByHand::new()
    };
    assert_eq!(usual.read().unwrap().skid(), Skid::from_bytes(&[7; 20]).as_ref());
}

#[test]
fn dates_before_2050_must_be_utc_times() {
    let generalized = ByHand {
        not_before: tlv(0x18, &[b"20260101000000Z"]),
        ..ByHand::new()
    };
    assert_eq!(
        generalized.refusal(),
        "the certificate is not in DER: it would be encoded differently"
    );
}

#[test]
fn spiffe_ids_are_one_and_canonical() {
    let names = |uris: &[&str]| {
        let names: Vec<_> = uris.iter().map(|uri| tlv(0x86, &[uri.as_bytes()])).collect();
        let content = tlv(0x30, &[&names.concat()]);
        ByHand {
            extensions: vec![extension(17, None, &content)],
            ..ByHand::new()
        }
        .read()
        .unwrap()
        .spiffe_id()
    };
    assert_eq!(names(&["spiffe://example.org/a"]).unwrap().path(), "/a");
    assert_eq!(
        names(&["spiffe://example.org/a", "https://example.org"]),
        Err(SvidError::ManyUris { count: 2 })
    );
    for uri in [
        "https://example.org",
        "spiffe://Example.org/a",
        "spiffe://example.org/a/",
        "spiffe:///a",
    ] {
        assert!(matches!(names(&[uri]), Err(SvidError::NotSpiffe { .. })), "{uri}");
    }
}

#[test]
fn bits_and_bytes_that_do_not_belong_are_refused() {
    let odd_bits = ByHand {
        signature: vec![4, 0x10],
        ..ByHand::new()
    };
    assert_eq!(
        odd_bits.refusal(),
        "the certificate's signature is not a whole number of bytes"
    );
    let mut trailing = FOREIGN.leaf.clone();
    trailing.push(0);
    assert!(matches!(
        Certificate::from_der(&trailing),
        Err(CertificateError::Malformed(_))
    ));
    let huge = vec![0x30; MAX_CERTIFICATE_LEN + 1];
    assert!(matches!(
        Certificate::from_der(&huge),
        Err(CertificateError::TooLong { .. })
    ));
}

#[test]
fn a_bad_key_is_a_fact_about_the_certificate_not_an_error_of_it() {
    // A P-256 key whose point is not on the curve, since its last bit is another.
    let mut off_curve = ByHand::new();
    *off_curve.key.last_mut().unwrap() ^= 1;
    let certificate = off_curve.read().unwrap();
    assert!(matches!(certificate.subject_key(), Err(KeyError::Component(_))));

    let mut unknown = ByHand::new();
    unknown.key = tlv(
        0x30,
        &[
            &[0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x71],
            &tlv(3, &[&[0], &[9; 57]]),
        ],
    );
    let certificate = unknown.read().unwrap();
    assert_eq!(
        certificate.subject_key(),
        Err(&KeyError::UnknownAlgorithm("1.3.101.113".parse().unwrap()))
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
