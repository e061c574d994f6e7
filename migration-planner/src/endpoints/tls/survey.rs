//! What a server accepts, found by asking: which questions, in which order, and what follows from the answers.

use std::collections::{BTreeMap, BTreeSet};

use super::choice::{CLOSES, Choice, choice, refusal};
use super::codes::{Version, alert_name, groups_of, offered_schemes};
use super::handshake;
use super::probe::{Answer, Flight, Question, ask};
use super::suites::offered;
use crate::endpoints::line::Fault;
use crate::endpoints::starttls::Opening;
use crate::endpoints::visit::Visit;
use crate::inventory::Reason;

/// The most chains of one server: few have more than three keys.
const MOST_CHAINS: usize = 16;

/// Everything that was learned of one server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Survey {
    /// Versions that are accepted, and what with them.
    pub(crate) accepted: BTreeMap<Version, Accepted>,
    /// Versions that are not, and how the server says so.
    pub(crate) refused: BTreeMap<Version, String>,
    /// Every chain that was presented.
    pub(crate) chains: BTreeSet<Vec<Vec<u8>>>,
    /// There were more of them than are kept.
    more_chains: bool,
    /// Whether a client's certificate is asked for, as far as that was seen.
    pub(crate) asks_client: Option<bool>,
    /// Whether TLS 1.3 is accepted with classical groups alone.
    pub(crate) classical: Option<bool>,
    pub(crate) post_quantum: PostQuantum,
    /// The scheme that signs when everything is offered.
    pub(crate) scheme: Option<u16>,
    /// What could not be learned.
    pub(crate) notes: Vec<(Reason, String)>,
}

/// What is accepted with one version.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Accepted {
    /// In the order in which the server chose them.
    pub(crate) suites: Vec<u16>,
    /// Whether that order is the server's own; it is the order of our offer otherwise.
    pub(crate) own_order: Option<bool>,
    /// By name, in the order in which the server chose them.
    pub(crate) groups: Vec<String>,
    pub(crate) schemes: Vec<u16>,
}

/// How a server that has post-quantum groups uses them.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct PostQuantum {
    /// It takes such a group although the client names a classical one first.
    pub(crate) preferred: Option<bool>,
    /// It asks again for such a group when only a classical key share was sent.
    pub(crate) asked_again: Option<bool>,
    /// What comes about with a client that sends shares for both.
    pub(crate) negotiated: Option<u16>,
}

/// The asking.
#[derive(Debug)]
pub(super) struct Surveyor<'a, 'v> {
    pub(super) visit: &'a mut Visit<'v>,
    pub(super) opening: Opening,
    pub(super) found: Survey,
}

type Step<'a, 'v> = fn(&mut Surveyor<'a, 'v>, Version) -> Result<(), Fault>;

/// Surveys a server. An error means that nothing at all was learned.
pub(crate) fn survey(visit: &mut Visit<'_>, opening: Opening) -> Result<Survey, Fault> {
    let mut surveyor = Surveyor {
        visit,
        opening,
        found: Survey::default(),
    };
    surveyor.versions()?;
    surveyor.details();
    Ok(surveyor.found)
}

impl<'a, 'v> Surveyor<'a, 'v> {
    /// Asks with everything that the version has, but what the question says.
    pub(super) fn ask(&mut self, question: &Question<'_>) -> Answer {
        let mut answer = ask(self.visit, self.opening, question);
        // From a server that is known to answer this may be somebody who sheds load: it is not taken for a no at once.
        if answer == Answer::Fault(Fault::Closed) && !self.found.accepted.is_empty() {
            answer = ask(self.visit, self.opening, question);
        }
        if let Answer::Flight(flight) = &answer {
            self.learn(flight);
        }
        answer
    }

    /// What any answer in the clear tells besides what was asked.
    fn learn(&mut self, flight: &Flight) {
        self.see(&flight.chain);
        if flight.hello.version < Version::Tls13.code() && !flight.cut {
            let asks = self.found.asks_client.get_or_insert(false);
            // An anonymous server cannot ask.
            *asks |= flight.asks_client;
        }
    }

