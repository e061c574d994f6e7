//! `k8s_psat`, with an API that answers as Kubernetes' documentation says.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use symbolon_attestation::http::{Busy, Verb};
use symbolon_attestation::k8s_psat::{
    Cluster, DEFAULT_AUDIENCE, K8sPsatConfig, K8sPsatProver, K8sPsatVerifier,
};

use crate::*;

const API: &str = "https://api.example.com:6443";

/// The one token that the cluster knows. What it says of itself is not what its cluster says of it.
static TOKEN: LazyLock<String> =
    LazyLock::new(|| token(&json!({"aud": ["spire-server"], "exp": 1_800_000_600})));

fn token(claims: &Value) -> String {
    let [header, claims, signature] =
        ["{}", &claims.to_string(), "signature"].map(|text| URL_SAFE_NO_PAD.encode(text));
    format!("{header}.{claims}.{signature}")
}

/// What the API says.
#[derive(Clone)]
struct Api {
    status: Value,
    pod: Option<Value>,
    node: Option<Value>,
}

impl Api {
    fn new() -> Self {
        Self {
            status: json!({
                "authenticated": true,
                "audiences": ["spire-server"],
                "user": {
                    "username": "system:serviceaccount:spire:spire-agent",
                    "uid": "u-1",
                    "groups": ["system:serviceaccounts"],
                    "extra": {
                        "authentication.kubernetes.io/pod-name": ["spire-agent-x1"],
                        "authentication.kubernetes.io/pod-uid": ["pod-uid-1"],
                    },
                },
            }),
            pod: Some(json!({
                "kind": "Pod",
                "metadata": {"name": "spire-agent-x1", "uid": "pod-uid-1", "labels": {"app": "agent", "secret": "x"}},
                "spec": {"nodeName": "node-1.example.com", "containers": []},
                "status": {"hostIP": "192.0.2.7"},
            })),
            node: Some(json!({
                "kind": "Node",
                "metadata": {"name": "node-1.example.com", "uid": "node-uid-1", "labels": {"zone": "a", "other": "b"}},
            })),
        }
    }

