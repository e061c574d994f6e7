//! The server as the agent sees it: one connection, and what is asked over it.
//!
//! Answers are checked here, once: what leaves this module are the agent's own types. It must not know what is kept
//! or served.

mod bundle;
mod entries;
mod failure;
mod issue;
mod jwt;
mod link;
mod offset;

pub(crate) use bundle::{Migrates, OwnBundle, fetch_bundle, fetch_federated_bundle};
pub(crate) use entries::sync_entries;
pub use failure::CallError;
pub(crate) use issue::{Answer, Ask, issue};
pub(crate) use jwt::{MintedJwt, mint_jwt};
pub(crate) use link::{CALL_TIMEOUT, ServerLink, Wire, server_id};
pub(crate) use offset::{OffsetSeconds, clock_offset};
