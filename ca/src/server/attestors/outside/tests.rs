//! The methods as a server has them: stand-ins for services, over TLS, and agents in a datastore.

mod service;

use std::collections::BTreeMap;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{KeyPair, SigningKey};
use serde_json::{Value, json};
use symbolon_attestation::{AttestationError, Attested, Challenger, Occasion};
use symbolon_pki::time::{SystemClock, unix_seconds};
use tempfile::TempDir;

use self::service::Service;
use super::*;
use crate::datastore::sqlite::SqliteDatastore;
use crate::datastore::{AgentCertificate, AgentChange, AgentRecord, DatastoreError, SerialNumber};

struct Nobody;

#[async_trait]
impl Challenger for Nobody {
    fn occasion(&self) -> Occasion {
        Occasion {
            csr_sha256: [0; 32],
            address: None,
        }
    }

    async fn challenge(&mut self, _: Vec<u8>) -> Result<Vec<u8>, AttestationError> {
        panic!("nothing is asked")
    }
}

/// A server's surroundings.
struct Place {
    scratch: TempDir,
    datastore: Arc<dyn Datastore>,
}

impl Place {
    async fn new() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let datastore = SqliteDatastore::open(&scratch.path().join("data")).await.unwrap();
        Self {
            scratch,
            datastore: Arc::new(datastore),
        }
    }

    fn file(&self, name: &str, content: &str) -> String {
        let path = self.scratch.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    }

    fn verifiers(&self, attestors: &str) -> Result<Vec<Arc<dyn Verifier>>, ServerError> {
        let text = format!("trust_domain = \"example.org\"\ndata_dir = \"/nowhere\"\n{attestors}");
        let config: ServerConfig = toml::from_str(&text).unwrap();
        config.validate().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let surroundings = Surroundings {
            config: &config,
            datastore: &self.datastore,
            clock: &clock,
        };
        surroundings.verifiers()
    }

    async fn verify(&self, attestors: &str, evidence: &str) -> Result<Attested, AttestationError> {
        let verifier = self.verifiers(attestors).unwrap().remove(0);
        verifier
            .verify(evidence.as_bytes(), &mut Nobody, SystemTime::now())
            .await
    }
}

fn cluster_answers() -> BTreeMap<&'static str, (u16, String)> {
    let status = json!({"status": {
        "authenticated": true, "audiences": ["spire-server"],
        "user": {"username": "system:serviceaccount:spire:agent", "extra": {
            "authentication.kubernetes.io/pod-name": ["agent-1"],
            "authentication.kubernetes.io/pod-uid": ["pod-uid-1"],
        }},
    }});
    let pod = json!({
        "metadata": {"uid": "pod-uid-1"}, "spec": {"nodeName": "node-1"}, "status": {"hostIP": "192.0.2.7"},
    });
    let node = json!({"metadata": {"uid": "node-uid-1"}});
    [
        (
            "/apis/authentication.k8s.io/v1/tokenreviews",
            (201, status.to_string()),
        ),
        ("/api/v1/namespaces/spire/pods/agent-1", (200, pod.to_string())),
        ("/api/v1/nodes/node-1", (200, node.to_string())),
    ]
    .into()
}

fn cluster(place: &Place, service: &Service, more: &str) -> String {
    let ca = place.file("ca.crt", &service.certificate);
    let token = place.file("token", "server-token\n");
    format!(
        "[attestors.k8s_psat.clusters.prod]\nservice_account_allow_list = [\"spire:agent\"]\n\
         api = \"https://localhost:{}\"\nca_file = \"{ca}\"\ntoken_file = \"{token}\"\n{more}",
        service.port
    )
}

/// A token as far as anybody but its cluster can tell.
fn node_token() -> String {
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let expires = unix_seconds(SystemTime::now()) + 600;
    let claims = json!({"aud": ["spire-server"], "exp": expires});
    format!("{}.{}.c2ln", part(json!({"alg": "RS256"})), part(claims))
}

fn evidence(token: &str) -> String {
    json!({"cluster": "prod", "token": token}).to_string()
}

