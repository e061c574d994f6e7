//! Apache httpd: virtual hosts that speak TLS, what they inherit from the main server, and what a proxy speaks to the
//! servers behind it.

use super::command;
use super::report::{Names, Said, Service, Tls};
use super::text;
use crate::inventory::{Fragment, Reason};
use crate::scan::{Piece, Scanner, Trigger};

mod values;

/// Configuration of Apache httpd with mod_ssl.
#[derive(Debug)]
pub struct Apache;

/// The most endpoints of one virtual host: each address counts once for each name.
const MAX_ENDPOINTS: usize = 1024;
/// Most virtual hosts of one file.
const MAX_HOSTS: usize = 10_000;

impl Scanner for Apache {
    fn name(&self) -> &'static str {
        "apache"
    }

    fn version(&self) -> u32 {
        2
    }

    fn triggers(&self) -> &[Trigger] {
        &[
            Trigger::FileName("httpd.conf"),
            Trigger::FileName(".htaccess"),
            Trigger::Extension("conf"),
            Trigger::Extension("vhost"),
            Trigger::PathContains("/apache2/"),
            Trigger::PathContains("/httpd/"),
        ]
    }

    fn scan(&self, piece: &Piece<'_>, found: &mut Fragment) {
        let Piece::File(file) = piece else { return };
        if !speaks_of_mod_ssl(file.bytes)
            || matches!(
                &*file.extension(),
                "c" | "h" | "html" | "xml" | "log" | "md" | "js"
            )
        {
            return;
        }
        let Some(text) = text::in_lines(file, found) else {
            return;
        };
        let (main, hosts) = read(&text, found);
        if main.says() {
            let mut service = Service::new("Apache httpd defaults", "", main.line.max(1));
            main.put(&mut service);
            main.tls.clone().tell(service, found);
        }
        main.client("main server", &main, found);
        for host in hosts {
            if file.budget.is_spent() {
                return found.unread(
                    Reason::TimedOut,
                    Some(host.line),
                    "the virtual hosts from here on",
                );
            }
            host.tell(&main, found);
        }
    }
}

fn speaks_of_mod_ssl(bytes: &[u8]) -> bool {
    let words = [
        &b"SSLEngine"[..],
        b"SSLProtocol",
        b"SSLCipherSuite",
        b"SSLCertificate",
        b"SSLProxy",
        b"SSLOpenSSLConfCmd",
        b"MDPrivateKeys",
        b"sslengine",
    ];
    words
        .iter()
        .any(|word| memchr::memmem::find(bytes, word).is_some())
}

