//! Who takes part in a session, and whether they are enough.

use std::collections::BTreeSet;

use super::conductor::SecretKind;
use super::event::{CustodianPresent, PinPart};
use super::plan::{Name, Plan, ShareProtection};

/// Why a session cannot be held with these custodians.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum QuorumError {
    /// Somebody whom the ceremony's file does not name.
    #[error("{0} is no custodian of this ceremony")]
    Unknown(Name),
    /// One custodian twice.
    #[error("{0} is named twice, and counts once")]
    Twice(Name),
    /// Everybody is given a share when the root is made, and somebody is missing.
    #[error("{0} must be here: every custodian is given a share")]
    Missing(Name),
    /// Nobody is here who knows a part of a PIN and does not enter another part of it.
    #[error("nobody is here to enter part {part} of the PIN of {store}: it takes one of {knowing}", store = .part.store, part = .part.part)]
    NobodyKnows {
        /// Which part.
        part: PinPart,
        /// Who knows it.
        knowing: String,
    },
    /// Too few.
    #[error("too few bring a share or a part of a PIN: {found}, and the quorum is {needed}")]
    TooFew {
        /// How many there are.
        found: usize,
        /// How many it takes.
        needed: u8,
    },
    /// A custodian whose role is not the one in the ceremony's file.
    #[error("{0} has another role in the ceremony's file")]
    Role(Name),
    /// A part of a PIN that the custodian does not know.
    #[error("{name} does not know part {part} of the PIN of {store}", store = .part.store, part = .part.part)]
    NotTheirs {
        /// Who is said to have entered it.
        name: Name,
        /// Which part.
        part: PinPart,
    },
}

/// Says who of those present brings what. `first` is the session that makes the root.
///
/// Parts of one PIN are entered by different custodians.
pub(super) fn assign(
    plan: &Plan,
    present: &[Name],
    first: bool,
) -> Result<Vec<CustodianPresent>, QuorumError> {
    let mut taking_part = Vec::new();
    let mut seen = BTreeSet::new();
    for name in present {
        let custodian = plan
            .custodian(name)
            .ok_or_else(|| QuorumError::Unknown(name.clone()))?;
        if !seen.insert(name) {
            return Err(QuorumError::Twice(name.clone()));
        }
        taking_part.push(CustodianPresent {
            name: name.clone(),
            role: custodian.role.clone(),
            share: plan.has_shares(),
            pins: Vec::new(),
        });
    }
    if first && plan.has_shares() {
        let missing = plan
            .custodians
            .iter()
            .find(|custodian| !seen.contains(&custodian.name));
        if let Some(custodian) = missing {
            return Err(QuorumError::Missing(custodian.name.clone()));
        }
    }
    for (part, name) in Parts::of(plan).choose(plan, present)? {
        let enters = taking_part.iter_mut().filter(|custodian| custodian.name == *name);
        enters.for_each(|custodian| custodian.pins.push(part.clone()));
    }
    check(plan, &taking_part, first)?;
    Ok(taking_part)
}

/// The secrets that those present will be asked for, whose each is and which.
///
/// # Errors
/// [`QuorumError`] if they are not enough; `first` is the session that makes the root.
pub fn secrets(plan: &Plan, present: &[Name], first: bool) -> Result<Vec<(Name, SecretKind)>, QuorumError> {
    let mut secrets = Vec::new();
    for custodian in assign(plan, present, first)? {
        if custodian.share && plan.protection == ShareProtection::Passphrase {
            secrets.push((custodian.name.clone(), SecretKind::Share));
        }
        let pins = custodian.pins.into_iter();
        secrets.extend(pins.map(|part| (custodian.name.clone(), SecretKind::Pin(part.store))));
    }
    Ok(secrets)
}

/// The most people that are tried for parts of PINs before the best that was found is taken.
const MOST_TRIES: usize = 100_000;

/// The parts of all PINs, with those who know each.
struct Parts<'a>(Vec<(PinPart, &'a [Name])>);

/// A search for somebody to enter each part.
struct Search<'p, 'n> {
    parts: &'p [(PinPart, &'p [Name])],
    present: &'n [Name],
    /// How many different people are to be found.
    wanted: usize,
    chosen: Vec<&'n Name>,
    best: Vec<&'n Name>,
    /// The first part for which nobody was left, as far as any try came.
    furthest: usize,
    tries: usize,
}

impl<'a> Parts<'a> {
    fn of(plan: &'a Plan) -> Self {
        let parts = plan.stores.iter().flat_map(|(store, entry)| {
            let parts = entry.pin.iter().enumerate();
            parts.map(move |(index, knowing)| {
                let part = PinPart {
                    store: store.clone(),
                    part: index + 1,
                };
                (part, knowing.as_slice())
            })
        });
        Self(parts.collect())
    }

