//! The system-wide policy of Fedora and its kin: which one is chosen, and what it was written out to for OpenSSL and
//! GnuTLS. What it was written out to for OpenSSH, Java and strongSwan is read by the scanners of those.

use std::collections::BTreeSet;

use super::groups;
use super::report::{Said, Service, Tls, version};
use super::text;
use crate::inventory::{Fragment, ProtocolDetail, Reason, Role};
use crate::scan::{Piece, Scanner, Trigger};

/// Files of crypto-policies.
#[derive(Debug)]
pub struct CryptoPolicies;

impl Scanner for CryptoPolicies {
    fn name(&self) -> &'static str {
        "crypto-policies"
    }

    fn version(&self) -> u32 {
        3
    }

    fn triggers(&self) -> &[Trigger] {
        &[Trigger::PathContains("/crypto-policies/")]
    }

    fn scan(&self, piece: &Piece<'_>, found: &mut Fragment) {
        let Piece::File(file) = piece else { return };
        // A policy's back ends are called `openssl.config` where they are in force, `openssl.txt` in a policy's folder.
        let name = file.name.to_ascii_lowercase();
        let (stem, extension) = name.rsplit_once('.').unwrap_or((name.as_str(), ""));
        if !matches!(extension, "" | "config" | "txt") {
            return;
        }
        let back_end = match (stem, extension) {
            ("config" | "current", "") => Kind::Chosen,
            ("openssl" | "openssl_fips", _) => Kind::OpenSsl,
            ("gnutls", _) => Kind::GnuTls,
            ("nss", _) => Kind::Other("NSS"),
            ("krb5", _) => Kind::Other("Kerberos"),
            ("bind", _) => Kind::Other("BIND"),
            ("libssh", _) => Kind::Other("libssh"),
            ("rpm-sequoia" | "sequoia", _) => Kind::Other("Sequoia"),
            _ => return,
        };
        let Some(text) = text::in_lines(file, found) else {
            return;
        };
        match back_end {
            Kind::Chosen => chosen(&text, found),
            Kind::OpenSsl => openssl(&text, found),
            Kind::GnuTls => gnutls(&text, found),
            Kind::Other(whose) => {
                found.unread(
                    Reason::Unsupported,
                    None,
                    format!("what the policy was written out to for {whose}"),
                );
            }
        }
    }
}

enum Kind {
    Chosen,
    OpenSsl,
    GnuTls,
    Other(&'static str),
}

/// The first line that says something.
fn first(text: &str) -> Option<(String, u64)> {
    let mut lines = text::lines(text);
    lines.find_map(|line| {
        let plain = line.text.trim();
        (!plain.is_empty() && !plain.starts_with('#')).then(|| (plain.to_owned(), line.number))
    })
}

fn chosen(text: &str, found: &mut Fragment) {
    let Some((policy, line)) = first(text) else { return };
    let mut service = Service::new("System crypto policy", "", line);
    service.fact("policy", policy);
    service.tell(found);
}

/// One cipher string.
fn openssl(text: &str, found: &mut Fragment) {
    let Some((string, line)) = first(text) else { return };
    let service = Service::new("System crypto policy", "OpenSSL", line);
    let tls = Tls {
        cipher_string: Some(Said::new(string, line)),
        ..Tls::default()
    };
    tls.tell(service, found);
}

/// `[overrides]`, a line for each thing that is allowed.
fn gnutls(text: &str, found: &mut Fragment) {
    let mut service = Service::new("System crypto policy", "GnuTLS", 1);
    let mut versions = BTreeSet::new();
    let mut version_line = 1;
    let mut lists: [(&str, Vec<String>, u64); 5] = [
        ("tls-enabled-group", Vec::new(), 1),
        ("secure-sig", Vec::new(), 1),
        ("tls-enabled-cipher", Vec::new(), 1),
        ("tls-enabled-mac", Vec::new(), 1),
        ("tls-enabled-kx", Vec::new(), 1),
    ];
    for line in text::lines(text) {
        let plain = text::before_comment(&line.text, '#').trim();
        let Some((name, value)) = plain.split_once('=') else {
            continue;
        };
        let (name, value) = (name.trim(), value.trim());
        if name == "enabled-version" {
            version_line = line.number;
            versions.extend(version(value));
        } else if name == "min-verification-profile" {
            service.fact("security-level", value);
        } else if let Some((_, list, first)) = lists.iter_mut().find(|(known, ..)| *known == name) {
            if list.is_empty() {
                *first = line.number;
            }
            list.push(value.to_owned());
        }
    }
    let service = service.tell(found);
    let [allowed_groups, schemes, ciphers, macs, exchanges] = lists;
    let named = |name: &str| match name.strip_prefix("GROUP-") {
        // GnuTLS writes curves as SECP256R1 and hybrids as X25519-MLKEM768.
        Some(group) => group.replace('-', ""),
        None => name.to_owned(),
    };
    let versions: Vec<Option<usize>> = match versions.is_empty() {
        true => vec![None],
        false => versions.into_iter().map(Some).collect(),
    };
    for at in versions {
        let (protocol, number) = at.and_then(|at| super::report::VERSIONS.get(at)).copied().unzip();
        let mut detail = ProtocolDetail {
            protocol: protocol.unwrap_or("tls").to_owned(),
            version: number.map(str::to_owned),
            groups: allowed_groups.1.iter().map(|name| named(name)).collect(),
            signature_schemes: schemes.1.iter().flat_map(|name| scheme(name)).collect(),
            ..ProtocolDetail::default()
        };
        if at != Some(5) {
            detail
                .groups
                .retain(|name| crate::algorithm::suite::group_before_tls13(name));
        }
        for (list, (_, names, _)) in [
            ("ciphers", &ciphers),
            ("macs", &macs),
            ("key-exchanges", &exchanges),
        ] {
            if !names.is_empty() {
                let names = names.iter().filter(|name| *name != "AEAD");
                let mac = |name: &String| match name.strip_prefix("SHA") {
                    Some(size) if list == "macs" => format!("HMAC-SHA-{size}"),
                    _ => name.clone(),
                };
                let names: Vec<String> = names.map(mac).collect();
                if !names.is_empty() {
                    detail.lists.insert(list.to_owned(), names);
                }
            }
        }
        let here = found.here().line(version_line);
        let place = found.here();
        let id = found.protocol_in_parts(detail, &here, |part| {
            use crate::inventory::ProtocolPart::{Groups, List, SignatureSchemes, Suites};
            let line = match part {
                Groups => allowed_groups.2,
                SignatureSchemes => schemes.2,
                List("macs") => macs.2,
                Suites | List(_) => ciphers.2,
            };
            place.clone().line(line)
        });
        found.connect(&service, Role::Offers, &id);
    }
}

/// `ECDSA-SHA384` and `EDDSA-ED25519` as TLS calls them.
fn scheme(name: &str) -> Vec<String> {
    let name = name.strip_prefix("EDDSA-").unwrap_or(name);
    match name.rsplit_once("-SHA") {
        Some((key, hash)) => groups::schemes(&format!("{key}+SHA{hash}")),
        None => groups::schemes(&name.to_ascii_lowercase()),
    }
}

#[cfg(test)]
mod tests;
