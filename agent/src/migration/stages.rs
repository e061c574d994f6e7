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
    /// Reads what the server says. A migration that this version does not know is none.
    pub(crate) fn read(message: api::SyncMigrationResponse) -> Self {
        let read = |stage: &api::StageOfEntry| migration(stage.target(), stage.stage());
        Self {
            digest: message.digest,
            otherwise: message.otherwise.as_ref().and_then(read),
            entries: message
                .entries
                .iter()
                .map(|entry| (entry.entry_id.clone(), read(entry)))
                .collect(),
        }
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

fn migration(target: api::MigrationTarget, stage: api::MigrationStage) -> Option<Migration> {
    let target = match target {
        api::MigrationTarget::Hybrid => MigrationTarget::Hybrid,
        api::MigrationTarget::Pq => MigrationTarget::PostQuantum,
        api::MigrationTarget::Unspecified => return None,
    };
    let stage = match stage {
        api::MigrationStage::Publish => MigrationStage::Publish,
        api::MigrationStage::Issue => MigrationStage::Issue,
        api::MigrationStage::Accept => MigrationStage::Accept,
        api::MigrationStage::Prefer => MigrationStage::Prefer,
        api::MigrationStage::Require => MigrationStage::Require,
        api::MigrationStage::Unspecified | api::MigrationStage::Off => return None,
    };
    Some(Migration { target, stage })
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
        let stages = Stages::read(api::SyncMigrationResponse {
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
        let newer = String::from_utf8(stages.to_json())
            .unwrap()
            .replace("prefer", "insist");
        assert!(
            Stages::from_json(newer.as_bytes())
                .unwrap_err()
                .contains("insist")
        );
    }
}
