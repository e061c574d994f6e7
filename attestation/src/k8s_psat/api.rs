//! What a cluster's API is asked, and what of its answers is read.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use symbolon_pki::text::printable;
use zeroize::Zeroizing;

use crate::AttestationError;
use crate::http::{Busy, HttpClient, Request, Verb};

/// Longest answer of the API, in bytes. Nodes with many images and pods with many containers are long.
const MAX_ANSWER: usize = 4 * 1024 * 1024;
/// Longest name of an object.
const MAX_NAME: usize = 253;
/// What names of service accounts begin with.
const SERVICE_ACCOUNT: &str = "system:serviceaccount:";
const POD_NAME: &str = "authentication.kubernetes.io/pod-name";
const POD_UID: &str = "authentication.kubernetes.io/pod-uid";

/// A cluster, and how its API is reached.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// Where the API is: an `https` URL without a path.
    pub api: String,
    /// Who asks; it shows the credentials of the server's own account there.
    pub client: Arc<dyn HttpClient>,
    /// Service accounts that agents have, as `<namespace>:<name>`.
    pub service_accounts: Vec<String>,
    /// For whom tokens are made. Empty for the API's own audience.
    pub audiences: Vec<String>,
    /// Labels of nodes that become selectors.
    pub node_labels: Vec<String>,
    /// Labels of pods that become selectors.
    pub pod_labels: Vec<String>,
    /// Whether agents are named by their pods, rather than by their nodes.
    pub by_pod: bool,
}

/// Whom a token is of.
#[derive(Debug)]
pub(super) struct Holder {
    pub(super) namespace: String,
    pub(super) service_account: String,
    pub(super) pod: String,
    pub(super) pod_uid: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Review<'a> {
    api_version: &'static str,
    kind: &'static str,
    spec: Spec<'a>,
}

#[derive(Serialize)]
struct Spec<'a> {
    token: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    audiences: &'a [String],
}

#[derive(Deserialize)]
struct Reviewed {
    #[serde(default)]
    status: Status,
}

#[derive(Default, Deserialize)]
struct Status {
    #[serde(default)]
    authenticated: bool,
    #[serde(default)]
    error: String,
    #[serde(default)]
    audiences: Vec<String>,
    #[serde(default)]
    user: User,
}

#[derive(Default, Deserialize)]
struct User {
    #[serde(default)]
    username: String,
    #[serde(default)]
    extra: BTreeMap<String, Vec<String>>,
}

#[derive(Default, Deserialize)]
pub(super) struct Metadata {
    #[serde(default)]
    pub(super) uid: String,
    #[serde(default)]
    pub(super) labels: BTreeMap<String, String>,
}

#[derive(Deserialize)]
pub(super) struct Pod {
    pub(super) metadata: Metadata,
    pub(super) spec: PodSpec,
    #[serde(default)]
    pub(super) status: PodStatus,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PodSpec {
    #[serde(default)]
    pub(super) node_name: String,
}

#[derive(Default, Deserialize)]
pub(super) struct PodStatus {
    #[serde(default, rename = "hostIP")]
    pub(super) host_ip: String,
}

#[derive(Deserialize)]
pub(super) struct Node {
    pub(super) metadata: Metadata,
}

impl Cluster {
    /// Asks whether a token is the cluster's, and whose.
    pub(super) async fn review(&self, token: &str) -> Result<Holder, AttestationError> {
        let review = Review {
            api_version: "authentication.k8s.io/v1",
            kind: "TokenReview",
            spec: Spec {
                token,
                audiences: &self.audiences,
            },
        };
        let url = format!("{}/apis/authentication.k8s.io/v1/tokenreviews", self.base());
        let mut request = Request::get(url, MAX_ANSWER).with("content-type", "application/json");
        request.verb = Verb::Post;
        request.body = Zeroizing::new(
            serde_json::to_vec(&review).map_err(|error| failed("a review", error.to_string()))?,
        );
        let Reviewed { status } = self
            .ask("the token's review", request)
            .await?
            .ok_or_else(|| failed("the token's review", "the API has no such call".to_owned()))?;
        let denied = |reason: String| AttestationError::Denied(reason);
        if !status.authenticated || !status.error.is_empty() {
            let reason = match status.error.as_str() {
                "" => String::new(),
                error => format!(": {}", printable(error)),
            };
            return Err(denied(format!("the cluster does not know the token{reason}")));
        }
        // An API that looks at no audience says none.
        if !self.audiences.is_empty() && !status.audiences.iter().any(|one| self.audiences.contains(one)) {
            return Err(denied(format!(
                "the token is not for {}",
                self.audiences.join(" or ")
            )));
        }
        holder(&status.user).map_err(denied)
    }

