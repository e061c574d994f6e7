//! `symbolon server validate`.

use std::path::Path;

use anyhow::Result;
use serde::Serialize;
use symbolon_ca::config::{self, Finding, ServerConfig};

use crate::args::Common;
use crate::exit::Usage;
use crate::output::{Show, facts, printable, table, with_alternative};

/// Looks for everything that is wrong, and says what the configuration means if nothing is.
pub(super) fn run(common: &Common, file: &Path) -> Result<()> {
    let examination = ServerConfig::examine(file)?;
    let warnings = examination.warnings.iter().map(ToString::to_string).collect();
    if let (Some(config), []) = (&examination.config, examination.findings.as_slice()) {
        return common.output.print(&Validated::of(config, warnings));
    }
    let problems: Vec<Problem> = examination.findings.into_iter().map(Problem::from).collect();
    let count = problems.len();
    common.output.print(&Refused {
        valid: false,
        problems,
        warnings,
    })?;
    let things = if count == 1 { "thing is" } else { "things are" };
    Err(Usage(format!("{count} {things} wrong with {}", file.display())).into())
}

/// A configuration that cannot be used.
#[derive(Serialize)]
struct Refused {
    valid: bool,
    problems: Vec<Problem>,
    warnings: Vec<String>,
}

/// One thing that is wrong.
#[derive(Serialize)]
struct Problem {
    /// The key with the sections it is in.
    key: Option<String>,
    /// The line, where one line is to blame.
    line: Option<usize>,
    /// What is wrong, and what would be right.
    reason: String,
}

impl From<Finding> for Problem {
    fn from(finding: Finding) -> Self {
        let Finding { key, line, reason } = finding;
        Self { key, line, reason }
    }
}

impl Show for Refused {
    fn text(&self) -> String {
        let rows = self.problems.iter().map(|problem| {
            let line = problem.line.map_or("-".to_owned(), |line| line.to_string());
            let key = problem.key.clone().unwrap_or_else(|| "-".to_owned());
            [line, key, printable(&problem.reason)]
        });
        let mut text = table(["line", "key", "problem"], rows);
        for warning in &self.warnings {
            text.push_str(&format!("warning: {warning}\n"));
        }
        text
    }
}

/// What a configuration means.
#[derive(Serialize)]
struct Validated {
    valid: bool,
    problems: [Problem; 0],
    trust_domain: String,
    data_dir: String,
    address: String,
    stores: Vec<(String, String)>,
    families: Vec<FamilyPart>,
    warnings: Vec<String>,
}

/// What a family's next authority will be like.
#[derive(Serialize)]
struct FamilyPart {
    family: String,
    suite: String,
    /// What it signs with beside that.
    #[serde(skip_serializing_if = "Option::is_none")]
    alternative: Option<String>,
    /// The store of the whole key, or one for each of its components.
    stores: Vec<String>,
    /// Instead, each component goes to the first of `stores` that offers it.
    first_that_offers: bool,
}

impl FamilyPart {
    fn words(&self) -> String {
        let Self { stores, .. } = self;
        let suite = with_alternative(self.suite.clone(), self.alternative.as_deref());
        match stores.as_slice() {
            [one] => format!("{suite}, in {one}"),
            [native, alternative] if !self.first_that_offers && self.alternative.is_some() => {
                format!("{suite}, in {native} (classical) and {alternative} (alternative)")
            }
            [post_quantum, classical] if !self.first_that_offers => {
                format!("{suite}, in {post_quantum} (ML-DSA) and {classical} (classical)")
            }
            many => format!("{suite}, in the first that offers it: {}", many.join(", ")),
        }
    }
}

impl Validated {
    fn of(config: &ServerConfig, warnings: Vec<String>) -> Self {
        let stores = config.effective_stores();
        let stores = stores.iter().map(|(name, store)| {
            let location = config.location(name, store);
            (name.to_string(), location.to_string())
        });
        let families = config.families().into_iter().map(|plan| FamilyPart {
            family: plan.family.to_string(),
            suite: plan.suite.to_string(),
            alternative: plan.alternative.map(|suite| suite.to_string()),
            first_that_offers: matches!(plan.place, config::Place::FirstOf(_)),
            stores: plan.place.stores().iter().map(ToString::to_string).collect(),
        });
        Self {
            valid: true,
            problems: [],
            trust_domain: config.trust_domain.to_string(),
            data_dir: config.data_dir.display().to_string(),
            address: config.listen.address.to_string(),
            stores: stores.collect(),
            families: families.collect(),
            warnings,
        }
    }
}

impl Show for Validated {
    fn text(&self) -> String {
        let mut rows = vec![
            ("trust domain", self.trust_domain.clone()),
            ("data", self.data_dir.clone()),
            ("listens on", self.address.clone()),
        ];
        for (name, location) in &self.stores {
            rows.push(("key store", format!("{name}: {location}")));
        }
        for family in &self.families {
            rows.push((family.family.as_str(), family.words()));
        }
        rows.extend(self.warnings.iter().map(|warning| ("warning", warning.clone())));
        format!("The configuration is good.\n\n{}", facts(&rows))
    }
}
