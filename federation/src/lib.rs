//! Between trust domains: fetching another one's trust bundle from where it publishes it.
//!
//! [`BundleClient`] asks a bundle endpoint (SPIFFE Federation, sections 5 and 6), which proves itself in one of two ways:
//! [`EndpointProfile::HttpsWeb`] by a certificate of the web's authorities for the host in its URL,
//! [`EndpointProfile::HttpsSpiffe`] by an SVID of a trust domain whose bundle is held already. [`refresh_after`] says when
//! to ask again.
//!
//! What comes back is read by `symbolon-pki`, bounded in size and time. Bundles are never merged: each vouches for its own
//! trust domain alone.
//!
//! This crate must not know who federates with whom, where bundles are kept, or how anything is issued.

mod client;
mod clock;
mod endpoint;
mod error;
mod exchange;
mod refresh;
mod web;

pub use client::{BundleClient, ClientOptions};
pub use endpoint::{Endpoint, EndpointProfile, EndpointUrl, InvalidUrl, MAX_URL_LEN};
pub use error::{FetchError, RedirectError, WebRootsError};
pub use refresh::{DEFAULT_INTERVAL, LONGEST_HINT, SHORTEST_HINT, refresh_after};
pub use web::WebRoots;
