//! What would be too late, year by year, as a drawing and as the table behind it.

use std::fmt::Write as _;
use std::io::{self, Write};

use crate::report::text::{Html, thousands};
use crate::report::view::View;

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 330.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 130.0;
const TOP: f64 = 16.0;
const BOTTOM: f64 = 36.0;

/// Colours of lines; further scenarios share the last one and are told apart by their names.
const LINES: usize = 4;

pub(super) fn years(view: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "<section id=\"years\" aria-labelledby=\"h-years\">\n<h2 id=\"h-years\">Over the years</h2>"
    )?;
    let rows = &view.years;
    let most = rows
        .iter()
        .flat_map(|row| row.too_late.values().copied().chain([row.open_by_roadmap]))
        .max()
        .unwrap_or(0);
    if most == 0 {
        return writeln!(
            out,
            "<p>Nothing that was read waits for a quantum computer.</p>\n</section>"
        );
    }
    writeln!(
        out,
        "<p>Each line is one scenario: how many assets it would be too late for, if nobody had started to move them by the beginning of that year. \
         The surface is what the roadmap leaves open when its steps take as long as planned.</p>\n<figure>"
    )?;
    drawing(view, most, out)?;
    writeln!(
        out,
        "<figcaption>Assets that a quantum computer concerns. No line is a forecast.</figcaption>\n</figure>"
    )?;
    table(view, out)?;
    what_if(view, out)?;
    writeln!(out, "</section>")
}

fn drawing(view: &View<'_>, most: usize, out: &mut dyn Write) -> io::Result<()> {
    let rows = &view.years;
    let last = rows.len().saturating_sub(1).max(1);
    let top = nice(most);
    let x = |index: usize| LEFT + (WIDTH - LEFT - RIGHT) * index as f64 / last as f64;
    let y = |number: usize| HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * number as f64 / top as f64;
    writeln!(
        out,
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" role=\"img\" aria-labelledby=\"years-title\">\n\
         <title id=\"years-title\">Assets for which it would be too late, by year and scenario; the figures are in the table below</title>"
    )?;
    for quarter in 0..=4 {
        let number = top * quarter / 4;
        let (at, text) = (y(number), thousands(number as u64));
        writeln!(
            out,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{text}</text>",
            WIDTH - RIGHT,
            LEFT - 8.0,
            at + 4.0
        )?;
    }
    let mut area = format!("M{:.1} {:.1}", x(0), y(0));
    for (index, row) in rows.iter().enumerate() {
        let _ = write!(area, " L{:.1} {:.1}", x(index), y(row.open_by_roadmap));
    }
    let _ = write!(area, " L{:.1} {:.1} Z", x(last), y(0));
    writeln!(out, "<path class=\"area\" d=\"{area}\"/>")?;
    for (index, row) in rows.iter().enumerate() {
        // With many years there is room for every second or third of them.
        if index % rows.len().div_ceil(12) == 0 {
            writeln!(
                out,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                x(index),
                HEIGHT - 12.0,
                row.year
            )?;
        }
    }
    if let Some(row) = rows.first().filter(|row| row.open_by_roadmap * 5 > top) {
        let at = (y(row.open_by_roadmap) + 18.0).min(HEIGHT - BOTTOM - 8.0);
        writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{at:.1}\">open by the roadmap</text>",
            LEFT + 8.0
        )?;
    }
    let mut labels: Vec<(f64, usize, &str)> = Vec::new();
    for (number, scenario) in view.report.assessment.scenarios.iter().enumerate() {
        let mut path = String::new();
        let mut end = 0;
        for (index, row) in rows.iter().enumerate() {
            end = row.too_late.get(&scenario.id).copied().unwrap_or(0);
            let command = if index == 0 { 'M' } else { 'L' };
            let _ = write!(path, "{command}{:.1} {:.1} ", x(index), y(end));
        }
        let dash = ["", "9 4", "3 4", "12 4 3 4"]
            .get(number.min(LINES - 1))
            .copied()
            .unwrap_or("");
        writeln!(
            out,
            "<path class=\"line s{}\" stroke-dasharray=\"{dash}\" d=\"{}\"/>",
            number.min(LINES - 1),
            path.trim_end()
        )?;
        labels.push((y(end), number, scenario.name.as_str()));
    }
    // Labels at the ends of lines keep clear of each other, from the bottom up.
    labels.sort_by(|a, b| b.0.total_cmp(&a.0).then(b.1.cmp(&a.1)));
    let mut below = HEIGHT - BOTTOM + 16.0;
    for (at, number, name) in labels {
        let at = at.min(below - 16.0);
        below = at;
        writeln!(
            out,
            "<text class=\"s{0}\" style=\"fill:var({1})\" x=\"{2:.1}\" y=\"{3:.1}\">{4}</text>",
            number.min(LINES - 1),
            ["--early", "--middle", "--last", "--own"]
                .get(number.min(LINES - 1))
                .copied()
                .unwrap_or("--own"),
            WIDTH - RIGHT + 8.0,
            at + 4.0,
            Html(name)
        )?;
    }
    writeln!(
        out,
        "<line class=\"axis\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{1:.1}\" y2=\"{1:.1}\"/>\n</svg>",
        WIDTH - RIGHT,
        HEIGHT - BOTTOM
    )
}

