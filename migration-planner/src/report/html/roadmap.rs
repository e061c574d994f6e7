//! The roadmap as a timeline, and each of its steps with everything that belongs to it.

use std::io::{self, Write};

use crate::report::text::{Html, count, thousands};
use crate::report::view::{UNTOLD, View, is_late};
use crate::risk::Day;
use crate::roadmap::{Need, Step, StepState};

use super::sections::more;

pub(super) fn write(view: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    let steps = &view.report.roadmap.steps;
    writeln!(
        out,
        "<section id=\"roadmap\" aria-labelledby=\"h-roadmap\">\n<h2 id=\"h-roadmap\">Roadmap</h2>"
    )?;
    if steps.is_empty() {
        return writeln!(
            out,
            "<p>There is nothing to do about what was read.</p>\n</section>"
        );
    }
    writeln!(
        out,
        "<p>A step begins when everything that it needs is done: an authority before what it issues, verifiers before signers, libraries before \
         programs, both ends before the old way is closed. A thick mark is the first day by which it must be done; a striped bar ends after it.</p>"
    )?;
    timeline(view, out)?;
    writeln!(out, "<h3>The steps</h3>")?;
    let limit = view.report.limits.assets;
    let mut wave = 0;
    for step in steps.iter().take(limit) {
        if step.wave != wave {
            wave = step.wave;
            writeln!(out, "<h4>Wave {wave}</h4>")?;
        }
        self::step(view, step, out)?;
    }
    more(steps.len(), limit, "steps", out)?;
    writeln!(out, "</section>")
}

fn timeline(view: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    let (first, last) = view.span();
    let days = first.days_until(last).max(1) as f64;
    let share = |day: Day| (first.days_until(day) as f64 / days * 100.0).clamp(0.0, 100.0);
    let year = 36_525.0 / days;
    writeln!(
        out,
        "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Timeline\" style=\"--year:{year:.3}%\"><table>\n<caption>From {first} to {last}; every line is a year</caption>\n\
         <thead><tr><th scope=\"col\" class=\"n\">wave</th><th scope=\"col\">step</th><th scope=\"col\">begin</th><th scope=\"col\">done</th><th scope=\"col\">must be done</th>\
         <th scope=\"col\"><div class=\"years\">"
    )?;
    let span = last.year() - first.year();
    let every = (span / 6).max(1);
    for number in (1..=span).filter(|number| number % every == 0) {
        if let Some(day) = Day::new(first.year() + number, 1, 1).filter(|day| share(*day) < 94.0) {
            write!(
                out,
                "<span style=\"left:{:.2}%\">{}</span>",
                share(day),
                day.year()
            )?;
        }
    }
    writeln!(out, "</div></th></tr></thead>\n<tbody>")?;
    let limit = view.report.limits.rows;
    for step in view.report.roadmap.steps.iter().take(limit) {
        let (start, finish) = (share(step.start), share(step.finish));
        let bar = match step.is_work() {
            true => format!(
                "<i{} style=\"left:{start:.2}%;width:{:.2}%\"></i>",
                if is_late(step) { " class=\"late\"" } else { "" },
                finish - start
            ),
            false => String::new(),
        };
        let mark = step.due.map_or_else(String::new, |due| {
            format!("<b style=\"left:{:.2}%\"></b>", share(due).min(99.4))
        });
        let done = match (step.is_work(), is_late(step)) {
            (false, _) => Html(step.outcome.words()).to_string(),
            (true, true) => format!("{} (late)", step.finish),
            (true, false) => step.finish.to_string(),
        };
        let owner = step.owner.as_ref().map_or_else(String::new, |owner| {
            format!(" <span class=\"soft\">{}</span>", Html(owner))
        });
        let due = match step.due {
            Some(due) if due < first => format!("{due} (passed)"),
            Some(due) => due.to_string(),
            None => "–".to_owned(),
        };
        writeln!(
            out,
            "<tr><td class=\"n\">{}</td><th scope=\"row\"><a href=\"#{}\">{}</a>{owner}</th><td class=\"day\">{}</td><td class=\"day\">{done}</td><td class=\"day\">{due}</td>\
             <td><div class=\"time\" aria-hidden=\"true\">{bar}{mark}</div></td></tr>",
            step.wave,
            step.id,
            Html(&step.title),
            step.start,
        )?;
    }
    writeln!(out, "</tbody></table></div>")?;
    more(view.report.roadmap.steps.len(), limit, "steps", out)
}

