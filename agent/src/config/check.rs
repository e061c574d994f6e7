//! What a configuration must keep to beyond its syntax, and what follows from it.

use std::path::PathBuf;
use std::time::Duration;

use symbolon_hsm::{KekSource, Passphrase, PassphraseError, SecretSource};
use symbolon_pki::suite::Form;

use symbolon_host::config::{ConfigError, Examined};
use symbolon_host::{logging, watch};

use super::AgentConfig;

/// Intervals outside of these are mistakes.
const INTERVALS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(60 * 60)];

/// What stands in for a key that has to be given and is not, so that the rest can be looked at.
const STAND_INS: &str = "trust_domain = \"example.org\"\ndata_dir = \"/var/lib/symbolon-agent\"\n[server]\n\
                         address = \"server.example.org:8081\"\n[bootstrap]\nbundle = \"/etc/symbolon/bundle.json\"\n";

/// One thing that is wrong with a file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// The key with the section it is in; `None` where the file is not TOML there.
    pub key: Option<String>,
    /// The line, from 1, where one line is to blame.
    pub line: Option<usize>,
    /// What is wrong, and what would be right.
    pub reason: String,
}

/// A value that makes no sense.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{key}` {reason}")]
pub struct Problem {
    /// The key, with the section it is in.
    pub key: &'static str,
    /// What is wrong with its value, and what would be right.
    pub reason: String,
}

impl AgentConfig {
    /// Checks the configuration without touching anything: no file is opened and no socket bound.
    ///
    /// # Errors
    /// The first [`Problem`].
    pub fn validate(&self) -> Result<(), Problem> {
        let problem = |key, reason: &str| {
            Err(Problem {
                key,
                reason: reason.to_owned(),
            })
        };
        if self.data_dir.as_os_str().is_empty() {
            return problem("data_dir", "is empty");
        }
        if !is_host_and_port(&self.server.address) {
            return problem(
                "server.address",
                "must be a host and a port, like `server.example.org:8081`",
            );
        }
        if let Some(form) = self.form.filter(|form| !Form::OF_KEYS.contains(form)) {
            let known = Form::OF_KEYS.map(Form::name).join(", ");
            return problem(
                "form",
                &format!("is {form}; the agent's own SVID has one key, and is one of {known}"),
            );
        }
        match (&self.bootstrap.bundle, self.bootstrap.insecure) {
            (None, false) => {
                return problem(
                    "bootstrap.bundle",
                    "is missing; the server would not be recognised",
                );
            }
            (Some(_), true) => {
                return problem("bootstrap.insecure", "contradicts `bootstrap.bundle`; give one");
            }
            _ => {}
        }
        self.attestor.check()?;
        let keys = &self.keys;
        let sources = [
            keys.key_file.is_some(),
            keys.passphrase_file.is_some(),
            keys.passphrase_env.is_some(),
        ];
        if sources.into_iter().filter(|given| *given).count() > 1 {
            return problem(
                "keys",
                "names more than one of `key_file`, `passphrase_file` and `passphrase_env`",
            );
        }
        if sources == [false; 3] && self.data_dir.file_name().is_none() {
            return problem(
                "keys.key_file",
                "is missing; beside a `data_dir` that ends in no name there is no place for it",
            );
        }
        if let Err(error) = symbolon_host::socket::check_path(&self.socket()) {
            return problem("workload_api.socket", &format!("is no use: {error}"));
        }
        self.check_limits()?;
        match watch::faults(&self.health, &self.metrics, &self.traces)
            .into_iter()
            .next()
        {
            Some((key, reason)) => Err(Problem { key, reason }),
            None => Ok(()),
        }
    }

    /// Looks for what is wrong with a file: every key that cannot be read, and then the first whose value makes no sense.
    ///
    /// # Errors
    /// [`ConfigError`] where it cannot be read at all.
    pub fn examine(path: &std::path::Path) -> Result<Vec<Finding>, ConfigError> {
        let examined: Examined<Self> = symbolon_host::config::examine(path, STAND_INS)?;
        let mut findings: Vec<Finding> = examined
            .mistakes
            .iter()
            .map(|mistake| Finding {
                key: mistake.key.clone(),
                line: Some(mistake.line),
                reason: mistake.reason.clone(),
            })
            .collect();
        let of_value = |key: &str, reason: String| Finding {
            key: Some(key.to_owned()),
            line: None,
            reason,
        };
        if let Some(config) = &examined.value {
            let problem = config
                .validate()
                .err()
                .map(|problem| (problem.key, problem.reason));
            let filter = logging::check(&config.log.filter).err();
            let filter = filter.map(|error| ("log.filter", format!("is wrong: {error}")));
            let values = problem.into_iter().chain(filter);
            let values = values.filter(|(key, _)| !examined.is_unread(key));
            findings.extend(values.map(|(key, reason)| of_value(key, reason)));
        }
        Ok(findings)
    }

