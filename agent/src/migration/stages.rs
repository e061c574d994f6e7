//! How far entries are.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use symbolon_api::symbolon::server::v1 as api;
use symbolon_tls::{Migration, MigrationStage, MigrationTarget};

/// The stages of an agent's entries, as the server last said.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Stages {
    /// By which the server knows them.
    pub(crate) digest: String,
    otherwise: Option<Migration>,
    /// `None` for entries that are kept out.
    entries: HashMap<String, Option<Migration>>,
}

impl Stages {
    /// Reads what the server says. Where that is a target or a stage that this version does not know, what was known before
    /// stays, for it may demand something. It has no digest then, and is told of again to a version that knows more.
    pub(crate) fn read(&self, message: api::SyncMigrationResponse) -> Self {
        let mut digest = message.digest;
        let otherwise = message.otherwise.as_ref().map_or(Some(None), migration);
        let mut entries = match otherwise {
            Some(_) => HashMap::new(),
            None => self.entries.clone(),
        };
        for entry in &message.entries {
            let read = migration(entry);
            if read.is_none() {
                digest.clear();
            }
            let read = read.unwrap_or_else(|| self.of(&entry.entry_id));
            entries.insert(entry.entry_id.clone(), read);
        }
        if otherwise.is_none() {
            digest.clear();
        }
        Self {
            digest,
            otherwise: otherwise.unwrap_or(self.otherwise),
            entries,
        }
    }

    /// Whether this version knows everything that the server said.
    pub(crate) fn are_all_known(&self) -> bool {
        !self.digest.is_empty()
    }

    /// What is kept for the next run.
    pub(crate) fn to_json(&self) -> Vec<u8> {
        let kept = Kept {
            digest: self.digest.clone(),
            otherwise: self.otherwise.map(KeptMigration::of),
            entries: self
                .entries
                .iter()
                .map(|(entry_id, migration)| (entry_id.clone(), migration.map(KeptMigration::of)))
                .collect(),
        };
        // Strings in maps are always written.
        serde_json::to_vec_pretty(&kept).unwrap_or_default()
    }

    /// Reads what was kept.
    ///
    /// # Errors
    /// In words, for what is damaged or of a newer version.
    pub(crate) fn from_json(content: &[u8]) -> Result<Self, String> {
        let kept: Kept = serde_json::from_slice(content).map_err(|error| error.to_string())?;
        let read = |kept: Option<KeptMigration>| kept.map(|kept| kept.read()).transpose();
        let entries = kept.entries.into_iter();
        Ok(Self {
            digest: kept.digest,
            otherwise: read(kept.otherwise)?,
            entries: entries
                .map(|(entry_id, kept)| Ok((entry_id, read(kept)?)))
                .collect::<Result<_, String>>()?,
        })
    }

    /// The migration of an entry.
    pub(crate) fn of(&self, entry_id: &str) -> Option<Migration> {
        self.entries.get(entry_id).copied().unwrap_or(self.otherwise)
    }

    /// Whether no entry migrates.
    pub(crate) fn is_empty(&self) -> bool {
        self.otherwise.is_none() && self.entries.values().all(Option::is_none)
    }

    /// The migration of an entry whose SVID of the target's form is to be kept beside the classical one.
    pub(crate) fn beside(&self, entry_id: &str) -> Option<Migration> {
        self.of(entry_id)
            .filter(|migration| migration.stage >= MigrationStage::Issue)
    }
}

/// What `agent/migration` says.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    digest: String,
    otherwise: Option<KeptMigration>,
    entries: BTreeMap<String, Option<KeptMigration>>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct KeptMigration {
    target: String,
    stage: String,
}

impl KeptMigration {
    fn of(migration: Migration) -> Self {
        Self {
            target: migration.target.name().to_owned(),
            stage: migration.stage.name().to_owned(),
        }
    }

    fn read(&self) -> Result<Migration, String> {
        let wrong = |error: symbolon_tls::UnknownMigration| error.to_string();
        Ok(Migration {
            target: self.target.parse().map_err(wrong)?,
            stage: self.stage.parse().map_err(wrong)?,
        })
    }
}

/// The migration of an entry, `Some(None)` for none; `None` if this version does not know it.
fn migration(of: &api::StageOfEntry) -> Option<Option<Migration>> {
    let stage = match api::MigrationStage::try_from(of.stage).ok()? {
        api::MigrationStage::Publish => MigrationStage::Publish,
        api::MigrationStage::Issue => MigrationStage::Issue,
        api::MigrationStage::Accept => MigrationStage::Accept,
        api::MigrationStage::Prefer => MigrationStage::Prefer,
        api::MigrationStage::Require => MigrationStage::Require,
        api::MigrationStage::Off => return Some(None),
        api::MigrationStage::Unspecified => return None,
    };
    let target = match api::MigrationTarget::try_from(of.target).ok()? {
        api::MigrationTarget::Hybrid => MigrationTarget::Hybrid,
        api::MigrationTarget::Pq => MigrationTarget::PostQuantum,
        api::MigrationTarget::Unspecified => return None,
    };
    Some(Some(Migration { target, stage }))
}