fn step(view: &View<'_>, step: &Step, out: &mut dyn Write) -> io::Result<()> {
    let late = if is_late(step) { " · late" } else { "" };
    writeln!(
        out,
        "<details id=\"{}\"><summary><span class=\"score\" title=\"score\">{}</span><span class=\"name\">{}</span><span class=\"soft\">{} · {}{late}</span></summary>\n<div class=\"in\"><p>{}</p>\n<dl>",
        step.id,
        step.score,
        Html(&step.title),
        Html(step.outcome.words()),
        Html(step.owner.as_deref().unwrap_or("no owner told")),
        Html(&step.why),
    )?;
    let mut row = |name: &str, value: String| match value.is_empty() {
        true => Ok(()),
        false => writeln!(out, "<dt>{name}</dt><dd>{value}</dd>"),
    };
    row("id", format!("<code>{}</code>", step.id))?;
    row(
        "decided",
        Html(step.decided.as_deref().unwrap_or_default()).to_string(),
    )?;
    row(
        "exposure",
        Html(if step.exposure.is_empty() {
            UNTOLD.to_owned()
        } else {
            step.exposure.join(", ")
        })
        .to_string(),
    )?;
    row("from", Html(step.from.join(", ")).to_string())?;
    if let Some(target) = &step.target {
        row(
            "to",
            format!(
                "{}<br><span class=\"soft\">{}. {}</span>",
                Html(&target.algorithm),
                Html(&target.because),
                Html(&target.note)
            ),
        )?;
    }
    if step.is_work() {
        let months = count(step.months as usize, "month", "months");
        row(
            "takes",
            format!(
                "{months} <span class=\"soft\">({})</span>, from {} to {}",
                Html(&step.months_because),
                step.start,
                step.finish
            ),
        )?;
    }
    row(
        "begin at the latest",
        step.latest_start.map(|day| day.to_string()).unwrap_or_default(),
    )?;
    if let (Some(due), Some(by)) = (step.due, &step.due_by) {
        row("must be done by", format!("{due}, {}", Html(by)))?;
    }
    let deadlines = step.deadlines.iter().map(|deadline| {
        let until = deadline
            .until
            .map_or_else(|| "today".to_owned(), |day| day.to_string());
        let assumed = if deadline.category_assumed {
            ", if it is of that category"
        } else {
            ""
        };
        format!(
            "{until}: {}, {} ({}){assumed}",
            Html(view.regime_name(&deadline.regime)),
            deadline.effect.words(),
            Html(&deadline.rule)
        )
    });
    row("regimes", list(deadlines))?;
    row("after", list(step.needs.iter().map(|need| link(view, need))))?;
    row(
        "together with",
        list(step.together_with.iter().map(|other| title(view, other))),
    )?;
    row(
        "in the way",
        list(step.blockers.iter().map(|blocker| Html(blocker).to_string())),
    )?;
    row("done when", Html(&step.done_when).to_string())?;
    writeln!(out, "</dl>")?;
    if !step.commands.is_empty() {
        let commands: Vec<String> = step
            .commands
            .iter()
            .map(|command| Html(command).to_string())
            .collect();
        writeln!(
            out,
            "<p>What Symbolon can do of it; words in capitals are to be filled in:</p>\n<pre>{}</pre>",
            commands.join("\n")
        )?;
    }
    items(view, step, out)?;
    writeln!(out, "</div></details>")
}

