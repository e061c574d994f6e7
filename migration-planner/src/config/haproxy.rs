//! HAProxy: what it binds with TLS, what it speaks to servers, and the lists of certificates it is given.

use std::collections::BTreeMap;

use super::report::{Names, Service};
use super::text;
use crate::inventory::{Fragment, Reason};
use crate::scan::{File, Piece, Scanner, Trigger};

mod list;
mod options;
mod stores;
mod variables;

use self::options::{Options, based};
use self::stores::Stores;
use self::variables::Variables;

/// Configuration of HAProxy.
#[derive(Debug)]
pub struct HaProxy;

/// The most sections of defaults whose names are kept.
const MAX_DEFAULTS: usize = 1024;
const CERTIFICATE_LISTS: [&str; 3] = ["crt-list", "crt-list.txt", "crt_list.txt"];

impl Scanner for HaProxy {
    fn name(&self) -> &'static str {
        "haproxy"
    }

    fn version(&self) -> u32 {
        4
    }

    fn triggers(&self) -> &[Trigger] {
        &[
            Trigger::FileName("haproxy.cfg"),
            Trigger::FileName("haproxy.conf"),
            Trigger::Extension("haproxy"),
            Trigger::Extension("cfg"),
            Trigger::PathContains("/haproxy/"),
            Trigger::FileName(CERTIFICATE_LISTS[0]),
            Trigger::FileName(CERTIFICATE_LISTS[1]),
            Trigger::FileName(CERTIFICATE_LISTS[2]),
            Trigger::Extension("crtlist"),
            Trigger::Extension("crt-list"),
        ]
    }

    fn scan(&self, piece: &Piece<'_>, found: &mut Fragment) {
        let Piece::File(file) = piece else { return };
        let extension = file.extension();
        let listed = CERTIFICATE_LISTS.contains(&&*file.name.to_ascii_lowercase())
            || matches!(&*extension, "crtlist" | "crt-list");
        let configuration = matches!(&*extension, "cfg" | "conf" | "haproxy" | "map" | "");
        let speaks = [&b"ssl"[..], b"crt"]
            .iter()
            .any(|word| memchr::memmem::find(file.bytes, word).is_some());
        if !(listed || configuration && speaks) {
            return;
        }
        let Some(text) = text::in_lines(file, found) else {
            return;
        };
        if listed {
            return list::read(&text, file, found);
        }
        if is_haproxy(&text) {
            let mut reading = Reading::default();
            for line in text::lines(&text) {
                if line.number % 256 == 0 && file.budget.is_spent() {
                    return found.unread(Reason::TimedOut, Some(line.number), "the lines from here on");
                }
                reading.line(&line.text, line.number, found);
            }
            reading.globals(found);
        }
    }
}

/// Whether it has sections of HAProxy: many programs call their configuration `.cfg`.
fn is_haproxy(text: &str) -> bool {
    let mut section = false;
    for line in text::lines(text) {
        let mut words = line.text.split_whitespace();
        match (words.next(), words.next()) {
            (Some("global" | "defaults"), None)
            | (Some("defaults" | "frontend" | "backend" | "listen" | "crt-store"), Some(_)) => section = true,
            (Some("bind" | "server" | "default-server" | "load"), Some(_)) if section => return true,
            (Some(word), Some(_)) if section && (word.starts_with("ssl-") || word.ends_with("-base")) => {
                return true;
            }
            _ => {}
        }
    }
    false
}

