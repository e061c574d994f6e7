//! What a document may say, and what it says.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use spiffe::SpiffeId;
use symbolon_api::spire::api::types;
use symbolon_api::spire::api::types::entry::AdditionalAttributes;
use symbolon_host::HumanDuration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::yaml::{self, Kind, Node};
use crate::client::SelectorSpec;
use crate::wire::{entry_message, new_entry};

/// What stands at the top of a document.
const TOP: &str = "owner, entries";
/// What an entry may have.
const FIELDS: &str = "id, spiffe_id, parent_id, selectors, x509_svid_ttl, jwt_svid_ttl, dns_names, federates_with, hint, \
                      admin, downstream, store_svid, disable_x509_svid_prefetch, jwt_svid_include_jti, expires_at, \
                      allowed_forms, leaf_key_algorithms, not_before, not_after";

/// A line of a file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Place {
    /// The file, as it was named; `-` for standard input.
    pub file: Arc<str>,
    /// Counted from 1.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// What is wrong with a document, and where.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// An entry that somebody wants.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Declaration {
    /// Where it is declared; `None` for what comes from another server.
    pub(crate) place: Option<Place>,
    /// It, as a server would show it, without an id unless it names one.
    pub(crate) entry: types::Entry,
}

/// What documents declare.
#[derive(Clone, Debug, Default)]
pub struct Declared {
    pub(super) entries: Vec<Declaration>,
    /// Whose documents they are.
    pub(super) owners: BTreeSet<String>,
}

impl Declared {
    /// How many entries are declared.
    pub fn count(&self) -> usize {
        self.entries.len()
    }

    /// Whose documents these are.
    pub fn owners(&self) -> &BTreeSet<String> {
        &self.owners
    }
}

/// Reads the documents of one file into `declared`, and what is wrong with them into `problems`. A document without an
/// owner of its own is `owner`'s.
pub(super) fn read(
    file: &str,
    text: &str,
    owner: Option<&str>,
    declared: &mut Declared,
    problems: &mut Vec<Problem>,
) {
    let file: Arc<str> = file.into();
    let mut reader = Reader { file, problems };
    let documents = match yaml::documents(text) {
        Ok(documents) => documents,
        Err((line, what)) => {
            return reader.wrong(line, format!("this is no YAML or JSON that is read: {what}"));
        }
    };
    for document in &documents {
        reader.document(document, owner, declared);
    }
}

/// One file on its way to declarations.
struct Reader<'a> {
    file: Arc<str>,
    problems: &'a mut Vec<Problem>,
}

impl Reader<'_> {
    fn wrong(&mut self, line: usize, what: impl Into<String>) {
        let file = Arc::clone(&self.file);
        self.problems.push(Problem {
            place: Place { file, line },
            what: what.into(),
        });
    }

    fn document(&mut self, document: &Node, default: Option<&str>, declared: &mut Declared) {
        let Kind::Map(members) = &document.kind else {
            return self.wrong(document.line, format!("a document has the members {TOP}"));
        };
        let mut owner = default.map(str::to_owned);
        let mut entries: Option<&[Node]> = None;
        for (key, value) in members {
            match (key.as_str(), &value.kind) {
                ("owner", _) => match text(value) {
                    Ok(text) => owner = Some(text),
                    Err(what) => return self.wrong(value.line, format!("owner {what}")),
                },
                ("entries", Kind::List(list)) => entries = Some(list),
                ("entries", _) => return self.wrong(value.line, "entries is a list"),
                (unknown, _) => {
                    return self.wrong(
                        value.line,
                        format!("a document has no member {unknown:?}; it has {TOP}"),
                    );
                }
            }
        }
        let Some(owner) = owner.filter(|owner| !owner.is_empty()) else {
            let what = "the document has no owner: name whoever keeps these entries, by which they are told apart from \
                        everybody else's (owner: NAME, or --owner)";
            return self.wrong(document.line, what);
        };
        let Some(entries) = entries else {
            return self.wrong(
                document.line,
                "the document has no entries; an empty list declares that there are none",
            );
        };
        declared.owners.insert(owner.clone());
        for (position, node) in entries.iter().enumerate() {
            match entry(node, &owner) {
                Ok(entry) => {
                    let file = Arc::clone(&self.file);
                    let place = Some(Place {
                        file,
                        line: node.line,
                    });
                    declared.entries.push(Declaration { place, entry });
                }
                Err((line, what)) => self.wrong(line, format!("entries[{position}]: {what}")),
            }
        }
    }
}

