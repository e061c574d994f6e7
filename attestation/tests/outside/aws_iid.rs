//! `aws_iid`, with documents shaped like Amazon's, signed by keys of this test's and by OpenSSL.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, RsaKeySize, SigningKey};
use serde_json::json;
use symbolon_attestation::aws_iid::{
    AwsIidConfig, AwsIidProver, AwsIidVerifier, DEFAULT_METADATA, DEFAULT_TEMPLATE, Signer, path_template,
};
use symbolon_attestation::http::Verb;
use symbolon_crypto::digest::sha256;
use symbolon_pki::certificate::Certificate;
use symbolon_pki::encode::whole;
use symbolon_pki::pem;

use crate::*;

const REGION: &str = "eu-test-1";

/// A region: its key, and the certificate that is published for it.
struct Region {
    key: KeyPair,
    certificate: Certificate,
}

const DATA: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01];
const SIGNED: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
const SHA256: &[u8] = &[0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];
const RSA: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const CONTENT_TYPE: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x03];
const DIGEST: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x04];
const NULL: &[u8] = &[0x05, 0x00];

impl Region {
    fn new() -> Arc<Self> {
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
        let certificate = CertificateParams::default().self_signed(&key).unwrap();
        Arc::new(Self {
            key,
            certificate: Certificate::from_der(certificate.der()).unwrap(),
        })
    }

    fn signer(&self) -> Signer {
        Signer::new(&self.certificate).unwrap()
    }

    /// A signature with its content and signed attributes, which say that they are on `hashed`.
    fn sign_as(&self, content: &[u8], hashed: &[u8], algorithm: &[u8]) -> String {
        let attribute = |name: &[u8], value: &[u8]| whole(0x30, &[name, &whole(0x31, &[value])]);
        let digest = whole(0x04, &[&sha256(hashed)]);
        let attributes = [attribute(CONTENT_TYPE, DATA), attribute(DIGEST, &digest)].concat();
        let signature = self.key.sign(&whole(0x31, &[&attributes])).unwrap();
        let serial = whole(0x02, &[self.certificate.serial()]);
        let signer = whole(
            0x30,
            &[
                &[0x02, 1, 1],
                &whole(0x30, &[self.certificate.issuer_der(), &serial]),
                &whole(0x30, &[algorithm, NULL]),
                &whole(0xa0, &[&attributes]),
                &whole(0x30, &[RSA, NULL]),
                &whole(0x04, &[&signature]),
            ],
        );
        let inner = whole(0x30, &[DATA, &whole(0xa0, &[&whole(0x04, &[content])])]);
        let algorithms = whole(0x31, &[&whole(0x30, &[algorithm, NULL])]);
        let data = whole(
            0x30,
            &[&[0x02, 1, 1], &algorithms, &inner, &whole(0x31, &[&signer])],
        );
        STANDARD.encode(whole(0x30, &[SIGNED, &whole(0xa0, &[&data])]))
    }

    fn sign(&self, document: &str) -> String {
        self.sign_as(document.as_bytes(), document.as_bytes(), SHA256)
    }
}

fn document(instance: &str) -> String {
    json!({
        "accountId": "123456789012", "architecture": "x86_64", "availabilityZone": "eu-test-1a", "billingProducts": null,
        "imageId": "ami-0123", "instanceId": instance, "region": REGION, "version": "2017-09-30",
    })
    .to_string()
}

fn config(signer: Signer) -> AwsIidConfig {
    AwsIidConfig {
        trust_domain: trust_domain(),
        accounts: ["123456789012".to_owned()].into(),
        signers: BTreeMap::from([(REGION.to_owned(), vec![signer])]),
        template: path_template(DEFAULT_TEMPLATE).unwrap(),
        known: Arc::new(Record::default()),
    }
}

fn payload(document: &str, rsa2048: &str) -> Vec<u8> {
    json!({ "document": document, "signature": "b2xk", "rsa2048": rsa2048 })
        .to_string()
        .into_bytes()
}

/// The metadata service of a machine.
fn prover(document: String, rsa2048: String) -> AwsIidProver {
    let service = Service::new(move |request| {
        let path = request.url.strip_prefix(DEFAULT_METADATA).unwrap();
        let has_session = field(request, "x-aws-ec2-metadata-token") == Some("session");
        match (request.verb, path, has_session) {
            (Verb::Put, "/latest/api/token", _) => {
                assert_eq!(field(request, "x-aws-ec2-metadata-token-ttl-seconds"), Some("60"));
                answer(200, "session")
            }
            (Verb::Get, "/latest/dynamic/instance-identity/document", true) => answer(200, document.clone()),
            (Verb::Get, "/latest/dynamic/instance-identity/signature", true) => answer(200, "b2xk"),
            (Verb::Get, "/latest/dynamic/instance-identity/rsa2048", true) => answer(200, rsa2048.clone()),
            _ => answer(401, "no session"),
        }
    });
    AwsIidProver::new(DEFAULT_METADATA, service)
}

