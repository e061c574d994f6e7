//! Kubernetes manifests: Ingress, Gateway API, Istio, cert-manager, TLS secrets, the settings of ingress controllers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::command;
use super::report::{Names, Said, Service, Tls, version};
use super::text;
use super::yaml::{self, View};
use crate::algorithm::Function;
use crate::files::pem;
use crate::inventory::{Fragment, Reason, Role};
use crate::scan::{File, Piece, Scanner, Trigger};

mod mesh;

/// Manifests of Kubernetes.
#[derive(Debug)]
pub struct Kubernetes;

/// What makes a document worth parsing. The last one is `-----BEGIN` in base64.
const WORDS: [&str; 11] = [
    "cert-manager.io",
    "istio.io",
    "sailoperator.io",
    "gateway.networking.k8s.io",
    "kubernetes.io/tls",
    "Ingress",
    "ssl-protocols",
    "ssl-ciphers",
    "caBundle",
    "ssh-auth",
    "LS0tLS1CRUdJTi",
];

/// Most objects of one file.
const MAX_OBJECTS: usize = 20_000;

impl Scanner for Kubernetes {
    fn name(&self) -> &'static str {
        "kubernetes"
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
        let has = |word: &str| memchr::memmem::find(file.bytes, word.as_bytes()).is_some();
        if !has("apiVersion") || !WORDS.iter().any(|word| has(word)) {
            return;
        }
        let Some(text) = text::of(file, found) else { return };
        let wanted = |part: &str| part.contains("apiVersion") && WORDS.iter().any(|word| part.contains(word));
        let mut count = 0;
        for document in yaml::documents(&text, file.budget, found, &wanted) {
            let root = document.root();
            let listed: Vec<View<'_>> = root.get("items").into_iter().flat_map(View::items).collect();
            for object in std::iter::once(root).chain(listed) {
                count += 1;
                if count > MAX_OBJECTS || file.budget.is_spent() {
                    return found.unread(Reason::TooLarge, Some(object.line()), "the objects from here on");
                }
                self::object(object, file, found);
            }
            document.note_holes(found);
        }
    }
}

fn object(object: View<'_>, file: &File<'_>, found: &mut Fragment) {
    let group = object.text_at(&["apiVersion"]).unwrap_or_default();
    let group = group.split('/').next().unwrap_or_default();
    let kind = object.text_at(&["kind"]).unwrap_or_default();
    match (group, kind) {
        ("networking.k8s.io" | "extensions", "Ingress") => ingress(object, found),
        ("install.istio.io", "IstioOperator") => {
            mesh::settings_of_all(object, &["spec", "meshConfig"], found);
        }
        ("sailoperator.io", "Istio") => {
            mesh::settings_of_all(object, &["spec", "values", "meshConfig"], found);
        }
        ("networking.istio.io", "Gateway") => mesh::istio_gateway(object, found),
        ("networking.istio.io", "DestinationRule") => mesh::destination_rule(object, found),
        ("security.istio.io", "PeerAuthentication") => mesh::peer_authentication(object, found),
        ("gateway.networking.k8s.io", "Gateway") => mesh::gateway(object, found),
        ("cert-manager.io" | "certmanager.k8s.io", "Certificate") => certificate(object, found),
        ("cert-manager.io" | "certmanager.k8s.io", "Issuer" | "ClusterIssuer") => issuer(object, found),
        ("v1", "Secret") => secret(object, file, found),
        ("v1", "ConfigMap") => controller(object, found),
        _ => bundles(object, kind, found),
    }
}

