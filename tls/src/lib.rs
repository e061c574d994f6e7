//! What a program links to be a workload: SPIFFE mutual TLS on rustls with hybrid key exchange and authentication, and
//! the Workload API client that keeps its SVIDs and trust bundles current.
//!
//! - [`Connector`] and [`Acceptor`] make connections; [`client_config`] and [`server_config`] are for stacks that do their
//!   own handshakes. TLS 1.3 alone, no resumption, hybrid groups alone unless a listener allows others.
//! - [`IdentitySource`] is where SVIDs and bundles come from: [`StaticSource`], or [`X509Source`] fed by the
//!   [Workload API](workload_api).
//! - [`AuthorizeId`] says which SPIFFE IDs may be at the other end, and a [`PathPolicy`] in the options of either side
//!   what the proof must be worth: whoever can forge a classical chain is kept out by `hybrid-required` alone. Catalyst
//!   chains are presented as the classical ones that they are, and their alternative signatures count where a policy for
//!   the chain asks for them.
//! - [`grpc`] has channels and a listener for tonic.
//! - A [`Migration`] that the source knows of moves what is offered, presented and demanded from classical to other
//!   algorithms, stage by stage; [`HandshakeCounts`] tell how far it has come.
//!
//! Chains are verified by `symbolon-pki` alone, so there is one set of rules; [`peer_error`] finds its reason in whatever
//! error a stack hands on. Composite signatures use private TLS code points ([`CompositeSchemes`]), offered only to peers
//! of trust domains whose composite authorities are held, so stock software keeps seeing classical certificates.
//!
//! This crate must not know how certificates are issued, what a certificate's rules are, or where keys rest.

mod authorize;
mod choice;
mod client;
mod clock;
mod connection;
mod demand;
mod error;
mod group;
pub mod grpc;
mod handshakes;
mod identity;
mod migration;
mod offer;
mod provider;
mod scheme;
mod server;
mod session;
mod signing;
mod verifier;
pub mod workload_api;
mod x509_source;

pub use authorize::{AuthorizeId, CustomRule};
pub use client::{ClientOptions, Connector, bootstrap_client_config, client_config};
pub use connection::Connection;
pub use error::{HandshakeError, IdentityError, PeerError, TlsError, peer_error};
pub use group::{SECP384R1MLKEM1024, SECP384R1MLKEM1024_CODE};
pub use handshakes::{HandshakeCount, HandshakeCounts, HandshakeKind};
pub use identity::{IdentitySource, StaticSource, SvidIdentity};
pub use migration::{Migration, MigrationStage, MigrationTarget, UnknownMigration};
pub use provider::{KexPolicy, KxGroup, crypto_provider, group_name};
pub use scheme::{CompositeSchemes, SchemeError};
pub use server::{Acceptor, ClientAuth, ListenerOptions, server_config};
pub use session::{ConnectionInfo, Negotiated, PeerIdentity, negotiated, peer_identity};
pub use symbolon_pki::verify::PathPolicy;
pub use x509_source::{Backoff, Reporting, SourceStatus, X509Source};
