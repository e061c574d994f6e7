//! gRPC over SPIFFE mutual TLS on real sockets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "common/agent.rs"]
mod agent;
mod common;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::*;
use symbolon_api::spiffe::workload as wire;
use symbolon_api::spiffe::workload::spiffe_workload_api_client::SpiffeWorkloadApiClient;
use symbolon_api::spiffe::workload::spiffe_workload_api_server::SpiffeWorkloadApiServer;
use symbolon_pki::suite::Form;
use symbolon_tls::grpc::{
    ALPN_H2, ChannelError, ChannelOptions, Incoming, TlsConnectInfo, channel, incoming,
};
use symbolon_tls::{AuthorizeId, ClientOptions, ListenerOptions, PeerError, StaticSource, peer_error};
use tokio::net::{TcpListener, TcpStream};
use tonic::{Request, Status};

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(120), future)
        .await
        .expect("nothing happened for 120 s")
}

fn listening() -> ListenerOptions {
    ListenerOptions {
        alpn: vec![ALPN_H2.to_vec()],
        ..ListenerOptions::default()
    }
}

fn dialling() -> ClientOptions {
    ClientOptions {
        alpn: vec![ALPN_H2.to_vec()],
        ..ClientOptions::default()
    }
}

async fn listen(
    source: &Arc<StaticSource>,
    authorize: AuthorizeId,
    options: ListenerOptions,
    handshakes: usize,
) -> (Incoming, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (
        incoming(listener, acceptor(source, authorize, options), handshakes),
        address,
    )
}

/// Serves the Workload API over TLS and notes who called.
fn serve(incoming: Incoming) -> Arc<Mutex<Vec<TlsConnectInfo>>> {
    let callers: Arc<Mutex<Vec<TlsConnectInfo>>> = Arc::default();
    let noted = callers.clone();
    let agent = agent::Agent::new(wire::X509svidResponse::default());
    let service = SpiffeWorkloadApiServer::with_interceptor(agent, move |request: Request<()>| {
        let info = request.extensions().get::<TlsConnectInfo>();
        noted
            .lock()
            .unwrap()
            .push(info.ok_or_else(|| Status::internal("no peer"))?.clone());
        Ok(request)
    });
    tokio::spawn(async move {
        tonic::transport::Server::builder()
            .add_service(service)
            .serve_with_incoming(incoming)
            .await
            .unwrap();
    });
    callers
}

async fn call(channel: tonic::transport::Channel) -> Result<String, Status> {
    let mut request = Request::new(wire::ValidateJwtsvidRequest {
        audience: "a".into(),
        svid: "good".into(),
    });
    request
        .metadata_mut()
        .insert("workload.spiffe.io", "true".parse().unwrap());
    let answer = SpiffeWorkloadApiClient::new(channel)
        .validate_jwtsvid(request)
        .await?;
    Ok(answer.into_inner().spiffe_id)
}

#[tokio::test]
async fn services_know_who_calls() {
    let domain = Domain::new("example.org");
    let server = source(domain.svids("server", &FORMS), domain.bundles(&FORMS));
    let client = source(domain.svids("client", &FORMS), domain.bundles(&FORMS));
    let (incoming, address) = listen(&server, domain.any(), listening(), 16).await;
    let callers = serve(incoming);

    let connector = connector(&client, domain.any(), dialling());
    let channel = soon(channel(&address, connector, &ChannelOptions::default()))
        .await
        .unwrap();
    assert_eq!(soon(call(channel)).await.unwrap(), "spiffe://example.org/one");
    let callers = callers.lock().unwrap();
    let caller = &callers[0];
    assert!(caller.remote_addr.is_some());
    let peer = caller.connection.peer.as_ref().unwrap();
    assert_eq!(peer.spiffe_id, id("spiffe://example.org/client"));
    assert_eq!(peer.form, Form::Composite);
    assert_eq!(caller.connection.negotiated.key_exchange, "X25519MLKEM768");
}

#[tokio::test]
async fn a_refused_server_is_named_with_the_reason() {
    let (ours, theirs) = (Domain::new("example.org"), Domain::new("example.com"));
    let server = source(theirs.svids("server", &FORMS), theirs.bundles(&FORMS));
    let client = source(ours.svids("client", &FORMS), ours.bundles(&FORMS));
    let (incoming, address) = listen(&server, AuthorizeId::Any, listening(), 16).await;
    let _callers = serve(incoming);
    let connector = connector(&client, ours.any(), dialling());
    let error = soon(channel(&address, connector, &ChannelOptions::default()))
        .await
        .unwrap_err();
    assert!(
        matches!(peer_error(&error), Some(PeerError::Chain(_))),
        "{error:?}"
    );
    let text = error.to_string();
    assert!(
        text.contains(&address) && text.contains("no trust bundle for trust domain example.com"),
        "{text}"
    );
}

#[tokio::test]
async fn bad_clients_do_not_disturb_the_good() {
    let domain = Domain::new("example.org");
    let server = source(domain.svids("server", &FORMS), domain.bundles(&FORMS));
    let client = source(domain.svids("client", &FORMS), domain.bundles(&FORMS));
    // One handshake at a time, and none for those who do not ask for one.
    let (incoming, address) = listen(&server, domain.any(), listening(), 1).await;
    let _callers = serve(incoming);

    let silent = TcpStream::connect(&address).await.unwrap();
    let mut garbage = TcpStream::connect(&address).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut garbage, b"GET / HTTP/1.1\r\n\r\n")
        .await
        .unwrap();
    drop(TcpStream::connect(&address).await.unwrap());

    let connector = connector(&client, domain.any(), dialling());
    let channel = soon(channel(&address, connector, &ChannelOptions::default()))
        .await
        .unwrap();
    assert!(soon(call(channel)).await.is_ok());
    drop(silent);
}

#[tokio::test]
async fn a_refused_client_gets_no_answer() {
    let domain = Domain::new("example.org");
    let server = source(domain.svids("server", &FORMS), domain.bundles(&FORMS));
    let client = source(domain.svids("client", &FORMS), domain.bundles(&FORMS));
    let only = AuthorizeId::OneOf(vec![id("spiffe://example.org/admin")]);
    let (incoming, address) = listen(&server, only, listening(), 16).await;
    let callers = serve(incoming);
    let connector = connector(&client, domain.any(), dialling());
    match soon(channel(&address, connector, &ChannelOptions::default())).await {
        Ok(channel) => assert!(soon(call(channel)).await.is_err()),
        Err(error) => assert!(peer_error(&error).is_none()),
    }
    assert!(callers.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_dropped_listener_is_closed() {
    let domain = Domain::new("example.org");
    let server = source(domain.svids("server", &FORMS), domain.bundles(&FORMS));
    let (incoming, address) = listen(&server, domain.any(), listening(), 16).await;
    drop(incoming);
    soon(async {
        while TcpStream::connect(&address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn an_address_needs_host_and_port() {
    let domain = Domain::new("example.org");
    let client = source(domain.svids("client", &FORMS), domain.bundles(&FORMS));
    for address in ["localhost", "", ":8081", "a b:1"] {
        let connector = connector(&client, domain.any(), dialling());
        let error = soon(channel(address, connector, &ChannelOptions::default()))
            .await
            .unwrap_err();
        assert!(
            matches!(error, ChannelError::Address { .. }),
            "{address}: {error}"
        );
    }
}