#[tokio::test]
async fn a_cluster_is_asked_over_tls_with_the_servers_own_token() {
    let place = Place::new().await;
    let service = Service::start(cluster_answers(), false).await;
    let attestors = cluster(&place, &service, "allow_classical_kex = false");
    let token = node_token();
    let attested = place.verify(&attestors, &evidence(&token)).await.unwrap();
    assert_eq!(attested.agent_id.path(), "/spire/agent/k8s_psat/prod/node-uid-1");

    let asked = service.asked.lock().unwrap();
    let lines: Vec<&str> = asked.iter().map(|(line, ..)| line.as_str()).collect();
    assert_eq!(
        lines,
        [
            "POST /apis/authentication.k8s.io/v1/tokenreviews HTTP/1.1",
            "GET /api/v1/namespaces/spire/pods/agent-1 HTTP/1.1",
            "GET /api/v1/nodes/node-1 HTTP/1.1",
        ]
    );
    for (line, credentials, _) in asked.iter() {
        assert_eq!(credentials.as_deref(), Some("Bearer server-token"), "{line}");
    }
    let review: Value = serde_json::from_str(&asked[0].2).unwrap();
    assert_eq!(
        review["spec"],
        json!({"token": token, "audiences": ["spire-server"]})
    );
}

#[tokio::test]
async fn an_api_that_does_not_prove_itself_is_told_nothing() {
    let place = Place::new().await;
    let service = Service::start(cluster_answers(), false).await;
    let other = Service::start(BTreeMap::new(), false).await;
    let attestors = cluster(&place, &service, "");
    // The file of authorities is another's.
    place.file("ca.crt", &other.certificate);
    let error = place
        .verify(&attestors, &evidence(&node_token()))
        .await
        .unwrap_err();
    let AttestationError::Unavailable(why) = error else {
        panic!("{error}")
    };
    assert!(why.to_string().contains("TLS handshake"), "{why}");
    assert!(service.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_api_without_hybrid_key_exchange_is_asked_only_if_that_is_allowed() {
    let place = Place::new().await;
    let service = Service::start(cluster_answers(), true).await;
    place
        .verify(&cluster(&place, &service, ""), &evidence(&node_token()))
        .await
        .unwrap();
    let strict = cluster(&place, &service, "allow_classical_kex = false");
    let error = place.verify(&strict, &evidence(&node_token())).await.unwrap_err();
    assert!(matches!(error, AttestationError::Unavailable(_)), "{error}");
}

#[tokio::test]
async fn a_missing_token_of_the_servers_is_the_servers_fault() {
    let place = Place::new().await;
    let service = Service::start(cluster_answers(), false).await;
    let attestors = cluster(&place, &service, "");
    std::fs::remove_file(place.scratch.path().join("token")).unwrap();
    let error = place
        .verify(&attestors, &evidence(&node_token()))
        .await
        .unwrap_err();
    let AttestationError::Unavailable(why) = error else {
        panic!("{error}")
    };
    assert!(why.to_string().contains("token"), "{why}");
}

/// A key of a cloud's, its key set, and a token for Google's method.
fn cloud() -> (BTreeMap<&'static str, (u16, String)>, String) {
    let key = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
    let mut bundle = symbolon_pki::bundle::TrustBundle::new("example.org".parse().unwrap());
    let spki = rcgen::PublicKeyData::subject_public_key_info(&key);
    bundle.jwt_authorities = vec![symbolon_pki::bundle::JwtAuthority {
        key_id: "k1".to_owned(),
        public_key: symbolon_pki::key::SubjectKey::from_spki_der(&spki).unwrap(),
        expires_at: None,
        tainted: false,
    }];
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = json!({
        "iss": "https://accounts.google.com", "aud": "spire-gcp-node-attestor",
        "exp": unix_seconds(SystemTime::now()) + 600, "email": "a@b",
        "google": {"compute_engine": {"project_id": "p", "zone": "z", "instance_id": "7", "instance_name": "n"}},
    });
    let signed = format!(
        "{}.{}",
        encode(&json!({"alg": "RS256", "kid": "k1"})),
        encode(&claims)
    );
    let signature = URL_SAFE_NO_PAD.encode(key.sign(signed.as_bytes()).unwrap());
    (
        [("/certs", (200, bundle.to_jwt_jwks()))].into(),
        format!("{signed}.{signature}"),
    )
}

fn recorded(attested: &Attested) -> AgentRecord {
    AgentRecord {
        spiffe_id: attested.agent_id.clone(),
        attestation_type: "gcp_iit".to_owned(),
        current: AgentCertificate {
            serial: SerialNumber::from_bytes(&[0, 0, 0, 7]).unwrap(),
            expires_at: SystemTime::now(),
        },
        renewed: None,
        selectors: Default::default(),
        banned: false,
        can_reattest: false,
        agent_version: None,
        attested_at: SystemTime::now(),
    }
}

#[tokio::test]
async fn a_machine_is_let_in_until_it_is_on_record_and_again_once_it_is_deleted() {
    let place = Place::new().await;
    let (answers, token) = cloud();
    let service = Service::start(answers, false).await;
    let ca = place.file("web.pem", &service.certificate);
    let attestors = format!(
        "[attestors.gcp_iit]\nprojectid_allow_list = [\"p\"]\nkeys_url = \"https://localhost:{}/certs\"\n\
         web_ca_file = \"{ca}\"\n",
        service.port
    );
    // Two bring the same evidence at the same moment, and it is good for both. Who is put on record decides.
    let attested = place.verify(&attestors, &token).await.unwrap();
    assert_eq!(place.verify(&attestors, &token).await.unwrap(), attested);
    assert!(
        !attested.can_reattest,
        "or the service would not ask who was first"
    );
    let first = place.datastore.attest_agent_once(&recorded(&attested)).await;
    first.unwrap();
    let second = place.datastore.attest_agent_once(&recorded(&attested)).await;
    assert!(
        matches!(second, Err(DatastoreError::AlreadyExists { .. })),
        "{second:?}"
    );
    let error = place.verify(&attestors, &token).await.unwrap_err();
    assert!(
        matches!(&error, AttestationError::Denied(why) if why.contains("attested before")),
        "{error}"
    );
    // One that is banned is told so elsewhere.
    place
        .datastore
        .change_agent(&attested.agent_id, &AgentChange::Banned)
        .await
        .unwrap();
    place.verify(&attestors, &token).await.unwrap();
    place.datastore.delete_agent(&attested.agent_id).await.unwrap();
    place.verify(&attestors, &token).await.unwrap();
}

#[tokio::test]
async fn files_that_cannot_be_used_keep_a_server_from_starting() {
    let place = Place::new().await;
    let garbage = place.file("garbage", "no certificate");
    for (attestors, words) in [
        (
            format!(
                "[attestors.k8s_psat.clusters.c]\nservice_account_allow_list = [\"a:b\"]\nca_file = \"{garbage}\"\n"
            ),
            "`attestors.k8s_psat.clusters.*.ca_file`",
        ),
        (
            format!("[attestors.gcp_iit]\nprojectid_allow_list = [\"p\"]\nweb_ca_file = \"{garbage}\"\n"),
            "`attestors.gcp_iit.web_ca_file`",
        ),
        (
            format!("[attestors.azure_msi]\nweb_ca_file = \"{garbage}\"\n[attestors.azure_msi.tenants.t]\n"),
            "`attestors.azure_msi.web_ca_file`",
        ),
        (
            format!(
                "[attestors.aws_iid]\naccount_ids_for_local_validation = [\"123456789012\"]\n\
                 certificates = {{ eu-test-1 = \"{garbage}\" }}\n"
            ),
            "`attestors.aws_iid.certificates`",
        ),
        (
            format!("[attestors.sshpop]\ncert_authorities_path = \"{garbage}\"\n"),
            "`attestors.sshpop.cert_authorities_path`",
        ),
    ] {
        let error = place.verifiers(&attestors).unwrap_err().to_string();
        assert!(error.contains(words) && error.contains("garbage"), "{error}");
    }
}
