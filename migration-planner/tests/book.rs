//! The book's pages about facts say what the facts say.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests, outside any test function"
)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use symbolon_migration_planner::risk::{Catalogue, Profile};

fn page(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../docs/src")
        .join(name)
}

/// The page of the regimes, out of the facts.
fn regimes(catalogue: &Catalogue) -> String {
    let mut page = String::from(
        "# The regimes and their sources\n\n\
         <!-- Made from migration-planner/data/ by the test `the_pages_are_in_step`; change the data, and run it with\n\
         SYMBOLON_UPDATE_GOLDEN=1. -->\n\n\
         Who demands what by when, as far as it is known. A regime counts only for a reader whose profile names it, and\n\
         none of these dates is the deadline: regimes differ in whom they are for, how they bind, and what they ask.\n\
         *Looked at* is the day on which somebody last checked; *how well known* tells whether the document itself was\n\
         read. Before anything hangs on a date, read the document.\n\n\
         Facts can be replaced and added without a new release: a TOML file with the same lists, whose entries replace\n\
         those of the same id.\n",
    );
    for regime in &catalogue.regimes {
        let _ = writeln!(page, "\n## {}\n", regime.name);
        let _ = writeln!(page, "| | |\n|---|---|");
        let mut row = |name: &str, value: &str| {
            if !value.is_empty() {
                let _ = writeln!(page, "| {name} | {} |", value.replace('|', "\\|"));
            }
        };
        row("id", &format!("`{}`", regime.id));
        row("who", &format!("{}, {}", regime.authority, regime.jurisdiction));
        row("for whom", &regime.scope);
        row("binding", regime.binding.words());
        row("status", regime.status.words());
        for source in &regime.sources {
            row("source", &format!("[{}]({})", source.title, source.url));
        }
        row("looked at", &regime.verified_on.to_string());
        row("how well known", regime.confidence.words());
        row(
            "hybrid or pure",
            regime.construction.map_or("", |construction| construction.name()),
        );
        row(
            "NIST category",
            &regime
                .minimum_level
                .map(|level| level.to_string())
                .unwrap_or_default(),
        );
        row("note", &regime.note);
        for (category, means) in &regime.categories {
            row(&format!("category `{category}`"), means);
        }
        let _ = writeln!(
            page,
            "\n| until | rule | what it says, in our words | then | where |\n|---|---|---|---|---|"
        );
        for rule in &regime.rules {
            let until = rule
                .until
                .map_or_else(|| "today".to_owned(), |day| day.to_string());
            let _ = writeln!(
                page,
                "| {until} | `{}` | {} | {} | {} |",
                rule.id,
                rule.says,
                rule.effect.words(),
                rule.section
            );
        }
    }
    let _ = writeln!(
        page,
        "\n## Scenarios of the quantum computer\n\n| id | there by | why one would assume it | source | looked at |\n|---|---|---|---|---|"
    );
    for scenario in &catalogue.scenarios {
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | [{}]({}) | {} |",
            scenario.id,
            scenario.arrives,
            scenario.why,
            scenario.source.title,
            scenario.source.url,
            scenario.verified_on
        );
    }
    let _ = writeln!(
        page,
        "\n## What is weak today\n\n| id | why | source | looked at | how well known |\n|---|---|---|---|---|"
    );
    for weakness in &catalogue.weaknesses {
        let _ = writeln!(
            page,
            "| `{}` | {} | [{}]({}) | {} | {} |",
            weakness.id,
            weakness.says,
            weakness.source.title,
            weakness.source.url,
            weakness.verified_on,
            weakness.confidence.words()
        );
    }
    let _ = writeln!(
        page,
        "\n## Libraries\n\n| library | ML-KEM since | ML-DSA since | note | source | looked at |\n|---|---|---|---|---|---|"
    );
    for library in &catalogue.libraries {
        let since = |version: &Option<String>| version.clone().unwrap_or_else(|| "not known".to_owned());
        let _ = writeln!(
            page,
            "| {} | {} | {} | {} | [{}]({}) | {} |",
            library.names.join(", "),
            since(&library.key_establishment_since),
            since(&library.signature_since),
            library.note,
            library.source.title,
            library.source.url,
            library.verified_on
        );
    }
    let _ = writeln!(
        page,
        "\n## How long work takes\n\nPlanning figures of this project, not measurements.\n\n| work | months | why |\n|---|---:|---|"
    );
    for effort in &catalogue.efforts {
        let _ = writeln!(page, "| `{}` | {} | {} |", effort.id, effort.months, effort.why);
    }
    let _ = writeln!(page, "\n| makes it longer | by | when |\n|---|---:|---|");
    for factor in &catalogue.factors {
        let _ = writeln!(
            page,
            "| `{}` | × {}.{:02} | {} |",
            factor.id,
            factor.percent / 100,
            factor.percent % 100,
            factor.says
        );
    }
    page
}

#[test]
fn the_pages_are_in_step() {
    let made = regimes(&Catalogue::builtin().unwrap());
    let path = page("plan-regimes.md");
    if std::env::var_os("SYMBOLON_UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == made,
        "{} is out of step; run this test with SYMBOLON_UPDATE_GOLDEN=1",
        path.display()
    );
}

#[test]
fn the_profile_in_the_book_is_one() {
    let text = std::fs::read_to_string(page("plan-report.md")).unwrap();
    let block = text
        .split("```toml\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .unwrap();
    let profile = Profile::from_toml(block, &Catalogue::builtin().unwrap()).unwrap();
    assert_eq!(profile.assets.len(), 2);
    let without: Vec<&str> = block
        .lines()
        .filter(|line| line.starts_with("confidentiality_years = 10") || line.starts_with("importance = 3"))
        .collect();
    assert_eq!(without.len(), 2, "the page shows the defaults as they are");
    assert_eq!(profile.defaults, Profile::default().defaults);
    assert_eq!(profile.target, Profile::default().target);
}
