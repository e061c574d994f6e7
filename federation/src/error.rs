//! Why there is no bundle.

use std::io;
use std::time::Duration;

use spiffe::TrustDomain;
use symbolon_pki::bundle::{BundleError, MAX_BUNDLE_LEN};
use symbolon_tls::HandshakeError;

use crate::endpoint::InvalidUrl;

/// A bundle that could not be fetched. Messages say the whole reason; what is in them of the endpoint's own words is short.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// An endpoint that shows an SVID is believed by a bundle, and there is none. Somebody has to bring the first one.
    #[error(
        "the endpoint is to show an SVID of {0}, and there is no bundle of {0} here to verify it with; set one first"
    )]
    NoBundle(TrustDomain),
    /// The endpoint's host has no address, or none that answers.
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// Host and port.
        address: String,
        /// What went wrong.
        source: io::Error,
    },
    /// The endpoint did not prove itself with an SVID.
    #[error("the TLS handshake with {address} failed: {source}")]
    Spiffe {
        /// Host and port.
        address: String,
        /// What went wrong.
        source: HandshakeError,
    },
    /// The endpoint did not prove itself with a certificate of the web's authorities.
    #[error(
        "the TLS handshake with {address} failed: {source} (an endpoint that shows an SVID has the profile https_spiffe)"
    )]
    Web {
        /// Host and port.
        address: String,
        /// What went wrong.
        source: io::Error,
    },
    /// TLS cannot be set up with what was configured.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
    /// It took too long.
    #[error("{address} did not answer within {} s", after.as_secs_f32())]
    Timeout {
        /// Host and port.
        address: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// The endpoint does not speak HTTP, or broke off.
    #[error("the exchange with {address} failed: {source}")]
    Exchange {
        /// Host and port.
        address: String,
        /// What went wrong.
        source: hyper::Error,
    },
    /// The endpoint answered with another status than 200.
    #[error("{address} answered {status} instead of a bundle")]
    Status {
        /// Host and port.
        address: String,
        /// What it answered.
        status: http::StatusCode,
    },
    /// The endpoint sent the client elsewhere, and it does not go there.
    #[error("{address} answered with a redirect that is not followed: {reason}")]
    Redirect {
        /// Host and port.
        address: String,
        /// Why not.
        reason: RedirectError,
    },
    /// More bytes than any bundle has.
    #[error("{address} answered with more than {MAX_BUNDLE_LEN} bytes")]
    TooLong {
        /// Host and port.
        address: String,
    },
    /// What came is no bundle.
    #[error("{address} answered with something else than a trust bundle: {source}")]
    Document {
        /// Host and port.
        address: String,
        /// What is wrong with it.
        source: Box<BundleError>,
    },
}

/// Why a redirect is not followed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RedirectError {
    /// The identity of an `https_spiffe` endpoint belongs to one URL.
    #[error("an endpoint that shows an SVID may not send its clients elsewhere")]
    Spiffe,
    /// One after the other.
    #[error("there are too many of them")]
    TooMany,
    /// Without a place.
    #[error("it names no place")]
    NoLocation,
    /// To another host or port. The relationship names one, and an authority's own network is nobody else's to reach into.
    #[error("it leads to {0}; if the bundle is there, that is the URL to configure")]
    OtherHost(
        /// Host and port.
        String,
    ),
    /// To a place that is no endpoint.
    #[error("where it leads is no endpoint: {0}")]
    Location(InvalidUrl),
}

/// Certificates of the web's authorities that cannot be used. The fault of whoever configured them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WebRootsError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    File {
        /// Which.
        path: std::path::PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Not PEM, or not certificates.
    #[error("certificate {index} of the file is none: {reason}")]
    Certificate {
        /// Which of them, from 0.
        index: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// Nothing in it.
    #[error("there is no certificate in it")]
    Empty,
}
