//! What a reader has to know first, and where it comes from.

use std::io::{self, Write};

use crate::report::text::{Html, count, percent, thousands};
use crate::report::view::{GroupRow, View, is_late};
use crate::risk::Threat;

use super::{IDLE_RULES, METHOD, quantum_words, sources, weak_words};

pub(super) fn lead(view: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    let (summary, report) = (&view.summary, view.report);
    let late = report
        .roadmap
        .what_if
        .iter()
        .find(|what| what.scenario == report.roadmap.plan_by);
    let scanned = match &report.inventory.timestamp {
        Some(moment) => format!(", from a scan of {}", Html(moment)),
        None => String::new(),
    };
    writeln!(
        out,
        "<p class=\"soft\">As of {}{scanned}. Planned by the scenario <em>{}</em>.</p>",
        report.assessment.today,
        Html(&report.assessment.plan_by)
    )?;
    let weak = of(view, Threat::WeakToday);
    let weak = match weak {
        0 => "Nothing that was read is broken today".to_owned(),
        many => format!(
            "{} already today",
            strong(many, "asset is weak", "assets are weak")
        ),
    };
    let quantum = of(view, Threat::HarvestNow) + of(view, Threat::ForgeLater) + of(view, Threat::Impersonate);
    let late = late.map_or_else(String::new, |late| {
        format!(
            " For {} of them a start today is too late in the scenario planned by.",
            thousands(late.late_assets as u64)
        )
    });
    writeln!(
        out,
        "<p class=\"lead\">{weak}; {} to a quantum computer, and {}.{late}</p>",
        strong(quantum, "falls", "fall"),
        strong(of(view, Threat::Unknown), "is unknown", "are unknown"),
    )?;
    let steps = &report.roadmap.steps;
    writeln!(out, "<ul class=\"tiles\">")?;
    let read = report
        .inventory
        .coverage
        .iter()
        .fold((0, 0), |(met, read), (_, tally)| {
            (met + tally.attempted, read + tally.read)
        });
    let tiles = [
        (percent(read.1, read.0), "of what was met was read"),
        (thousands(summary.unread_total), "things could not be read"),
        (thousands(summary.rated as u64), "assets were rated"),
        (thousands(summary.open as u64), "have to be dealt with"),
        (thousands(steps.len() as u64), "steps in the roadmap"),
        (
            thousands(steps.iter().filter(|step| is_late(step)).count() as u64),
            "steps cannot be done in time",
        ),
    ];
    for (figure, what) in tiles {
        writeln!(out, "<li><b>{figure}</b> {what}</li>")?;
    }
    writeln!(out, "</ul>")
}

/// A number that stands out, with its noun.
fn strong(number: usize, one: &str, many: &str) -> String {
    let words = if number == 1 { one } else { many };
    format!("<strong>{}</strong> {words}", thousands(number as u64))
}

fn of(view: &View<'_>, threat: Threat) -> usize {
    view.summary
        .by_threat
        .iter()
        .find(|(known, _)| *known == threat)
        .map_or(0, |(_, number)| *number)
}

pub(super) fn navigation(view: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    let mut links = vec![
        ("read", "What was looked at"),
        ("summary", "Summary"),
        ("algorithms", "By algorithm"),
        ("owners", "By owner"),
        ("exposure", "By exposure"),
        ("years", "Over the years"),
        ("regimes", "Deadlines"),
        ("roadmap", "Roadmap"),
    ];
    if view.report.status.is_some() {
        links.push(("status", "What was done"));
    }
    links.extend([
        ("assets", "Assets"),
        ("unread", "Not read"),
        ("method", "Method and sources"),
    ]);
    writeln!(out, "<nav aria-label=\"Sections\"><ul>")?;
    for (id, title) in links {
        writeln!(out, "<li><a href=\"#{id}\">{title}</a></li>")?;
    }
    writeln!(out, "</ul></nav>")
}

