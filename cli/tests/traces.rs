//! The spans that a server sends, as a collector receives them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::process::Stdio;
use std::sync::mpsc;
use std::task::{Context, Poll};

use rustix::process::{Pid, Signal, kill_process};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic::codegen::{Body as _, Service};
use tonic::server::NamedService;

use support::{Home, PATIENCE, until, wait};

/// Keeps what it is sent, whatever that is.
#[derive(Clone)]
struct Collector(mpsc::Sender<Vec<u8>>);

impl NamedService for Collector {
    const NAME: &'static str = "opentelemetry.proto.collector.trace.v1.TraceService";
}

impl Service<Request<Body>> for Collector {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let received = self.0.clone();
        Box::pin(async move {
            let mut body = request.into_body();
            let mut message = Vec::new();
            while let Some(frame) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
                if let Ok(data) = frame.unwrap().into_data() {
                    message.extend_from_slice(&data);
                }
            }
            // The test may have seen enough.
            let _gone = received.send(message);
            Ok(Status::ok("").into_http())
        })
    }
}

#[test]
fn calls_arrive_at_a_collector_with_their_request_id_and_without_secrets() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (received, spans) = mpsc::channel();
    let listener = runtime
        .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
        .unwrap();
    let endpoint = listener.local_addr().unwrap();
    let incoming = tonic::transport::server::TcpIncoming::from(listener);
    runtime.spawn(
        tonic::transport::Server::builder()
            .add_service(Collector(received))
            .serve_with_incoming(incoming),
    );

    let home = Home::new();
    let file = home.path().join("server.toml");
    let text = format!(
        "trust_domain = \"example.org\"\ndata_dir = \"{}\"\n[listen]\naddress = \"127.0.0.1:0\"\n\
         [traces]\nendpoint = \"http://{endpoint}\"\n",
        home.data().display()
    );
    std::fs::write(&file, text).unwrap();
    let mut command = home.symbolon(&["server", "run", "--config", file.to_str().unwrap()]);
    let mut server = command.stderr(Stdio::null()).spawn().unwrap();
    until("the server answers", || {
        home.run(&["healthcheck"])
            .status
            .code()
            .is_some_and(|_| home.data().join("server/private.sock").exists())
    });
    let token = home.json(&["token", "create"])["token"]
        .as_str()
        .unwrap()
        .to_owned();
    home.ok(&["server", "status"]);
    // At the end what is left is sent.
    kill_process(Pid::from_child(&server), Signal::TERM).unwrap();
    assert!(wait(&mut server).success());

    let mut all = Vec::new();
    let holds = |all: &[u8], words: &str| all.windows(words.len()).any(|window| window == words.as_bytes());
    let wanted = [
        "symbolon-server",
        "symbolon.server.v1.Server/GetServerInfo",
        "spire.api.server.agent.v1.Agent/CreateJoinToken",
        "request_id",
        "rpc.grpc.status_code",
    ];
    while !wanted.iter().all(|words| holds(&all, words)) {
        all.extend(spans.recv_timeout(PATIENCE).unwrap_or_else(|_| {
            let missing: Vec<_> = wanted.iter().filter(|words| !holds(&all, words)).collect();
            panic!("{missing:?} did not arrive");
        }));
    }
    assert!(!holds(&all, &token), "a token went to the collector");
}
