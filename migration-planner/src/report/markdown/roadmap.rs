//! The roadmap and how it stands.

use std::io::{self, Write};

use crate::report::text::{Md, count, thousands};
use crate::report::view::{UNTOLD, View, is_late};
use crate::roadmap::{Step, StepState};

pub(super) fn write(view: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "## Roadmap\n")?;
    let mut wave = 0;
    for step in &view.report.roadmap.steps {
        if step.wave != wave {
            wave = step.wave;
            writeln!(out, "### Wave {wave}\n")?;
        }
        self::step(view, step, out)?;
    }
    if view.report.roadmap.steps.is_empty() {
        writeln!(out, "There is nothing to do about what was read.\n")?;
    }
    Ok(())
}

fn step(view: &View<'_>, step: &Step, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "#### {}\n\n`{}`\n", Md(&step.title), step.id)?;
    writeln!(out, "{}\n", Md(&step.why))?;
    let mut line = |name: &str, value: String| match value.is_empty() {
        true => Ok(()),
        false => writeln!(out, "- {name}: {value}"),
    };
    let decided = step
        .decided
        .as_ref()
        .map(|who| format!(", decided: {}", Md(who)))
        .unwrap_or_default();
    line("outcome", format!("{}{decided}", step.outcome.words()))?;
    line("owner", Md(step.owner.as_deref().unwrap_or(UNTOLD)).to_string())?;
    if let Some(target) = &step.target {
        let note = if target.note.is_empty() {
            String::new()
        } else {
            format!(" {}", Md(&target.note))
        };
        line(
            "to",
            format!("{} ({}).{note}", Md(&target.algorithm), Md(&target.because)),
        )?;
    }
    line(
        "from",
        step.from
            .iter()
            .map(|name| Md(name).to_string())
            .collect::<Vec<_>>()
            .join(", "),
    )?;
    let late = if is_late(step) {
        format!(", {} late", count(step.late_days as usize, "day", "days"))
    } else {
        String::new()
    };
    if step.is_work() {
        let because = Md(&step.months_because).to_string();
        line(
            "time",
            format!(
                "{} ({because}), {} to {}{late}",
                count(step.months as usize, "month", "months"),
                step.start,
                step.finish
            ),
        )?;
    }
    if let (Some(due), Some(by)) = (step.due, &step.due_by) {
        line("first day", format!("{due}, {}", Md(by)))?;
    }
    for deadline in &step.deadlines {
        let until = deadline
            .until
            .map_or_else(|| "today".to_owned(), |day| day.to_string());
        let assumed = if deadline.category_assumed {
            ", if it is of that category"
        } else {
            ""
        };
        line(
            "deadline",
            format!(
                "{until}, {}: {}{assumed}",
                Md(view.regime_name(&deadline.regime)),
                deadline.effect.words()
            ),
        )?;
    }
    for need in &step.needs {
        let title = view
            .report
            .roadmap
            .step(&need.step)
            .map_or("", |step| step.title.as_str());
        line("after", format!("{} ({})", Md(title), need.because))?;
    }
    for other in &step.together_with {
        let title = view
            .report
            .roadmap
            .step(other)
            .map_or("", |step| step.title.as_str());
        line("together with", Md(title).to_string())?;
    }
    for blocker in &step.blockers {
        line("in the way", Md(blocker).to_string())?;
    }
    line("done when", step.done_when.clone())?;
    for item in step.items.iter().take(view.report.limits.places) {
        let number = item.line.map(|line| format!(":{line}")).unwrap_or_default();
        line(
            "place",
            format!("{}{number} ({})", Md(&item.location), Md(&item.name)),
        )?;
    }
    if step.items.len() > view.report.limits.places {
        let rest = step.items.len() - view.report.limits.places;
        line(
            "place",
            format!("{} more in the JSON form", thousands(rest as u64)),
        )?;
    }
    if !step.commands.is_empty() {
        writeln!(out, "\n```text")?;
        step.commands
            .iter()
            .try_for_each(|command| writeln!(out, "{command}"))?;
        writeln!(out, "```")?;
    }
    writeln!(out)
}

pub(super) fn status(view: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    let Some(status) = view.report.status else {
        return Ok(());
    };
    writeln!(out, "## What was done since {}\n", status.planned_on)?;
    let items = status.items;
    writeln!(
        out,
        "Of {}: {} seen to have moved, {} gone, {} open, {} not observed, {} regressed.\n",
        count(items.all(), "item", "items"),
        items.moved,
        items.gone,
        items.open,
        items.not_observed,
        items.regressed,
    )?;
    writeln!(
        out,
        "| step | state | moved | gone | open | not observed |\n|---|---|---:|---:|---:|---:|"
    )?;
    for step in &status.steps {
        let mark = if step.state == StepState::Regressed {
            " **!**"
        } else {
            ""
        };
        let (state, items) = (step.state.words(), step.items);
        writeln!(
            out,
            "| {} | {state}{mark} | {} | {} | {} | {} |",
            Md(&step.title),
            items.moved,
            items.gone,
            items.open,
            items.not_observed
        )?;
    }
    for guard in &status.regressed {
        writeln!(
            out,
            "\n- no longer protected: {} in {}",
            Md(&guard.name),
            Md(&guard.location)
        )?;
    }
    writeln!(out)
}
