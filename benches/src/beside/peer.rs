//! The two servers as processes, and what the system says of them.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use symbolon_interop::chain;
use symbolon_interop::server::{Server, Settings};
use symbolon_interop::spire;
use symbolon_interop::spire_server::SpireServer;

use crate::issuer::AnyError;

/// The trust domain of both.
pub(super) const TRUST_DOMAIN: &str = chain::TRUST_DOMAIN;

/// A running server.
pub(super) struct Peer {
    kind: Kind,
    version: String,
}

enum Kind {
    Spire(Box<SpireServer>),
    Symbolon(Box<Server>),
}

/// What of a process is in memory, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Memory {
    pub(super) resident: u64,
    pub(super) peak: u64,
}

impl Peer {
    /// SPIRE's server on a SQLite file, its limits off, with its own defaults besides.
    pub(super) fn spire() -> Result<Self, AnyError> {
        Ok(Self {
            kind: Kind::Spire(Box::new(SpireServer::start("")?)),
            version: format!("SPIRE {}", spire::version()?),
        })
    }

    /// Ours on its SQLite file, its limits off, with its own defaults besides.
    pub(super) fn symbolon() -> Result<Self, AnyError> {
        let server = Server::with(&Settings {
            sections: "[limits]\nattestation = 0\nsigning = 0\nkey_push = 0\nstatus = 0\ncalls = 0\n"
                .to_owned(),
            log: "warn".to_owned(),
            ..Settings::default()
        })?;
        Ok(Self {
            kind: Kind::Symbolon(Box::new(server)),
            version: format!("Symbolon {}", env!("CARGO_PKG_VERSION")),
        })
    }

    pub(super) fn version(&self) -> &str {
        &self.version
    }

    pub(super) fn address(&self) -> SocketAddr {
        match &self.kind {
            Kind::Spire(server) => server.address(),
            Kind::Symbolon(server) => server.address(),
        }
    }

    pub(super) fn socket(&self) -> PathBuf {
        match &self.kind {
            Kind::Spire(server) => server.socket(),
            Kind::Symbolon(server) => server.socket(),
        }
    }

    fn id(&self) -> u32 {
        match &self.kind {
            Kind::Spire(server) => server.id(),
            Kind::Symbolon(server) => server.id(),
        }
    }

    /// Processor time that the process has spent so far, its own and the system's for it.
    pub(super) fn processor(&self) -> Result<Duration, AnyError> {
        let path = format!("/proc/{}/stat", self.id());
        let text = fs::read_to_string(&path)?;
        // The name in parentheses may hold anything; after it the state is field 3, the times are 14 and 15.
        let (_, fields) = text.rsplit_once(')').ok_or("no name in stat")?;
        let mut times = fields.split_whitespace().skip(11).take(2).map(str::parse::<u64>);
        let (Some(user), Some(system)) = (times.next(), times.next()) else {
            return Err(format!("{path} has too few fields").into());
        };
        let per_second = rustix::param::clock_ticks_per_second();
        Ok(Duration::from_nanos(
            (user? + system?) * 1_000_000_000 / per_second,
        ))
    }

    /// What of it is in memory, and the most that ever was.
    pub(super) fn memory(&self) -> Result<Memory, AnyError> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        let field = |name: &str| -> Result<u64, AnyError> {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let number = line.and_then(|line| line.trim().strip_suffix("kB"));
            let number = number.ok_or_else(|| format!("the system does not tell {name}"))?;
            Ok(number.trim().parse::<u64>()? * 1024)
        };
        Ok(Memory {
            resident: field("VmRSS:")?,
            peak: field("VmHWM:")?,
        })
    }
}
