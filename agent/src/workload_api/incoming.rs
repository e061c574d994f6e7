//! Connections of local processes: bounded, and each with the process at its other end.

use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use symbolon_tls::grpc::AnyAuthority;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{UnixListener, UnixStream};
use tokio_stream::Stream;
use tonic::transport::server::Connected;

use crate::attestor::unix::Peer;
use crate::telemetry;

/// The connections of a socket. Those that are too many are closed at once, so that their clients know.
#[derive(Debug)]
pub(super) struct Incoming {
    socket: UnixListener,
    admission: Admission,
}

impl Incoming {
    pub(super) fn new(socket: UnixListener, max: usize, max_per_user: usize) -> Self {
        Self {
            socket,
            admission: Admission {
                max,
                max_per_user,
                open: Arc::default(),
            },
        }
    }

    fn admit(&self, stream: UnixStream) -> Option<WorkloadConnection> {
        let refused = |uid: Option<u32>, reason: &dyn std::fmt::Display| {
            tracing::warn!(event = telemetry::CONNECTION_REFUSED, uid, %reason, "connection refused");
            None
        };
        let uid = match stream.peer_cred() {
            Ok(credentials) => credentials.uid(),
            Err(error) => return refused(None, &error),
        };
        let admitted = match self.admission.admit(uid) {
            Ok(admitted) => admitted,
            Err(reason) => return refused(Some(uid), &reason),
        };
        match Peer::of(&stream) {
            Ok(peer) => Some(WorkloadConnection {
                stream: AnyAuthority::new(stream),
                peer: Arc::new(peer),
                _admitted: admitted,
            }),
            Err(error) => refused(Some(uid), &error),
        }
    }
}

impl Stream for Incoming {
    type Item = io::Result<WorkloadConnection>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let (stream, _) = match ready!(self.socket.poll_accept(cx)) {
                Ok(accepted) => accepted,
                // For want of descriptors, most likely: tonic pauses and comes back.
                Err(error) => return Poll::Ready(Some(Err(error))),
            };
            if let Some(connection) = self.admit(stream) {
                return Poll::Ready(Some(Ok(connection)));
            }
        }
    }
}

/// Counts connections by user.
#[derive(Clone, Debug)]
struct Admission {
    max: usize,
    max_per_user: usize,
    open: Arc<Mutex<HashMap<u32, usize>>>,
}

impl Admission {
    fn admit(&self, uid: u32) -> Result<Admitted, String> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = open.values().sum();
        if all >= self.max {
            return Err(format!("{all} connections are open already"));
        }
        let mine = open.entry(uid).or_default();
        if *mine >= self.max_per_user {
            return Err(format!("{mine} connections of this user are open already"));
        }
        *mine += 1;
        Ok(Admitted {
            uid,
            open: self.open.clone(),
        })
    }
}

/// A connection that counts, until this is dropped.
#[derive(Debug)]
struct Admitted {
    uid: u32,
    open: Arc<Mutex<HashMap<u32, usize>>>,
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mine) = open.get_mut(&self.uid) {
            *mine -= 1;
            if *mine == 0 {
                open.remove(&self.uid);
            }
        }
    }
}

/// A connection whose peer is known.
#[derive(Debug)]
pub(super) struct WorkloadConnection {
    stream: AnyAuthority<UnixStream>,
    peer: Arc<Peer>,
    _admitted: Admitted,
}

/// In the extensions of every request.
#[derive(Clone, Debug)]
pub(super) struct ConnectedPeer(pub(super) Arc<Peer>);

impl Connected for WorkloadConnection {
    type ConnectInfo = ConnectedPeer;

    fn connect_info(&self) -> ConnectedPeer {
        ConnectedPeer(self.peer.clone())
    }
}

impl AsyncRead for WorkloadConnection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for WorkloadConnection {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_user_can_take_all_connections() {
        let admission = Admission {
            max: 3,
            max_per_user: 2,
            open: Arc::default(),
        };
        let mine: Vec<_> = (0..2).map(|_| admission.admit(1).unwrap()).collect();
        assert!(
            admission
                .admit(1)
                .unwrap_err()
                .contains("2 connections of this user")
        );
        let other = admission.admit(2).unwrap();
        assert!(admission.admit(3).unwrap_err().contains("3 connections"));
        drop(mine);
        let again = admission.admit(1).unwrap();
        drop((other, again));
        assert!(
            admission.open.lock().unwrap().is_empty(),
            "users that left are not remembered"
        );
    }
}