fn items(view: &View<'_>, step: &Step, out: &mut dyn Write) -> io::Result<()> {
    let limit = view.report.limits.places;
    writeln!(
        out,
        "<p>{}:</p>\n<ul>",
        count(step.items.len(), "place", "places")
    )?;
    for item in step.items.iter().take(limit) {
        let line = item.line.map(|line| format!(":{line}")).unwrap_or_default();
        let times = if item.count > 1 {
            format!(", {} times", thousands(item.count))
        } else {
            String::new()
        };
        writeln!(
            out,
            "<li><span class=\"place\">{}{line}</span> <span class=\"soft\">{}{times}</span></li>",
            Html(&item.location),
            Html(&item.name)
        )?;
    }
    writeln!(out, "</ul>")?;
    more(step.items.len(), limit, "places", out)
}

fn list(entries: impl Iterator<Item = String>) -> String {
    let entries: Vec<String> = entries.map(|entry| format!("<li>{entry}</li>")).collect();
    match entries.is_empty() {
        true => String::new(),
        false => format!("<ul>{}</ul>", entries.concat()),
    }
}

fn link(view: &View<'_>, need: &Need) -> String {
    format!(
        "{} <span class=\"soft\">({})</span>",
        title(view, &need.step),
        Html(&need.because)
    )
}

fn title(view: &View<'_>, id: &crate::roadmap::StepId) -> String {
    let title = view
        .report
        .roadmap
        .step(id)
        .map_or_else(|| id.as_str(), |step| step.title.as_str());
    format!("<a href=\"#{id}\">{}</a>", Html(title))
}

pub(super) fn status(view: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    let Some(status) = view.report.status else {
        return Ok(());
    };
    let items = status.items;
    writeln!(
        out,
        "<section id=\"status\" aria-labelledby=\"h-status\">\n<h2 id=\"h-status\">What was done since {}</h2>\n\
         <p>Of {}, {} seen to have moved and {} gone. {} open, {} not observed, and {} as before although it was done.</p>",
        status.planned_on,
        count(items.all(), "item", "items"),
        count(items.moved, "was", "were"),
        count(items.gone, "is", "are"),
        count(items.open, "is", "are"),
        count(items.not_observed, "was", "were"),
        count(items.regressed, "is", "are"),
    )?;
    writeln!(
        out,
        "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Status\"><table>\n<thead><tr><th scope=\"col\">step</th><th scope=\"col\">state</th><th scope=\"col\" class=\"n\">moved</th>\
         <th scope=\"col\" class=\"n\">gone</th><th scope=\"col\" class=\"n\">open</th><th scope=\"col\" class=\"n\">not observed</th><th scope=\"col\" class=\"n\">regressed</th></tr></thead>\n<tbody>"
    )?;
    let limit = view.report.limits.assets;
    for step in status.steps.iter().take(limit) {
        let state = match step.state {
            StepState::Regressed => "<strong>regressed</strong>",
            other => other.words(),
        };
        writeln!(
            out,
            "<tr><th scope=\"row\">{}</th><td>{state}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
            Html(&step.title),
            step.items.moved,
            step.items.gone,
            step.items.open,
            step.items.not_observed,
            step.items.regressed,
        )?;
    }
    writeln!(out, "</tbody></table></div>")?;
    more(status.steps.len(), limit, "steps", out)?;
    if !status.regressed.is_empty() {
        writeln!(out, "<h3>Protected before, and not any more</h3>\n<ul>")?;
        for guard in status.regressed.iter().take(limit) {
            writeln!(
                out,
                "<li>{} <span class=\"place\">{}</span></li>",
                Html(&guard.name),
                Html(&guard.location)
            )?;
        }
        writeln!(out, "</ul>")?;
    }
    if !status.unplanned.is_empty() {
        writeln!(
            out,
            "<p>{} not in the roadmap; make a new one.</p>",
            count(status.unplanned.len(), "piece of work is", "pieces of work are")
        )?;
    }
    writeln!(out, "</section>")
}
