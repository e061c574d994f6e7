//! A cluster's API, as far as a server asks it about agents: token reviews, pods and nodes. It answers as Kubernetes
//! documents it, in JSON; reviews it reads in protobuf too, which is what SPIRE's server sends.

use std::fs;
use std::path::{Path, PathBuf};

use openssl::pkey::{PKey, Private};
use prost::Message;
use serde_json::{Value, json};

use super::jose;
use super::service::{self, Asked, Told};

/// The token that the server shows to the API.
const SERVER: &str = "the-server";
/// What the API itself is as an audience.
const API: &str = "https://kubernetes.default.svc.cluster.local";
/// What a body in protobuf begins with.
const PROTOBUF: &[u8] = b"k8s\0";

/// `runtime.Unknown`: what is around every message.
#[derive(Clone, PartialEq, Message)]
struct Unknown {
    #[prost(bytes = "vec", tag = "2")]
    raw: Vec<u8>,
}

/// `authentication.k8s.io/v1` `TokenReview`, as far as it is asked with.
#[derive(Clone, PartialEq, Message)]
struct TokenReview {
    #[prost(message, optional, tag = "2")]
    spec: Option<TokenReviewSpec>,
}

#[derive(Clone, PartialEq, Message)]
struct TokenReviewSpec {
    #[prost(string, tag = "1")]
    token: String,
    #[prost(string, repeated, tag = "2")]
    audiences: Vec<String>,
}

/// A cluster with one node, and on it a pod for each service account.
pub(crate) struct Cluster {
    folder: tempfile::TempDir,
    key: PKey<Private>,
    api: String,
    ca: PathBuf,
}

impl Cluster {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = jose::rsa_key();
        let known = key.clone();
        let (address, ca) = service::secure(folder.path(), move |asked| answer(&known, asked));
        fs::write(folder.path().join("server.token"), SERVER).unwrap();
        Self {
            folder,
            key,
            api: format!("https://{address}"),
            ca,
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A projected token of the pod of a service account in the namespace `spire`, in a file.
    pub(crate) fn token(&self, account: &str, audience: &str) -> PathBuf {
        self.token_by(&self.key, account, audience)
    }

    /// One that somebody signed.
    pub(crate) fn token_by(&self, key: &PKey<Private>, account: &str, audience: &str) -> PathBuf {
        let now = jose::now();
        let claims = json!({
            "aud": [audience], "iss": API, "iat": now, "nbf": now, "exp": now + 3600,
            "sub": format!("system:serviceaccount:spire:{account}"),
            "kubernetes.io": {
                "namespace": "spire",
                "node": {"name": "node-1", "uid": "node-uid-1"},
                "pod": {"name": format!("{account}-x7k2p"), "uid": format!("uid-of-{account}")},
                "serviceaccount": {"name": account, "uid": "account-uid"},
            },
        });
        let path = tempfile::Builder::new()
            .prefix("token")
            .tempfile_in(self.folder.path());
        let path = path.unwrap().into_temp_path().keep().unwrap();
        fs::write(&path, jose::token(key, "cluster", &claims)).unwrap();
        path
    }

    /// What our server lets the pods of one service account in by.
    pub(crate) fn section(&self, account: &str) -> String {
        format!(
            "[attestors.k8s_psat.clusters.prod]\nservice_account_allow_list = [\"spire:{account}\"]\napi = \"{}\"\n\
             ca_file = \"{}\"\ntoken_file = \"{}\"\nallowed_node_label_keys = [\"zone\"]\n\
             allowed_pod_label_keys = [\"app\"]\n",
            self.api,
            self.ca.display(),
            self.path("server.token").display(),
        )
    }

    /// What a stock server does.
    pub(crate) fn plugin(&self, account: &str) -> String {
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "it",
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "server"}}],
            "clusters": [{"name": "it", "cluster": {"server": self.api, "certificate-authority": self.ca}}],
            "users": [{"name": "server", "user": {"token": SERVER}}],
        });
        let path = self.path("kubeconfig");
        fs::write(&path, config.to_string()).unwrap();
        format!(
            "NodeAttestor \"k8s_psat\" {{\n        plugin_data {{\n            clusters = {{\n                \
             \"prod\" = {{\n                    service_account_allow_list = [\"spire:{account}\"]\n                    \
             kube_config_file = \"{}\"\n                    allowed_node_label_keys = [\"zone\"]\n                    \
             allowed_pod_label_keys = [\"app\"]\n                }}\n            }}\n        }}\n    }}",
            path.display()
        )
    }

    /// Selectors of the pod of a service account, as SPIRE's documentation has them.
    pub(crate) fn selectors(account: &str) -> Vec<String> {
        let mut selectors: Vec<String> = [
            "cluster:prod",
            "agent_ns:spire",
            &format!("agent_sa:{account}"),
            &format!("agent_pod_name:{account}-x7k2p"),
            &format!("agent_pod_uid:uid-of-{account}"),
            "agent_node_ip:192.0.2.7",
            "agent_node_name:node-1",
            "agent_node_uid:node-uid-1",
            "agent_node_label:zone:east",
            "agent_pod_label:app:agent",
        ]
        .iter()
        .map(|selector| format!("k8s_psat:{selector}"))
        .collect();
        selectors.sort();
        selectors
    }
}

