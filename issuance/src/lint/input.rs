//! Files: what is in them, and one report for each certificate, request and revocation list.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use symbolon_pki::pem::{self, PemError};

use super::element::{Element, INTEGER, SEQUENCE};
use super::finding::{At, Finding, Findings};
use super::read::{Certificate, Crl, Request};
use super::rule::Severity;
use super::rules::der as rules;
use super::{Role, Scope, certificate, crl, request};

/// The largest input that is read, in bytes.
pub const MAX_INPUT_LEN: usize = pem::MAX_PEM_LEN;

/// The most documents that are read from one input.
const MAX_DOCUMENTS: usize = 4096;

/// What a report is about.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Document {
    /// A certificate.
    Certificate,
    /// A certificate request.
    Request,
    /// A certificate revocation list.
    Crl,
    /// Something that there are no rules for, or that could not be read.
    Other,
}

impl Document {
    /// The name used in output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Request => "request",
            Self::Crl => "crl",
            Self::Other => "other",
        }
    }
}

/// What was found in one document.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Report {
    /// What it is.
    pub document: Document,
    /// Where in the input it stands, as in `line 12` or `pq_keys[0]`; empty if it is the whole input.
    pub place: String,
    /// Which one it is: its SPIFFE ID or else its subject, a list's issuer; empty if it could not be read.
    pub name: String,
    /// What it was held against: `any`, `svid` or `authority`, with `symbolon-` before it if our own profiles were
    /// asked for.
    pub profile: &'static str,
    /// What was found, in the order of the document.
    pub findings: Vec<Finding>,
}

impl Report {
    /// The weight of its heaviest finding.
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.rule.severity).max()
    }

    fn at(self, place: String) -> Self {
        Self { place, ..self }
    }

    fn other(place: String, rule: &'static super::Rule, detail: &str) -> Self {
        let mut findings = Findings::default();
        findings.add(rule, At::default(), detail);
        Self {
            document: Document::Other,
            place,
            name: String::new(),
            profile: Scope::Any.name(),
            findings: findings.0,
        }
    }
}

/// Why an input as a whole cannot be linted.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// It is empty.
    #[error("the input is empty")]
    Empty,
    /// It is larger than [`MAX_INPUT_LEN`].
    #[error("the input has {len} bytes, more than the {MAX_INPUT_LEN} that are read")]
    TooLong {
        /// Its length, in bytes.
        len: usize,
    },
    /// It is of no known kind.
    #[error("the input is none of: PEM; DER of certificates, requests or revocation lists; a SPIFFE bundle")]
    Unknown,
}

/// Lints everything in an input: PEM with any number of blocks, DER of one thing or of several in a row, or a SPIFFE
/// bundle document. What is bad about one does not hide the others.
///
/// # Errors
/// [`InputError`] if the input as a whole is of no known kind.
pub fn lint(input: &[u8], scope: Scope) -> Result<Vec<Report>, InputError> {
    if input.len() > MAX_INPUT_LEN {
        return Err(InputError::TooLong { len: input.len() });
    }
    if input.iter().all(u8::is_ascii_whitespace) {
        return Err(InputError::Empty);
    }
    let mut reports = if pem::looks_like_pem(input) {
        from_pem(input, scope)?
    } else if input.trim_ascii_start().first() == Some(&b'{') {
        from_bundle(input, scope)?
    } else {
        from_der(input, scope)
    };
    // What was not looked at must not look as if nothing were wrong with it.
    if reports.len() > MAX_DOCUMENTS {
        reports.truncate(MAX_DOCUMENTS);
        let detail = "there are more, and from here on nothing was looked at";
        reports.push(Report::other(String::new(), &rules::DOCUMENTS, detail));
    }
    if reports.is_empty() {
        return Err(InputError::Unknown);
    }
    Ok(reports)
}

/// Lints the DER of a certificate.
pub fn lint_certificate(der: &[u8], scope: Scope) -> Report {
    let mut findings = Findings::default();
    let judged = certificate::check(der, scope, true, &mut findings);
    let role = judged.as_ref().map(|judged| judged.role);
    let profile = match (scope, role) {
        (Scope::Symbolon, Some(Role::Authority)) => "symbolon-authority",
        (Scope::Symbolon, Some(Role::Leaf)) => "symbolon-svid",
        (_, Some(Role::Authority)) => Scope::Authority.name(),
        (_, Some(Role::Leaf)) => Scope::Svid.name(),
        _ => Scope::Any.name(),
    };
    Report {
        document: Document::Certificate,
        place: String::new(),
        name: judged.as_ref().map(certificate::words).unwrap_or_default(),
        profile,
        findings: findings.0,
    }
}

