//! OpenSSH: what a server offers and what a client asks for.
//!
//! Lists that begin with `+`, `-` or `^` change the program's own defaults, which are not known from here: what is
//! added is inventoried, what is taken away is a fact, and the rest is said to be the program's.

use std::collections::BTreeMap;

use super::report::{MAX_LIST, Names, Service};
use super::text;
use crate::inventory::{Fragment, ProtocolDetail, ProtocolPart, Reason, Role};
use crate::scan::{File, Piece, Scanner, Trigger};

/// `sshd_config`, `ssh_config`, and what they include.
#[derive(Debug)]
pub struct SshConfig;

impl Scanner for SshConfig {
    fn name(&self) -> &'static str {
        "ssh-config"
    }

    fn version(&self) -> u32 {
        2
    }

    fn triggers(&self) -> &[Trigger] {
        &[
            Trigger::FileName("sshd_config"),
            Trigger::FileName("ssh_config"),
            Trigger::FileName("openssh.config"),
            Trigger::FileName("opensshserver.config"),
            Trigger::PathContains("/sshd_config.d/"),
            Trigger::PathContains("/ssh_config.d/"),
            Trigger::PathContains("/.ssh/"),
        ]
    }

    fn scan(&self, piece: &Piece<'_>, found: &mut Fragment) {
        let Piece::File(file) = piece else { return };
        let Some(server) = side(file) else { return };
        let Some(text) = text::in_lines(file, found) else {
            return;
        };
        let mut blocks: Vec<Block> = vec![Block::default()];
        for line in text::lines(&text) {
            let plain = line.text.trim();
            if plain.is_empty() || plain.starts_with('#') {
                continue;
            }
            if let Some(options) = plain.strip_prefix("CRYPTO_POLICY=") {
                // What crypto-policies wrote for the command line.
                let words = text::unquoted(options).split_whitespace();
                for option in words.filter_map(|word| word.strip_prefix("-o")) {
                    if let Some(block) = blocks.last_mut() {
                        block.take(option, line.number, found);
                    }
                }
                continue;
            }
            let (name, value) = keyword(plain);
            if name.eq_ignore_ascii_case("match") || name.eq_ignore_ascii_case("host") {
                if blocks.len() > 4096 {
                    return found.unread(Reason::TooLarge, Some(line.number), "more blocks than are read");
                }
                blocks.push(Block {
                    name: format!("{name} {value}"),
                    line: line.number,
                    ..Block::default()
                });
            } else if let Some(block) = blocks.last_mut() {
                block.take(plain, line.number, found);
            }
        }
        let whole = file.name.eq_ignore_ascii_case("sshd_config");
        for (at, block) in blocks.into_iter().enumerate() {
            if file.budget.is_spent() {
                return found.unread(Reason::TimedOut, Some(block.line), "the blocks from here on");
            }
            block.tell(server, whole && at == 0, found);
        }
    }
}

/// Whether it is a server's configuration; `None` when it is none at all.
fn side(file: &File<'_>) -> Option<bool> {
    let name = file.name.to_ascii_lowercase();
    let path = file.path.to_ascii_lowercase();
    match name.as_str() {
        "sshd_config" | "opensshserver.config" => Some(true),
        "ssh_config" | "openssh.config" => Some(false),
        "config" if path.ends_with("/.ssh/config") => Some(false),
        _ if path.contains("/sshd_config.d/") && !path.contains("/.ssh/") => Some(true),
        _ if path.contains("/ssh_config.d/") || path.contains("/.ssh/config.d/") => Some(false),
        _ => None,
    }
}

/// `Name value` or `Name=value`.
fn keyword(line: &str) -> (&str, &str) {
    let end = line
        .find(|letter: char| letter.is_whitespace() || letter == '=')
        .unwrap_or(line.len());
    let (name, rest) = line.split_at_checked(end).unwrap_or((line, ""));
    let rest = rest.trim_start();
    (name, rest.strip_prefix('=').unwrap_or(rest).trim())
}

