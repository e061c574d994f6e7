//! All connections to one endpoint: to one address of it, paced and counted.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::mpsc::channel;
use std::time::Duration;

use super::address::Address;
use super::line::{Fault, Line};
use super::pace::Pace;
use crate::scan::Budget;

/// The most addresses of one name.
const MOST_ADDRESSES: usize = 64;

/// The work on one endpoint.
#[derive(Debug)]
pub(super) struct Visit<'a> {
    pub(super) address: &'a Address,
    pace: &'a Pace,
    budget: Budget,
    patience: Duration,
    most: usize,
    made: usize,
    candidates: Vec<SocketAddr>,
    peer: Option<SocketAddr>,
}

impl<'a> Visit<'a> {
    /// Finds the addresses of an endpoint; contacts nobody but the resolver.
    pub(super) fn of(
        address: &'a Address,
        pace: &'a Pace,
        budget: Budget,
        patience: Duration,
        most: usize,
    ) -> Result<Self, Fault> {
        let mut candidates = match address.ip() {
            Some(ip) => vec![SocketAddr::new(ip, address.port)],
            None => resolve(&address.host, address.port, budget.left())?,
        };
        // Resolvers rotate their answers; two scans are to meet the same server.
        candidates.sort_unstable();
        candidates.dedup();
        if candidates.is_empty() {
            return Err(Fault::Unreachable(format!(
                "the name {} has no address",
                address.host
            )));
        }
        Ok(Self {
            address,
            pace,
            budget,
            patience,
            most,
            made: 0,
            candidates,
            peer: None,
        })
    }

    /// The next connection: to the first address that answered.
    pub(super) fn open(&mut self) -> Result<Line, Fault> {
        if self.made >= self.most {
            return Err(Fault::Spent(self.most));
        }
        if let Some(peer) = self.peer {
            return self.connect(peer);
        }
        let mut last = Fault::OutOfTime;
        for candidate in self.candidates.clone() {
            if self.made >= self.most {
                break;
            }
            match self.connect(candidate) {
                Ok(line) => {
                    self.peer = Some(candidate);
                    return Ok(line);
                }
                Err(Fault::OutOfTime) => return Err(last),
                Err(fault) => last = fault,
            }
        }
        Err(last)
    }

    fn connect(&mut self, to: SocketAddr) -> Result<Line, Fault> {
        if !self.pace.wait(to.ip(), self.budget) || self.budget.is_spent() {
            return Err(Fault::OutOfTime);
        }
        self.made += 1;
        Line::open(to, self.patience.min(self.budget.left()))
    }

    /// The address that answered.
    pub(super) fn peer(&self) -> Option<IpAddr> {
        self.peer.map(|peer| peer.ip())
    }

    /// Addresses of the same name that were left alone.
    pub(super) fn left_alone(&self) -> impl Iterator<Item = IpAddr> {
        let peer = self.peer;
        let others = self.candidates.iter().filter(move |other| Some(**other) != peer);
        others.map(SocketAddr::ip)
    }
}

/// The addresses of a name. The system's resolver knows no deadline, so it is waited for, and left behind when it
/// takes longer than there is time.
fn resolve(host: &str, port: u16, longest: Duration) -> Result<Vec<SocketAddr>, Fault> {
    let (sender, receiver) = channel();
    let name = host.to_owned();
    let asking = std::thread::Builder::new()
        .name("resolve".to_owned())
        .spawn(move || {
            let found = (name.as_str(), port)
                .to_socket_addrs()
                .map(|found| found.take(MOST_ADDRESSES).collect::<Vec<_>>());
            // Whoever asked may have given up.
            let _ = sender.send(found);
        });
    if let Err(error) = asking {
        return Err(Fault::Other(format!("a thread cannot be started: {error}")));
    }
    match receiver.recv_timeout(longest) {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(error)) => Err(Fault::Unreachable(format!(
            "the name {host} has no address: {error}"
        ))),
        Err(_) => Err(Fault::OutOfTime),
    }
}
