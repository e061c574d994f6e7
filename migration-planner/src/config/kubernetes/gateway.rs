//! The Gateway API's objects.

use super::{Fragment, Said, Service, Tls, View, name_of, secret_name, version};

/// `Gateway` and `ListenerSet`: their listeners.
pub(super) fn listeners(object: View<'_>, found: &mut Fragment) {
    // What holds for all listeners, or for those on one port.
    let frontend = object.path(&["spec", "tls", "frontend"]);
    let of_port = |port: &str| -> Option<View<'_>> {
        let ports = frontend?.get("perPort")?;
        let mut ports = ports.items();
        ports
            .find(|item| item.text_at(&["port"]) == Some(port))?
            .path(&["tls", "validation"])
    };
    let of_all = frontend.and_then(|frontend| frontend.path(&["default", "validation"]));
    for listener in object
        .path(&["spec", "listeners"])
        .into_iter()
        .flat_map(View::items)
    {
        let Some(block) = listener.get("tls") else {
            continue;
        };
        let name = match listener.text_at(&["name"]) {
            Some(listener) => format!("{} {listener}", name_of(object)),
            None => name_of(object),
        };
        let mut service = Service::new("Kubernetes Gateway", name, listener.line());
        let host = listener.text_at(&["hostname"]).unwrap_or("*");
        let port = listener.text_at(&["port"]).unwrap_or("443");
        service.endpoints.insert(format!("tls://{host}:{port}"));
        service.seen(block.line(), "tls");
        for reference in block.get("certificateRefs").into_iter().flat_map(View::items) {
            if let Some(name) = reference.text_at(&["name"]) {
                let name = secret_name(object, reference.text_at(&["namespace"]), name);
                service.fact("certificate-secret", name);
            }
        }
        let validation = block
            .get("frontendValidation")
            .or_else(|| of_port(port))
            .or(of_all);
        if let Some(validation) = validation {
            trusts(validation, &mut service);
            service.authenticated = Some(validation.text_at(&["mode"]) != Some("AllowInsecureFallback"));
        }
        let mut tls = Tls::default();
        for (option, value) in block.get("options").into_iter().flat_map(View::entries) {
            let Some(text) = value.text() else { continue };
            service.fact("option", format!("{option}: {text}"));
            let line = value.line();
            match version(text) {
                Some(at) if option.contains("min") => tls.lowest = Some(Said { value: at, line }),
                Some(at) if option.contains("max") => tls.highest = Some(Said { value: at, line }),
                _ => {}
            }
            if option.ends_with("/tls-cipher-suites") {
                tls.cipher_string = Some(Said::new(text.replace(", ", ":").replace(',', ":"), line));
            }
            if option.ends_with("/tls-terminate-mode") {
                service.authenticated = Some(text.contains("MUTUAL") && !text.contains("OPTIONAL"));
            }
        }
        match block.text_at(&["mode"]) {
            Some("Passthrough") => {
                service.fact("tls-mode", "Passthrough");
                service.tell(found);
            }
            _ => {
                tls.tell(service, found);
            }
        }
    }
}

/// Whom the other side's certificates have to be from.
fn trusts(validation: View<'_>, service: &mut Service) {
    service.seen(validation.line(), "validation");
    for reference in validation
        .get("caCertificateRefs")
        .into_iter()
        .flat_map(View::items)
    {
        if let Some(name) = reference.text_at(&["name"]) {
            service.fact("trust-secret", name);
        }
    }
    if let Some(known) = validation.text_at(&["wellKnownCACertificates"]) {
        service.fact("trust-secret", known);
    }
}

/// `BackendTLSPolicy`: what a gateway speaks to the servers behind it.
pub(super) fn backend(object: View<'_>, found: &mut Fragment) {
    let mut service = Service::new("Kubernetes backend", name_of(object), object.line());
    for target in object
        .path(&["spec", "targetRefs"])
        .into_iter()
        .flat_map(View::items)
        .take(256)
    {
        if let Some(name) = target.text_at(&["name"]) {
            service.fact("connects-to", name);
        }
    }
    if let Some(validation) = object.path(&["spec", "validation"]) {
        trusts(validation, &mut service);
        service.fact("verifies-server", "yes");
        if let Some(name) = validation.text_at(&["hostname"]) {
            service.fact("server-name", name);
        }
    }
    Tls::default().tell(service, found);
}
