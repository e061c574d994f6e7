//! The node agent: attests its node, keeps the SVIDs of its workloads fresh, and serves them the SPIFFE Workload API.
//!
//! [`Agent::start`] runs one in this process; the binary `symbolon-agent` does nothing else. It speaks SPIRE's API to its
//! server, whoever made that, over hybrid mutual TLS, and asks for post-quantum forms by metadata that other servers pass
//! over.
//!
//! | module | concern |
//! |---|---|
//! | [`config`] | the configuration file |
//! | `attest` | becoming an agent, and staying one |
//! | `identity` | the agent's own key and SVID, kept across restarts |
//! | `server` | the connection to the server and what is asked over it |
//! | `sync` | keeping up with the server |
//! | `cache` | entries, trust bundle, the workloads' SVIDs |
//! | `issue` | fetching SVIDs when they are due |
//! | `migration` | how far entries are in their migration, and what workloads report of it |
//! | `attestor` | finding out about workloads |
//! | `workload_api` | serving them |
//!
//! This crate must not know how certificates are made or decided on: it has no server code.

mod agent;
mod attest;
mod attestor;
mod cache;
pub mod config;
mod error;
mod identity;
mod issue;
mod migration;
mod server;
mod status;
mod sync;
pub mod telemetry;
mod time;
mod workload_api;

pub use agent::{Agent, Environment, RunningAgent};
pub use attest::{ConfiguredEvidence, EvidenceError, EvidenceSource};
pub use config::AgentConfig;
pub use error::AgentError;
pub use identity::NotAnSvid;
pub use server::CallError;
pub use status::{AgentStatus, Phase};
pub use time::{SystemTimer, Timer};
