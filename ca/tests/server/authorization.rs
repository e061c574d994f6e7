//! Who may call what, over real connections.

use std::sync::Arc;

use symbolon_api::denial_reason;
use symbolon_api::spire::api::server::agent::v1 as agents;
use symbolon_api::spire::api::server::agent::v1::agent_client::AgentClient;
use symbolon_api::spire::api::server::bundle::v1::bundle_client::BundleClient;
use symbolon_api::spire::api::server::bundle::v1::{
    AppendBundleRequest, GetBundleRequest, PublishJwtAuthorityRequest,
};
use symbolon_api::spire::api::server::entry::v1::entry_client::EntryClient;
use symbolon_api::spire::api::server::entry::v1::{CountEntriesRequest, GetAuthorizedEntriesRequest};
use symbolon_api::spire::api::server::svid::v1::MintX509svidRequest;
use symbolon_api::spire::api::server::svid::v1::svid_client::SvidClient;
use symbolon_api::spire::api::types::permission_denied_details::Reason;
use symbolon_ca::client::{Client, EntryChanges, EntrySpec, Reader};
use symbolon_pki::suite::Form;
use symbolon_tls::{StaticSource, SvidIdentity};
use tonic::Code;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::support::{Key, TestServer, asking_for_key, domain, id};

async fn code_of_count(channel: Channel) -> Code {
    match EntryClient::new(channel)
        .count_entries(CountEntriesRequest::default())
        .await
    {
        Ok(_) => Code::Ok,
        Err(status) => status.code(),
    }
}

/// An SVID of a workload, minted.
pub(crate) async fn workload(server: &TestServer, path: &str, form: Form) -> Arc<SvidIdentity> {
    let key = Key::new(form);
    let csr = key.csr(Some(&id(path)));
    let request = asking_for_key(
        MintX509svidRequest {
            csr: csr.clone(),
            ttl: 0,
        },
        &csr,
    );
    let svid = SvidClient::new(server.local().await)
        .mint_x509svid(request)
        .await
        .unwrap()
        .into_inner()
        .svid
        .unwrap();
    Arc::new(SvidIdentity::new(svid.cert_chain, key.signer).unwrap())
}

#[tokio::test]
async fn strangers_get_the_bundle_and_nothing_else() {
    let server = TestServer::start().await;
    let channel = server.anonymous().await;
    BundleClient::new(channel.clone())
        .get_bundle(GetBundleRequest::default())
        .await
        .unwrap();
    assert_eq!(code_of_count(channel.clone()).await, Code::PermissionDenied);
    let status = AgentClient::new(channel.clone())
        .renew_agent(agents::RenewAgentRequest::default())
        .await
        .unwrap_err();
    assert_eq!(
        (status.code(), denial_reason(&status)),
        (Code::PermissionDenied, None)
    );
    // Whatever it would have been answered otherwise.
    let status = BundleClient::new(channel)
        .append_bundle(AppendBundleRequest::default())
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
}

#[tokio::test]
async fn health_and_reflection_are_not_on_the_network() {
    let server = TestServer::start().await;
    let mut client = HealthClient::new(server.anonymous().await);
    let status = client.check(HealthCheckRequest::default()).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
}

#[tokio::test]
async fn what_is_not_in_the_table_is_not_served() {
    let server = TestServer::start().await;
    for channel in [server.local().await, server.anonymous().await] {
        let mut client = tonic::client::Grpc::new(channel);
        for path in [
            "/spire.api.server.trustdomain.v1.TrustDomain/ListRelationships",
            "/a.B/C",
        ] {
            client.ready().await.unwrap();
            let codec = tonic_prost::ProstCodec::<(), ()>::default();
            let status = client
                .unary(tonic::Request::new(()), path.parse().unwrap(), codec)
                .await
                .unwrap_err();
            assert_eq!(status.code(), Code::Unimplemented);
            assert!(status.message().contains(path), "{status}");
        }
    }
}