    /// The pod, if it is there.
    pub(super) async fn pod(&self, namespace: &str, name: &str) -> Result<Option<Pod>, AttestationError> {
        let url = format!("{}/api/v1/namespaces/{namespace}/pods/{name}", self.base());
        self.ask("the pod", Request::get(url, MAX_ANSWER)).await
    }

    /// The node, if it is there.
    pub(super) async fn node(&self, name: &str) -> Result<Option<Node>, AttestationError> {
        let url = format!("{}/api/v1/nodes/{name}", self.base());
        self.ask("the node", Request::get(url, MAX_ANSWER)).await
    }

    fn base(&self) -> &str {
        self.api.trim_end_matches('/')
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        what: &'static str,
        request: Request,
    ) -> Result<Option<T>, AttestationError> {
        let request = request.with("accept", "application/json");
        let answer = self.client.send(request).await;
        let answer = answer.map_err(|error| match error.is::<Busy>() {
            true => AttestationError::Busy(
                "as many nodes of this cluster are being looked at as may be".to_owned(),
            ),
            false => failed(what, error.to_string()),
        })?;
        match answer.status {
            200 | 201 => {
                let read = serde_json::from_slice(&answer.body);
                // Only the place is repeated, not what is there.
                read.map(Some).map_err(|error| {
                    failed(
                        what,
                        format!(
                            "the answer is not as the API's: line {}, column {}",
                            error.line(),
                            error.column()
                        ),
                    )
                })
            }
            404 => Ok(None),
            401 | 403 => Err(failed(
                what,
                format!(
                    "the API answered {}: the server's own account there may not ask for it (it needs `create` on \
                     tokenreviews, and `get` on pods and nodes)",
                    answer.status
                ),
            )),
            status => Err(failed(what, format!("the API answered {status}"))),
        }
    }
}

fn failed(what: &str, reason: String) -> AttestationError {
    AttestationError::Unavailable(format!("{what} could not be had from the cluster's API: {reason}").into())
}

fn holder(user: &User) -> Result<Holder, String> {
    let shown = printable(&user.username);
    let names = user
        .username
        .strip_prefix(SERVICE_ACCOUNT)
        .and_then(|names| names.split_once(':'));
    let (namespace, service_account) =
        names.ok_or_else(|| format!("the token is {shown}'s, which is no service account"))?;
    let one = |key: &str| match user.extra.get(key).map(Vec::as_slice) {
        Some([value]) if !value.is_empty() => Ok(value.clone()),
        _ => Err(format!(
            "the token of {shown} was not made for a pod ({key}): it has to be a projected one"
        )),
    };
    let holder = Holder {
        namespace: namespace.to_owned(),
        service_account: service_account.to_owned(),
        pod: one(POD_NAME)?,
        pod_uid: one(POD_UID)?,
    };
    // They become parts of a URL.
    for name in [&holder.namespace, &holder.service_account, &holder.pod] {
        check_name(name)?;
    }
    Ok(holder)
}

/// Checks the name of an object (RFC 1123, as Kubernetes has it).
pub(super) fn check_name(name: &str) -> Result<(), String> {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let is_good = name.len() <= MAX_NAME
        && name.bytes().all(is_plain)
        && ends(name.chars().next())
        && ends(name.chars().next_back())
        && !name.contains("..");
    match is_good {
        true => Ok(()),
        false => Err(format!("{:?} is no name of Kubernetes'", printable(name))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(username: &str, extra: &[(&str, &[&str])]) -> User {
        let words = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
        User {
            username: username.to_owned(),
            extra: extra
                .iter()
                .map(|(key, values)| ((*key).to_owned(), words(values)))
                .collect(),
        }
    }

    #[test]
    fn tokens_of_pods_have_a_holder_and_others_do_not() {
        let pod: &[(&str, &[&str])] = &[(POD_NAME, &["agent-1"]), (POD_UID, &["uid-1"])];
        let found = holder(&user("system:serviceaccount:spire:agent", pod)).unwrap();
        assert_eq!((&*found.namespace, &*found.service_account), ("spire", "agent"));
        assert_eq!((&*found.pod, &*found.pod_uid), ("agent-1", "uid-1"));
        for (name, extra) in [
            ("", pod),
            ("alice", pod),
            ("system:serviceaccount:spire", pod),
            ("system:serviceaccount::agent", pod),
            ("system:serviceaccount:spire:agent:x", pod),
            ("system:serviceaccount:../x:agent", pod),
            ("system:serviceaccount:spire:agent", &[]),
            ("system:serviceaccount:spire:agent", &[(POD_NAME, &["a"])]),
            (
                "system:serviceaccount:spire:agent",
                &[(POD_NAME, &["a", "b"]), (POD_UID, &["u"])],
            ),
            (
                "system:serviceaccount:spire:agent",
                &[(POD_NAME, &["a/../b"]), (POD_UID, &["u"])],
            ),
        ] {
            assert!(holder(&user(name, extra)).is_err(), "{name} {extra:?}");
        }
    }
}