    /// Finds somebody for each part, nobody twice for one PIN, and as many different people as the quorum wants.
    fn choose<'n>(&self, plan: &Plan, present: &'n [Name]) -> Result<Vec<(PinPart, &'n Name)>, QuorumError> {
        let mut search = Search {
            parts: &self.0,
            present,
            wanted: usize::from(plan.quorum).min(self.0.len()).min(present.len()),
            chosen: Vec::new(),
            best: Vec::new(),
            furthest: 0,
            tries: 0,
        };
        search.extend();
        if let (true, Some((part, knowing))) = (search.best.len() < self.0.len(), self.0.get(search.furthest))
        {
            return Err(QuorumError::NobodyKnows {
                part: part.clone(),
                knowing: list(knowing),
            });
        }
        let parts = self.0.iter().map(|(part, _)| part.clone());
        Ok(parts.zip(search.best).collect())
    }
}

impl Search<'_, '_> {
    /// Goes on with the next part; true when nothing better need be looked for.
    fn extend(&mut self) -> bool {
        let at = self.chosen.len();
        let Some((part, knowing)) = self.parts.get(at) else {
            if self.best.is_empty() || different(&self.chosen) > different(&self.best) {
                self.best.clone_from(&self.chosen);
            }
            return different(&self.best) >= self.wanted;
        };
        self.furthest = self.furthest.max(at);
        // Those who have nothing to enter yet come first.
        let (idle, busy): (Vec<_>, Vec<_>) = self
            .present
            .iter()
            .filter(|name| knowing.contains(name))
            .partition(|name| !self.chosen.contains(name));
        for name in idle.into_iter().chain(busy) {
            let same_pin = |(other, _): &(&(PinPart, _), &&Name)| other.0.store == part.store;
            let twice = self
                .parts
                .iter()
                .zip(&self.chosen)
                .filter(same_pin)
                .any(|(_, other)| *other == name);
            self.tries += 1;
            if twice || self.tries > MOST_TRIES {
                continue;
            }
            self.chosen.push(name);
            if self.extend() {
                return true;
            }
            self.chosen.pop();
        }
        false
    }
}

fn different(names: &[&Name]) -> usize {
    names.iter().collect::<BTreeSet<_>>().len()
}

fn list(names: &[Name]) -> String {
    names.iter().map(Name::as_str).collect::<Vec<_>>().join(", ")
}