pub(super) fn summary(view: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    let summary = &view.summary;
    writeln!(
        out,
        "<section id=\"summary\" aria-labelledby=\"h-summary\">\n<h2 id=\"h-summary\">Summary</h2>"
    )?;
    writeln!(
        out,
        "<p>{} found. {} rated; for {} a rated one stands, as a certificate does for its key; {} no cryptography of {} own.</p>",
        count(summary.assets, "asset was", "assets were"),
        count(summary.rated, "was", "were"),
        thousands(summary.stood_for as u64),
        count(summary.without_cryptography, "has", "have"),
        if summary.without_cryptography == 1 {
            "its"
        } else {
            "their"
        },
    )?;
    writeln!(
        out,
        "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Assets by the worst that can happen\"><table>\n\
         <caption>Rated assets by the worst that can happen to them</caption>\n<thead><tr><th scope=\"col\">what can happen</th>\
         <th scope=\"col\" class=\"n\">assets</th><th scope=\"col\" class=\"n\">share</th><th scope=\"col\">what it means</th></tr></thead>\n<tbody>"
    )?;
    for (threat, number) in &summary.by_threat {
        writeln!(
            out,
            "<tr><th scope=\"row\"><span class=\"key t-{}\"></span>{}</th><td class=\"n\">{}</td><td class=\"n\">{}</td><td>{}</td></tr>",
            threat.name(),
            threat.words(),
            thousands(*number as u64),
            percent(*number as u64, summary.rated as u64),
            threat.means(),
        )?;
    }
    writeln!(out, "</tbody></table></div>")?;
    let idle = &view.report.assessment.idle_rules;
    if !idle.is_empty() {
        writeln!(out, "<div class=\"warn\"><p>{IDLE_RULES}</p>\n<ul>")?;
        for rule in idle {
            writeln!(out, "<li>{}</li>", Html(rule.to_string()))?;
        }
        writeln!(out, "</ul></div>")?;
    }
    writeln!(out, "</section>")
}

pub(super) fn groups(view: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    algorithms(view, out)?;
    let limit = view.report.limits.rows;
    group(
        "owners",
        "By owner",
        "Owners come from the scan's tags and from the profile. Where nobody told, nobody acts.",
        &view.owners,
        limit,
        out,
    )?;
    group(
        "exposure",
        "By exposure",
        "Who can reach an asset. Where nobody told, the score assumes the internet.",
        &view.exposures,
        limit,
        out,
    )
}

fn algorithms(view: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    let limit = view.report.limits.rows;
    writeln!(
        out,
        "<section id=\"algorithms\" aria-labelledby=\"h-algorithms\">\n<h2 id=\"h-algorithms\">By algorithm</h2>\n\
         <div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Table by algorithm\"><table>\n<thead><tr><th scope=\"col\">algorithm</th>\
         <th scope=\"col\">used for</th><th scope=\"col\">quantum computer</th><th scope=\"col\">weak today</th>\
         <th scope=\"col\" class=\"n\">assets</th><th scope=\"col\" class=\"n\">places</th></tr></thead>\n<tbody>"
    )?;
    for row in view.algorithms.iter().take(limit) {
        let purposes: Vec<&str> = row.purposes.iter().copied().collect();
        writeln!(
            out,
            "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
            Html(&row.name),
            purposes.join(", "),
            quantum_words(row.quantum),
            weak_words(row),
            thousands(row.assets as u64),
            thousands(row.places),
        )?;
    }
    writeln!(out, "</tbody></table></div>")?;
    more(view.algorithms.len(), limit, "algorithms", out)?;
    writeln!(out, "</section>")
}

pub(super) fn more(all: usize, shown: usize, what: &str, out: &mut dyn Write) -> io::Result<()> {
    if all > shown {
        writeln!(
            out,
            "<p>{} more {what} are in the JSON form of this report.</p>",
            thousands((all - shown) as u64)
        )?;
    }
    Ok(())
}

fn group(
    id: &str,
    title: &str,
    says: &str,
    rows: &[GroupRow],
    limit: usize,
    out: &mut dyn Write,
) -> io::Result<()> {
    writeln!(
        out,
        "<section id=\"{id}\" aria-labelledby=\"h-{id}\">\n<h2 id=\"h-{id}\">{title}</h2>\n<p>{says}</p>\n\
         <ul class=\"legend\" aria-label=\"Colours\">"
    )?;
    for threat in Threat::ALL {
        writeln!(
            out,
            "<li><span class=\"key t-{}\"></span>{}</li>",
            threat.name(),
            threat.words()
        )?;
    }
    let most = rows.iter().map(|row| row.assets).max().unwrap_or(1).max(1);
    writeln!(
        out,
        "</ul>\n<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"{title}, as a table\"><table>\n<thead><tr><th scope=\"col\">who</th>\
         <th scope=\"col\" class=\"n\">assets</th><th scope=\"col\" class=\"n\">to be dealt with</th><th scope=\"col\">by what can happen</th></tr></thead>\n<tbody>"
    )?;
    for row in rows.iter().take(limit) {
        let mut words = Vec::new();
        let mut bars = String::new();
        for (threat, number) in &row.by_threat {
            words.push(format!("{}: {}", threat.words(), thousands(*number as u64)));
            bars.push_str(&format!(
                "<span class=\"t-{}\" style=\"flex:{number}\"></span>",
                threat.name()
            ));
        }
        let width = (row.assets * 100).div_ceil(most);
        writeln!(
            out,
            "<tr><th scope=\"row\">{}</th><td class=\"n\">{}</td><td class=\"n\">{}</td>\
             <td><div class=\"stack\" role=\"img\" aria-label=\"{}\" style=\"width:{width}%\">{bars}</div></td></tr>",
            Html(&row.name),
            thousands(row.assets as u64),
            thousands(row.open as u64),
            words.join("; "),
        )?;
    }
    writeln!(out, "</tbody></table></div>")?;
    more(rows.len(), limit, "rows", out)?;
    writeln!(out, "</section>")
}