#[tokio::test]
async fn it_conforms() {
    let region = Region::new();
    let verifier = AwsIidVerifier::new(config(region.signer()));
    let count = AtomicUsize::new(0);
    let next = move || {
        let document = document(&format!("i-{}", count.fetch_add(1, Ordering::Relaxed)));
        let signature = region.sign(&document);
        prover(document, signature)
    };
    Method::new(verifier, next).conforms().await;
}

#[tokio::test]
async fn a_machine_is_named_by_its_document_and_let_in_once() {
    let region = Region::new();
    let verifier = AwsIidVerifier::new(config(region.signer()));
    let document = document("i-0a1b");
    let signature = region.sign(&document);
    let attested = attest(&verifier, &mut prover(document.clone(), signature.clone()))
        .await
        .unwrap();
    assert_eq!(
        attested.agent_id.path(),
        "/spire/agent/aws_iid/123456789012/eu-test-1/i-0a1b"
    );
    assert_eq!(
        words(&attested),
        [
            "aws_iid:account_id:123456789012",
            "aws_iid:az:eu-test-1a",
            "aws_iid:image:id:ami-0123",
            "aws_iid:instance:id:i-0a1b",
            "aws_iid:region:eu-test-1",
        ]
    );
    assert!(!attested.can_reattest);
    // In lines, and signed anew: the same machine.
    let lines = signature
        .as_bytes()
        .chunks(64)
        .map(|line| String::from_utf8_lossy(line))
        .collect::<Vec<_>>()
        .join("\n");
    let again = refusal(&verifier, &payload(&document, &lines)).await;
    assert!(again.contains("has attested before"), "{again}");
}

#[tokio::test]
async fn documents_that_do_not_count_are_refused_by_the_rule_they_break() {
    let (region, other) = (Region::new(), Region::new());
    let verifier = AwsIidVerifier::new(config(region.signer()));
    let good = document("i-1");
    let with = |from: &str, to: &str| {
        let document = good.replace(from, to);
        let signature = region.sign(&document);
        payload(&document, &signature)
    };
    let sha1: &[u8] = &[0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a];
    // A key that signs in the name of the region's certificate.
    let posing = Region {
        key: KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap(),
        certificate: region.certificate.clone(),
    };
    for (payload, words) in [
        (payload(&good, ""), "no signature of RSA-2048"),
        (payload(&good, "!"), "no base64"),
        (payload(&good, "AAAA"), "no PKCS#7"),
        (payload(&good, &other.sign(&good)), "another certificate"),
        (payload(&good, &posing.sign(&good)), "the signature is wrong"),
        (
            payload(&good, &region.sign(&document("i-2"))),
            "on another document",
        ),
        (
            payload(&good, &region.sign_as(good.as_bytes(), b"other", SHA256)),
            "another content's hash",
        ),
        (
            payload(&good, &region.sign_as(good.as_bytes(), good.as_bytes(), sha1)),
            "RSA and SHA-256",
        ),
        (with("eu-test-1\"", "eu-test-2\""), "for the region eu-test-2"),
        (
            with("123456789012", "210987654321"),
            "account_ids_for_local_validation",
        ),
        (with("i-1", "a/../b"), "no path"),
        (with("ami-0123", "a\\nb"), "control character"),
        (payload("{}", &region.sign("{}")), "accountId"),
        (payload("", ""), "the document"),
    ] {
        let refused = refusal(&verifier, &payload).await;
        assert!(refused.contains(words), "{words}: {refused}");
    }
}

/// OpenSSL's signatures: with attributes and the certificate in it; with lengths that are not said and the content in pieces,
/// as Amazon's have them; and without attributes.
#[tokio::test]
async fn signatures_of_another_program_are_verified() {
    let document = include_str!("aws/document.json");
    let certificate = pem::certificates(include_bytes!("aws/openssl.pem"))
        .unwrap()
        .remove(0)
        .unwrap();
    let signer = Signer::new(&certificate).unwrap();
    for signature in [
        include_str!("aws/der.b64"),
        include_str!("aws/stream.b64"),
        include_str!("aws/noattr.b64"),
    ] {
        let verifier = AwsIidVerifier::new(config(signer.clone()));
        let attested = verifier
            .verify(&payload(document, signature), &mut NeverAsked, now())
            .await
            .unwrap();
        assert_eq!(
            attested.agent_id.path(),
            "/spire/agent/aws_iid/123456789012/eu-test-1/i-openssl"
        );
        let other = document.replace("i-openssl", "i-changed");
        let refused = refusal(&verifier, &payload(&other, signature)).await;
        assert!(refused.contains("on another document"), "{refused}");
    }
}

/// Where a piece of bytes begins in others, the last time.
fn place_of(piece: &[u8], bytes: &[u8]) -> usize {
    let found = bytes.windows(piece.len()).rposition(|window| window == piece);
    found.expect("the piece is there")
}

