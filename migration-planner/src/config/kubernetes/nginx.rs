//! The objects of NGINX's own ingress controller (`k8s.nginx.org`).

use super::{Fragment, Said, Service, Tls, View, command, is_true, name_of, secret_name};

/// Most upstreams and policies of one object.
const MAX_ITEMS: usize = 256;

/// Reads one object. Whether it is of a kind that is about cryptography.
pub(super) fn object(object: View<'_>, kind: &str, found: &mut Fragment) -> bool {
    let what = match kind {
        "VirtualServer" => "Kubernetes VirtualServer",
        "TransportServer" => "Kubernetes TransportServer",
        "VirtualServerRoute" => {
            upstreams(object, found);
            return true;
        }
        "Policy" => {
            policy(object, found);
            return true;
        }
        _ => return false,
    };
    server(object, what, found);
    upstreams(object, found);
    true
}

/// What ends TLS here. Versions and suites are the controller's, whose `ConfigMap` has them.
fn server(object: View<'_>, what: &'static str, found: &mut Fragment) {
    let Some(block) = object.path(&["spec", "tls"]) else {
        return;
    };
    let mut service = Service::new(what, name_of(object), object.line());
    service.seen(block.line(), "tls");
    if let Some(host) = object.text_at(&["spec", "host"]) {
        service.endpoints.insert(format!("tls://{host}:443"));
    }
    if let Some(secret) = block.text_at(&["secret"]) {
        service.fact("certificate-secret", secret_name(object, None, secret));
    }
    for kind in ["issuer", "cluster-issuer"] {
        if let Some(issuer) = block.text_at(&["cert-manager", kind]) {
            service.fact("issuer", issuer);
        }
    }
    let policies = object
        .path(&["spec", "policies"])
        .into_iter()
        .flat_map(View::items);
    for policy in policies.take(MAX_ITEMS) {
        if let Some(name) = policy.text_at(&["name"]) {
            service.fact(
                "policy",
                secret_name(object, policy.text_at(&["namespace"]), name),
            );
        }
    }
    Tls::default().tell(service, found);
}

/// What is spoken to the servers behind.
fn upstreams(object: View<'_>, found: &mut Fragment) {
    let upstreams = object
        .path(&["spec", "upstreams"])
        .into_iter()
        .flat_map(View::items);
    for upstream in upstreams.take(MAX_ITEMS) {
        if !upstream.text_at(&["tls", "enable"]).is_some_and(is_true) {
            continue;
        }
        let name = upstream.text_at(&["name"]).unwrap_or_default();
        let title = format!("{} {name}", name_of(object));
        let mut service = Service::new("Kubernetes backend", title, upstream.line());
        if let Some(server) = upstream.text_at(&["service"]) {
            service.fact("connects-to", server);
        }
        Tls::default().tell(service, found);
    }
}

/// `Policy`: mutual TLS with clients, and with the servers behind.
fn policy(object: View<'_>, found: &mut Fragment) {
    if let Some(clients) = object.path(&["spec", "ingressMTLS"]) {
        let mut service = Service::new("Kubernetes client policy", name_of(object), clients.line());
        service.authenticated = Some(clients.text_at(&["verifyClient"]) != Some("off"));
        if let Some(secret) = clients.text_at(&["clientCertSecret"]) {
            service.fact("trust-secret", secret_name(object, None, secret));
        }
        service.tell(found);
    }
    let Some(servers) = object.path(&["spec", "egressMTLS"]) else {
        return;
    };
    let mut service = Service::new("Kubernetes backend policy", name_of(object), servers.line());
    for (key, fact) in [
        ("tlsSecret", "certificate-secret"),
        ("trustedCertSecret", "trust-secret"),
    ] {
        if let Some(secret) = servers.text_at(&[key]) {
            service.fact(fact, secret_name(object, None, secret));
        }
    }
    let verifies = servers.text_at(&["verifyServer"]).is_some_and(is_true);
    service.fact("verifies-server", if verifies { "yes" } else { "no" });
    if let Some(name) = servers.text_at(&["sslName"]) {
        service.fact("server-name", name);
    }
    let said = |key: &str| {
        servers
            .get(key)
            .and_then(|value| Some((value.text()?, value.line())))
    };
    let tls = Tls {
        versions: said("protocols").and_then(|(text, line)| {
            let value = command::protocols(text)?;
            Some(Said { value, line })
        }),
        cipher_string: said("ciphers").map(|(text, line)| Said::new(text, line)),
        ..Tls::default()
    };
    tls.tell(service, found);
}