/// Reads an entry, checks it as the server will, and writes it as the server would show it.
fn entry(node: &Node, owner: &str) -> Result<types::Entry, (usize, String)> {
    let Kind::Map(members) = &node.kind else {
        return Err((node.line, format!("an entry has the members {FIELDS}")));
    };
    let mut message = types::Entry {
        owner: owner.to_owned(),
        ..types::Entry::default()
    };
    for (key, value) in members {
        member(&mut message, key, value).map_err(|what| (value.line, format!("{key} {what}")))?;
    }
    canonical(&message).map_err(|what| (node.line, what))
}

/// An entry as a server would show it: checked, each set in order, and without what only the server says.
pub(crate) fn canonical(message: &types::Entry) -> Result<types::Entry, String> {
    let id = message.spiffe_id.as_ref().ok_or("spiffe_id is missing")?;
    let id = SpiffeId::try_from(id).map_err(|error| format!("spiffe_id: {error}"))?;
    let record = new_entry(message, String::new(), id.trust_domain(), SystemTime::UNIX_EPOCH)
        .map_err(|status| status.message().to_owned())?;
    Ok(types::Entry {
        id: message.id.clone(),
        ..entry_message(&record)
    })
}

/// Reads one member of an entry.
fn member(entry: &mut types::Entry, key: &str, value: &Node) -> Result<(), String> {
    fn attributes(entry: &mut types::Entry) -> &mut AdditionalAttributes {
        entry.additional_attributes.get_or_insert_default()
    }
    match key {
        "id" => entry.id = text(value)?,
        "spiffe_id" => entry.spiffe_id = Some(spiffe_id(value)?),
        "parent_id" => entry.parent_id = Some(spiffe_id(value)?),
        "selectors" => entry.selectors = selectors(value)?,
        "x509_svid_ttl" => entry.x509_svid_ttl = lifetime(value)?,
        "jwt_svid_ttl" => entry.jwt_svid_ttl = lifetime(value)?,
        "dns_names" => entry.dns_names = texts(value)?,
        "federates_with" => entry.federates_with = texts(value)?,
        "hint" => entry.hint = text(value)?,
        "admin" => entry.admin = yes_or_no(value)?,
        "downstream" => entry.downstream = yes_or_no(value)?,
        "store_svid" => entry.store_svid = yes_or_no(value)?,
        "disable_x509_svid_prefetch" => attributes(entry).disable_x509_svid_prefetch = yes_or_no(value)?,
        "jwt_svid_include_jti" => attributes(entry).jwt_svid_include_jti = yes_or_no(value)?,
        "expires_at" => entry.expires_at = moment(value)?,
        "allowed_forms" => entry.allowed_forms = texts(value)?,
        "leaf_key_algorithms" => entry.leaf_key_algorithms = texts(value)?,
        "not_before" => entry.not_before = moment(value)?,
        "not_after" => entry.not_after = moment(value)?,
        _ => return Err(format!("is no member of an entry; it has {FIELDS}")),
    }
    Ok(())
}

fn text(node: &Node) -> Result<String, String> {
    match &node.kind {
        Kind::Scalar(text, true) if matches!(text.as_str(), "" | "~" | "null") => {
            Err("has no value; leave it out".to_owned())
        }
        Kind::Scalar(text, _) => Ok(text.clone()),
        _ => Err("is one word, not a list or a map".to_owned()),
    }
}