/// The settings up to the next `Host` or `Match`.
#[derive(Default)]
struct Block {
    name: String,
    line: u64,
    /// By kind of list: the first that is said wins.
    lists: BTreeMap<&'static str, (String, u64)>,
    files: Vec<(Names, String, u64, String)>,
    facts: Vec<(&'static str, String)>,
    ports: Vec<String>,
    addresses: Vec<String>,
}

const KEX: &str = "key exchanges";
const HOST_KEYS: &str = "host key algorithms";
const CIPHERS: &str = "ciphers";
const MACS: &str = "macs";
const USER_KEYS: &str = "user key algorithms";
const AUTHORITIES: &str = "certificate authority algorithms";
const GSS: &str = "GSSAPI key exchanges";
const HOST_BASED: &str = "host-based key algorithms";

impl Block {
    fn take(&mut self, line: &str, number: u64, found: &mut Fragment) {
        let (name, value) = keyword(line);
        let list = match name.to_ascii_lowercase().as_str() {
            "kexalgorithms" => KEX,
            "hostkeyalgorithms" => HOST_KEYS,
            "ciphers" => CIPHERS,
            "macs" => MACS,
            "pubkeyacceptedalgorithms" | "pubkeyacceptedkeytypes" => USER_KEYS,
            "casignaturealgorithms" => AUTHORITIES,
            "gssapikexalgorithms" => GSS,
            "hostbasedacceptedalgorithms"
            | "hostbasedacceptedkeytypes"
            | "hostbasedkeytypes"
            | "hostbasedalgorithms" => HOST_BASED,
            other => return self.other(other, name, value, number, found),
        };
        let value = text::unquoted(value.split('#').next().unwrap_or(value)).to_owned();
        if value.is_empty() {
            return found.unread(Reason::Malformed, Some(number), format!("{name} without a list"));
        }
        self.lists.entry(list).or_insert((value, number));
    }

    fn other(&mut self, lower: &str, name: &str, value: &str, number: u64, found: &mut Fragment) {
        let Some(words) = text::words(value) else {
            return found.unread(Reason::Malformed, Some(number), "a quote without its end");
        };
        let names = match lower {
            "hostkey" | "identityfile" => Names::Key,
            "hostcertificate" | "certificatefile" => Names::Certificate,
            "trustedusercakeys" | "userknownhostsfile" | "globalknownhostsfile" => Names::Trust,
            "include"
            | "authorizedkeysfile"
            | "revokedkeys"
            | "revokedhostkeys"
            | "modulifile"
            | "pkcs11provider"
            | "securitykeyprovider"
            | "hostkeyagent" => Names::Other,
            "port" => return self.ports.extend(words),
            "listenaddress" => return self.addresses.extend(words.into_iter().take(1)),
            "requiredrsasize" | "rsaminsize" => {
                return self.facts.push(("minimum-rsa-bits", value.to_owned()));
            }
            "passwordauthentication" => {
                return self.facts.push(("password-authentication", value.to_owned()));
            }
            "pubkeyauthentication" => {
                return self.facts.push(("public-key-authentication", value.to_owned()));
            }
            "protocol" => return self.facts.push(("protocol", value.to_owned())),
            "stricthostkeychecking" => {
                return self.facts.push(("strict-host-key-checking", value.to_owned()));
            }
            "warnweakcrypto" => return self.facts.push(("warns-of-weak-cryptography", value.to_owned())),
            "hostname" => return self.facts.push(("connects-to", value.to_owned())),
            _ => return,
        };
        for path in words.iter().filter(|path| *path != "none").take(64) {
            self.files.push((names, path.clone(), number, name.to_owned()));
        }
    }

