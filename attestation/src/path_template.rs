//! How agents are named: a template for what follows `/spire/agent` in their SPIFFE IDs.
//!
//! The part of SPIRE's template language that names agents in practice: text with `{{ .Field }}` in it. Functions and
//! conditions of Go's text/template are refused when the configuration is read, by name, rather than left out.

use spiffe::{SpiffeId, TrustDomain};

/// Longest template, in bytes.
const MAX_TEMPLATE_LEN: usize = 1024;

/// A template that was read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PathTemplate {
    method: &'static str,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Part {
    Text(String),
    Field(String),
}

/// The fields that a method has values for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields {
    /// Those that every node has, or may lack.
    pub(crate) names: &'static [&'static str],
    /// What stands before fields that the evidence itself names.
    pub(crate) open: Option<&'static str>,
}

/// A text that is no template.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// More text than a template needs.
    #[error("it has {0} bytes; {MAX_TEMPLATE_LEN} are allowed")]
    Length(usize),
    /// Braces that do not close.
    #[error("a `{{{{` in it is not closed by `}}}}`")]
    Open,
    /// Something other than a field between braces.
    #[error("`{{{{ {0} }}}}` is no field; functions and conditions are not understood here")]
    Expression(String),
    /// A field that there is not.
    #[error("it has the unknown field .{name}; known: {known}")]
    Field {
        /// Its name.
        name: String,
        /// What there is.
        known: String,
    },
    /// Agents of one method named as those of another could pass for them.
    #[error("it must begin with /{0}/, because agents are named below their method")]
    Method(&'static str),
}

/// Why a node has no name.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum NameError {
    #[error("the agent is to be named by {0}, which the evidence does not have")]
    Missing(String),
    #[error("the agent would be named {path:?}, which is no path of a SPIFFE ID: {reason}")]
    Path { path: String, reason: String },
}

impl PathTemplate {
    /// Reads a template of `method`.
    pub(crate) fn parse(text: &str, method: &'static str, fields: Fields) -> Result<Self, TemplateError> {
        if text.len() > MAX_TEMPLATE_LEN {
            return Err(TemplateError::Length(text.len()));
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let (inside, after) = after.split_once("}}").ok_or(TemplateError::Open)?;
            push_text(&mut parts, before);
            parts.push(Part::Field(field(inside, fields)?));
            rest = after;
        }
        push_text(&mut parts, rest);
        let template = Self { method, parts };
        template.check_method()?;
        Ok(template)
    }

    /// Whatever the fields are, the path is below the method's.
    fn check_method(&self) -> Result<(), TemplateError> {
        let mut begins = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => begins.push_str(text),
                Part::Field(name) if name == "PluginName" => begins.push_str(self.method),
                Part::Field(_) => break,
            }
        }
        if begins.starts_with(&format!("/{}/", self.method)) {
            Ok(())
        } else {
            Err(TemplateError::Method(self.method))
        }
    }

    /// The agent's identity, with the values that `value` gives for fields.
    pub(crate) fn agent_id(
        &self,
        trust_domain: &TrustDomain,
        value: impl Fn(&str) -> Option<String>,
    ) -> Result<SpiffeId, NameError> {
        let mut path = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => path.push_str(text),
                Part::Field(name) => match name.as_str() {
                    "PluginName" => path.push_str(self.method),
                    "TrustDomain" => path.push_str(trust_domain.as_str()),
                    other => {
                        let value = value(other).filter(|value| !value.is_empty());
                        path.push_str(&value.ok_or_else(|| NameError::Missing(format!(".{other}")))?);
                    }
                },
            }
        }
        let id = SpiffeId::new(format!("spiffe://{trust_domain}/spire/agent{path}"));
        id.map_err(|error| NameError::Path {
            path: symbolon_pki::text::printable(&path),
            reason: error.to_string(),
        })
    }
}

