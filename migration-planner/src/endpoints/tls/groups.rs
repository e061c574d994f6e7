//! Questions about groups, signature schemes and certificates.

use super::choice::{CLOSES, Choice, choice, is_mute};
use super::codes::{
    FOR_CERTIFICATES, Version, alert_name, group_name, groups_of, is_post_quantum, scheme_name,
};
use super::handshake::{self, Ended, computable, share};
use super::probe::{Answer, Question, connect};
use super::suites::{KeyExchange, is_ecdsa, key_exchange};
use super::survey::{SOMETIMES, Surveyor};
use crate::endpoints::line::Fault;
use crate::inventory::Reason;

const NEW: Version = Version::Tls13;
const OLD: Version = Version::Tls12;

const CLASSICAL: &str = "TLS 1.3 with classical groups alone";

/// The fields of RFC 7919.
const FIELDS: [u16; 5] = [0x0100, 0x0101, 0x0102, 0x0103, 0x0104];

/// Curves that a certificate's key may be on.
const OF_CERTIFICATES: [u16; 3] = [0x0017, 0x0018, 0x0019];

impl Surveyor<'_, '_> {
    /// A question of TLS 1.3 about groups.
    fn ask_13(&mut self, groups: &[u16], shares: &[(u16, Vec<u8>)]) -> Result<Choice, Fault> {
        let answer = self.ask(&Question {
            version: NEW,
            suites: &self.offers.suites(NEW),
            groups,
            schemes: &self.offers.schemes_offered(NEW),
            shares,
        });
        choice(answer, NEW, |flight| flight.hello.group)
    }

    /// Whether classical groups alone are enough.
    pub(super) fn classical(&mut self, _: Version) -> Result<(), Fault> {
        let mut classical = self.offers.groups(NEW);
        classical.retain(|code| !is_post_quantum(*code));
        match self.ask_13(&classical, &[])? {
            Choice::Chose(_) => self.found.classical = Some(true),
            Choice::Nothing => self.found.classical = Some(false),
            Choice::Mute if self.means_no()? => self.found.classical = Some(false),
            Choice::Mute => self.unclear(Reason::Refused, CLASSICAL, SOMETIMES),
            Choice::Unclear(reason, why) => self.unclear(reason, CLASSICAL, &why),
        }
        Ok(())
    }

    fn unclear(&mut self, reason: Reason, what: &str, why: &str) {
        self.found.notes.push((reason, format!("{what}: {why}")));
    }

    fn groups_so_far(&self) -> &[String] {
        self.found
            .accepted
            .get(&NEW)
            .map_or(&[], |accepted| &accepted.groups)
    }

    pub(super) fn groups_13(&mut self, _: Version) -> Result<(), Fault> {
        let mut chosen = Vec::new();
        let all = self.offers.groups(NEW);
        let outcome = self.eliminate("TLS 1.3 groups", all, &mut chosen, |surveyor, left| {
            surveyor.ask_13(left, &[])
        });
        let accepted = self.found.accepted.entry(NEW).or_default();
        accepted.groups = chosen.into_iter().map(group_name).collect();
        outcome
    }

    /// The code points of the groups that TLS 1.3 is accepted with.
    fn accepted_13(&self) -> Vec<u16> {
        let names = self.groups_so_far();
        let known = groups_of(NEW).filter(|group| names.iter().any(|name| name == group.name));
        let mut codes: Vec<u16> = known.map(|group| group.code).collect();
        // The server's order, not ours.
        codes.sort_by_key(|code| names.iter().position(|name| *name == group_name(*code)));
        codes
    }

    /// What comes about when a client has both kinds of groups.
    pub(super) fn preference(&mut self, _: Version) -> Result<(), Fault> {
        let accepted = self.accepted_13();
        let find = |wanted: bool| {
            accepted
                .iter()
                .copied()
                .find(|code| is_post_quantum(*code) == wanted)
        };
        let Some(strong) = find(true) else { return Ok(()) };
        let Some(weak) = find(false) else {
            self.found.post_quantum.negotiated = Some(strong);
            return Ok(());
        };
        if let Some(code) = self.prefers(&[weak, strong], &[])? {
            self.found.post_quantum.preferred = Some(code == strong);
            self.found.post_quantum.negotiated = Some(code).filter(|code| *code == strong);
        }
        let Some(weak_share) = share(weak) else {
            return Ok(());
        };
        let weak_share = (weak, weak_share);
        if let Some(code) = self.prefers(&[strong, weak], std::slice::from_ref(&weak_share))? {
            self.found.post_quantum.asked_again = Some(code == strong);
        }
        let Some(strong_share) = share(strong) else {
            return Ok(());
        };
        if let Some(code) = self.prefers(&[strong, weak], &[(strong, strong_share), weak_share])? {
            self.found.post_quantum.negotiated = Some(code).filter(|code| is_post_quantum(*code));
        }
        Ok(())
    }