    fn check_limits(&self) -> Result<(), Problem> {
        let api = &self.workload_api;
        for (key, limit) in [
            ("workload_api.max_connections", api.max_connections),
            (
                "workload_api.max_connections_per_user",
                api.max_connections_per_user,
            ),
            (
                "workload_api.max_streams",
                usize::try_from(api.max_streams).unwrap_or(usize::MAX),
            ),
            ("svids.max_x509", self.svids.max_x509),
            ("svids.max_jwt", self.svids.max_jwt),
        ] {
            if !(1..=1_000_000).contains(&limit) {
                return Err(Problem {
                    key,
                    reason: format!("is {limit}; it can be 1 to 1000000"),
                });
            }
        }
        let [shortest, longest] = INTERVALS;
        if !(shortest..=longest).contains(&self.sync.interval.0) {
            return Err(Problem {
                key: "sync.interval",
                reason: format!("is {}; it can be 1s to 1h", self.sync.interval),
            });
        }
        if self.sync.longest_wait < self.sync.interval {
            return Err(Problem {
                key: "sync.longest_wait",
                reason: format!(
                    "is {}, shorter than the interval of {}",
                    self.sync.longest_wait, self.sync.interval
                ),
            });
        }
        Ok(())
    }

    /// Beside the data directory, and so not in it.
    fn default_key_file(&self) -> PathBuf {
        let mut name = self.data_dir.file_name().unwrap_or_default().to_owned();
        name.push(".key");
        self.data_dir.with_file_name(name)
    }

    /// What opens the store of the agent's own key. Reads the passphrase if there is to be one.
    ///
    /// # Errors
    /// [`PassphraseError`].
    pub(crate) fn kek(&self) -> Result<KekSource, PassphraseError> {
        let keys = &self.keys;
        let source = match (&keys.passphrase_file, &keys.passphrase_env) {
            (Some(file), _) => SecretSource::File(file.clone()),
            (None, Some(name)) => SecretSource::Environment(name.clone()),
            (None, None) => {
                let file = keys.key_file.clone().unwrap_or_else(|| self.default_key_file());
                return Ok(KekSource::KeyFile(file));
            }
        };
        source.read(nobody_to_ask).map(KekSource::Passphrase)
    }
}

/// An agent has nobody at its terminal.
fn nobody_to_ask() -> Result<Passphrase, PassphraseError> {
    Err(PassphraseError::Prompt(std::io::ErrorKind::Unsupported.into()))
}

