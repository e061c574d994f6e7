//! The report as Markdown, for where pages do not go: a repository, a ticket, a wiki.

mod roadmap;

use std::io::{self, Write};

use super::text::{Md, count, percent, thousands};
use super::view::{UNTOLD, View, left_out, reason_words};
use crate::inventory::{Asset, Reason};
use crate::risk::{Rating, Threat};

pub(super) fn write(view: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    head(view, out)?;
    coverage(view, out)?;
    summary(view, out)?;
    groups(view, out)?;
    assets(view, out)?;
    regimes(view, out)?;
    scenarios(view, out)?;
    roadmap::write(view, out)?;
    roadmap::status(view, out)?;
    method(view, out)
}

fn head(view: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    let assessment = view.report.assessment;
    let of = match assessment.organisation.as_str() {
        "" => String::new(),
        name => format!(" of {}", Md(name)),
    };
    writeln!(
        out,
        "# Cryptography{of}: what there is, what it risks, what to do\n"
    )?;
    writeln!(
        out,
        "As of {}. Planned by the scenario {}.\n",
        assessment.today,
        Md(&assessment.plan_by)
    )
}

fn coverage(view: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    let inventory = view.report.inventory;
    writeln!(out, "## What was looked at\n")?;
    if inventory.targets.is_empty() {
        writeln!(out, "The inventory does not say what was scanned.\n")?;
    } else {
        let targets: Vec<String> = inventory
            .targets
            .iter()
            .map(|target| Md(target).to_string())
            .collect();
        writeln!(out, "Targets: {}.\n", targets.join(", "))?;
    }
    writeln!(out, "| | met | read | share |\n|---|---:|---:|---:|")?;
    for (subject, tally) in inventory.coverage.iter() {
        let share = percent(tally.read, tally.attempted);
        writeln!(
            out,
            "| {} | {} | {} | {share} |",
            subject.name(),
            thousands(tally.attempted),
            thousands(tally.read)
        )?;
    }
    writeln!(out, "\n### What could not be read\n")?;
    if inventory.unread.is_empty() {
        return writeln!(out, "Nothing was reported as unreadable.\n");
    }
    writeln!(
        out,
        "{} could not be read, and {} left out by design or on demand. Nothing in this report speaks of them.\n",
        count(view.summary.unread_total as usize, "thing", "things"),
        count(view.summary.left_out_total as usize, "was", "were"),
    )?;
    writeln!(out, "| reason | how many |\n|---|---:|")?;
    for (reason, number) in inventory.unread.counts() {
        writeln!(
            out,
            "| {}: {} | {} |",
            reason.name(),
            reason_words(reason),
            thousands(number)
        )?;
    }
    writeln!(out)?;
    for reason in Reason::ALL.into_iter().filter(|reason| !left_out(*reason)) {
        let entries = inventory.unread.iter().filter(|unread| unread.reason == reason);
        for unread in entries.take(view.report.limits.unread) {
            let line = unread.line.map(|line| format!(":{line}")).unwrap_or_default();
            writeln!(
                out,
                "- {}{line} ({}): {}",
                Md(&unread.location),
                reason.name(),
                Md(&unread.detail)
            )?;
        }
    }
    writeln!(out)
}

fn summary(view: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    let summary = &view.summary;
    writeln!(out, "## Summary\n")?;
    writeln!(
        out,
        "{} found: {} rated, {} for which a rated one stands (a certificate for its key, a service for its protocol), \
         {} without cryptography of their own. Of the rated, {} to be dealt with.\n",
        count(summary.assets, "asset was", "assets were"),
        thousands(summary.rated as u64),
        thousands(summary.stood_for as u64),
        thousands(summary.without_cryptography as u64),
        count(summary.open, "is", "are"),
    )?;
    writeln!(
        out,
        "| the worst that can happen | assets | share of the rated |\n|---|---:|---:|"
    )?;
    for (threat, number) in &summary.by_threat {
        let share = percent(*number as u64, summary.rated as u64);
        writeln!(
            out,
            "| {} | {} | {share} |",
            threat.words(),
            thousands(*number as u64)
        )?;
    }
    writeln!(out)?;
    for threat in Threat::ALL {
        writeln!(out, "- **{}**: {}", threat.words(), threat.means())?;
    }
    writeln!(out)?;
    let idle = &view.report.assessment.idle_rules;
    if idle.is_empty() {
        return Ok(());
    }
    writeln!(out, "**{}**\n", super::html::IDLE_RULES)?;
    for rule in idle {
        writeln!(out, "- {}", Md(rule.to_string()))?;
    }
    writeln!(out)
}

fn groups(view: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "## By algorithm\n")?;
    writeln!(
        out,
        "| algorithm | used for | quantum computer | weak today | assets | places |\n|---|---|---|---|---:|---:|"
    )?;
    let rows = view.report.limits.rows;
    for row in view.algorithms.iter().take(rows) {
        let purposes: Vec<&str> = row.purposes.iter().copied().collect();
        let quantum = super::html::quantum_words(row.quantum);
        let weak = super::html::weak_words(row);
        let (assets, places) = (thousands(row.assets as u64), thousands(row.places));
        writeln!(
            out,
            "| {} | {} | {quantum} | {weak} | {assets} | {places} |",
            Md(&row.name),
            purposes.join(", ")
        )?;
    }
    more(view.algorithms.len(), rows, "algorithms", out)?;
    for (title, list) in [("By owner", &view.owners), ("By exposure", &view.exposures)] {
        writeln!(
            out,
            "\n## {title}\n\n| | assets | to be dealt with |\n|---|---:|---:|"
        )?;
        for row in list.iter().take(rows) {
            writeln!(
                out,
                "| {} | {} | {} |",
                Md(&row.name),
                thousands(row.assets as u64),
                thousands(row.open as u64)
            )?;
        }
        more(list.len(), rows, "rows", out)?;
    }
    writeln!(out)
}

