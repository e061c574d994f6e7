//! Envoy: every TLS context of a bootstrap file or of resources, in YAML or JSON.

use super::command;
use super::report::{Names, Said, Service, Tls};
use super::text;
use super::yaml::{self, View};
use crate::inventory::{Fragment, Reason};
use crate::scan::{Piece, Scanner, Trigger};

/// Configuration of Envoy.
#[derive(Debug)]
pub struct Envoy;

/// What makes a document worth parsing.
const WORDS: [&str; 7] = [
    // Of the types' names, which stand alone where nothing of them is configured.
    "streamTlsContext",
    "common_tls_context",
    "commonTlsContext",
    "tls_certificate",
    "tlsCertificate",
    "validation_context",
    "validationContext",
];

impl Scanner for Envoy {
    fn name(&self) -> &'static str {
        "envoy"
    }

    fn version(&self) -> u32 {
        3
    }

    fn triggers(&self) -> &[Trigger] {
        &[
            Trigger::Extension("yaml"),
            Trigger::Extension("yml"),
            Trigger::Extension("json"),
        ]
    }

    fn scan(&self, piece: &Piece<'_>, found: &mut Fragment) {
        let Piece::File(file) = piece else { return };
        if !WORDS
            .iter()
            .any(|word| memchr::memmem::find(file.bytes, word.as_bytes()).is_some())
        {
            return;
        }
        let Some(text) = text::of(file, found) else { return };
        let wanted = |part: &str| WORDS.iter().any(|word| part.contains(word));
        for document in yaml::documents(&text, file.budget, found, &wanted) {
            document.note_template(found);
            let mut contexts = 0;
            document.root().maps(&mut |map, around| {
                document.note_holes(found);
                if contexts > 10_000 || file.budget.is_spent() {
                    return;
                }
                let kind = map.text_at(&["@type"]).unwrap_or_default();
                let common = map.get("common_tls_context");
                if common.is_some() || kind.ends_with("streamTlsContext") {
                    contexts += 1;
                    context(map, common, around, found);
                } else if let Some(certificate) = map.get("tls_certificate") {
                    contexts += 1;
                    secret(map, Some(certificate), found);
                } else if map.get("validation_context").is_some() && map.get("name").is_some() {
                    contexts += 1;
                    secret(map, None, found);
                }
            });
            document.note_holes(found);
            if contexts > 10_000 || file.budget.is_spent() {
                found.unread(Reason::TooLarge, None, "more TLS contexts than are read");
            }
        }
    }
}

/// A `DownstreamTlsContext`, an `UpstreamTlsContext`.
fn context(map: View<'_>, common: Option<View<'_>>, around: &[View<'_>], found: &mut Fragment) {
    let kind = map.text_at(&["@type"]).unwrap_or_default();
    let has = |key: &str| around.iter().any(|view| view.get(key).is_some());
    let upstream =
        kind.contains("Upstream") || (kind.is_empty() && has("load_assignment")) || map.get("sni").is_some();
    let owner = owner(around);
    let name = owner.and_then(|view| view.text_at(&["name"])).unwrap_or_default();
    let what = if upstream {
        "Envoy cluster"
    } else {
        "Envoy listener"
    };
    let mut service = Service::new(what, name, map.line());
    if let Some(owner) = owner {
        address(*owner, &mut service);
    }
    if let Some(ask) = map.text_at(&["require_client_certificate"]) {
        service.authenticated = Some(ask == "true");
    } else if !upstream {
        service.not_stated("client authentication");
    }
    // Whom a chain of filters is for.
    for chain in around.iter().filter_map(|view| view.get("filter_chain_match")) {
        let names = chain.get("server_names").into_iter().flat_map(View::items);
        for name in names.filter_map(View::text).take(256) {
            service.fact("server-name", name);
        }
    }
    if let Some(sni) = map.text_at(&["sni"]) {
        service.fact("server-name", sni);
    }
    let tls = match common {
        Some(common) => told(common, &mut service),
        None => Tls::default(),
    };
    tls.tell(service, found);
}

/// The nearest thing around a context that is a listener or a cluster: listeners need no name.
fn owner<'a, 'b>(around: &'b [View<'a>]) -> Option<&'b View<'a>> {
    let has = |view: &View<'_>, keys: &[&str]| keys.iter().any(|key| view.get(key).is_some());
    let listens = |view: &View<'_>| {
        has(view, &["filter_chains", "default_filter_chain"]) && has(view, &["name", "address"])
    };
    let clusters = ["address", "load_assignment", "hosts", "connect_timeout", "type"];
    around
        .iter()
        .rev()
        .find(|view| listens(view) || has(view, &["name"]) && has(view, &clusters))
}

