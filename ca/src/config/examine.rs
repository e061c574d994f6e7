//! Everything that is wrong with a configuration, for `validate`. Nothing is changed: files are read, and nothing else.

use std::path::Path;

use symbolon_host::config::{ConfigError, Examined};
use symbolon_host::data_dir::{DataDirError, trust_domain_of};
use symbolon_host::{logging, socket};

use super::ServerConfig;
use super::check::{Problem, Warning, problem};
use crate::authorization::Policy;
use crate::server::socket_path;

/// What stands in for a key that has to be given and is not, so that the rest can be looked at.
const STAND_INS: &str = "trust_domain = \"example.org\"\ndata_dir = \"/var/lib/symbolon\"\n";

/// One thing that is wrong.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// The key with the sections it is in; `None` where the file is not TOML there.
    pub key: Option<String>,
    /// The line, from 1, where one line is to blame.
    pub line: Option<usize>,
    /// What is wrong, and what would be right.
    pub reason: String,
}

/// What a configuration file is worth.
#[derive(Clone, Debug)]
pub struct Examination {
    /// What it says, if anything can be made of it. With findings it is not what would run.
    pub config: Option<ServerConfig>,
    /// What keeps it from being used.
    pub findings: Vec<Finding>,
    /// What its author should know.
    pub warnings: Vec<Warning>,
}

impl ServerConfig {
    /// Looks for everything that is wrong with a file.
    ///
    /// # Errors
    /// [`ConfigError`] where it cannot be read at all.
    pub fn examine(path: &Path) -> Result<Examination, ConfigError> {
        let examined: Examined<Self> = symbolon_host::config::examine(path, STAND_INS)?;
        let mut findings: Vec<Finding> = examined.mistakes.iter().map(Finding::of_text).collect();
        let mut warnings = Vec::new();
        if let Some(config) = &examined.value {
            let (problems, advice) = config.problems();
            let surroundings = config.problems_around();
            let follows = |problem: &Problem| {
                examined.is_unread(&problem.key)
                    // A section that could not be read is not missing.
                    || examined
                        .mistakes
                        .iter()
                        .filter_map(|mistake| mistake.key.as_deref())
                        .flat_map(sections)
                        .any(|section| problem.reason.contains(&format!("[{section}]")))
            };
            let problems = problems.into_iter().chain(surroundings);
            findings.extend(
                problems
                    .filter(|problem| !follows(problem))
                    .map(Finding::of_value),
            );
            warnings = advice;
            warnings.retain(|warning| !examined.is_unread(&warning.key));
        }
        Ok(Examination {
            config: examined.value,
            findings,
            warnings,
        })
    }

    /// What is wrong with what the configuration names: files and directories.
    fn problems_around(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let Err(error) = socket::check_path(&socket_path(&self.data_dir)) {
            problems.push(problem("data_dir", format!("is no use: {error}")));
        }
        match trust_domain_of(&self.data_dir) {
            Ok(found) if found != self.trust_domain.as_str() => {
                let reason = format!(
                    "belongs to trust domain {found}, not {}; choose another directory",
                    self.trust_domain
                );
                problems.push(problem("data_dir", reason));
            }
            // One that is not there yet is made at the first start.
            Ok(_) | Err(DataDirError::Missing(_)) => {}
            Err(error) => problems.push(problem("data_dir", format!("is no use: {error}"))),
        }
        problems.extend(self.federation.check_file().err());
        problems.extend(self.attestors.check_files());
        problems.extend(self.check_upstream_files());
        if let Err(error) = logging::check(&self.log.filter) {
            problems.push(problem("log.filter", format!("is wrong: {error}")));
        }
        if let Err(error) = Policy::load(&self.authorization) {
            let error = &error as &dyn std::error::Error;
            let causes = std::iter::successors(Some(error), |error| error.source());
            let words: Vec<String> = causes.map(ToString::to_string).collect();
            problems.push(problem(
                "authorization.policy",
                format!("is no use: {}", words.join(": ")),
            ));
        }
        problems
    }
}

/// A key and every section that it is in.
fn sections(key: &str) -> impl Iterator<Item = &str> {
    let ends = key.match_indices('.').map(|(end, _)| end);
    ends.chain([key.len()]).filter_map(|end| key.get(..end))
}

impl Finding {
    fn of_text(mistake: &symbolon_host::config::Mistake) -> Self {
        Self {
            key: mistake.key.clone(),
            line: Some(mistake.line),
            reason: mistake.reason.clone(),
        }
    }

