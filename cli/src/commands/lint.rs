//! `symbolon lint`: what is wrong with certificates, requests and revocation lists, by which rule.

use std::path::Path;

use anyhow::Result;
use serde::Serialize;
use symbolon_issuance::lint::{self, Finding, Report, Rule, Scope, Severity};

use super::read_input;
use crate::args::{Common, lint::Lint};
use crate::exit::{Failed, NotVerified};
use crate::output::{Show, printable, table};

/// Widest line of text, in columns.
const WIDTH: usize = 100;

/// The answer, as `docs/src/reference/lint.schema.json` describes it.
#[derive(Serialize)]
struct Answer {
    documents: Vec<Document>,
    unreadable: Vec<Unreadable>,
    summary: Summary,
}

#[derive(Serialize)]
struct Document {
    file: String,
    /// Where in the file; empty if it is all of it.
    place: String,
    kind: &'static str,
    name: String,
    profile: &'static str,
    findings: Vec<Shown>,
}

#[derive(Serialize)]
struct Shown {
    rule: &'static str,
    severity: &'static str,
    field: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    oid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<usize>,
    says: &'static str,
    found: String,
    source: &'static str,
    advice: &'static str,
}

#[derive(Serialize)]
struct Unreadable {
    file: String,
    problem: String,
}

#[derive(Default, Serialize)]
struct Summary {
    documents: usize,
    errors: usize,
    warnings: usize,
    notices: usize,
}

pub(crate) fn run(common: &Common, options: &Lint) -> Result<()> {
    if options.list_rules {
        return common.output.print(&Rules::all());
    }
    let mut answer = Answer {
        documents: Vec::new(),
        unreadable: Vec::new(),
        summary: Summary::default(),
    };
    for file in &options.files {
        answer.add(file, options.profile.into());
    }
    common.output.print(&answer)?;

    let Summary { errors, warnings, .. } = answer.summary;
    if errors > 0 || (options.strict && warnings > 0) {
        return Err(NotVerified(answer.summary.words()).into());
    }
    match answer.unreadable.len() {
        0 => Ok(()),
        1 => Err(Failed("a file could not be linted".to_owned()).into()),
        count => Err(Failed(format!("{count} files could not be linted")).into()),
    }
}

impl Answer {
    /// Lints a file. That one cannot be read does not keep the others from being linted.
    fn add(&mut self, path: &Path, scope: Scope) {
        let file = path.display().to_string();
        let reports = read_input(path)
            .map_err(|error| format!("{error:#}"))
            .and_then(|input| lint::lint(&input, scope).map_err(|error| error.to_string()));
        match reports {
            Ok(reports) => {
                for report in reports {
                    self.summary.count(&report);
                    self.documents.push(Document::new(&file, report));
                }
            }
            Err(problem) => self.unreadable.push(Unreadable { file, problem }),
        }
    }
}

impl Summary {
    fn count(&mut self, report: &Report) {
        self.documents += 1;
        for finding in &report.findings {
            match finding.rule.severity {
                Severity::Error => self.errors += 1,
                Severity::Warning => self.warnings += 1,
                Severity::Notice => self.notices += 1,
            }
        }
    }

    fn words(&self) -> String {
        let of = |count: usize, what: &str| {
            let plural = if count == 1 { "" } else { "s" };
            format!("{count} {what}{plural}")
        };
        format!(
            "{}, {} and {} in {}",
            of(self.errors, "error"),
            of(self.warnings, "warning"),
            of(self.notices, "notice"),
            of(self.documents, "document")
        )
    }
}

impl Document {
    fn new(file: &str, report: Report) -> Self {
        Self {
            file: file.to_owned(),
            place: report.place,
            kind: report.document.name(),
            name: report.name,
            profile: report.profile,
            findings: report.findings.into_iter().map(Shown::from).collect(),
        }
    }

    fn head(&self) -> String {
        let place = if self.place.is_empty() {
            String::new()
        } else {
            format!(", {}", self.place)
        };
        let name = if self.name.is_empty() {
            String::new()
        } else {
            format!(" {}", self.name)
        };
        format!("{}{place}: {}{name} ({})", self.file, self.kind, self.profile)
    }
}

