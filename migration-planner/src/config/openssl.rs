//! openssl.cnf: the defaults of every program that uses the library and does not ask otherwise, its providers, and
//! what `openssl req` and `openssl ca` make.

use std::collections::{BTreeSet, HashMap};

use super::command;
use super::report::{Names, Service, Tls};
use super::text::{self, Line};
use crate::algorithm::{Algorithm, Function, alias};
use crate::inventory::{Fragment, Reason};
use crate::scan::{Piece, Scanner, Trigger};

/// Configuration of OpenSSL, and of whatever uses its format: LibreSSL, crypto-policies.
#[derive(Debug)]
pub struct OpenSsl;

/// One assignment.
struct Entry<'a> {
    section: &'a str,
    name: &'a str,
    value: String,
    line: u64,
}

impl Scanner for OpenSsl {
    fn name(&self) -> &'static str {
        "openssl-conf"
    }

    fn version(&self) -> u32 {
        3
    }

    fn triggers(&self) -> &[Trigger] {
        &[
            Trigger::FileName("openssl.cnf"),
            Trigger::FileName("openssl.conf"),
            Trigger::FileName("openssl-server.cnf"),
            Trigger::FileName("fipsmodule.cnf"),
            Trigger::FileName("opensslcnf.config"),
            Trigger::Extension("cnf"),
            Trigger::PathContains("/openssl.cnf.d/"),
            Trigger::PathContains("/openssl.d/"),
        ]
    }

    fn scan(&self, piece: &Piece<'_>, found: &mut Fragment) {
        let Piece::File(file) = piece else { return };
        // MySQL and others have the extension too.
        let named = file.name.to_ascii_lowercase().contains("openssl");
        if !named && !speaks_of_openssl(file.bytes) {
            return;
        }
        let Some(text) = text::in_lines(file, found) else {
            return;
        };
        let lines = text::joined(&text);
        let entries = entries(&lines, found);
        if file.budget.is_spent() {
            return found.unread(Reason::TimedOut, None, "its sections were not looked at in time");
        }
        let mut sections: Vec<&str> = Vec::new();
        for entry in &entries {
            if sections.last() != Some(&entry.section)
                && !sections.contains(&entry.section)
                && sections.len() < 512
            {
                sections.push(entry.section);
            }
        }
        let led_to: BTreeSet<&str> = entries.iter().map(|entry| entry.value.as_str()).collect();
        for section in sections {
            let of_section: Vec<&Entry<'_>> =
                entries.iter().filter(|entry| entry.section == section).collect();
            tls(section, &of_section, &led_to, found);
            made(&of_section, found);
        }
        library(&entries, found);
    }
}

fn speaks_of_openssl(bytes: &[u8]) -> bool {
    [
        &b"CipherString"[..],
        b"MinProtocol",
        b"openssl_conf",
        b"default_md",
        b"distinguished_name",
        b"ssl_conf",
    ]
    .iter()
    .any(|word| memchr::memmem::find(bytes, word).is_some())
}