/// The main server, or one virtual host.
#[derive(Default)]
struct Host {
    line: u64,
    addresses: Vec<String>,
    names: Vec<String>,
    engine: Option<bool>,
    tls: Tls,
    files: Vec<(Names, String, u64, String)>,
    verifies: Option<bool>,
    facts: Vec<(&'static str, String)>,
    proxy: Tls,
    proxy_engine: Option<u64>,
    proxy_files: Vec<(Names, String, u64, String)>,
    proxy_verifies: Option<bool>,
    connects: Vec<(String, u64)>,
}

fn read(text: &str, found: &mut Fragment) -> (Host, Vec<Host>) {
    let mut main = Host::default();
    let mut hosts: Vec<Host> = Vec::new();
    let mut host: Option<Host> = None;
    // Sections that hold for a part of the server only.
    let mut parts: Vec<(String, u64)> = Vec::new();
    for line in text::joined(text) {
        let plain = line.text.trim();
        if plain.is_empty() || plain.starts_with('#') {
            continue;
        }
        let Some(words) = text::words(plain) else {
            // Of no directive that matters here an unclosed quote is part.
            if plain.to_ascii_lowercase().starts_with("ssl") {
                found.unread(Reason::Malformed, Some(line.number), "a quote without its end");
            }
            continue;
        };
        let Some((name, args)) = words.split_first() else {
            continue;
        };
        let name = name.to_ascii_lowercase();
        if let Some(section) = name.strip_prefix("</") {
            let section = section.trim_end_matches('>');
            if section == "virtualhost" {
                match host.take() {
                    Some(done) if hosts.len() < MAX_HOSTS => hosts.push(done),
                    Some(_) => found.unread(
                        Reason::TooLarge,
                        Some(line.number),
                        "more virtual hosts than are read",
                    ),
                    None => found.unread(
                        Reason::Malformed,
                        Some(line.number),
                        "the end of a virtual host that did not begin",
                    ),
                }
            } else if parts.last().is_some_and(|(open, _)| open == section) {
                parts.pop();
            }
            continue;
        }
        if let Some(section) = name.strip_prefix('<') {
            let section = section.trim_end_matches('>').to_owned();
            if section == "virtualhost" {
                if let Some(open) = host.take() {
                    found.unread(
                        Reason::Malformed,
                        Some(open.line),
                        "a virtual host without its end",
                    );
                    hosts.push(open);
                }
                let addresses = args.iter().map(|arg| arg.trim_end_matches('>').to_owned());
                host = Some(Host {
                    line: line.number,
                    addresses: addresses.filter(|address| !address.is_empty()).collect(),
                    ..Host::default()
                });
            } else if matches!(
                section.as_str(),
                "directory"
                    | "directorymatch"
                    | "location"
                    | "locationmatch"
                    | "files"
                    | "filesmatch"
                    | "if"
                    | "else"
                    | "elseif"
            ) {
                parts.push((section, line.number));
            }
            continue;
        }
        let within = parts.last().map(|(section, _)| section.as_str());
        host.as_mut()
            .unwrap_or(&mut main)
            .take(&name, args, line.number, within, found);
    }
    if let Some(open) = host {
        found.unread(
            Reason::Malformed,
            Some(open.line),
            "a virtual host without its end",
        );
        hosts.push(open);
    }
    (main, hosts)
}

impl Host {
    fn take(&mut self, name: &str, args: &[String], line: u64, within: Option<&str>, found: &mut Fragment) {
        let first = args.first().map_or("", String::as_str);
        let all = args.join(" ");
        if name.starts_with("ssl") && self.line == 0 {
            self.line = line;
        }
        let (proxy, rest) = match name.strip_prefix("sslproxy") {
            Some(rest) => (true, rest),
            None => (false, name.strip_prefix("ssl").unwrap_or("")),
        };
        let (tls, files, verifies) = match proxy {
            true => (&mut self.proxy, &mut self.proxy_files, &mut self.proxy_verifies),
            false => (&mut self.tls, &mut self.files, &mut self.verifies),
        };
        let mut file = |names: Names| files.push((names, first.to_owned(), line, name.to_owned()));
        match (name, rest) {
            ("servername" | "serveralias", _) => self.names.extend(args.iter().cloned()),
            ("include" | "includeoptional", _) => self.facts.push(("refers-to", first.to_owned())),
            ("proxypass" | "proxypassmatch" | "balancermember" | "proxyset", _) => {
                let secure = |arg: &&String| arg.starts_with("https://") || arg.starts_with("wss://");
                self.connects
                    .extend(args.iter().filter(secure).map(|to| (to.clone(), line)));
            }
            ("mdprivatekeys", _) => values::made(args, line, found),
            ("mdcertificatefile", _) => file(Names::Certificate),
            ("mdcertificatekeyfile", _) => file(Names::Key),
            (_, "engine") => match proxy {
                true => self.proxy_engine = first.eq_ignore_ascii_case("on").then_some(line),
                false => {
                    self.engine =
                        Some(first.eq_ignore_ascii_case("on") || first.eq_ignore_ascii_case("optional"));
                }
            },
            (_, "protocol") => {
                let (on, open) = values::protocols(args, line, found);
                if open {
                    self.facts.push((
                        "not-stated",
                        "versions: what `all` stands for is the program's".to_owned(),
                    ));
                }
                tls.versions = Some(Said { value: on, line });
            }
            (_, "ciphersuite") => match args {
                [which, list] if which.eq_ignore_ascii_case("TLSv1.3") => {
                    tls.suites = Some(Said::new(command::names(list), line));
                }
                [which, list] if which.eq_ignore_ascii_case("SSL") => {
                    tls.cipher_string = Some(Said::new(list.clone(), line));
                }
                // In a directory it is asked for by a renegotiation.
                _ if within.is_some() => self.facts.push(("cipher-string-of-a-part", all)),
                _ => tls.cipher_string = Some(Said::new(all, line)),
            },
            (_, "opensslconfcmd") => {
                let mut aside = Service::new("", "", line);
                let value = args.get(1).map_or("", String::as_str);
                if !command::take(tls, &mut aside, first, value, line) {
                    self.facts.push(("conf-command", all));
                }
            }
            (_, "certificatefile" | "machinecertificatefile" | "machinecertificatepath") => {
                file(Names::Certificate);
            }
            (_, "certificatekeyfile") => file(Names::Key),
            (_, "cacertificatefile" | "cacertificatepath" | "machinecertificatechainfile") => {
                file(Names::Trust);
            }
            (
                _,
                "certificatechainfile"
                | "carevocationfile"
                | "carevocationpath"
                | "cadnrequestfile"
                | "sessionticketkeyfile",
            ) => {
                file(Names::Other);
            }
            (_, "verifyclient") if within.is_some() => {
                self.facts.push(("verifies-clients-of-a-part", first.to_owned()));
            }
            (_, "verifyclient") => *verifies = Some(!first.eq_ignore_ascii_case("none")),
            (_, "verify") if proxy => *verifies = Some(first.eq_ignore_ascii_case("require")),
            (_, "cryptodevice") if !first.eq_ignore_ascii_case("builtin") => {
                self.facts.push(("engine", first.to_owned()));
            }
            _ => {}
        }
    }

