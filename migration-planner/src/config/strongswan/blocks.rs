//! `swanctl.conf`: nested sections of `key = value`.

use std::collections::BTreeSet;

use super::{Connection, Names, secret};
use crate::config::report::Service;
use crate::inventory::{AssetId, Fragment, Reason, Role};
use crate::scan::File;

mod syntax;
mod templates;

use self::syntax::{Setting, settings};
use self::templates::Templates;

pub(super) fn read(text: &str, file: &File<'_>, found: &mut Fragment) {
    let read = settings(text, found);
    let inherited = Templates::of(&read);
    let inside = |top: &str, name: &str| inherited.all(top, name);
    let mut told = BTreeSet::new();
    for (path, line) in &read.sections {
        if file.budget.is_spent() {
            return found.unread(Reason::TimedOut, Some(*line), "the sections from here on");
        }
        // A section that is opened again goes on.
        if !told.insert(path) {
            continue;
        }
        let [top, name] = path.as_slice() else { continue };
        match top.as_str() {
            "connections" => connection(name, *line, &inside("connections", name)).tell(found),
            "authorities" => {
                let mut service = Service::new("IPsec authority", name.clone(), *line);
                for setting in inside("authorities", name)
                    .iter()
                    .filter(|setting| matches!(setting.key.as_str(), "cacert" | "file"))
                {
                    service.file(Names::Trust, &setting.value, setting.line, "cacert");
                }
                service.tell(found);
            }
            "secrets" => secrets(name, *line, &inside("secrets", name), file, found),
            _ => {}
        }
    }
    for setting in read.settings.iter().filter(|setting| setting.key == "include") {
        let mut service = Service::new("IPsec configuration", "", setting.line);
        service.file(Names::Other, &setting.value, setting.line, "include");
        service.tell(found);
    }
}

fn connection(name: &str, line: u64, settings: &[Setting]) -> Connection {
    let mut connection = Connection {
        name: name.to_owned(),
        line,
        ..Connection::default()
    };
    for setting in settings {
        let (value, line) = (setting.value.clone(), setting.line);
        let side = setting.path.get(2).map_or("", String::as_str);
        match setting.key.as_str() {
            "version" => {
                connection.version = match value.as_str() {
                    "1" => Some("1"),
                    "2" => Some("2"),
                    _ => None,
                };
            }
            "proposals" => connection.ike.push((value, line)),
            "esp_proposals" | "ah_proposals" => connection.esp.push((value, line)),
            "certs" | "cert" | "pubkeys" => {
                let names = if side.starts_with("local") {
                    Names::Certificate
                } else {
                    Names::Trust
                };
                connection.list(names, &value, line, "certs");
            }
            "file" if side.starts_with("local") => connection.list(Names::Certificate, &value, line, "file"),
            "cacerts" | "cacert" => connection.list(Names::Trust, &value, line, "cacerts"),
            "auth" => connection
                .facts
                .push(("authentication", format!("{side} {value}"))),
            "ppk_id" => connection
                .facts
                .push(("post-quantum-preshared-key", format!("id {value}"))),
            "ppk_required" => connection
                .facts
                .push(("post-quantum-preshared-key", format!("required {value}"))),
            "childless" => connection.facts.push(("childless", value)),
            "remote_addrs" => connection.endpoint = Some(format!("ike://{value}")),
            _ => {}
        }
    }
    connection
}

impl Connection {
    fn list(&mut self, names: Names, value: &str, line: u64, directive: &'static str) {
        let paths = value
            .split(',')
            .map(str::trim)
            .filter(|path| !path.is_empty())
            .take(64);
        self.files
            .extend(paths.map(|path| (names, path.to_owned(), line, directive)));
    }
}

fn secrets(name: &str, line: u64, settings: &[Setting], file: &File<'_>, found: &mut Fragment) {
    let kind: String = name.chars().take_while(char::is_ascii_alphanumeric).collect();
    let kind: String = kind
        .trim_end_matches(|letter: char| letter.is_ascii_digit())
        .to_owned();
    let mut service = Service::new("IPsec secret", name, line);
    let mut kept: Vec<AssetId> = Vec::new();
    for setting in settings {
        match setting.key.as_str() {
            "secret" | "pin" => {
                kept.push(secret(
                    &kind,
                    &format!("secrets.{name}.{}", setting.key),
                    setting.line,
                    file,
                    found,
                ));
            }
            "file" => service.file(Names::Key, &setting.value, setting.line, "file"),
            "handle" | "module" | "slot" => {
                service.fact("token", format!("{} {}", setting.key, setting.value));
            }
            _ => {}
        }
    }
    let service = service.tell(found);
    for id in kept {
        found.connect(&service, Role::Uses, &id);
    }
}