/// Lints the DER of a certificate request.
pub fn lint_request(der: &[u8], scope: Scope) -> Report {
    let mut findings = Findings::default();
    let name = request::check(der, scope, &mut findings);
    Report {
        document: Document::Request,
        place: String::new(),
        name: name.unwrap_or_default(),
        profile: Scope::Any.name(),
        findings: findings.0,
    }
}

/// Lints the DER of a certificate revocation list.
pub fn lint_crl(der: &[u8]) -> Report {
    let mut findings = Findings::default();
    let name = crl::check(der, true, &mut findings);
    Report {
        document: Document::Crl,
        place: String::new(),
        name: name.unwrap_or_default(),
        profile: Scope::Any.name(),
        findings: findings.0,
    }
}

fn from_pem(input: &[u8], scope: Scope) -> Result<Vec<Report>, InputError> {
    let blocks = pem::blocks(input).map_err(|_| InputError::Unknown)?;
    let reports = blocks
        .into_iter()
        .take(MAX_DOCUMENTS + 1)
        .map(|block| match block {
            Ok(block) => {
                let place = format!("line {}", block.line);
                match block.label.as_str() {
                    pem::CERTIFICATE | "X509 CERTIFICATE" => lint_certificate(&block.der, scope).at(place),
                    "X509 CRL" => lint_crl(&block.der).at(place),
                    label if pem::is_request(label) => lint_request(&block.der, scope).at(place),
                    label => {
                        let detail = format!("a block labelled {label}");
                        Report::other(place, &rules::NOT_LINTED, &detail)
                    }
                }
            }
            Err(error) => {
                let place = error
                    .line()
                    .map_or_else(String::new, |line| format!("line {line}"));
                // Nothing is damaged, and whether it could be decrypted makes no difference here.
                let rule = match &error {
                    PemError::Encrypted { label, .. } if label.ends_with("PRIVATE KEY") => &rules::NOT_LINTED,
                    _ => &rules::BLOCK,
                };
                Report::other(place, rule, &error.to_string())
            }
        });
    Ok(reports.collect())
}

/// DER has no labels: what it is shows in its structure.
fn from_der(input: &[u8], scope: Scope) -> Vec<Report> {
    let mut reports = Vec::new();
    let mut rest = input;
    while !rest.is_empty() && reports.len() <= MAX_DOCUMENTS {
        let offset = input.len() - rest.len();
        let after = match Element::first(rest, 0) {
            Ok((element, after)) if element.tag == SEQUENCE => after,
            // Nothing that begins like this is known.
            _ if reports.is_empty() && rest.first() != Some(&SEQUENCE) => return reports,
            _ => &[],
        };
        // What follows and is nothing of its own belongs to what is before it, as bytes too many.
        let after = if after.first() == Some(&SEQUENCE) {
            after
        } else {
            &[]
        };
        let (der, _) = rest
            .split_at_checked(rest.len() - after.len())
            .unwrap_or((rest, &[]));
        let place = if offset == 0 && after.is_empty() {
            String::new()
        } else {
            format!("byte {offset}")
        };
        reports.push(one(der, scope).at(place));
        rest = after;
    }
    reports
}

fn one(der: &[u8], scope: Scope) -> Report {
    let Ok((whole, _)) = Element::first(der, 0) else {
        return lint_certificate(der, scope);
    };
    if Certificate::read(whole).is_err() {
        if Request::read(whole).is_ok() {
            return lint_request(der, scope);
        }
        if Crl::read(whole).is_ok() {
            return lint_crl(der);
        }
        if whole.children().next().is_some_and(|first| first.tag == INTEGER) {
            return Report::other(String::new(), &rules::NOT_LINTED, "it begins like a private key");
        }
    }
    lint_certificate(der, scope)
}

/// The X.509 authorities of a SPIFFE bundle document.
fn from_bundle(input: &[u8], scope: Scope) -> Result<Vec<Report>, InputError> {
    let document: Value = serde_json::from_slice(input).map_err(|_| InputError::Unknown)?;
    let scope = match scope {
        Scope::Auto => Scope::Authority,
        other => other,
    };
    let mut reports = Vec::new();
    for member in ["keys", "pq_keys"] {
        let entries = document.get(member).and_then(Value::as_array);
        for (number, entry) in entries.into_iter().flatten().enumerate().take(MAX_DOCUMENTS + 1) {
            let place = format!("{member}[{number}]");
            if entry.get("use").and_then(Value::as_str) != Some("x509-svid") {
                reports.push(Report::other(place, &rules::NOT_LINTED, "no X.509 authority"));
                continue;
            }
            let chain = entry.get("x5c").and_then(Value::as_array);
            let der = match chain.map(Vec::as_slice) {
                Some([Value::String(text)]) => STANDARD.decode(text).ok(),
                _ => None,
            };
            reports.push(match der {
                Some(der) => lint_certificate(&der, scope).at(place),
                None => Report::other(place, &rules::ENTRY, "x5c is not one base64 string"),
            });
        }
    }
    Ok(reports)
}