fn is_host_and_port(address: &str) -> bool {
    match address.rsplit_once(':') {
        Some((host, port)) => {
            let host = host
                .strip_prefix('[')
                .and_then(|h| h.strip_suffix(']'))
                .unwrap_or(host);
            !host.is_empty()
                && !host.contains(char::is_whitespace)
                && port.parse::<u16>().is_ok_and(|p| p > 0)
        }
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use spiffe::TrustDomain;

    use super::*;

    const SERVER: &str = "[server]\naddress = \"server.example.org:8081\"\n";
    const BOOTSTRAP: &str = "[bootstrap]\nbundle = \"/etc/symbolon/bundle.json\"\n";
    const TOP: &str = "trust_domain = \"example.org\"\ndata_dir = \"/var/lib/symbolon-agent\"\n";

    fn parse(text: &str) -> Result<AgentConfig, toml::de::Error> {
        toml::from_str(text)
    }

    fn refusal(text: &str) -> String {
        match parse(text) {
            Ok(config) => config.validate().unwrap_err().to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn the_documented_defaults_are_the_defaults() {
        let documented = parse(include_str!("defaults.toml")).unwrap();
        let minimal = parse(&format!("{TOP}{SERVER}{BOOTSTRAP}")).unwrap();
        let made = AgentConfig::new(
            TrustDomain::new("example.org").unwrap(),
            "/var/lib/symbolon-agent",
            "server.example.org:8081",
            "/etc/symbolon/bundle.json",
        );
        assert_eq!(minimal, made);
        assert_eq!(documented.validate(), Ok(()));
        assert_eq!(minimal.validate(), Ok(()));

        assert_eq!(
            format!("{:?}", documented.kek().unwrap()),
            format!("{:?}", minimal.kek().unwrap())
        );
        assert_eq!(documented.socket(), minimal.socket());
        let mut written_out = documented.clone();
        written_out.attestor = minimal.attestor.clone();
        written_out.keys = minimal.keys.clone();
        written_out.workload_api.socket = None;
        assert_eq!(written_out, minimal);
    }

    /// The unit may write in its state directories and nowhere else, and what the guide has people write down works there.
    #[test]
    fn the_shipped_unit_may_write_where_the_guide_says() {
        let unit = include_str!("../../../deploy/systemd/symbolon-agent.service");
        let guide = include_str!("../../../docs/src/deployment.md");
        let blocks = guide
            .split("```toml\n")
            .map(|block| block.split("```").next().unwrap());
        let block = blocks
            .skip(1)
            .find(|block| block.contains("[bootstrap]"))
            .unwrap();
        let config = parse(block).unwrap();
        assert_eq!(config.validate(), Ok(()));
        assert!(!unit.contains("ReadWritePaths"));
        let states: Vec<PathBuf> = unit
            .lines()
            .filter_map(|line| line.strip_prefix("StateDirectory="))
            .flat_map(str::split_whitespace)
            .map(|name| PathBuf::from("/var/lib").join(name))
            .collect();
        let key_file = config.keys.key_file.clone().unwrap();
        for path in [&config.data_dir, &config.socket(), &key_file] {
            assert!(states.iter().any(|state| path.starts_with(state)), "{path:?}");
        }
        assert!(!key_file.starts_with(&config.data_dir));
    }

    #[test]
    fn every_section_can_be_set() {
        let config = parse(&format!(
            "{TOP}form = \"ml-dsa\"\n{SERVER}[bootstrap]\ninsecure = true\n[attestor]\njoin_token_env = \"TOKEN\"\n\
             [keys]\npassphrase_env = \"SECRET\"\n[workload_api]\nsocket = \"/run/api.sock\"\nmax_streams = 3\n\
             [svids]\nprefetch = [\"composite\", \"classical\", \"composite\"]\n[sync]\ninterval = \"9s\"\n\
             [log]\nformat = \"json\"\n"
        ))
        .unwrap();
        assert_eq!(config.validate(), Ok(()));
        assert_eq!(config.form, Some(Form::MlDsa));
        assert_eq!(config.svids.prefetch, [Form::Composite, Form::Classical]);
        assert_eq!(config.socket(), PathBuf::from("/run/api.sock"));
        let nothing = parse(&format!("{TOP}{SERVER}{BOOTSTRAP}[svids]\nprefetch = []\n")).unwrap();
        assert_eq!(nothing.validate(), Ok(()));
    }

    #[test]
    fn everything_that_cannot_be_read_is_found_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("agent.toml");
        let text = "trust_domain = \"example.org\"\ncolour = 1\n[bootstrap]\nbundle = \"/b\"\n[svids]\nmax_jwt = \"many\"\n\
                    [sync]\ninterval = \"0s\"\n[log]\nfilter = \"a=b=c\"\n";
        std::fs::write(&file, text).unwrap();
        let findings = AgentConfig::examine(&file).unwrap();
        let mut keys: Vec<_> = findings
            .iter()
            .filter_map(|finding| finding.key.as_deref())
            .collect();
        keys.sort_unstable();
        assert_eq!(
            keys,
            [
                "colour",
                "data_dir",
                "log.filter",
                "server",
                "svids.max_jwt",
                "sync.interval"
            ]
        );
        let lines: Vec<_> = findings.iter().filter_map(|finding| finding.line).collect();
        assert!(lines.contains(&2) && lines.contains(&6), "{findings:?}");
    }

    #[test]
    fn each_mistake_is_named() {
        let all = format!("{TOP}{SERVER}{BOOTSTRAP}");
        let long = "x".repeat(108);
        for (text, words) in [
            (format!("colour = 1\n{all}"), "colour"),
            (format!("form = \"paired\"\n{all}"), "paired"),
            (
                format!("{TOP}{BOOTSTRAP}[server]\naddress = \"somewhere\""),
                "`server.address`",
            ),
            (
                format!("{TOP}{BOOTSTRAP}[server]\naddress = \":80\""),
                "`server.address`",
            ),
            (
                format!("{TOP}{BOOTSTRAP}[server]\naddress = \"h:70000\""),
                "`server.address`",
            ),
            (
                format!("{TOP}{SERVER}[bootstrap]\n"),
                "`bootstrap.bundle` is missing",
            ),
            (format!("{all}insecure = true"), "`bootstrap.insecure`"),
            (format!("{all}[attestor]\njoin_token = \"abc\""), "join_token"),
            (
                format!("{all}[attestor]\njoin_token_env = \"A\"\njoin_token_file = \"/b\""),
                "give one",
            ),
            (
                format!("{all}[keys]\nkey_file = \"/a\"\npassphrase_env = \"B\""),
                "more than one",
            ),
            // Beside `.` would be in it.
            (all.replace("/var/lib/symbolon-agent", "."), "`keys.key_file`"),
            (
                all.replace("/var/lib/symbolon-agent", "node/.."),
                "`keys.key_file`",
            ),
            (format!("{all}[workload_api]\nsocket = \"/{long}\""), "109 bytes"),
            (
                format!("{all}[workload_api]\nmax_connections = 0"),
                "`workload_api.max_connections` is 0",
            ),
            (format!("{all}[svids]\nprefetch = [\"rot13\"]"), "rot13"),
            (format!("{all}[svids]\nmax_jwt = 0"), "`svids.max_jwt`"),
            (format!("{all}[sync]\ninterval = \"0s\""), "`sync.interval` is 0s"),
            (
                format!("{all}[sync]\nlongest_wait = \"2s\""),
                "shorter than the interval",
            ),
        ] {
            let error = refusal(&text);
            assert!(error.contains(words), "{text:?} gave {error:?}");
        }
        let wrong = all.replace("example.org\"\ndata", "Not One\"\ndata");
        assert!(parse(&wrong).is_err());
    }
}
