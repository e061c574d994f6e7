//! What a server accepts, found by asking: which questions, in which order, and what follows from the answers.

use std::collections::{BTreeMap, BTreeSet};

use super::choice::{Choice, choice};
use super::codes::{Version, alert_name};
use super::handshake::share;
use super::offers::Offers;
use super::probe::{Answer, Flight, Question, ask};
use crate::endpoints::line::Fault;
use crate::endpoints::starttls::Opening;
use crate::endpoints::visit::Visit;
use crate::inventory::Reason;

/// The most chains of one server: few have more than three keys.
const MOST_CHAINS: usize = 16;

/// Why silence is not taken for a no.
pub(super) const SOMETIMES: &str = "the server closes the connection, as it does at times without a reason";

/// Everything that was learned of one server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Survey {
    /// Versions that are accepted, and what with them.
    pub(crate) accepted: BTreeMap<Version, Accepted>,
    /// Versions that are not, and how the server says so.
    pub(crate) refused: BTreeMap<Version, String>,
    /// Versions of which neither was seen.
    pub(crate) undecided: BTreeSet<Version>,
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
    /// Whose order that is.
    pub(crate) order: Option<Order>,
    /// By name, in the order in which the server chose them.
    pub(crate) groups: Vec<String>,
    pub(crate) schemes: Vec<u16>,
}

/// Who decides which suite comes first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Order {
    /// Whatever the order of the offer, the same is chosen.
    Server,
    /// The first of the offer is chosen.
    Client,
    /// Neither always: the server's order depends on what the client names first, as ChaCha20 before AES.
    Mixed,
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
    pub(super) offers: Offers,
    /// It closed a connection for nothing that was asked: the same question was answered afterwards.
    pub(super) sheds: bool,
}

type Step<'a, 'v> = fn(&mut Surveyor<'a, 'v>, Version) -> Result<(), Fault>;

/// Surveys a server. An error means that nothing at all was learned.
pub(crate) fn survey(visit: &mut Visit<'_>, opening: Opening) -> Result<Survey, Fault> {
    let mut surveyor = Surveyor {
        visit,
        opening,
        found: Survey::default(),
        offers: Offers::default(),
        sheds: false,
    };
    surveyor.versions()?;
    surveyor.details();
    Ok(surveyor.found)
}

impl<'a, 'v> Surveyor<'a, 'v> {
    /// Asks, with key shares when the server answers nothing else.
    pub(super) fn ask(&mut self, question: &Question<'_>) -> Answer {
        let mut question = *question;
        let shares: Vec<(u16, Vec<u8>)>;
        if question.version == Version::Tls13 && question.shares.is_empty() && self.offers.needs_shares() {
            let groups = question.groups.iter();
            shares = groups.filter_map(|code| Some((*code, share(*code)?))).collect();
            question.shares = &shares;
        }
        let mut answer = ask(self.visit, self.opening, &question);
        // From a server that is known to answer this may be somebody who sheds load: it is not taken for a no at once.
        if answer == Answer::Fault(Fault::Closed) && !self.found.accepted.is_empty() {
            answer = ask(self.visit, self.opening, &question);
            self.sheds |= !matches!(answer, Answer::Fault(_));
        }
        if let Answer::Flight(flight) = &answer {
            self.learn(flight);
        }
        answer
    }

    /// Whether a server that said nothing to a question still answers what it is known to answer: then it means no. A
    /// server that closed other connections for nothing may have done so again, and its silence means nothing.
    pub(super) fn means_no(&mut self) -> Result<bool, Fault> {
        let Some(version) = self.found.accepted.keys().next_back().copied() else {
            return Ok(true);
        };
        let (suites, groups) = (self.offers.suites(version), self.offers.groups(version));
        let known = Question {
            version,
            suites: &suites,
            groups: &groups,
            schemes: &self.offers.schemes_offered(version),
            shares: &[],
        };
        match self.ask(&known) {
            Answer::Flight(_) => Ok(!self.sheds),
            Answer::Fault(fault) if fault.is_final() => Err(fault),
            _ => Err(Fault::Shedding),
        }
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
                Choice::Mute if self.means_no()? => break,
                Choice::Mute => {
                    let note = format!("{what}, all but the first {}: {SOMETIMES}", chosen.len());
                    self.found.notes.push((Reason::Refused, note));
                    break;
                }
                Choice::Unclear(reason, why) => {
                    let note = format!("{what}, all but the first {}: {why}", chosen.len());
                    self.found.notes.push((reason, note));
                    break;
                }
            }
        }
        Ok(())
    }

    fn suites(&mut self, version: Version) -> Result<(), Fault> {
        let groups = self.offers.groups(version);
        let schemes = self.offers.schemes_offered(version);
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
            if let Answer::Flight(flight) = &answer
                && flight.hello.version == version.code()
                && let Some(alert) = flight.alert
            {
                let (suite, alert) = (flight.hello.suite, alert_name(alert));
                let why = format!("the server chooses 0x{suite:04x} and then refuses it ({alert})");
                return Ok(Choice::Unclear(Reason::Refused, why));
            }
            choice(answer, version, |flight| Some(flight.hello.suite))
        };
        let all = self.offers.suites(version);
        let mut outcome = self.eliminate(&what, all.clone(), &mut chosen, &mut ask);
        let mut order = None;
        if outcome.is_ok() && chosen.len() > 1 {
            let reversed: Vec<u16> = chosen.iter().rev().copied().collect();
            match ask(self, &reversed) {
                Ok(Choice::Chose(code)) => order = Some(order_of(&all, &chosen, code)),
                Ok(_) => {}
                Err(fault) => outcome = Err(fault),
            }
        }
        let accepted = self.found.accepted.entry(version).or_default();
        accepted.suites = chosen;
        accepted.order = order;
        for name in named {
            if !accepted.groups.contains(&name) {
                accepted.groups.push(name);
            }
        }
        outcome
    }
}

/// Whose order it is in which suites were chosen out of an offer, when so many were offered backwards.
fn order_of(offer: &[u16], chosen: &[u16], backwards: u16) -> Order {
    let place = |code: &u16| offer.iter().position(|other| other == code);
    if Some(&backwards) == chosen.first() {
        Order::Server
    } else if Some(&backwards) == chosen.last() && chosen.is_sorted_by_key(place) {
        Order::Client
    } else {
        Order::Mixed
    }
}
