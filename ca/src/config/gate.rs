//! Who may call beyond what entries say, and how often.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use spiffe::SpiffeId;
use symbolon_host::config::distinct_from_text;
use symbolon_host::duration::HumanDuration;

use super::ServerConfig;
use super::check::{Problem, problem};

/// Longest policy evaluation that may be configured.
const LONGEST_DECISION: Duration = Duration::from_secs(1);

/// Who may call.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct AuthorizationConfig {
    /// Administrators beside those that entries make. They may be of trust domains that this one federates with. Default:
    /// none.
    #[serde(deserialize_with = "distinct_from_text")]
    pub admin_ids: Vec<SpiffeId>,
    /// A Rego file that every call must pass beside the table. Default: none.
    pub policy: Option<PathBuf>,
    /// A JSON file that the policy finds as `data`. Default: none.
    pub policy_data: Option<PathBuf>,
    /// Longest time for one decision of the policy; what takes longer is refused. Default: 50 ms.
    pub policy_timeout_ms: u32,
    /// Whether what the policy lets through is logged, as what it refuses always is. Default: yes.
    pub log_allowed: bool,
}

impl Default for AuthorizationConfig {
    fn default() -> Self {
        Self {
            admin_ids: Vec::new(),
            policy: None,
            policy_data: None,
            policy_timeout_ms: 50,
            log_allowed: true,
        }
    }
}

/// How often one caller may ask for what costs something, and how many calls there may be. 0 is no bound.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsConfig {
    /// Attestations a second. Default: 1.
    pub attestation: u32,
    /// Certificates, JWT-SVIDs and WIT-SVIDs a second, each by itself. Default: 500.
    pub signing: u32,
    /// Published keys a second. Default: 500.
    pub key_push: u32,
    /// Status reports of agents a second. Default: 10.
    pub status: u32,
    /// How long a call waits for its turn before it is refused. Default: 30 seconds.
    pub wait: HumanDuration,
    /// Calls in progress, of all callers together. Default: 512.
    pub calls: usize,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            attestation: 1,
            signing: 500,
            key_push: 500,
            status: 10,
            wait: HumanDuration(Duration::from_secs(30)),
            calls: 512,
        }
    }
}

impl LimitsConfig {
    /// No bound at all.
    pub const OFF: Self = Self {
        attestation: 0,
        signing: 0,
        key_push: 0,
        status: 0,
        wait: HumanDuration(Duration::ZERO),
        calls: 0,
    };
}

impl ServerConfig {
    /// The administrators that are of other trust domains.
    pub fn foreign_admins(&self) -> impl Iterator<Item = &SpiffeId> {
        let admins = self.authorization.admin_ids.iter();
        admins.filter(|id| !id.is_member_of(&self.trust_domain))
    }

    /// The administrators that are of this one.
    pub(super) fn own_admins(&self) -> impl Iterator<Item = &SpiffeId> {
        let admins = self.authorization.admin_ids.iter();
        admins.filter(|id| id.is_member_of(&self.trust_domain))
    }

    pub(super) fn check_gate(&self) -> Result<(), Problem> {
        let authorization = &self.authorization;
        if let Some(id) = authorization.admin_ids.iter().find(|id| id.path().is_empty()) {
            let reason = format!("has {id}, which is a trust domain; name an identity in it");
            return Err(problem("authorization.admin_ids", reason));
        }
        for (key, path) in [
            ("policy", &authorization.policy),
            ("policy_data", &authorization.policy_data),
        ] {
            if path.as_ref().is_some_and(|path| path.as_os_str().is_empty()) {
                return Err(problem(format!("authorization.{key}"), "is empty"));
            }
        }
        if authorization.policy.is_none() && authorization.policy_data.is_some() {
            return Err(problem(
                "authorization.policy_data",
                "is of no use without `policy`",
            ));
        }
        let timeout = Duration::from_millis(u64::from(authorization.policy_timeout_ms));
        if timeout.is_zero() || timeout > LONGEST_DECISION {
            let reason = format!("is {}; it can be 1 to 1000", authorization.policy_timeout_ms);
            return Err(problem("authorization.policy_timeout_ms", reason));
        }
        let (age, grace) = (
            self.listen.max_connection_age.0,
            self.listen.max_connection_grace.0,
        );
        if age < Duration::from_secs(1) {
            return Err(problem("listen.max_connection_age", "is less than a second"));
        }
        if grace.is_zero() {
            return Err(problem("listen.max_connection_grace", "is zero"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<ServerConfig, String> {
        let text = format!("trust_domain = \"example.org\"\ndata_dir = \"/d\"\n{text}");
        let config: ServerConfig = toml::from_str(&text).map_err(|error| error.to_string())?;
        config.check_gate().map_err(|problem| problem.to_string())?;
        Ok(config)
    }

    #[test]
    fn administrators_may_be_of_other_trust_domains() {
        let ids =
            "\"spiffe://example.org/admin\", \"spiffe://other.org/admin\", \"spiffe://example.org/admin\"";
        let config = check(&format!("[authorization]\nadmin_ids = [{ids}]")).unwrap();
        assert_eq!(config.authorization.admin_ids.len(), 2, "one is there twice");
        assert_eq!(check("").unwrap().limits, LimitsConfig::default());
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_key() {
        for (text, key) in [
            (
                "[authorization]\nadmin_ids = [\"spiffe://example.org\"]",
                "authorization.admin_ids",
            ),
            ("[authorization]\nadmin_ids = [\"example.org/a\"]", "admin_ids"),
            ("[authorization]\npolicy = \"\"", "authorization.policy"),
            (
                "[authorization]\npolicy_data = \"/d\"",
                "authorization.policy_data",
            ),
            (
                "[authorization]\npolicy_timeout_ms = 0",
                "authorization.policy_timeout_ms",
            ),
            (
                "[authorization]\npolicy_timeout_ms = 1001",
                "authorization.policy_timeout_ms",
            ),
            ("[authorization]\npolicies = 1", "policies"),
            ("[limits]\nattestation = -1", "attestation"),
            ("[limits]\nwait = \"soon\"", "wait"),
            ("[limits]\nunknown = 1", "unknown"),
            (
                "[listen]\nmax_connection_age = \"0s\"",
                "listen.max_connection_age",
            ),
            (
                "[listen]\nmax_connection_grace = \"0s\"",
                "listen.max_connection_grace",
            ),
        ] {
            let problem = check(text).unwrap_err();
            assert!(problem.contains(key), "{text}: {problem}");
        }
    }
}
