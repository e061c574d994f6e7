//! Asking services outside that vouch for nodes: key sets of clouds, the APIs of clusters, and the nodes themselves.
//!
//! What is asked, and what the answers mean, is `symbolon-attestation`'s; here is how it gets there: over TLS with hybrid key
//! exchange first, within a time, no more of it at a time than the server bears, without redirects and proxies.

mod addresses;
mod challenge;
mod client;
mod places;

pub(crate) use symbolon_tls::grpc::IpNetwork as Network;

pub(crate) use self::challenge::NodePages;
pub(crate) use self::client::{OutsideClient, OutsideOptions};