/// The smallest of 4, 8, 12, 20, 40, 80 … that is not below a number, so that quarters are whole.
fn nice(number: usize) -> usize {
    let mut unit: usize = 4;
    loop {
        for step in [1, 2, 3, 5] {
            let value = unit.saturating_mul(step);
            if value >= number {
                return value;
            }
        }
        unit = unit.saturating_mul(10);
    }
}

fn table(view: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    let scenarios = &view.report.assessment.scenarios;
    writeln!(
        out,
        "<details><summary><span class=\"name\">The same as figures</span></summary><div class=\"in\"><div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Figures by year\"><table>\n\
         <thead><tr><th scope=\"col\">year</th><th scope=\"col\" class=\"n\">open by the roadmap</th>"
    )?;
    for scenario in scenarios {
        writeln!(
            out,
            "<th scope=\"col\" class=\"n\">too late, {}</th>",
            Html(&scenario.name)
        )?;
    }
    writeln!(out, "</tr></thead><tbody>")?;
    for row in &view.years {
        write!(
            out,
            "<tr><th scope=\"row\">{}</th><td class=\"n\">{}</td>",
            row.year,
            thousands(row.open_by_roadmap as u64)
        )?;
        for scenario in scenarios {
            let number = row.too_late.get(&scenario.id).copied().unwrap_or(0);
            write!(out, "<td class=\"n\">{}</td>", thousands(number as u64))?;
        }
        writeln!(out, "</tr>")?;
    }
    writeln!(out, "</tbody></table></div></div></details>")
}

fn what_if(view: &View<'_>, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "<h3>What if</h3>\n<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"What if\"><table>\n<thead><tr><th scope=\"col\">scenario</th><th scope=\"col\">there by</th>\
         <th scope=\"col\" class=\"n\">assets concerned</th><th scope=\"col\" class=\"n\">too late already</th><th scope=\"col\" class=\"n\">steps late</th>\
         <th scope=\"col\">another order</th><th scope=\"col\">why one would assume it</th></tr></thead>\n<tbody>"
    )?;
    let report = view.report;
    for what in &report.roadmap.what_if {
        let why = report
            .assessment
            .scenarios
            .iter()
            .find(|scenario| scenario.id == what.scenario);
        writeln!(
            out,
            "<tr><th scope=\"row\">{}</th><td class=\"day\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td>{}</td><td>{}</td></tr>",
            Html(&what.scenario),
            what.arrives,
            thousands(what.concerned_assets as u64),
            thousands(what.late_assets as u64),
            thousands(what.late_steps as u64),
            if what.reorders { "yes" } else { "no" },
            Html(why.map_or("", |scenario| scenario.why.as_str())),
        )?;
    }
    writeln!(out, "</tbody></table></div>")
}

#[cfg(test)]
mod tests {
    #[test]
    fn axes_end_on_round_numbers() {
        for (number, top) in [
            (0, 4),
            (1, 4),
            (4, 4),
            (5, 8),
            (13, 20),
            (21, 40),
            (100_000, 120_000),
            (200_001, 400_000),
        ] {
            assert_eq!(super::nice(number), top, "{number}");
        }
    }
}