    fn cluster(self) -> Cluster {
        let found = |object: &Option<Value>| match object {
            Some(object) => answer(200, object.to_string()),
            None => answer(404, r#"{"kind":"Status","code":404}"#),
        };
        let client = Service::new(move |request| {
            let path = request.url.strip_prefix(API).unwrap();
            match (request.verb, path) {
                (Verb::Post, "/apis/authentication.k8s.io/v1/tokenreviews") => {
                    let review: Value = serde_json::from_slice(&request.body).unwrap();
                    assert_eq!(review["apiVersion"], "authentication.k8s.io/v1");
                    assert_eq!(review["kind"], "TokenReview");
                    let mut review = review;
                    review["status"] = match review["spec"]["token"].as_str() {
                        Some(token) if token == *TOKEN => self.status.clone(),
                        _ => json!({"error": "[invalid bearer token]"}),
                    };
                    answer(201, review.to_string())
                }
                (Verb::Get, "/api/v1/namespaces/spire/pods/spire-agent-x1") => found(&self.pod),
                (Verb::Get, "/api/v1/nodes/node-1.example.com") => found(&self.node),
                other => panic!("{other:?}"),
            }
        });
        Cluster {
            api: format!("{API}/"),
            client,
            service_accounts: vec!["spire:spire-agent".to_owned()],
            audiences: vec![DEFAULT_AUDIENCE.to_owned()],
            node_labels: vec!["zone".to_owned()],
            pod_labels: vec!["app".to_owned()],
            by_pod: false,
        }
    }
}

fn verifier(cluster: Cluster) -> K8sPsatVerifier {
    K8sPsatVerifier::new(K8sPsatConfig {
        trust_domain: trust_domain(),
        clusters: BTreeMap::from([("prod".to_owned(), cluster)]),
    })
}

fn node() -> K8sPsatProver {
    K8sPsatProver::new("prod", format!("{}\n", *TOKEN).as_bytes()).unwrap()
}

#[tokio::test]
async fn it_conforms() {
    Method::new(verifier(Api::new().cluster()), node).conforms().await;
}

#[tokio::test]
async fn a_node_is_named_by_its_uid_or_its_pods() {
    let attested = attest(&verifier(Api::new().cluster()), &mut node())
        .await
        .unwrap();
    assert_eq!(attested.agent_id.path(), "/spire/agent/k8s_psat/prod/node-uid-1");
    assert!(attested.can_reattest);
    assert_eq!(
        words(&attested),
        [
            "k8s_psat:agent_node_ip:192.0.2.7",
            "k8s_psat:agent_node_label:zone:a",
            "k8s_psat:agent_node_name:node-1.example.com",
            "k8s_psat:agent_node_uid:node-uid-1",
            "k8s_psat:agent_ns:spire",
            "k8s_psat:agent_pod_label:app:agent",
            "k8s_psat:agent_pod_name:spire-agent-x1",
            "k8s_psat:agent_pod_uid:pod-uid-1",
            "k8s_psat:agent_sa:spire-agent",
            "k8s_psat:cluster:prod",
        ]
    );
    let by_pod = Cluster {
        by_pod: true,
        ..Api::new().cluster()
    };
    let attested = attest(&verifier(by_pod), &mut node()).await.unwrap();
    assert_eq!(
        attested.agent_id.path(),
        "/spire/agent/k8s_psat/prod/pod/pod-uid-1"
    );
}

#[tokio::test]
async fn what_the_api_does_not_vouch_for_is_refused_by_the_rule_it_breaks() {
    let changed = |change: fn(&mut Api)| {
        let mut api = Api::new();
        change(&mut api);
        api.cluster()
    };
    let others = Cluster {
        service_accounts: vec!["spire:other".to_owned()],
        ..Api::new().cluster()
    };
    for (cluster, words) in [
        (
            changed(|api| api.status["authenticated"] = json!(false)),
            "does not know the token",
        ),
        (
            changed(|api| api.status["error"] = json!("odd\ntoken")),
            "does not know the token: odd",
        ),
        (
            changed(|api| api.status["audiences"] = json!(["another"])),
            "not for spire-server",
        ),
        (
            changed(|api| api.status["audiences"] = json!([])),
            "not for spire-server",
        ),
        (
            changed(|api| api.status["user"]["username"] = json!("alice")),
            "no service account",
        ),
        (
            changed(|api| api.status["user"]["extra"] = json!({})),
            "not made for a pod",
        ),
        (others, "spire:spire-agent is not in `service_account_allow_list`"),
        (changed(|api| api.pod = None), "is gone"),
        (
            changed(|api| api.pod.as_mut().unwrap()["metadata"]["uid"] = json!("newer")),
            "is gone",
        ),
        (
            changed(|api| api.pod.as_mut().unwrap()["spec"] = json!({})),
            "runs on no node",
        ),
        (
            changed(|api| api.pod.as_mut().unwrap()["spec"]["nodeName"] = json!("../secrets")),
            "runs on no node",
        ),
        (changed(|api| api.node = None), "is gone"),
        (
            changed(|api| api.node.as_mut().unwrap()["metadata"]["uid"] = json!("")),
            "is gone",
        ),
        (
            changed(|api| api.node.as_mut().unwrap()["metadata"]["uid"] = json!("a b")),
            "would be named",
        ),
    ] {
        let mut node = node();
        let evidence = node.evidence().await.unwrap();
        let refused = refusal(&verifier(cluster), &evidence).await;
        assert!(
            refused.contains(words) && !refused.contains('\n'),
            "{words}: {refused}"
        );
        assert!(!refused.contains(&**TOKEN), "{refused}");
    }
    let cluster = verifier(Api::new().cluster());
    let refused = refusal(&cluster, br#"{"cluster":"other","token":"x"}"#).await;
    assert!(refused.contains("\"other\" is not configured"), "{refused}");
}

#[tokio::test]
async fn a_cluster_is_not_asked_about_what_cannot_be_one_of_its_tokens() {
    let mut cluster = Api::new().cluster();
    cluster.client = Service::new(|request| panic!("{request:?}"));
    let cluster = verifier(cluster);
    for (token, words) in [
        ("x".repeat(100_000), "more than 16384 bytes"),
        ("hunter2".to_owned(), "three parts"),
        (
            token(&json!({"aud": ["spire-server"], "exp": 1_799_999_900})),
            "has expired",
        ),
        (
            token(&json!({"aud": ["vault"], "exp": 1_800_000_600})),
            "not for spire-server",
        ),
    ] {
        let evidence = json!({"cluster": "prod", "token": token}).to_string();
        let refused = refusal(&cluster, evidence.as_bytes()).await;
        assert!(refused.contains(words), "{refused}");
    }
}

#[tokio::test]
async fn an_api_that_fails_is_not_the_nodes_fault() {
    for (failure, words) in [
        (answer(403, "{}"), "`create` on tokenreviews"),
        (answer(500, "{}"), "answered 500"),
        (answer(200, "no JSON"), "not as the API's"),
        (answer(404, "{}"), "no such call"),
        (Err("cannot connect".to_owned()), "cannot connect"),
    ] {
        let mut cluster = Api::new().cluster();
        cluster.client = Service::new(move |_| failure.clone());
        let mut node = node();
        let evidence = node.evidence().await.unwrap();
        match verifier(cluster).verify(&evidence, &mut NeverAsked, now()).await {
            Err(AttestationError::Unavailable(error)) => {
                assert!(error.to_string().contains(words), "{error}");
            }
            other => panic!("{words}: {other:?}"),
        }
    }
}

/// Asks nobody.
#[derive(Debug)]
struct BusyClient;

#[async_trait]
impl HttpClient for BusyClient {
    async fn send(&self, _: Request) -> Result<Response, Box<dyn Error + Send + Sync>> {
        Err(Box::new(Busy))
    }
}

#[tokio::test]
async fn a_server_that_asks_all_it_may_says_so() {
    let mut cluster = Api::new().cluster();
    cluster.client = Arc::new(BusyClient);
    let error = attest(&verifier(cluster), &mut node()).await.unwrap_err();
    assert!(matches!(error, AttestationError::Busy(_)), "{error}");
}

#[test]
fn a_file_without_a_token_proves_nothing() {
    for content in [&b""[..], b"\n", b"a b", b"\xff"] {
        assert!(K8sPsatProver::new("prod", content).is_err());
    }
}
