//! Which versions a server accepts, and how it refuses the others.

use super::choice::{Refusal, refusal};
use super::codes::Version;
use super::probe::{Answer, Question};
use super::survey::{SOMETIMES, Surveyor};
use crate::endpoints::line::Fault;
use crate::inventory::Reason;

impl Surveyor<'_, '_> {
    /// Asks for all versions. An error means that none is accepted, as far as that was seen.
    pub(super) fn versions(&mut self) -> Result<(), Fault> {
        let mut faults: Vec<(Version, Fault)> = Vec::new();
        // Those that the server was silent about, and whether it was known to answer then.
        let mut silent: Vec<(Version, Refusal, bool)> = Vec::new();
        for version in Version::ALL {
            let answers = !self.found.accepted.is_empty();
            match self.version(version) {
                Ok(None) => {
                    self.found.accepted.entry(version).or_default();
                }
                Ok(Some(refusal)) if refusal.mute => silent.push((version, refusal, answers)),
                Ok(Some(refusal)) => {
                    self.found.refused.insert(version, refusal.how);
                }
                Err(fault) if fault.is_final() && !answers => return Err(fault),
                // A server that says no before TLS begins says no to every version.
                Err(fault @ Fault::Refused(_)) if !answers => return Err(fault),
                Err(fault) => {
                    let end = fault.is_final();
                    faults.push((version, fault));
                    // Twice the same silence or the same gibberish: it is not worth three more connections.
                    let nothing = !answers && self.found.refused.is_empty() && silent.is_empty();
                    if end || (nothing && faults.len() >= 2) {
                        break;
                    }
                }
            }
        }
        if self.found.accepted.is_empty() {
            return Err(self.nothing(faults, &silent));
        }
        let ended = faults.last().filter(|(_, fault)| fault.is_final()).cloned();
        let ended = match (ended, self.settle(silent)) {
            (None, Err(fault)) => Some((Version::Ssl30, fault)),
            (ended, _) => ended,
        };
        let known = |version: &Version| {
            self.found.accepted.contains_key(version) || self.found.refused.contains_key(version)
        };
        self.found.undecided = Version::ALL
            .into_iter()
            .filter(|version| !known(version))
            .collect();
        for version in self.found.undecided.iter().rev() {
            let own = faults
                .iter()
                .find(|(other, _)| other == version)
                .or(ended.as_ref());
            let (reason, why) = match own {
                Some((_, fault)) => (fault.reason(), fault.to_string()),
                None => (Reason::Refused, SOMETIMES.to_owned()),
            };
            let note = format!("whether {} is accepted: {why}", version.words());
            self.found.notes.push((reason, note));
        }
        Ok(())
    }

    /// What the silence about some versions means, now that the server is known to answer.
    fn settle(&mut self, silent: Vec<(Version, Refusal, bool)>) -> Result<(), Fault> {
        let mut still = Vec::new();
        for (version, refusal, answered_then) in silent {
            if answered_then {
                still.push((version, refusal));
                continue;
            }
            match self.version(version)? {
                None => {
                    self.found.accepted.entry(version).or_default();
                }
                Some(refusal) if refusal.mute => still.push((version, refusal)),
                Some(refusal) => {
                    self.found.refused.insert(version, refusal.how);
                }
            }
        }
        if !still.is_empty() && self.means_no()? {
            let each = still.into_iter().map(|(version, refusal)| (version, refusal.how));
            self.found.refused.extend(each);
        }
        Ok(())
    }

    fn nothing(&self, faults: Vec<(Version, Fault)>, silent: &[(Version, Refusal, bool)]) -> Fault {
        let mut each: Vec<(Version, &str)> = self
            .found
            .refused
            .iter()
            .map(|(version, how)| (*version, how.as_str()))
            .chain(
                silent
                    .iter()
                    .map(|(version, refusal, _)| (*version, refusal.how.as_str())),
            )
            .collect();
        if each.iter().all(|(_, how)| *how == super::choice::CLOSES) {
            return faults
                .into_iter()
                .next()
                .map_or(Fault::Closed, |(_, fault)| fault);
        }
        each.sort_unstable_by(|one, other| other.cmp(one));
        let each: Vec<String> = each
            .into_iter()
            .map(|(version, how)| format!("{}: {how}", version.words()))
            .collect();
        Fault::Refused(format!(
            "the server speaks TLS, but accepts nothing that was offered ({}){}",
            each.join(", "),
            if self.visit.address.server_name.is_none() {
                "; it was asked for no name, and may want one: ?servername=NAME"
            } else {
                ""
            }
        ))
    }

    /// Whether one version is accepted; if not, how it is refused.
    fn version(&mut self, version: Version) -> Result<Option<Refusal>, Fault> {
        let Some(refused) = self.offer(version)? else {
            return Ok(None);
        };
        // Whoever wants another version understood the question. SSL 3.0 has nothing that could be left out.
        if refused.version || version == Version::Ssl30 {
            return Ok(Some(refused));
        }
        // Some servers refuse a hello without a key share, though they must not.
        if version == Version::Tls13 {
            self.offers.send_shares();
            if self.offer(version)?.is_none() {
                let what = "the server answers no hello without a key share, so groups for which none is computed here \
                            are not seen";
                self.found.notes.push((
                    Reason::Unsupported,
                    format!("TLS 1.3 groups: {what} ({})", refused.how),
                ));
                return Ok(None);
            }
        }
        // And some one that is longer, or names more, than they foresaw.
        self.offers.make_plain(version);
        if self.offer(version)?.is_none() {
            let what = "the server refuses a hello that offers everything, so it was only asked about what is common";
            self.found.notes.push((
                Reason::Unsupported,
                format!("{}: {what} ({})", version.words(), refused.how),
            ));
            return Ok(None);
        }
        self.offers.make_full(version);
        Ok(Some(refused))
    }

    /// Offers a version.
    fn offer(&mut self, version: Version) -> Result<Option<Refusal>, Fault> {
        let (suites, groups) = (self.offers.suites(version), self.offers.groups(version));
        let question = Question {
            version,
            suites: &suites,
            groups: &groups,
            schemes: &self.offers.schemes_offered(version),
            shares: &[],
        };
        match self.ask(&question) {
            Answer::Flight(flight) if flight.hello.version == version.code() && flight.alert.is_none() => {
                Ok(None)
            }
            answer => refusal(answer, version).map(Some),
        }
    }
}
