//! The server: who is registered, who may ask, what is issued and on record; and programs' ways to it.
//!
//! | module | what it is |
//! |---|---|
//! | [`server`], [`config`] | a whole server, started and stopped by one call, and its configuration file |
//! | [`authorities`], [`issuer`], [`identity`] | what signs, the pipeline around it, the server's own SVIDs |
//! | [`datastore`], [`record`], [`registrations`] | what is remembered, certificates in shared commits, entries in memory |
//! | [`authorization`], [`caller`], [`limits`] | who calls, who may call what, and how often |
//! | [`apply`], [`import`] | entries as documents declare them, and what another server has |
//! | [`client`], [`offline`], [`views`] | asking a server, or its data directory while none runs |
//! | [`ceremony`] | a root made offline by several people, its transcript and its verification; no server |
//! | [`telemetry`] | names of the events that decisions leave in the log |
//!
//! A request comes in over [`server`]'s endpoints, passes the [`authorization::Gate`], and reaches one of the services
//! that SPIRE's and our own interfaces name; those work with everything above.
//!
//! This crate must not know how certificates are encoded (`symbolon-issuance`), what is to be believed
//! (`symbolon-pki`), or how keys are kept (`symbolon-hsm`).

pub mod apply;
pub mod authorities;
pub mod authorization;
pub mod caller;
pub mod ceremony;
pub mod client;
pub mod config;
pub mod datastore;
pub mod federation;
pub mod identity;
mod ids;
pub mod import;
pub mod issuer;
pub mod journal;
pub mod limits;
pub mod migration;
pub mod offline;
mod outside;
pub mod record;
mod records;
pub mod registrations;
pub mod server;
mod services;
mod status;
pub mod telemetry;
pub mod upstream;
pub mod views;
mod wire;
