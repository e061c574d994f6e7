//! What the programs need of the machine they run on, and nothing about what they do.
//!
//! The server, the agent and the command line share these: the data directory with its version and lock
//! ([`data_dir`]), files that a crash cannot break ([`file`](mod@file)), Unix sockets that are bound without surprises
//! ([`socket`]), strict TOML configuration ([`config`]), durations as people write them ([`duration`]), logs
//! ([`logging`]) and the signals that end a process ([`shutdown`]).
//!
//! This crate must not know keys, certificates, identities or any wire protocol.

pub mod config;
pub mod data_dir;
pub mod duration;
pub mod file;
pub mod logging;
pub mod shutdown;
pub mod socket;

pub use config::ConfigError;
pub use data_dir::{DataDir, DataDirError};
pub use duration::HumanDuration;
pub use socket::SocketError;