    /// Which of groups that it accepts a server takes; why not is noted.
    fn prefers(&mut self, groups: &[u16], shares: &[(u16, Vec<u8>)]) -> Result<Option<u16>, Fault> {
        const WHAT: &str = "TLS 1.3 preference among groups";
        match self.ask_13(groups, shares)? {
            Choice::Chose(code) => return Ok(Some(code)),
            Choice::Nothing | Choice::Mute => {
                self.unclear(
                    Reason::Refused,
                    WHAT,
                    "the server refuses what it accepted before",
                );
            }
            Choice::Unclear(reason, why) => self.unclear(reason, WHAT, &why),
        }
        Ok(None)
    }

    /// Whole handshakes: certificates, schemes, and whether a client's certificate is asked for.
    pub(super) fn schemes_13(&mut self, _: Version) -> Result<(), Fault> {
        let groups: Vec<u16> = self
            .accepted_13()
            .into_iter()
            .filter(|code| computable(*code).is_some())
            .collect();
        if groups.is_empty() {
            let names = self.groups_so_far().join(", ");
            self.found.notes.push((
                Reason::Unsupported,
                format!("TLS 1.3 certificates and signature schemes: no group that is computed here is accepted ({names})"),
            ));
            return Ok(());
        }
        let mut chosen = Vec::new();
        let what = "TLS 1.3 signature schemes";
        let mut refused = None;
        let all = self.offers.schemes(NEW);
        let outcome = self.eliminate(what, all, &mut chosen, |surveyor, left| {
            let schemes = [left, &FOR_CERTIFICATES].concat();
            let ended = match surveyor.shake(&groups, &schemes)? {
                // As with any other question: once more.
                Ended::Fault(Fault::Closed) => {
                    let again = surveyor.shake(&groups, &schemes)?;
                    surveyor.sheds |= !matches!(again, Ended::Fault(_));
                    again
                }
                ended => ended,
            };
            Ok(match ended {
                Ended::Shown(shown) => {
                    surveyor.see(&shown.chain);
                    *surveyor.found.asks_client.get_or_insert(false) |= shown.asks_client;
                    shown.scheme.map_or(Choice::Nothing, Choice::Chose)
                }
                Ended::Alert(code) => {
                    refused = Some(alert_name(code));
                    if is_mute(code) {
                        Choice::Mute
                    } else {
                        Choice::Nothing
                    }
                }
                Ended::Fault(Fault::Closed) => {
                    refused = Some(CLOSES.to_owned());
                    Choice::Mute
                }
                Ended::Fault(fault) => Choice::Unclear(fault.reason(), fault.to_string()),
            })
        });
        if let (true, Ok(()), Some(how)) = (chosen.is_empty(), &outcome, refused) {
            let note = format!(
                "TLS 1.3 certificates: the server ends the handshake ({how}); its keys may be for signature schemes, \
                 or it may want suites, that are not offered here"
            );
            self.found.notes.push((Reason::Refused, note));
        }
        self.found.scheme = chosen.first().copied();
        self.found.accepted.entry(NEW).or_default().schemes = chosen;
        outcome
    }

    /// A whole handshake on a connection of its own. Errors are only those that end the work.
    fn shake(&mut self, groups: &[u16], schemes: &[u16]) -> Result<Ended, Fault> {
        let mut line = match connect(self.visit, self.opening) {
            Ok(line) => line,
            Err(fault) if fault.is_final() => return Err(fault),
            Err(fault) => return Ok(Ended::Fault(fault)),
        };
        let name = self.visit.address.server_name.as_deref();
        Ok(handshake::shake(&mut line, name, groups, schemes))
    }

    /// The accepted suites of a version that are for this purpose.
    fn accepted_suites(&self, version: Version, wanted: impl Fn((KeyExchange, bool)) -> bool) -> Vec<u16> {
        let accepted = self.found.accepted.get(&version);
        let suites = accepted.map_or(&[][..], |accepted| &accepted.suites);
        suites
            .iter()
            .copied()
            .filter(|code| wanted(key_exchange(*code)))
            .collect()
    }

    /// Curves and fields up to TLS 1.2, which only a server's key exchange shows.
    pub(super) fn groups_old(&mut self, version: Version) -> Result<(), Fault> {
        let mut chosen = Vec::new();
        let outcome = match self.curves(version, &mut chosen) {
            Ok(()) => self.fields(version, &mut chosen),
            Err(fault) => Err(fault),
        };
        let accepted = self.found.accepted.entry(version).or_default();
        // Fields of a server's own, which it takes whatever is offered.
        let own = std::mem::take(&mut accepted.groups);
        accepted.groups = chosen.into_iter().map(group_name).collect();
        for name in own {
            if !accepted.groups.contains(&name) {
                accepted.groups.push(name);
            }
        }
        outcome
    }

