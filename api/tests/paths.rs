//! The generated clients call the paths that stock servers serve.
#![allow(
    clippy::unwrap_used,
    reason = "clippy.toml exempts test functions, and these are their helpers"
)]

use std::io;
use std::sync::{Arc, Mutex};

use symbolon_api::spiffe::workload::spiffe_workload_api_client::SpiffeWorkloadApiClient;
use symbolon_api::spiffe::workload::{X509svidRequest, spiffe_workload_api_server};
use symbolon_api::spire::api::server::agent::v1::{RenewAgentRequest, agent_client::AgentClient};
use symbolon_api::spire::api::server::svid::v1::{
    BatchNewX509svidRequest, svid_client::SvidClient, svid_server,
};
use symbolon_api::symbolon::server::v1::{GetServerInfoRequest, server_client::ServerClient};
use symbolon_api::{WORKLOAD_METADATA, WORKLOAD_METADATA_VALUE, spire};
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic::metadata::{Ascii, MetadataKey, MetadataValue};
use tower::util::BoxCloneService;

type Server = BoxCloneService<Request<Body>, Response<Body>, io::Error>;

/// A server that takes down which path was called and fails every call.
fn listener() -> (Arc<Mutex<Vec<String>>>, Server) {
    let paths = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&paths);
    let service = tower::service_fn(move |request: Request<Body>| {
        heard.lock().unwrap().push(request.uri().path().to_owned());
        async { Err::<Response<Body>, _>(io::Error::other("not a server")) }
    });
    (paths, BoxCloneService::new(service))
}

#[tokio::test]
async fn clients_call_the_published_paths() {
    let (paths, service) = listener();

    let mut workload = SpiffeWorkloadApiClient::new(service.clone());
    workload.fetch_x509svid(X509svidRequest {}).await.unwrap_err();
    let mut agent = AgentClient::new(service.clone());
    agent.renew_agent(RenewAgentRequest::default()).await.unwrap_err();
    let mut svid = SvidClient::new(service.clone());
    svid.batch_new_x509svid(BatchNewX509svidRequest::default())
        .await
        .unwrap_err();
    let mut server = ServerClient::new(service);
    server.get_server_info(GetServerInfoRequest {}).await.unwrap_err();

    assert_eq!(
        *paths.lock().unwrap(),
        [
            "/SpiffeWorkloadAPI/FetchX509SVID",
            "/spire.api.server.agent.v1.Agent/RenewAgent",
            "/spire.api.server.svid.v1.SVID/BatchNewX509SVID",
            "/symbolon.server.v1.Server/GetServerInfo",
        ]
    );
}

#[test]
fn servers_are_named_as_published() {
    assert_eq!(spiffe_workload_api_server::SERVICE_NAME, "SpiffeWorkloadAPI");
    assert_eq!(svid_server::SERVICE_NAME, "spire.api.server.svid.v1.SVID");
    assert_eq!(
        spire::api::server::bundle::v1::bundle_server::SERVICE_NAME,
        "spire.api.server.bundle.v1.Bundle"
    );
}

#[test]
fn metadata_keys_can_be_sent() {
    for key in [WORKLOAD_METADATA, symbolon_api::FORMS_METADATA] {
        assert!(key.parse::<MetadataKey<Ascii>>().is_ok(), "{key}");
    }
    assert!(WORKLOAD_METADATA_VALUE.parse::<MetadataValue<Ascii>>().is_ok());
}