    fn tell(self, server: bool, always: bool, found: &mut Fragment) {
        let first_file = self.files.iter().map(|(_, _, line, _)| *line).min();
        let first_list = self.lists.values().map(|(_, line)| *line).min();
        let trusts_or_shows = self.files.iter().any(|(names, ..)| *names != Names::Other);
        if !always && self.lists.is_empty() && !trusts_or_shows {
            return;
        }
        let line = match self.line {
            0 => first_file.into_iter().chain(first_list).min().unwrap_or(1),
            line => line,
        };
        let what = if server { "SSH server" } else { "SSH client" };
        let mut service = Service::new(what, self.name.clone(), line);
        for (names, path, line, directive) in &self.files {
            service.file(*names, path, *line, directive);
        }
        for (name, value) in &self.facts {
            service.fact(name, value.clone());
        }
        let mut detail = ProtocolDetail {
            protocol: "ssh".to_owned(),
            ..ProtocolDetail::default()
        };
        for kind in [
            KEX,
            HOST_KEYS,
            CIPHERS,
            MACS,
            USER_KEYS,
            AUTHORITIES,
            GSS,
            HOST_BASED,
        ] {
            let Some((value, line)) = self.lists.get(kind) else {
                if matches!(kind, KEX | HOST_KEYS | CIPHERS | MACS | USER_KEYS) {
                    service.not_stated(kind);
                }
                continue;
            };
            service.seen(*line, kind);
            if text::has_variables(value) {
                let what = format!("the {kind}, which a template or a variable fills in");
                found.unread(Reason::Unsupported, Some(*line), what);
                continue;
            }
            let names = read_list(kind, value, &mut service);
            match kind {
                KEX => detail.groups = names,
                HOST_KEYS => detail.signature_schemes = names,
                // A list that only takes away has no names.
                _ if names.is_empty() => {}
                other => {
                    detail.lists.insert(other.replace(' ', "-"), names);
                }
            }
        }
        if server {
            self.endpoints(&mut service);
        }
        let service = service.tell(found);
        let place = |kind: &str, found: &Fragment| {
            found
                .here()
                .line(self.lists.get(kind).map_or(line, |(_, line)| *line))
        };
        let places = [KEX, HOST_KEYS, CIPHERS, MACS].map(|kind| place(kind, found));
        let others: Vec<(String, u64)> = [USER_KEYS, AUTHORITIES, GSS, HOST_BASED]
            .iter()
            .flat_map(|kind| {
                let line = self.lists.get(kind).map_or(line, |(_, line)| *line);
                let names = detail
                    .lists
                    .get(&kind.replace(' ', "-"))
                    .cloned()
                    .unwrap_or_default();
                names.into_iter().map(move |name| (name, line))
            })
            .collect();
        let id = found.protocol_in_parts(detail, &found.here().line(line), |part| {
            let [kex, host_keys, ciphers, macs] = &places;
            match part {
                ProtocolPart::Groups => kex.clone(),
                ProtocolPart::SignatureSchemes => host_keys.clone(),
                ProtocolPart::List("macs") => macs.clone(),
                ProtocolPart::Suites | ProtocolPart::List(_) => ciphers.clone(),
            }
        });
        found.connect(&service, Role::Offers, &id);
        for (name, line) in others {
            let here = found.here().line(line);
            let algorithm = found.algorithm_spelt(&name, &[], here);
            found.connect(&id, Role::Offers, &algorithm);
        }
    }

    fn endpoints(&self, service: &mut Service) {
        let port = |port: &str| format!("ssh://*:{port}");
        if self.addresses.is_empty() {
            service
                .endpoints
                .extend(self.ports.iter().map(|number| port(number)).take(64));
        }
        for address in self.addresses.iter().take(64) {
            let has_port = address
                .rsplit_once(':')
                .is_some_and(|(host, _)| !host.contains(':') || host.ends_with(']'));
            if has_port {
                service.endpoints.insert(format!("ssh://{address}"));
            } else if self.ports.is_empty() {
                service.fact("listens-on", address.clone());
            } else {
                service.endpoints.extend(
                    self.ports
                        .iter()
                        .map(|number| format!("ssh://{address}:{number}"))
                        .take(64),
                );
            }
        }
    }
}

/// The names of a list. What changes the program's defaults is said on the service.
fn read_list(kind: &str, value: &str, service: &mut Service) -> Vec<String> {
    let (sign, rest) = match value.split_at_checked(1) {
        Some((sign @ ("+" | "-" | "^"), rest)) => (sign, rest),
        _ => ("", value),
    };
    let names = rest
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .take(MAX_LIST);
    let names: Vec<String> = names.map(str::to_owned).collect();
    match sign {
        "" => names,
        "-" => {
            service.not_stated(kind);
            service.fact("taken-from-defaults", format!("{kind}: {}", names.join(",")));
            Vec::new()
        }
        _ => {
            service.not_stated(kind);
            let how = if sign == "^" { "before" } else { "after" };
            service.fact(
                "added-to-defaults",
                format!("{kind}, {how} the program's own: {}", names.join(",")),
            );
            names
        }
    }
}

#[cfg(test)]
mod tests;