impl From<Finding> for Shown {
    fn from(finding: Finding) -> Self {
        let Rule {
            id,
            severity,
            source,
            says,
            advice,
        } = *finding.rule;
        Self {
            rule: id,
            severity: severity.name(),
            field: finding.field,
            oid: finding.oid,
            offset: finding.offset,
            says,
            found: finding.detail,
            source,
            advice,
        }
    }
}

impl Shown {
    /// Where it was found.
    fn place(&self) -> String {
        let oid = self.oid.as_ref().map(|oid| format!("({oid})"));
        let offset = self.offset.map(|offset| format!("at byte {offset}"));
        let field = (!self.field.is_empty()).then(|| self.field.clone());
        let parts: Vec<_> = [field, oid, offset].into_iter().flatten().collect();
        parts.join(" ")
    }
}

impl Show for Answer {
    fn text(&self) -> String {
        let mut text = String::new();
        for document in &self.documents {
            line(&mut text, 0, &document.head());
            if document.findings.is_empty() {
                line(&mut text, 2, "nothing found");
            }
            for finding in &document.findings {
                line(
                    &mut text,
                    2,
                    &format!("{:<7}  {}", finding.severity, finding.rule),
                );
                let rows = [
                    ("where", finding.place()),
                    ("rule", finding.says.to_owned()),
                    ("found", finding.found.clone()),
                    ("source", finding.source.to_owned()),
                    ("do", finding.advice.to_owned()),
                ];
                for (label, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
                    line(&mut text, 11, &format!("{label:<6}  {value}"));
                }
            }
            text.push('\n');
        }
        for file in &self.unreadable {
            line(&mut text, 0, &format!("{}: {}", file.file, file.problem));
        }
        line(&mut text, 0, &self.summary.words());
        text
    }
}

/// Adds a line that begins in this column, broken where it would be too wide. The words may be a stranger's.
fn line(text: &mut String, indent: usize, words: &str) {
    let clean = printable(words).replace(['\n', '\t'], " ");
    let mut rest: Vec<char> = clean.chars().collect();
    let mut margin = indent;
    loop {
        let room = WIDTH - margin;
        let blank = |rest: &[char]| {
            rest.iter()
                .take(room + 1)
                .rposition(|c| *c == ' ')
                .filter(|at| *at > 0)
        };
        let (len, skip) = match rest.len() {
            len if len <= room => (len, 0),
            _ => blank(&rest).map_or((room, 0), |at| (at, 1)),
        };
        let first: String = rest.drain(..len).collect();
        rest.drain(..skip.min(rest.len()));
        text.push_str(&" ".repeat(margin));
        text.push_str(first.trim_end());
        text.push('\n');
        if rest.is_empty() {
            return;
        }
        // What is continued stands under what it continues.
        margin = indent + if indent > 2 { 8 } else { 4 };
    }
}

/// Every rule there is.
#[derive(Serialize)]
struct Rules {
    rules: Vec<Listed>,
}

#[derive(Serialize)]
struct Listed {
    rule: &'static str,
    severity: &'static str,
    source: &'static str,
    says: &'static str,
    advice: &'static str,
}

impl Rules {
    fn all() -> Self {
        let rules = lint::rules::all().map(|rule| Listed {
            rule: rule.id,
            severity: rule.severity.name(),
            source: rule.source,
            says: rule.says,
            advice: rule.advice,
        });
        Self {
            rules: rules.collect(),
        }
    }
}

impl Show for Rules {
    fn text(&self) -> String {
        let rows = self.rules.iter().map(|rule| {
            [
                rule.rule.to_owned(),
                rule.severity.to_owned(),
                format!("{} ({})", rule.says, rule.source),
            ]
        });
        table(["rule", "severity", "what it says, and where"], rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_at_blanks_and_fit() {
        let mut text = String::new();
        line(&mut text, 11, &format!("found   {}", "word ".repeat(40)));
        line(&mut text, 2, &"x".repeat(250));
        line(&mut text, 0, "\u{1b}[31mred\ttab \u{202e}gnp.pdf\u{2066}\u{2028}");
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert!(text.contains("\n                   word"), "{text}");
        assert_eq!(text.matches('x').count(), 250);
        assert!(
            !text.contains(['\u{1b}', '\u{202e}', '\u{2066}', '\u{2028}']),
            "{text}"
        );
    }
}
