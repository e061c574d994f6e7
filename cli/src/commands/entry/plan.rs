//! What a plan is, and what came of it, for people and scripts.

use serde::Serialize;
use serde_json::Value;
use symbolon_ca::apply::{Action, Change, Outcome, Plan, Warning};

use crate::output::{Show, printable};

/// A plan, done or not.
#[derive(Serialize)]
pub(in crate::commands) struct Report {
    /// Whether nothing was changed because nothing was to be.
    dry_run: bool,
    changes: Vec<Line>,
    unchanged: usize,
    warnings: Vec<Warning>,
}

/// A change and what became of it.
#[derive(Serialize)]
struct Line {
    #[serde(flatten)]
    change: Change,
    /// `planned`, `done` or `failed`.
    outcome: &'static str,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl Report {
    /// A plan that is only shown.
    pub(in crate::commands) fn planned(plan: &Plan, warnings: Vec<Warning>) -> Self {
        let line = |change: &Change| Line {
            change: change.clone(),
            outcome: "planned",
            error: None,
        };
        Self {
            dry_run: true,
            changes: plan.changes().map(line).collect(),
            unchanged: plan.unchanged(),
            warnings,
        }
    }

    /// A plan that was carried out.
    pub(in crate::commands) fn done(plan: &Plan, outcomes: Vec<Outcome>, warnings: Vec<Warning>) -> Self {
        let line = |(change, outcome): (&Change, Outcome)| {
            let mut change = change.clone();
            let (outcome, error) = match outcome {
                Ok(id) => {
                    change.id = Some(id);
                    ("done", None)
                }
                Err(error) => ("failed", Some(error.to_string())),
            };
            Line {
                change,
                outcome,
                error,
            }
        };
        Self {
            dry_run: false,
            changes: plan.changes().zip(outcomes).map(line).collect(),
            unchanged: plan.unchanged(),
            warnings,
        }
    }

    /// How many changes failed.
    pub(in crate::commands) fn failed(&self) -> usize {
        self.changes.iter().filter(|line| line.error.is_some()).count()
    }
}

impl Show for Report {
    fn text(&self) -> String {
        let mut text = String::new();
        for warning in &self.warnings {
            let place = warning.place.as_ref().map(|place| format!("{place}: "));
            let place = place.unwrap_or_default();
            text += &format!("warning: {place}{}: {}\n", warning.spiffe_id, warning.message);
        }
        if !self.warnings.is_empty() {
            text.push('\n');
        }
        for line in &self.changes {
            text += &block(line);
        }
        let count = |action| {
            let of = |line: &&Line| line.change.action == action && line.error.is_none();
            self.changes.iter().filter(of).count()
        };
        let tense = if self.dry_run { "to do" } else { "done" };
        text += &format!(
            "{tense}: {} created, {} updated, {} adopted, {} deleted; {} unchanged",
            count(Action::Create),
            count(Action::Update),
            count(Action::Adopt),
            count(Action::Delete),
            self.unchanged
        );
        match self.failed() {
            0 => {}
            failed => text += &format!(", {failed} failed"),
        }
        // Hints, paths and what a server says of them came from elsewhere.
        printable(&text)
    }
}

fn block(line: &Line) -> String {
    let Change {
        action,
        id,
        spiffe_id,
        parent_id,
        selectors,
        fields,
        ..
    } = &line.change;
    let (sign, word) = match action {
        Action::Create => ('+', "create"),
        Action::Update => ('~', "update"),
        Action::Adopt => ('~', "adopt"),
        Action::Delete => ('-', "delete"),
    };
    let id = id.as_ref().map(|id| format!(" {id}")).unwrap_or_default();
    let mut text = format!(
        "{sign} {word}{id} {spiffe_id}\n    under {parent_id}, {}\n",
        selectors.join(", ")
    );
    for change in fields {
        // What it is was said above.
        if *action == Action::Create && ["spiffe_id", "parent_id", "selectors"].contains(&change.field) {
            continue;
        }
        let (from, to) = (words(&change.from), words(&change.to));
        text += &match action {
            Action::Create => format!("    {}: {to}\n", change.field),
            _ => format!("    {}: {from} -> {to}\n", change.field),
        };
    }
    if let Some(error) = &line.error {
        text += &format!("    failed: {error}\n");
    }
    text
}

fn words(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(words).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}
