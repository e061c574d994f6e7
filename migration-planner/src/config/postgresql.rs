//! PostgreSQL: TLS of the server and how passwords are kept (`postgresql.conf`), who may come in and how (`pg_hba.conf`).

use std::collections::BTreeMap;

use super::command;
use super::report::{Names, Said, Service, Tls};
use super::text;
use crate::algorithm::{Algorithm, Function};
use crate::inventory::{AssetId, Fragment, Reason, Role};
use crate::scan::{Piece, Scanner, Trigger};

/// Configuration of PostgreSQL.
#[derive(Debug)]
pub struct PostgreSql;

impl Scanner for PostgreSql {
    fn name(&self) -> &'static str {
        "postgresql"
    }

    fn version(&self) -> u32 {
        2
    }

    fn triggers(&self) -> &[Trigger] {
        &[
            Trigger::FileName("postgresql.conf"),
            Trigger::FileName("postgresql.auto.conf"),
            Trigger::FileName("postgresql.conf.sample"),
            Trigger::FileName("pg_hba.conf"),
            Trigger::PathContains("/postgresql/"),
        ]
    }

    fn scan(&self, piece: &Piece<'_>, found: &mut Fragment) {
        let Piece::File(file) = piece else { return };
        let rules = file.name.eq_ignore_ascii_case("pg_hba.conf");
        if !(rules || matches!(&*file.extension(), "conf" | "sample")) {
            return;
        }
        let Some(text) = text::in_lines(file, found) else {
            return;
        };
        match rules {
            true => access(&text, found),
            false => settings(&text, file.name, found),
        }
    }
}

fn settings(text: &str, name: &str, found: &mut Fragment) {
    let mut said: BTreeMap<String, (String, u64)> = BTreeMap::new();
    let mut service = Service::new("PostgreSQL server", "", 1);
    for line in text::lines(text) {
        let plain = text::before_comment(&line.text, '#').trim();
        if plain.is_empty() {
            continue;
        }
        let end = plain
            .find(|letter: char| letter.is_whitespace() || letter == '=')
            .unwrap_or(plain.len());
        let (key, rest) = plain.split_at_checked(end).unwrap_or((plain, ""));
        let rest = rest.trim_start();
        let value = rest.strip_prefix('=').unwrap_or(rest).trim();
        if value.starts_with('\'') && (value.len() < 2 || !value.ends_with('\'')) {
            found.unread(Reason::Malformed, Some(line.number), "a quote without its end");
            continue;
        }
        let key = key.to_ascii_lowercase();
        let value = text::unquoted(value).replace("''", "'");
        if key.starts_with("include") {
            service.file(Names::Other, &value, line.number, &key);
        }
        // What stands last holds.
        said.insert(key, (value, line.number));
    }
    let get = |key: &str| {
        said.get(key)
            .map(|(value, line)| (value.as_str(), *line))
            .filter(|(value, _)| !value.is_empty())
    };
    let speaks = said.keys().any(|key| key.starts_with("ssl")) || get("password_encryption").is_some();
    if !speaks && !name.eq_ignore_ascii_case("postgresql.conf") {
        return;
    }
    service.line = said
        .iter()
        .filter(|(key, _)| key.starts_with("ssl"))
        .map(|(_, (_, line))| *line)
        .min()
        .unwrap_or(1);
    for (key, names) in [
        ("ssl_cert_file", Names::Certificate),
        ("ssl_key_file", Names::Key),
        ("ssl_ca_file", Names::Trust),
        ("ssl_crl_file", Names::Other),
        ("ssl_crl_dir", Names::Other),
        ("ssl_dh_params_file", Names::Other),
        ("krb_server_keyfile", Names::Other),
    ] {
        if let Some((value, line)) = get(key) {
            service.file(names, value, line, key);
        }
    }
    let mut tls = Tls {
        cipher_string: get("ssl_ciphers").map(|(value, line)| Said::new(value, line)),
        suites: get("ssl_tls13_ciphers").map(|(value, line)| Said::new(command::names(value), line)),
        groups: get("ssl_groups")
            .or(get("ssl_ecdh_curve"))
            .map(|(value, line)| Said::new(value, line)),
        ..Tls::default()
    };
    for (key, lowest) in [
        ("ssl_min_protocol_version", true),
        ("ssl_max_protocol_version", false),
    ] {
        if let Some((value, line)) = get(key) {
            command::bound(&mut tls, &mut service, lowest, value, line);
        }
    }
    let on = get("ssl").map(|(value, _)| matches!(&*value.to_ascii_lowercase(), "on" | "true" | "yes" | "1"));
    match on {
        Some(on) => service.fact("tls", if on { "on" } else { "off" }),
        None => service.not_stated("whether TLS is on"),
    }
    if let Some((port, _)) = get("port") {
        let addresses = get("listen_addresses").map_or("*", |(value, _)| value);
        let listens = addresses
            .split(',')
            .map(str::trim)
            .filter(|address| !address.is_empty())
            .take(64);
        service
            .endpoints
            .extend(listens.map(|address| format!("postgres://{address}:{port}")));
    }
    let passwords = get("password_encryption").map(|(value, line)| (value.to_owned(), line));
    if passwords.is_none() {
        service.not_stated("how passwords are kept");
    }
    let service = match on {
        Some(false) => service.tell(found),
        _ => tls.tell(service, found),
    };
    if let Some((method, line)) = passwords {
        password(&method, line, &service, found);
    }
}

