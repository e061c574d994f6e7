//! The server: gRPC services, datastore, registration, authorities.

pub mod authorities;
pub mod authorization;
pub mod caller;
pub mod client;
pub mod config;
pub mod datastore;
pub mod identity;
mod ids;
pub mod issuer;
pub mod offline;
pub mod record;
mod records;
pub mod registrations;
pub mod server;
mod services;
mod status;
pub mod telemetry;
pub mod views;
mod wire;
