//! CBOMs of other tools: their names for algorithms become ours, their references stay their own.

use serde_json::Value;

use super::json::{Facts, list, places, text};
use super::read::{Reading, certificate};
use crate::algorithm::{Algorithm, Function, Primitive, alias, curve, oid};
use crate::inventory::{
    Asset, AssetId, Detail, KeyDetail, KeyKind, LibraryDetail, MaterialDetail, ProtocolDetail, Role,
    ServiceDetail,
};

/// Takes over one component: cryptographic assets of 1.6 and later, and of the drafts before (`crypto-asset`).
/// Others are kept aside, in case cryptography belongs to them.
pub(super) fn component(reading: &mut Reading, component: &Value) {
    let Some(kind) = text(component, "type") else {
        return reading.not_understood(component);
    };
    let reference = text(component, "bom-ref").unwrap_or_default().to_owned();
    if !matches!(kind, "cryptographic-asset" | "crypto-asset") {
        if !reference.is_empty() {
            let detail = Detail::Library(LibraryDetail {
                version: text(component, "version").map(str::to_owned),
                purl: text(component, "purl").map(str::to_owned),
            });
            let asset = new(reading, component, detail, None);
            reading.others.insert(reference, asset);
        }
        return;
    }
    let crypto = component.get("cryptoProperties").unwrap_or(&Value::Null);
    let Some(detail) = detail(component, crypto) else {
        return reading.not_understood(component);
    };
    let identity = match &detail {
        Detail::Certificate(certificate) if certificate.sha256.len() == 64 => {
            Some(certificate.sha256.clone())
        }
        Detail::Key(key) if key.kind == KeyKind::Public => key.spki_sha256.clone(),
        _ => None,
    };
    let mut asset = match detail {
        Detail::Algorithm(algorithm) => Asset::algorithm(*algorithm),
        detail => new(reading, component, detail, identity.as_deref()),
    };
    for place in places(component) {
        asset.evidence.add(place);
    }
    references(reading, &reference, crypto);
    if !reference.is_empty() {
        reading.refs.insert(reference, asset.id().clone());
    }
    reading.inventory.insert(asset);
}

/// Takes over a service.
pub(super) fn service(reading: &mut Reading, service: &Value) {
    let detail = Detail::Service(ServiceDetail {
        what: "service".to_owned(),
        endpoints: list(service, "endpoints")
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        authenticated: service.get("authenticated").and_then(Value::as_bool),
    });
    if let Some(reference) = text(service, "bom-ref") {
        let asset = new(reading, service, detail, None);
        reading.others.insert(reference.to_owned(), asset);
    }
}

fn new(reading: &Reading, component: &Value, detail: Detail, identity: Option<&str>) -> Asset {
    let name = text(component, "name").unwrap_or("without a name").to_owned();
    match identity {
        Some(identity) => Asset::new(name, detail, &[identity.as_bytes()]),
        None => {
            let reference = text(component, "bom-ref").unwrap_or(&name).to_owned();
            let kind = detail.kind();
            let id = AssetId::of_content(kind, &[reading.serial.as_bytes(), reference.as_bytes()]);
            Asset::with_id(id, name, detail)
        }
    }
}

fn detail(component: &Value, crypto: &Value) -> Option<Detail> {
    let nothing = Facts::new();
    let part = |name: &str| crypto.get(name).unwrap_or(&Value::Null);
    Some(match text(crypto, "assetType")? {
        "algorithm" => Detail::Algorithm(Box::new(algorithm(
            text(component, "name")?,
            text(crypto, "oid"),
            part("algorithmProperties"),
        ))),
        "certificate" => Detail::Certificate(Box::new(certificate(part("certificateProperties"), &nothing))),
        "protocol" => Detail::Protocol(Box::new(ProtocolDetail {
            protocol: text(part("protocolProperties"), "type")
                .unwrap_or("unknown")
                .to_owned(),
            version: text(part("protocolProperties"), "version").map(str::to_owned),
            suites: list(part("protocolProperties"), "cipherSuites")
                .map(|suite| crate::inventory::CipherSuite {
                    name: text(suite, "name").unwrap_or_default().to_owned(),
                    algorithms: Vec::new(),
                    identifiers: list(suite, "identifiers")
                        .filter_map(Value::as_str)
                        .map(str::to_owned)
                        .collect(),
                })
                .collect(),
            ..ProtocolDetail::default()
        })),
        "related-crypto-material" | "relatedCryptoMaterial" => {
            material(component, part("relatedCryptoMaterialProperties"))
        }
        _ => return None,
    })
}

