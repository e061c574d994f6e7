//! Whom a call is counted against, and how long its caller would wait.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use spiffe::SpiffeId;
use symbolon_tls::grpc::{TlsConnectInfo, client_network};
use tonic::codegen::http::{Extensions, HeaderMap};

use crate::caller::Caller;

/// Whom a call is counted against.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Source {
    /// Nobody: a process on this machine.
    Local,
    /// A caller from elsewhere.
    Remote {
        /// Who it is.
        key: Key,
        /// Where it calls from. All whose address is not known have one.
        address: IpAddr,
    },
}

/// What tells callers apart: an identity where there is one, so that those behind one address do not share a rate.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Key {
    /// A verified identity.
    Identity(SpiffeId),
    /// An address; of IPv6 the network, for whoever has one address of it may have all.
    Network(IpAddr),
    /// An address by itself.
    Address(IpAddr),
}

impl Source {
    /// The source of a call.
    pub(crate) fn of(caller: &Caller, extensions: &Extensions) -> Self {
        let address = extensions
            .get::<TlsConnectInfo>()
            .and_then(|connection| connection.remote_addr)
            .map_or(Ipv4Addr::UNSPECIFIED.into(), |address| address.ip());
        let key = match caller {
            Caller::Local { .. } => return Self::Local,
            Caller::X509(svid) => Key::Identity(svid.spiffe_id.clone()),
            Caller::Anonymous => Key::Network(client_network(address)),
        };
        Self::Remote { key, address }
    }
}

/// The time that a call's metadata gives it: `grpc-timeout`, up to eight digits and a unit. `None` where it gives none,
/// or nonsense.
pub(crate) fn deadline(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let value: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(value * 3600)),
        "M" => Some(Duration::from_secs(value * 60)),
        "S" => Some(Duration::from_secs(value)),
        "m" => Some(Duration::from_millis(value)),
        "u" => Some(Duration::from_micros(value)),
        "n" => Some(Duration::from_nanos(value)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caller::tests::x509;

    #[test]
    fn callers_are_told_apart_by_identity_or_network() {
        let none = Extensions::new();
        assert_eq!(
            Source::of(&Caller::Local { pid: None, uid: 0 }, &none),
            Source::Local
        );
        let a = Source::of(&x509("/a"), &none);
        assert_ne!(a, Source::of(&x509("/b"), &none));
        assert_eq!(a, Source::of(&x509("/a"), &none));
    }

    #[test]
    fn a_deadline_is_read_as_grpc_writes_it() {
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("grpc-timeout", text.parse().unwrap());
            deadline(&headers)
        };
        assert_eq!(read("30S"), Some(Duration::from_secs(30)));
        assert_eq!(read("99999999H"), Some(Duration::from_secs(99_999_999 * 3600)));
        assert_eq!(read("500m"), Some(Duration::from_millis(500)));
        assert_eq!(read("7u"), Some(Duration::from_micros(7)));
        assert_eq!(read("7n"), Some(Duration::from_nanos(7)));
        assert_eq!(read("2M"), Some(Duration::from_secs(120)));
        for text in ["", "S", "30", "-1S", "+1S", "1.5S", "999999999S", "3s", "30Sx"] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(deadline(&HeaderMap::new()), None);
    }
}