fn push_text(parts: &mut Vec<Part>, text: &str) {
    if !text.is_empty() {
        parts.push(Part::Text(text.to_owned()));
    }
}

fn field(inside: &str, fields: Fields) -> Result<String, TemplateError> {
    let expression = inside.trim();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let name = expression
        .strip_prefix('.')
        .filter(|name| !name.is_empty() && name.chars().all(plain))
        .ok_or_else(|| TemplateError::Expression(expression.to_owned()))?;
    let general = ["PluginName", "TrustDomain"];
    let is_open = |prefix: &str| name.strip_prefix(prefix).is_some_and(|key| !key.is_empty());
    if general.contains(&name) || fields.names.contains(&name) || fields.open.is_some_and(is_open) {
        return Ok(name.to_owned());
    }
    let open = fields.open.map(|prefix| format!("{prefix}<key>"));
    let known: Vec<String> = general
        .iter()
        .chain(fields.names)
        .map(|name| (*name).to_owned())
        .chain(open)
        .map(|name| format!(".{name}"))
        .collect();
    Err(TemplateError::Field {
        name: name.to_owned(),
        known: known.join(", "),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: Fields = Fields {
        names: &["Fingerprint", "Subject.CommonName"],
        open: Some("URISanSelectors."),
    };

    fn parse(text: &str) -> Result<PathTemplate, TemplateError> {
        PathTemplate::parse(text, "x509pop", FIELDS)
    }

    fn named(text: &str, values: &[(&str, &str)]) -> Result<String, NameError> {
        let domain = TrustDomain::new("example.org").unwrap();
        let value = |name: &str| {
            let found = values.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        parse(text)
            .unwrap()
            .agent_id(&domain, value)
            .map(|id| id.path().to_owned())
    }

    #[test]
    fn fields_are_filled_in() {
        let values = [("Fingerprint", "ab12"), ("URISanSelectors.env", "prod/eu")];
        for (text, path) in [
            (
                "/{{ .PluginName }}/{{ .Fingerprint }}",
                "/spire/agent/x509pop/ab12",
            ),
            ("/x509pop/n-{{.Fingerprint}}", "/spire/agent/x509pop/n-ab12"),
            (
                "/x509pop/{{ .URISanSelectors.env }}",
                "/spire/agent/x509pop/prod/eu",
            ),
            ("/x509pop/{{ .TrustDomain }}", "/spire/agent/x509pop/example.org"),
        ] {
            assert_eq!(named(text, &values).unwrap(), path);
        }
    }

    #[test]
    fn a_node_without_a_good_name_has_none() {
        let text = "/x509pop/{{ .Subject.CommonName }}";
        assert!(matches!(named(text, &[]), Err(NameError::Missing(_))));
        for name in [
            "",
            "a b",
            "../join_token/x",
            ".",
            "a//b",
            "a/",
            "ä",
            "a%2fb",
            "a\0",
        ] {
            named(text, &[("Subject.CommonName", name)]).unwrap_err();
        }
    }

    #[test]
    fn other_texts_are_refused_and_named() {
        for (text, words) in [
            ("/x509pop/{{ .Fingerprint", "not closed"),
            ("/x509pop/{{ .Fingerprint | upper }}", "functions"),
            ("/x509pop/{{ if .Fingerprint }}a{{ end }}", "functions"),
            ("/x509pop/{{ }}", "no field"),
            ("/x509pop/{{ .NotAfter }}", ".NotAfter; known: .PluginName"),
            ("/x509pop/{{ .URISanSelectors. }}", "unknown field"),
            ("/cn/{{ .Fingerprint }}", "must begin with /x509pop/"),
            ("/{{ .Fingerprint }}/x509pop/", "must begin with /x509pop/"),
            ("x509pop/{{ .Fingerprint }}", "must begin with /x509pop/"),
            ("/x509pop", "must begin with /x509pop/"),
            ("", "must begin with /x509pop/"),
            (&"x".repeat(1025), "1024 are allowed"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