    fn curves(&mut self, version: Version, chosen: &mut Vec<u16>) -> Result<(), Fault> {
        let suites = self.accepted_suites(version, |(exchange, _)| exchange == KeyExchange::Ecdhe);
        if suites.is_empty() {
            return Ok(());
        }
        let schemes = self.offers.schemes_offered(version);
        let mut ask = |surveyor: &mut Self, groups: &[u16]| {
            let answer = surveyor.ask(&Question {
                version,
                suites: &suites,
                groups,
                schemes: &schemes,
                shares: &[],
            });
            choice(answer, version, |flight| flight.exchange.as_ref()?.code)
        };
        let what = format!("{} groups", version.words());
        let mut all = self.offers.groups(version);
        all.retain(|code| !FIELDS.contains(code));
        self.eliminate(&what, all.clone(), chosen, &mut ask)?;
        if !suites.iter().all(|code| is_ecdsa(*code)) {
            return Ok(());
        }
        // A certificate's key is on one of these curves, and a client that does not offer it does not take the
        // certificate: then the list ended too early.
        for kept in OF_CERTIFICATES {
            if !chosen.contains(&kept) {
                continue;
            }
            let left: Vec<u16> = all
                .iter()
                .copied()
                .filter(|code| !chosen.contains(code))
                .collect();
            let before = chosen.len();
            let mut insists = false;
            self.eliminate(&what, left, chosen, |surveyor, left| {
                match ask(surveyor, &[left, &[kept]].concat())? {
                    Choice::Chose(code) if code == kept => {
                        insists = true;
                        Ok(Choice::Nothing)
                    }
                    other => Ok(other),
                }
            })?;
            if insists && !self.follows_us(kept, chosen, &mut ask)? {
                let name = group_name(kept);
                let note = format!(
                    "{what}: the server takes {name} whatever else is offered, and its certificate needs {name} to \
                     be offered; what else it accepts is not seen"
                );
                self.found.notes.push((Reason::Unsupported, note));
            }
            if insists || chosen.len() > before {
                break;
            }
        }
        Ok(())
    }

    /// Whether a server is seen to follow our order: it takes this group before one that it chose earlier.
    fn follows_us(
        &mut self,
        group: u16,
        chosen: &[u16],
        ask: &mut impl FnMut(&mut Self, &[u16]) -> Result<Choice, Fault>,
    ) -> Result<bool, Fault> {
        let other = chosen.iter().copied().find(|code| *code != group);
        let Some(other) = other else { return Ok(false) };
        let (one, two) = (ask(self, &[group, other])?, ask(self, &[other, group])?);
        Ok(
            matches!((one, two), (Choice::Chose(first), Choice::Chose(second)) if first == group && second == other),
        )
    }

    /// The fields of RFC 7919 that the server takes when they are offered.
    fn fields(&mut self, version: Version, chosen: &mut Vec<u16>) -> Result<(), Fault> {
        let suites = self.accepted_suites(version, |(exchange, _)| exchange == KeyExchange::Dhe);
        if suites.is_empty() {
            return Ok(());
        }
        let schemes = self.offers.schemes_offered(version);
        let what = format!("{} groups", version.words());
        self.eliminate(&what, FIELDS.to_vec(), chosen, |surveyor, left| {
            let answer = surveyor.ask(&Question {
                version,
                suites: &suites,
                groups: left,
                schemes: &schemes,
                shares: &[],
            });
            let picked = choice(answer, version, |flight| {
                let name = &flight.exchange.as_ref()?.group;
                FIELDS.into_iter().find(|code| group_name(*code) == *name)
            })?;
            Ok(match picked {
                // A server that does not know RFC 7919 has one field for everyone.
                Choice::Chose(code) if !left.contains(&code) => Choice::Nothing,
                other => other,
            })
        })
    }

    pub(super) fn schemes_12(&mut self, _: Version) -> Result<(), Fault> {
        let suites = self.accepted_suites(OLD, |(_, signed)| signed);
        if suites.is_empty() {
            return Ok(());
        }
        let groups = self.offers.groups(OLD);
        let mut chosen = Vec::new();
        let what = "TLS 1.2 signature schemes";
        let outcome = self.eliminate(what, self.offers.schemes(OLD), &mut chosen, |surveyor, left| {
            let answer = surveyor.ask(&Question {
                version: OLD,
                suites: &suites,
                groups: &groups,
                schemes: left,
                shares: &[],
            });
            if let Answer::Flight(flight) = &answer
                && let Some(scheme) = flight.exchange.as_ref().and_then(|exchange| exchange.scheme)
                && !left.contains(&scheme)
            {
                // RFC 5246 §7.4.1.4.1: with nothing in common some fall back to SHA-1.
                let name = scheme_name(scheme);
                let note = format!("TLS 1.2 signature schemes: the server signs with {name}, offered or not");
                surveyor.found.notes.push((Reason::Malformed, note));
                return Ok(Choice::Nothing);
            }
            choice(answer, OLD, |flight| flight.exchange.as_ref()?.scheme)
        });
        if self.found.scheme.is_none() {
            self.found.scheme = chosen.first().copied();
        }
        self.found.accepted.entry(OLD).or_default().schemes = chosen;
        outcome
    }
}
