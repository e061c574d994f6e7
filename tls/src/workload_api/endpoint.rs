//! Where the Workload API listens: `unix:///absolute/path`, `unix:path`, `tcp://ip:port` (SPIFFE Workload Endpoint §4).

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The environment variable that names the endpoint.
pub const ENDPOINT_VARIABLE: &str = "SPIFFE_ENDPOINT_SOCKET";

/// Longest path of a Unix socket, in bytes: `sun_path` holds 108 with the closing zero.
const MAX_SOCKET_PATH: usize = 107;

/// A Workload API endpoint.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Endpoint {
    /// A Unix socket.
    Unix(PathBuf),
    /// A TCP address, without TLS: for platforms without Unix sockets.
    Tcp(SocketAddr),
}

/// Why there is no such endpoint. The input at fault is the caller's setting.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// The variable is not set.
    #[error(
        "{ENDPOINT_VARIABLE} is not set; it names the agent's socket, as in unix:///run/symbolon/api.sock"
    )]
    NotSet,
    /// It is neither a Unix nor a TCP endpoint.
    #[error("{0:?} is not a Workload API endpoint; use unix:///path/to/socket or tcp://ip:port")]
    Scheme(String),
    /// A Unix endpoint without a path, or with a host, query or fragment.
    #[error("{0:?} does not name a socket path; use unix:///path/to/socket")]
    Path(String),
    /// The path does not fit into a socket address.
    #[error("socket path {} has {} bytes; the system allows {MAX_SOCKET_PATH}", .0.display(), .0.as_os_str().len())]
    PathTooLong(PathBuf),
    /// A TCP endpoint that is not an IP address with a port and nothing else.
    #[error("{0:?} is not tcp://ip:port with an IP address")]
    Address(String),
}

impl Endpoint {
    /// The endpoint named by `SPIFFE_ENDPOINT_SOCKET`.
    ///
    /// # Errors
    /// [`EndpointError`] if the variable is not set or names no endpoint.
    pub fn from_env() -> Result<Self, EndpointError> {
        match std::env::var(ENDPOINT_VARIABLE) {
            Ok(value) if !value.is_empty() => value.parse(),
            Ok(_) | Err(std::env::VarError::NotPresent) => Err(EndpointError::NotSet),
            Err(std::env::VarError::NotUnicode(value)) => {
                Err(EndpointError::Scheme(value.to_string_lossy().into_owned()))
            }
        }
    }

    /// A Unix socket by its path.
    ///
    /// # Errors
    /// [`EndpointError::PathTooLong`] if it has more than 107 bytes; [`EndpointError::Path`] if it is empty.
    pub fn unix(path: &Path) -> Result<Self, EndpointError> {
        match path.as_os_str().len() {
            0 => Err(EndpointError::Path(String::new())),
            1..=MAX_SOCKET_PATH => Ok(Self::Unix(path.to_owned())),
            _ => Err(EndpointError::PathTooLong(path.to_owned())),
        }
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(rest) = text.strip_prefix("unix:") {
            // unix:///a and unix:/a are the same path; unix://host/a names a host, which sockets do not have.
            let path = match rest.strip_prefix("//") {
                Some(absolute) if absolute.starts_with('/') => absolute,
                Some(_) => return Err(EndpointError::Path(text.to_owned())),
                None => rest,
            };
            if path.contains(['?', '#']) || path.trim_start_matches('/').is_empty() {
                return Err(EndpointError::Path(text.to_owned()));
            }
            return Self::unix(Path::new(path));
        }
        let Some(address) = text.strip_prefix("tcp://") else {
            return Err(EndpointError::Scheme(text.to_owned()));
        };
        address
            .parse()
            .map(Self::Tcp)
            .map_err(|_| EndpointError::Address(text.to_owned()))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) if path.is_absolute() => write!(f, "unix://{}", path.display()),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read_and_written() {
        for (text, path) in [
            ("unix:///run/spire/agent.sock", "/run/spire/agent.sock"),
            ("unix:agent.sock", "agent.sock"),
            ("unix:./data/api.sock", "./data/api.sock"),
        ] {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!(endpoint, Endpoint::Unix(path.into()));
            assert_eq!(endpoint.to_string(), text);
        }
        assert_eq!("unix:/a/b".parse(), Ok(Endpoint::Unix("/a/b".into())));
        let endpoint: Endpoint = "tcp://127.0.0.1:8000".parse().unwrap();
        assert_eq!(endpoint, Endpoint::Tcp("127.0.0.1:8000".parse().unwrap()));
        assert_eq!(endpoint.to_string(), "tcp://127.0.0.1:8000");
        assert!("tcp://[::1]:8000".parse::<Endpoint>().is_ok());
    }

    #[test]
    fn each_mistake_is_named() {
        let refusal = |text: &str| text.parse::<Endpoint>().unwrap_err();
        for text in ["", "/run/agent.sock", "http://127.0.0.1:1", "npipe:x"] {
            assert_eq!(refusal(text), EndpointError::Scheme(text.into()));
        }
        for text in [
            "unix:",
            "unix://",
            "unix:///",
            "unix://host/path",
            "unix:///a?b",
            "unix:///a#b",
        ] {
            assert_eq!(refusal(text), EndpointError::Path(text.into()));
        }
        for text in [
            "tcp://localhost:80",
            "tcp://127.0.0.1",
            "tcp://127.0.0.1:80/x",
            "tcp://",
        ] {
            assert_eq!(refusal(text), EndpointError::Address(text.into()));
        }
        let long = format!("/{}", "s".repeat(107));
        assert_eq!(
            refusal(&format!("unix://{long}")),
            EndpointError::PathTooLong(long.clone().into())
        );
        assert!(format!("unix://{}", &long[..107]).parse::<Endpoint>().is_ok());
    }
}
