//! Findings, and where they were made.

use std::fmt;

use super::oid;
use super::rule::{Rule, Severity};

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
    pub(super) fn add(&mut self, rule: &'static Rule, at: At<'_>, detail: impl fmt::Display) {
        self.0.push(Finding {
            rule,
            field: at.field.to_owned(),
            oid: (!at.oid.is_empty()).then(|| oid::dotted(at.oid)),
            offset: at.offset,
            detail: detail.to_string(),
        });
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