#[derive(Default)]
struct Reading {
    variables: Variables,
    section: String,
    name: String,
    bind: Options,
    server: Options,
    /// `default-server` of the section.
    section_server: Vec<String>,
    defaults_server: Vec<String>,
    /// The same by the names of sections of defaults.
    named_defaults: BTreeMap<String, Vec<String>>,
    certificate_base: String,
    trust_base: String,
    key_base: String,
    stores: Stores,
    /// The first line that says something for all.
    global_line: Option<u64>,
    facts: Vec<(&'static str, String)>,
    files: Vec<(Names, String, u64, &'static str)>,
}

impl Reading {
    fn line(&mut self, text: &str, number: u64, found: &mut Fragment) {
        let plain = self.variables.fill(text::before_comment(text, '#'));
        let Some(words) = text::words(&plain) else {
            return found.unread(Reason::Malformed, Some(number), "a quote without its end");
        };
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let Some((first, rest)) = words.split_first() else {
            return;
        };
        let value = rest.first().copied().unwrap_or_default();
        match *first {
            "global" | "defaults" | "frontend" | "backend" | "listen" | "peers" | "resolvers"
            | "userlist" | "program" | "cache" | "ring" | "log-forward" | "http-errors" | "mailers"
            | "fcgi-app" | "crt-store" | "acme" | "traces" => {
                self.section = (*first).to_owned();
                self.name = value.to_owned();
                if *first == "crt-store" {
                    self.stores.open(value, number);
                }
                // `frontend NAME from DEFAULTS`; without it the last ones hold, and of those nothing of others before.
                let from = rest.iter().position(|word| *word == "from");
                let from = from.and_then(|at| rest.get(at + 1));
                self.section_server = match from {
                    Some(name) => self.named_defaults.get(*name).cloned().unwrap_or_default(),
                    None if *first == "defaults" => Vec::new(),
                    None => self.defaults_server.clone(),
                };
                if *first == "defaults" {
                    self.keep_defaults();
                }
            }
            "crt-base" | "key-base" | "load" if self.section == "crt-store" => {
                let bases = [self.certificate_base.as_str(), self.key_base.as_str()];
                self.stores.take(first, rest, bases, number);
            }
            "crt-base" => self.certificate_base = value.to_owned(),
            "ca-base" => self.trust_base = value.to_owned(),
            "key-base" => self.key_base = value.to_owned(),
            "bind" => self.bind(rest, number, found),
            "server" | "peer" | "server-template" => self.server(rest, number, found),
            "default-server" => {
                let own = rest.iter().map(|word| (*word).to_owned());
                self.section_server.extend(own);
                if self.section == "defaults" {
                    self.keep_defaults();
                }
            }
            "setenv" | "presetenv" | "unsetenv" | "resetenv" => self.variables.take(first, rest),
            name if self.section == "global" => self.global(name, rest, number, found),
            _ => {}
        }
    }

    /// What a section of defaults says by now holds for those that follow, or name it.
    fn keep_defaults(&mut self) {
        self.defaults_server.clone_from(&self.section_server);
        if self.named_defaults.len() < MAX_DEFAULTS {
            self.named_defaults
                .insert(self.name.clone(), self.section_server.clone());
        }
    }

    fn global(&mut self, name: &str, rest: &[&str], number: u64, found: &mut Fragment) {
        let value = rest.first().copied().unwrap_or_default();
        let (options, setting) = match name.strip_prefix("ssl-default-bind-") {
            Some(setting) => (&mut self.bind, setting),
            None => match name.strip_prefix("ssl-default-server-") {
                Some(setting) => (&mut self.server, setting),
                None => {
                    match name {
                        "ssl-dh-param-file" => {
                            self.files
                                .push((Names::Other, value.to_owned(), number, "ssl-dh-param-file"));
                        }
                        "ssl-engine" => self.facts.push(("engine", rest.join(" "))),
                        "ssl-provider" => self.facts.push(("provider", rest.join(" "))),
                        "ssl-security-level" => self.facts.push(("security-level", value.to_owned())),
                        "tune.ssl.default-dh-param" => self.facts.push(("dh-bits", value.to_owned())),
                        "ssl-server-verify" => self.server.verify = Some(value.to_owned()),
                        _ => return,
                    }
                    self.global_line.get_or_insert(number);
                    return;
                }
            },
        };
        self.global_line.get_or_insert(number);
        match setting {
            "options" => options.read(rest, number, ["", "", ""], found),
            _ => options.read(&[setting, value], number, ["", "", ""], found),
        }
    }

    fn bind(&mut self, rest: &[&str], number: u64, found: &mut Fragment) {
        let Some((address, words)) = rest.split_first() else {
            return;
        };
        if !words.contains(&"ssl") {
            return;
        }
        let mut options = Options::default();
        options.read(
            words,
            number,
            [&self.certificate_base, &self.trust_base, &self.key_base],
            found,
        );
        self.stores.resolve(&mut options.files);
        let mut service = Service::new("HAProxy bind", format!("{} {address}", self.name).trim(), number);
        for address in address.split(',').take(64) {
            let address = address.rsplit('@').next().unwrap_or(address);
            let (host, port) = address.rsplit_once(':').unwrap_or((address, ""));
            let host = if matches!(host, "" | "*" | "0.0.0.0" | "::" | "[::]") {
                "*"
            } else {
                host
            };
            service.endpoints.insert(match port {
                "" => format!("tls+unix:{host}"),
                port => format!("tls://{host}:{port}"),
            });
        }
        service.authenticated = options.verify.as_deref().map(|verify| verify != "none");
        if options.verify.is_none() {
            service.not_stated("client authentication");
        }
        let defaults = self.bind.clone();
        options.tell(defaults, service, number, found);
    }

    fn server(&mut self, rest: &[&str], number: u64, found: &mut Fragment) {
        let default: Vec<&str> = self.section_server.iter().map(String::as_str).collect();
        let own = rest.get(2..).unwrap_or_default();
        if own.contains(&"no-ssl") || !(own.contains(&"ssl") || default.contains(&"ssl")) {
            return;
        }
        let words: Vec<&str> = default.iter().chain(own).copied().collect();
        let mut options = Options::default();
        options.read(
            &words,
            number,
            [&self.certificate_base, &self.trust_base, &self.key_base],
            found,
        );
        self.stores.resolve(&mut options.files);
        let (name, address) = (
            rest.first().copied().unwrap_or_default(),
            rest.get(1).copied().unwrap_or_default(),
        );
        let mut service = Service::new("HAProxy client", format!("{} {name}", self.name).trim(), number);
        service.fact("connects-to", address);
        let verify = options.verify.clone().or_else(|| self.server.verify.clone());
        match verify.as_deref() {
            Some(verify) => service.fact("verifies-server", if verify == "none" { "no" } else { "yes" }),
            None => service.not_stated("verification of the server"),
        }
        let defaults = self.server.clone();
        options.tell(defaults, service, number, found);
    }

    /// What holds for every line that says nothing else.
    fn globals(self, found: &mut Fragment) {
        self.stores.tell(found);
        let Some(line) = self.global_line else { return };
        for (what, options) in [
            ("HAProxy bind defaults", self.bind),
            ("HAProxy server defaults", self.server),
        ] {
            let shared = what == "HAProxy bind defaults" && !(self.files.is_empty() && self.facts.is_empty());
            if options.tls.is_silent() && options.facts.is_empty() && !shared {
                continue;
            }
            let mut service = Service::new(what, "", line);
            if shared {
                for (names, path, line, directive) in &self.files {
                    service.file(*names, path, *line, directive);
                }
                for (name, value) in &self.facts {
                    service.fact(name, value.clone());
                }
            }
            options.tell(Options::default(), service, line, found);
        }
    }
}

#[cfg(test)]
mod tests;
