//! Findings, and where they were made.

use std::fmt::{self, Write as _};

use super::oid;
use super::rule::{Rule, Severity};
use super::rules::der as rules;

/// The most findings that are listed of one document; a sound one has none, and a hostile one could have millions.
pub(super) const MAX_FINDINGS: usize = 1000;

/// The longest words about one finding, in bytes: room for a SPIFFE ID of the greatest length.
const MAX_DETAIL: usize = 2500;

/// One broken rule, where, and how.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// The rule.
    pub rule: &'static Rule,
    /// The field, as in `tbsCertificate.serialNumber`; empty where only the offset is known.
    pub field: String,
    /// The extension, attribute or algorithm that it is about, in dotted numbers.
    pub oid: Option<String>,
    /// Where in the document's DER it begins, in bytes.
    pub offset: Option<usize>,
    /// What was found.
    pub detail: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] ", self.rule.id)?;
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.detail)
    }
}

/// Where a finding is made.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct At<'a> {
    pub(super) field: &'static str,
    /// Content octets of an OID; empty if it is about none.
    pub(super) oid: &'a [u8],
    pub(super) offset: Option<usize>,
}

impl<'a> At<'a> {
    pub(super) const fn field(field: &'static str, offset: usize) -> Self {
        Self {
            field,
            oid: &[],
            offset: Some(offset),
        }
    }

    /// Somewhere in the bytes; which field that is, is found out when the document has been read.
    pub(super) const fn offset(offset: usize) -> Self {
        Self::field("", offset)
    }

    /// The same place, about an OID.
    pub(super) const fn about(self, oid: &'a [u8]) -> Self {
        Self { oid, ..self }
    }
}

/// Collects findings.
#[derive(Debug, Default)]
pub(super) struct Findings(pub(super) Vec<Finding>);

impl Findings {
    /// Adds a finding. The last that is listed says that there are more.
    pub(super) fn add(&mut self, rule: &'static Rule, at: At<'_>, detail: impl fmt::Display) {
        let finding = match self.0.len() + 1 {
            0..MAX_FINDINGS => Finding {
                rule,
                field: at.field.to_owned(),
                oid: (!at.oid.is_empty()).then(|| bounded(oid::Dotted(at.oid), MAX_DETAIL)),
                offset: at.offset,
                detail: bounded(detail, MAX_DETAIL),
            },
            MAX_FINDINGS => Finding {
                rule: &rules::MANY,
                field: at.field.to_owned(),
                oid: None,
                offset: at.offset,
                detail: "more was found from here on, and is not listed".to_owned(),
            },
            _ => return,
        };
        self.0.push(finding);
    }

    /// Adds a finding unless `holds`.
    pub(super) fn require(
        &mut self,
        holds: bool,
        rule: &'static Rule,
        at: At<'_>,
        detail: impl fmt::Display,
    ) {
        if !holds {
            self.add(rule, at, detail);
        }
    }

    /// Whether anything was found that must not be.
    pub(super) fn has_errors(&self) -> bool {
        self.0
            .iter()
            .any(|finding| finding.rule.severity == Severity::Error)
    }
}

/// Words about something that may be a stranger's and of any length: what is too long is cut off and ends with an
/// ellipsis.
pub(super) fn bounded(words: impl fmt::Display, max: usize) -> String {
    let mut text = Bounded {
        text: String::new(),
        max,
    };
    if write!(text, "{words}").is_err() {
        text.text.push('…');
    }
    text.text
}

struct Bounded {
    text: String,
    max: usize,
}

impl fmt::Write for Bounded {
    fn write_str(&mut self, words: &str) -> fmt::Result {
        let room = self.max - self.text.len().min(self.max);
        let fits = words.floor_char_boundary(room);
        self.text.push_str(words.get(..fits).unwrap_or_default());
        if fits == words.len() {
            Ok(())
        } else {
            Err(fmt::Error)
        }
    }
}
