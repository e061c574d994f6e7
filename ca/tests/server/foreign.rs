//! Administrators of other trust domains.

use std::sync::Arc;

use spiffe::{SpiffeId, TrustDomain};
use symbolon_api::spire::api::server::agent::v1 as agents;
use symbolon_api::spire::api::server::agent::v1::agent_client::AgentClient;
use symbolon_api::spire::api::server::bundle::v1 as bundles;
use symbolon_api::spire::api::server::bundle::v1::bundle_client::BundleClient;
use symbolon_api::spire::api::server::entry::v1::CountEntriesRequest;
use symbolon_api::spire::api::server::entry::v1::entry_client::EntryClient;
use symbolon_api::spire::api::server::svid::v1::MintX509svidRequest;
use symbolon_api::spire::api::server::svid::v1::svid_client::SvidClient;
use symbolon_api::spire::api::types;
use symbolon_pki::suite::Form;
use symbolon_tls::SvidIdentity;
use tonic::{Code, Status};

use crate::support::{Key, TestServer};

/// An SVID that another server minted.
async fn minted(other: &TestServer, path: &str) -> Arc<SvidIdentity> {
    let key = Key::new(Form::Classical);
    let id = SpiffeId::new(format!("spiffe://{}{path}", other.config.trust_domain)).unwrap();
    let request = MintX509svidRequest {
        csr: key.csr(Some(&id)),
        ttl: 0,
    };
    let minted = SvidClient::new(other.local().await)
        .mint_x509svid(request)
        .await
        .unwrap();
    let chain = minted.into_inner().svid.unwrap().cert_chain;
    Arc::new(SvidIdentity::new(chain, key.signer).unwrap())
}

async fn count(server: &TestServer, identity: &Arc<SvidIdentity>) -> Result<(), Status> {
    let mut client = EntryClient::new(server.with_svid(identity).await);
    client
        .count_entries(CountEntriesRequest::default())
        .await
        .map(|_| ())
}

/// What a caller gets whom the handshake turned away: no answer of the server's.
fn assert_no_handshake(outcome: Result<(), Status>, who: &str) {
    let status = outcome.unwrap_err();
    assert!(std::error::Error::source(&status).is_some(), "{who}: {status}");
}

#[tokio::test]
async fn an_administrator_of_a_federated_trust_domain_is_one_while_its_bundle_is_here() {
    let other =
        TestServer::start_with(|config| config.trust_domain = TrustDomain::new("other.org").unwrap()).await;
    let ops: SpiffeId = "spiffe://other.org/ops".parse().unwrap();
    let server = TestServer::start_with(|config| config.authorization.admin_ids = vec![ops]).await;
    let (admin, nobody) = (minted(&other, "/ops").await, minted(&other, "/ops/not").await);
    assert_no_handshake(
        count(&server, &admin).await,
        "an administrator of an unknown trust domain",
    );

    let bundle = BundleClient::new(other.local().await)
        .get_bundle(bundles::GetBundleRequest::default())
        .await
        .unwrap()
        .into_inner();
    let set = bundles::BatchSetFederatedBundleRequest {
        bundle: vec![bundle],
        output_mask: None,
    };
    let set = BundleClient::new(server.local().await)
        .batch_set_federated_bundle(set)
        .await
        .unwrap();
    let status = set.into_inner().results.remove(0).status.unwrap();
    assert_eq!(status.code, 0, "{}", status.message);
    let server = server.restart(|_| {}).await.unwrap();
    count(&server, &admin).await.unwrap();
    assert_no_handshake(
        count(&server, &nobody).await,
        "somebody else of that trust domain",
    );

    // It is an administrator and nothing else.
    let mut agent = AgentClient::new(server.with_svid(&admin).await);
    let status = agent
        .post_status(agents::PostStatusRequest::default())
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied, "{status}");

    let delete = bundles::BatchDeleteFederatedBundleRequest {
        trust_domains: vec!["other.org".to_owned()],
        ..Default::default()
    };
    BundleClient::new(server.local().await)
        .batch_delete_federated_bundle(delete)
        .await
        .unwrap();
    let server = server.restart(|_| {}).await.unwrap();
    assert_no_handshake(
        count(&server, &admin).await,
        "an administrator whose bundle is gone",
    );
}

#[tokio::test]
async fn an_own_identity_under_a_foreign_root_is_nobody_s() {
    // Another server pretends to be of this trust domain, and its root is federated under another name.
    let pretender = TestServer::start().await;
    let other =
        TestServer::start_with(|config| config.trust_domain = TrustDomain::new("other.org").unwrap()).await;
    let ops: SpiffeId = "spiffe://other.org/ops".parse().unwrap();
    let server = TestServer::start_with(|config| config.authorization.admin_ids = vec![ops]).await;
    let bundle_of = async |server: &TestServer| {
        let get = bundles::GetBundleRequest::default();
        let bundle = BundleClient::new(server.local().await).get_bundle(get).await;
        bundle.unwrap().into_inner()
    };
    let mut bundle = bundle_of(&other).await;
    bundle
        .x509_authorities
        .extend(bundle_of(&pretender).await.x509_authorities);
    let set = bundles::BatchSetFederatedBundleRequest {
        bundle: vec![types::Bundle {
            jwt_authorities: vec![],
            ..bundle
        }],
        output_mask: None,
    };
    let results = BundleClient::new(server.local().await)
        .batch_set_federated_bundle(set)
        .await
        .unwrap()
        .into_inner()
        .results;
    assert_eq!(results[0].status.as_ref().unwrap().code, 0, "{results:?}");
    let server = server.restart(|_| {}).await.unwrap();
    // The bundle is in force.
    count(&server, &minted(&other, "/ops").await).await.unwrap();
    let forged = minted(&pretender, "/admin").await;
    assert_no_handshake(
        count(&server, &forged).await,
        "an identity of this trust domain, by a foreign root",
    );
}