    fn says(&self) -> bool {
        !self.tls.is_silent() || !self.files.is_empty()
    }

    fn put(&self, service: &mut Service) {
        for (names, path, line, directive) in &self.files {
            service.file(*names, path, *line, directive);
        }
        for (name, value) in &self.facts {
            service.fact(name, value.clone());
        }
        service.authenticated = self.verifies;
    }

    fn name(&self) -> String {
        let address = self.addresses.first().cloned().unwrap_or_default();
        self.names.first().cloned().unwrap_or(address)
    }

    fn tell(mut self, main: &Self, found: &mut Fragment) {
        let name = self.name();
        self.client(&name, main, found);
        if !self.engine.or(main.engine).unwrap_or_else(|| self.says()) {
            return;
        }
        let mut service = Service::new("Apache httpd virtual host", name, self.line);
        if self.engine.or(main.engine).is_none() {
            service.fact("not-in-effect", "SSLEngine is not on in this file");
        }
        for address in self.addresses.iter().take(256) {
            if service.endpoints.len() > MAX_ENDPOINTS {
                break;
            }
            let (host, port) = match address.rsplit_once(':') {
                Some((host, port)) if !port.contains(']') => (host, port),
                _ => (address.as_str(), "443"),
            };
            let named = self
                .names
                .iter()
                .map(|name| name.split(':').next().unwrap_or(name));
            match host {
                "*" | "_default_" | "0.0.0.0" | "[::]" if !self.names.is_empty() => {
                    service
                        .endpoints
                        .extend(named.take(256).map(|name| format!("tls://{name}:{port}")));
                }
                "_default_" => {
                    service.endpoints.insert(format!("tls://*:{port}"));
                }
                host => {
                    service.endpoints.insert(format!("tls://{host}:{port}"));
                }
            }
        }
        let replaced: Vec<String> = self
            .files
            .iter()
            .map(|(.., directive)| directive.clone())
            .collect();
        let inherited = main
            .files
            .iter()
            .filter(|(.., directive)| !replaced.contains(directive));
        self.files.extend(inherited.cloned());
        self.verifies = self.verifies.or(main.verifies);
        if self.verifies.is_none() {
            service.not_stated("client authentication");
        }
        self.put(&mut service);
        std::mem::take(&mut self.tls).or(&main.tls).tell(service, found);
    }

    /// What it speaks to servers behind it.
    fn client(&self, name: &str, main: &Self, found: &mut Fragment) {
        let Some(line) = self.proxy_engine.or(self.connects.first().map(|(_, line)| *line)) else {
            return;
        };
        let mut service = Service::new("Apache httpd proxy", name, line);
        for (to, line) in self.connects.iter().take(256) {
            service.fact("connects-to", to.clone());
            service.seen(*line, "ProxyPass");
        }
        for (names, path, line, directive) in self.proxy_files.iter().chain(&main.proxy_files) {
            service.file(*names, path, *line, directive);
        }
        match self.proxy_verifies.or(main.proxy_verifies) {
            Some(verifies) => service.fact("verifies-server", if verifies { "yes" } else { "no" }),
            None => service.not_stated("verification of the server"),
        }
        self.proxy.clone().or(&main.proxy).tell(service, found);
    }
}

#[cfg(test)]
mod tests;
