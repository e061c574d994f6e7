//! Pods in Kubernetes.

use symbolon_interop::server::Server;
use symbolon_interop::spire::Evidence;
use symbolon_interop::spire_server::SpireServer;

use super::cluster::{Cluster, own_attestor, stock_keys};
use super::{Case, assert_refused, jose, refused, settings};
use crate::shows;
use crate::stock_server::{id_of, node, on};

const ACCOUNT: &str = "spire-agent";
const AUDIENCE: &str = "spire-server";

fn case() -> Case {
    Case {
        method: "k8s_psat",
        path: "/spire/agent/k8s_psat/prod/node-uid-1".to_owned(),
        can_reattest: true,
        selectors: Cluster::selectors(ACCOUNT),
    }
}

fn evidence(token: &std::path::Path) -> Evidence {
    Evidence::Plugin {
        method: "k8s_psat",
        keys: stock_keys(token),
        proxy: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "builds SPIRE; run by cargo xtask interop"]
async fn a_stock_agent_in_a_pod_attests_and_again() {
    let cluster = Cluster::new();
    let server = Server::with(&settings(cluster.section(ACCOUNT))).unwrap();
    let token = cluster.token(ACCOUNT, AUDIENCE);
    case().stock_on_ours(&server, "stock", &evidence(&token)).await;
    // One of ours in the same pod has the same name.
    case().own_on_ours(&server, "own", &own_attestor(&token)).await;
    shows("agent/k8s_psat");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "builds SPIRE; run by cargo xtask interop"]
async fn pods_that_the_cluster_or_the_list_does_not_vouch_for_are_refused() {
    let cluster = Cluster::new();
    let server = Server::with(&settings(cluster.section(ACCOUNT))).unwrap();
    let foreign = cluster.token_by(&jose::rsa_key(), ACCOUNT, AUDIENCE);
    for (name, token, words) in [
        (
            "account",
            cluster.token("another", AUDIENCE),
            "is not in `service_account_allow_list`",
        ),
        (
            "audience",
            cluster.token(ACCOUNT, "another"),
            "the token is not for spire-server",
        ),
        ("signer", foreign, "the cluster does not know the token"),
    ] {
        assert_refused(&server, name, &evidence(&token), words);
    }
    shows("agent/k8s_psat refusals");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "builds SPIRE; run by cargo xtask interop"]
async fn an_agent_of_ours_in_a_pod_attests_to_a_stock_server() {
    let cluster = Cluster::new();
    let server = SpireServer::start(&cluster.plugin(ACCOUNT)).unwrap();
    let another = own_attestor(&cluster.token("another", AUDIENCE));
    let program = symbolon_interop::own_agent::agent_program().unwrap();
    let said = refused(&node(&server, program, another, &id_of(&case().path)));
    assert!(said.contains("not an allowed service account"), "{said}");
    assert_eq!(on(&server, &["agent", "count"], &[])["count"], 0);
    let token = cluster.token(ACCOUNT, AUDIENCE);
    case().own_on_stock(&server, &own_attestor(&token)).await;
    shows("own-agent/k8s_psat");
}
