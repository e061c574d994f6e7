//! nginx: servers that speak TLS, what they inherit, and what is spoken to the servers behind them.

use super::command;
use super::report::{Names, Said, Service, Tls, version};
use super::text;
use crate::inventory::{Fragment, Reason};
use crate::scan::{File, Piece, Scanner, Trigger};

mod about;
mod maps;
mod syntax;
#[cfg(test)]
mod tests;

use self::about::{is_program, speaks_of_tls};
use self::maps::Maps;
use self::syntax::{Directive, parse};

/// Configuration of nginx, OpenResty, Angie, Tengine.
#[derive(Debug)]
pub struct Nginx;

/// The most endpoints of one server: each address counts once for each name.
const MAX_ENDPOINTS: usize = 1024;
/// Deepest nesting of blocks that is followed.
const MAX_DEPTH: usize = 32;

impl Scanner for Nginx {
    fn name(&self) -> &'static str {
        "nginx"
    }

    fn version(&self) -> u32 {
        3
    }

    fn triggers(&self) -> &[Trigger] {
        &[
            Trigger::FileName("nginx.conf"),
            Trigger::PathContains("/nginx/"),
            Trigger::PathContains("/openresty/"),
            Trigger::PathContains("/angie/"),
            Trigger::Extension("conf"),
            Trigger::Extension("nginx"),
            Trigger::Extension("vhost"),
        ]
    }

    fn scan(&self, piece: &Piece<'_>, found: &mut Fragment) {
        let Piece::File(file) = piece else { return };
        if !speaks_of_tls(file.bytes) || is_program(&file.extension()) {
            return;
        }
        let Some(text) = text::of(file, found) else { return };
        let (directives, problems) = parse(&text);
        // The same words stand in the configuration of others.
        let is_nginx =
            file.name.eq_ignore_ascii_case("nginx.conf") || directives.iter().any(Directive::is_nginx);
        if !is_nginx {
            return;
        }
        for (line, what) in problems {
            found.unread(Reason::Malformed, Some(line), what);
        }
        let maps = maps::of(&directives);
        let spent = false;
        let mut walk = Walk {
            file,
            found,
            maps,
            spent,
        };
        walk.block(&directives, &Scope::default(), "", 0);
    }
}

/// What blocks inherit.
#[derive(Clone, Default)]
struct Scope {
    tls: Tls,
    /// What is spoken to the servers behind.
    behind: Tls,
    /// Files, and how they are named, with their lines.
    files: Vec<(Names, String, u64, String)>,
    behind_files: Vec<(Names, String, u64, String)>,
    facts: Vec<(&'static str, String)>,
    verifies: Option<bool>,
    behind_verifies: Option<bool>,
    /// Whether TLS may be begun on a connection without it (`mail`).
    starttls: Option<bool>,
    /// The name of the nearest server around.
    server: String,
}

struct Walk<'a, 'f> {
    file: &'a File<'a>,
    found: &'f mut Fragment,
    maps: Maps,
    /// Whether there is no time left, which is told once.
    spent: bool,
}

impl Walk<'_, '_> {
    fn block(&mut self, directives: &[Directive], outer: &Scope, kind: &str, line: u64) {
        if self.spent {
            return;
        }
        if self.file.budget.is_spent() {
            self.spent = true;
            let what = "the blocks from here on";
            return self.found.unread(Reason::TimedOut, Some(line), what);
        }
        let mut own = Scope::default();
        let mut listens: Vec<(&Directive, bool)> = Vec::new();
        let mut names: Vec<&str> = Vec::new();
        let mut connects: Vec<&Directive> = Vec::new();
        let mut on = false;
        // In a stream the scheme does not say it.
        let any_pass = directives
            .iter()
            .any(|directive| directive.name == "proxy_ssl" && directive.args == ["on"]);
        for directive in directives.iter().filter(|directive| directive.block.is_none()) {
            let value = directive.args.first().map_or("", String::as_str);
            match directive.name.as_str() {
                "listen" => {
                    let flag = |name: &str| directive.args.iter().skip(1).any(|arg| arg == name);
                    listens.push((directive, flag("ssl") || flag("quic")));
                }
                "server_name" => names.extend(directive.args.iter().map(String::as_str)),
                "ssl" => on = value == "on",
                "starttls" => own.starttls = Some(value != "off"),
                "proxy_pass" | "grpc_pass" | "uwsgi_pass"
                    if any_pass
                        || ["https://", "grpcs://", "suwsgi://"]
                            .iter()
                            .any(|scheme| value.starts_with(scheme)) =>
                {
                    connects.push(directive);
                }
                "include" => own.files.push((
                    Names::Other,
                    value.to_owned(),
                    directive.line,
                    "include".to_owned(),
                )),
                name => own.take(name, directive, self.found),
            }
        }
        let is_server = kind == "server";
        if is_server {
            own.server = names
                .iter()
                .find(|name| **name != "_" && !name.starts_with('~'))
                .map_or_else(
                    || {
                        listens
                            .first()
                            .map_or_else(String::new, |(listen, _)| listen.args.join(" "))
                    },
                    |name| (*name).to_owned(),
                );
        }
        let says = own.says();
        let scope = own.within(outer);
        let speaks = on || scope.starttls == Some(true) || listens.iter().any(|(_, tls)| *tls);
        let shows = says && scope.files.iter().any(|(names, ..)| *names == Names::Certificate);
        // Without a `listen` in this file another one may say that it speaks TLS.
        if is_server && (speaks || shows && listens.is_empty()) {
            self.server(&scope, &listens, &names, line);
        } else if is_server && shows {
            let mut service = Service::new("nginx server", scope.server.clone(), line);
            scope.put(&mut service, &scope.files, scope.verifies, &self.maps);
            service.fact("not-in-effect", "no listen of this server in this file has ssl");
            service.tell(self.found);
        } else if !is_server && says {
            // What the files that are included, or the servers in other files, inherit.
            let mut service = Service::new(
                "nginx defaults",
                kind,
                directives.first().map_or(1, |first| first.line),
            );
            scope.put(&mut service, &scope.files, scope.verifies, &self.maps);
            scope.tls.clone().tell(service, self.found);
        }
        if !connects.is_empty() {
            self.client(&scope, &connects);
        }
        for directive in directives {
            if let Some(inside) = &directive.block
                && !matches!(
                    directive.name.as_str(),
                    "map" | "geo" | "types" | "upstream" | "split_clients"
                )
            {
                self.block(inside, &scope, &directive.name, directive.line);
            }
        }
    }

