//! What the doctor found.

use serde::Serialize;
use symbolon_crypto::Component;
use symbolon_hsm::conformance::{Outcome, Report};
use symbolon_hsm::custody::Holder;
use symbolon_pki::suite::Suite;

use crate::commands::key::view::holder_rows;
use crate::output::{Show, facts, table};

/// Everything that was found.
#[derive(Serialize)]
pub(super) struct Diagnosis {
    store: String,
    holder: Holder,
    /// Whether everything that the store claims works.
    passed: bool,
    /// Whether it was ended before its time.
    interrupted: bool,
    checks: Vec<CheckView>,
    algorithms: Vec<AlgorithmView>,
    suites: Vec<SuiteView>,
    #[serde(flatten)]
    around: Around,
}

/// What there was besides the run itself.
#[derive(Clone, Copy, Default, Serialize)]
pub(super) struct Around {
    /// Whether a new store was made for it, which stays and is empty.
    pub(super) made: bool,
    /// Scratch keys of earlier runs that were removed first.
    pub(super) leftovers_removed: usize,
    /// Scratch keys that were there besides this run's own.
    pub(super) leftovers: usize,
}

#[derive(Serialize)]
struct CheckView {
    check: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    algorithm: Option<&'static str>,
    /// `passed`, `not-offered` or `failed`.
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

/// One component.
#[derive(Serialize)]
struct AlgorithmView {
    algorithm: &'static str,
    works: bool,
    /// Why it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    because: Option<String>,
}

/// One suite.
#[derive(Serialize)]
struct SuiteView {
    suite: &'static str,
    form: &'static str,
    /// Whether this store alone can hold its keys.
    here: bool,
    /// The components of it that this store cannot hold, and another would have to.
    elsewhere: Vec<&'static str>,
}

impl Diagnosis {
    pub(super) fn new(store: String, holder: Holder, report: &Report, around: Around) -> Self {
        let working = match report.interrupted {
            // What was not tried is not known to work.
            true => Vec::new(),
            false => report.working(),
        };
        let checks = report.checks.iter().map(|check| {
            let (outcome, detail) = match &check.outcome {
                Outcome::Passed => ("passed", None),
                Outcome::NotOffered(reason) => ("not-offered", Some(reason.clone())),
                Outcome::Failed(problem) => ("failed", Some(problem.clone())),
            };
            CheckView {
                check: check.name,
                algorithm: check.component.map(Component::name),
                outcome,
                detail,
            }
        });
        let algorithms = Component::DEFAULTS.into_iter().map(|component| AlgorithmView {
            algorithm: component.name(),
            works: working.contains(&component),
            because: because(report, component),
        });
        let suites = Suite::DEFAULTS.into_iter().map(|suite| {
            let missing = suite
                .components()
                .iter()
                .filter(|component| !working.contains(component));
            let elsewhere: Vec<&str> = missing.map(|component| component.name()).collect();
            SuiteView {
                suite: suite.name(),
                form: suite.form().name(),
                here: elsewhere.is_empty(),
                elsewhere,
            }
        });
        Self {
            store,
            holder,
            passed: report.passed() && !report.interrupted,
            interrupted: report.interrupted,
            checks: checks.collect(),
            algorithms: algorithms.collect(),
            suites: suites.collect(),
            around,
        }
    }

    /// # Errors
    /// What to tell whoever looks at the exit code.
    pub(super) fn verdict(&self) -> Result<(), String> {
        let failed = self
            .checks
            .iter()
            .filter(|check| check.outcome == "failed")
            .count();
        match (self.interrupted, failed) {
            (_, 1..) => Err(format!(
                "{failed} checks failed: the store claims what does not work"
            )),
            (true, 0) => Err("stopped before everything was tried".to_owned()),
            (false, 0) => Ok(()),
        }
    }

    /// Rows are checks, columns are components.
    fn matrix(&self) -> String {
        let mut names: Vec<&str> = Vec::new();
        for check in self.checks.iter().filter(|check| check.algorithm.is_some()) {
            if !names.contains(&check.check) {
                names.push(check.check);
            }
        }
        let cell = |name: &str, component: Component| {
            let mut checks = self.checks.iter();
            let algorithm = Some(component.name());
            let found = checks.find(|check| check.check == name && check.algorithm == algorithm);
            match found.map(|check| check.outcome) {
                Some("passed") => "ok",
                Some("failed") => "FAILED",
                _ => "-",
            }
        };
        let rows = names.into_iter().filter_map(|name| {
            let cells = Component::DEFAULTS.map(|component| cell(name, component));
            // What says only that something is not offered is told below, with the reason.
            if cells.iter().all(|cell| *cell == "-") {
                return None;
            }
            let [p256, p384, ed25519, one, two, three] = cells.map(str::to_owned);
            Some([name.to_owned(), p256, p384, ed25519, one, two, three])
        });
        table(
            [
                "check",
                "p-256",
                "p-384",
                "ed25519",
                "ml-dsa-44",
                "ml-dsa-65",
                "ml-dsa-87",
            ],
            rows,
        )
    }

