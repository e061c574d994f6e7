//! Seeds of what stands beside the defaults: suites that have to be asked for by name, and algorithms of other people's
//! certificates, requests and keys.
//!
//! Unlike those of the estate, these keys are new in each process, as RSA and SLH-DSA keys are not made of any bytes one
//! likes. Nothing is verified against them but what came with them.

use std::sync::OnceLock;
use std::time::Duration;

use symbolon_crypto::{Component, HeldKey as _, MlDsaContext, SoftwareKey};
use symbolon_issuance::{
    Authority, AuthorityKeys, AuthoritySpec, Beside, SvidProfile, SvidRequest, prepare_authority,
    prepare_svid,
};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::csr::{Csr, CsrBuilder};
use symbolon_pki::encode::whole;
use symbolon_pki::key::PrivateKey;
use symbolon_pki::suite::Suite;

use crate::estate::{self, chain, now, serial, trust_domain, workload};

/// Every kind of traditional half that the defaults lack, P-521 alone, and of SLH-DSA the set whose certificates are short
/// enough for every target.
const SUITES: [Suite; 9] = [
    Suite::EcdsaP521,
    Suite::MlDsa44Rsa2048Pss,
    Suite::MlDsa44Rsa2048Pkcs15,
    Suite::MlDsa65Rsa3072Pss,
    Suite::MlDsa65EcdsaBrainpoolP256r1,
    Suite::MlDsa87EcdsaBrainpoolP384r1,
    Suite::MlDsa87EcdsaP521,
    Suite::MlDsa87Ed448,
    Suite::SlhDsaSha2_128s,
];

/// Further parameter sets of SLH-DSA, of which keys are short and soon made.
const KEYS: [Suite; 3] = [
    Suite::SlhDsaSha2_128f,
    Suite::SlhDsaShake192f,
    Suite::SlhDsaSha2_256f,
];

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OID: u8 = 0x06;
const TIME: u8 = 0x17;
const SEQUENCE: u8 = 0x30;

/// Requests of OpenSSL's, those among them that are refused, too.
const REQUESTS: [&[u8]; 19] = [
    include_bytes!("../../pki/tests/data/csr/ed25519.der"),
    include_bytes!("../../pki/tests/data/csr/mixed-names.der"),
    include_bytes!("../../pki/tests/data/csr/no-names.der"),
    include_bytes!("../../pki/tests/data/csr/p256-sha256.der"),
    include_bytes!("../../pki/tests/data/csr/p256-sha384.der"),
    include_bytes!("../../pki/tests/data/csr/p256-sha512.der"),
    include_bytes!("../../pki/tests/data/csr/p384-sha256.der"),
    include_bytes!("../../pki/tests/data/csr/p384-sha384.der"),
    include_bytes!("../../pki/tests/data/csr/p384-sha512.der"),
    include_bytes!("../../pki/tests/data/csr/refused-p521.der"),
    include_bytes!("../../pki/tests/data/csr/refused-pss-salt.der"),
    include_bytes!("../../pki/tests/data/csr/refused-rsa1024.der"),
    include_bytes!("../../pki/tests/data/csr/refused-sha1.der"),
    RSA_REQUEST,
    include_bytes!("../../pki/tests/data/csr/rsa2048-sha256.der"),
    include_bytes!("../../pki/tests/data/csr/rsa3072-pss-sha384.der"),
    include_bytes!("../../pki/tests/data/csr/rsa4096-pss-sha512.der"),
    include_bytes!("../../pki/tests/data/csr/rsa4096-sha512.der"),
    include_bytes!("../../pki/tests/data/csr/two-uris.der"),
];
const RSA_REQUEST: &[u8] = include_bytes!("../../pki/tests/data/csr/rsa2048-pss-sha256.der");

/// A suite that has to be asked for: an authority of it, with the request and the private key of one.
pub(crate) struct Rare {
    pub(crate) root: Vec<u8>,
    pub(crate) csr: Vec<u8>,
    pub(crate) crl: Option<Vec<u8>>,
    pub(crate) pkcs8: Vec<u8>,
    pub(crate) spki: Vec<u8>,
}

