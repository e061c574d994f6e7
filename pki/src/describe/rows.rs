//! Descriptions as labelled lines, for a terminal.

use std::fmt;

use super::algorithm::{AlgorithmDescription, PartDescription, Support};
use super::beside::AlternativeDescription;
use super::certificate::{
    CertificateDescription, RequestDescription, SignatureDescription, ValidityDescription,
};
use super::document::{BundleDescription, JwtDescription};
use super::extension::ExtensionDescription;
use super::key::{PrivateKeyDescription, PublicKeyDescription};
use super::{Description, SvidDescription};
use crate::text;

/// One line: how deep it is indented, what it is about, and what it says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Row {
    /// Depth; 0 is the outermost.
    pub depth: usize,
    /// The label; empty for a line that continues the one above.
    pub label: String,
    /// The text. Characters that terminals obey are replaced, since much of it is strangers' text.
    pub value: String,
}

impl Description {
    /// The description as lines, the first being what the thing is.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        let mut rows = Rows::default();
        match self {
            Self::Certificate(certificate) => rows.certificate("certificate", certificate),
            Self::CertificateRequest(request) => rows.request(request),
            Self::PublicKey(key) => {
                rows.add("public key", &key.algorithm.words);
                rows.nested(|rows| rows.public_key(key));
            }
            Self::PrivateKey(key) => rows.private_key(key),
            Self::X509Svid(svid) => rows.svid(svid),
            Self::Bundle(bundle) => rows.bundle(bundle),
            Self::Jwt(token) => rows.jwt(token),
            Self::Unreadable { what, problem } => {
                rows.add("unreadable", what);
                rows.nested(|rows| rows.add("problem", problem));
            }
        }
        rows.rows
    }
}

impl fmt::Display for Description {
    /// The rows, two spaces deeper for each level.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in self.rows() {
            writeln!(
                f,
                "{:indent$}{}: {}",
                "",
                row.label,
                row.value,
                indent = row.depth * 2
            )?;
        }
        Ok(())
    }
}

#[derive(Default)]
struct Rows {
    depth: usize,
    rows: Vec<Row>,
}

impl Rows {
    fn add(&mut self, label: &str, value: impl AsRef<str>) {
        self.rows.push(Row {
            depth: self.depth,
            label: text::clean(label),
            value: text::clean(value.as_ref()),
        });
    }

    fn add_some(&mut self, label: &str, value: Option<impl AsRef<str>>) {
        if let Some(value) = value {
            self.add(label, value);
        }
    }

    fn nested(&mut self, inside: impl FnOnce(&mut Self)) {
        self.depth += 1;
        inside(self);
        self.depth -= 1;
    }

    fn problems(&mut self, problems: &[String]) {
        for problem in problems {
            self.add("problem", problem);
        }
    }

    fn svid(&mut self, svid: &SvidDescription) {
        self.add("X.509-SVID", &svid.summary);
        self.nested(|rows| {
            rows.problems(&svid.problems);
            for (number, certificate) in svid.chain.iter().enumerate() {
                let label = if number == 0 {
                    "leaf".to_owned()
                } else {
                    format!("intermediate {number}")
                };
                rows.certificate(&label, certificate);
            }
            if let Some(key) = &svid.private_key {
                rows.private_key(key);
            }
        });
    }

    fn alternative(&mut self, alternative: &AlternativeDescription) {
        if let Some(key) = &alternative.public_key {
            self.add("alternative key", algorithm_line(&key.algorithm));
            self.nested(|rows| rows.public_key(key));
        }
        if let Some(signature) = &alternative.signature {
            self.signature("alternative signature", signature);
        }
    }

    fn certificate(&mut self, label: &str, certificate: &CertificateDescription) {
        self.add(label, &certificate.summary);
        self.nested(|rows| {
            rows.problems(&certificate.problems);
            rows.add_some("SPIFFE ID", certificate.spiffe_id.as_ref());
            rows.add("subject", or_empty(&certificate.subject));
            rows.add("issuer", or_empty(&certificate.issuer));
            rows.add(
                "serial",
                format!("{} (decimal {})", certificate.serial, certificate.serial_decimal),
            );
            rows.validity(&certificate.validity);
            rows.add("key", algorithm_line(&certificate.public_key.algorithm));
            rows.nested(|rows| rows.public_key(&certificate.public_key));
            rows.signature("signature", &certificate.signature);
            if let Some(alternative) = &certificate.alternative {
                rows.alternative(alternative);
            }
            if let Some(related) = &certificate.related {
                let found = related.found.as_deref();
                let which = found.unwrap_or("no certificate of the input");
                rows.add(
                    "paired with",
                    format!("{which} ({} {})", related.hash, related.value),
                );
            }
            rows.add_some("subject key id", certificate.subject_key_id.as_ref());
            rows.add_some("authority key id", certificate.authority_key_id.as_ref());
            rows.extensions(&certificate.extensions);
            rows.add("size", format!("{} bytes", certificate.bytes));
            rows.add("SHA-256", &certificate.sha256);
        });
    }