fn more(all: usize, shown: usize, what: &str, out: &mut dyn Write) -> io::Result<()> {
    if all > shown {
        writeln!(
            out,
            "\n{} more {what} are in the JSON form of this report.",
            thousands((all - shown) as u64)
        )?;
    }
    Ok(())
}

fn assets(view: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "## Assets by risk\n")?;
    let open: Vec<_> = view
        .ranked
        .iter()
        .filter(|(_, rating)| rating.is_open())
        .collect();
    if open.is_empty() {
        return writeln!(out, "Nothing that was read has to be dealt with.\n");
    }
    writeln!(
        out,
        "| score | asset | what can happen | first day | set by | owner | exposure | seen in |"
    )?;
    writeln!(out, "|---:|---|---|---|---|---|---|---|")?;
    for (asset, rating) in open.iter().take(view.report.limits.assets) {
        row(view, asset, rating, out)?;
    }
    more(open.len(), view.report.limits.assets, "assets", out)?;
    writeln!(out)
}

fn row<'a>(view: &View<'a>, asset: &'a Asset, rating: &'a Rating, out: &mut dyn Write) -> io::Result<()> {
    let (day, by) = match &rating.bound {
        Some(bound) => (bound.day().to_string(), view.bound_words(bound)),
        None => ("–".to_owned(), "–".to_owned()),
    };
    let owners: Vec<&str> = rating.owners.iter().map(|owner| &**owner).collect();
    let owners = if owners.is_empty() {
        UNTOLD.to_owned()
    } else {
        owners.join(", ")
    };
    let places = view.places(asset);
    let first = places.first().map_or_else(String::new, |place| {
        let line = place.line.map(|line| format!(":{line}")).unwrap_or_default();
        format!("{}{line}", Md(&place.location))
    });
    let others = match places.len() as u64 + asset.evidence.omitted() {
        0 | 1 => String::new(),
        all => format!(" and {} more", thousands(all - 1)),
    };
    writeln!(
        out,
        "| {} | {} {} | {} | {day} | {} | {} | {} | {first}{others} |",
        rating.score.total,
        asset.detail.kind(),
        Md(&asset.name),
        rating.threat.words(),
        Md(by),
        Md(owners),
        Md(rating.exposure.as_deref().unwrap_or(UNTOLD)),
    )
}

fn regimes(view: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "## Deadlines by regime\n")?;
    let assessment = view.report.assessment;
    if assessment.regimes.is_empty() {
        return writeln!(
            out,
            "The profile names no regime that binds, so no date of any is counted here. Name them under `regimes`.\n"
        );
    }
    for (regime, row) in assessment.regimes.iter().zip(&view.regimes) {
        writeln!(out, "### {}\n", Md(&regime.name))?;
        writeln!(
            out,
            "{}, {}. {}; {}. {} Looked at on {}, {}.\n",
            Md(&regime.authority),
            Md(&regime.jurisdiction),
            regime.binding.words(),
            regime.status.words(),
            Md(&regime.scope),
            regime.verified_on,
            regime.confidence.words(),
        )?;
        writeln!(
            out,
            "{} overdue, {} due, {} unknown and so taken to be due, {} with nothing to object to. Of {} the profile \
             does not tell the category that decides.\n",
            row.overdue, row.due, row.unknown, row.met, row.category_untold
        )?;
        writeln!(out, "| until | what | effect |\n|---|---|---|")?;
        for rule in &regime.rules {
            let until = rule
                .until
                .map_or_else(|| "today".to_owned(), |day| day.to_string());
            writeln!(out, "| {until} | {} | {} |", Md(&rule.says), rule.effect.words())?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn scenarios(view: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "## When the quantum computer comes\n")?;
    writeln!(
        out,
        "Nobody knows when. Each scenario is a way to plan, not a forecast.\n"
    )?;
    writeln!(
        out,
        "| scenario | there by | assets concerned | too late already | steps late | other order |"
    )?;
    writeln!(out, "|---|---|---:|---:|---:|---|")?;
    for what in &view.report.roadmap.what_if {
        let reorders = if what.reorders { "yes" } else { "no" };
        writeln!(
            out,
            "| {} | {} | {} | {} | {} | {reorders} |",
            Md(&what.scenario),
            what.arrives,
            thousands(what.concerned_assets as u64),
            thousands(what.late_assets as u64),
            thousands(what.late_steps as u64),
        )?;
    }
    writeln!(out)
}

fn method(view: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "## Method and sources\n")?;
    for paragraph in super::html::METHOD {
        writeln!(out, "- {paragraph}")?;
    }
    writeln!(out, "\n| source | looked at | how well known |\n|---|---|---|")?;
    for source in super::html::sources(view) {
        writeln!(
            out,
            "| {} <{}> | {} | {} |",
            Md(&source.title),
            source.url.replace(['<', '>', '|'], ""),
            source.verified_on,
            source.confidence.words()
        )?;
    }
    Ok(())
}
