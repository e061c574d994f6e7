//! Bundles fetched from endpoints that are what they should be, and from those that are not.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod endpoint;
mod spiffe_endpoint;
mod web_endpoint;
