//! `swanctl.conf`: nested sections of `key = value`.

use super::{Connection, Names, secret};
use crate::config::report::Service;
use crate::config::text;
use crate::inventory::{AssetId, Fragment, Reason, Role};
use crate::scan::File;

/// Deepest nesting that is followed.
const MAX_DEPTH: usize = 16;

/// One setting with the sections around it.
struct Setting {
    path: Vec<String>,
    key: String,
    value: String,
    line: u64,
}

pub(super) fn read(text: &str, file: &File<'_>, found: &mut Fragment) {
    let (settings, sections) = settings(text, found);
    let inside = |prefix: &[&str]| {
        let prefix: Vec<String> = prefix.iter().map(|part| (*part).to_owned()).collect();
        settings
            .iter()
            .filter(move |setting| setting.path.starts_with(&prefix))
            .collect::<Vec<_>>()
    };
    for (path, line) in &sections {
        if file.budget.is_spent() {
            return found.unread(Reason::TimedOut, Some(*line), "the sections from here on");
        }
        let [top, name] = path.as_slice() else { continue };
        match top.as_str() {
            "connections" => connection(name, *line, &inside(&["connections", name])).tell(found),
            "authorities" => {
                let mut service = Service::new("IPsec authority", name.clone(), *line);
                for setting in inside(&["authorities", name])
                    .iter()
                    .filter(|setting| matches!(setting.key.as_str(), "cacert" | "file"))
                {
                    service.file(Names::Trust, &setting.value, setting.line, "cacert");
                }
                service.tell(found);
            }
            "secrets" => secrets(name, *line, &inside(&["secrets", name]), file, found),
            _ => {}
        }
    }
    for setting in settings.iter().filter(|setting| setting.key == "include") {
        let mut service = Service::new("IPsec configuration", "", setting.line);
        service.file(Names::Other, &setting.value, setting.line, "include");
        service.tell(found);
    }
}

fn connection(name: &str, line: u64, settings: &[&Setting]) -> Connection {
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

fn secrets(name: &str, line: u64, settings: &[&Setting], file: &File<'_>, found: &mut Fragment) {
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

/// All settings, and all sections of the second level with their lines.
fn settings(text: &str, found: &mut Fragment) -> (Vec<Setting>, Vec<(Vec<String>, u64)>) {
    let mut settings: Vec<Setting> = Vec::new();
    let mut sections: Vec<(Vec<String>, u64)> = Vec::new();
    let mut path: Vec<(String, u64)> = Vec::new();
    let mut too_deep = 0_usize;
    for line in text::joined(text) {
        let mut rest = text::before_comment(&line.text, '#').trim();
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix('}') {
                match too_deep {
                    0 if path.pop().is_none() => {
                        found.unread(
                            Reason::Malformed,
                            Some(line.number),
                            "a brace that closes nothing",
                        );
                    }
                    0 => {}
                    _ => too_deep -= 1,
                }
                rest = after.trim_start();
                continue;
            }
            let brace = rest.find('{');
            let equals = rest.find('=');
            let opens = brace.filter(|brace| equals.is_none_or(|equals| *brace < equals));
            if let Some(at) = opens {
                let (name, after) = rest.split_at_checked(at).unwrap_or((rest, ""));
                // `name : template { … }` takes over the settings of another section.
                let name = name.split(':').next().unwrap_or(name).trim();
                rest = after.get(1..).unwrap_or_default().trim_start();
                if path.len() >= MAX_DEPTH {
                    if too_deep == 0 {
                        found.unread(Reason::TooDeep, Some(line.number), "sections nested this deeply");
                    }
                    too_deep += 1;
                    continue;
                }
                path.push((name.to_owned(), line.number));
                if path.len() == 2 {
                    sections.push((path.iter().map(|(name, _)| name.clone()).collect(), line.number));
                }
                continue;
            }
            let Some((key, value)) = rest.split_once('=') else {
                match rest.strip_prefix("include ") {
                    Some(value) => settings.push(Setting {
                        path: Vec::new(),
                        key: "include".to_owned(),
                        value: text::unquoted(value).to_owned(),
                        line: line.number,
                    }),
                    None => found.unread(
                        Reason::Malformed,
                        Some(line.number),
                        "a line that assigns nothing",
                    ),
                }
                break;
            };
            // On one line the brace that closes may follow, unless the value is quoted.
            let value = value.trim();
            let (value, after) = match value.starts_with(['"', '\'']) {
                true => (value, ""),
                false => value
                    .find('}')
                    .and_then(|at| value.split_at_checked(at))
                    .unwrap_or((value, "")),
            };
            settings.push(Setting {
                path: path.iter().map(|(name, _)| name.clone()).collect(),
                key: key.trim().to_owned(),
                value: text::unquoted(value).to_owned(),
                line: line.number,
            });
            rest = after.trim_start();
        }
    }
    if let Some((_, line)) = path.first() {
        found.unread(Reason::Malformed, Some(*line), "a section without its end");
    }
    (settings, sections)
}
