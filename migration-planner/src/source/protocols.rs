//! Protocols, and the lists of suites that source gives them.

use std::collections::BTreeSet;

use crate::algorithm::suite::{self, Since, Suite};
use crate::config::ciphers;
use crate::inventory::ProtocolDetail;

/// What the name of a suite begins with on its way from a template to what is told, and what a cipher string of OpenSSL
/// does: no name of an algorithm has a blank.
const SUITE: &str = "suite ";
const CIPHERS: &str = "ciphers ";
/// The longest cipher string that is read.
const MAX_STRING: usize = 8192;

/// `TLS-1.2`, `TLS`, `SSL-3.0` as a protocol.
pub(super) fn protocol(name: &str) -> Option<ProtocolDetail> {
    let (protocol, version) = match name.split_once('-') {
        Some((protocol, version)) => (protocol, Some(version)),
        None => (name, None),
    };
    matches!(protocol, "TLS" | "SSL").then(|| ProtocolDetail {
        protocol: protocol.to_ascii_lowercase(),
        version: version.map(str::to_owned),
        ..ProtocolDetail::default()
    })
}

/// The suites that a text names: one, or a list.
pub(super) fn suites(text: &str) -> Vec<String> {
    distinct(text.split([':', ',', ' ']).filter_map(suite::by_name))
}

/// Those of TLS 1.3 alone: Node has them in the same string as what OpenSSL resolves.
pub(super) fn suites_of_tls13(text: &str) -> Vec<String> {
    let names = text.split(':').filter(|name| name.starts_with("TLS_"));
    let suites = names.filter_map(suite::by_name);
    distinct(suites.filter(|suite| suite.since() == Since::Tls13))
}

/// Each once, in their order.
fn distinct(suites: impl Iterator<Item = &'static Suite>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let suites = suites.filter(|suite| seen.insert(suite.code));
    suites.map(|suite| format!("{SUITE}{}", suite.name())).collect()
}

/// Whether this names suites.
pub(super) fn is_offer(name: &str) -> bool {
    name.starts_with(SUITE) || name.starts_with(CIPHERS)
}

/// A text that is a cipher string of OpenSSL: something is behind it, here or on the machine.
pub(super) fn cipher_string(text: &str) -> Option<String> {
    let resolved = (text.len() <= MAX_STRING).then(|| ciphers::resolve(text))?;
    (!resolved.suites.is_empty() || resolved.unresolved.is_some()).then(|| format!("{CIPHERS}{text}"))
}

/// What offers suites.
#[derive(Debug, Default)]
pub(super) struct Offer {
    pub(super) detail: ProtocolDetail,
    /// What else its cipher strings say.
    pub(super) facts: Vec<(&'static str, String)>,
}

/// Takes what names suites out of these names: the protocol that offers them.
pub(super) fn offered(names: &mut Vec<String>) -> Option<Offer> {
    let mut detail = ProtocolDetail {
        protocol: "tls".to_owned(),
        ..ProtocolDetail::default()
    };
    let mut suites = Vec::new();
    let mut facts = Vec::new();
    names.retain(|name| {
        if let Some(suite) = name.strip_prefix(SUITE) {
            suites.push(suite::described(suite));
        } else if let Some(text) = name.strip_prefix(CIPHERS) {
            let resolved = ciphers::resolve(text);
            suites.extend(resolved.suites.iter().map(|suite| suite.cipher_suite()));
            suites.extend(resolved.unknown.iter().map(|name| suite::described(name)));
            if resolved.by_keyword && resolved.unresolved.is_none() {
                facts.push(("cipher-string-keywords", "expanded as OpenSSL 3 does".to_owned()));
            }
            facts.extend(resolved.level.map(|level| ("security-level", level)));
            if let Some(part) = resolved.unresolved {
                detail
                    .lists
                    .entry("not-resolved".to_owned())
                    .or_default()
                    .push(part);
            }
        } else {
            return true;
        }
        false
    });
    let mut seen = BTreeSet::new();
    suites.retain(|suite| seen.insert(suite.clone()));
    detail.suites = suites;
    let anything = !detail.suites.is_empty() || !detail.lists.is_empty();
    anything.then_some(Offer { detail, facts })
}
