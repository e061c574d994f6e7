//! Alternative names (RFC 5280, section 4.2.1.6).

use super::element::{Element, IA5_STRING, Problem, SEQUENCE, primitive};
use super::finding::{At, Findings};
use super::read::every;
use super::rules::{der, extensions as rules};

pub(super) const EMAIL: u8 = primitive(1);
pub(super) const DNS_NAME: u8 = primitive(2);
pub(super) const URI: u8 = primitive(6);
pub(super) const IP_ADDRESS: u8 = primitive(7);

/// One name.
#[derive(Clone, Copy, Debug)]
pub(super) struct AltName<'a> {
    pub(super) tag: u8,
    pub(super) content: &'a [u8],
}

impl<'a> AltName<'a> {
    /// The text of a URI, DNS name or address; the empty text if it is none.
    pub(super) fn text(&self) -> &'a str {
        std::str::from_utf8(self.content).unwrap_or_default()
    }

    /// Whether it is a URI of the scheme `spiffe`, in any case.
    pub(super) fn is_spiffe(&self) -> bool {
        let scheme = self.text().split_once(':').map(|(scheme, _)| scheme);
        self.tag == URI && scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("spiffe"))
    }
}

/// Checks GeneralNames.
pub(super) fn check<'a>(
    value: Element<'a>,
    at: At<'_>,
    findings: &mut Findings,
) -> Result<Vec<AltName<'a>>, Problem> {
    let names = every(value.fields_of(SEQUENCE)?, Ok)?;
    findings.require(!names.is_empty(), &rules::SAN_EMPTY, at, "there are none");
    for name in &names {
        let at = At {
            offset: Some(name.offset),
            ..at
        };
        check_name(name, at, findings);
    }
    let names = names.iter().map(|name| AltName {
        tag: name.tag,
        content: name.content,
    });
    Ok(names.collect())
}

fn check_name(name: &Element<'_>, at: At<'_>, findings: &mut Findings) {
    if name.content.is_empty() {
        return findings.add(&rules::SAN_EMPTY, at, "a name is empty");
    }
    let is_text = matches!(name.tag, EMAIL | DNS_NAME | URI);
    if is_text && !name.content.is_ascii() {
        let tag = IA5_STRING;
        return findings.add(
            &der::STRING,
            at,
            format_args!("a name is no IA5String (tag {tag:#04x})"),
        );
    }
    let text = String::from_utf8_lossy(name.content);
    match name.tag {
        DNS_NAME => findings.require(
            is_dns_name(&text),
            &rules::SAN_DNS,
            at,
            format_args!("{text:?} is none"),
        ),
        URI => findings.require(
            is_absolute(&text),
            &rules::SAN_URI,
            at,
            format_args!("{text:?} is none"),
        ),
        EMAIL => findings.require(
            is_mailbox(&text),
            &rules::SAN_EMAIL,
            at,
            format_args!("{text:?} is none"),
        ),
        IP_ADDRESS => findings.require(
            matches!(name.content.len(), 4 | 16),
            &rules::SAN_IP,
            at,
            format_args!("it has {} bytes", name.content.len()),
        ),
        _ => {}
    }
}

/// Preferred name syntax, with a wildcard as the whole first label.
fn is_dns_name(text: &str) -> bool {
    let rest = text.strip_prefix("*.").unwrap_or(text);
    text.len() <= 253
        && rest.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                // Underscores are no letters, but in names that are looked up everywhere.
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        })
}

/// A scheme, a colon and something after it, without blanks (RFC 3986, sections 3 and 3.1).
pub(super) fn is_absolute(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else {
        return false;
    };
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
        && !rest.is_empty()
        && rest.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_mailbox(text: &str) -> bool {
    text.rsplit_once('@').is_some_and(|(local, domain)| {
        let quoted = local.len() > 2 && local.starts_with('"') && local.ends_with('"');
        // An address stands in brackets (RFC 5321, section 4.1.3).
        let literal = domain.len() > 2 && domain.starts_with('[') && domain.ends_with(']');
        !local.is_empty() && (quoted || !local.contains(['<', ' '])) && (literal || is_dns_name(domain))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_from_what_is_none() {
        for good in [
            "a",
            "a.b",
            "*.example.org",
            "xn--bcher-kva.example",
            "_sip.example.org",
        ] {
            assert!(is_dns_name(good), "{good}");
        }
        for bad in ["", " ", "a.", ".a", "-a.b", "a b", "*", "a.*.b", "10.0.0.1/8"] {
            assert!(!is_dns_name(bad), "{bad}");
        }
        assert!(is_absolute("spiffe://example.org/a") && is_absolute("urn:x"));
        assert!(!is_absolute("//example.org") && !is_absolute("http:") && !is_absolute("1a:b"));
        assert!(
            is_mailbox("a@[192.0.2.1]")
                && is_mailbox("\"a b\"@example.org")
                && !is_mailbox("a b@example.org")
        );
        assert!(is_mailbox("a@example.org") && !is_mailbox("A <a@example.org>") && !is_mailbox("@b"));
    }
}
