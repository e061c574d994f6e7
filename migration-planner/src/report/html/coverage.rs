//! What was looked at, before anything is said about it.

use std::io::{self, Write};

use crate::inventory::Reason;
use crate::report::text::{Html, count, percent, thousands};
use crate::report::view::{View, left_out, reason_words};

pub(super) fn write(view: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    let inventory = view.report.inventory;
    writeln!(
        out,
        "<section id=\"read\" aria-labelledby=\"h-read\">\n<h2 id=\"h-read\">What was looked at</h2>"
    )?;
    if inventory.targets.is_empty() {
        writeln!(out, "<p>The inventory does not say what was scanned.</p>")?;
    } else {
        let targets = inventory.targets.iter().take(view.report.limits.rows);
        let targets: Vec<String> = targets
            .map(|target| format!("<code>{}</code>", Html(target)))
            .collect();
        let more = match inventory.targets.len() - targets.len() {
            0 => String::new(),
            more => format!(" and {} more", thousands(more as u64)),
        };
        writeln!(
            out,
            "<p>{} scanned: {}{more}.</p>",
            count(inventory.targets.len(), "target was", "targets were"),
            targets.join(", ")
        )?;
    }
    if inventory.coverage.iter().next().is_none() {
        writeln!(
            out,
            "<p>The inventory does not count what was met and read, so nobody can say how much of the whole this is.</p>"
        )?;
    } else {
        writeln!(
            out,
            "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Coverage\"><table>\n\
             <caption>How much was met, and how much of it was read to its end</caption>\n\
             <thead><tr><th scope=\"col\">kind</th><th scope=\"col\" class=\"n\">met</th><th scope=\"col\" class=\"n\">read</th>\
             <th scope=\"col\" class=\"n\">share</th><th scope=\"col\" class=\"n\">bytes</th></tr></thead>\n<tbody>"
        )?;
        for (subject, tally) in inventory.coverage.iter() {
            writeln!(
                out,
                "<tr><th scope=\"row\">{}</th><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
                subject.name(),
                thousands(tally.attempted),
                thousands(tally.read),
                percent(tally.read, tally.attempted),
                thousands(tally.bytes),
            )?;
        }
        writeln!(out, "</tbody></table></div>")?;
    }
    let summary = &view.summary;
    if summary.unread_total == 0 {
        writeln!(out, "<p>Nothing was reported as unreadable.</p>")?;
    } else {
        writeln!(
            out,
            "<p class=\"warn\"><strong>{} could not be read.</strong> Nothing in this report speaks of what is in there; \
             <a href=\"#unread\">each is listed with its reason</a>.</p>",
            count(
                usize::try_from(summary.unread_total).unwrap_or(usize::MAX),
                "thing",
                "things"
            )
        )?;
    }
    writeln!(out, "</section>")
}

pub(super) fn details(view: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    let unread = &view.report.inventory.unread;
    let counts = unread.counts();
    writeln!(
        out,
        "<section id=\"unread\" aria-labelledby=\"h-unread\">\n<h2 id=\"h-unread\">What was not read</h2>"
    )?;
    if counts.is_empty() {
        return writeln!(
            out,
            "<p>Nothing was reported as unreadable or left out.</p>\n</section>"
        );
    }
    writeln!(
        out,
        "<p>What could not be read comes first, then what was left out by design or on demand.</p>"
    )?;
    let mut reasons: Vec<Reason> = Reason::ALL
        .into_iter()
        .filter(|reason| counts.contains_key(reason))
        .collect();
    reasons.sort_by_key(|reason| left_out(*reason));
    let limit = view.report.limits.unread;
    for reason in reasons {
        let number = counts.get(&reason).copied().unwrap_or(0);
        writeln!(
            out,
            "<details><summary><span class=\"name\">{}</span><span>{}</span></summary><div class=\"in\">",
            reason_words(reason),
            thousands(number)
        )?;
        let entries: Vec<_> = unread
            .iter()
            .filter(|entry| entry.reason == reason)
            .take(limit)
            .collect();
        if !entries.is_empty() {
            writeln!(
                out,
                "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Not read: {}\"><table><thead><tr><th scope=\"col\">place</th>\
                 <th scope=\"col\">what</th><th scope=\"col\">scanner</th></tr></thead><tbody>",
                reason_words(reason)
            )?;
            for entry in &entries {
                let line = entry.line.map(|line| format!(":{line}")).unwrap_or_default();
                writeln!(
                    out,
                    "<tr><td class=\"place\">{}{line}</td><td>{}</td><td>{}</td></tr>",
                    Html(&entry.location),
                    Html(&entry.detail),
                    Html(&entry.scanner)
                )?;
            }
            writeln!(out, "</tbody></table></div>")?;
        }
        let rest = number.saturating_sub(entries.len() as u64);
        if rest > 0 {
            writeln!(
                out,
                "<p>{} more; the JSON form lists as many as the inventory has.</p>",
                thousands(rest)
            )?;
        }
        writeln!(out, "</div></details>")?;
    }
    writeln!(out, "</section>")
}
