//! What changes when a configuration is read again by an agent that runs.

use super::AgentConfig;

/// What is different in a configuration that was read again.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Changes {
    /// Keys whose new values hold from now on.
    pub taken: Vec<&'static str>,
    /// Keys whose new values hold after the next start.
    pub kept: Vec<&'static str>,
}

impl AgentConfig {
    /// What differs in `next`, by what an agent can do about it while it runs: how much it logs can change, and what it
    /// attests with is read from its files whenever it is needed. The rest it was built from.
    pub fn changes(&self, next: &Self) -> Changes {
        let mut changes = Changes::default();
        if self.log.filter != next.log.filter {
            changes.taken.push("log.filter");
        }
        let kept = [
            (self.trust_domain != next.trust_domain, "trust_domain"),
            (self.data_dir != next.data_dir, "data_dir"),
            (self.form != next.form, "form"),
            (self.server != next.server, "server"),
            (self.bootstrap != next.bootstrap, "bootstrap"),
            (self.attestor != next.attestor, "attestor"),
            (self.keys != next.keys, "keys"),
            (self.workload_api != next.workload_api, "workload_api"),
            (self.svids != next.svids, "svids"),
            (self.sync != next.sync, "sync"),
            (self.health != next.health, "health"),
            (self.metrics != next.metrics, "metrics"),
            (self.traces != next.traces, "traces"),
            (self.log.format != next.log.format, "log.format"),
        ];
        changes.kept.extend(
            kept.into_iter()
                .filter(|(differs, _)| *differs)
                .map(|(_, key)| key),
        );
        // Sections that are not named above are kept as well.
        if changes.kept.is_empty() && self.taking(next) != *next {
            changes.kept.push("another section");
        }
        changes
    }

    /// This configuration with what an agent can take from `next` while it runs.
    #[must_use]
    pub fn taking(&self, next: &Self) -> Self {
        let mut taking = self.clone();
        taking.log.filter.clone_from(&next.log.filter);
        taking
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_is_taken_or_named() {
        let config = |text: &str| {
            let text = format!(
                "trust_domain = \"example.org\"\n{text}[server]\naddress = \"h:1\"\n[bootstrap]\nbundle = \"/b\"\n"
            );
            toml::from_str::<AgentConfig>(&text).unwrap()
        };
        let old = config("data_dir = \"/d\"\n");
        assert_eq!(old.changes(&old.clone()), Changes::default());
        let mut new = config("data_dir = \"/e\"\nform = \"ml-dsa\"\n");
        new.log.filter = "debug".to_owned();
        let changes = old.changes(&new);
        assert_eq!(
            (changes.taken, changes.kept),
            (vec!["log.filter"], vec!["data_dir", "form"])
        );
        assert_eq!(old.taking(&new).changes(&new).taken, [""; 0]);
    }
}
