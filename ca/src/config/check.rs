//! What a configuration must keep to beyond its syntax, and what its author should be told.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use symbolon_host::duration::HumanDuration;
use symbolon_host::watch;
use symbolon_hsm::StoreName;
use symbolon_pki::suite::Suite;

use super::{FamilyPlan, Place, ServerConfig};
use crate::authorities::{may_be_alternative, may_sign};

/// Lifetimes of X.509-SVIDs above this one are warned of.
const LONG_SVID: Duration = Duration::from_secs(24 * 60 * 60);
/// Lifetimes of JWT-SVIDs above this one are warned of: whoever finds a token can use it as long.
const LONG_JWT: Duration = Duration::from_secs(15 * 60);

/// Authorities are looked after every ten seconds, and a sixth of their life is the time for a successor to become known:
/// below this one it would sign before anybody could verify it.
const SHORTEST_AUTHORITY: Duration = Duration::from_secs(60);

/// A value that makes no sense.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{key}` {reason}")]
pub struct Problem {
    /// The key, with the sections it is in.
    pub key: String,
    /// What is wrong with its value, and what would be right.
    pub reason: String,
}

/// A value that works and is likely not what its author wants.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Warning {
    /// The key, with the sections it is in.
    pub key: String,
    /// What it will lead to.
    pub reason: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.key, self.reason)
    }
}

pub(super) fn problem(key: impl Into<String>, reason: impl Into<String>) -> Problem {
    Problem {
        key: key.into(),
        reason: reason.into(),
    }
}

impl ServerConfig {
    /// Checks the configuration without touching anything: no file is opened and no socket bound.
    ///
    /// # Errors
    /// The first [`Problem`].
    pub fn validate(&self) -> Result<Vec<Warning>, Problem> {
        let (problems, warnings) = self.problems();
        match problems.into_iter().next() {
            Some(problem) => Err(problem),
            None => Ok(warnings),
        }
    }

    /// Everything that is wrong, and what else its author should know, without touching anything.
    pub(super) fn problems(&self) -> (Vec<Problem>, Vec<Warning>) {
        let mut problems = Vec::new();
        if self.data_dir.as_os_str().is_empty() {
            problems.push(problem("data_dir", "is empty"));
        }
        let name_ok = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if self.server_name.is_empty()
            || self.server_name.len() > 64
            || !self.server_name.chars().all(name_ok)
        {
            let reason = "must be 1 to 64 letters, digits, `.`, `-` and `_`";
            problems.push(problem("server_name", reason));
        }
        for (name, store) in &self.effective_stores() {
            problems.extend(store.check(name, self.default_key_file()).err());
        }
        problems.extend(self.listen.proxies().err());
        problems.extend(self.check_gate().err());
        problems.extend(self.federation.check().err());
        problems.extend(self.migration.check().err());
        problems.extend(self.attestors.check().err());
        problems.extend(self.check_key_stores().err());
        let families = self.families();
        problems.extend(
            families
                .into_iter()
                .filter_map(|family| self.check_family(family).err()),
        );
        let (wrong, mut warnings) = self.check_upstreams();
        problems.extend(wrong);
        let watched = watch::faults(&self.health, &self.metrics, &self.traces);
        problems.extend(watched.into_iter().map(|(key, reason)| problem(key, reason)));
        self.check_lifetimes(&mut problems, &mut warnings);
        let open = watch::advice(&self.health, &self.metrics).into_iter();
        warnings.extend(open.map(|(key, reason)| Warning {
            key: key.to_owned(),
            reason,
        }));
        warnings.extend(self.idle_stores());
        (problems, warnings)
    }

    fn check_key_stores(&self) -> Result<(), Problem> {
        let stores = self.effective_stores();
        match self.key_stores.iter().find(|name| !stores.contains_key(name)) {
            Some(unknown) => Err(no_section("key_stores", unknown)),
            None => Ok(()),
        }
    }

