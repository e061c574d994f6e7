//! Kubernetes manifests: Ingress, Gateway API, Istio, cert-manager, TLS secrets, the settings of ingress controllers.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::command;
use super::report::{Names, Said, Service, Tls, version};
use super::text;
use super::yaml::{self, View};
use crate::files::pem;
use crate::inventory::{Access, Asset, AssetId, Detail, Fragment, KeyKind, Reason, Role};
use crate::scan::{File, Piece, Scanner, Trigger};

mod certificates;
mod config_map;
mod edge;
mod gateway;
mod mesh;
mod nginx;

/// Manifests of Kubernetes.
#[derive(Debug)]
pub struct Kubernetes;

/// What makes a document worth parsing. The last one is `-----BEGIN` in base64.
const WORDS: [&str; 15] = [
    "cert-manager.io",
    "istio.io",
    "sailoperator.io",
    "gateway.networking.",
    "k8s.nginx.org",
    "kubernetes.io/tls",
    "Ingress",
    // Whole files of other programs stand in them.
    "ConfigMap",
    "aws-load-balancer-ssl",
    "ssl-protocols",
    "ssl-ciphers",
    "caBundle",
    "ssh-auth",
    "-----BEGIN CERT",
    "LS0tLS1CRUdJTi",
];

/// Most objects of one file.
const MAX_OBJECTS: usize = 20_000;

impl Scanner for Kubernetes {
    fn name(&self) -> &'static str {
        "kubernetes"
    }

    fn version(&self) -> u32 {
        6
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
        let has = |word: &str| memchr::memmem::find(file.bytes, word.as_bytes()).is_some();
        if !has("apiVersion") || !WORDS.iter().any(|word| has(word)) {
            return;
        }
        let Some(text) = text::of(file, found) else { return };
        let wanted = |part: &str| part.contains("apiVersion") && WORDS.iter().any(|word| part.contains(word));
        let mut count = 0;
        for document in yaml::documents(&text, file.budget, found, &wanted) {
            let root = document.root();
            let before = found.mark();
            let mut wanted_it = false;
            let listed: Vec<View<'_>> = root.get("items").into_iter().flat_map(View::items).collect();
            for object in std::iter::once(root).chain(listed) {
                count += 1;
                let why = match count > MAX_OBJECTS {
                    true => Some(Reason::TooLarge),
                    false => file.budget.is_spent().then_some(Reason::TimedOut),
                };
                if let Some(why) = why {
                    return found.unread(why, Some(object.line()), "the objects from here on");
                }
                wanted_it |= self::object(object, file, found);
            }
            if wanted_it || document.has_holes() || found.mark() != before {
                document.note_template(found);
            }
            document.note_holes(found);
        }
    }
}

/// Reads one object. Whether it is of a kind that is about cryptography, of which a template may hide a part.
fn object(object: View<'_>, file: &File<'_>, found: &mut Fragment) -> bool {
    let group = object.text_at(&["apiVersion"]).unwrap_or_default();
    let group = group.split('/').next().unwrap_or_default();
    let kind = object.text_at(&["kind"]).unwrap_or_default();
    match (group, kind) {
        ("networking.k8s.io" | "extensions", "Ingress") => edge::ingress(object, found),
        ("install.istio.io", "IstioOperator") => {
            mesh::settings_of_all(object, &["spec", "meshConfig"], found);
        }
        ("sailoperator.io", "Istio") => {
            mesh::settings_of_all(object, &["spec", "values", "meshConfig"], found);
        }
        ("networking.istio.io", "Gateway") => mesh::istio_gateway(object, found),
        ("networking.istio.io", "DestinationRule") => mesh::destination_rule(object, found),
        ("security.istio.io", "PeerAuthentication") => mesh::peer_authentication(object, found),
        ("gateway.networking.k8s.io", "Gateway" | "ListenerSet")
        | ("gateway.networking.x-k8s.io", "XListenerSet") => gateway::listeners(object, found),
        ("gateway.networking.k8s.io", "BackendTLSPolicy") => gateway::backend(object, found),
        ("cert-manager.io" | "certmanager.k8s.io", "Certificate") => {
            certificates::certificate(object, found);
        }
        ("cert-manager.io" | "certmanager.k8s.io", "Issuer" | "ClusterIssuer") => {
            certificates::issuer(object, file, found);
        }
        ("k8s.nginx.org", _) => return nginx::object(object, kind, found),
        ("v1", "Secret") => secret(object, file, found),
        ("v1", "ConfigMap") => {
            edge::controller(object, found);
            config_map::files(object, file, found);
            return false;
        }
        ("v1", "Service") => {
            edge::load_balancer(object, found);
            return false;
        }
        _ => {
            bundles(object, kind, file, found);
            return false;
        }
    }
    true
}

/// Whether this is YAML's word for yes, in any of its spellings.
fn is_true(word: &str) -> bool {
    matches!(word, "true" | "True" | "TRUE")
}

/// `namespace/name` of an object.
fn name_of(object: View<'_>) -> String {
    let name = object.text_at(&["metadata", "name"]).unwrap_or_default();
    match object.text_at(&["metadata", "namespace"]) {
        Some(namespace) => format!("{namespace}/{name}"),
        None => name.to_owned(),
    }
}

