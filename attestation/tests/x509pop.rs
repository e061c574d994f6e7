//! The x509pop method against the conformance suite and its own rules.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod pki;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use rcgen::{CertificateParams, KeyPair, KeyUsagePurpose, PublicKeyData, RsaKeySize};
use serde_json::{Value, json};
use spiffe::{SpiffeId, TrustDomain};
use symbolon_attestation::conformance::{self, Scenario};
use symbolon_attestation::x509pop::{
    BundleSource, DEFAULT_SPIFFE_TEMPLATE, DEFAULT_SVID_PREFIX, DEFAULT_TEMPLATE, Evidence, NodeKey, Trust,
    X509PopConfig, X509PopProver, X509PopVerifier, path_template,
};
use symbolon_attestation::{AttestationError, Attested, Challenger, Occasion, Prover, ProverError, Verifier};
use symbolon_issuance::{
    Authority, AuthoritySpec, Beside, Serial, SvidProfile, SvidRequest, prepare_authority, prepare_svid,
};
use symbolon_pki::bundle::{BundleSet, TrustBundle, X509Authority};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::key::{PrivateKey, SubjectKey};
use symbolon_pki::pem;
use symbolon_pki::suite::Suite;
use symbolon_pki::verify::PathPolicy;

use self::pki::{Ca, node_params, now};

fn trust_domain() -> TrustDomain {
    TrustDomain::new("example.org").unwrap()
}

/// A node: its chain, leaf first, and its key in PEM.
#[derive(Clone)]
struct Node {
    chain: Vec<Certificate>,
    key: String,
}

impl Node {
    fn prover(&self) -> X509PopProver {
        let key = NodeKey::from_pem(self.key.as_bytes()).unwrap();
        X509PopProver::new(trust_domain(), &self.chain, key).unwrap()
    }
}

/// Nodes of one kind, and who lets them in.
struct Method {
    trust_domain: TrustDomain,
    node: Node,
    verifier: X509PopVerifier,
}

impl Method {
    fn new(node: Node, trust: Trust, template: &str) -> Self {
        let config = X509PopConfig::new(trust_domain(), trust, path_template(template).unwrap());
        Self::of(node, config)
    }

    fn of(node: Node, config: X509PopConfig) -> Self {
        Self {
            trust_domain: trust_domain(),
            node,
            verifier: X509PopVerifier::new(config),
        }
    }

    async fn attest(&self) -> Result<Attested, AttestationError> {
        attest(&self.verifier, &mut self.node.prover()).await
    }
}

#[async_trait]
impl Scenario for Method {
    fn trust_domain(&self) -> &TrustDomain {
        &self.trust_domain
    }

    fn verifier(&self) -> &dyn Verifier {
        &self.verifier
    }

    async fn honest(&self) -> Box<dyn Prover> {
        Box::new(self.node.prover())
    }

    fn now(&self) -> SystemTime {
        now()
    }

    fn binds_request(&self) -> bool {
        match self.node.chain[0].subject_key().unwrap() {
            SubjectKey::Rsa(_) => false,
            SubjectKey::Suite(key) => !matches!(key.suite(), Suite::EcdsaP256 | Suite::EcdsaP384),
        }
    }
}

/// What nodes ask for here.
fn occasion() -> Occasion {
    Occasion {
        csr_sha256: [7; 32],
        address: None,
    }
}

/// The node at the other end of a challenge.
struct Asked<'a>(&'a mut dyn Prover);

#[async_trait]
impl Challenger for Asked<'_> {
    fn occasion(&self) -> Occasion {
        occasion()
    }

    async fn challenge(&mut self, challenge: Vec<u8>) -> Result<Vec<u8>, AttestationError> {
        Ok(self.0.respond(&challenge).await.unwrap())
    }
}

async fn attest(verifier: &X509PopVerifier, prover: &mut dyn Prover) -> Result<Attested, AttestationError> {
    prover.bind(occasion().csr_sha256);
    let evidence = prover.evidence().await.unwrap();
    verifier.verify(&evidence, &mut Asked(prover), now()).await
}

/// Nobody asks it anything: the evidence alone must be enough to know.
struct NeverAsked;

#[async_trait]
impl Challenger for NeverAsked {
    fn occasion(&self) -> Occasion {
        occasion()
    }

