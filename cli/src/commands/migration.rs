//! `symbolon authority migrate` and `migration`.

use std::time::Duration;

use anyhow::Result;
use serde::Serialize;
use symbolon_ca::client::MigrationSpec;
use symbolon_ca::migration::WishedStage;
use symbolon_ca::views::{MigrationChangeView, MigrationCheckView, MigrationRuleView};
use symbolon_host::HumanDuration;
use symbolon_pki::time::rfc3339;

use super::server::connect;
use crate::args::Common;
use crate::args::migration::Migrate;
use crate::output::{Show, facts, table};

/// Shows how far every rule is.
pub(crate) async fn show(common: &Common, quiet: Option<HumanDuration>) -> Result<()> {
    let rules = connect(common)
        .await?
        .migration(quiet.map(|quiet| quiet.0))
        .await?;
    common.output.print(&List(rules))
}

/// Moves a rule.
pub(crate) async fn migrate(common: &Common, options: Migrate) -> Result<()> {
    let stage = match options.clear {
        true => WishedStage::Clear,
        false => options.stage.unwrap_or(WishedStage::Next),
    };
    let spec = MigrationSpec {
        entries: options.entries,
        target: options.to,
        stage,
        force: options.force,
        reason: options.reason,
        dry_run: options.dry_run,
        quiet: options.quiet.map(|quiet| quiet.0),
    };
    let done = connect(common).await?.migrate(&spec).await?;
    common.output.print(&Change(done))
}

#[derive(Serialize)]
#[serde(transparent)]
struct List(Vec<MigrationRuleView>);

impl Show for List {
    fn text(&self) -> String {
        if self.0.is_empty() {
            return "no migration".to_owned();
        }
        let parts: Vec<String> = self.0.iter().map(rule).collect();
        parts.join("\n")
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Change(MigrationChangeView);

impl Show for Change {
    fn text(&self) -> String {
        let MigrationChangeView {
            changed,
            rule: now,
            check: found,
        } = &self.0;
        let mut text = match (changed, now) {
            (true, Some(now)) => rule(now),
            (true, None) => "the rule is gone\n".to_owned(),
            (false, Some(now)) => format!("nothing was changed\n{}", rule(now)),
            (false, None) => "nothing was changed\n".to_owned(),
        };
        text.push_str(&found.as_ref().map(check).unwrap_or_default());
        text
    }
}

fn rule(rule: &MigrationRuleView) -> String {
    let entries = match rule.entries.as_str() {
        "" => "all",
        entries => entries,
    };
    let mut rows = vec![
        ("entries", entries.to_owned()),
        ("to", rule.target.clone()),
        ("stage", rule.stage.clone()),
        ("since", rule.since.map(rfc3339).unwrap_or_default()),
        ("set by", rule.by.clone()),
    ];
    if let Some(seconds) = rule.quiet_seconds {
        let quiet = HumanDuration(Duration::from_secs(seconds.into()));
        rows.push(("quiet time", quiet.to_string()));
    }
    if rule.forced {
        rows.push(("forced", "yes".to_owned()));
    }
    if !rule.reason.is_empty() {
        rows.push(("reason", rule.reason.clone()));
    }
    let next = rule.next.as_ref().map(check).unwrap_or_default();
    format!("{}{next}", facts(&rows))
}

fn check(check: &MigrationCheckView) -> String {
    let verdict = match check.may {
        true => "may come",
        false => "may not come yet",
    };
    let mut rows = vec![(
        "next",
        format!(
            "{}, which {verdict}: of the {} {} ready, {} not, {} unknown, {} idle",
            check.stage, check.counted, check.ready, check.not_ready, check.unknown, check.idle
        ),
    )];
    if !check.obstacle.is_empty() {
        rows.push(("held up", check.obstacle.clone()));
    }
    let facts = facts(&rows);
    if check.parties.is_empty() {
        return facts;
    }
    let parties = check.parties.iter();
    let rows = parties.map(|party| {
        [
            party.spiffe_id.clone(),
            party.readiness.clone(),
            party.reason.clone(),
        ]
    });
    format!("{facts}{}\n", table(["identity", "is", "because"], rows))
}
