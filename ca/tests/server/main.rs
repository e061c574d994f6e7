//! A real server on a temporary data directory, called over its own sockets.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod admission;
mod agents;
mod appended;
mod attesting;
mod authorities;
mod authorization;
mod authorized;
mod bundle;
mod certified;
mod component_keys;
mod downstream;
mod entries;
mod federated_bundles;
mod federation;
mod foreign;
mod forms;
mod gate;
mod hostile;
mod inside;
mod life;
mod lists;
mod localauthority;
mod migration;
mod mint;
mod names;
mod places;
mod registration;
mod retention;
mod start;
mod support;
mod svids;
mod tokens;
mod watching;
mod wit;
