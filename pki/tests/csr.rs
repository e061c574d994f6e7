//! Certificate requests: our own of every suite, stock clients', and those that must be refused.

#![allow(clippy::unwrap_used, reason = "helpers fail a test by panicking")]

use std::path::Path;
use std::sync::LazyLock;

use proptest::prelude::*;
use spiffe::SpiffeId;
use symbolon_pki::csr::{Csr, CsrBuilder, CsrError, MAX_CSR_LEN};
use symbolon_pki::key::{Half, KeyError, PrivateKey, SubjectKey};
use symbolon_pki::suite::{Form, Suite};

fn id() -> SpiffeId {
    SpiffeId::new("spiffe://example.org/web").unwrap()
}

fn request(suite: Suite) -> Vec<u8> {
    let signer = PrivateKey::generate(suite).unwrap().signer().unwrap();
    CsrBuilder::new(&signer).spiffe_id(&id()).build().unwrap()
}

/// A request made by OpenSSL 3.0's `req -new` (see the README beside the files).
fn stock(name: &str) -> Vec<u8> {
    std::fs::read(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/data/csr")
            .join(name),
    )
    .unwrap()
}

#[test]
fn every_suite_reads_back_what_it_asked_for() {
    for suite in Suite::DEFAULTS {
        let signer = PrivateKey::generate(suite).unwrap().signer().unwrap();
        for wanted in [None, Some(id())] {
            let mut builder = CsrBuilder::new(&signer);
            if let Some(id) = &wanted {
                builder = builder.spiffe_id(id);
            }
            let csr = Csr::from_der(&builder.build().unwrap()).unwrap();
            assert_eq!(csr.spiffe_id().unwrap(), wanted, "{suite}");
            assert_eq!(
                csr.key(),
                &SubjectKey::Suite(signer.public_key().clone()),
                "{suite}"
            );
            assert_eq!(csr.form(), suite.form(), "{suite}");
        }
    }
}

#[test]
fn stock_requests_are_read() {
    for (name, key, algorithm) in [
        ("rsa2048-sha256", "rsa-2048", "sha256WithRSAEncryption"),
        ("rsa3072-sha384", "rsa-3072", "sha384WithRSAEncryption"),
        ("rsa4096-sha512", "rsa-4096", "sha512WithRSAEncryption"),
        ("rsa2048-pss-sha256", "rsa-2048", "RSASSA-PSS with SHA-256"),
        ("rsa3072-pss-sha384", "rsa-3072", "RSASSA-PSS with SHA-384"),
        ("rsa4096-pss-sha512", "rsa-4096", "RSASSA-PSS with SHA-512"),
        ("p256-sha256", "ecdsa-p256", "ecdsa-with-SHA256"),
        ("p256-sha384", "ecdsa-p256", "ecdsa-with-SHA384"),
        ("p256-sha512", "ecdsa-p256", "ecdsa-with-SHA512"),
        ("p384-sha256", "ecdsa-p384", "ecdsa-with-SHA256"),
        ("p384-sha384", "ecdsa-p384", "ecdsa-with-SHA384"),
        ("p384-sha512", "ecdsa-p384", "ecdsa-with-SHA512"),
        ("ed25519", "ed25519", "ed25519"),
    ] {
        let der = stock(&format!("{name}.der"));
        let csr = Csr::from_der(&der).unwrap();
        assert_eq!(csr.key().algorithm_name(), key);
        assert_eq!(csr.algorithm().name(), algorithm);
        assert_eq!(csr.form(), Form::Classical);
        assert_eq!(
            csr.spiffe_id().unwrap().unwrap().to_string(),
            "spiffe://example.org/stock"
        );

        // The last byte belongs to the signature, whatever its encoding.
        let mut broken = der;
        *broken.last_mut().unwrap() ^= 1;
        assert!(
            matches!(Csr::from_der(&broken), Err(CsrError::ProofOfPossession(_))),
            "{name}"
        );
    }
}

#[test]
fn requests_of_rcgen_are_read() {
    use rcgen::{CertificateParams, KeyPair, SanType};
    let uri = SanType::URI("spiffe://example.org/rcgen".try_into().unwrap());
    for algorithm in [
        &rcgen::PKCS_ECDSA_P256_SHA256,
        &rcgen::PKCS_ECDSA_P384_SHA384,
        &rcgen::PKCS_ED25519,
        &rcgen::PKCS_RSA_SHA256,
    ] {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let mut params = CertificateParams::new(vec!["web.example.org".to_owned()]).unwrap();
        params.subject_alt_names.push(uri.clone());
        let csr = Csr::from_der(params.serialize_request(&key).unwrap().der()).unwrap();
        assert_eq!(csr.uri_sans(), ["spiffe://example.org/rcgen"]);
        assert_eq!(csr.dns_sans(), ["web.example.org"]);
    }
}

#[test]
fn names_are_taken_from_the_request() {
    let csr = Csr::from_der(&stock("mixed-names.der")).unwrap();
    assert_eq!(csr.uri_sans(), ["spiffe://example.org/web"]);
    assert_eq!(csr.dns_sans(), ["web.example.org"]);

    let csr = Csr::from_der(&stock("no-names.der")).unwrap();
    assert_eq!(csr.spiffe_id().unwrap(), None);
    assert_eq!(csr.subject_der(), [0x30, 0x00]);

    // Two URIs prove possession all right; it is only no SPIFFE ID that they ask for.
    let csr = Csr::from_der(&stock("two-uris.der")).unwrap();
    let error = csr.spiffe_id().unwrap_err();
    assert_eq!(
        error.to_string(),
        "the certificate request has 2 URI subjectAltNames; an SVID has exactly one"
    );
}

