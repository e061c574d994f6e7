//! The linter: certificates, certificate requests and revocation lists are read from their bytes and held against
//! the standards, and before each of our signatures against our own profiles and what was asked for as well.
//!
//! It shares nothing with the encoder: it has a reader of its own that goes on where a decoder would refuse, and OIDs,
//! key lengths and key usages are spelled out here a second time, so that one slip cannot be in both. It reports
//! everything it finds, each finding under its [`Rule`]. Which rules there are is said by [`rules::all`].
//!
//! Signatures are not verified: that needs the signer's key, and is `symbolon_pki::verify`'s.

mod algorithm;
mod alt_names;
mod asked;
mod certificate;
mod crl;
mod element;
mod extensions;
mod fields;
mod finding;
mod hybrid;
mod input;
mod keys;
mod names;
mod oid;
mod own;
mod read;
mod repeats;
mod request;
mod rule;
pub mod rules;
mod signature;
mod spiffe;
mod usage;

use std::time::{Duration, SystemTime};

use ::spiffe::SpiffeId;
use symbolon_pki::key::SuiteSigner;
use symbolon_pki::suite::Suite;

use crate::authority::Authority;
use crate::profile::Profile;
use crate::serial::Serial;

use self::element::{Element, Problem};
use self::finding::{At, Findings};

pub(crate) use self::asked::IssuerFacts;
pub use self::finding::Finding;
pub use self::input::{
    Document, InputError, MAX_INPUT_LEN, Report, lint, lint_certificate, lint_crl, lint_request,
};
pub use self::rule::{Rule, Severity};

/// What a document is held against.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Scope {
    /// The standards of X.509; those of SPIFFE too if it has a SPIFFE ID.
    #[default]
    Auto,
    /// The standards of X.509 alone.
    Any,
    /// Those and what SPIFFE wants of a leaf.
    Svid,
    /// Those and what SPIFFE wants of an authority.
    Authority,
    /// All of them, and Symbolon's own profiles.
    Symbolon,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 5] = [Self::Auto, Self::Any, Self::Svid, Self::Authority, Self::Symbolon];

    /// The name used on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Any => "any",
            Self::Svid => "svid",
            Self::Authority => "authority",
            Self::Symbolon => "symbolon",
        }
    }
}

/// What a certificate is to SPIFFE.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Role {
    Leaf,
    Authority,
    /// Nothing.
    Other,
}

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
    /// DER of the alternative SubjectPublicKeyInfo that was asked for, in a catalyst certificate.
    pub alternative_spki: Option<&'a [u8]>,
    /// DER of the first certificate of a pair, in the second.
    pub related: Option<&'a [u8]>,
    /// For an authority, how many may stand below it.
    pub path_len: Option<u8>,
    /// For a root, whether its name constraints permit no URIs but those of its trust domain.
    pub constrains_names: bool,
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

/// Every rule that a certificate would break.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{}", self.findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct LintError {
    findings: Vec<Finding>,
}

impl LintError {
    /// The findings, at least one of them an error.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }
}

/// Checks the DER of a TBSCertificate that is about to be signed: against the standards, against our own profiles,
/// against its issuer and against what it was asked to be. Warnings and notices do not stand in the way.
///
/// # Errors
/// [`LintError`] with every finding, if one of them is an error.
pub fn check(tbs: &[u8], expected: &Expected<'_>) -> Result<(), LintError> {
    let mut findings = Findings::default();
    if let Some(judged) = certificate::check(tbs, Scope::Symbolon, false, &mut findings) {
        asked::check(&judged, expected, &mut findings);
    }
    findings.into_result()
}

/// Checks the DER of a TBSCertList that is about to be signed against the standards.
///
/// # Errors
/// As [`check`].
pub fn check_crl(tbs: &[u8]) -> Result<(), LintError> {
    let mut findings = Findings::default();
    crl::check(tbs, false, &mut findings);
    findings.into_result()
}

impl Findings {
    fn into_result(self) -> Result<(), LintError> {
        if self.has_errors() {
            Err(LintError { findings: self.0 })
        } else {
            Ok(())
        }
    }
}

/// Reads the element that a document is, and checks that it is DER and nothing follows it.
fn whole<'a>(
    der: &'a [u8],
    structure: &'static Rule,
    field: &'static str,
    findings: &mut Findings,
) -> Option<Element<'a>> {
    match Element::first(der, 0) {
        Ok((whole, rest)) => {
            findings.require(
                rest.is_empty(),
                &rules::der::TRAILING,
                At::field(field, whole.der.len()),
                format_args!("{} bytes follow its end", rest.len()),
            );
            element::check(&whole, findings);
            Some(whole)
        }
        Err(problem) => {
            unread(problem, structure, field, findings);
            None
        }
    }
}

/// Says why something cannot be read, unless its encoding is to blame and that has been said.
fn unread(problem: Problem, structure: &'static Rule, field: &'static str, findings: &mut Findings) {
    let rule = problem.rule.unwrap_or(structure);
    let said = |finding: &Finding| {
        finding.offset == Some(problem.offset) && (finding.rule == rule || finding.rule.origin() == "der")
    };
    if !findings.0.iter().any(said) {
        findings.add(rule, At::field(field, problem.offset), problem.detail);
    }
}

/// Gives the findings so far the names of their fields.
fn locate(findings: &mut Findings, field_at: impl Fn(usize) -> &'static str) {
    for finding in &mut findings.0 {
        if let (true, Some(offset)) = (finding.field.is_empty(), finding.offset) {
            field_at(offset).clone_into(&mut finding.field);
        }
    }
}
