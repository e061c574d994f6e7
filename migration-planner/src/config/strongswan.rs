//! strongSwan and its kin: connections in `swanctl.conf` and `ipsec.conf`, secrets in either form.

use std::collections::BTreeMap;

use super::ike;
use super::report::{Names, Service};
use super::text;
use crate::inventory::{Asset, AssetId, Detail, Fragment, MaterialDetail, Reason, Role};
use crate::scan::{File, Piece, Scanner, Trigger};

mod blocks;

/// Configuration of strongSwan, Libreswan, Openswan.
#[derive(Debug)]
pub struct StrongSwan;

impl Scanner for StrongSwan {
    fn name(&self) -> &'static str {
        "strongswan"
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
        let Some(text) = text::of(file, found) else { return };
        let modern = file.name.eq_ignore_ascii_case("swanctl.conf")
            || file.path.to_ascii_lowercase().contains("/swanctl/");
        match () {
            () if extension == "secrets" => secrets(&text, file, found),
            () if modern => blocks::read(&text, file, found),
            () => legacy(&text, found),
        }
    }
}

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
                let value = text::unquoted(value).to_owned();
                said.insert(name.trim().to_ascii_lowercase(), (value, line.number));
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
    for (name, line, said) in &sections {
        if let Some(name) = name.strip_prefix("conn ").filter(|name| *name != "%default") {
            // Another section whose settings hold too.
            let also = said.get("also").and_then(|(also, _)| {
                sections
                    .iter()
                    .find(|(name, ..)| name.strip_prefix("conn ") == Some(also))
            });
            let get = |key: &str| {
                let all = [Some(said), also.map(|(.., said)| said), defaults.as_ref()];
                all.into_iter().flatten().find_map(|said| said.get(key)).cloned()
            };
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

/// `ipsec.secrets`: `selectors : KIND value …`.
fn secrets(text: &str, file: &File<'_>, found: &mut Fragment) {
    let mut service = Service::new("IPsec secrets", "", 1);
    let mut kept: Vec<AssetId> = Vec::new();
    let mut says = false;
    for line in text::lines(text) {
        let plain = text::before_comment(&line.text, '#').trim();
        if plain.is_empty() {
            continue;
        }
        if let Some(path) = plain.strip_prefix("include ") {
            service.file(Names::Other, path, line.number, "include");
            says = true;
            continue;
        }
        // A selector may be an address with colons: the one that parts is alone or at the front.
        let rest = plain
            .strip_prefix(':')
            .or_else(|| plain.split_once(" : ").map(|(_, rest)| rest))
            .or_else(|| plain.split_once(": ").map(|(_, rest)| rest));
        let Some(rest) = rest else { continue };
        let mut words = rest.split_whitespace();
        let kind = words.next().unwrap_or_default().to_ascii_lowercase();
        let value = words.next().unwrap_or_default();
        let place = format!("secret on line {}", line.number);
        match kind.as_str() {
            "psk" | "eap" | "xauth" | "ntlm" | "pin" | "ppks" | "ppk" => {
                let kind = if kind == "ppks" { "ppk" } else { kind.as_str() };
                kept.push(secret(kind, &place, line.number, file, found));
            }
            "rsa" | "ecdsa" | "p12" | "pkcs8" | "pkcs12" | "bliss" | "priv" => {
                service.file(Names::Key, text::unquoted(value), line.number, "secret");
                says = true;
                if words.next().is_some_and(|word| word != "%prompt") {
                    kept.push(secret("password", &place, line.number, file, found));
                }
            }
            _ => found.unread(
                Reason::Unsupported,
                Some(line.number),
                "a secret of a kind that nobody here knows",
            ),
        }
    }
    if says || !kept.is_empty() {
        let service = service.tell(found);
        for id in kept {
            found.connect(&service, Role::Uses, &id);
        }
    }
}

#[cfg(test)]
mod tests;