    /// Keeps a chain that was presented.
    pub(super) fn see(&mut self, chain: &[Vec<u8>]) {
        if chain.is_empty() || self.found.chains.contains(chain) {
            return;
        }
        match self.found.chains.len() {
            ..MOST_CHAINS => {
                self.found.chains.insert(chain.to_vec());
            }
            MOST_CHAINS if !self.found.more_chains => {
                self.found.more_chains = true;
                let note = format!("certificates: only the first {MOST_CHAINS} chains are listed");
                self.found.notes.push((Reason::TooLarge, note));
            }
            _ => {}
        }
    }

    /// Which versions there are.
    fn versions(&mut self) -> Result<(), Fault> {
        let mut faults: Vec<(Version, Fault)> = Vec::new();
        for version in Version::ALL {
            match self.version(version) {
                Ok(true) => {
                    self.found.accepted.insert(version, Accepted::default());
                }
                Ok(false) => {}
                Err(fault) if fault.is_final() && self.found.accepted.is_empty() => return Err(fault),
                // A server that says no before TLS begins says no to every version.
                Err(fault @ Fault::Refused(_)) if self.found.accepted.is_empty() => return Err(fault),
                Err(fault) => {
                    let end = fault.is_final();
                    faults.push((version, fault));
                    // Twice the same silence or the same gibberish: it is not worth three more connections.
                    let nothing = self.found.accepted.is_empty() && self.found.refused.is_empty();
                    if end || (nothing && faults.len() >= 2) {
                        break;
                    }
                }
            }
        }
        if self.found.accepted.is_empty() {
            return Err(self.nothing(faults));
        }
        for (version, fault) in faults {
            let note = format!("whether {} is accepted: {fault}", version.words());
            self.found.notes.push((fault.reason(), note));
        }
        Ok(())
    }

    fn nothing(&self, faults: Vec<(Version, Fault)>) -> Fault {
        let closes = |how: &String| how == CLOSES;
        match faults.into_iter().next() {
            Some((_, fault)) if self.found.refused.values().all(closes) => fault,
            _ if self.found.refused.values().all(closes) => Fault::Closed,
            _ => {
                let each = self.found.refused.iter().rev();
                let each: Vec<String> = each
                    .map(|(version, how)| format!("{}: {how}", version.words()))
                    .collect();
                Fault::Refused(format!(
                    "the server speaks TLS, but accepts nothing that was offered ({})",
                    each.join(", ")
                ))
            }
        }
    }

    /// Whether one version is accepted; if not, the server's way to say so is noted.
    fn version(&mut self, version: Version) -> Result<bool, Fault> {
        let groups: Vec<u16> = groups_of(version).map(|group| group.code).collect();
        let question = Question {
            version,
            suites: &offered(version),
            groups: &groups,
            schemes: &offered_schemes(version),
            shares: &[],
        };
        let mut how = match self.ask(&question) {
            Answer::Flight(flight) if flight.hello.version == version.code() => return Ok(true),
            answer => refusal(answer)?,
        };
        // Some servers refuse a hello without a key share, though they must not.
        if version == Version::Tls13 && ![alert_name(70), CLOSES.to_owned()].contains(&how) {
            match self.with_shares(&question)? {
                Ok(group) => {
                    let name = super::codes::group_name(group);
                    self.found.notes.push((
                        Reason::Unsupported,
                        format!(
                            "TLS 1.3 groups: the server answers no hello without a key share ({how}); it takes {name}"
                        ),
                    ));
                    self.found.accepted.entry(version).or_default().groups = vec![name];
                    return Ok(true);
                }
                Err(other) => how = other,
            }
        }
        self.found.refused.insert(version, how);
        Ok(false)
    }

    /// The same question with key shares: the group, or how it is refused.
    fn with_shares(&mut self, question: &Question<'_>) -> Result<Result<u16, String>, Fault> {
        let shares: Vec<(u16, Vec<u8>)> = [0x11ec, 0x001d, 0x0017, 0x0018]
            .into_iter()
            .filter_map(|code| Some((code, handshake::share(code)?)))
            .collect();
        let answer = self.ask(&Question {
            shares: &shares,
            ..*question
        });
        match answer {
            Answer::Flight(flight) if flight.hello.version == Version::Tls13.code() => {
                match flight.hello.group {
                    Some(group) => Ok(Ok(group)),
                    None => Ok(Err("a hello without a group".to_owned())),
                }
            }
            answer => refusal(answer).map(Err),
        }
    }