    async fn challenge(&mut self, _: Vec<u8>) -> Result<Vec<u8>, AttestationError> {
        panic!("it is known without asking")
    }
}

const URIS: &[&str] = &[
    "x509pop://example.org/env/prod%2feu",
    "x509pop://example.org/env/last/one",
    "x509pop://example.org/alone",
    "x509pop://other.org/env/theirs",
    "https://example.org/env/x",
];

/// A node under an intermediate of a PKI with rcgen's certificates.
fn foreign(key: &KeyPair) -> (Node, Trust, [Certificate; 2]) {
    let root = Ca::root("root");
    let below = root.below("below");
    let leaf = below.sign(&node_params("node 7", URIS), key);
    let node = Node {
        chain: vec![leaf, below.certificate.clone()],
        key: key.serialize_pem(),
    };
    let trust = Trust::ExternalPki(vec![root.authority()]);
    (node, trust, [below.certificate, root.certificate])
}

/// An authority of ours, and an SVID under it.
fn issued(suite: Suite, id: &str) -> (Node, X509Authority) {
    let signer = |suite| PrivateKey::generate(suite).unwrap();
    let (authority_key, key) = (signer(suite), signer(suite));
    let serial = || Serial::random(symbolon_crypto::random::fill).unwrap();
    let day = Duration::from_secs(24 * 60 * 60);
    let spec = AuthoritySpec {
        trust_domain: &trust_domain(),
        ttl: 30 * day,
        path_len: None,
    };
    let keys = authority_key.signer().unwrap();
    let root = prepare_authority(&spec, &keys, serial(), now() - day)
        .and_then(|linted| linted.sign(&keys))
        .unwrap();
    let root = Authority::new(pki::read(root.der()), keys).unwrap();
    let request = SvidRequest {
        profile: SvidProfile::Workload,
        spiffe_id: &SpiffeId::new(id).unwrap(),
        key: &SubjectKey::Suite(key.public_key().unwrap()),
        beside: Beside::Nothing,
        dns_names: &[],
        ttl: 10 * day,
        serial: serial(),
        now: now() - day,
    };
    let leaf = prepare_svid(&root, &request)
        .and_then(|linted| linted.sign(&root))
        .unwrap();
    let node = Node {
        chain: vec![pki::read(leaf.der())],
        key: pem::encode_private_key(&key).unwrap().to_string(),
    };
    (node, X509Authority::new(root.certificate().clone()))
}

#[derive(Debug)]
struct Bundle(Arc<BundleSet>);

impl BundleSource for Bundle {
    fn bundles(&self) -> Arc<BundleSet> {
        self.0.clone()
    }
}

fn own_trust(authority: X509Authority) -> Trust {
    let mut bundle = TrustBundle::new(trust_domain());
    bundle.x509_authorities = vec![authority];
    Trust::Spiffe {
        bundles: Arc::new(Bundle(Arc::new(BundleSet::from(bundle)))),
        prefix: DEFAULT_SVID_PREFIX.trim_end_matches('/').to_owned(),
    }
}

