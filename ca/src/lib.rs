//! The server: gRPC services, datastore, registration, authorities.

pub mod authorities;
pub mod authorization;
pub mod caller;
pub mod config;
pub mod datastore;
pub mod identity;
mod ids;
pub mod issuer;
pub mod record;
mod records;
pub mod registrations;
pub mod server;
mod services;
mod status;
pub mod telemetry;
mod wire;
