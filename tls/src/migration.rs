//! How far the migration of an identity from classical to other algorithms is, and what that changes in handshakes.
//!
//! The server decides on stages and the agent hands them on. Each end keeps to its own: what it demands as a verifier and
//! what it presents. TLS settles the rest, so two ends of different stages still meet in a form that both have, except
//! where one demands what the other has not got.

use std::fmt;
use std::str::FromStr;

use symbolon_pki::bundle::BundleSet;
use symbolon_pki::suite::Form;
use symbolon_pki::verify::PathPolicy;

use crate::handshakes::{Abstention, HandshakeCounts};
use crate::identity::IdentitySource;

/// Where a migration leads.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum MigrationTarget {
    /// To composite SVIDs, and in the end to [`PathPolicy::HybridRequired`].
    Hybrid,
    /// To ML-DSA SVIDs, and in the end to [`PathPolicy::PqRequired`], which composite ones satisfy as well.
    PostQuantum,
}

impl MigrationTarget {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Hybrid, Self::PostQuantum];

    /// The name on the wire and in output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hybrid => "hybrid",
            Self::PostQuantum => "pq",
        }
    }

    /// The form of SVID that is issued on the way there.
    pub const fn form(self) -> Form {
        match self {
            Self::Hybrid => Form::Composite,
            Self::PostQuantum => Form::MlDsa,
        }
    }

    /// What peers have to be worth in the end.
    pub const fn policy(self) -> PathPolicy {
        match self {
            Self::Hybrid => PathPolicy::HybridRequired,
            Self::PostQuantum => PathPolicy::PqRequired,
        }
    }
}

/// How far a migration is; each stage has what those before it have.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum MigrationStage {
    /// The roots of the target's family are published.
    Publish,
    /// SVIDs of the target's form are held beside the classical ones.
    Issue,
    /// Everybody is to take the target's form, and says whether it does. What is presented is classical where the peer takes
    /// that.
    Accept,
    /// The target's form is presented to whoever takes it.
    Prefer,
    /// Verifiers demand what the target is worth.
    Require,
}

impl MigrationStage {
    /// All of them, in order.
    pub const ALL: [Self; 5] = [
        Self::Publish,
        Self::Issue,
        Self::Accept,
        Self::Prefer,
        Self::Require,
    ];

    /// The name on the wire and in output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Issue => "issue",
            Self::Accept => "accept",
            Self::Prefer => "prefer",
            Self::Require => "require",
        }
    }

    /// The stage after this one; `None` after the last.
    pub fn next(self) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| *stage > self)
    }
}

/// A target or stage of migration that this version does not know.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{what} {name:?} does not exist; there are {known}")]
pub struct UnknownMigration {
    what: &'static str,
    name: String,
    known: &'static str,
}

impl FromStr for MigrationTarget {
    type Err = UnknownMigration;

    fn from_str(name: &str) -> Result<Self, UnknownMigration> {
        let found = Self::ALL.into_iter().find(|target| target.name() == name);
        found.ok_or_else(|| UnknownMigration {
            what: "the target of migration",
            name: name.chars().take(32).collect(),
            known: "hybrid and pq",
        })
    }
}

impl FromStr for MigrationStage {
    type Err = UnknownMigration;

    fn from_str(name: &str) -> Result<Self, UnknownMigration> {
        let found = Self::ALL.into_iter().find(|stage| stage.name() == name);
        found.ok_or_else(|| UnknownMigration {
            what: "the stage of migration",
            name: name.chars().take(32).collect(),
            known: "publish, issue, accept, prefer and require",
        })
    }
}

impl fmt::Display for MigrationTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for MigrationStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The migration of one identity.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Migration {
    /// Where to.
    pub target: MigrationTarget,
    /// How far.
    pub stage: MigrationStage,
}

impl Migration {
    /// Whether who trusts these bundles can follow: without authorities of the target's form there is nothing to accept. The
    /// last stage is followed even so, though it refuses everybody: a demand is not dropped because something is missing.
    pub fn can_be_followed(self, bundles: &BundleSet) -> bool {
        let form = self.target.form();
        self.stage == MigrationStage::Require
            || bundles
                .iter()
                .any(|bundle| bundle.authorities_of(form).next().is_some())
    }

    /// Whether what is presented is classical where the peer takes that.
    pub(crate) fn presents_classical(self) -> bool {
        self.stage < MigrationStage::Prefer
    }
}

/// Whether one side follows migrations; by default not. As long as it exists its source knows of one that does not.
#[derive(Clone, Debug, Default)]
pub(crate) struct Following {
    follows: bool,
    _abstention: Option<Abstention>,
}

impl Following {
    /// As the options of a side with this source say.
    pub(crate) fn of(source: &dyn IdentitySource, follows: bool) -> Self {
        let counts = source.handshakes().filter(|_| !follows);
        Self {
            follows,
            _abstention: counts.map(HandshakeCounts::abstain),
        }
    }
}

/// The migration that handshakes of a source follow at this moment.
pub(crate) fn followed(source: &dyn IdentitySource, following: &Following) -> Option<Migration> {
    let migration = source.migration().filter(|_| following.follows)?;
    migration.can_be_followed(&source.bundles()).then_some(migration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for target in MigrationTarget::ALL {
            assert_eq!(target.name().parse(), Ok(target));
            assert!(target.policy().accepts(target.form()), "{target}");
            assert!(!target.policy().accepts(Form::Classical), "{target}");
        }
        for stage in MigrationStage::ALL {
            assert_eq!(stage.name().parse(), Ok(stage));
        }
        let error = "Hybrid".parse::<MigrationTarget>().unwrap_err();
        assert!(error.to_string().contains("\"Hybrid\""), "{error}");
        assert!("".parse::<MigrationStage>().is_err());
        let error = "x".repeat(9000).parse::<MigrationStage>().unwrap_err();
        assert!(error.to_string().len() < 200, "{error}");
    }

    #[test]
    fn stages_follow_one_another() {
        let mut stage = MigrationStage::Publish;
        let mut walked = vec![stage];
        while let Some(next) = stage.next() {
            stage = next;
            walked.push(stage);
        }
        assert_eq!(walked, MigrationStage::ALL);
    }
}
