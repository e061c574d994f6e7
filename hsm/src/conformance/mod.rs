//! What a caller may rely on, whatever store holds the keys: one suite that every backend passes.
//!
//! The suite works on a live store. It makes scratch keys (labelled `symbolon/conformance.invalid/…`), uses
//! them in every way that Symbolon does, destroys them, and never touches a key that it did not make. Tests
//! assert [`Report::passed`]; an operator with a token reads the table.

mod keys;
mod mu;
mod scratch;
mod stores;

use std::fmt;
use std::sync::Arc;

use symbolon_crypto::Component;

use self::scratch::Scratch;
use crate::store::{KeyStore, StoreError};

/// Opens the store anew, as a restarted process would.
pub type Reopen<'a> = &'a dyn Fn() -> Result<Arc<dyn KeyStore>, StoreError>;

/// Runs every check that needs nothing but the store. Blocks for as long as the store takes to make some six
/// keys, and to sign some fifty times, for each component that it offers.
pub fn run(store: &dyn KeyStore) -> Report {
    run_all(store, None)
}

/// As [`run`], and also checks that the store, opened anew, has the same keys.
pub fn run_with_reopen(store: &dyn KeyStore, reopen: Reopen<'_>) -> Report {
    run_all(store, Some(reopen))
}

fn run_all(store: &dyn KeyStore, reopen: Option<Reopen<'_>>) -> Report {
    let mut report = Report {
        kind: store.kind(),
        checks: Vec::new(),
    };
    let mut scratch = Scratch::new(store);
    let before = store.list();

    report.add(stores::UNKNOWN_ID, None, stores::unknown_id(store));
    for component in Component::ALL {
        match store.offers(component) {
            Ok(()) => run_component(&mut report, &mut scratch, component, reopen),
            Err(unsupported) => {
                let result = stores::refuses(store, component).and(not_offered(unsupported.reason));
                report.add(stores::REFUSES, Some(component), result);
            }
        }
    }
    report.add(scratch::CLEANS_UP, None, scratch.clean_up(before));
    report
}

fn run_component(
    report: &mut Report,
    scratch: &mut Scratch<'_>,
    component: Component,
    reopen: Option<Reopen<'_>>,
) {
    let subject = match keys::generate(scratch, component) {
        Ok(subject) => subject,
        // Nothing else can be said about this component; this failure already fails the report.
        Err(problem) => return report.add(keys::GENERATE, Some(component), Err(problem)),
    };
    report.add(keys::GENERATE, Some(component), Ok(Success::Passed));
    for (name, check) in keys::CHECKS {
        report.add(name, Some(component), check(&subject));
    }
    for (name, check) in stores::CHECKS {
        report.add(name, Some(component), check(scratch, &subject));
    }
    if let Some(reopen) = reopen {
        report.add(
            stores::REOPEN,
            Some(component),
            stores::reopen(scratch, &subject, reopen),
        );
    }
}

/// What the suite found.
#[derive(Clone, Debug)]
#[must_use]
pub struct Report {
    /// The kind of store.
    pub kind: &'static str,
    /// Every check, in the order they ran.
    pub checks: Vec<Check>,
}

impl Report {
    /// Whether no check failed.
    pub fn passed(&self) -> bool {
        self.failures().next().is_none()
    }

    /// The checks that failed.
    pub fn failures(&self) -> impl Iterator<Item = &Check> {
        self.checks
            .iter()
            .filter(|check| matches!(check.outcome, Outcome::Failed(_)))
    }

    /// The components that the store makes keys of, and for which no check failed.
    pub fn working(&self) -> Vec<Component> {
        let works = |&component: &Component| {
            let generates = self
                .checks
                .iter()
                .any(|c| c.name == keys::GENERATE && c.component == Some(component));
            generates && !self.failures().any(|check| check.component == Some(component))
        };
        Component::ALL.into_iter().filter(works).collect()
    }

    fn add(&mut self, name: &'static str, component: Option<Component>, result: CheckResult) {
        let outcome = match result {
            Ok(Success::Passed) => Outcome::Passed,
            Ok(Success::NotOffered(reason)) => Outcome::NotOffered(reason),
            Err(problem) => Outcome::Failed(problem),
        };
        self.checks.push(Check {
            name,
            component,
            outcome,
        });
    }
}

/// One check of the suite.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Check {
    /// What a store must do, in a few words. Stable: tests and tools may look for it.
    pub name: &'static str,
    /// The component it was tried with; `None` for the store as a whole.
    pub component: Option<Component>,
    /// How it went.
    pub outcome: Outcome,
}

/// How a check went.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// As it must.
    Passed,
    /// The store says, rightly and in advance, that it cannot do this; why.
    NotOffered(String),
    /// Not as it must; what happened.
    Failed(String),
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for check in &self.checks {
            let component = check.component.map_or("", Component::name);
            write!(f, "{component:<18} {:<36} ", check.name)?;
            match &check.outcome {
                Outcome::Passed => writeln!(f, "ok")?,
                Outcome::NotOffered(reason) => writeln!(f, "not offered: {reason}")?,
                Outcome::Failed(problem) => writeln!(f, "FAILED: {problem}")?,
            }
        }
        Ok(())
    }
}

/// A check that did not fail.
enum Success {
    Passed,
    NotOffered(String),
}

/// What a check returns: the error is what happened instead of what must.
type CheckResult = Result<Success, String>;

fn passed() -> CheckResult {
    Ok(Success::Passed)
}

fn not_offered(reason: impl Into<String>) -> CheckResult {
    Ok(Success::NotOffered(reason.into()))
}

/// Fails the check with `problem` unless `holds`.
fn ensure(holds: bool, problem: impl Into<String>) -> Result<(), String> {
    if holds { Ok(()) } else { Err(problem.into()) }
}

/// Turns an error into the problem of a check, with its causes.
fn while_(doing: &'static str) -> impl Fn(&dyn std::error::Error) -> String {
    move |error| {
        let mut text = format!("{doing}: {error}");
        let mut cause = error.source();
        while let Some(error) = cause {
            text.push_str(&format!(": {error}"));
            cause = error.source();
        }
        text
    }
}