    /// Everything about the versions that are accepted; what there is no time or no connection for is noted.
    fn details(&mut self) {
        let accepted: Vec<Version> = self.found.accepted.keys().rev().copied().collect();
        let steps: Vec<(Version, &str, Step<'a, 'v>)> = accepted
            .into_iter()
            .flat_map(|version| {
                let steps: &[(&str, Step<'a, 'v>)] = match version {
                    Version::Tls13 => &[
                        ("classical fallback", Self::classical),
                        ("groups", Self::groups_13),
                        ("preference among groups", Self::preference),
                        ("certificates and signature schemes", Self::schemes_13),
                        ("cipher suites", Self::suites),
                    ],
                    Version::Tls12 => &[
                        ("cipher suites", Self::suites),
                        ("groups", Self::groups_old),
                        ("signature schemes", Self::schemes_12),
                    ],
                    _ => &[("cipher suites", Self::suites), ("groups", Self::groups_old)],
                };
                steps.iter().map(move |(name, step)| (version, *name, *step))
            })
            .collect();
        let mut steps = steps.into_iter();
        while let Some((version, name, step)) = steps.next() {
            if let Err(fault) = step(self, version) {
                let left: Vec<String> = steps
                    .map(|(version, name, _)| format!("{} {name}", version.words()))
                    .collect();
                let mut note = format!("{} {name}, from where it stopped on", version.words());
                if !left.is_empty() {
                    note = format!("{note}; {}", left.join("; "));
                }
                self.found
                    .notes
                    .push((fault.reason(), format!("{note}: {fault}")));
                return;
            }
        }
    }

    /// Asks again and again without what was chosen, until nothing is. What was chosen before an error is kept.
    pub(super) fn eliminate(
        &mut self,
        what: &str,
        mut left: Vec<u16>,
        chosen: &mut Vec<u16>,
        mut ask: impl FnMut(&mut Self, &[u16]) -> Result<Choice, Fault>,
    ) -> Result<(), Fault> {
        while !left.is_empty() {
            match ask(self, &left)? {
                Choice::Nothing => break,
                Choice::Chose(code) if left.contains(&code) => {
                    chosen.push(code);
                    left.retain(|other| *other != code);
                }
                Choice::Chose(code) => {
                    let note = format!("{what}: the server chooses 0x{code:04x}, which was not offered");
                    self.found.notes.push((Reason::Malformed, note));
                    break;
                }
                Choice::Unclear(why) => {
                    let note = format!("{what}, all but the first {}: {why}", chosen.len());
                    self.found.notes.push((Reason::TimedOut, note));
                    break;
                }
            }
        }
        Ok(())
    }

    fn suites(&mut self, version: Version) -> Result<(), Fault> {
        let groups: Vec<u16> = groups_of(version).map(|group| group.code).collect();
        let schemes = offered_schemes(version);
        let what = format!("{} cipher suites", version.words());
        let mut chosen = Vec::new();
        let mut named = Vec::new();
        let mut ask = |surveyor: &mut Self, suites: &[u16]| {
            let question = Question {
                version,
                suites,
                groups: &groups,
                schemes: &schemes,
                shares: &[],
            };
            let answer = surveyor.ask(&question);
            if let Answer::Flight(flight) = &answer
                && let Some(exchange) = flight
                    .exchange
                    .as_ref()
                    .filter(|exchange| exchange.code.is_none())
                && !named.contains(&exchange.group)
            {
                named.push(exchange.group.clone());
            }
            choice(answer, version, |flight| Some(flight.hello.suite))
        };
        let mut outcome = self.eliminate(&what, offered(version), &mut chosen, &mut ask);
        let mut own_order = None;
        if outcome.is_ok() && chosen.len() > 1 {
            let reversed: Vec<u16> = chosen.iter().rev().copied().collect();
            match ask(self, &reversed) {
                Ok(Choice::Chose(code)) => own_order = Some(Some(&code) == chosen.first()),
                Ok(_) => {}
                Err(fault) => outcome = Err(fault),
            }
        }
        let accepted = self.found.accepted.entry(version).or_default();
        accepted.suites = chosen;
        accepted.own_order = own_order;
        for name in named {
            if !accepted.groups.contains(&name) {
                accepted.groups.push(name);
            }
        }
        outcome
    }
}