impl Rare {
    fn make(number: usize, suite: Suite) -> Self {
        let key = PrivateKey::generate(suite).expect("a key");
        let signer = key.signer().expect("a signer");
        let keys = AuthorityKeys::from(signer.clone());
        let spec = AuthoritySpec {
            trust_domain: &trust_domain(),
            ttl: Duration::from_secs(30 * 24 * 60 * 60),
            path_len: None,
        };
        let root = prepare_authority(&spec, &keys, serial(100 + number, 1), now())
            .and_then(|linted| linted.sign(&keys))
            .expect("a root")
            .into_der();
        let authority = Authority::new(Certificate::from_der(&root).expect("a root"), keys).expect("a root");
        // Lists are tried up to a length that SLH-DSA's signatures nearly have alone.
        let crl = (!suite.components().iter().any(|one| one.is_slh_dsa())).then(|| {
            let tbs = estate::tbs_crl(suite, &authority);
            let signature = signer.sign(&tbs).expect("keys of our own sign");
            signed(&tbs, suite.signature_algorithm_der(), &signature)
        });
        Self {
            root,
            csr: CsrBuilder::new(&signer)
                .spiffe_id(&workload())
                .build()
                .expect("a request"),
            crl,
            pkcs8: key.to_pkcs8_der().expect("a key that can be written").to_vec(),
            spki: signer.public_key().spki_der(),
        }
    }
}

/// One of each suite.
fn rare() -> &'static [Rare] {
    static RARE: OnceLock<Vec<Rare>> = OnceLock::new();
    RARE.get_or_init(|| {
        (0..)
            .zip(SUITES)
            .map(|(number, suite)| Rare::make(number, suite))
            .collect()
    })
}

/// Algorithms of other people's: a component with the AlgorithmIdentifiers of its signatures and keys.
struct Plain {
    component: Component,
    signature: &'static [u8],
    key: &'static [u8],
}

const ECDSA_WITH_SHA256: &[u8] = b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02";
const ECDSA_WITH_SHA384: &[u8] = b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x03";
const BRAINPOOL_P256R1: &[u8] =
    b"\x30\x14\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x09\x2b\x24\x03\x03\x02\x08\x01\x01\x07";
const BRAINPOOL_P384R1: &[u8] =
    b"\x30\x14\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x09\x2b\x24\x03\x03\x02\x08\x01\x01\x0b";
const ED448: &[u8] = b"\x30\x05\x06\x03\x2b\x65\x71";
const RSA: &[u8] = b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";
const RSA_WITH_SHA256: &[u8] = b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b\x05\x00";
/// RSASSA-PSS with SHA-256 in every place and a salt of 32 bytes.
const PSS_SHA256: &[u8] = b"\x30\x41\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a\x30\x34\
    \xa0\x0f\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\
    \xa1\x1c\x30\x1a\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08\
    \x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\xa2\x03\x02\x01\x20";
/// The same for a key that may sign in any such way (RFC 4055, section 1.2).
const PSS: &[u8] = b"\x30\x0b\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a";

const PLAIN: [Plain; 6] = [
    plain(Component::Rsa2048Pkcs1Sha256, RSA_WITH_SHA256, RSA),
    plain(Component::Rsa2048PssSha256, PSS_SHA256, RSA),
    plain(Component::Rsa2048PssSha256, PSS_SHA256, PSS),
    plain(
        Component::EcdsaBrainpoolP256r1Sha256,
        ECDSA_WITH_SHA256,
        BRAINPOOL_P256R1,
    ),
    plain(
        Component::EcdsaBrainpoolP384r1Sha384,
        ECDSA_WITH_SHA384,
        BRAINPOOL_P384R1,
    ),
    plain(Component::Ed448, ED448, ED448),
];

const fn plain(component: Component, signature: &'static [u8], key: &'static [u8]) -> Plain {
    Plain {
        component,
        signature,
        key,
    }
}

/// What was made with one of them.
struct Made {
    certificate: Vec<u8>,
    csr: Vec<u8>,
    pkcs8: Vec<u8>,
    spki: Vec<u8>,
}

