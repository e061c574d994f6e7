//! What the programs need of the machine they run on, and nothing about what they do.
//!
//! The server, the agent and the command line share these: the data directory with its version and lock
//! ([`data_dir`]), files that a crash cannot break ([`file`](mod@file)), Unix sockets that are bound without surprises
//! ([`socket`]), strict TOML configuration ([`config`]), durations as people write them ([`duration`]), logs
//! ([`logging`]), the signals that end a process or have it read its configuration again ([`shutdown`]), and what its
//! operator watches it by: the service manager ([`systemd`]), pages for probes ([`pages`]), figures ([`metrics`]) and
//! traces ([`traces`]), configured by sections that the programs share ([`watch`]); and the way to a service outside: a
//! connection to a host ([`dial`]), and one request over it ([`http`]).
//!
//! All but files are behind the features `config` (configuration, durations, data directories), `dial`, `http`, `logging`,
//! `metrics`, `pages`, `traces`, `watch` and `runtime` (sockets, signals, service manager), so that a library can have the
//! files without what only a program needs.
//!
//! This crate must not know keys, certificates, identities or what the programs say to each other.

#[cfg(feature = "config")]
pub mod config;
#[cfg(feature = "config")]
pub mod data_dir;
#[cfg(feature = "dial")]
pub mod dial;
#[cfg(feature = "config")]
pub mod duration;
pub mod file;
#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "logging")]
pub mod logging;
#[cfg(feature = "metrics")]
pub mod metrics;
#[cfg(feature = "pages")]
pub mod pages;
#[cfg(feature = "runtime")]
pub mod shutdown;
#[cfg(feature = "runtime")]
pub mod socket;
#[cfg(feature = "runtime")]
pub mod systemd;
#[cfg(feature = "traces")]
pub mod traces;
#[cfg(feature = "watch")]
pub mod watch;

#[cfg(feature = "config")]
pub use config::ConfigError;
#[cfg(feature = "config")]
pub use data_dir::{DataDir, DataDirError};
#[cfg(feature = "config")]
pub use duration::HumanDuration;
#[cfg(feature = "runtime")]
pub use socket::SocketError;
