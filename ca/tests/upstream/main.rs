//! Authorities that somebody above the server certifies.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod disk;
mod fallen;
mod following;
mod offline;
mod over_the_wire;
mod passed_up;
mod refused;
mod root;
mod run;
mod stand;
mod turns;
mod upper;
mod vault;

#[path = "../../../tls/tests/common/agent.rs"]
mod agent;
#[path = "../../../tls/tests/common/mod.rs"]
mod common;
#[allow(dead_code, reason = "shared with the tests of a server by itself")]
#[path = "../server/support.rs"]
mod support;