    fn of_value(problem: Problem) -> Self {
        Self {
            key: Some(problem.key),
            line: None,
            reason: problem.reason,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn examine(text: &str) -> Examination {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("server.toml");
        std::fs::write(&file, text).expect("a file");
        ServerConfig::examine(&file).expect("a file that can be read")
    }

    fn keys(text: &str) -> Vec<String> {
        let mut keys: Vec<_> = examine(text)
            .findings
            .into_iter()
            .filter_map(|finding| finding.key)
            .collect();
        keys.sort();
        keys
    }

    #[test]
    fn everything_that_is_wrong_is_found_at_once() {
        let text = "trust_domain = \"example.org\"\nserver_name = \"a b\"\nsigner_treads = 2\n[listen]\n\
                    address = \"nowhere\"\n[lifetimes]\nsvid = \"0s\"\nagent = \"25h\"\n[families.jwt]\nsuite = \"ml-dsa-65\"\n\
                    [families.ml-dsa]\nsuite = \"ecdsa-p256\"\n[log]\nfilter = \"symbolon=loud\"\n";
        assert_eq!(
            keys(text),
            [
                "data_dir",
                "families.jwt.suite",
                "families.ml-dsa.suite",
                "lifetimes.agent",
                "lifetimes.svid",
                "listen.address",
                "log.filter",
                "server_name",
                "signer_treads",
            ]
        );
        let lines: Vec<_> = examine(text)
            .findings
            .iter()
            .filter_map(|finding| finding.line)
            .collect();
        assert_eq!(lines, [1, 3, 5], "the mistakes of the text have lines");
    }

    #[test]
    fn what_follows_from_another_mistake_is_not_told() {
        let text = "trust_domain = \"example.org\"\ndata_dir = \"/nonexistent/symbolon\"\nkey_stores = \"a\"\n\
                    [stores.a]\nkind = \"softwear\"\n";
        assert_eq!(keys(text), ["stores.a.kind"]);
    }

    #[test]
    fn a_file_of_authorities_that_is_no_use_is_found() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("web-ca.pem");
        let text = format!(
            "trust_domain = \"example.org\"\ndata_dir = \"{}/data\"\n[federation]\nweb_ca_file = \"{}\"\n",
            dir.path().display(),
            file.display()
        );
        assert_eq!(keys(&text), ["federation.web_ca_file"], "there is none");
        std::fs::write(&file, "no certificate").expect("a file");
        assert_eq!(keys(&text), ["federation.web_ca_file"], "it is none");
    }

    #[test]
    fn files_of_attestors_that_are_no_use_are_found() {
        let text = "trust_domain = \"example.org\"\ndata_dir = \"/nonexistent/symbolon\"\n\
                    [attestors.sshpop]\ncert_authorities_path = \"/nonexistent/a\"\n\
                    [attestors.gcp_iit]\nprojectid_allow_list = [\"p\"]\nweb_ca_file = \"/nonexistent/b\"\n\
                    [attestors.k8s_psat.clusters.c]\nservice_account_allow_list = [\"a:b\"]\nca_file = \"/nonexistent/c\"\n";
        assert_eq!(
            keys(text),
            [
                "attestors.gcp_iit.web_ca_file",
                "attestors.k8s_psat.clusters.*.ca_file",
                "attestors.sshpop.cert_authorities_path",
            ]
        );
    }

    #[test]
    fn a_data_directory_of_another_trust_domain_is_found() {
        let dir = tempfile::tempdir().expect("a directory");
        let data = dir.path().join("data");
        drop(symbolon_host::DataDir::open(&data, "other.org").expect("a data directory"));
        let text = format!(
            "trust_domain = \"example.org\"\ndata_dir = \"{}\"\n",
            data.display()
        );
        let findings = examine(&text).findings;
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert!(findings[0].reason.contains("other.org"), "{findings:?}");
    }

    #[test]
    fn a_file_that_is_right_has_no_findings_and_keeps_its_warnings() {
        let text = "trust_domain = \"example.org\"\ndata_dir = \"/nonexistent/symbolon\"\n[lifetimes]\njwt = \"20m\"\n";
        let examination = examine(text);
        assert!(examination.findings.is_empty(), "{:?}", examination.findings);
        assert_eq!(examination.warnings.len(), 1);
        assert!(examination.config.is_some());
    }
}