    fn check_family(&self, family: FamilyPlan) -> Result<(), Problem> {
        let stores = self.effective_stores();
        let key = |field: &str| format!("families.{}.{field}", family.family);
        let fits = |suite: &Suite| may_sign(family.family, *suite);
        if !fits(&family.suite) {
            let allowed: Vec<_> = Suite::ALL.into_iter().filter(fits).map(Suite::name).collect();
            let reason = format!(
                "is {}; this family signs with one of {}",
                family.suite,
                allowed.join(", ")
            );
            return Err(problem(key("suite"), reason));
        }
        if let Some(alternative) = family.alternative.filter(|suite| !may_be_alternative(*suite)) {
            let allowed: Vec<_> = Suite::ALL
                .into_iter()
                .filter(|suite| may_be_alternative(*suite))
                .map(Suite::name)
                .collect();
            let reason = format!(
                "is {alternative}; an alternative key is of one of {}",
                allowed.join(", ")
            );
            return Err(problem(key("alternative"), reason));
        }
        let components = family.component_count();
        let Place::In(names) = &family.place else {
            return Ok(());
        };
        if names.len() != 1 && names.len() != components {
            let reason = format!(
                "names {} stores; give one, or one for each of {components}",
                names.len()
            );
            return Err(problem(key("store"), reason));
        }
        match names.iter().find(|name| !stores.contains_key(name)) {
            Some(unknown) => Err(no_section(key("store"), unknown)),
            None => Ok(()),
        }
    }

    fn check_lifetimes(&self, problems: &mut Vec<Problem>, warnings: &mut Vec<Warning>) {
        let lifetimes = &self.lifetimes;
        let longest = lifetimes.authority;
        if longest.0 < SHORTEST_AUTHORITY {
            let reason = format!(
                "is {longest}; at least {} is needed, so that a successor is published before it signs",
                HumanDuration(SHORTEST_AUTHORITY)
            );
            problems.push(problem("lifetimes.authority", reason));
        }
        let stolen = (LONG_SVID, "a stolen key serves as long");
        let all = [
            ("lifetimes.svid", lifetimes.svid, stolen),
            ("lifetimes.agent", lifetimes.agent, stolen),
            (
                "lifetimes.jwt",
                lifetimes.jwt,
                (LONG_JWT, "whoever finds a token can use it as long"),
            ),
        ];
        // Of no matter where nobody issues such tokens.
        let wit = self
            .families
            .wit
            .as_ref()
            .map(|_| ("lifetimes.wit", lifetimes.wit, stolen));
        for (key, lifetime, (limit, why)) in all.into_iter().chain(wit) {
            let warn = |reason: String| Warning {
                key: key.to_owned(),
                reason,
            };
            if lifetime.0.is_zero() {
                problems.push(problem(key, "is zero"));
            } else if lifetime.0 > longest.0 {
                let reason = format!("is {lifetime}, longer than the authority's {longest}");
                problems.push(problem(key, reason));
            } else if lifetime.0 > limit {
                warnings.push(warn(format!(
                    "is {lifetime}; above {} {why}",
                    HumanDuration(limit)
                )));
            } else if lifetime.0 > longest.0 / 6 {
                warnings.push(warn(format!(
                    "is {lifetime}; authorities sign until a sixth of their {longest} is left, so some will live shorter"
                )));
            }
        }
    }

    /// Beside the data directory, and so not in it: `None` where that is the root.
    pub(super) fn default_key_file(&self) -> Option<PathBuf> {
        let mut name = self.data_dir.file_name()?.to_owned();
        name.push(".key");
        Some(self.data_dir.with_file_name(name))
    }
}

fn no_section(key: impl Into<String>, store: &StoreName) -> Problem {
    problem(
        key,
        format!("is {store}, and there is no section [stores.{store}]"),
    )
}

#[cfg(test)]
mod tests;