/// The algorithm behind a way to keep or check passwords.
fn password(method: &str, line: u64, service: &AssetId, found: &mut Fragment) {
    let name = match method.to_ascii_lowercase().as_str() {
        "md5" | "on" => "MD5",
        "scram-sha-256" => "PBKDF2-SHA-256",
        _ => {
            return found.unread(
                Reason::Unsupported,
                Some(line),
                "a way to keep passwords that nobody here knows",
            );
        }
    };
    let here = found
        .here()
        .line(line)
        .symbol("password")
        .context(method.to_ascii_lowercase());
    let id = found.algorithm(Algorithm::named(name).used_to(&[Function::Keyderive]), here);
    found.connect(service, Role::Uses, &id);
}

/// `hostssl database user address method options`.
fn access(text: &str, found: &mut Fragment) {
    let mut service = Service::new("PostgreSQL access", "", 1);
    let mut methods: BTreeMap<(String, String), (u64, u64)> = BTreeMap::new();
    let mut asks = false;
    let mut first = None;
    for line in text::joined(text) {
        let plain = text::before_comment(&line.text, '#').trim();
        if plain.is_empty() {
            continue;
        }
        let Some(words) = text::words(plain) else {
            found.unread(Reason::Malformed, Some(line.number), "a quote without its end");
            continue;
        };
        let kind = words.first().map_or("", String::as_str);
        if kind.starts_with("include") {
            service.file(
                Names::Other,
                words.get(1).map_or("", String::as_str),
                line.number,
                kind,
            );
            continue;
        }
        let at = match kind {
            "local" => 3,
            // An address may be followed by its mask.
            "host" | "hostssl" | "hostnossl" | "hostgssenc" | "hostnogssenc" => {
                4 + usize::from(
                    words
                        .get(4)
                        .is_some_and(|word| word.parse::<std::net::IpAddr>().is_ok()),
                )
            }
            _ => {
                found.unread(Reason::Malformed, Some(line.number), "a rule of no known kind");
                continue;
            }
        };
        let Some(method) = words.get(at) else {
            found.unread(Reason::Malformed, Some(line.number), "a rule without its method");
            continue;
        };
        first.get_or_insert(line.number);
        asks |= method == "cert"
            || words
                .iter()
                .skip(at + 1)
                .any(|option| option.starts_with("clientcert=verify"));
        let (_, count) = methods
            .entry((kind.to_owned(), method.clone()))
            .or_insert((line.number, 0));
        *count += 1;
    }
    let Some(first) = first else { return };
    service.line = first;
    service.authenticated = asks.then_some(true);
    for ((kind, method), (line, count)) in methods.iter().take(256) {
        let times = if *count == 1 { "rule" } else { "rules" };
        service.fact("access", format!("{kind} {method}: {count} {times}"));
        service.seen(*line, &format!("{kind} {method}"));
    }
    if methods.keys().any(|(kind, method)| {
        method != "reject" && matches!(kind.as_str(), "host" | "hostnossl" | "hostnogssenc")
    }) {
        service.fact("plain-connections", "allowed");
    }
    let service = service.tell(found);
    for ((_, method), (line, _)) in methods.iter().take(256) {
        if matches!(method.as_str(), "md5" | "scram-sha-256") {
            password(method, *line, &service, found);
        }
    }
}

#[cfg(test)]
mod tests;