    fn server(&mut self, scope: &Scope, listens: &[(&Directive, bool)], names: &[&str], line: u64) {
        let mut service = Service::new("nginx server", scope.server.clone(), line);
        let only_marked = listens.iter().any(|(_, tls)| *tls);
        for (listen, tls) in listens.iter().take(256) {
            if only_marked && !tls || service.endpoints.len() > MAX_ENDPOINTS {
                continue;
            }
            service.seen(listen.line, "listen");
            let address = listen.args.first().map_or("", String::as_str);
            let (host, port) = endpoint(address);
            if listen.args.iter().any(|arg| arg == "quic") {
                service.fact("transport", "quic");
            }
            let real = names
                .iter()
                .filter(|name| **name != "_" && !name.starts_with('~') && !name.is_empty());
            let named: Vec<String> = real
                .take(256)
                .map(|name| format!("tls://{name}:{port}"))
                .collect();
            match host {
                host if host.starts_with("unix:") => {
                    service.endpoints.insert(format!("tls+{host}"));
                }
                "" | "*" | "0.0.0.0" | "[::]" if !named.is_empty() => service.endpoints.extend(named),
                "" => {
                    service.endpoints.insert(format!("tls://*:{port}"));
                }
                host => {
                    service.endpoints.insert(format!("tls://{host}:{port}"));
                    service.endpoints.extend(named);
                }
            }
        }
        scope.put(&mut service, &scope.files, scope.verifies, &self.maps);
        if scope.verifies.is_none() {
            service.not_stated("client authentication");
        }
        if !scope.files.iter().any(|(names, ..)| *names == Names::Certificate) {
            service.fact("not-stated", "certificate: none is named in this file");
        }
        scope.tls.clone().tell(service, self.found);
    }

    fn client(&mut self, scope: &Scope, connects: &[&Directive]) {
        let line = connects.first().map_or(1, |first| first.line);
        let mut service = Service::new("nginx client", scope.server.clone(), line);
        for directive in connects.iter().take(256) {
            service.seen(directive.line, &directive.name);
            service.fact("connects-to", directive.args.first().cloned().unwrap_or_default());
        }
        match scope.behind_verifies {
            Some(verifies) => service.fact("verifies-server", if verifies { "yes" } else { "no" }),
            None => service.not_stated("verification of the server"),
        }
        scope.put(&mut service, &scope.behind_files, None, &self.maps);
        scope.behind.clone().tell(service, self.found);
    }
}

/// Host and port of a `listen`.
fn endpoint(address: &str) -> (&str, &str) {
    if address.starts_with("unix:") {
        return (address, "");
    }
    if !address.is_empty() && address.bytes().all(|byte| byte.is_ascii_digit()) {
        return ("", address);
    }
    match address.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port),
        _ => (address, "80"),
    }
}