#[test]
fn what_cannot_be_certified_is_refused_by_name() {
    let refused = |name: &str| Csr::from_der(&stock(name)).unwrap_err();
    let small = refused("refused-rsa1024.der");
    assert!(matches!(small, CsrError::Key(KeyError::Component(_))), "{small}");
    assert!(small.to_string().contains("1024"), "{small}");
    assert!(matches!(refused("refused-p521.der"), CsrError::Key(_)));
    let sha1 = refused("refused-sha1.der");
    assert!(
        sha1.to_string().contains("1.2.840.113549.1.1.5 is not known"),
        "{sha1}"
    );
    let salt = refused("refused-pss-salt.der");
    assert!(
        salt.to_string()
            .contains("the RSA-PSS salt is not as long as the hash"),
        "{salt}"
    );
}

/// Where the signature begins in a request: it is the last element, a BIT STRING of known length.
fn signature_start(der: &[u8], suite: Suite, signature_len: usize) -> usize {
    assert!(signature_len <= suite.components().iter().map(|c| c.max_signature_len()).sum());
    der.len() - signature_len
}

#[test]
fn a_wrong_half_is_named() {
    for suite in Suite::DEFAULTS.into_iter().filter(|suite| suite.is_composite()) {
        let der = request(suite);
        let inner = x509_cert::request::CertReq::try_from(der.as_slice()).unwrap();
        let start = signature_start(&der, suite, inner.signature.raw_bytes().len());

        let mut broken = der.clone();
        broken[start + 100] ^= 1;
        let error = Csr::from_der(&broken).unwrap_err();
        assert_eq!(error.half(), Some(Half::PostQuantum), "{suite}");
        assert_eq!(
            error.to_string(),
            "the certificate request's proof of possession is wrong: \
             the post-quantum half of the composite signature does not verify"
        );

        let mut broken = der.clone();
        *broken.last_mut().unwrap() ^= 1;
        assert_eq!(
            Csr::from_der(&broken).unwrap_err().half(),
            Some(Half::Classical),
            "{suite}"
        );

        // What was signed changes, so neither half is right any more: the 'U' of the country.
        let mut broken = der.clone();
        let at = broken.windows(2).position(|pair| pair == b"US").unwrap();
        broken[at] = b'Z';
        assert_eq!(
            Csr::from_der(&broken).unwrap_err().half(),
            Some(Half::Both),
            "{suite}"
        );
    }
}

#[test]
fn a_signature_of_another_type_is_refused() {
    // The P-256 request's key with the Ed25519 request's algorithm and signature.
    let ed25519 = Csr::from_der(&stock("ed25519.der")).unwrap();
    assert_eq!(ed25519.algorithm().name(), "ed25519");
    let mut mixed = stock("p256-sha256.der");
    let at = mixed
        .windows(8)
        .rposition(|w| w == [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02])
        .unwrap();
    // ecdsa-with-SHA256 becomes the eight-byte OID of composite .45.
    mixed[at..at + 8].copy_from_slice(&[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x06, 0x2d]);
    assert_eq!(
        Csr::from_der(&mixed).unwrap_err().to_string(),
        "the certificate request's proof of possession is wrong: a signature made with mldsa65-ecdsa-p256 cannot \
         be checked with a key of type ecdsa-p256"
    );
}

#[test]
fn oversized_and_trailing_are_refused() {
    let too_long = vec![0x30; MAX_CSR_LEN + 1];
    assert!(matches!(Csr::from_der(&too_long), Err(CsrError::TooLong { len }) if len == MAX_CSR_LEN + 1));
    let mut trailing = request(Suite::EcdsaP256);
    trailing.push(0);
    assert!(matches!(Csr::from_der(&trailing), Err(CsrError::Malformed(_))));
    assert!(matches!(Csr::from_der(&[]), Err(CsrError::Malformed(_))));
}

static COMPOSITE: LazyLock<Vec<u8>> = LazyLock::new(|| request(Suite::MlDsa65EcdsaP256));
static ECDSA: LazyLock<Vec<u8>> = LazyLock::new(|| request(Suite::EcdsaP256));

proptest! {
    #[test]
    fn a_truncated_request_is_an_error(cut in 0usize..5000) {
        let der = &COMPOSITE[..cut.min(COMPOSITE.len() - 1)];
        prop_assert!(Csr::from_der(der).is_err());
    }

    #[test]
    fn a_changed_request_is_an_error(at in any::<prop::sample::Index>(), with in 1u8..=255) {
        for request in [&*COMPOSITE, &*ECDSA] {
            let mut changed = request.clone();
            *at.get_mut(&mut changed) ^= with;
            prop_assert!(Csr::from_der(&changed).is_err());
        }
    }

    #[test]
    fn random_bytes_are_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Csr::from_der(&bytes).is_err());
    }

    #[test]
    fn a_spliced_request_never_panics(at in any::<prop::sample::Index>(), insert in proptest::collection::vec(any::<u8>(), 0..8), drop in 0usize..8) {
        let mut spliced = ECDSA.clone();
        let at = at.index(spliced.len());
        let end = (at + drop).min(spliced.len());
        spliced.splice(at..end, insert);
        prop_assert_eq!(Csr::from_der(&spliced).is_ok(), spliced == *ECDSA);
    }
}
