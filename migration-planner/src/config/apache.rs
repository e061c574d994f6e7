//! Apache httpd: virtual hosts that speak TLS, what they inherit from the main server, and what a proxy speaks to the
//! servers behind it.

use super::text;
use crate::inventory::{Fragment, Reason};
use crate::scan::{Budget, Piece, Scanner, Trigger};

mod host;
mod values;
mod variables;

use self::host::Host;
use self::variables::Lines;

/// Configuration of Apache httpd with mod_ssl.
#[derive(Debug)]
pub struct Apache;

/// Most virtual hosts of one file.
const MAX_HOSTS: usize = 10_000;

impl Scanner for Apache {
    fn name(&self) -> &'static str {
        "apache"
    }

    fn version(&self) -> u32 {
        3
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
        let (lines, macros) = variables::filled(&text, file.budget, found);
        tell(lines, "Apache httpd defaults", "", file.budget, found);
        for (name, lines) in macros {
            tell(lines, "Apache httpd macro", &name, file.budget, found);
        }
    }
}

/// Adds what lines say: for all, under this name, and for each virtual host.
fn tell(lines: Lines<'_>, what: &'static str, name: &str, budget: Budget, found: &mut Fragment) {
    let (main, hosts) = read(lines, found);
    main.tell_defaults(what, name, found);
    main.client("main server", &main, found);
    for host in hosts {
        if budget.is_spent() {
            let what = "the virtual hosts from here on";
            return found.unread(Reason::TimedOut, Some(host.line), what);
        }
        host.tell(&main, found);
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

fn read(lines: Lines<'_>, found: &mut Fragment) -> (Host, Vec<Host>) {
    let mut main = Host::default();
    let mut hosts: Vec<Host> = Vec::new();
    let mut host: Option<Host> = None;
    // Sections that hold for a part of the server only.
    let mut parts: Vec<(String, u64)> = Vec::new();
    for line in lines {
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
                let addresses = addresses.filter(|address| !address.is_empty()).collect();
                host = Some(Host::at(line.number, addresses));
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

#[cfg(test)]
mod tests;