impl Plain {
    fn make(&self) -> Made {
        let key = SoftwareKey::generate(self.component).expect("a key");
        let sign = |tbs: &[u8]| {
            let signature = key.sign(tbs, MlDsaContext::EMPTY).expect("keys of our own sign");
            signed(tbs, self.signature, &signature)
        };
        let spki = whole(
            SEQUENCE,
            &[self.key, &whole(BIT_STRING, &[&[0], key.public_key().as_bytes()])],
        );
        let leaf = Certificate::from_der(&chain(Suite::EcdsaP256).leaf).expect("a certificate of our own");
        let name = leaf.subject_der();
        let time = |text: &[u8]| whole(TIME, &[text]);
        let validity = whole(SEQUENCE, &[&time(b"261120000000Z"), &time(b"271120000000Z")]);
        let extension = |oid: &[u8], value: &[u8]| {
            whole(SEQUENCE, &[&whole(OID, &[oid]), &whole(OCTET_STRING, &[value])])
        };
        let uri = whole(SEQUENCE, &[&whole(0x86, &[workload().to_string().as_bytes()])]);
        let extensions = whole(
            SEQUENCE,
            &[
                &extension(&[0x55, 0x1d, 0x0f], &whole(BIT_STRING, &[&[7, 0x80]])),
                &extension(&[0x55, 0x1d, 0x11], &uri),
            ],
        );
        let tbs = whole(
            SEQUENCE,
            &[
                &whole(0xa0, &[&whole(INTEGER, &[&[2]])]),
                &whole(INTEGER, &[&[9; 16]]),
                self.signature,
                name,
                &validity,
                name,
                &spki,
                &whole(0xa3, &[&extensions]),
            ],
        );
        let info = whole(
            SEQUENCE,
            &[&whole(INTEGER, &[&[0]]), name, &spki, &whole(0xa0, &[])],
        );
        let private = key.raw().expect("a key in memory");
        let private = match self.component {
            Component::Ed448 => whole(OCTET_STRING, &[&private]),
            one if one.is_ecdsa() => whole(
                SEQUENCE,
                &[&whole(INTEGER, &[&[1]]), &whole(OCTET_STRING, &[&private])],
            ),
            _ => private.to_vec(),
        };
        let parts: [&[u8]; 3] = [
            &whole(INTEGER, &[&[0]]),
            self.key,
            &whole(OCTET_STRING, &[&private]),
        ];
        Made {
            certificate: sign(&tbs),
            csr: sign(&info),
            pkcs8: whole(SEQUENCE, &parts),
            spki,
        }
    }
}

/// One of each algorithm.
fn made() -> &'static [Made] {
    static MADE: OnceLock<Vec<Made>> = OnceLock::new();
    MADE.get_or_init(|| PLAIN.iter().map(Plain::make).collect())
}

/// Something signed, as X.509 writes it.
fn signed(tbs: &[u8], algorithm: &[u8], signature: &[u8]) -> Vec<u8> {
    whole(
        SEQUENCE,
        &[tbs, algorithm, &whole(BIT_STRING, &[&[0], signature])],
    )
}

/// Roots, self-signed certificates of plain algorithms, and an SVID for an RSA key.
pub(crate) fn certificates() -> Vec<Vec<u8>> {
    let roots = rare().iter().map(|one| one.root.clone());
    let plain = made().iter().map(|one| one.certificate.clone());
    roots.chain(plain).chain([rsa_leaf()]).collect()
}

/// An SVID of our own for the RSA key of a stock client.
fn rsa_leaf() -> Vec<u8> {
    let request = Csr::from_der(RSA_REQUEST).expect("a request of OpenSSL's");
    let issuer = &chain(Suite::EcdsaP256).below;
    let request = SvidRequest {
        profile: SvidProfile::Workload,
        spiffe_id: &workload(),
        key: request.key(),
        beside: Beside::Nothing,
        dns_names: &[],
        ttl: Duration::from_secs(60 * 60),
        serial: serial(99, 3),
        now: now(),
    };
    prepare_svid(issuer, &request)
        .and_then(|linted| linted.sign(issuer))
        .expect("an SVID")
        .into_der()
}

/// Requests with every kind of key.
pub(crate) fn requests() -> Vec<Vec<u8>> {
    let rare = rare().iter().map(|one| one.csr.clone());
    let plain = made().iter().map(|one| one.csr.clone());
    rare.chain(plain).chain(stock_requests()).collect()
}

/// Requests of stock software, whose names and attributes are not ours.
pub(crate) fn stock_requests() -> impl Iterator<Item = Vec<u8>> {
    REQUESTS.into_iter().map(<[u8]>::to_vec)
}

/// Revocation lists of the roots.
pub(crate) fn crls() -> Vec<Vec<u8>> {
    rare().iter().filter_map(|one| one.crl.clone()).collect()
}

/// Private keys as PKCS#8.
pub(crate) fn private_keys() -> Vec<Vec<u8>> {
    let rare = rare().iter().map(|one| one.pkcs8.clone());
    let plain = made().iter().map(|one| one.pkcs8.clone());
    let further = KEYS.into_iter().map(|suite| {
        let key = PrivateKey::generate(suite).expect("a key");
        key.to_pkcs8_der().expect("a key that can be written").to_vec()
    });
    rare.chain(plain).chain(further).collect()
}

/// Public keys as SubjectPublicKeyInfo.
pub(crate) fn public_keys() -> Vec<Vec<u8>> {
    let rare = rare().iter().map(|one| one.spki.clone());
    let plain = made().iter().map(|one| one.spki.clone());
    let further = KEYS.into_iter().map(|suite| {
        let key = PrivateKey::generate(suite).expect("a key");
        key.public_key().expect("its public key").spki_der()
    });
    rare.chain(plain).chain(further).collect()
}

/// AlgorithmIdentifiers of signatures.
pub(crate) fn algorithms() -> Vec<Vec<u8>> {
    PLAIN.iter().map(|one| one.signature.to_vec()).collect()
}
