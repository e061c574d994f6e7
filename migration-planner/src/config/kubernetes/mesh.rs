//! Istio's objects.

use super::{Fragment, Names, Said, Service, Tls, View, bounds, is_true, name_of, texts};

/// `Gateway` of Istio: its servers.
pub(super) fn istio_gateway(object: View<'_>, found: &mut Fragment) {
    for server in object
        .path(&["spec", "servers"])
        .into_iter()
        .flat_map(View::items)
    {
        let Some(tls) = server.get("tls") else { continue };
        let mut service = Service::new("Istio gateway server", name_of(object), server.line());
        let port = server.text_at(&["port", "number"]).unwrap_or("443");
        for host in texts(server.get("hosts")) {
            // A host may have its namespace before it.
            let host = host.rsplit('/').next().unwrap_or(host);
            service.endpoints.insert(format!("tls://{host}:{port}"));
        }
        tls_of(tls, service, found);
    }
}

/// The TLS of a gateway or of a destination.
fn tls_of(view: View<'_>, mut service: Service, found: &mut Fragment) {
    service.seen(view.line(), "tls");
    let mode = view.text_at(&["mode"]);
    match mode {
        Some(mode) => service.fact("tls-mode", mode),
        None => service.not_stated("mode"),
    }
    service.authenticated = mode.map(|mode| mode.contains("MUTUAL"));
    for (key, names) in [
        ("serverCertificate", Names::Certificate),
        ("clientCertificate", Names::Certificate),
        ("privateKey", Names::Key),
        ("caCertificates", Names::Trust),
        ("caCrl", Names::Other),
    ] {
        if let Some(value) = view.get(key)
            && let Some(path) = value.text()
        {
            service.file(names, path, value.line(), key);
        }
    }
    if let Some(secret) = view.text_at(&["credentialName"]) {
        service.fact("certificate-secret", secret);
    }
    for secret in texts(view.get("credentialNames")) {
        service.fact("certificate-secret", secret);
    }
    if view.text_at(&["insecureSkipVerify"]).is_some_and(is_true) {
        service.fact("verifies-server", "no");
    }
    let tls = spoken(view, &mut service);
    // Nothing is spoken where it only passes through, or is off.
    match mode {
        Some("PASSTHROUGH" | "AUTO_PASSTHROUGH" | "DISABLE") => {
            service.tell(found);
        }
        _ => {
            tls.tell(service, found);
        }
    }
}

/// `DestinationRule`: what is spoken to a service, and to its ports and subsets.
pub(super) fn destination_rule(object: View<'_>, found: &mut Fragment) {
    let host = object.text_at(&["spec", "host"]).unwrap_or_default();
    let Some(spec) = object.get("spec") else { return };
    let mut blocks: Vec<View<'_>> = Vec::new();
    spec.maps(&mut |map, _| {
        if let Some(tls) = map.get("tls").filter(|_| blocks.len() < 256) {
            blocks.push(tls);
        }
    });
    for tls in blocks {
        let mut service = Service::new("Istio destination", name_of(object), tls.line());
        service.fact("connects-to", host);
        if let Some(sni) = tls.text_at(&["sni"]) {
            service.fact("server-name", sni);
        }
        tls_of(tls, service, found);
    }
}

/// `meshConfig` in an object.
pub(super) fn settings_of_all(object: View<'_>, path: &[&str], found: &mut Fragment) {
    if let Some(config) = object.path(path) {
        settings(config, &name_of(object), found);
    }
}

/// `meshConfig`: what all proxies speak to each other, and what gateways speak that say nothing else.
pub(super) fn settings(config: View<'_>, name: &str, found: &mut Fragment) {
    for (key, what) in [
        ("meshMTLS", "Istio mesh"),
        ("tlsDefaults", "Istio mesh defaults outside of mutual TLS"),
    ] {
        let Some(view) = config.get(key) else { continue };
        let mut service = Service::new(what, name, view.line());
        service.authenticated = (key == "meshMTLS").then_some(true);
        let tls = spoken(view, &mut service);
        tls.tell(service, found);
    }
}

/// The versions, suites and groups that Istio's TLS settings have.
fn spoken(view: View<'_>, service: &mut Service) -> Tls {
    let mut tls = Tls::default();
    bounds(
        view,
        ["minProtocolVersion", "maxProtocolVersion"],
        &mut tls,
        service,
    );
    tls.cipher_string = list(view, "cipherSuites");
    tls.groups = list(view, "ecdhCurves");
    tls
}

/// A list as one text with colons, and its line.
fn list(view: View<'_>, key: &str) -> Option<Said> {
    let list = view.get(key)?;
    let names: Vec<&str> = list.items().filter_map(View::text).collect();
    (!names.is_empty()).then(|| Said::new(names.join(":"), list.line()))
}

/// `PeerAuthentication`: whether mutual TLS is asked for.
pub(super) fn peer_authentication(object: View<'_>, found: &mut Fragment) {
    let mut service = Service::new("Istio peer authentication", name_of(object), object.line());
    let mode = object
        .path(&["spec", "mtls"])
        .and_then(|mtls| Some((mtls.text_at(&["mode"])?, mtls.line())));
    match mode {
        Some((mode, line)) => {
            service.fact("tls-mode", mode);
            service.seen(line, "mtls");
            service.authenticated = Some(mode == "STRICT");
            if mode == "PERMISSIVE" || mode == "DISABLE" {
                service.fact("plain-connections", "allowed");
            }
        }
        None => service.not_stated("mode"),
    }
    for (port, value) in object
        .path(&["spec", "portLevelMtls"])
        .into_iter()
        .flat_map(View::entries)
        .take(256)
    {
        if let Some(mode) = value.text_at(&["mode"]) {
            service.fact("tls-mode", format!("port {port}: {mode}"));
        }
    }
    match mode {
        Some(("DISABLE", _)) => service.tell(found),
        _ => Tls::default().tell(service, found),
    };
}