/// A secret's name with its namespace, which is the object's own where the reference has none.
fn secret_name(object: View<'_>, namespace: Option<&str>, name: &str) -> String {
    match namespace.or_else(|| object.text_at(&["metadata", "namespace"])) {
        Some(namespace) if !name.contains('/') => format!("{namespace}/{name}"),
        _ => name.to_owned(),
    }
}

fn texts<'a>(list: Option<View<'a>>) -> impl Iterator<Item = &'a str> {
    list.into_iter()
        .flat_map(View::items)
        .filter_map(View::text)
        .take(256)
}

/// `TLSV1_2` and its like.
fn bounds(view: View<'_>, keys: [&str; 2], tls: &mut Tls, service: &mut Service) {
    for (key, lowest) in [(keys[0], true), (keys[1], false)] {
        if let Some(value) = view.get(key)
            && let Some(text) = value.text().filter(|text| !text.eq_ignore_ascii_case("TLS_AUTO"))
        {
            command::bound(tls, service, lowest, text, value.line());
        }
    }
}

/// What stands in a secret for the authorities that are believed.
const AUTHORITIES: &str = "ca.crt";

/// A secret: the certificates in it, and of its keys that they are there. What names it is joined with them later.
fn secret(object: View<'_>, file: &File<'_>, found: &mut Fragment) {
    let mut inside = BTreeSet::new();
    for (name, value) in object.get("data").into_iter().flat_map(View::entries).take(1024) {
        if is_over(value, file, found) {
            break;
        }
        let mut held = found.aside();
        encoded(value, name, file, Some(file.access), &mut held);
        inside.extend(contents(name, &held));
        found.take_in(held);
    }
    // What stands in `stringData` is left to those who read PEM in any file, who come to the same assets.
    let plain = object.get("stringData").into_iter().flat_map(View::entries);
    for (name, value) in plain.take(1024) {
        let Some(text) = value.text() else { continue };
        if is_over(value, file, found) {
            break;
        }
        let mut held = found.aside();
        let here = found.here().line(value.line());
        pem::decoded(text.as_bytes(), &here, file.budget, &mut held);
        inside.extend(contents(name, &held));
        found.leave_out(&held);
    }
    let kind = object.text_at(&["type"]).unwrap_or_default();
    let what = match kind {
        "kubernetes.io/tls" => "Kubernetes TLS Secret",
        _ if inside.is_empty() => return,
        _ => "Kubernetes Secret",
    };
    let mut service = Service::new(what, name_of(object), object.line());
    service.fact("secret-type", if kind.is_empty() { "Opaque" } else { kind });
    let held = ["data", "stringData"].iter().filter_map(|key| object.get(key));
    for (name, value) in held.flat_map(View::entries) {
        service.seen(value.line(), name);
    }
    let service = service.tell(found);
    for (role, id) in inside {
        found.connect(&service, role, &id);
    }
}

/// Whether there is no time for this value of many, which is told then: one name may stand for the same large value a
/// thousand times.
fn is_over(value: View<'_>, file: &File<'_>, found: &mut Fragment) -> bool {
    let over = file.budget.is_spent();
    if over {
        found.unread(Reason::TimedOut, Some(value.line()), "the values from here on");
    }
    over
}

/// The certificates and private keys of an entry, and in which way the secret has them.
fn contents(name: &str, held: &Fragment) -> Vec<(Role, AssetId)> {
    let role = |asset: &Asset| match &asset.detail {
        Detail::Certificate(_) if name == AUTHORITIES => Some(Role::Trusts),
        Detail::Certificate(_) => Some(Role::Contains),
        Detail::Key(key) if key.kind == KeyKind::Private => Some(Role::Contains),
        _ => None,
    };
    let assets = held.assets().iter();
    assets
        .filter_map(|asset| Some((role(asset)?, asset.id().clone())))
        .collect()
}

/// A value in base64, if there is PEM in it. Who has access to the file matters for what is secret.
fn encoded(value: View<'_>, name: &str, file: &File<'_>, access: Option<Access>, found: &mut Fragment) {
    let Some(text) = value.text() else { return };
    let clean: Zeroizing<String> =
        Zeroizing::new(text.chars().filter(|letter| !letter.is_whitespace()).collect());
    let here = found
        .here()
        .line(value.line())
        .symbol(super::report::shortened(name.to_owned()));
    match STANDARD.decode(clean.as_bytes()).map(Zeroizing::new) {
        Ok(bytes) => {
            let here = match access {
                Some(access) => here.access(access),
                None => here,
            };
            pem::decoded(&bytes, &here, file.budget, found);
        }
        Err(_) if clean.starts_with("LS0tLS1CRUdJTi") || matches!(name, "tls.crt" | "tls.key" | "ca.crt") => {
            found.unread(
                Reason::Malformed,
                Some(value.line()),
                "a value of a secret that is not base64",
            );
        }
        Err(_) => {}
    }
}

/// `caBundle` anywhere: webhooks, API services, conversions.
fn bundles(object: View<'_>, kind: &str, file: &File<'_>, found: &mut Fragment) {
    let mut count = 0;
    object.maps(&mut |map, _| {
        if let Some(bundle) = map.get("caBundle").filter(|_| count < 1024) {
            count += 1;
            if is_over(bundle, file, found) {
                count = 1024;
            } else {
                encoded(bundle, &format!("{kind} caBundle"), file, None, found);
            }
        }
    });
}

#[cfg(test)]
mod tests;
