//! Kafka: brokers, clients, Connect and others that have its `ssl.` and `sasl.` properties.

use std::collections::{BTreeMap, BTreeSet};

use super::report::{Names, Said, Service, Tls, version};
use super::text;
use crate::algorithm::{Algorithm, Function};
use crate::inventory::{Asset, AssetId, Detail, Fragment, MaterialDetail, Reason, Role};
use crate::scan::{Piece, Scanner, Trigger};

/// The most prefixes of one file.
const MAX_PREFIXES: usize = 4096;

/// A property: its name, its value, its line.
type Own<'a> = (&'a str, &'a str, u64);

/// Property files of Kafka.
#[derive(Debug)]
pub struct Kafka;

impl Scanner for Kafka {
    fn name(&self) -> &'static str {
        "kafka"
    }

    fn version(&self) -> u32 {
        2
    }

    fn triggers(&self) -> &[Trigger] {
        &[
            Trigger::Extension("properties"),
            Trigger::Extension("conf"),
            Trigger::PathContains("/kafka/"),
        ]
    }

    fn scan(&self, piece: &Piece<'_>, found: &mut Fragment) {
        let Piece::File(file) = piece else { return };
        if !matches!(&*file.extension(), "properties" | "conf" | "config") || !speaks(file.bytes) {
            return;
        }
        let Some(text) = text::in_lines(file, found) else {
            return;
        };
        let lines = text::joined_closely(&text);
        let said = text::properties(&lines);
        let broker = [
            "broker.id",
            "node.id",
            "process.roles",
            "zookeeper.connect",
            "log.dirs",
        ]
        .iter()
        .any(|name| said.contains_key(name));
        let mut parts: BTreeMap<&str, Vec<Own<'_>>> = BTreeMap::new();
        for (name, (value, line)) in &said {
            if let Some(prefix) = prefix(name) {
                parts.entry(prefix).or_default().push((*name, *value, *line));
            }
        }
        for (count, (prefix, own)) in parts.into_iter().enumerate() {
            if count >= MAX_PREFIXES || file.budget.is_spent() {
                return found.unread(Reason::TooLarge, None, "more prefixes than are read");
            }
            Part {
                said: &said,
                own,
                prefix,
                broker,
                protection: protection(&said, prefix),
            }
            .tell(found);
        }
    }
}

fn speaks(bytes: &[u8]) -> bool {
    let words = [
        &b"ssl.keystore."[..],
        b"ssl.truststore.",
        b"ssl.enabled.protocols",
        b"ssl.protocol",
        b"ssl.cipher.suites",
        b"security.protocol",
        b"security.inter.broker.protocol",
        b"sasl.mechanism",
        b"sasl.enabled.mechanisms",
    ];
    words
        .iter()
        .any(|word| memchr::memmem::find(bytes, word).is_some())
}

/// What stands before a name that Kafka knows: `listener.name.external.`, `producer.`, nothing. What is said of one
/// mechanism of a listener is said of the listener.
fn prefix(name: &str) -> Option<&str> {
    if name == "listener.security.protocol.map" {
        return Some("");
    }
    let known = [
        "ssl.",
        "security.protocol",
        "security.inter.broker.protocol",
        "sasl.",
    ];
    // A listener may itself be called `ssl` or `sasl_ssl`: its name is passed over first.
    let passed = match name.strip_prefix(LISTENER) {
        Some(rest) => LISTENER.len() + rest.find('.')? + 1,
        None => 0,
    };
    let rest = name.get(passed..)?;
    let at = known.iter().find_map(|word| {
        let mut places = rest.match_indices(word).map(|(at, _)| at);
        places.find(|at| *at == 0 || rest.get(..*at).is_some_and(|before| before.ends_with('.')))
    })?;
    match passed {
        0 => rest.get(..at),
        _ => name.get(..passed),
    }
}

/// What stands before the name of a listener.
const LISTENER: &str = "listener.name.";