/// `namespace/name` of an object.
fn name_of(object: View<'_>) -> String {
    let name = object.text_at(&["metadata", "name"]).unwrap_or_default();
    match object.text_at(&["metadata", "namespace"]) {
        Some(namespace) => format!("{namespace}/{name}"),
        None => name.to_owned(),
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

fn ingress(object: View<'_>, found: &mut Fragment) {
    let annotations = object.path(&["metadata", "annotations"]);
    let annotation = |wanted: &str| {
        let entry = annotations?
            .entries()
            .find(|(name, _)| name.rsplit('/').next() == Some(wanted));
        entry.and_then(|(_, value)| Some((value.text()?, value.line())))
    };
    let tls_blocks: Vec<View<'_>> = object
        .path(&["spec", "tls"])
        .into_iter()
        .flat_map(View::items)
        .collect();
    let mut tls = Tls {
        cipher_string: annotation("ssl-ciphers").map(|(value, line)| Said::new(value, line)),
        ..Tls::default()
    };
    if let Some((value, line)) = annotation("ssl-protocols") {
        tls.versions = command::protocols(value).map(|value| Said { value, line });
    }
    // What a cloud's load balancer speaks is behind the name of a policy, which only the cloud knows.
    let policy = annotation("ssl-policy");
    if tls_blocks.is_empty() && tls.is_silent() && policy.is_none() {
        return;
    }
    let mut service = Service::new("Kubernetes Ingress", name_of(object), object.line());
    if let Some((policy, line)) = policy {
        service.fact("policy", policy);
        service.seen(line, "ssl-policy");
    }
    for block in tls_blocks {
        service.seen(block.line(), "tls");
        service
            .endpoints
            .extend(texts(block.get("hosts")).map(|host| format!("tls://{host}:443")));
        if let Some(secret) = block.text_at(&["secretName"]) {
            service.fact("certificate-secret", secret);
        }
    }
    if let Some((secret, _)) = annotation("auth-tls-secret") {
        service.fact("trust-secret", secret);
        service.authenticated =
            Some(annotation("auth-tls-verify-client").is_none_or(|(value, _)| value != "off"));
    }
    for (name, value) in annotations.into_iter().flat_map(View::entries) {
        let tells =
            name.contains("proxy-ssl-") || name.ends_with("/cluster-issuer") || name.ends_with("/issuer");
        if let Some(value) = value.text().filter(|_| tells) {
            service.fact("annotation", format!("{name}: {value}"));
        }
    }
    tls.tell(service, found);
}

/// What an ingress controller is told for all.
fn controller(object: View<'_>, found: &mut Fragment) {
    let Some(data) = object.get("data") else { return };
    let setting = |names: &[&str]| {
        let mut entries = data.entries();
        entries
            .find(|(name, _)| names.contains(name))
            .and_then(|(_, value)| Some((value.text()?, value.line())))
    };
    let tls = Tls {
        versions: setting(&["ssl-protocols"]).and_then(|(value, line)| {
            Some(Said {
                value: command::protocols(value)?,
                line,
            })
        }),
        cipher_string: setting(&["ssl-ciphers"]).map(|(value, line)| Said::new(value, line)),
        suites: setting(&["ssl-cipher-suites"]).map(|(value, line)| Said::new(command::names(value), line)),
        groups: setting(&["ssl-ecdh-curve"]).map(|(value, line)| Said::new(value, line)),
        ..Tls::default()
    };
    if !tls.is_silent() {
        let service = Service::new("Kubernetes ingress controller", name_of(object), object.line());
        tls.tell(service, found);
    }
}

/// cert-manager's `Certificate`: the key that it makes.
fn certificate(object: View<'_>, found: &mut Fragment) {
    let Some(spec) = object.get("spec") else { return };
    let mut service = Service::new("cert-manager Certificate", name_of(object), object.line());
    for (key, fact) in [
        ("secretName", "certificate-secret"),
        ("duration", "duration"),
        ("renewBefore", "renew-before"),
    ] {
        if let Some(value) = spec.text_at(&[key]) {
            service.fact(fact, value);
        }
    }
    if let Some(issuer) = spec.text_at(&["issuerRef", "name"]) {
        service.fact("issuer", issuer);
    }
    for name in texts(spec.get("dnsNames")) {
        service.fact("server-name", name);
    }
    for uri in texts(spec.get("uris")) {
        service.fact("server-name", uri);
    }
    if spec.text_at(&["isCA"]) == Some("true") {
        service.fact("authority", "yes");
    }
    let key = spec.get("privateKey");
    let algorithm = key
        .and_then(|key| key.text_at(&["algorithm"]))
        .or_else(|| spec.text_at(&["keyAlgorithm"]));
    let size = key
        .and_then(|key| key.text_at(&["size"]))
        .or_else(|| spec.text_at(&["keySize"]));
    let line = key.map_or(spec.line(), View::line);
    if algorithm.is_none() {
        service.not_stated("algorithm of the key");
    }
    if size.is_none() {
        service.not_stated("size of the key");
    }
    if let Some(value) = key.and_then(|key| key.text_at(&["rotationPolicy"])) {
        service.fact("key-rotation", value);
    }
    let name = match (algorithm.map(str::to_ascii_uppercase).as_deref(), size) {
        (Some("RSA"), Some(size)) => Some(format!("RSA-{size}")),
        (Some("ECDSA"), Some(size)) => Some(format!("ECDSA-P-{size}")),
        (Some("ED25519"), _) => Some("Ed25519".to_owned()),
        (Some(other), _) => Some(other.to_owned()),
        // Its default is RSA, and has been since its first version; the size is left open.
        (None, _) => None,
    };
    let signature = spec.get("signatureAlgorithm");
    let service = service.tell(found);
    if let Some(name) = name {
        let here = found.here().line(line).symbol("privateKey");
        let id = found.algorithm_spelt(&name, &[Function::Keygen], here);
        found.connect(&service, Role::Uses, &id);
    }
    if let Some(signature) = signature
        && let Some(text) = signature.text()
    {
        let here = found.here().line(signature.line()).symbol("signatureAlgorithm");
        let id = found.algorithm_spelt(text, &[Function::Sign], here);
        found.connect(&service, Role::Uses, &id);
    }
}

fn issuer(object: View<'_>, found: &mut Fragment) {
    let Some(spec) = object.get("spec") else { return };
    let mut service = Service::new("cert-manager Issuer", name_of(object), object.line());
    for (kind, value) in spec.entries() {
        service.fact("issuer-kind", kind);
        if let Some(name) = value
            .text_at(&["secretName"])
            .or_else(|| value.text_at(&["privateKeySecretRef", "name"]))
        {
            service.fact("key-secret", name);
        }
        if let Some(server) = value.text_at(&["server"]) {
            service.fact("connects-to", server);
        }
    }
    if let Some(vault) = spec.path(&["vault", "caBundle"]) {
        encoded(vault, "caBundle", None, found);
    }
    service.tell(found);
}

/// A secret: the certificates in it, and of its keys that they are there.
fn secret(object: View<'_>, file: &File<'_>, found: &mut Fragment) {
    // What stands in `stringData` is left to those who read PEM in any file.
    for (name, value) in object.get("data").into_iter().flat_map(View::entries).take(1024) {
        encoded(value, name, Some(file), found);
    }
    let kind = object.text_at(&["type"]).unwrap_or_default();
    if kind == "kubernetes.io/tls" {
        let mut service = Service::new("Kubernetes TLS Secret", name_of(object), object.line());
        service.fact("secret-type", kind);
        let held = ["data", "stringData"].iter().filter_map(|key| object.get(key));
        for (name, value) in held.flat_map(View::entries) {
            service.seen(value.line(), name);
        }
        service.tell(found);
    }
}

/// A value in base64, if there is PEM in it.
fn encoded(value: View<'_>, name: &str, file: Option<&File<'_>>, found: &mut Fragment) {
    let Some(text) = value.text() else { return };
    let clean: Zeroizing<String> =
        Zeroizing::new(text.chars().filter(|letter| !letter.is_whitespace()).collect());
    let here = found
        .here()
        .line(value.line())
        .symbol(super::report::shortened(name.to_owned()));
    match STANDARD.decode(clean.as_bytes()).map(Zeroizing::new) {
        Ok(bytes) => {
            let here = match file {
                Some(file) => here.access(file.access),
                None => here,
            };
            pem::decoded(&bytes, &here, found);
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
fn bundles(object: View<'_>, kind: &str, found: &mut Fragment) {
    let mut count = 0;
    object.maps(&mut |map, _| {
        if let Some(bundle) = map.get("caBundle").filter(|_| count < 1024) {
            count += 1;
            encoded(bundle, &format!("{kind} caBundle"), None, found);
        }
    });
}

#[cfg(test)]
mod tests;
