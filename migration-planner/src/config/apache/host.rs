//! One virtual host, or the main server: what is said in it, and what it inherits.

use super::values;
use crate::config::command;
use crate::config::report::{Names, Said, Service, Tls};
use crate::inventory::{Fragment, Reason};

/// The most endpoints of one virtual host: each address counts once for each name.
const MAX_ENDPOINTS: usize = 1024;

/// The main server, or one virtual host.
#[derive(Default)]
pub(super) struct Host {
    pub(super) line: u64,
    pub(super) addresses: Vec<String>,
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

impl Host {
    /// One that begins here.
    pub(super) fn at(line: u64, addresses: Vec<String>) -> Self {
        Self {
            line,
            addresses,
            ..Self::default()
        }
    }

    /// Takes a directive, which may stand within a part of it.
    pub(super) fn take(
        &mut self,
        name: &str,
        args: &[String],
        line: u64,
        within: Option<&str>,
        found: &mut Fragment,
    ) {
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
        let speaks = matches!(rest, "protocol" | "ciphersuite" | "opensslconfcmd");
        if speaks && args.iter().any(|arg| arg.starts_with('$') || arg.contains("${")) {
            let what = format!("what variables of {name} stand for, which this file does not say");
            return found.unread(Reason::Unsupported, Some(line), what);
        }
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

    /// Adds it as what others inherit.
    pub(super) fn tell_defaults(&self, what: &'static str, name: &str, found: &mut Fragment) {
        if self.says() {
            let mut service = Service::new(what, name, self.line.max(1));
            self.put(&mut service);
            self.tls.clone().tell(service, found);
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

    /// Adds it, and what it speaks to servers behind it.
    pub(super) fn tell(mut self, main: &Self, found: &mut Fragment) {
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
    pub(super) fn client(&self, name: &str, main: &Self, found: &mut Fragment) {
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