/// The security protocol of the listener that a prefix is about, where the file says it.
fn protection<'a>(said: &BTreeMap<&'a str, (&'a str, u64)>, prefix: &str) -> Option<&'a str> {
    let name = prefix.strip_prefix(LISTENER)?.trim_end_matches('.');
    let map = said
        .get("listener.security.protocol.map")
        .map_or("", |(map, _)| *map);
    let mut pairs = map.split(',').filter_map(|pair| pair.trim().split_once(':'));
    let mapped = pairs.find(|(listener, _)| listener.eq_ignore_ascii_case(name));
    // Without a map listeners are called as their protocols are.
    let own = ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
        .into_iter()
        .find(|protocol| protocol.eq_ignore_ascii_case(name));
    mapped.map(|(_, protocol)| protocol).or(own)
}

/// The properties of one prefix.
struct Part<'a> {
    said: &'a BTreeMap<&'a str, (&'a str, u64)>,
    own: Vec<Own<'a>>,
    prefix: &'a str,
    broker: bool,
    /// Of a listener: its security protocol.
    protection: Option<&'a str>,
}

impl<'a> Part<'a> {
    fn get(&self, name: &str) -> Option<(&'a str, u64)> {
        let full = format!("{}{name}", self.prefix);
        let own = self.said.get(full.as_str());
        own.or_else(|| self.said.get(name).filter(|_| self.inherits(name)))
            .copied()
            .filter(|(value, _)| !value.is_empty())
    }

    /// Whether a listener takes what stands without its prefix.
    fn inherits(&self, name: &str) -> bool {
        if !self.prefix.starts_with(LISTENER) || !name.starts_with("ssl.") {
            return false;
        }
        match self.protection {
            Some("SSL") => true,
            // Where SASL says who the client is, certificates are asked for only with the prefix.
            Some(protocol) => protocol.contains("SSL") && name != "ssl.client.auth",
            None => self.own.iter().any(|(own, ..)| {
                own.strip_prefix(self.prefix)
                    .is_some_and(|rest| rest.starts_with("ssl."))
            }),
        }
    }

    fn tell(&self, found: &mut Fragment) {
        let line = self.own.iter().map(|(_, _, line)| *line).min().unwrap_or(1);
        let server =
            self.broker && !self.prefix.ends_with("producer.") && !self.prefix.ends_with("consumer.");
        let what = if server { "Kafka broker" } else { "Kafka client" };
        let mut service = Service::new(what, self.prefix.trim_end_matches('.'), line);
        self.files(&mut service);
        let tls = self.tls(found);
        let speaks = self.security(&mut service)
            || self.protection.is_some_and(|protocol| protocol.contains("SSL"))
            || !tls.is_silent()
            || self.get("ssl.keystore.location").is_some()
            || self.get("ssl.truststore.location").is_some()
            || self.get("ssl.keystore.certificate.chain").is_some();
        if server && self.prefix.is_empty() {
            self.listeners(&mut service);
        }
        let service = match speaks {
            true => tls.tell(service, found),
            false => service.tell(found),
        };
        self.mechanisms(&service, found);
        self.secrets(&service, found);
    }

    fn files(&self, service: &mut Service) {
        if let Some((path, line)) = self.get("ssl.keystore.location") {
            service.file(Names::Certificate, path, line, "ssl.keystore.location");
            service.file(Names::Key, path, line, "ssl.keystore.location");
        }
        if let Some((path, line)) = self.get("ssl.truststore.location") {
            service.file(Names::Trust, path, line, "ssl.truststore.location");
        }
        for (name, fact) in [
            ("ssl.keystore.type", "keystore-type"),
            ("ssl.truststore.type", "truststore-type"),
            ("ssl.provider", "provider"),
        ] {
            if let Some((value, _)) = self.get(name) {
                service.fact(fact, value);
            }
        }
        match self.get("ssl.client.auth") {
            Some((value, _)) => service.authenticated = Some(value != "none"),
            None if self.broker => service.not_stated("client authentication"),
            None => {}
        }
        let named = format!("{}ssl.endpoint.identification.algorithm", self.prefix);
        if let Some((value, line)) = self.said.get(named.as_str()) {
            // Empty is how it is switched off.
            service.fact("verifies-host-name", if value.is_empty() { "no" } else { "yes" });
            service.seen(*line, "ssl.endpoint.identification.algorithm");
        }
    }

    fn tls(&self, found: &mut Fragment) -> Tls {
        let enabled = self.get("ssl.enabled.protocols").or(self.get("ssl.protocol"));
        let versions = enabled.and_then(|(value, line)| {
            let on: BTreeSet<usize> = value.split(',').filter_map(|name| version(name.trim())).collect();
            for name in value.split(',').map(str::trim) {
                if version(name).is_none() && !matches!(name, "TLS" | "SSL") {
                    let what = super::report::shortened(format!("the version {name}"));
                    found.unread(Reason::Unsupported, Some(line), what);
                }
            }
            (!on.is_empty()).then_some(Said { value: on, line })
        });
        let suites = self.get("ssl.cipher.suites");
        Tls {
            versions,
            suites: suites.map(|(value, line)| Said::new(super::command::names(value), line)),
            ..Tls::default()
        }
    }

    /// Notes what protects connections; true when TLS does.
    fn security(&self, service: &mut Service) -> bool {
        let mut speaks = false;
        for name in ["security.protocol", "security.inter.broker.protocol"] {
            if let Some((value, line)) = self.get(name) {
                service.fact("security-protocol", value);
                service.seen(line, name);
                speaks |= value.to_ascii_uppercase().contains("SSL");
            }
        }
        if let Some((value, _)) = self.get("listener.security.protocol.map") {
            speaks |= value.contains("SSL");
        }
        speaks
    }

    fn listeners(&self, service: &mut Service) {
        let map = self
            .get("listener.security.protocol.map")
            .map_or("", |(value, _)| value);
        let map: BTreeMap<&str, &str> = map
            .split(',')
            .filter_map(|pair| pair.trim().split_once(':'))
            .collect();
        // What is advertised is how it is reached; a controller's listener is not advertised.
        let said = ["advertised.listeners", "listeners"].map(|name| self.get(name));
        let mut seen: BTreeSet<&str> = BTreeSet::new();
        let all = said.into_iter().flatten().flat_map(|(value, line)| {
            value
                .split(',')
                .take(64)
                .map(move |listener| (listener.trim(), line))
        });
        for (listener, line) in all {
            let Some((name, place)) = listener.split_once("://") else {
                continue;
            };
            if !seen.insert(name) {
                continue;
            }
            service.seen(line, "listeners");
            let protocol = map.get(name).copied().unwrap_or(name);
            let place = if place.starts_with(':') {
                format!("*{place}")
            } else {
                place.to_owned()
            };
            match protocol.contains("SSL") {
                true => {
                    service.endpoints.insert(format!("tls://{place}"));
                }
                false => service.fact("plain-connections", format!("{protocol} on {place}")),
            }
        }
    }

    fn mechanisms(&self, service: &AssetId, found: &mut Fragment) {
        for name in [
            "sasl.enabled.mechanisms",
            "sasl.mechanism",
            "sasl.mechanism.inter.broker.protocol",
        ] {
            let Some((value, line)) = self.get(name) else {
                continue;
            };
            for mechanism in value
                .split(',')
                .map(str::trim)
                .filter(|mechanism| !mechanism.is_empty())
                .take(32)
            {
                found.note(service, "sasl-mechanism", mechanism);
                let Some(hash) = mechanism.strip_prefix("SCRAM-") else {
                    continue;
                };
                let here = found.here().line(line).symbol(name).context(mechanism);
                let algorithm = Algorithm::named(&format!("PBKDF2-{hash}")).used_to(&[Function::Keyderive]);
                let id = found.algorithm(algorithm, here);
                found.connect(service, Role::Uses, &id);
            }
        }
        if let Some((value, line)) = self.get("password.encoder.cipher.algorithm") {
            let here = found
                .here()
                .line(line)
                .symbol("password.encoder.cipher.algorithm");
            let id = found.algorithm_spelt(value, &[Function::Encrypt], here);
            found.connect(service, Role::Uses, &id);
        }
    }

    /// Passwords in the clear: that they are there, never what they are.
    fn secrets(&self, service: &AssetId, found: &mut Fragment) {
        for (name, value, line) in &self.own {
            let what = match name.rsplit('.').take(2).collect::<Vec<_>>().as_slice() {
                ["password", "keystore"] => "password of a keystore",
                ["password", "key"] => "password of a private key",
                ["password", "truststore"] => "password of a truststore",
                ["config", "jaas"] if value.contains("password=") => "login",
                _ => continue,
            };
            if value.is_empty() || text::is_template(value) {
                continue;
            }
            let id = password(what, name, *line, found);
            found.connect(service, Role::Uses, &id);
        }
    }
}

/// A password in the clear as an asset: its place, never its value.
fn password(what: &str, place: &str, line: u64, found: &mut Fragment) -> AssetId {
    let location = found.location().to_owned();
    let detail = MaterialDetail {
        material: "password".to_owned(),
        what: what.to_owned(),
        ..MaterialDetail::default()
    };
    let identity = [location.as_bytes(), place.as_bytes()];
    let asset = Asset::new(what, Detail::Material(Box::new(detail)), &identity);
    let here = found
        .here()
        .line(line)
        .symbol(super::report::shortened(place.to_owned()));
    found.add(asset.seen(here).fact("kept", "in the clear"))
}

#[cfg(test)]
mod tests;
