//! The x509pop method against the conformance suite and its own rules.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

#[path = "../asked/mod.rs"]
mod asked;
#[path = "../pki/mod.rs"]
mod pki;

mod answers;
mod names;
mod refusals;

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

use self::asked::{Asked, NeverAsked, occasion};
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

async fn attest(verifier: &X509PopVerifier, prover: &mut dyn Prover) -> Result<Attested, AttestationError> {
    prover.bind(occasion().csr_sha256);
    let evidence = prover.evidence().await.unwrap();
    verifier.verify(&evidence, &mut Asked(prover), now()).await
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

fn payload(chain: &[Certificate]) -> Vec<u8> {
    use base64::Engine as _;
    let encode = |one: &Certificate| base64::engine::general_purpose::STANDARD.encode(one.der());
    let certificates: Vec<String> = chain.iter().map(encode).collect();
    serde_json::to_vec(&json!({ "certificates": certificates })).unwrap()
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
