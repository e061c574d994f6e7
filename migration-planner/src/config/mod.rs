//! Scanners for configuration: which protocols, suites, groups and schemes a program is told to speak, and which keys
//! and certificates it is told to use.
//!
//! No file that a configuration names is opened: its path is kept as a fact of the service, and is joined by place
//! with what other scanners find there. What a configuration leaves to the program is said to be left, since which
//! version of the program will read it is not known. A part that cannot be read is noted with its line, and the rest
//! is read.

use std::sync::Arc;

mod apache;
pub(crate) mod ciphers;
mod command;
mod envoy;
mod groups;
mod haproxy;
mod ike;
mod java;
mod kafka;
mod kubernetes;
mod nginx;
mod openssl;
mod policies;
mod postgresql;
mod report;
mod ssh;
mod strongswan;
#[cfg(test)]
mod testing;
mod text;
mod tls;
mod wireguard;
mod yaml;

pub use self::apache::Apache;
pub use self::envoy::Envoy;
pub use self::haproxy::HaProxy;
pub use self::java::JavaSecurity;
pub use self::kafka::Kafka;
pub use self::kubernetes::Kubernetes;
pub use self::nginx::Nginx;
pub use self::openssl::OpenSsl;
pub use self::policies::CryptoPolicies;
pub use self::postgresql::PostgreSql;
pub use self::ssh::SshConfig;
pub use self::strongswan::StrongSwan;
pub use self::wireguard::WireGuard;
use crate::scan::Scanner;

/// All of them.
#[must_use]
pub fn scanners() -> Vec<Arc<dyn Scanner>> {
    vec![
        Arc::new(OpenSsl),
        Arc::new(CryptoPolicies),
        Arc::new(Nginx),
        Arc::new(Apache),
        Arc::new(HaProxy),
        Arc::new(Envoy),
        Arc::new(SshConfig),
        Arc::new(PostgreSql),
        Arc::new(Kafka),
        Arc::new(StrongSwan),
        Arc::new(WireGuard),
        Arc::new(JavaSecurity),
        Arc::new(Kubernetes),
    ]
}

#[cfg(test)]
mod tests;