fn texts(node: &Node) -> Result<Vec<String>, String> {
    match &node.kind {
        Kind::List(items) => items.iter().map(text).collect(),
        _ => Err("is a list".to_owned()),
    }
}

fn yes_or_no(node: &Node) -> Result<bool, String> {
    match &node.kind {
        Kind::Scalar(text, true) if text == "true" => Ok(true),
        Kind::Scalar(text, true) if text == "false" => Ok(false),
        _ => Err("is true or false".to_owned()),
    }
}

fn spiffe_id(node: &Node) -> Result<types::Spiffeid, String> {
    let text = text(node)?;
    let id: SpiffeId = text
        .parse()
        .map_err(|error| format!("{text:?} is no SPIFFE ID: {error}"))?;
    Ok((&id).into())
}

fn selectors(node: &Node) -> Result<Vec<types::Selector>, String> {
    let read = |text: String| {
        let SelectorSpec { kind, value } = text.parse().map_err(|error| format!("{error}"))?;
        Ok(types::Selector { r#type: kind, value })
    };
    texts(node)?.into_iter().map(read).collect()
}

fn lifetime(node: &Node) -> Result<i32, String> {
    let text = text(node)?;
    let lifetime: HumanDuration = text.parse().map_err(|error| format!("{error}"))?;
    i32::try_from(lifetime.0.as_secs()).map_err(|_| format!("{text} is longer than 68 years"))
}

fn moment(node: &Node) -> Result<i64, String> {
    let text = text(node)?;
    let moment = OffsetDateTime::parse(&text, &Rfc3339)
        .map(OffsetDateTime::unix_timestamp)
        .map_err(|_| format!("{text:?} is no moment; write 2027-01-31T00:00:00Z"))?;
    // Zero would be no bound at all, which is said by leaving it out.
    match moment {
        1.. => Ok(moment),
        _ => Err(format!("{text:?} is not after the beginning of 1970")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> (Declared, Vec<String>) {
        let (mut declared, mut problems) = (Declared::default(), Vec::new());
        read("f.yaml", text, None, &mut declared, &mut problems);
        (declared, problems.iter().map(ToString::to_string).collect())
    }

    const LEAST: &str =
        "spiffe_id: spiffe://example.org/a, parent_id: spiffe://example.org/n, selectors: [unix:uid:1]";

    #[test]
    fn every_member_is_read() {
        let (declared, problems) = read_text(
            "owner: team\nentries:\n- id: one\n  spiffe_id: spiffe://example.org/a\n  parent_id: spiffe://example.org/n\n  \
             selectors: [unix:uid:2, unix:uid:1]\n  x509_svid_ttl: 30m\n  jwt_svid_ttl: 5m\n  dns_names: [b.test, a.test]\n  \
             federates_with: [spiffe://c.test, b.test]\n  hint: \"5\"\n  admin: true\n  downstream: true\n  \
             store_svid: true\n  jwt_svid_include_jti: true\n  expires_at: 2030-01-01T00:00:00Z\n  \
             allowed_forms: [composite, classical]\n  leaf_key_algorithms: [mldsa65-ecdsa-p256, ecdsa-p256]\n  \
             not_before: 2026-01-01T00:00:00+01:00\n  not_after: 2029-01-01T00:00:00Z\n",
        );
        assert_eq!(problems, [""; 0]);
        let [declaration] = declared.entries.as_slice() else {
            panic!("{declared:?}")
        };
        let list = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect::<Vec<_>>();
        let selector = |value: &str| types::Selector {
            r#type: "unix".to_owned(),
            value: value.to_owned(),
        };
        let id = |path: &str| {
            Some(types::Spiffeid {
                trust_domain: "example.org".to_owned(),
                path: path.to_owned(),
            })
        };
        let expected = types::Entry {
            id: "one".to_owned(),
            spiffe_id: id("/a"),
            parent_id: id("/n"),
            selectors: vec![selector("uid:1"), selector("uid:2")],
            x509_svid_ttl: 1800,
            federates_with: list(&["b.test", "c.test"]),
            admin: true,
            downstream: true,
            expires_at: 1_893_456_000,
            dns_names: list(&["b.test", "a.test"]),
            revision_number: 0,
            store_svid: true,
            jwt_svid_ttl: 300,
            hint: "5".to_owned(),
            created_at: 0,
            additional_attributes: Some(AdditionalAttributes {
                disable_x509_svid_prefetch: false,
                jwt_svid_include_jti: true,
            }),
            allowed_forms: list(&["classical", "composite"]),
            not_before: 1_767_222_000,
            not_after: 1_861_920_000,
            leaf_key_algorithms: list(&["ecdsa-p256", "mldsa65-ecdsa-p256"]),
            owner: "team".to_owned(),
        };
        assert_eq!(declaration.entry, expected);
        assert_eq!(declaration.place.as_ref().unwrap().to_string(), "f.yaml:3");
        assert_eq!(declared.owners, ["team".to_owned()].into());
    }

    #[test]
    fn every_wrong_entry_is_told_with_its_line_and_member() {
        let (declared, problems) = read_text(&format!(
            "owner: team\nentries:\n- {{{LEAST}, colour: green}}\n- {{{LEAST}}}\n- {{{LEAST}, x509_svid_ttl: 5}}\n- \
             {{{LEAST}, admin: \"true\"}}\n- {{spiffe_id: spiffe://example.org/spire/server}}\n- {{{LEAST}, hint: }}\n- \
             {{{LEAST}, not_after: tomorrow}}\n- {{{LEAST}, expires_at: 1970-01-01T00:00:00Z}}\n- {{{LEAST}, id: a b}}\n- {{{LEAST}, allowed_forms: quantum}}\n- text\n"
        ));
        assert_eq!(declared.count(), 1);
        let expected = [
            "f.yaml:3: entries[0]: colour is no member",
            "f.yaml:5: entries[2]: x509_svid_ttl ",
            "f.yaml:6: entries[3]: admin is true or false",
            "f.yaml:7: entries[4]: spiffe_id",
            "f.yaml:8: entries[5]: hint has no value",
            "f.yaml:9: entries[6]: not_after \"tomorrow\"",
            "f.yaml:10: entries[7]: expires_at \"1970-01-01T00:00:00Z\" is not after",
            "f.yaml:11: entries[8]: id must be",
            "f.yaml:12: entries[9]: allowed_forms is a list",
            "f.yaml:13: entries[10]: an entry has",
        ];
        assert_eq!(problems.len(), expected.len(), "{problems:#?}");
        for (problem, expected) in problems.iter().zip(expected) {
            assert!(problem.starts_with(expected), "{expected}: {problem}");
        }
    }

    #[test]
    fn a_document_that_does_not_say_whose_it_is_or_what_it_declares_is_refused() {
        for (text, words) in [
            ("entries: []", "has no owner"),
            ("owner: ''\nentries: []", "has no owner"),
            ("owner: team", "has no entries"),
            ("owner: team\nentries: {}", "entries is a list"),
            ("owner: team\nentry: []", "no member \"entry\""),
            ("- a", "has the members"),
            ("owner: [", "no YAML"),
        ] {
            let (declared, problems) = read_text(text);
            assert!(
                problems.len() == 1 && problems[0].contains(words),
                "{text}: {problems:?}"
            );
            assert!(declared.owners.is_empty(), "{text}");
        }
        let (mut declared, mut problems) = (Declared::default(), Vec::new());
        read("f", "entries: []", Some("team"), &mut declared, &mut problems);
        assert_eq!((problems, declared.owners), (vec![], ["team".to_owned()].into()));
    }
}
