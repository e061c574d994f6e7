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
use std::ops::ControlFlow;
use std::sync::Arc;

use symbolon_crypto::Component;

use self::scratch::Scratch;
use crate::store::{KeyInfo, KeyStore, StoreError};

/// Opens the store anew, as a restarted process would.
pub type Reopen<'a> = &'a dyn Fn() -> Result<Arc<dyn KeyStore>, StoreError>;

/// Runs every check that needs nothing but the store, for the components that are offered by default. Blocks for as long as the store takes to make some six
/// keys, and to sign some fifty times, for each component that it offers.
pub fn run(store: &dyn KeyStore) -> Report {
    run_watched(store, None, &mut |_| ControlFlow::Continue(()))
}

/// As [`run`], and also checks that the store, opened anew, has the same keys.
pub fn run_with_reopen(store: &dyn KeyStore, reopen: Reopen<'_>) -> Report {
    run_watched(store, Some(reopen), &mut |_| ControlFlow::Continue(()))
}

/// As [`run`], or [`run_with_reopen`], for these components in place of the default ones.
pub fn run_for(store: &dyn KeyStore, components: &[Component], reopen: Option<Reopen<'_>>) -> Report {
    whole(store, components, reopen, &mut |_| ControlFlow::Continue(()))
}

/// Told of every check as it is done. On [`ControlFlow::Break`] the suite cleans up and ends.
pub type Watch<'a> = &'a mut dyn FnMut(&Check) -> ControlFlow<()>;

/// As [`run`], or [`run_with_reopen`], with somebody watching.
pub fn run_watched(store: &dyn KeyStore, reopen: Option<Reopen<'_>>, watch: Watch<'_>) -> Report {
    whole(store, &Component::DEFAULTS, reopen, watch)
}

fn whole(
    store: &dyn KeyStore,
    components: &[Component],
    reopen: Option<Reopen<'_>>,
    watch: Watch<'_>,
) -> Report {
    let mut run = Run {
        report: Report {
            kind: store.kind(),
            checks: Vec::new(),
            interrupted: false,
        },
        watch,
    };
    let mut scratch = Scratch::new(store);
    let before = store.list();
    if run.all(&mut scratch, components, reopen).is_break() {
        run.report.interrupted = true;
    }
    // Nobody is asked any more whether to go on: it is the end.
    let cleaned = scratch.clean_up(before);
    let _ = run.add(scratch::CLEANS_UP, None, cleaned);
    run.report
}

/// How many checks a store goes through at most, for whoever shows progress.
pub fn most_checks(store: &dyn KeyStore) -> usize {
    let of_one = 2 + keys::CHECKS.len() + stores::CHECKS.len();
    let offered = |component: Component| {
        if store.offers(component).is_ok() {
            of_one
        } else {
            1
        }
    };
    2 + Component::DEFAULTS.into_iter().map(offered).sum::<usize>()
}

/// The scratch keys that are in a store now: those of a run that is under way, or of one that could not clean up.
///
/// # Errors
/// As [`KeyStore::list`].
pub fn leftovers(store: &dyn KeyStore) -> Result<Vec<KeyInfo>, StoreError> {
    let mut keys = store.list()?;
    keys.retain(|key| key.label.as_str().starts_with(scratch::LABELS));
    Ok(keys)
}

struct Run<'a> {
    report: Report,
    watch: Watch<'a>,
}

impl Run<'_> {
    fn all(
        &mut self,
        scratch: &mut Scratch<'_>,
        components: &[Component],
        reopen: Option<Reopen<'_>>,
    ) -> ControlFlow<()> {
        let store = scratch.store;
        self.add(stores::UNKNOWN_ID, None, stores::unknown_id(store))?;
        for &component in components {
            match store.offers(component) {
                Ok(()) => self.component(scratch, component, reopen)?,
                Err(unsupported) => {
                    let result = stores::refuses(store, component).and(not_offered(unsupported.reason));
                    self.add(stores::REFUSES, Some(component), result)?;
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn component(
        &mut self,
        scratch: &mut Scratch<'_>,
        component: Component,
        reopen: Option<Reopen<'_>>,
    ) -> ControlFlow<()> {
        let subject = match keys::generate(scratch, component) {
            Ok(subject) => subject,
            // Nothing else can be said about this component; this failure already fails the report.
            Err(problem) => return self.add(keys::GENERATE, Some(component), Err(problem)),
        };
        self.add(keys::GENERATE, Some(component), Ok(Success::Passed))?;
        for (name, check) in keys::CHECKS {
            self.add(name, Some(component), check(&subject))?;
        }
        for (name, check) in stores::CHECKS {
            self.add(name, Some(component), check(scratch, &subject))?;
        }
        if let Some(reopen) = reopen {
            let reopened = stores::reopen(scratch, &subject, reopen);
            self.add(stores::REOPEN, Some(component), reopened)?;
        }
        ControlFlow::Continue(())
    }

    fn add(
        &mut self,
        name: &'static str,
        component: Option<Component>,
        result: CheckResult,
    ) -> ControlFlow<()> {
        let outcome = match result {
            Ok(Success::Passed) => Outcome::Passed,
            Ok(Success::NotOffered(reason)) => Outcome::NotOffered(reason),
            Err(problem) => Outcome::Failed(problem),
        };
        let check = Check {
            name,
            component,
            outcome,
        };
        let go_on = (self.watch)(&check);
        self.report.checks.push(check);
        go_on
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
    /// Whether it was ended before its time, so that what is not among the checks is not known.
    pub interrupted: bool,
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
