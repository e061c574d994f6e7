//! The server: gRPC services, datastore, registration, authorities.
