//! Places for calls, and callers who would take all of them.

use std::time::Duration;

use symbolon_api::spire::api::server::bundle::v1::GetBundleRequest;
use symbolon_api::spire::api::server::bundle::v1::bundle_client::BundleClient;
use symbolon_api::spire::api::types;
use symbolon_pki::suite::Form;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use crate::authorization::workload;
use crate::gate::limited;
use crate::support::TestServer;

/// A call whose message never comes, until it is answered.
async fn unfinished(channel: Channel) -> Status {
    let mut client = Grpc::new(channel);
    client.ready().await.unwrap();
    let path = PathAndQuery::from_static("/spire.api.server.bundle.v1.Bundle/GetBundle");
    let codec = ProstCodec::<GetBundleRequest, types::Bundle>::default();
    let nothing = tokio_stream::pending();
    client
        .client_streaming(Request::new(nothing), path, codec)
        .await
        .unwrap_err()
}

#[tokio::test]
async fn no_caller_takes_all_places_by_calls_that_it_does_not_finish() {
    let server = TestServer::start_with(|config| config.limits = limited(|limits| limits.calls = 16)).await;
    let agent = server.agent(Form::Classical).await;
    let workload = async |path| {
        let identity = workload(&server, path, Form::Classical).await;
        server.with_svid(&identity).await
    };
    let (greedy, other) = (workload("/greedy").await, workload("/other").await);
    let mut calls: tokio::task::JoinSet<Status> = (0..20).map(|_| unfinished(greedy.clone())).collect();
    // It may have four of them; the others are turned away at once, long before those are given up.
    for _ in 0..16 {
        let answered = tokio::time::timeout(Duration::from_secs(25), calls.join_next()).await;
        let status = answered.unwrap().unwrap().unwrap();
        assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    }
    for channel in [agent.channel.clone(), other, server.anonymous().await] {
        BundleClient::new(channel)
            .get_bundle(GetBundleRequest::default())
            .await
            .unwrap();
    }
}