fn entries<'a>(lines: &'a [Line<'a>], found: &mut Fragment) -> Vec<Entry<'a>> {
    let mut section = "default";
    let mut entries = Vec::new();
    for line in lines {
        let plain = text::before_comment(&line.text, '#').trim();
        if plain.is_empty() || plain.starts_with(';') || plain.starts_with(".pragma") {
            continue;
        }
        if let Some(path) = plain.strip_prefix(".include") {
            let value = path.trim().trim_start_matches('=').trim();
            entries.push(Entry {
                section: "default",
                name: ".include",
                value: text::unquoted(value).to_owned(),
                line: line.number,
            });
            continue;
        }
        if let Some(rest) = plain.strip_prefix('[') {
            match rest.split_once(']') {
                Some((name, _)) => section = name.trim(),
                None => found.unread(
                    Reason::Malformed,
                    Some(line.number),
                    "a section's name without its end",
                ),
            }
            continue;
        }
        match plain.split_once('=') {
            Some((name, value)) => {
                // `section::name = value` puts it into another section.
                let (section, name) = name.trim().split_once("::").unwrap_or((section, name.trim()));
                entries.push(Entry {
                    section,
                    name,
                    value: text::unquoted(value).to_owned(),
                    line: line.number,
                });
            }
            None => found.unread(
                Reason::Malformed,
                Some(line.number),
                "a line that assigns nothing",
            ),
        }
    }
    expand(&mut entries);
    entries
}

/// `$name`, `${name}` and `$section::name` by what stands above them; others stay as they are.
fn expand(entries: &mut [Entry<'_>]) {
    // Where each name of each section was assigned last.
    let mut last: HashMap<(&str, &str), usize> = HashMap::new();
    for at in 0..entries.len() {
        let (before, rest) = entries.split_at_mut(at);
        let Some(entry) = rest.first_mut() else { continue };
        let place = (entry.section, entry.name);
        if !entry.value.contains('$') {
            last.insert(place, at);
            continue;
        }
        let mut value = String::new();
        let mut left = entry.value.as_str();
        while let Some((plain, after)) = left.split_once('$') {
            value.push_str(plain);
            let close = match after.chars().next() {
                Some('{') => Some('}'),
                Some('(') => Some(')'),
                _ => None,
            };
            let (name, next) = match close {
                Some(close) => after
                    .get(1..)
                    .and_then(|inner| inner.split_once(close))
                    .unwrap_or((after, "")),
                None => {
                    let end = after
                        .find(|letter: char| !letter.is_alphanumeric() && letter != '_' && letter != ':');
                    after
                        .split_at_checked(end.unwrap_or(after.len()))
                        .unwrap_or((after, ""))
                }
            };
            let (section, short) = name.split_once("::").unwrap_or((entry.section, name));
            let places = [section, "default"].map(|section| last.get(&(section, short)).copied());
            let known = places.into_iter().flatten().max().and_then(|at| before.get(at));
            match known {
                Some(known) if value.len() < 4096 => value.push_str(&known.value),
                _ => value.push_str(&format!("${{{name}}}")),
            }
            left = next;
        }
        value.push_str(left);
        entry.value = value;
        last.insert(place, at);
    }
}

/// A section of `SSL_CONF` commands.
fn tls(section: &str, entries: &[&Entry<'_>], led_to: &BTreeSet<&str>, found: &mut Fragment) {
    let mut tls = Tls::default();
    let line = entries.first().map_or(1, |entry| entry.line);
    let mut service = Service::new("OpenSSL defaults", section, line);
    for entry in entries {
        if entry.name.starts_with("DTLS.") {
            continue;
        }
        // A prefix keeps repeated commands apart: `1.Options`.
        let name = entry.name.rsplit('.').next().unwrap_or(entry.name);
        if matches!(name, "certificate" | "private_key") {
            continue;
        }
        command::take(&mut tls, &mut service, name, &entry.value, entry.line);
    }
    if tls.is_silent() {
        return;
    }
    if section != "default" && !led_to.contains(section) {
        service.fact("not-in-effect", "nothing in this file leads to the section");
    }
    tls.tell(service, found);
}

/// What `req` and `ca` make: the hash, the size of keys.
fn made(entries: &[&Entry<'_>], found: &mut Fragment) {
    for entry in entries {
        let here = found.here().line(entry.line).symbol(entry.name);
        match entry.name {
            "default_md" if !matches!(entry.value.as_str(), "default" | "none" | "") => {
                found.algorithm_spelt(
                    &entry.value,
                    &[Function::Digest],
                    here.context("openssl req, ca, ts"),
                );
            }
            "default_bits" => {
                if let Ok(bits) = entry.value.parse::<u32>() {
                    let algorithm = Algorithm::named(&format!("RSA-{bits}"));
                    found.algorithm(
                        algorithm.used_to(&[Function::Keygen]),
                        here.context("openssl req"),
                    );
                }
            }
            "default_algorithms" => {
                for name in entry
                    .value
                    .split(',')
                    .map(str::trim)
                    .filter(|name| !name.is_empty())
                    .take(64)
                {
                    if alias::resolve(name).is_some() {
                        found.algorithm_spelt(name, &[], here.clone());
                    }
                }
            }
            _ => {}
        }
    }
}

/// What the library is told to load, and the files of `ca` and `req`.
fn library(entries: &[Entry<'_>], found: &mut Fragment) {
    let mut service = Service::new("OpenSSL configuration", "", 1);
    let mut says = false;
    let mut by_section: HashMap<&str, Vec<&Entry<'_>>> = HashMap::new();
    let mut activate: HashMap<&str, bool> = HashMap::new();
    for entry in entries {
        by_section.entry(entry.section).or_default().push(entry);
        if entry.name == "activate" {
            let on = matches!(entry.value.as_str(), "1" | "yes" | "true" | "on");
            activate.entry(entry.section).or_insert(on);
        }
    }
    let mut listed_already = BTreeSet::new();
    for entry in entries {
        let listed = match entry.name {
            "providers" => Some("provider"),
            "engines" => Some("engine"),
            _ => None,
        };
        if let Some(kind) = listed.filter(|kind| listed_already.insert((*kind, entry.value.as_str()))) {
            let items = by_section.get(entry.value.as_str()).into_iter().flatten();
            for item in items.take(256) {
                let on = activate.get(item.value.as_str()).copied().unwrap_or_default();
                let state = if on { "active" } else { "not active" };
                service.fact(
                    kind,
                    match kind {
                        "provider" => format!("{} ({state})", item.name),
                        _ => item.name.to_owned(),
                    },
                );
                service.seen(item.line, kind);
                says = true;
            }
        }
        let file = match entry.name {
            ".include" | "module" | "dynamic_path" | "MODULE_PATH" | "pkcs11-module-path" => {
                Some(Names::Other)
            }
            "certificate" => Some(Names::Certificate),
            "private_key" | "default_keyfile" => Some(Names::Key),
            _ => None,
        };
        if let Some(names) = file {
            service.file(names, &entry.value, entry.line, entry.name);
            says = true;
        }
        if entry.name == "default_properties" {
            service.fact("default-properties", entry.value.clone());
            says = true;
        }
    }
    if says {
        service.tell(found);
    }
}

#[cfg(test)]
mod tests;