/// Keys, and everything else. A value that another tool put there is not taken over.
fn material(component: &Value, part: &Value) -> Detail {
    let material = text(part, "type").unwrap_or("unknown");
    let kind = match material {
        "private-key" => Some(KeyKind::Private),
        "public-key" => Some(KeyKind::Public),
        "secret-key" | "key" => Some(KeyKind::Secret),
        _ => None,
    };
    match kind {
        Some(kind) => Detail::Key(Box::new(KeyDetail {
            kind,
            algorithm: None,
            bits: part
                .get("size")
                .and_then(Value::as_u64)
                .and_then(|bits| u32::try_from(bits).ok()),
            spki_sha256: None,
            format: text(part, "format").unwrap_or_default().to_owned(),
            protection: None,
        })),
        None => Detail::Material(Box::new(MaterialDetail {
            material: material.to_owned(),
            what: text(component, "name").unwrap_or(material).to_owned(),
            format: text(part, "format").map(str::to_owned),
            activation: text(part, "activationDate").map(str::to_owned),
            expiration: text(part, "expirationDate").map(str::to_owned),
        })),
    }
}

/// An algorithm by its name, else by its OID, else by the properties that the other tool gave it.
fn algorithm(name: &str, dotted: Option<&str>, part: &Value) -> Algorithm {
    let functions = list(part, "cryptoFunctions")
        .filter_map(|word| serde_json::from_value::<Function>(word.clone()).ok());
    let mut algorithm = alias::resolve(name)
        .or_else(|| {
            dotted
                .map(oid::algorithm)
                .filter(|found| found.primitive != Primitive::Unknown)
        })
        .unwrap_or_else(|| foreign(name, part));
    algorithm.functions.extend(functions);
    algorithm.oid = algorithm.oid.or_else(|| dotted.map(str::to_owned));
    algorithm
}

fn foreign(name: &str, part: &Value) -> Algorithm {
    let mut algorithm = Algorithm::named(name);
    if let Some(primitive) = part
        .get("primitive")
        .and_then(|word| serde_json::from_value(word.clone()).ok())
    {
        algorithm.primitive = primitive;
    }
    algorithm.parameter_set = text(part, "parameterSetIdentifier").map(str::to_owned);
    algorithm.mode = text(part, "mode").map(str::to_owned);
    algorithm.padding = text(part, "padding").map(str::to_owned);
    algorithm.curve = text(part, "ellipticCurve")
        .or_else(|| text(part, "curve"))
        .map(|name| {
            curve::by_name(name)
                .map_or(name, |curve| curve.registry)
                .to_owned()
        });
    algorithm
}

/// References that stand in a component's own properties.
fn references(reading: &mut Reading, from: &str, crypto: &Value) {
    let part = |name: &str| crypto.get(name).unwrap_or(&Value::Null);
    let single = [
        ("certificateProperties", "signatureAlgorithmRef", Role::SignedWith),
        ("certificateProperties", "subjectPublicKeyRef", Role::Certifies),
        ("relatedCryptoMaterialProperties", "algorithmRef", Role::Uses),
    ];
    for (of, name, role) in single {
        if let Some(to) = text(part(of), name) {
            reading.edges.push((from.to_owned(), role, to.to_owned()));
        }
    }
    let protocol = part("protocolProperties");
    let suites = list(protocol, "cipherSuites").flat_map(|suite| list(suite, "algorithms"));
    for to in list(protocol, "cryptoRefArray")
        .chain(suites)
        .filter_map(Value::as_str)
    {
        reading.edges.push((from.to_owned(), Role::Offers, to.to_owned()));
    }
    for name in [
        "certificateProperties",
        "relatedCryptoMaterialProperties",
        "protocolProperties",
    ] {
        for related in list(part(name), "relatedCryptographicAssets") {
            if let Some(to) = text(related, "ref") {
                let role = match (name, text(related, "type")) {
                    ("certificateProperties", Some("algorithm")) => Role::SignedWith,
                    ("certificateProperties", _) => Role::Certifies,
                    ("protocolProperties", _) => Role::Offers,
                    _ => Role::Uses,
                };
                reading.edges.push((from.to_owned(), role, to.to_owned()));
            }
        }
    }
}

/// What a bare dependency means, from what its ends are; `None` when neither is cryptography, or when the document is
/// ours and said it already.
pub(super) fn role(reading: &mut Reading, from: &str, to: &str, provides: bool) -> Option<Role> {
    let known = |reading: &Reading, reference: &str| {
        reading
            .refs
            .get(reference)
            .and_then(|id| reading.inventory.get(id))
            .map(|asset| asset.detail.kind())
    };
    if reading
        .edges
        .iter()
        .rev()
        .take(64)
        .any(|(a, _, b)| a == from && b == to)
    {
        return None;
    }
    let target = known(reading, to)?;
    if let Some(kind) = known(reading, from) {
        let own = reading.refs.get(from).is_some_and(|id| id.as_str() == from);
        if own {
            return None;
        }
        return Some(match (kind, target) {
            _ if provides => Role::Provides,
            ("certificate", "algorithm") => Role::SignedWith,
            ("certificate", "certificate") => Role::IssuedBy,
            ("certificate", _) => Role::Certifies,
            ("algorithm", _) => Role::MadeOf,
            ("protocol", _) => Role::Offers,
            _ => Role::Uses,
        });
    }
    // A library or a program that uses or implements something cryptographic belongs into the inventory.
    let asset = reading.others.remove(from)?;
    reading.refs.insert(from.to_owned(), asset.id().clone());
    reading.inventory.insert(asset);
    Some(if provides { Role::Provides } else { Role::Uses })
}
