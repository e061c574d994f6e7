//! Authorities that somebody above the server certifies.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod disk;
mod offline;
mod refused;
mod root;

#[allow(dead_code, reason = "shared with the tests of a server by itself")]
#[path = "../server/support.rs"]
mod support;