#[tokio::test]
async fn it_conforms_with_the_keys_that_spire_knows() {
    for key in [
        KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap(),
        KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap(),
        KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap(),
    ] {
        let (node, trust, _) = foreign(&key);
        conformance::run(&Method::new(node, trust, DEFAULT_TEMPLATE))
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn it_conforms_with_the_keys_that_spire_does_not_know() {
    for suite in [
        Suite::Ed25519,
        Suite::MlDsa44,
        Suite::MlDsa65,
        Suite::MlDsa65EcdsaP256,
    ] {
        let (node, authority) = issued(suite, "spiffe://example.org/node");
        let trust = Trust::ExternalPki(vec![authority]);
        conformance::run(&Method::new(node, trust, DEFAULT_TEMPLATE))
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn names_and_selectors_are_those_of_spire() {
    let key = KeyPair::generate().unwrap();
    let (node, trust, above) = foreign(&key);
    let sha1 =
        |certificate: &Certificate| hex::encode(symbolon_crypto::digest::sha1_for_names(certificate.der()));
    let attested = Method::new(node.clone(), trust.clone(), DEFAULT_TEMPLATE)
        .attest()
        .await
        .unwrap();
    let leaf = sha1(&node.chain[0]);
    assert_eq!(
        attested.agent_id.to_string(),
        format!("spiffe://example.org/spire/agent/x509pop/{leaf}")
    );
    assert!(attested.can_reattest);
    let mut expected: Vec<String> = above
        .iter()
        .map(|one| format!("ca:fingerprint:{}", sha1(one)))
        .collect();
    expected.extend(["subject:cn:node 7", "serialnumber:0a1b2c", "san:env:last/one"].map(str::to_owned));
    let expected = expected.into_iter().map(|value| ("x509pop".to_owned(), value));
    assert_eq!(attested.selectors, expected.collect());

    for (template, path) in [
        ("/x509pop/n/{{ .SerialNumberHex }}", "n/0a1b2c"),
        ("/x509pop/{{.URISanSelectors.env}}", "last/one"),
    ] {
        let attested = Method::new(node.clone(), trust.clone(), template)
            .attest()
            .await
            .unwrap();
        assert_eq!(attested.agent_id.path(), format!("/spire/agent/x509pop/{path}"));
    }
    // A space is no part of a path, and there is no such URI.
    for template in [
        "/x509pop/{{ .Subject.CommonName }}",
        "/x509pop/{{ .URISanSelectors.none }}",
    ] {
        let error = Method::new(node.clone(), trust.clone(), template)
            .attest()
            .await
            .unwrap_err();
        assert!(matches!(error, AttestationError::Denied(_)), "{error}");
    }
}

#[tokio::test]
async fn an_svid_is_exchanged_for_an_agents() {
    for suite in [Suite::EcdsaP256, Suite::MlDsa65EcdsaP256] {
        let (node, authority) = issued(suite, "spiffe://example.org/spire-exchange/rack/7");
        let method = Method::new(node, own_trust(authority), DEFAULT_SPIFFE_TEMPLATE);
        conformance::run(&method).await.unwrap();
        let attested = method.attest().await.unwrap();
        assert_eq!(attested.agent_id.path(), "/spire/agent/x509pop/rack/7");
    }
    for id in [
        "spiffe://example.org/spire-exchanged",
        "spiffe://example.org/web/spire-exchange/a",
    ] {
        let (node, authority) = issued(Suite::EcdsaP256, id);
        let error = Method::new(node, own_trust(authority), DEFAULT_SPIFFE_TEMPLATE)
            .attest()
            .await
            .unwrap_err();
        assert!(
            error.to_string().contains("does not begin with /spire-exchange/"),
            "{error}"
        );
    }
}

/// A certificate that a P-256 key signed, with the signature's second number less the order of the curve.
fn written_otherwise(certificate: &Certificate) -> Certificate {
    const ORDER: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
    let element = |tag: u8, content: &[u8]| {
        let mut out = Vec::new();
        symbolon_pki::encode::element(&mut out, tag, content);
        out
    };
    let number = |bytes: &[u8]| {
        let start = bytes.iter().position(|byte| *byte != 0).unwrap();
        let sign = if bytes[start] & 0x80 == 0 {
            &[][..]
        } else {
            &[0_u8][..]
        };
        element(0x02, &[sign, &bytes[start..]].concat())
    };
    let signature = certificate.signature();
    let (r, s) = signature[2..].split_at(2 + usize::from(signature[3]));
    let s = &s[2..];
    let mut other = hex::decode(ORDER).unwrap();
    let padded = [vec![0; 40 - s.len()], s.to_vec()].concat();
    let mut borrow = 0;
    for (digit, less) in other.iter_mut().zip(&padded[8..]).rev() {
        let difference = i16::from(*digit) - i16::from(*less) - borrow;
        borrow = i16::from(difference < 0);
        *digit = u8::try_from(difference.rem_euclid(256)).unwrap();
    }
    let signature = element(0x30, &[r, &number(&other)].concat());
    let parts = [
        certificate.tbs_der(),
        // ecdsa-with-SHA256
        &element(0x30, &hex::decode("06082a8648ce3d040302").unwrap()),
        &element(0x03, &[&[0_u8][..], &signature[..]].concat()),
    ];
    pki::read(&element(0x30, &parts.concat()))
}

#[tokio::test]
async fn a_certificate_that_is_written_otherwise_is_known_to_be_the_same() {
    let (node, trust, _) = foreign(&KeyPair::generate().unwrap());
    let mut other = node.clone();
    other.chain[0] = written_otherwise(&node.chain[0]);
    let attest = async |node: Node| {
        let method = Method::new(node, trust.clone(), DEFAULT_TEMPLATE);
        method.attest().await.unwrap()
    };
    let (one, two) = (attest(node.clone()).await, attest(other).await);
    // SPIRE names agents by the certificate's bytes.
    assert_ne!(one.agent_id, two.agent_id);
    assert_eq!(one.siblings, [two.agent_id]);
    assert_eq!(two.siblings, [one.agent_id]);
    let by_serial = Method::new(node, trust, "/x509pop/{{ .SerialNumberHex }}");
    assert!(by_serial.attest().await.unwrap().siblings.is_empty());
}

#[tokio::test]
async fn an_svid_under_a_tainted_authority_is_not_exchanged() {
    let (node, mut authority) = issued(Suite::EcdsaP256, "spiffe://example.org/spire-exchange/rack/7");
    authority.tainted = true;
    let method = Method::new(node, own_trust(authority), DEFAULT_SPIFFE_TEMPLATE);
    let error = method.attest().await.unwrap_err();
    assert!(
        matches!(&error, AttestationError::Denied(reason) if reason.contains("tainted")),
        "{error}"
    );
}

/// What a certificate's fault is answered, without a challenge.
async fn refusal(method: &Method, payload: &[u8]) -> AttestationError {
    method
        .verifier
        .verify(payload, &mut NeverAsked, now())
        .await
        .unwrap_err()
}

#[tokio::test]
async fn certificates_that_prove_nothing_are_refused_before_any_question() {
    let key = KeyPair::generate().unwrap();
    let (node, trust, [below, root]) = foreign(&key);
    let good = Method::new(node.clone(), trust.clone(), DEFAULT_TEMPLATE);
    let of = |chain: &[Certificate]| payload(chain);
    let ca = Ca::root("root");
    let signed = |params: CertificateParams| ca.sign(&params, &key);
    let elsewhere = Method::new(
        node.clone(),
        Trust::ExternalPki(vec![ca.authority()]),
        DEFAULT_TEMPLATE,
    );

    let mut old = node_params("n", &[]);
    old.not_after = rcgen::date_time_ymd(2026, 6, 1);
    let mut early = node_params("n", &[]);
    early.not_before = rcgen::date_time_ymd(2027, 6, 1);
    let mut for_ciphers = node_params("n", &[]);
    for_ciphers.key_usages = vec![KeyUsagePurpose::KeyEncipherment];
    let mut for_anything = node_params("n", &[]);
    for_anything.key_usages = Vec::new();
    let odd = node_params("n\u{7}", &[]);
    let many = vec![below.clone(); 5];
    for (method, payload, words) in [
        (&good, of(&node.chain[..1]), "no configured authority"),
        (&elsewhere, of(&node.chain), "issued it"),
        (&good, of(std::slice::from_ref(&below)), "not for signing"),
        (
            &good,
            of(&[&node.chain[..1], &many].concat()),
            "6 certificates; 5 are allowed",
        ),
        (&good, of(&[]), "it has no certificate"),
        (&elsewhere, of(&[signed(old)]), "expired"),
        (&elsewhere, of(&[signed(early)]), "not valid"),
        (&elsewhere, of(&[signed(for_ciphers)]), "digitalSignature"),
        (&elsewhere, of(&[signed(for_anything)]), "digitalSignature"),
        (&elsewhere, of(&[signed(odd)]), "control character"),
    ] {
        let error = refusal(method, &payload).await.to_string();
        assert!(error.contains(words), "{words}: {error}");
    }
    // The root itself is believed, and is not for signing.
    let error = refusal(&good, &payload(&[root])).await.to_string();
    assert!(error.contains("not for signing"), "{error}");
}

fn payload(chain: &[Certificate]) -> Vec<u8> {
    use base64::Engine as _;
    let encode = |one: &Certificate| base64::engine::general_purpose::STANDARD.encode(one.der());
    let certificates: Vec<String> = chain.iter().map(encode).collect();
    serde_json::to_vec(&json!({ "certificates": certificates })).unwrap()
}

#[tokio::test]
async fn malformed_payloads_are_named_and_cost_no_challenge() {
    let key = KeyPair::generate().unwrap();
    let (node, trust, _) = foreign(&key);
    let method = Method::new(node, trust, DEFAULT_TEMPLATE);
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100));
    for bad in [
        &b""[..],
        b"null",
        b"[]",
        b"{}",
        b"{\"certificates\":{}}",
        b"{\"certificates\":[7]}",
        b"{\"certificates\":[\"!\"]}",
        b"{\"certificates\":[\"AAAA\"]}",
        b"{\"certificates\":[null]}",
        b"{\"certificates\":[],\"certificates\":[]}",
        b"{\"certificates\":[]} {}",
        deep.as_bytes(),
        &[b'a'; 200_000],
    ] {
        let error = refusal(&method, bad).await;
        assert!(
            matches!(&error, AttestationError::Malformed { field, .. } if *field == "params.data.payload"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn too_long_rsa_keys_are_refused() {
    let key = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let (node, trust, _) = foreign(&key);
    let mut config = X509PopConfig::new(trust_domain(), trust, path_template(DEFAULT_TEMPLATE).unwrap());
    config.max_rsa_bits = 2047;
    let method = Method::of(node.clone(), config);
    let error = refusal(&method, &payload(&node.chain)).await.to_string();
    assert!(error.contains("2048 bits; 2047 are allowed"), "{error}");
}

#[tokio::test]
async fn a_policy_refuses_classical_paths() {
    let key = KeyPair::generate().unwrap();
    let (classical, trust, _) = foreign(&key);
    let (hybrid, authority) = issued(Suite::MlDsa65EcdsaP256, "spiffe://example.org/n");
    for (node, trust, is_let_in) in [
        (classical, trust, false),
        (hybrid, Trust::ExternalPki(vec![authority]), true),
    ] {
        let mut config = X509PopConfig::new(trust_domain(), trust, path_template(DEFAULT_TEMPLATE).unwrap());
        config.policy = PathPolicy::HybridRequired;
        assert_eq!(Method::of(node, config).attest().await.is_ok(), is_let_in);
    }
}

/// A node that calls from somewhere.
struct From<'a>(&'a mut dyn Prover, Option<&'static str>);

#[async_trait]
impl Challenger for From<'_> {
    fn occasion(&self) -> Occasion {
        Occasion {
            address: self.1.map(|address| address.parse().unwrap()),
            ..occasion()
        }
    }

    async fn challenge(&mut self, challenge: Vec<u8>) -> Result<Vec<u8>, AttestationError> {
        Ok(self.0.respond(&challenge).await.unwrap())
    }
}

#[tokio::test]
async fn an_address_is_compared_with_the_certificate_where_that_is_wanted() {
    let root = Ca::root("root");
    let key = KeyPair::generate().unwrap();
    let mut params = node_params("node 7", URIS);
    for address in ["192.0.2.7", "2001:db8::7"] {
        let address = address.parse().unwrap();
        params.subject_alt_names.push(rcgen::SanType::IpAddress(address));
    }
    let node = |chain| Node {
        chain: vec![chain],
        key: key.serialize_pem(),
    };
    let with = node(root.sign(&params, &key));
    let without = node(root.sign(&node_params("node 7", URIS), &key));
    let trust = Trust::ExternalPki(vec![root.authority()]);
    for (node, address, is_let_in) in [
        (&with, Some("192.0.2.7"), true),
        (&with, Some("::ffff:192.0.2.7"), true),
        (&with, Some("2001:db8::7"), true),
        (&with, Some("192.0.2.8"), false),
        (&with, Some("2001:db8::8"), false),
        (&with, None, false),
        (&without, Some("192.0.2.7"), false),
    ] {
        for verify_client_ip in [true, false] {
            let verifier = X509PopVerifier::new(X509PopConfig {
                verify_client_ip,
                ..X509PopConfig::new(
                    trust_domain(),
                    trust.clone(),
                    path_template(DEFAULT_TEMPLATE).unwrap(),
                )
            });
            let mut prover = node.prover();
            let evidence = prover.evidence().await.unwrap();
            let outcome = verifier
                .verify(&evidence, &mut From(&mut prover, address), now())
                .await;
            match outcome {
                Ok(_) => assert!(is_let_in || !verify_client_ip, "{address:?}"),
                Err(AttestationError::Denied(reason)) => {
                    assert!(!is_let_in && verify_client_ip, "{address:?}: {reason}");
                }
                other => panic!("{address:?}: {other:?}"),
            }
        }
    }
}

/// Answers each challenge by what a function makes of it.
struct Answering<F>(F);

#[async_trait]
impl<F: Fn(Value) -> Value + Send> Challenger for Answering<F> {
    fn occasion(&self) -> Occasion {
        occasion()
    }

    async fn challenge(&mut self, challenge: Vec<u8>) -> Result<Vec<u8>, AttestationError> {
        let challenge: Value = serde_json::from_slice(&challenge).unwrap();
        Ok(serde_json::to_vec(&(self.0)(challenge)).unwrap())
    }
}

#[tokio::test]
async fn answers_that_prove_nothing_are_refused() {
    use base64::Engine as _;
    let base64 = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
    let key = KeyPair::generate().unwrap();
    let (node, trust, _) = foreign(&key);
    let method = Method::new(node.clone(), trust, DEFAULT_TEMPLATE);
    let payload = payload(&node.chain);
    let (n, one) = (base64(&[7; 32]), base64(&[1]));
    for answer in [
        json!({}),
        json!(null),
        json!({"ecdsa_signature": null}),
        json!({"ecdsa_signature": {"nonce": n, "r": one}}),
        json!({"ecdsa_signature": {"nonce": n, "r": one, "s": one}}),
        json!({"ecdsa_signature": {"nonce": n, "r": "", "s": ""}}),
        json!({"ecdsa_signature": {"nonce": n, "r": base64(&[0xff; 67]), "s": one}}),
        json!({"ecdsa_signature": {"nonce": base64(&[7; 31]), "r": one, "s": one}}),
        json!({"ecdsa_signature": {"nonce": base64(&[7; 33]), "r": one, "s": one}}),
        json!({"rsa_signature": {"nonce": n, "signature": n}}),
        json!({"symbolon_signature": {"nonce": n, "signature": n}}),
    ] {
        let mut node = Answering(|challenge: Value| {
            assert!(challenge["rsa_signature"].is_null(), "{challenge}");
            assert!(challenge.get("symbolon_signature").is_none(), "{challenge}");
            answer.clone()
        });
        let error = method
            .verifier
            .verify(&payload, &mut node, now())
            .await
            .unwrap_err();
        assert!(
            matches!(
                error,
                AttestationError::Malformed {
                    field: "challenge_response",
                    ..
                } | AttestationError::Denied(_)
            ),
            "{answer}: {error}"
        );
    }
}

#[tokio::test]
async fn a_prover_signs_nothing_but_what_the_method_asks() {
    let key = KeyPair::generate().unwrap();
    let (node, ..) = foreign(&key);
    let (hybrid, _) = issued(Suite::MlDsa65, "spiffe://example.org/n");
    for challenge in [
        &b"{}"[..],
        b"",
        b"{\"ecdsa_signature\":{\"nonce\":\"AAAA\"}}",
        b"{\"symbolon_signature\":{\"nonce\":\"AAAA\"}}",
        b"{\"rsa_signature\":{\"nonce\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"}}",
    ] {
        for node in [&node, &hybrid] {
            let answered = node.prover().respond(challenge).await;
            assert!(
                matches!(answered, Err(ProverError::Evidence { .. })),
                "{answered:?}"
            );
        }
    }
}

#[test]
fn a_key_is_its_certificates_or_of_no_use() {
    let key = KeyPair::generate().unwrap();
    let (node, ..) = foreign(&key);
    let other = NodeKey::from_pem(KeyPair::generate().unwrap().serialize_pem().as_bytes()).unwrap();
    let error = X509PopProver::new(trust_domain(), &node.chain, other)
        .unwrap_err()
        .to_string();
    assert!(error.contains("not the certificate's"), "{error}");
    let own = || NodeKey::from_pem(node.key.as_bytes()).unwrap();
    assert!(X509PopProver::new(trust_domain(), &[], own()).is_err());
    assert!(X509PopProver::new(trust_domain(), &vec![node.chain[0].clone(); 9], own()).is_err());
    let two = format!("{}{}", node.key, node.key);
    for wrong in [
        "",
        &two,
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    ] {
        assert!(NodeKey::from_pem(wrong.as_bytes()).is_err(), "{wrong}");
    }
    assert!(!format!("{:?}", own()).contains("MII"));
    assert_eq!(
        Evidence::parse(&payload(&node.chain))
            .unwrap()
            .certificates()
            .len(),
        2
    );
    assert!(!key.der_bytes().is_empty());
}
