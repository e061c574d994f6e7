//! TLS servers, at once or after STARTTLS: what they accept, found by asking.

mod answer;
mod choice;
mod codes;
mod decode;
mod groups;
mod handshake;
mod hello;
mod offers;
mod probe;
mod report;
mod suites;
mod survey;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod verdicts;
mod versions;

use std::sync::Arc;

pub(super) use self::handshake::share;

use super::address::Address;
use super::pace::Pace;
use super::starttls::SCHEMES;
use super::visit::Visit;
use super::{Endpoint, Settings};
use crate::inventory::{Fragment, Reason};
use crate::scan::{Piece, Scanner, Target, Trigger};

/// TLS endpoints.
#[derive(Debug)]
pub(super) struct Tls {
    pub(super) settings: Settings,
    pub(super) pace: Arc<Pace>,
}

impl Scanner for Tls {
    fn name(&self) -> &'static str {
        "tls"
    }

    fn triggers(&self) -> &[Trigger] {
        const TRIGGERS: [Trigger; SCHEMES.len()] = {
            let mut triggers = [Trigger::Scheme("tls"); SCHEMES.len()];
            let mut at = 0;
            while at < SCHEMES.len() {
                triggers[at] = Trigger::Scheme(SCHEMES[at].0);
                at += 1;
            }
            triggers
        };
        &TRIGGERS
    }

    fn scan(&self, piece: &Piece<'_>, found: &mut Fragment) {
        let Piece::Target(Target::Uri { scheme, uri }, budget) = piece else {
            return;
        };
        let Some(&(scheme, port, opening)) = SCHEMES.iter().find(|(known, ..)| known == scheme) else {
            return;
        };
        let address = match Address::parse(uri, port) {
            Ok(address) => address,
            Err(error) => return found.unread(Reason::Unsupported, None, error.to_string()),
        };
        let settings = &self.settings;
        let most = settings.tls_connections;
        let surveyed = Visit::of(&address, &self.pace, *budget, settings.patience, most)
            .and_then(|mut visit| Ok((survey::survey(&mut visit, opening)?, visit)));
        match surveyed {
            Ok((survey, visit)) => {
                // HTTPS is TLS with something in it; both names of one place are one service.
                let scheme = if scheme == "https" { "tls" } else { scheme };
                let endpoint = Endpoint::of(scheme, &visit);
                report::report(&survey, &endpoint, found);
            }
            Err(fault) => found.unread(fault.reason(), None, fault.to_string()),
        }
    }
}
