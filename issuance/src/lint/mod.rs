//! The lint: a TBSCertificate is read anew from its bytes and held against the rules and against what was asked.
//!
//! It shares nothing with the encoder: bytes are read with the `der` crate, and OIDs, key lengths and key usages are
//! spelled out here a second time, so that one slip cannot be in both. It reports everything it finds, each finding
//! under the id of its [`Rule`].

mod beside;
mod extensions;
mod keys;
mod names;
mod read;
mod rule;
mod tbs;

use std::fmt;
use std::time::{Duration, SystemTime};

use spiffe::SpiffeId;
use symbolon_pki::key::SuiteSigner;
use symbolon_pki::suite::Suite;

use crate::authority::Authority;
use crate::profile::Profile;
use crate::serial::Serial;

pub use rule::Rule;

/// What a certificate was asked to be.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// What it is for.
    pub profile: Profile,
    /// The serial number that was given out for it.
    pub serial: &'a Serial,
    /// Whose identity it is; for an authority the trust domain's.
    pub spiffe_id: &'a SpiffeId,
    /// The DNS names asked for, in order.
    pub dns_names: &'a [String],
    /// DER of the SubjectPublicKeyInfo that was asked for.
    pub spki: &'a [u8],
    /// DER of the alternative key's SubjectPublicKeyInfo that was asked for; none but in a catalyst certificate.
    pub alternative_spki: Option<&'a [u8]>,
    /// DER of the certificate that this one is to be paired with, if it is.
    pub related: Option<&'a [u8]>,
    /// For an authority, how many may stand below it.
    pub path_len: Option<u8>,
    /// For an authority, the organization in its subject.
    pub organization: &'a str,
    /// How long it is to live from `now` on, if the authority lives as long.
    pub ttl: Duration,
    /// The moment of the request.
    pub now: SystemTime,
    /// Who is to sign it.
    pub issuer: Issuer<'a>,
}

/// Who is to sign a certificate.
#[derive(Clone, Copy, Debug)]
pub enum Issuer<'a> {
    /// Its own key, which is of this suite, and in the catalyst family its own alternative key.
    Itself {
        /// The key's suite.
        suite: Suite,
        /// The alternative key's suite.
        alternative: Option<Suite>,
    },
    /// An authority.
    Authority(&'a Authority),
}

impl Issuer<'_> {
    pub(crate) fn suite(&self) -> Suite {
        match self {
            Self::Itself { suite, .. } => *suite,
            Self::Authority(authority) => authority.suite(),
        }
    }

    /// The suite of the alternative signature that is to be made.
    pub(crate) fn alternative(&self) -> Option<Suite> {
        match self {
            Self::Itself { alternative, .. } => *alternative,
            Self::Authority(authority) => authority.alternative().map(SuiteSigner::suite),
        }
    }
}

/// One broken rule, and how.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// The rule.
    pub rule: Rule,
    /// What was found.
    pub detail: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {}", self.rule.id(), self.detail)
    }
}

/// Every rule that a certificate would break.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{}", self.findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct LintError {
    findings: Vec<Finding>,
}

impl LintError {
    /// The findings, at least one.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }
}

/// Checks the DER of a TBSCertificate against the rules and against what it was asked to be.
///
/// # Errors
/// [`LintError`] with every finding.
pub fn check(tbs: &[u8], expected: &Expected<'_>) -> Result<(), LintError> {
    let mut findings = Findings::default();
    match read::Tbs::read(tbs) {
        Ok(tbs) => {
            tbs::check(&tbs, expected, &mut findings);
            let subject = keys::check(&tbs, expected, &mut findings);
            extensions::check(&tbs, expected, subject.as_ref(), &mut findings);
            beside::check(&tbs, expected, &mut findings);
        }
        Err(error) => findings.add(Rule::Structure, format_args!("not a DER TBSCertificate: {error}")),
    }
    if findings.0.is_empty() {
        Ok(())
    } else {
        Err(LintError { findings: findings.0 })
    }
}

/// Collects findings.
#[derive(Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, rule: Rule, detail: impl fmt::Display) {
        self.0.push(Finding {
            rule,
            detail: detail.to_string(),
        });
    }

    /// Adds a finding unless `holds`.
    fn require(&mut self, holds: bool, rule: Rule, detail: impl fmt::Display) {
        if !holds {
            self.add(rule, detail);
        }
    }
}
