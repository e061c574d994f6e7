//! strongSwan and its kin: connections in `swanctl.conf` and `ipsec.conf`, secrets in either form.

use std::collections::{BTreeMap, HashMap};

use super::ike;
use super::report::{Names, Service};
use super::text;
use crate::inventory::{Asset, AssetId, Detail, Fragment, MaterialDetail, Reason, Role};
use crate::scan::{File, Piece, Scanner, Trigger};

mod blocks;
mod secrets;

/// Configuration of strongSwan, Libreswan, Openswan.
#[derive(Debug)]
pub struct StrongSwan;

impl Scanner for StrongSwan {
    fn name(&self) -> &'static str {
        "strongswan"
    }

    fn version(&self) -> u32 {
        3
    }

    fn triggers(&self) -> &[Trigger] {
        &[
            Trigger::FileName("swanctl.conf"),
            Trigger::FileName("ipsec.conf"),
            Trigger::FileName("ipsec.secrets"),
            Trigger::FileName("libreswan.config"),
            Trigger::PathContains("/swanctl/"),
            Trigger::PathContains("/ipsec.d/"),
        ]
    }

    fn scan(&self, piece: &Piece<'_>, found: &mut Fragment) {
        let Piece::File(file) = piece else { return };
        let extension = file.extension();
        if !matches!(&*extension, "conf" | "secrets" | "config") {
            return;
        }
        let Some(text) = text::in_lines(file, found) else {
            return;
        };
        let modern = file.name.eq_ignore_ascii_case("swanctl.conf")
            || file.path.to_ascii_lowercase().contains("/swanctl/");
        match () {
            () if extension == "secrets" => secrets::read(&text, file, found),
            () if modern => blocks::read(&text, file, found),
            () => legacy(&text, found),
        }
    }
}

/// The most sections that hold for one connection.
const MAX_ALSO: usize = 64;

