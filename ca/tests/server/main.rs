//! A real server on a temporary data directory, called over its own sockets.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod agents;
mod authorization;
mod bundle;
mod entries;
mod life;
mod start;
mod support;
mod svids;