    fn request(&mut self, request: &RequestDescription) {
        self.add("certificate request", &request.summary);
        self.nested(|rows| {
            rows.problems(&request.problems);
            rows.add_some("SPIFFE ID", request.spiffe_id.as_ref());
            rows.add("subject", or_empty(&request.subject));
            rows.add("key", algorithm_line(&request.public_key.algorithm));
            rows.nested(|rows| rows.public_key(&request.public_key));
            if let Some(key) = &request.alternative_key {
                rows.add("alternative key", algorithm_line(&key.algorithm));
                rows.nested(|rows| rows.public_key(key));
            }
            if let Some(serial) = &request.related_serial {
                rows.add(
                    "to be paired with",
                    format!("the certificate with serial {serial}"),
                );
            }
            rows.signature("proof of possession", &request.signature);
            rows.extensions(&request.extensions);
            rows.add("size", format!("{} bytes", request.bytes));
        });
    }

    fn public_key(&mut self, key: &PublicKeyDescription) {
        self.add_some("form", key.form);
        self.add("size", format!("{} bytes", key.bytes));
        self.parts(&key.parts);
        self.add_some("key id", key.key_id.as_ref());
        self.add_some("problem", key.problem.as_ref());
    }

    fn private_key(&mut self, key: &PrivateKeyDescription) {
        self.add("private key", algorithm_line(&key.algorithm));
        self.nested(|rows| {
            rows.add("contents", &key.contents);
            rows.add("can be stored", if key.can_be_stored { "yes" } else { "no" });
            rows.add_some("problem", key.problem.as_ref());
            if let Some(public) = &key.public_key {
                rows.add("public key", &public.algorithm.words);
                rows.nested(|rows| rows.public_key(public));
            }
        });
    }

    fn signature(&mut self, label: &str, signature: &SignatureDescription) {
        self.add(label, algorithm_line(&signature.algorithm));
        self.nested(|rows| {
            rows.add("size", format!("{} bytes", signature.bytes));
            rows.parts(&signature.parts);
            rows.add_some("check", signature.check.as_ref());
        });
    }

    fn parts(&mut self, parts: &[PartDescription]) {
        for part in parts {
            let label = part.half.as_deref().unwrap_or("part");
            self.add(label, format!("{}, {} bytes", part.component, part.bytes));
        }
    }

    fn extensions(&mut self, extensions: &[ExtensionDescription]) {
        for extension in extensions {
            let critical = if extension.critical { " (critical)" } else { "" };
            self.add(&format!("{}{critical}", extension.name), &extension.value);
        }
    }

    fn validity(&mut self, validity: &ValidityDescription) {
        let from = validity
            .not_before
            .as_deref()
            .map_or_else(String::new, |at| format!("{at} "));
        self.add(
            "validity",
            format!("{from}to {}, {}", validity.not_after, validity.state),
        );
    }

    fn bundle(&mut self, bundle: &BundleDescription) {
        self.add("bundle", &bundle.summary);
        self.nested(|rows| {
            rows.add_some("sequence", bundle.sequence.map(|n| n.to_string()));
            rows.add_some("refresh hint", bundle.refresh_hint.map(|n| format!("{n} s")));
            for key in &bundle.keys {
                let parameters = key
                    .parameters
                    .as_deref()
                    .map_or_else(String::new, |p| format!(" {p}"));
                let id = key
                    .key_id
                    .as_deref()
                    .map_or_else(String::new, |id| format!(", kid {id}"));
                rows.add(
                    key.member,
                    format!("{} {}{parameters}{id}", or_empty(&key.usage), key.kty),
                );
                rows.nested(|rows| {
                    rows.add_some("problem", key.problem.as_ref());
                    if let Some(certificate) = &key.certificate {
                        rows.certificate("certificate", certificate);
                    }
                });
            }
        });
    }

    fn jwt(&mut self, token: &JwtDescription) {
        self.add("JWT", &token.summary);
        self.nested(|rows| {
            rows.problems(&token.problems);
            rows.add_some("SPIFFE ID", token.spiffe_id.as_ref());
            rows.add("algorithm", &token.algorithm);
            rows.add_some("key id", token.key_id.as_ref());
            rows.add_some("type", token.token_type.as_ref());
            rows.add("audience", token.audience.join(", "));
            rows.add_some("issued", token.issued_at.as_ref());
            if let Some(validity) = &token.validity {
                rows.validity(validity);
            }
            rows.add("signature", format!("{} bytes", token.signature_bytes));
            for (name, claim) in &token.claims {
                rows.add(&format!("claim {name}"), claim.to_string());
            }
        });
    }
}

fn algorithm_line(algorithm: &AlgorithmDescription) -> String {
    let support = match algorithm.support {
        Support::Supported | Support::VerifiedOnly | Support::NotInteroperable | Support::Unknown => "",
        Support::NotImplemented => "; not implemented here",
        Support::Refused => "; refused here",
    };
    let standard = algorithm
        .standard
        .map_or_else(String::new, |standard| format!(", {standard}"));
    format!(
        "{}: {}{standard}{support} [{}]",
        algorithm.name, algorithm.words, algorithm.oid
    )
}

fn or_empty(text: &str) -> &str {
    if text.is_empty() { "(empty)" } else { text }
}
