//! What lets connections into a cluster: Ingress and its controllers, load balancers of a cloud.

use super::{Fragment, Said, Service, Tls, View, command, name_of, secret_name, texts};

/// `Ingress`, with what its controller reads in annotations.
pub(super) fn ingress(object: View<'_>, found: &mut Fragment) {
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
    let held = annotation("certificate-arn").is_some() || annotation("pre-shared-cert").is_some();
    if tls_blocks.is_empty() && tls.is_silent() && policy.is_none() && !held {
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
            service.fact("certificate-secret", secret_name(object, None, secret));
        }
    }
    if let Some((secret, _)) = annotation("auth-tls-secret") {
        service.fact("trust-secret", secret_name(object, None, secret));
        service.authenticated =
            Some(annotation("auth-tls-verify-client").is_none_or(|(value, _)| value != "off"));
    }
    for (name, value) in annotations.into_iter().flat_map(View::entries) {
        let tells = [
            "/cluster-issuer",
            "/issuer",
            "/certificate-arn",
            "/pre-shared-cert",
        ];
        let tells = name.contains("proxy-ssl-") || tells.iter().any(|end| name.ends_with(end));
        if let Some(value) = value.text().filter(|_| tells) {
            service.fact("annotation", format!("{name}: {value}"));
        }
    }
    tls.tell(service, found);
}

/// What an ingress controller is told for all.
pub(super) fn controller(object: View<'_>, found: &mut Fragment) {
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

/// What annotations of a `Service` begin with for AWS' load balancers.
const AWS: &str = "service.beta.kubernetes.io/aws-load-balancer-";

/// A `Service` before which AWS puts a load balancer that ends TLS.
pub(super) fn load_balancer(object: View<'_>, found: &mut Fragment) {
    let annotations: Vec<(&str, View<'_>)> = object
        .path(&["metadata", "annotations"])
        .into_iter()
        .flat_map(View::entries)
        .filter_map(|(name, value)| Some((name.strip_prefix(AWS)?, value)))
        .collect();
    let annotation = |wanted: &str| {
        annotations
            .iter()
            .find(|(name, _)| *name == wanted)
            .map(|(_, value)| *value)
    };
    let (certificate, policy) = (annotation("ssl-cert"), annotation("ssl-negotiation-policy"));
    if certificate.is_none() && policy.is_none() {
        return;
    }
    let mut service = Service::new("Kubernetes load balancer", name_of(object), object.line());
    if let Some(policy) = policy {
        service.seen(policy.line(), "ssl-negotiation-policy");
        if let Some(name) = policy.text() {
            service.fact("policy", name);
        }
    }
    for name in ["ssl-cert", "backend-protocol", "alpn-policy"] {
        let Some(view) = annotation(name) else { continue };
        service.seen(view.line(), name);
        if let Some(value) = view.text() {
            service.fact("annotation", format!("{AWS}{name}: {value}"));
        }
    }
    // By number or by name; all of them when none is chosen.
    let ports: Vec<View<'_>> = object
        .path(&["spec", "ports"])
        .into_iter()
        .flat_map(View::items)
        .take(256)
        .collect();
    let chosen = annotation("ssl-ports")
        .and_then(View::text)
        .filter(|chosen| *chosen != "*");
    for port in ports {
        let (name, number) = (port.text_at(&["name"]), port.text_at(&["port"]));
        let is = |chosen: &str| {
            chosen
                .split(',')
                .map(str::trim)
                .any(|one| Some(one) == name || Some(one) == number)
        };
        if let Some(number) = number.filter(|_| chosen.is_none_or(is)) {
            service.endpoints.insert(format!("tls://*:{number}"));
        }
    }
    Tls::default().tell(service, found);
}