/// Whether these custodians were enough for a session, from what a transcript says of them.
pub(super) fn check(plan: &Plan, present: &[CustodianPresent], first: bool) -> Result<(), QuorumError> {
    let mut seen = BTreeSet::new();
    for custodian in present {
        let planned = plan
            .custodian(&custodian.name)
            .ok_or_else(|| QuorumError::Unknown(custodian.name.clone()))?;
        if planned.role != custodian.role {
            return Err(QuorumError::Role(custodian.name.clone()));
        }
        if !seen.insert(&custodian.name) {
            return Err(QuorumError::Twice(custodian.name.clone()));
        }
        for part in &custodian.pins {
            let parts = plan.stores.get(&part.store).map(|store| store.pin.as_slice());
            let knowing = parts.and_then(|parts| parts.get(part.part.checked_sub(1)?));
            let others = custodian.pins.iter().filter(|other| other.store == part.store);
            if !knowing.is_some_and(|names| names.contains(&custodian.name)) || others.count() != 1 {
                return Err(QuorumError::NotTheirs {
                    name: custodian.name.clone(),
                    part: part.clone(),
                });
            }
        }
    }
    if first && plan.has_shares() {
        for custodian in &plan.custodians {
            if !seen.contains(&custodian.name) {
                return Err(QuorumError::Missing(custodian.name.clone()));
            }
        }
    }
    for (store, entry) in &plan.stores {
        for (index, knowing) in entry.pin.iter().enumerate() {
            let part = PinPart {
                store: store.clone(),
                part: index + 1,
            };
            let entered = present.iter().filter(|custodian| custodian.pins.contains(&part));
            if entered.count() != 1 {
                return Err(QuorumError::NobodyKnows {
                    part,
                    knowing: list(knowing),
                });
            }
        }
    }
    let nothing_to_bring = !plan.has_shares() && plan.stores.values().all(|store| store.pin.is_empty());
    let bringing = present.iter().filter(|custodian| {
        nothing_to_bring || (plan.has_shares() && custodian.share) || !custodian.pins.is_empty()
    });
    let found = bringing.count();
    if found < usize::from(plan.quorum) {
        return Err(QuorumError::TooFew {
            found,
            needed: plan.quorum,
        });
    }
    // The shares alone must reach the threshold, whoever enters PINs besides.
    let with_shares = present.iter().filter(|custodian| custodian.share).count();
    if plan.has_shares() && with_shares < usize::from(plan.quorum) {
        return Err(QuorumError::TooFew {
            found: with_shares,
            needed: plan.quorum,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(keys: &str, pin: &str, needed: u8) -> Plan {
        let location = "pkcs11:token=root?module-path=/m.so";
        let custodians: String = ["alice", "bob", "carol"]
            .map(|name| format!("[[custodians]]\nname = \"{name}\"\nrole = \"role of {name}\"\n"))
            .concat();
        Plan::parse(&format!(
            "version = 1\ntrust_domain = \"example.org\"\noutput = \"root\"\n[root]\nsuite = \
             \"mldsa65-ecdsa-p256\"\nlifetime = \"10d\"\n[root.keys]\n{keys}\n[stores.hsm]\nlocation = \
             \"{location}\"\npin = {pin}\n[quorum]\nneeded = {needed}\n{custodians}"
        ))
        .unwrap()
    }

    fn names(names: &[&str]) -> Vec<Name> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    const HALF: &str = "ecdsa-p256-sha256 = \"hsm\"";
    const ALL: &str = "ecdsa-p256-sha256 = \"hsm\"\nml-dsa-65 = \"hsm\"";

    #[test]
    fn everybody_must_be_there_to_be_given_a_share_and_a_quorum_later() {
        let plan = plan(HALF, "[[\"alice\", \"bob\", \"carol\"]]", 2);
        let missing = assign(&plan, &names(&["alice", "bob"]), true).unwrap_err();
        assert_eq!(missing, QuorumError::Missing("carol".parse().unwrap()));
        assign(&plan, &names(&["alice", "bob", "carol"]), true).unwrap();
        let later = assign(&plan, &names(&["carol", "bob"]), false).unwrap();
        assert!(later.iter().all(|custodian| custodian.share));
        assert_eq!(
            later
                .iter()
                .filter(|custodian| !custodian.pins.is_empty())
                .count(),
            1
        );
        let few = assign(&plan, &names(&["carol"]), false).unwrap_err();
        assert_eq!(few, QuorumError::TooFew { found: 1, needed: 2 });
    }

    #[test]
    fn nobody_counts_twice() {
        let plan = plan(HALF, "[]", 2);
        let twice = assign(&plan, &names(&["alice", "alice"]), false).unwrap_err();
        assert_eq!(twice, QuorumError::Twice("alice".parse().unwrap()));
        let stranger = assign(&plan, &names(&["alice", "mallory"]), false).unwrap_err();
        assert_eq!(stranger, QuorumError::Unknown("mallory".parse().unwrap()));
    }

    #[test]
    fn parts_of_a_pin_are_entered_by_different_people_who_know_them() {
        let plan = plan(ALL, "[[\"alice\", \"bob\"], [\"alice\"]]", 2);
        // The first who knows part 1 is the only one who knows part 2.
        let assigned = assign(&plan, &names(&["alice", "bob"]), true).unwrap();
        let part_of = |name: &str| {
            let one = assigned.iter().find(|one| one.name.as_str() == name).unwrap();
            one.pins.iter().map(|pin| pin.part).collect::<Vec<_>>()
        };
        assert_eq!((part_of("alice"), part_of("bob")), (vec![2], vec![1]));
        let error = assign(&plan, &names(&["alice", "carol"]), true).unwrap_err();
        assert!(error.to_string().contains("part 2 of the PIN of hsm"), "{error}");
        let error = assign(&plan, &names(&["bob", "carol"]), true).unwrap_err();
        assert!(error.to_string().contains("it takes one of alice"), "{error}");
    }

    #[test]
    fn as_many_people_enter_something_as_the_quorum_wants() {
        let two = "ecdsa-p256-sha256 = \"hsm\"\nml-dsa-65 = \"pq\"\n[stores.pq]\nlocation = \
                   \"pkcs11:token=pq?module-path=/m.so\"\npin = [[\"alice\", \"carol\"]]";
        let plan = plan(two, "[[\"alice\", \"bob\"], [\"bob\", \"carol\"]]", 3);
        let assigned = assign(&plan, &names(&["alice", "bob", "carol"]), true).unwrap();
        assert!(
            assigned.iter().all(|custodian| custodian.pins.len() == 1),
            "{assigned:?}"
        );
        let two_people = assign(&plan, &names(&["carol", "bob"]), true).unwrap_err();
        assert_eq!(two_people, QuorumError::TooFew { found: 2, needed: 3 });
    }

    #[test]
    fn a_transcript_cannot_say_that_somebody_did_what_they_cannot() {
        let plan = plan(ALL, "[[\"alice\", \"bob\"], [\"alice\"]]", 2);
        let good = assign(&plan, &names(&["alice", "bob"]), true).unwrap();
        check(&plan, &good, true).unwrap();
        let mut other_role = good.clone();
        other_role[0].role = "somebody else".to_owned();
        let mut both_parts = good.clone();
        let bobs = std::mem::take(&mut both_parts[1].pins);
        both_parts[0].pins.extend(bobs);
        let mut unknown_part = good.clone();
        unknown_part[1].pins[0].part = 0;
        let mut part_too_many = good.clone();
        part_too_many[1].pins[0].part = 3;
        let mut without = good.clone();
        without[1].pins.clear();
        for wrong in [other_role, both_parts, unknown_part, part_too_many, without] {
            check(&plan, &wrong, true).unwrap_err();
        }
    }
}
