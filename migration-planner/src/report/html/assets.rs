//! Assets by risk, each with its evidence down to file and line, and with everything that its score is made of.

use std::io::{self, Write};

use crate::inventory::{Asset, Detail, Occurrence};
use crate::report::text::{Html, count, thousands};
use crate::report::view::{UNTOLD, View};
use crate::risk::{Rating, Shelf};

use super::quantum_words;
use super::sections::more;

pub(super) fn write(view: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "<section id=\"assets\" aria-labelledby=\"h-assets\">\n<h2 id=\"h-assets\">Assets by risk</h2>"
    )?;
    let open: Vec<_> = view
        .ranked
        .iter()
        .filter(|(_, rating)| rating.is_open())
        .collect();
    let limit = view.report.limits.assets;
    if open.is_empty() {
        return writeln!(
            out,
            "<p>Nothing that was read has to be dealt with.</p>\n</section>"
        );
    }
    writeln!(
        out,
        "<p>{} to be dealt with, the highest score first{}. Open one to see where it was found and what its score is made of.</p>",
        count(open.len(), "asset is", "assets are"),
        if open.len() > limit {
            format!("; the first {} are listed", thousands(limit as u64))
        } else {
            String::new()
        }
    )?;
    for (asset, rating) in open.iter().take(limit) {
        self::asset(view, asset, rating, out)?;
    }
    more(open.len(), limit, "assets", out)?;
    writeln!(out, "</section>")
}

fn asset<'a>(view: &View<'a>, asset: &'a Asset, rating: &'a Rating, out: &mut dyn Write) -> io::Result<()> {
    let bound = rating
        .bound
        .as_ref()
        .map_or_else(String::new, |bound| format!(" · {}", bound.day()));
    writeln!(
        out,
        "<details><summary><span class=\"score\">{}</span><span class=\"name\">{}</span><span class=\"soft\"><span class=\"key t-{}\"></span>{} · {}{bound}</span></summary>\n<div class=\"in\">\n<dl>",
        rating.score.total,
        Html(&asset.name),
        rating.threat.name(),
        rating.threat.words(),
        asset.detail.kind(),
    )?;
    let mut row = |name: &str, value: String| match value.is_empty() {
        true => Ok(()),
        false => writeln!(out, "<dt>{name}</dt><dd>{value}</dd>"),
    };
    row("id", format!("<code>{}</code>", Html(asset.id().as_str())))?;
    row("what", Html(describe(&asset.detail)).to_string())?;
    let owners: Vec<&str> = rating.owners.iter().map(|owner| &**owner).collect();
    row(
        "owner",
        Html(if owners.is_empty() {
            UNTOLD.to_owned()
        } else {
            owners.join(", ")
        })
        .to_string(),
    )?;
    row(
        "exposure",
        Html(rating.exposure.as_deref().unwrap_or(UNTOLD)).to_string(),
    )?;
    row("protection today", rating.posture.words().to_owned())?;
    let uses = rating.uses.iter().map(|used| {
        let weak = used
            .weakness
            .as_deref()
            .map(|weakness| format!(", <strong>weak today</strong> ({})", Html(weakness)))
            .or_else(|| Some(format!(", note: {}", Html(used.note.as_deref()?))))
            .unwrap_or_default();
        format!(
            "<li>{}: {}, {}, {}{weak}</li>",
            used.how,
            Html(&used.algorithm),
            used.purpose.words(),
            quantum_words(used.quantum)
        )
    });
    row("uses", format!("<ul>{}</ul>", uses.collect::<String>()))?;
    let shelf = |shelf: &Option<Shelf>| {
        shelf
            .as_ref()
            .map(|shelf| format!("{} ({})", span(shelf.months), Html(&shelf.because)))
            .unwrap_or_default()
    };
    row("must stay secret for", shelf(&rating.confidentiality))?;
    row("must be believed for", shelf(&rating.signatures))?;
    let mut because = rating.effort.because.to_string();
    for factor in &rating.effort.factors {
        because.push_str(", ");
        because.push_str(factor);
    }
    row(
        "moving it takes",
        format!("{} ({})", span(rating.effort.months), Html(because)),
    )?;
    if let Some(bound) = &rating.bound {
        row(
            "first day",
            format!("{}, {}", bound.day(), Html(view.bound_words(bound))),
        )?;
    }
    if let Some(decision) = &rating.decision {
        let until = decision
            .until
            .map(|day| format!(" until {day}"))
            .unwrap_or_default();
        row(
            "decided",
            format!(
                "{}{until} ({})",
                Html(&decision.reason),
                Html(&decision.approved_by)
            ),
        )?;
    }
    let facts = asset.facts.iter().filter(|(name, _)| !name.ends_with("sha256"));
    let facts = facts.map(|(name, values)| {
        let values: Vec<&str> = values.iter().take(5).map(String::as_str).collect();
        format!("<li>{}: {}</li>", Html(name), Html(values.join(", ")))
    });
    let facts: String = facts.collect();
    row(
        "also known",
        if facts.is_empty() {
            facts
        } else {
            format!("<ul>{facts}</ul>")
        },
    )?;
    writeln!(out, "</dl>")?;
    time(rating, out)?;
    verdicts(view, rating, out)?;
    score(rating, out)?;
    places(view, asset, out)?;
    writeln!(out, "</div></details>")
}