/// What a stock agent shows a token with.
pub(crate) fn stock_keys(token: &Path) -> String {
    format!(
        "            cluster = \"prod\"\n            token_path = \"{}\"",
        token.display()
    )
}

/// What ours does.
pub(crate) fn own_attestor(token: &Path) -> String {
    format!(
        "[attestor.k8s_psat]\ncluster = \"prod\"\ntoken_path = \"{}\"\n",
        token.display()
    )
}

fn told(status: u16, body: &Value) -> Told {
    Told::new(status, "application/json", body.to_string())
}

fn failure(code: u16, reason: &str) -> Told {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": reason, "code": code,
        "message": reason,
    });
    told(code, &status)
}

fn answer(key: &PKey<Private>, asked: &Asked) -> Told {
    if asked.field("authorization") != Some(&format!("Bearer {SERVER}")) {
        return failure(401, "Unauthorized");
    }
    let path = asked.path.as_str();
    let labels = json!({"zone": "east", "app": "agent", "other": "value"});
    match asked.verb.as_str() {
        "POST" if path == "/apis/authentication.k8s.io/v1/tokenreviews" => match reviewed(&asked.body) {
            Some(spec) => told(201, &review(key, &spec)),
            None => failure(400, "BadRequest"),
        },
        "GET" if path == "/api/v1/nodes/node-1" => told(
            200,
            &json!({
                "kind": "Node", "apiVersion": "v1",
                "metadata": {"name": "node-1", "uid": "node-uid-1", "labels": labels},
            }),
        ),
        "GET" => match pod(path) {
            Some((name, account)) => told(
                200,
                &json!({
                    "kind": "Pod", "apiVersion": "v1",
                    "metadata": {
                        "name": name, "namespace": "spire", "uid": format!("uid-of-{account}"), "labels": labels,
                    },
                    "spec": {"nodeName": "node-1", "serviceAccountName": account},
                    "status": {"phase": "Running", "hostIP": "192.0.2.7"},
                }),
            ),
            None => failure(404, "NotFound"),
        },
        _ => failure(405, "MethodNotAllowed"),
    }
}

fn pod(path: &str) -> Option<(&str, &str)> {
    let name = path.strip_prefix("/api/v1/namespaces/spire/pods/")?;
    Some((name, name.strip_suffix("-x7k2p")?))
}

/// What a review is about.
fn reviewed(body: &[u8]) -> Option<TokenReviewSpec> {
    if let Some(message) = body.strip_prefix(PROTOBUF) {
        let unknown = Unknown::decode(message).ok()?;
        return TokenReview::decode(unknown.raw.as_slice()).ok()?.spec;
    }
    let review: Value = serde_json::from_slice(body).ok()?;
    let audiences = review["spec"]["audiences"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    Some(TokenReviewSpec {
        token: review["spec"]["token"].as_str()?.to_owned(),
        audiences: audiences
            .iter()
            .map(|audience| audience.as_str().map(str::to_owned))
            .collect::<Option<_>>()?,
    })
}

fn review(key: &PKey<Private>, spec: &TokenReviewSpec) -> Value {
    let wanted = match spec.audiences.is_empty() {
        true => vec![API.to_owned()],
        false => spec.audiences.clone(),
    };
    let good = jose::claims(key, &spec.token).filter(|claims| claims["exp"].as_u64() > Some(jose::now()));
    let common = |claims: &Value| -> Vec<String> {
        let audiences = claims["aud"].as_array().cloned().unwrap_or_default();
        let has = |audience: &String| audiences.iter().any(|one| one == audience);
        wanted.iter().filter(|audience| has(audience)).cloned().collect()
    };
    let status = match good.map(|claims| (common(&claims), claims)) {
        Some((audiences, claims)) if !audiences.is_empty() => {
            let pod = &claims["kubernetes.io"]["pod"];
            json!({
                "authenticated": true, "audiences": audiences,
                "user": {
                    "username": claims["sub"], "uid": claims["kubernetes.io"]["serviceaccount"]["uid"],
                    "groups": ["system:serviceaccounts", "system:authenticated"],
                    "extra": {
                        "authentication.kubernetes.io/pod-name": [pod["name"]],
                        "authentication.kubernetes.io/pod-uid": [pod["uid"]],
                    },
                },
            })
        }
        _ => json!({"authenticated": false, "user": {}, "error": "[invalid bearer token]"}),
    };
    json!({
        "kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1", "metadata": {},
        "spec": {"token": spec.token, "audiences": spec.audiences}, "status": status,
    })
}