/// What a connection says, from either form.
#[derive(Default)]
struct Connection {
    name: String,
    line: u64,
    version: Option<&'static str>,
    ike: Vec<(String, u64)>,
    esp: Vec<(String, u64)>,
    files: Vec<(Names, String, u64, &'static str)>,
    facts: Vec<(&'static str, String)>,
    endpoint: Option<String>,
}

impl Connection {
    fn tell(self, found: &mut Fragment) {
        let mut service = Service::new("IPsec connection", self.name, self.line);
        for (names, path, line, directive) in &self.files {
            service.file(*names, path, *line, directive);
        }
        for (name, value) in self.facts {
            service.fact(name, value);
        }
        service.authenticated = Some(true);
        service.endpoints.extend(self.endpoint);
        if self.version.is_none() {
            service.not_stated("version of IKE");
        }
        let mut protocols = Vec::new();
        for (kind, version, lists, what) in [
            ("ike", self.version, self.ike, "proposals for IKE"),
            ("ipsec", None, self.esp, "proposals for IPsec"),
        ] {
            if lists.is_empty() {
                service.not_stated(what);
                let (detail, _) = ike::protocol(kind, version, "");
                protocols.push((detail, self.line));
            }
            for (text, line) in lists {
                let (detail, default) = ike::protocol(kind, version, &text);
                if default {
                    service.not_stated(what);
                }
                protocols.push((detail, line));
            }
        }
        let service = service.tell(found);
        for (detail, line) in protocols {
            let here = found.here().line(line);
            let id = found.protocol(detail, here);
            found.connect(&service, Role::Offers, &id);
        }
    }
}

/// A secret that stands in the file. Its value stays there, and so does its hash, since it may be guessed.
fn secret(kind: &str, place: &str, line: u64, file: &File<'_>, found: &mut Fragment) -> AssetId {
    let (material, what) = match kind {
        "ike" | "psk" => ("shared-secret", "IKE preshared key"),
        "ppk" => ("shared-secret", "IKE post-quantum preshared key"),
        "pin" | "token" => ("password", "PIN of a token"),
        "eap" | "xauth" | "ntlm" => ("password", "login of a user"),
        _ => ("password", "password of a private key"),
    };
    let detail = MaterialDetail {
        material: material.to_owned(),
        what: what.to_owned(),
        ..MaterialDetail::default()
    };
    let location = found.location().to_owned();
    let asset = Asset::new(
        what,
        Detail::Material(Box::new(detail)),
        &[location.as_bytes(), place.as_bytes()],
    );
    let here = found
        .here()
        .line(line)
        .symbol(super::report::shortened(place.to_owned()))
        .access(file.access);
    found.add(asset.seen(here).fact("kept", "in the clear"))
}

/// The settings of a section with their lines, by name.
type Settings = BTreeMap<String, (String, u64)>;

/// `ipsec.conf`: sections begin at the margin, what is in them is indented.
fn legacy(text: &str, found: &mut Fragment) {
    let mut sections: Vec<(String, u64, Settings)> = Vec::new();
    for line in text::lines(text) {
        let plain = text::before_comment(&line.text, '#');
        if plain.trim().is_empty() {
            continue;
        }
        if !plain.starts_with([' ', '\t']) {
            let mut words = plain.split_whitespace();
            match (words.next(), words.next()) {
                (Some(kind @ ("conn" | "ca" | "config")), Some(name)) => {
                    sections.push((format!("{kind} {name}"), line.number, BTreeMap::new()));
                }
                (Some("include"), Some(path)) => {
                    let mut service = Service::new("IPsec configuration", "", line.number);
                    service.file(Names::Other, path, line.number, "include");
                    service.tell(found);
                }
                (Some("version"), _) => {}
                _ => found.unread(
                    Reason::Malformed,
                    Some(line.number),
                    "a line at the margin that begins no section",
                ),
            }
            continue;
        }
        match (plain.split_once('='), sections.last_mut()) {
            (Some((name, value)), Some((.., said))) => {
                let name = name.trim().to_ascii_lowercase();
                let value = text::unquoted(value);
                // It may stand more than once, and holds each time.
                if let Some((also, _)) = said.get_mut("also").filter(|_| name == "also") {
                    also.push(' ');
                    also.push_str(value);
                } else {
                    said.insert(name, (value.to_owned(), line.number));
                }
            }
            (None, _) => found.unread(
                Reason::Malformed,
                Some(line.number),
                "a line that assigns nothing",
            ),
            (_, None) => found.unread(
                Reason::Malformed,
                Some(line.number),
                "a setting outside of a section",
            ),
        }
    }
    let defaults = sections
        .iter()
        .find(|(name, ..)| name == "conn %default")
        .map(|(.., said)| said.clone());
    let mut by_name: HashMap<&str, &Settings> = HashMap::new();
    for (name, _, said) in &sections {
        by_name
            .entry(name.strip_prefix("conn ").unwrap_or_default())
            .or_insert(said);
    }
    for (name, line, said) in &sections {
        if let Some(name) = name.strip_prefix("conn ").filter(|name| *name != "%default") {
            let mut all = with_also(said, &by_name);
            all.extend(defaults.as_ref());
            let get = |key: &str| all.iter().find_map(|said| said.get(key)).cloned();
            connection(name, *line, &get).tell(found);
        } else if let Some(name) = name.strip_prefix("ca ") {
            let mut service = Service::new("IPsec authority", name, *line);
            if let Some((path, line)) = said.get("cacert") {
                service.file(Names::Trust, path, *line, "cacert");
                service.tell(found);
            }
        }
    }
}

/// A section's settings, and those of the sections whose settings hold too, nearest first.
fn with_also<'a>(said: &'a Settings, by_name: &HashMap<&str, &'a Settings>) -> Vec<&'a Settings> {
    let mut all = vec![said];
    let mut at = 0;
    while let Some(said) = all.get(at).copied() {
        at += 1;
        for name in said
            .get("also")
            .iter()
            .flat_map(|(also, _)| also.split_whitespace())
        {
            if let Some(other) = by_name.get(name)
                && all.len() < MAX_ALSO
                && !all.iter().any(|known| std::ptr::eq(*known, *other))
            {
                all.push(other);
            }
        }
    }
    all
}

fn connection(name: &str, line: u64, get: &dyn Fn(&str) -> Option<(String, u64)>) -> Connection {
    let mut connection = Connection {
        name: name.to_owned(),
        line,
        ..Connection::default()
    };
    let exchange = get("keyexchange").or_else(|| get("ikev2"));
    connection.version = exchange.and_then(|(value, _)| match &*value.to_ascii_lowercase() {
        "ikev1" | "no" | "never" => Some("1"),
        "ikev2" | "insist" => Some("2"),
        _ => None,
    });
    connection.ike.extend(get("ike"));
    connection.esp.extend(get("esp").or_else(|| get("phase2alg")));
    connection.esp.extend(get("ah"));
    for (key, names) in [
        ("leftcert", Names::Certificate),
        ("rightcert", Names::Certificate),
        ("leftca", Names::Other),
        ("rightca", Names::Other),
    ] {
        if let Some((path, line)) = get(key).filter(|(path, _)| !path.starts_with('%') && !path.contains('='))
        {
            connection.files.push((names, path, line, key));
        }
    }
    for (key, fact) in [
        ("authby", "authentication"),
        ("leftauth", "authentication"),
        ("rightauth", "authentication"),
        ("ppk", "post-quantum-preshared-key"),
        ("type", "mode"),
    ] {
        if let Some((value, _)) = get(key) {
            connection.facts.push((fact, format!("{key} {value}")));
        }
    }
    connection.endpoint = get("right").map(|(right, _)| format!("ike://{right}"));
    connection
}

#[cfg(test)]
mod tests;