    fn reasons(&self) -> String {
        let of_algorithms = self.algorithms.iter().filter_map(|algorithm| {
            let reason = algorithm.because.as_ref()?;
            Some([algorithm.algorithm.to_owned(), reason.clone()])
        });
        let of_store = self
            .checks
            .iter()
            .filter(|check| check.algorithm.is_none() && check.outcome == "failed")
            .map(|check| {
                let detail = check.detail.clone().unwrap_or_default();
                ["the store".to_owned(), format!("{}: {detail}", check.check)]
            });
        let rows: Vec<[String; 2]> = of_store.chain(of_algorithms).collect();
        match rows.is_empty() {
            true => String::new(),
            false => table(["what does not work", "why"], rows),
        }
    }
}

/// Why a component does not work, or was not tried.
fn because(report: &Report, component: Component) -> Option<String> {
    let checks = || {
        report
            .checks
            .iter()
            .filter(|check| check.component == Some(component))
    };
    let failed = checks().find_map(|check| match &check.outcome {
        Outcome::Failed(problem) => Some(format!("{}: {problem}", check.name)),
        _ => None,
    });
    // What is not offered is one check alone; a store that offers a component may still lack a mu.
    let refused = || match checks().collect::<Vec<_>>().as_slice() {
        [] => Some("not tried".to_owned()),
        [check] => match &check.outcome {
            Outcome::NotOffered(reason) => Some(reason.clone()),
            _ => None,
        },
        _ => None,
    };
    failed.or_else(refused)
}

impl Show for Diagnosis {
    fn text(&self) -> String {
        let mut head = vec![("store", self.store.clone())];
        head.extend(holder_rows(&self.holder));
        let Around {
            made,
            leftovers_removed,
            leftovers,
        } = self.around;
        if made {
            head.push(("made", "this store, which was not there; it is empty".to_owned()));
        }
        if leftovers_removed > 0 {
            head.push((
                "removed",
                format!("{leftovers_removed} scratch keys of an earlier run"),
            ));
        }
        if leftovers > 0 {
            let words = format!(
                "{leftovers} scratch keys of another run; when none is under way, --remove-leftovers removes them"
            );
            head.push(("left", words));
        }
        let suites = self.suites.iter().map(|suite| {
            let words = match (suite.here, suite.elsewhere.len()) {
                (true, _) => "yes".to_owned(),
                (false, 1) if suite.form == "composite" => {
                    format!("half: {} in another store", suite.elsewhere.join(""))
                }
                (false, _) => "no".to_owned(),
            };
            [suite.form.to_owned(), suite.suite.to_owned(), words]
        });
        let suites = table(["form", "suite", "keys held here"], suites);
        let mut parts = vec![facts(&head), self.matrix(), self.reasons(), suites];
        parts.retain(|part| !part.is_empty());
        parts.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use symbolon_hsm::conformance::{self, Check};
    use symbolon_hsm::{KekSource, KeyStore, SoftwareStore};

    use super::*;

    fn diagnosis(change: impl FnOnce(&mut Report)) -> Diagnosis {
        let scratch = tempfile::tempdir().unwrap();
        let kek = KekSource::KeyFile(scratch.path().join("kek"));
        let store: Arc<dyn KeyStore> =
            Arc::new(SoftwareStore::open(&scratch.path().join("keys"), &kek).unwrap());
        let mut report = conformance::run(&*store);
        change(&mut report);
        Diagnosis::new(
            "here".to_owned(),
            store.holder().unwrap(),
            &report,
            Around::default(),
        )
    }

    fn find<'a>(report: &'a mut Report, name: &str, component: Component) -> &'a mut Check {
        let mut checks = report.checks.iter_mut();
        let found = checks.find(|check| check.name == name && check.component == Some(component));
        found.unwrap()
    }

    #[test]
    fn what_fails_fails_the_verdict_and_takes_its_suites_with_it() {
        diagnosis(|_| {}).verdict().unwrap();
        let broken = diagnosis(|report| {
            find(report, "honours the ML-DSA context", Component::MlDsa65).outcome =
                Outcome::Failed("accepted under another".to_owned());
        });
        let words = broken.verdict().unwrap_err();
        assert!(words.starts_with("1 checks failed"), "{words}");
        let text = broken.text();
        assert!(
            text.contains("FAILED") && text.contains("accepted under another"),
            "{text}"
        );
        let suite = |name: &str| broken.suites.iter().find(|suite| suite.suite == name).unwrap();
        assert!(!suite("ml-dsa-65").here && suite("ecdsa-p256").here);
        assert_eq!(suite("mldsa65-ecdsa-p256").elsewhere, ["ml-dsa-65"]);
        assert!(suite("mldsa87-ecdsa-p384").here);
        for line in text.lines() {
            assert!(line.chars().count() <= 100, "{line}");
        }
    }

    #[test]
    fn what_was_not_tried_is_not_said_to_work() {
        let stopped = diagnosis(|report| {
            report.interrupted = true;
            report.checks.truncate(5);
        });
        stopped.verdict().unwrap_err();
        assert!(stopped.suites.iter().all(|suite| !suite.here));
        assert!(
            !stopped.passed && stopped.text().contains("not tried"),
            "{}",
            stopped.text()
        );
    }
}
