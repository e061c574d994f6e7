//! From what a configuration says to assets: a service, the protocols that it offers, the files that it names.

use std::collections::BTreeSet;

pub(super) use super::tls::{Tls, VERSIONS, version};
use crate::inventory::{Asset, AssetId, Detail, Fragment, ServiceDetail};
use crate::scan::secret::without_pins;

/// What a fact says of a setting that a configuration leaves to the program.
const NOT_STATED: &str = "default of the program, not stated";
/// The most suites, groups or schemes of one list.
pub(super) const MAX_LIST: usize = 1024;
/// With more assets than this services of one name in one file are told apart by their lines, not by their order.
const FEW: usize = 10_000;
/// The longest value that is repeated in an inventory, in characters.
const MAX_VALUE: usize = 1024;

/// A value and the line it stands on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Said<T = String> {
    pub(super) value: T,
    pub(super) line: u64,
}

impl<T> Said<T> {
    pub(super) fn new(value: impl Into<T>, line: u64) -> Self {
        Self {
            value: value.into(),
            line,
        }
    }
}

/// What a file is to the service that names it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Names {
    /// What it shows of itself.
    Certificate,
    /// The private key for it.
    Key,
    /// Whom it believes.
    Trust,
    /// Something else, such as an included file or a revocation list.
    Other,
}

/// A service in the making.
#[derive(Clone, Debug)]
pub(super) struct Service {
    /// `nginx server`.
    pub(super) what: &'static str,
    /// What tells it from others of its kind in the same file.
    pub(super) name: String,
    /// Where it begins.
    pub(super) line: u64,
    pub(super) endpoints: BTreeSet<String>,
    pub(super) authenticated: Option<bool>,
    facts: Vec<(&'static str, String)>,
    lines: BTreeSet<(u64, String)>,
}

impl Service {
    pub(super) fn new(what: &'static str, name: impl Into<String>, line: u64) -> Self {
        Self {
            what,
            name: name.into(),
            line,
            endpoints: BTreeSet::new(),
            authenticated: None,
            facts: Vec::new(),
            lines: BTreeSet::new(),
        }
    }

    pub(super) fn fact(&mut self, name: &'static str, value: impl Into<String>) {
        self.facts.push((name, shortened(without_pins(value.into()))));
    }

    /// A directive that is evidence for the service, as it is called.
    pub(super) fn seen(&mut self, line: u64, directive: &str) {
        self.lines.insert((line, directive.to_owned()));
    }

    /// A setting that is left to the program.
    pub(super) fn not_stated(&mut self, what: &str) {
        self.fact("not-stated", format!("{what}: {NOT_STATED}"));
    }

    /// A file that is named. Inline PEM, variables and templates are no paths, and are left out.
    pub(super) fn file(&mut self, names: Names, path: &str, line: u64, directive: &str) {
        let path = path.trim();
        if path.is_empty() || path.contains("-----BEGIN") || path.contains('\n') || path.starts_with("data:")
        {
            return;
        }
        self.seen(line, directive);
        let role = match names {
            Names::Certificate => Some("certificate-file"),
            Names::Key => Some("key-file"),
            Names::Trust => Some("trust-file"),
            Names::Other => None,
        };
        self.fact("refers-to", path);
        if let Some(role) = role {
            self.fact(role, path);
        }
    }

    /// Adds it to what was found. Two of one name in one file are told apart by their order.
    pub(super) fn tell(self, found: &mut Fragment) -> AssetId {
        let location = found.location().to_owned();
        let title = match self.name.is_empty() {
            true => self.what.to_owned(),
            false => format!("{} {}", self.what, self.name),
        };
        let title = shortened(title);
        // In a file that is full of them the line has to do: looking through all of them each time takes too long.
        let number = match found.assets().len() {
            0..FEW => found
                .assets()
                .iter()
                .filter(|asset| is_service(asset) && asset.name == title)
                .count() as u64,
            _ => self.line,
        };
        let number = number.to_string();
        let identity = [self.what, location.as_str(), self.name.as_str(), number.as_str()];
        let id = AssetId::of_content("service", &identity.map(str::as_bytes));
        let detail = ServiceDetail {
            what: self.what.to_owned(),
            endpoints: self.endpoints,
            authenticated: self.authenticated,
        };
        let mut asset = Asset::with_id(id, title, Detail::Service(detail)).seen(found.here().line(self.line));
        for (line, directive) in self.lines {
            asset = asset.seen(found.here().line(line).symbol(directive));
        }
        for (name, value) in self.facts {
            asset.add_fact(name, value);
        }
        found.add(asset)
    }
}

fn is_service(asset: &Asset) -> bool {
    matches!(asset.detail, Detail::Service(_))
}

/// Cut to what is worth repeating.
pub(super) fn shortened(text: String) -> String {
    match text.char_indices().nth(MAX_VALUE) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_of_one_name_stay_apart() {
        let mut found = Fragment::at("x");
        let one = Service::new("thing", "same", 1).tell(&mut found);
        let two = Service::new("thing", "same", 9).tell(&mut found);
        assert_ne!(one, two);
    }
}