fn span(months: u32) -> String {
    match (months / 12, months % 12) {
        (0, months) => count(months as usize, "month", "months"),
        (years, 0) => count(years as usize, "year", "years"),
        (years, months) => format!(
            "{} and {}",
            count(years as usize, "year", "years"),
            count(months as usize, "month", "months")
        ),
    }
}

fn describe(detail: &Detail) -> String {
    match detail {
        Detail::Certificate(certificate) => {
            let end = certificate
                .not_after
                .as_deref()
                .unwrap_or("a day that is not known");
            let authority = if certificate.authority { "authority, " } else { "" };
            format!(
                "{} certificate, {authority}issued by {}, valid until {end}",
                certificate.format, certificate.issuer
            )
        }
        Detail::Key(key) => format!("{} {}", key.format, key.kind.name()),
        Detail::Service(service) => service.what.clone(),
        Detail::Material(material) => material.what.clone(),
        other => other.kind().to_owned(),
    }
}

fn time(rating: &Rating, out: &mut dyn Write) -> io::Result<()> {
    if rating.mosca.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "<table><caption>By scenario</caption><thead><tr><th scope=\"col\">scenario</th><th scope=\"col\">there by</th><th scope=\"col\">must have moved by</th>\
         <th scope=\"col\">start by</th><th scope=\"col\">a start today</th></tr></thead><tbody>"
    )?;
    for mosca in &rating.mosca {
        let today = match mosca.late_days {
            late @ 1.. => format!("is {} too late", count(late as usize, "day", "days")),
            spare => format!(
                "has {} to spare",
                count(spare.unsigned_abs() as usize, "day", "days")
            ),
        };
        writeln!(
            out,
            "<tr><th scope=\"row\">{}</th><td class=\"day\">{}</td><td class=\"day\">{}</td><td class=\"day\">{}</td><td>{today}</td></tr>",
            Html(&mosca.scenario),
            mosca.arrives,
            mosca.done_by,
            mosca.start_by,
        )?;
    }
    writeln!(out, "</tbody></table>")
}

fn verdicts(view: &View<'_>, rating: &Rating, out: &mut dyn Write) -> io::Result<()> {
    if rating.verdicts.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "<table><caption>By regime</caption><thead><tr><th scope=\"col\">regime</th><th scope=\"col\">rule</th><th scope=\"col\">until</th><th scope=\"col\">then</th>\
         <th scope=\"col\">stands</th></tr></thead><tbody>"
    )?;
    for verdict in &rating.verdicts {
        let until = verdict
            .until
            .map_or_else(|| "today".to_owned(), |day| day.to_string());
        let assumed = if verdict.category_assumed {
            "; the profile does not tell its category"
        } else {
            ""
        };
        writeln!(
            out,
            "<tr><th scope=\"row\">{}</th><td>{}</td><td class=\"day\">{until}</td><td>{}</td><td>{}{assumed}</td></tr>",
            Html(view.regime_name(&verdict.regime)),
            Html(&verdict.rule),
            verdict.effect.words(),
            verdict.finding.words(),
        )?;
    }
    writeln!(out, "</tbody></table>")
}

fn score(rating: &Rating, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "<table><caption>Score {}</caption><thead><tr><th scope=\"col\">part</th><th scope=\"col\" class=\"n\">points</th><th scope=\"col\">because</th></tr></thead><tbody>",
        rating.score.total
    )?;
    for part in &rating.score.parts {
        writeln!(
            out,
            "<tr><th scope=\"row\">{}</th><td class=\"n\">{} of {}</td><td>{}</td></tr>",
            part.what,
            part.points,
            part.of,
            Html(&part.because)
        )?;
    }
    writeln!(out, "</tbody></table>")
}

fn places<'a>(view: &View<'a>, asset: &'a Asset, out: &mut dyn Write) -> io::Result<()> {
    let places = view.places(asset);
    let limit = view.report.limits.places;
    writeln!(
        out,
        "<p>Seen in {}:</p>\n<ul>",
        count(places.len(), "place", "places")
    )?;
    for place in places.iter().take(limit) {
        self::place(place, out)?;
    }
    writeln!(out, "</ul>")?;
    more(places.len(), limit, "places", out)?;
    match asset.evidence.omitted() {
        0 => Ok(()),
        omitted => writeln!(
            out,
            "<p>{} more were counted and not kept.</p>",
            thousands(omitted)
        ),
    }
}

fn place(place: &Occurrence, out: &mut dyn Write) -> io::Result<()> {
    let line = place.line.map(|line| format!(":{line}")).unwrap_or_default();
    let words: Vec<&str> = [&place.symbol, &place.context]
        .into_iter()
        .flatten()
        .map(String::as_str)
        .collect();
    let access = match place.access {
        Some(access) if access.everyone_may_read() => " · <strong>everyone may read it</strong>",
        Some(access) if access.group_may_read() => " · its group may read it",
        _ => "",
    };
    writeln!(
        out,
        "<li><span class=\"place\">{}{line}</span> <span class=\"soft\">{}</span>{access}</li>",
        Html(&place.location),
        Html(words.join(" · "))
    )
}
