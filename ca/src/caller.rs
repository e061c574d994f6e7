//! Who is at the other end of a call.

use std::fmt;
use std::time::SystemTime;

use spiffe::SpiffeId;
use symbolon_pki::suite::Form;
use symbolon_tls::grpc::TlsConnectInfo;
use tonic::codegen::http::Extensions;
use tonic::transport::server::UdsConnectInfo;

use crate::datastore::SerialNumber;

/// Who calls, as far as the connection proves it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Caller {
    /// A process on this machine that could open the private socket: the server's own user, or root.
    Local {
        /// Its process id, where the system tells it.
        pid: Option<i32>,
        /// Its user id.
        uid: u32,
    },
    /// The holder of an SVID that was verified in the handshake: of this trust domain, or an administrator of another.
    X509(Svid),
    /// Anybody.
    Anonymous,
}

/// What a caller presented.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Svid {
    /// Whose it is.
    pub spiffe_id: SpiffeId,
    /// Its leaf's serial number.
    pub serial: SerialNumber,
    /// What the proof is worth.
    pub form: Form,
    /// When the leaf ends. A connection may outlive it.
    pub not_after: SystemTime,
}

impl Caller {
    /// The caller of a request, by what its connection left in the extensions. `own_uid` is the server's user.
    ///
    /// What cannot be told is [`Caller::Anonymous`], who may do the least.
    pub fn of(extensions: &Extensions, own_uid: u32) -> Self {
        if let Some(tls) = extensions.get::<TlsConnectInfo>() {
            return tls
                .connection
                .peer
                .as_ref()
                .map_or(Self::Anonymous, Self::of_peer);
        }
        let credentials = extensions
            .get::<UdsConnectInfo>()
            .and_then(|socket| socket.peer_cred.as_ref());
        match credentials {
            // The socket's mode says the same; this holds even if somebody changed it.
            Some(process) if process.uid() == own_uid || process.uid() == 0 => Self::Local {
                pid: process.pid(),
                uid: process.uid(),
            },
            _ => Self::Anonymous,
        }
    }

    fn of_peer(peer: &symbolon_tls::PeerIdentity) -> Self {
        // A certificate whose serial number cannot be kept is none of ours.
        let Ok(serial) = SerialNumber::from_bytes(peer.leaf.serial()) else {
            return Self::Anonymous;
        };
        Self::X509(Svid {
            spiffe_id: peer.spiffe_id.clone(),
            serial,
            form: peer.form,
            not_after: peer.leaf.not_after(),
        })
    }
}

/// For logs.
impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local { pid: Some(pid), uid } => write!(f, "process {pid} of user {uid}"),
            Self::Local { pid: None, uid } => write!(f, "a process of user {uid}"),
            Self::X509(svid) => write!(f, "{}", svid.spiffe_id),
            Self::Anonymous => f.write_str("anonymous"),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Whoever has an SVID with this path.
    pub(crate) fn x509(path: &str) -> Caller {
        x509_of("example.org", path)
    }

    /// Whoever has an SVID of that trust domain with this path.
    pub(crate) fn x509_of(trust_domain: &str, path: &str) -> Caller {
        Caller::X509(Svid {
            spiffe_id: SpiffeId::new(format!("spiffe://{trust_domain}{path}")).unwrap(),
            serial: SerialNumber::from_bytes(&[7]).unwrap(),
            form: Form::Classical,
            not_after: SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(4_000_000_000),
        })
    }

    #[test]
    fn nothing_known_is_anonymous() {
        assert_eq!(Caller::of(&Extensions::new(), 0), Caller::Anonymous);
    }

    #[test]
    fn a_socket_without_credentials_is_anonymous() {
        let mut extensions = Extensions::new();
        extensions.insert(UdsConnectInfo {
            peer_addr: None,
            peer_cred: None,
        });
        assert_eq!(Caller::of(&extensions, 1000), Caller::Anonymous);
    }

    #[tokio::test]
    async fn a_process_of_another_user_is_anonymous() {
        let (stream, _other) = tokio::net::UnixStream::pair().unwrap();
        let mut extensions = Extensions::new();
        extensions.insert(tonic::transport::server::Connected::connect_info(&stream));
        let own = rustix::process::geteuid().as_raw();
        assert!(matches!(Caller::of(&extensions, own), Caller::Local { uid, .. } if uid == own));
        // Root may always; everybody else must be the server's own user.
        let expected = if own == 0 {
            Caller::of(&extensions, own)
        } else {
            Caller::Anonymous
        };
        assert_eq!(Caller::of(&extensions, own + 1), expected);
    }
}
