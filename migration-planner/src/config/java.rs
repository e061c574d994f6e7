//! The Java platform's `java.security`: what its TLS does not do, groups, providers, keystores.

use super::command;
use super::report::{Said, Service, Tls, version};
use super::text;
use crate::algorithm::Function;
use crate::inventory::{Fragment, Role};
use crate::scan::{Piece, Scanner, Trigger};

/// `java.security`, and what crypto-policies write for Java.
#[derive(Debug)]
pub struct JavaSecurity;

/// Lists of what is refused, each with the name of its fact.
const REFUSED: [(&str, &str); 5] = [
    ("jdk.tls.disabledAlgorithms", "disabled-in-tls"),
    ("jdk.certpath.disabledAlgorithms", "disabled-in-certificates"),
    ("jdk.jar.disabledAlgorithms", "disabled-in-jars"),
    ("jdk.tls.legacyAlgorithms", "legacy-in-tls"),
    ("jdk.security.legacyAlgorithms", "legacy"),
];

impl Scanner for JavaSecurity {
    fn name(&self) -> &'static str {
        "java-security"
    }

    fn version(&self) -> u32 {
        3
    }

    fn triggers(&self) -> &[Trigger] {
        &[
            Trigger::FileName("java.security"),
            Trigger::FileName("java.config"),
            Trigger::FileName("java_security"),
            Trigger::Extension("security"),
        ]
    }

    fn scan(&self, piece: &Piece<'_>, found: &mut Fragment) {
        let Piece::File(file) = piece else { return };
        let Some(text) = text::in_lines(file, found) else {
            return;
        };
        let lines = text::joined_closely(&text);
        let said = text::properties(&lines);
        let get = |name: &str| said.get(name).copied().filter(|(value, _)| !value.is_empty());
        let known = |name: &&str| {
            name.starts_with("jdk.")
                || name.starts_with("security.provider.")
                || name.starts_with("keystore.")
                || name.starts_with("securerandom.")
        };
        let Some(line) = said
            .iter()
            .filter(|(name, _)| known(name))
            .map(|(_, (_, line))| *line)
            .min()
        else {
            return;
        };
        let mut service = Service::new("Java security", "", line);
        let mut tls = Tls::default();
        for (name, fact) in REFUSED {
            let Some((value, line)) = get(name) else { continue };
            service.seen(line, name);
            for item in value
                .split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .take(256)
            {
                service.fact(fact, item);
                if name == "jdk.tls.disabledAlgorithms" {
                    tls.off.extend(version(item));
                }
            }
        }
        if get("jdk.tls.disabledAlgorithms").is_none() {
            service.not_stated("what TLS does not do");
        }
        for (name, (value, line)) in &said {
            if let Some(number) = name.strip_prefix("security.provider.") {
                service.fact("provider", format!("{number}: {value}"));
                service.seen(*line, name);
            }
        }
        for (name, fact) in [
            ("keystore.type", "keystore-type"),
            ("securerandom.source", "randomness"),
            ("securerandom.strongAlgorithms", "strong-randomness"),
            ("crypto.policy", "crypto-policy"),
            ("jdk.tls.ephemeralDHKeySize", "dh-bits"),
            ("security.useSystemPropertiesFile", "uses-system-policy"),
            ("fips.keystore.type", "fips-keystore-type"),
        ] {
            if let Some((value, line)) = get(name) {
                service.fact(fact, value);
                service.seen(line, name);
            }
        }
        tls.groups = get("jdk.tls.namedGroups").map(|(value, line)| Said::new(value, line));
        let suites = get("jdk.tls.server.cipherSuites").or(get("jdk.tls.client.cipherSuites"));
        tls.suites = suites.map(|(value, line)| Said::new(command::names(value), line));
        let schemes = get("jdk.tls.server.SignatureSchemes").or(get("jdk.tls.client.SignatureSchemes"));
        tls.schemes = schemes.map(|(value, line)| Said::new(value, line));
        let protocols = get("jdk.tls.client.protocols").or(get("jdk.tls.server.protocols"));
        tls.versions = protocols.map(|(value, line)| Said {
            value: value.split(',').filter_map(|name| version(name.trim())).collect(),
            line,
        });
        let service = match tls.is_silent() {
            true => service.tell(found),
            false => tls.tell(service, found),
        };
        // How new keystores are made.
        for (name, (value, line)) in said
            .iter()
            .filter(|(name, _)| name.starts_with("keystore.pkcs12.") || name.starts_with("keystore.PKCS12."))
        {
            if !(name.ends_with("Algorithm")) || *value == "NONE" {
                continue;
            }
            let here = found
                .here()
                .line(*line)
                .symbol(*name)
                .context(super::report::shortened((*value).to_owned()));
            let id = found.algorithm_spelt(password_scheme(value), &[Function::Encrypt], here);
            found.connect(&service, Role::Uses, &id);
        }
    }
}

/// What a JDK name of password-based encryption comes to.
fn password_scheme(value: &str) -> &str {
    let lower = value.to_ascii_lowercase();
    match lower.as_str() {
        "pbewithhmacsha256andaes_256" | "pbewithhmacsha1andaes_256" | "pbewithhmacsha512andaes_256" => {
            "AES-256-CBC"
        }
        "pbewithhmacsha256andaes_128" => "AES-128-CBC",
        "pbewithsha1anddesede" => "3DES-168-CBC",
        "pbewithsha1andrc2_40" => "RC2-40-CBC",
        "hmacpbesha1" => "HMAC-SHA-1",
        "hmacpbesha256" => "HMAC-SHA-256",
        "hmacpbesha512" => "HMAC-SHA-512",
        _ => value,
    }
}

#[cfg(test)]
mod tests;
