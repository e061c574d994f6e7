//! All connections to one endpoint: to one address of it, paced and counted.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::time::Duration;

use super::address::Address;
use super::line::{Fault, Line};
use super::pace::Pace;
use crate::scan::Budget;

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
        let mut candidates: Vec<SocketAddr> = match address.ip() {
            Some(ip) => vec![SocketAddr::new(ip, address.port)],
            None => (address.host.as_str(), address.port)
                .to_socket_addrs()
                .map_err(|error| {
                    Fault::Unreachable(format!("the name {} has no address: {error}", address.host))
                })?
                .collect(),
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