/// The stage as the server reads it.
pub(super) fn stage_message(stage: Option<MigrationStage>) -> api::MigrationStage {
    match stage {
        None => api::MigrationStage::Unspecified,
        Some(MigrationStage::Publish) => api::MigrationStage::Publish,
        Some(MigrationStage::Issue) => api::MigrationStage::Issue,
        Some(MigrationStage::Accept) => api::MigrationStage::Accept,
        Some(MigrationStage::Prefer) => api::MigrationStage::Prefer,
        Some(MigrationStage::Require) => api::MigrationStage::Require,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(entry_id: &str, target: i32, stage: api::MigrationStage) -> api::StageOfEntry {
        api::StageOfEntry {
            entry_id: entry_id.to_owned(),
            target,
            stage: stage.into(),
        }
    }

    #[test]
    fn an_entrys_own_stage_goes_before_the_one_for_all() {
        use api::MigrationStage::{Issue, Off, Prefer, Publish};
        let (hybrid, pq) = (
            api::MigrationTarget::Hybrid.into(),
            api::MigrationTarget::Pq.into(),
        );
        let stages = Stages::default().read(api::SyncMigrationResponse {
            digest: "d".to_owned(),
            unchanged: false,
            otherwise: Some(stage("", hybrid, Publish)),
            entries: vec![
                stage("out", hybrid, Off),
                stage("ahead", pq, Prefer),
                stage("new", 77, Issue),
            ],
        });
        let of = |id| {
            stages
                .of(id)
                .map(|migration| (migration.target.name(), migration.stage.name()))
        };
        assert_eq!(of("any"), Some(("hybrid", "publish")));
        assert_eq!(of("ahead"), Some(("pq", "prefer")));
        assert_eq!((of("out"), of("new")), (None, None));
        assert!(stages.beside("ahead").is_some() && stages.beside("any").is_none());
        assert!(!stages.is_empty() && Stages::default().is_empty());
        // What is kept for the next run is all of it.
        assert_eq!(Stages::from_json(&stages.to_json()).as_ref(), Ok(&stages));
        for damaged in ["", "{}", "[]"] {
            Stages::from_json(damaged.as_bytes()).unwrap_err();
        }
        assert!(!stages.are_all_known(), "the target 77 is none");
        let newer = String::from_utf8(stages.to_json())
            .unwrap()
            .replace("prefer", "insist");
        assert!(
            Stages::from_json(newer.as_bytes())
                .unwrap_err()
                .contains("insist")
        );
    }

    #[test]
    fn what_is_not_known_takes_no_demand_back() {
        use api::MigrationStage::{Off, Require};
        let hybrid = api::MigrationTarget::Hybrid.into();
        let said = |otherwise, entries| api::SyncMigrationResponse {
            digest: "d".to_owned(),
            unchanged: false,
            otherwise: Some(otherwise),
            entries,
        };
        let demanded = |stages: &Stages| {
            let demands = |id: &&str| {
                stages
                    .of(id)
                    .is_some_and(|of| of.stage == MigrationStage::Require)
            };
            ["own", "any"].into_iter().filter(demands).collect::<Vec<_>>()
        };
        let off = || stage("", hybrid, Off);
        let known = Stages::default().read(said(off(), vec![stage("own", hybrid, Require)]));
        assert!(known.are_all_known());
        assert_eq!(demanded(&known), ["own"]);
        let insist = |id: &str| api::StageOfEntry {
            stage: 99,
            ..stage(id, hybrid, Require)
        };
        for newer in [insist("own"), stage("own", 77, Require)] {
            let kept = known.read(said(off(), vec![newer]));
            assert_eq!((demanded(&kept), kept.are_all_known()), (vec!["own"], false));
        }
        // Its own rule is gone, and the one for all is another version's.
        let kept = known.read(said(insist(""), Vec::new()));
        assert_eq!((demanded(&kept), kept.are_all_known()), (vec!["own"], false));
        // To go back is a decision, which is understood.
        let back = kept.read(said(stage("", hybrid, Require), vec![stage("own", hybrid, Off)]));
        assert_eq!((demanded(&back), back.are_all_known()), (vec!["any"], true));
        let kept = back.read(said(insist(""), Vec::new()));
        assert_eq!(demanded(&kept), ["any"]);
    }
}
