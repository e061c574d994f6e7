//! Proof against other people's software.
//!
//! A peer is a test target `peer_<name>` with what is not Rust in the folder `<name>/`. This library is what the
//! peers' tests share: chains to verify, programs to run, listeners to connect to. It must not judge: what a peer
//! made of our bytes comes back as it is, and the tests say what it should have been.

pub mod cells;
pub mod chain;
pub mod document;
pub mod operator;
pub mod own_agent;
pub mod programs;
pub mod raw;
pub mod revocation;
pub mod running;
pub mod server;
pub mod spire;
pub mod spire_agent;
pub mod spire_server;
pub mod talk;
pub mod tls;
pub mod trixie;
pub mod up;
pub mod workload;
