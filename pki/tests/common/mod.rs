//! What several of the tests need: the official vectors, rcgen's certificates, and certificates made by hand.

#![allow(dead_code, reason = "each test binary uses its own part of this")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers fail a test by panicking"
)]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose, SanType};
use symbolon_pki::certificate::{Certificate, CertificateError};
use symbolon_pki::describe::{Description, describe};
use symbolon_pki::encode::element;

/// The folder of the vectors called `name`, if it can be had.
pub(crate) fn vectors(name: &str) -> Option<PathBuf> {
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
    // Straight to the stream: what `eprintln!` writes is hidden when a test passes.
    let skipped = format!("SKIPPED: no vectors in {}\n", folder.display());
    std::io::stderr().write_all(skipped.as_bytes()).unwrap();
    None
}

/// Name and self-signed certificate of every case of the composite vectors.
pub(crate) fn composite_x5c() -> Option<Vec<(String, Vec<u8>)>> {
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

/// A CA and a leaf of rcgen's, which is as foreign as software that we can link gets.
pub(crate) struct Foreign {
    pub(crate) ca: Vec<u8>,
    pub(crate) leaf: Vec<u8>,
}

pub(crate) static FOREIGN: LazyLock<Foreign> = LazyLock::new(|| {
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
    leaf.distinguished_name.push(rcgen::DnType::CommonName, "web");
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

/// A certificate put together by hand; its signature is nonsense, which reading does not care about.
pub(crate) struct ByHand {
    pub(crate) version: Vec<u8>,
    pub(crate) serial: Vec<u8>,
    pub(crate) inner: Vec<u8>,
    pub(crate) outer: Vec<u8>,
    pub(crate) name: Vec<u8>,
    pub(crate) not_before: Vec<u8>,
    pub(crate) key: Vec<u8>,
    pub(crate) extensions: Vec<Vec<u8>>,
    pub(crate) signature: Vec<u8>,
}

pub(crate) fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    element(&mut out, tag, &parts.concat());
    out
}

pub(crate) const ECDSA_SHA256: &[u8] = &[
    0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02,
];
pub(crate) const CA_TRUE: &[u8] = &[0x30, 0x03, 0x01, 0x01, 0xff];

pub(crate) fn extension(oid_end: u8, critical: Option<u8>, content: &[u8]) -> Vec<u8> {
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
    pub(crate) fn new() -> Self {
        Self {
            version: vec![0xa0, 0x03, 0x02, 0x01, 0x02],
            serial: vec![1],
            inner: ECDSA_SHA256.to_vec(),
            outer: ECDSA_SHA256.to_vec(),
            name: tlv(0x30, &[]),
            not_before: tlv(0x17, &[b"260101000000Z"]),
            key: Certificate::from_der(&FOREIGN.ca).unwrap().spki_der().to_vec(),
            extensions: vec![extension(19, Some(0xff), CA_TRUE)],
            signature: vec![0, 1, 2, 3],
        }
    }

    pub(crate) fn der(&self) -> Vec<u8> {
        let name = &self.name;
        let validity = tlv(0x30, &[&self.not_before, &tlv(0x17, &[b"270101000000Z"])]);
        let extensions = tlv(0xa3, &[&tlv(0x30, &[&self.extensions.concat()])]);
        let tbs = tlv(
            0x30,
            &[
                &self.version,
                &tlv(2, &[&self.serial]),
                &self.inner,
                name,
                &validity,
                name,
                &self.key,
                &extensions,
            ],
        );
        tlv(0x30, &[&tbs, &self.outer, &tlv(3, &[&self.signature])])
    }

    pub(crate) fn read(&self) -> Result<Certificate, CertificateError> {
        Certificate::from_der(&self.der())
    }

    pub(crate) fn refusal(&self) -> String {
        self.read().expect_err("it must be refused").to_string()
    }
}

pub(crate) fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_795_000_000) // 2026-11-18
}

pub(crate) fn one(input: &[u8]) -> Description {
    let mut all = describe(input, now()).unwrap();
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

/// The description as JSON, which is what `--output json` prints.
pub(crate) fn json(input: &[u8]) -> serde_json::Value {
    serde_json::to_value(one(input)).unwrap()
}

pub(crate) fn self_signed(key: &KeyPair, uri: &str) -> Vec<u8> {
    let mut params = CertificateParams::default();
    params
        .subject_alt_names
        .push(SanType::URI(uri.try_into().unwrap()));
    params.self_signed(key).unwrap().der().to_vec()
}
