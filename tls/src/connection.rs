//! An established connection, with what its handshake settled.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsStream;

use crate::session::ConnectionInfo;

/// A TLS stream over `IO` whose peer has been verified.
#[derive(Debug)]
pub struct Connection<IO> {
    stream: TlsStream<IO>,
    info: Arc<ConnectionInfo>,
}

impl<IO> Connection<IO> {
    pub(crate) fn new(stream: TlsStream<IO>, info: Arc<ConnectionInfo>) -> Self {
        Self { stream, info }
    }

    /// Who the peer is and which cryptography is in use.
    pub fn info(&self) -> &Arc<ConnectionInfo> {
        &self.info
    }

    /// The transport below.
    pub fn transport(&self) -> &IO {
        self.stream.get_ref().0
    }

    /// The TLS stream itself.
    pub fn into_stream(self) -> TlsStream<IO> {
        self.stream
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncRead for Connection<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Connection<IO> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
