//! What can go wrong: with the peer, with our own identity or configuration, and with a handshake as a whole.
//!
//! rustls passes errors on without their sources, so every message here says the whole reason itself.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use rustls::{CertificateError, OtherError};
use spiffe::SpiffeId;
use symbolon_pki::suite::Suite;
use symbolon_pki::verify::ChainError;

use crate::scheme::SchemeError;

/// Why a peer was refused. The input at fault is the peer's.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PeerError {
    /// The peer sent more certificates than any SVID needs.
    #[error("the peer presented {presented} certificates; at most {max} are read")]
    TooManyCertificates {
        /// How many it sent.
        presented: usize,
        /// How many are accepted.
        max: usize,
    },
    /// The peer sent no certificate.
    #[error("the peer presented no certificate")]
    NoCertificate,
    /// A certificate is no certificate.
    #[error("certificate {index} of the peer cannot be read: {reason}")]
    Certificate {
        /// Its place in the chain; 0 is the leaf.
        index: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// The chain is not valid for the trust bundles held.
    #[error("the peer's SVID is refused: {0}")]
    Chain(ChainError),
    /// The SVID is valid and its identity is not wanted here.
    #[error("peer {id} is not authorised: {reason}")]
    NotAuthorised {
        /// The proven identity.
        id: SpiffeId,
        /// The rule that it fails.
        reason: String,
    },
    /// The handshake is signed with a scheme that its certificate's key does not make.
    #[error("the peer signed the handshake with {scheme}, but its certificate holds a key for {key}")]
    WrongScheme {
        /// The scheme used.
        scheme: String,
        /// The kind of key certified.
        key: String,
    },
    /// The signature over the handshake (CertificateVerify, RFC 9846 section 4.4.3) is wrong. `reason` names the
    /// half of a composite.
    #[error("the peer's {scheme} signature over the handshake is wrong: {reason}")]
    HandshakeSignature {
        /// The scheme used.
        scheme: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl From<PeerError> for rustls::Error {
    fn from(error: PeerError) -> Self {
        Self::InvalidCertificate(CertificateError::Other(OtherError(std::sync::Arc::new(error))))
    }
}

/// The reason for which the peer was refused, if `error` is or wraps one: an error of this crate, of rustls, of
/// tokio-rustls, or of tonic.
pub fn peer_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a PeerError> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<PeerError>() {
            return Some(found);
        }
        if let Some(rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(other)))) =
            error.downcast_ref::<rustls::Error>()
        {
            return peer_error(other.as_ref());
        }
        // An io::Error's source is that of the error inside it, which would be passed over.
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

/// Why an SVID cannot be presented. The input at fault is whoever issued or delivered it.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// There is no leaf.
    #[error("the SVID has no certificate")]
    Empty,
    /// A certificate is no certificate.
    #[error("certificate {index} of the SVID cannot be read: {reason}")]
    Certificate {
        /// Its place in the chain; 0 is the leaf.
        index: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// The leaf names no SPIFFE ID, or more than one.
    #[error("the SVID's leaf does not name one SPIFFE ID: {reason}")]
    SpiffeId {
        /// What is wrong with it.
        reason: String,
    },
    /// The private key is not that of the leaf.
    #[error("the private key of {id} ({suite}) does not belong to the leaf certificate")]
    KeyMismatch {
        /// Whose SVID it is.
        id: SpiffeId,
        /// The private key's suite.
        suite: Suite,
    },
}

/// Why there is no TLS configuration. The input at fault is the caller's.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The source has no SVID at this time.
    #[error("there is no SVID to present yet")]
    NoIdentity,
    /// The table of composite code points is not usable.
    #[error("composite code points: {0}")]
    Scheme(#[from] SchemeError),
    /// rustls refuses the groups or versions asked for.
    #[error("rustls refuses this configuration: {0}")]
    Configuration(rustls::Error),
}

/// Why a connection did not come about.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// No configuration, so nothing was sent.
    #[error("{0}")]
    Configuration(#[from] TlsError),
    /// The peer did not finish the handshake in time.
    #[error("the TLS handshake did not finish within {} s", .0.as_secs_f32())]
    Timeout(Duration),
    /// There was no connection to do a handshake on.
    #[error("{0}")]
    Transport(#[source] io::Error),
    /// The handshake failed, or its transport. [`peer_error`] gives the reason where the peer was refused by us.
    #[error("the TLS handshake failed: {}", reason(.0))]
    Io(#[source] io::Error),
}

/// rustls shows the errors of verifiers in the way of a debugger; ours are words already.
fn reason(error: &io::Error) -> String {
    peer_error(error).map_or_else(|| error.to_string(), PeerError::to_string)
}

impl HandshakeError {
    /// rustls said that the handshake is over while what it settled is not known. Its own promise excludes that.
    pub(crate) fn incomplete() -> Self {
        Self::Io(io::Error::other("the handshake ended without a key exchange"))
    }

    /// The reason for which the peer was refused, if that is what went wrong.
    pub fn peer_error(&self) -> Option<&PeerError> {
        peer_error(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal() -> PeerError {
        PeerError::TooManyCertificates {
            presented: 99,
            max: 10,
        }
    }

    #[test]
    fn the_reason_survives_every_wrapping() {
        let io = io::Error::new(io::ErrorKind::InvalidData, rustls::Error::from(refusal()));
        let handshake = HandshakeError::Io(io);
        assert!(matches!(
            handshake.peer_error(),
            Some(PeerError::TooManyCertificates { presented: 99, .. })
        ));
        let again = io::Error::other(handshake);
        assert!(peer_error(&again).is_some());
        assert!(again.to_string().contains("99 certificates"));
    }

    #[test]
    fn other_errors_hold_no_reason() {
        assert!(peer_error(&io::Error::other("broken pipe")).is_none());
        assert!(peer_error(&rustls::Error::NoCertificatesPresented).is_none());
        assert!(
            HandshakeError::Timeout(Duration::from_secs(5))
                .peer_error()
                .is_none()
        );
    }
}