#[tokio::test]
async fn a_signature_with_any_octet_changed_that_counts_is_refused() {
    let document = include_str!("aws/document.json");
    let certificate = pem::certificates(include_bytes!("aws/openssl.pem"))
        .unwrap()
        .remove(0)
        .unwrap();
    let signer = Signer::new(&certificate).unwrap();
    let packed: String = include_str!("aws/stream.b64").split_whitespace().collect();
    let bytes = STANDARD.decode(packed).unwrap();
    // What is signed, that it is, and by which key.
    let text = place_of(document.as_bytes(), &bytes);
    let serial = place_of(certificate.serial(), &bytes);
    let attributes = place_of(CONTENT_TYPE, &bytes);
    let algorithm = place_of(RSA, &bytes);
    let octets = [0x04, 0x82, 0x01, 0x00];
    let signature = place_of(&octets, &bytes);
    assert!(
        attributes < algorithm && algorithm < signature,
        "the parts are in order"
    );
    let counts = [
        text..text + document.len(),
        serial..serial + certificate.serial().len(),
        attributes..algorithm + RSA.len(),
        signature..signature + octets.len() + 256,
    ];
    let mut passed_over = 0;
    for place in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[place] ^= 1;
        let verifier = AwsIidVerifier::new(config(signer.clone()));
        let verified = verifier
            .verify(
                &payload(document, &STANDARD.encode(changed)),
                &mut NeverAsked,
                now(),
            )
            .await;
        let Ok(attested) = verified else { continue };
        // What nobody reads may be anything: versions, the certificate, the name beside the serial number.
        assert!(!counts.iter().any(|range| range.contains(&place)), "{place}");
        assert_eq!(
            attested.agent_id.path(),
            "/spire/agent/aws_iid/123456789012/eu-test-1/i-openssl"
        );
        passed_over += 1;
    }
    let that_count: usize = counts.iter().map(ExactSizeIterator::len).sum();
    assert_eq!((bytes.len(), that_count, passed_over), (878, 729, 48));
}

#[tokio::test]
async fn while_a_regions_certificate_is_replaced_documents_of_both_count() {
    let (old, new, other) = (Region::new(), Region::new(), Region::new());
    // One that has the old one's number, as Amazon's could.
    let posing = Region {
        key: KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap(),
        certificate: old.certificate.clone(),
    };
    let mut config = config(old.signer());
    config.signers.get_mut(REGION).unwrap().push(new.signer());
    let verifier = AwsIidVerifier::new(config);
    for (region, instance) in [(&old, "i-old"), (&new, "i-new")] {
        let document = document(instance);
        let mut node = prover(document.clone(), region.sign(&document));
        attest(&verifier, &mut node).await.unwrap();
    }
    let document = document("i-3");
    for (region, words) in [
        (&other, "another certificate"),
        (&Arc::new(posing), "signature is wrong"),
    ] {
        let refused = refusal(&verifier, &payload(&document, &region.sign(&document))).await;
        assert!(refused.contains(words), "{refused}");
    }
}

/// Two that Amazon publishes in its documentation: one without extensions, and one with those of an authority. Both have one
/// name, and are valid for 179 years.
#[tokio::test]
async fn amazons_own_certificates_are_signers() {
    let published = [
        ("af-south-1", &include_bytes!("aws/af-south-1.pem")[..]),
        ("us-west-2", include_bytes!("aws/us-west-2.pem")),
    ];
    let mut config = config(Region::new().signer());
    for (region, certificate) in published {
        let certificate = pem::certificates(certificate).unwrap().remove(0).unwrap();
        let signer = Signer::new(&certificate).unwrap();
        config.signers.insert(region.to_owned(), vec![signer]);
    }
    let verifier = AwsIidVerifier::new(config);
    // Nobody here has their keys; whoever poses as them is refused by what they say.
    let document = document("i-1").replace(REGION, "us-west-2");
    let certificate = pem::certificates(published[1].1).unwrap().remove(0).unwrap();
    let posing = Region {
        key: KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap(),
        certificate,
    };
    let refused = refusal(&verifier, &payload(&document, &posing.sign(&document))).await;
    assert!(refused.contains("the signature is wrong"), "{refused}");
    let document = document.replace("us-west-2", "af-south-1");
    let refused = refusal(&verifier, &payload(&document, &posing.sign(&document))).await;
    assert!(refused.contains("another certificate"), "{refused}");
}

#[tokio::test]
async fn a_machine_without_a_document_says_why() {
    let service = Service::new(|_| answer(403, "IMDS is off"));
    let error = AwsIidProver::new(DEFAULT_METADATA, service)
        .evidence()
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("answered 403"), "{error}");
}

#[test]
fn certificates_that_sign_no_documents_are_refused() {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::default().self_signed(&key).unwrap();
    let certificate = Certificate::from_der(certificate.der()).unwrap();
    let error = Signer::new(&certificate).unwrap_err().to_string();
    assert!(error.contains("RSA") && error.contains("ecdsa-p256"), "{error}");
}
