//! A connection as a server has it.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tonic::transport::server::Connected;

use super::calls::{Calls, Ending};
use super::strangers::Stranger;
use crate::connection::Connection;
use crate::session::ConnectionInfo;

/// In the extensions of every tonic request that came over [`Incoming`](super::Incoming).
#[derive(Clone, Debug)]
pub struct TlsConnectInfo {
    /// Where the client connected from; behind a trusted proxy, what that says.
    pub remote_addr: Option<SocketAddr>,
    /// Who the client is and which cryptography is in use.
    pub connection: Arc<ConnectionInfo>,
    /// The calls on the connection, to be counted by whoever serves them.
    pub calls: Calls,
}

/// A connection of [`Incoming`](super::Incoming).
#[derive(Debug)]
pub struct Served {
    connection: Connection<TcpStream>,
    client: SocketAddr,
    calls: Calls,
    /// Of a client that showed no certificate: its place among those, and how it loses it.
    stranger: Option<(Stranger, Ending)>,
}

impl Served {
    pub(super) fn new(
        connection: Connection<TcpStream>,
        client: SocketAddr,
        calls: Calls,
        stranger: Option<(Stranger, Ending)>,
    ) -> Self {
        Self {
            connection,
            client,
            calls,
            stranger,
        }
    }

    fn is_over(&mut self, cx: &mut Context<'_>) -> bool {
        let ending = self.stranger.as_mut().map(|(_, ending)| ending);
        ending.is_some_and(|ending| ending.is_over(cx))
    }

    /// Who the peer is and which cryptography is in use.
    pub fn info(&self) -> &Arc<ConnectionInfo> {
        self.connection.info()
    }

    /// Where the client connected from; behind a trusted proxy, what that says.
    pub fn client(&self) -> SocketAddr {
        self.client
    }
}

impl Connected for Served {
    type ConnectInfo = TlsConnectInfo;

    fn connect_info(&self) -> TlsConnectInfo {
        TlsConnectInfo {
            remote_addr: Some(self.client),
            connection: self.info().clone(),
            calls: self.calls.clone(),
        }
    }
}

impl AsyncRead for Served {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_over(cx) {
            // As if it had hung up itself.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.connection).poll_read(cx, buf)
    }
}

/// Whoever sends and takes nothing keeps the server in here, and must not stay for that.
impl AsyncWrite for Served {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.is_over(cx) {
            return Poll::Ready(Err(over()));
        }
        Pin::new(&mut self.connection).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_over(cx) {
            return Poll::Ready(Err(over()));
        }
        Pin::new(&mut self.connection).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.is_over(cx) {
            return Poll::Ready(Err(over()));
        }
        Pin::new(&mut self.connection).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.is_write_vectored()
    }
}

fn over() -> io::Error {
    io::Error::new(
        io::ErrorKind::TimedOut,
        "the client showed no certificate, and had its time",
    )
}
