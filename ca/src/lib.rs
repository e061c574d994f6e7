//! The server: gRPC services, datastore, registration, authorities.

pub mod authorities;
pub mod datastore;
pub mod issuer;
pub mod record;
mod records;