impl Scope {
    /// Takes one simple directive. nginx refuses most that stand twice; the first is taken.
    fn take(&mut self, name: &str, directive: &Directive, found: &mut Fragment) {
        let line = directive.line;
        let value = directive.args.first().map_or("", String::as_str);
        let all = directive.args.join(" ");
        let (behind, rest) = ["proxy_", "grpc_", "uwsgi_"]
            .iter()
            .find_map(|prefix| {
                Some((
                    true,
                    name.strip_prefix(prefix)
                        .filter(|rest| rest.starts_with("ssl_"))?,
                ))
            })
            .unwrap_or((false, name));
        let (tls, files, verifies) = match behind {
            true => (
                &mut self.behind,
                &mut self.behind_files,
                &mut self.behind_verifies,
            ),
            false => (&mut self.tls, &mut self.files, &mut self.verifies),
        };
        let mut file = |names: Names| files.push((names, value.to_owned(), line, name.to_owned()));
        match rest {
            "ssl_protocols" => {
                let on = directive.args.iter().filter_map(|arg| version(arg)).collect();
                for unknown in directive.args.iter().filter(|arg| version(arg).is_none()) {
                    let what = format!("the version {}", super::report::shortened(unknown.clone()));
                    found.unread(Reason::Unsupported, Some(line), what);
                }
                tls.versions.get_or_insert(Said { value: on, line });
            }
            "ssl_ciphers" => {
                tls.cipher_string.get_or_insert(Said::new(all, line));
            }
            "ssl_ecdh_curve" => {
                tls.groups.get_or_insert(Said::new(all, line));
            }
            "ssl_conf_command" => {
                let mut aside = Service::new("", "", line);
                let value = directive.args.get(1).map_or("", String::as_str);
                if !command::take(
                    tls,
                    &mut aside,
                    directive.args.first().map_or("", String::as_str),
                    value,
                    line,
                ) {
                    self.facts.push(("conf-command", all));
                }
            }
            "ssl_certificate" => file(Names::Certificate),
            "ssl_certificate_key" => file(Names::Key),
            "ssl_client_certificate" | "ssl_trusted_certificate" => file(Names::Trust),
            "ssl_crl"
            | "ssl_dhparam"
            | "ssl_session_ticket_key"
            | "ssl_password_file"
            | "ssl_stapling_file" => {
                file(Names::Other);
            }
            "ssl_verify_client" => *verifies = Some(value != "off"),
            "ssl_verify" => *verifies = Some(value == "on"),
            "ssl_early_data" if value == "on" => self.facts.push(("early-data", "on".to_owned())),
            _ => {}
        }
    }

    fn says(&self) -> bool {
        !self.tls.is_silent()
            || self.files.iter().any(|(names, ..)| *names != Names::Other)
            || self.files.iter().any(|(.., directive)| directive != "include")
    }

    /// With what is said further out. A list of certificates that stands here takes the place of the outer one.
    fn within(mut self, outer: &Self) -> Self {
        self.tls = self.tls.or(&outer.tls);
        self.behind = self.behind.or(&outer.behind);
        for (own, theirs) in [
            (&mut self.files, &outer.files),
            (&mut self.behind_files, &outer.behind_files),
        ] {
            let replaced: Vec<String> = own.iter().map(|(.., directive)| directive.clone()).collect();
            let kept = theirs
                .iter()
                .filter(|(.., directive)| directive != "include" && !replaced.contains(directive));
            own.extend(kept.cloned());
        }
        self.verifies = self.verifies.or(outer.verifies);
        self.behind_verifies = self.behind_verifies.or(outer.behind_verifies);
        self.starttls = self.starttls.or(outer.starttls);
        self.facts.extend(outer.facts.iter().cloned());
        if self.server.is_empty() {
            self.server.clone_from(&outer.server);
        }
        self
    }

    fn put(
        &self,
        service: &mut Service,
        files: &[(Names, String, u64, String)],
        authenticated: Option<bool>,
        maps: &Maps,
    ) {
        for (names, path, line, directive) in files {
            match maps.values(path) {
                Some(paths) => paths
                    .iter()
                    .for_each(|path| service.file(*names, path, *line, directive)),
                None => service.file(*names, path, *line, directive),
            }
        }
        for (name, value) in &self.facts {
            service.fact(name, value.clone());
        }
        service.authenticated = authenticated;
    }
}
