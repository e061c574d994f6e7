//! What the programs need of the machine they run on, and nothing about what they do.
//!
//! The server, the agent and the command line share these: the data directory with its version and lock
//! ([`data_dir`]), files that a crash cannot break ([`file`](mod@file)), Unix sockets that are bound without surprises
//! ([`socket`]), strict TOML configuration ([`config`]), durations as people write them ([`duration`]), logs
//! ([`logging`]) and the signals that end a process ([`shutdown`]).
//!
//! All but files are behind the features `config` (configuration, durations, data directories), `logging` and
//! `runtime` (sockets and signals), so that a library can have the files without what only a program needs.
//!
//! This crate must not know keys, certificates, identities or any wire protocol.

#[cfg(feature = "config")]
pub mod config;
#[cfg(feature = "config")]
pub mod data_dir;
#[cfg(feature = "config")]
pub mod duration;
pub mod file;
#[cfg(feature = "logging")]
pub mod logging;
#[cfg(feature = "runtime")]
pub mod shutdown;
#[cfg(feature = "runtime")]
pub mod socket;

#[cfg(feature = "config")]
pub use config::ConfigError;
#[cfg(feature = "config")]
pub use data_dir::{DataDir, DataDirError};
#[cfg(feature = "config")]
pub use duration::HumanDuration;
#[cfg(feature = "runtime")]
pub use socket::SocketError;
