//! What changes when a configuration is read again by a server that runs.

use super::ServerConfig;

/// What is different in a configuration that was read again.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Changes {
    /// Keys whose new values hold from now on.
    pub taken: Vec<&'static str>,
    /// Keys whose new values hold after the next start.
    pub kept: Vec<&'static str>,
}

impl Changes {
    /// Whether everything is as it was.
    pub fn is_empty(&self) -> bool {
        self.taken.is_empty() && self.kept.is_empty()
    }
}

impl ServerConfig {
    /// What differs in `next`, by what a server can do about it while it runs.
    pub fn changes(&self, next: &Self) -> Changes {
        let different = |pairs: &[(bool, &'static str)]| {
            pairs
                .iter()
                .filter(|(differs, _)| *differs)
                .map(|(_, key)| *key)
                .collect::<Vec<_>>()
        };
        let (lifetimes, other) = (&self.lifetimes, &next.lifetimes);
        let (access, other_access) = (&self.authorization, &next.authorization);
        let taken = different(&[
            (self.log.filter != next.log.filter, "log.filter"),
            (lifetimes.svid != other.svid, "lifetimes.svid"),
            (lifetimes.agent != other.agent, "lifetimes.agent"),
            (lifetimes.jwt != other.jwt, "lifetimes.jwt"),
            (lifetimes.wit != other.wit, "lifetimes.wit"),
            (self.limits != next.limits, "limits"),
            (self.migration != next.migration, "migration.quiet"),
            (
                !self.own_admins().eq(next.own_admins()),
                "authorization.admin_ids",
            ),
            (
                access.policy != other_access.policy || access.policy_data != other_access.policy_data,
                "authorization.policy",
            ),
            (
                access.policy_timeout_ms != other_access.policy_timeout_ms,
                "authorization.policy_timeout_ms",
            ),
            (
                access.log_allowed != other_access.log_allowed,
                "authorization.log_allowed",
            ),
        ]);
        let mut kept = different(&[
            (self.trust_domain != next.trust_domain, "trust_domain"),
            (self.data_dir != next.data_dir, "data_dir"),
            (self.server_name != next.server_name, "server_name"),
            (self.signer_threads != next.signer_threads, "signer_threads"),
            (self.listen != next.listen, "listen"),
            (
                !self.foreign_admins().eq(next.foreign_admins()),
                "authorization.admin_ids of other trust domains",
            ),
            (lifetimes.authority != other.authority, "lifetimes.authority"),
            (self.retention != next.retention, "retention"),
            (self.stores != next.stores, "stores"),
            (self.key_stores != next.key_stores, "key_stores"),
            (self.upstreams != next.upstreams, "upstreams"),
            (self.families != next.families, "families"),
            (self.attestors != next.attestors, "attestors"),
            (self.federation != next.federation, "federation"),
            (self.health != next.health, "health"),
            (self.metrics != next.metrics, "metrics"),
            (self.traces != next.traces, "traces"),
            (self.log.format != next.log.format, "log.format"),
        ]);
        // Sections that are not named above are kept as well.
        if kept.is_empty() && self.taking(next) != *next {
            kept.push("another section");
        }
        Changes { taken, kept }
    }

    /// This configuration with what a server can take from `next` while it runs.
    #[must_use]
    pub fn taking(&self, next: &Self) -> Self {
        let mut taking = self.clone();
        taking.log.filter.clone_from(&next.log.filter);
        taking.lifetimes = next.lifetimes;
        taking.lifetimes.authority = self.lifetimes.authority;
        taking.limits = next.limits;
        taking.migration = next.migration;
        taking.authorization = next.authorization.clone();
        // Whom the listener lets in of other trust domains was settled when it started.
        taking.authorization.admin_ids = next.own_admins().chain(self.foreign_admins()).cloned().collect();
        taking
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> ServerConfig {
        let text = format!("trust_domain = \"example.org\"\n{text}");
        toml::from_str(&text).expect("a configuration")
    }

    #[test]
    fn what_changes_is_taken_or_named() {
        let old = config("data_dir = \"/d\"\n");
        assert!(old.changes(&old.clone()).is_empty());
        let new = config(
            "data_dir = \"/e\"\n[log]\nfilter = \"debug\"\n[lifetimes]\nsvid = \"2h\"\nauthority = \"48h\"\n\
             [limits]\nsigning = 7\n[migration]\nquiet = \"1h\"\n[authorization]\nadmin_ids = [\"spiffe://example.org/admin\", \"spiffe://other.org/admin\"]\n\
             [federation]\ntimeout = \"9s\"\n[health]\naddress = \"127.0.0.1:0\"\n",
        );
        let changes = old.changes(&new);
        assert_eq!(
            changes.taken,
            [
                "log.filter",
                "lifetimes.svid",
                "limits",
                "migration.quiet",
                "authorization.admin_ids"
            ]
        );
        assert_eq!(
            changes.kept,
            [
                "data_dir",
                "authorization.admin_ids of other trust domains",
                "lifetimes.authority",
                "federation",
                "health"
            ]
        );
        let taking = old.taking(&new);
        assert_eq!(taking.changes(&new).taken, [""; 0], "what was taken is taken");
        assert_eq!(
            taking.changes(&new).kept,
            changes.kept,
            "what was kept is kept until the next start"
        );
        assert_eq!(
            (taking.lifetimes.authority, taking.data_dir),
            (old.lifetimes.authority, old.data_dir)
        );
    }
}
