//! What a configuration must keep to beyond its syntax, and what its author should be told.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use symbolon_host::duration::HumanDuration;
use symbolon_hsm::StoreName;
use symbolon_pki::suite::Suite;

use super::{Place, ServerConfig};
use crate::authorities::{may_be_alternative, may_sign};

/// Lifetimes of X.509-SVIDs above this one are warned of.
const LONG_SVID: Duration = Duration::from_secs(24 * 60 * 60);
/// Lifetimes of JWT-SVIDs above this one are warned of: whoever finds a token can use it as long.
const LONG_JWT: Duration = Duration::from_secs(15 * 60);

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
        if self.data_dir.as_os_str().is_empty() {
            return Err(problem("data_dir", "is empty"));
        }
        let name_ok = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if self.server_name.is_empty()
            || self.server_name.len() > 64
            || !self.server_name.chars().all(name_ok)
        {
            return Err(problem(
                "server_name",
                "must be 1 to 64 letters, digits, `.`, `-` and `_`",
            ));
        }
        for (name, store) in &self.effective_stores() {
            store.check(name, self.default_key_file())?;
        }
        self.check_gate()?;
        self.check_families()?;
        self.check_lifetimes()
    }

    fn check_families(&self) -> Result<(), Problem> {
        let stores = self.effective_stores();
        if let Some(unknown) = self.key_stores.iter().find(|name| !stores.contains_key(name)) {
            return Err(no_section("key_stores", unknown));
        }
        for family in self.families() {
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
            let Place::In(names) = family.place else {
                continue;
            };
            if names.len() != 1 && names.len() != components {
                let reason = format!(
                    "names {} stores; give one, or one for each of {components}",
                    names.len()
                );
                return Err(problem(key("store"), reason));
            }
            if let Some(unknown) = names.iter().find(|name| !stores.contains_key(name)) {
                return Err(no_section(key("store"), unknown));
            }
        }
        Ok(())
    }

    fn check_lifetimes(&self) -> Result<Vec<Warning>, Problem> {
        let lifetimes = &self.lifetimes;
        let all = [
            ("lifetimes.authority", lifetimes.authority, None),
            (
                "lifetimes.svid",
                lifetimes.svid,
                Some((LONG_SVID, "a stolen key serves as long")),
            ),
            (
                "lifetimes.agent",
                lifetimes.agent,
                Some((LONG_SVID, "a stolen key serves as long")),
            ),
            (
                "lifetimes.jwt",
                lifetimes.jwt,
                Some((LONG_JWT, "whoever finds a token can use it as long")),
            ),
        ];
        // Of no matter where nobody issues such tokens.
        let wit = self.families.wit.as_ref().map(|_| {
            let advice = Some((LONG_SVID, "a stolen key serves as long"));
            ("lifetimes.wit", lifetimes.wit, advice)
        });
        let mut warnings = Vec::new();
        for (key, lifetime, advice) in all.into_iter().chain(wit) {
            if lifetime.0.is_zero() {
                return Err(problem(key, "is zero"));
            }
            let longest = lifetimes.authority.0;
            if lifetime.0 > longest {
                let reason = format!(
                    "is {lifetime}, longer than the authority's {}",
                    lifetimes.authority
                );
                return Err(problem(key, reason));
            }
            if let Some((limit, why)) = advice.filter(|(limit, _)| lifetime.0 > *limit) {
                let reason = format!("is {lifetime}; above {} {why}", HumanDuration(limit));
                warnings.push(Warning {
                    key: key.to_owned(),
                    reason,
                });
            } else if advice.is_some() && lifetime.0 > longest / 6 {
                let reason = format!(
                    "is {lifetime}; authorities sign until a sixth of their {} is left, so some will live shorter",
                    lifetimes.authority
                );
                warnings.push(Warning {
                    key: key.to_owned(),
                    reason,
                });
            }
        }
        Ok(warnings)
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
