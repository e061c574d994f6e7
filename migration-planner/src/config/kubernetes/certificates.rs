//! cert-manager's objects.

use super::{File, Fragment, Service, View, encoded, is_true, name_of, texts};
use crate::algorithm::Function;
use crate::inventory::Role;

/// cert-manager's `Certificate`: the key that it makes.
pub(super) fn certificate(object: View<'_>, found: &mut Fragment) {
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
    if spec.text_at(&["isCA"]).is_some_and(is_true) {
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

/// `Issuer`: where it gets what it issues.
pub(super) fn issuer(object: View<'_>, file: &File<'_>, found: &mut Fragment) {
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
        encoded(vault, "caBundle", file, None, found);
    }
    service.tell(found);
}
