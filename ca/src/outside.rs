//! Asking services outside that vouch for nodes: key sets of clouds, the APIs of clusters, and the nodes themselves.
//!
//! What is asked, and what the answers mean, is `symbolon-attestation`'s; here is how it gets there: over TLS with hybrid key
//! exchange first, within a time, without redirects and proxies.

mod addresses;
mod challenge;
mod client;

pub(crate) use self::addresses::Network;
pub(crate) use self::challenge::NodePages;
pub(crate) use self::client::{OutsideClient, OutsideOptions};