/// Notes whom a context shows itself as, and whom it believes: what it speaks is the answer.
fn told(common: View<'_>, service: &mut Service) -> Tls {
    for certificate in common.get("tls_certificates").into_iter().flat_map(View::items) {
        pair(certificate, service);
    }
    let named = [
        "tls_certificate_sds_secret_configs",
        "tls_certificate_provider_instance",
    ];
    for config in named.iter().filter_map(|key| common.get(key)) {
        let all = std::iter::once(config).chain(config.items());
        for name in all.filter_map(|config| {
            config
                .text_at(&["name"])
                .or_else(|| config.text_at(&["instance_name"]))
        }) {
            service.fact("certificate-secret", name);
        }
    }
    let validation = [
        common.get("validation_context"),
        common.path(&["combined_validation_context", "default_validation_context"]),
    ];
    for validation in validation.into_iter().flatten() {
        trusts(validation, service);
    }
    for path in [
        &["validation_context_sds_secret_config", "name"][..],
        &[
            "combined_validation_context",
            "validation_context_sds_secret_config",
            "name",
        ],
    ] {
        if let Some(name) = common.text_at(path) {
            service.fact("trust-secret", name);
        }
    }
    let mut tls = Tls::default();
    if let Some(params) = common.get("tls_params") {
        for (key, lowest) in [
            ("tls_minimum_protocol_version", true),
            ("tls_maximum_protocol_version", false),
        ] {
            if let Some(value) = params.get(key)
                && let Some(text) = value.text()
                && !text.eq_ignore_ascii_case("TLS_AUTO")
            {
                command::bound(&mut tls, service, lowest, text, value.line());
            }
        }
        tls.cipher_string = joined(params, "cipher_suites");
        tls.groups = joined(params, "ecdh_curves");
        tls.schemes = joined(params, "signature_algorithms");
        if let Some(policies) = joined(params, "compliance_policies") {
            service.fact("compliance-policy", policies.value);
        }
    }
    tls
}

/// A list as one text with colons, and its line.
fn joined(map: View<'_>, key: &str) -> Option<Said> {
    let list = map.get(key)?;
    let items: Vec<&str> = list.items().filter_map(View::text).collect();
    (!items.is_empty()).then(|| Said::new(items.join(":"), list.line()))
}

fn address(owner: View<'_>, service: &mut Service) {
    let socket = owner.path(&["address", "socket_address"]);
    let port = socket.and_then(|socket| socket.text_at(&["port_value"]));
    if let (Some(socket), Some(port)) = (socket, port) {
        let host = socket.text_at(&["address"]).unwrap_or("*");
        let host = if host == "0.0.0.0" || host == "::" {
            "*"
        } else {
            host
        };
        service.endpoints.insert(format!("tls://{host}:{port}"));
    }
    let Some(assignment) = owner.get("load_assignment") else {
        return;
    };
    let mut endpoints = 0;
    assignment.maps(&mut |map, _| {
        let host = map.text_at(&["address"]);
        if let (Some(host), Some(port), true) = (host, map.text_at(&["port_value"]), endpoints < 64) {
            endpoints += 1;
            service.fact("connects-to", format!("{host}:{port}"));
        }
    });
}

/// A certificate with its key, by file, inline or by environment.
fn pair(certificate: View<'_>, service: &mut Service) {
    for (key, names) in [
        ("certificate_chain", Names::Certificate),
        ("private_key", Names::Key),
        ("pkcs12", Names::Key),
    ] {
        source(certificate.get(key), names, key, service);
    }
    if let Some(provider) = certificate.text_at(&["private_key_provider", "provider_name"]) {
        service.fact("key-provider", provider);
    }
}

fn trusts(validation: View<'_>, service: &mut Service) {
    source(validation.get("trusted_ca"), Names::Trust, "trusted_ca", service);
    source(validation.get("crl"), Names::Other, "crl", service);
    if let Some(value) = validation.text_at(&["trust_chain_verification"]) {
        service.fact("verifies-peer", value);
    }
}

/// A `DataSource`. What is inline is found where it stands by those who read PEM.
fn source(source: Option<View<'_>>, names: Names, key: &str, service: &mut Service) {
    let Some(source) = source else { return };
    if let Some(path) = source.text_at(&["filename"]) {
        service.file(names, path, source.line(), key);
    } else if source.get("inline_string").is_some() || source.get("inline_bytes").is_some() {
        service.fact("inline", key);
        service.seen(source.line(), key);
    } else if let Some(name) = source.text_at(&["environment_variable"]) {
        service.fact("from-environment", format!("{key}: {name}"));
    }
}

/// A secret as SDS hands it out.
fn secret(map: View<'_>, certificate: Option<View<'_>>, found: &mut Fragment) {
    let mut service = Service::new(
        "Envoy secret",
        map.text_at(&["name"]).unwrap_or_default(),
        map.line(),
    );
    if let Some(certificate) = certificate {
        pair(certificate, &mut service);
    }
    if let Some(validation) = map.get("validation_context") {
        trusts(validation, &mut service);
    }
    service.tell(found);
}

#[cfg(test)]
mod tests;
