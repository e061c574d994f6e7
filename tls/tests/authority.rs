//! A client of a Unix socket that names it by its path, as gRPC's C core does, talks to a tonic server.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use symbolon_tls::grpc::AnyAuthority;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::Connected;

const HEADERS: u8 = 0x1;
const RST_STREAM: u8 = 0x3;
const SETTINGS: u8 = 0x4;

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags, 0, 0, 0, stream], payload].concat()
}

fn literal(text: &str) -> Vec<u8> {
    [&[text.len() as u8], text.as_bytes()].concat()
}

/// The headers of a call, in the way and order of gRPC's C core.
fn call(authority: &str) -> Vec<u8> {
    let named = |name: &str, value: &str| [&[0x40], &*literal(name), &literal(value)].concat();
    [
        named(":path", "/no.such.Service/Method"),
        named(":authority", authority),
        // :method POST, :scheme http.
        vec![0x83, 0x86],
        named("content-type", "application/grpc"),
        named("te", "trailers"),
    ]
    .concat()
}

/// The kind of the first frame with which a server answers a call on stream 1.
async fn answer<IO>(authority: &str, connection: impl FnOnce(UnixStream) -> IO) -> u8
where
    IO: tokio::io::AsyncRead + tokio::io::AsyncWrite + Connected + Unpin + Send + 'static,
{
    let (mut client, server) = UnixStream::pair().unwrap();
    let incoming = tokio_stream::once(Ok::<_, std::io::Error>(connection(server)));
    let serving = tokio::spawn(
        Server::builder()
            .add_routes(Routes::default())
            .serve_with_incoming(incoming),
    );
    // END_HEADERS and END_STREAM.
    let said = [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        frame(SETTINGS, 0, 0, &[]),
        frame(HEADERS, 0x5, 1, &call(authority)),
    ];
    client.write_all(&said.concat()).await.unwrap();
    let kind = loop {
        let mut head = [0; 9];
        client.read_exact(&mut head).await.unwrap();
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        client.read_exact(&mut payload).await.unwrap();
        if head[8] == 1 {
            break head[3];
        }
    };
    serving.abort();
    kind
}

#[tokio::test]
async fn a_path_for_an_authority_is_answered() {
    for authority in ["localhost", "tmp%2Fapi.sock", "/run/symbolon/agent/api.sock"] {
        assert_eq!(answer(authority, AnyAuthority::new).await, HEADERS, "{authority}");
    }
}

/// What makes it needed. When this fails, it is needed no more.
#[tokio::test]
async fn without_it_only_an_authority_is() {
    assert_eq!(answer("localhost", |stream| stream).await, HEADERS);
    assert_eq!(answer("tmp%2Fapi.sock", |stream| stream).await, RST_STREAM);
}