#[tokio::test]
async fn local_callers_administer_and_are_no_agents() {
    let server = TestServer::start().await;
    assert_eq!(code_of_count(server.local().await).await, Code::Ok);
    let mut client = EntryClient::new(server.local().await);
    let status = client
        .get_authorized_entries(GetAuthorizedEntriesRequest::default())
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
    let mut client = BundleClient::new(server.local().await);
    let status = client
        .publish_jwt_authority(PublishJwtAuthorityRequest::default())
        .await
        .unwrap_err();
    assert_eq!(
        status.code(),
        Code::PermissionDenied,
        "for downstream servers alone"
    );
    let status = client
        .append_bundle(AppendBundleRequest::default())
        .await
        .unwrap_err();
    assert_eq!(
        status.code(),
        Code::InvalidArgument,
        "let in, and it says nothing: {status}"
    );
}

#[tokio::test]
async fn agents_do_not_administer() {
    let server = TestServer::start().await;
    let agent = server.agent(Form::Composite).await;
    assert_eq!(code_of_count(agent.channel.clone()).await, Code::PermissionDenied);
    let mut client = EntryClient::new(agent.channel.clone());
    client
        .get_authorized_entries(GetAuthorizedEntriesRequest::default())
        .await
        .unwrap();
}

#[tokio::test]
async fn an_admin_entry_makes_administrators_and_taking_it_away_unmakes_them() {
    let server = TestServer::start().await;
    for form in Form::OF_KEYS {
        let admin = workload(&server, "/admin", form).await;
        let channel = server.with_svid(&admin).await;
        assert_eq!(code_of_count(channel.clone()).await, Code::PermissionDenied);

        let mut spec = EntrySpec::new(
            id("/admin"),
            id("/spire/agent/x/a"),
            vec!["unix:uid:1".parse().unwrap()],
        );
        spec.admin = true;
        let entry = server.client.create_entry(&spec).await.unwrap();
        assert_eq!(code_of_count(channel.clone()).await, Code::Ok);
        let source = Arc::new(StaticSource::new(vec![admin], server.bundles()));
        let address = server.server.tcp_addr().to_string();
        let remote = Client::over_tls(&address, &domain(), source, server.clock.clone())
            .await
            .unwrap();
        assert_eq!(remote.entry(&entry.id).await.unwrap(), entry);
        assert_eq!(
            remote.bundle().await.unwrap(),
            server.client.bundle().await.unwrap()
        );

        let changes = EntryChanges {
            admin: Some(false),
            ..EntryChanges::default()
        };
        server.client.update_entry(&entry.id, &changes).await.unwrap();
        assert_eq!(code_of_count(channel.clone()).await, Code::PermissionDenied);
        server.client.delete_entry(&entry.id).await.unwrap();
        assert_eq!(code_of_count(channel).await, Code::PermissionDenied);
    }
}

#[tokio::test]
async fn a_downstream_entry_opens_what_downstream_servers_need() {
    let server = TestServer::start().await;
    let channel = server
        .with_svid(&workload(&server, "/below", Form::Classical).await)
        .await;
    let publish = async |channel: Channel| {
        let mut client = BundleClient::new(channel);
        client
            .publish_jwt_authority(PublishJwtAuthorityRequest::default())
            .await
            .unwrap_err()
            .code()
    };
    assert_eq!(publish(channel.clone()).await, Code::PermissionDenied);
    let mut spec = EntrySpec::new(
        id("/below"),
        id("/spire/agent/x/a"),
        vec!["unix:uid:1".parse().unwrap()],
    );
    spec.downstream = true;
    server.client.create_entry(&spec).await.unwrap();
    assert_eq!(
        publish(channel.clone()).await,
        Code::InvalidArgument,
        "let in, and it brings no key"
    );
    assert_eq!(code_of_count(channel).await, Code::PermissionDenied);
}

#[tokio::test]
async fn a_workload_is_no_agent() {
    let server = TestServer::start().await;
    let channel = server
        .with_svid(&workload(&server, "/web", Form::Classical).await)
        .await;
    let mut client = EntryClient::new(channel);
    let status = client
        .get_authorized_entries(GetAuthorizedEntriesRequest::default())
        .await
        .unwrap_err();
    assert_eq!(denial_reason(&status), Some(Reason::AgentNotAttested));
}