pub(super) fn regimes(view: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "<section id=\"regimes\" aria-labelledby=\"h-regimes\">\n<h2 id=\"h-regimes\">Deadlines by regime</h2>"
    )?;
    let regimes = &view.report.assessment.regimes;
    if regimes.is_empty() {
        return writeln!(
            out,
            "<p>The profile names no regime that binds, so no date of any is counted. Name them under <code>regimes</code> in the profile.</p>\n</section>"
        );
    }
    writeln!(
        out,
        "<p>Only the regimes that the profile says to bind. They disagree, and none of their dates is the deadline.</p>\n\
         <div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Regimes\"><table>\n<caption>Rated assets by how they stand to each regime</caption>\n\
         <thead><tr><th scope=\"col\">regime</th><th scope=\"col\">binding</th><th scope=\"col\">status</th><th scope=\"col\" class=\"n\">overdue</th>\
         <th scope=\"col\" class=\"n\">due</th><th scope=\"col\" class=\"n\">unknown</th><th scope=\"col\" class=\"n\">nothing against</th>\
         <th scope=\"col\" class=\"n\">category not told</th></tr></thead>\n<tbody>"
    )?;
    for (regime, row) in regimes.iter().zip(&view.regimes) {
        writeln!(
            out,
            "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
            Html(&regime.name),
            regime.binding.words(),
            regime.status.words(),
            thousands(row.overdue as u64),
            thousands(row.due as u64),
            thousands(row.unknown as u64),
            thousands(row.met as u64),
            thousands(row.category_untold as u64),
        )?;
    }
    writeln!(out, "</tbody></table></div>")?;
    for regime in regimes {
        writeln!(
            out,
            "<details><summary><span class=\"name\">{}</span><span>{}</span></summary><div class=\"in\">\n<p>{}</p>\n<p>{}</p>\n\
             <div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Rules of {}\"><table><thead><tr><th scope=\"col\">until</th><th scope=\"col\">what it says, in our words</th>\
             <th scope=\"col\">then</th><th scope=\"col\">where</th></tr></thead><tbody>",
            Html(&regime.name),
            count(regime.rules.len(), "rule", "rules"),
            Html(&regime.scope),
            Html(&regime.note),
            Html(&regime.name),
        )?;
        for rule in &regime.rules {
            let until = rule
                .until
                .map_or_else(|| "today".to_owned(), |day| day.to_string());
            writeln!(
                out,
                "<tr><td class=\"day\">{until}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
                Html(&rule.says),
                rule.effect.words(),
                Html(&rule.section)
            )?;
        }
        writeln!(
            out,
            "</tbody></table></div>\n<p class=\"soft\">Looked at on {}; {}.</p>\n</div></details>",
            regime.verified_on,
            regime.confidence.words()
        )?;
    }
    writeln!(out, "</section>")
}

pub(super) fn method(view: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "<section id=\"method\" aria-labelledby=\"h-method\">\n<h2 id=\"h-method\">Method and sources</h2>\n<ol>"
    )?;
    for paragraph in METHOD {
        writeln!(out, "<li>{}</li>", Html(paragraph))?;
    }
    let defaults = view.report.profile.defaults;
    writeln!(
        out,
        "</ol>\n<p>Where the profile says nothing else: what is encrypted must stay secret for {} years, what is signed must be believed for {} years, \
         a signature that is believed for {} months or more outlives its making, and importance is {} of 5.</p>",
        defaults.confidentiality_years,
        defaults.signature_years,
        defaults.long_signature_months,
        defaults.importance
    )?;
    writeln!(
        out,
        "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Sources\"><table>\n<caption>What this report rests on</caption>\n<thead><tr><th scope=\"col\">source</th>\
         <th scope=\"col\">looked at</th><th scope=\"col\">how well known</th></tr></thead>\n<tbody>"
    )?;
    for source in sources(view) {
        let title = Html(&source.title);
        // Anything else that a file of facts may hold is shown and not linked.
        let title = match source.url.starts_with("https://") {
            true => format!(
                "<a href=\"{}\" rel=\"noreferrer noopener\">{title}</a>",
                Html(&source.url)
            ),
            false => format!("{title} <code>{}</code>", Html(&source.url)),
        };
        writeln!(
            out,
            "<tr><td>{title}</td><td class=\"day\">{}</td><td>{}</td></tr>",
            source.verified_on,
            source.confidence.words()
        )?;
    }
    writeln!(out, "</tbody></table></div>\n</section>")
}
