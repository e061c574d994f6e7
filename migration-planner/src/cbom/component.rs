//! One asset as a component.

use serde_json::{Map, Value, json};

use super::SpecVersion;
use super::dto::{Component, Property};
use super::properties::{common, evidence};
use super::protocol;
use crate::algorithm::{Algorithm, Primitive, Quantum};
use crate::inventory::{
    Asset, AssetId, CertificateDetail, Detail, Inventory, KeyDetail, KeyKind, MaterialDetail, Protection,
    Role,
};

/// CycloneDX's words for a material; anything else is `other`.
const MATERIALS: [&str; 19] = [
    "private-key",
    "public-key",
    "secret-key",
    "key",
    "ciphertext",
    "signature",
    "digest",
    "initialization-vector",
    "nonce",
    "seed",
    "salt",
    "shared-secret",
    "tag",
    "additional-data",
    "password",
    "credential",
    "token",
    "other",
    "unknown",
];

/// The asset as a component. Services are no components: `None`.
pub(super) fn component<'a>(
    inventory: &'a Inventory,
    asset: &'a Asset,
    version: SpecVersion,
) -> Option<Component<'a>> {
    let mut properties = common(asset, inventory.edges_from(asset.id()));
    let mut component = Component {
        kind: "cryptographic-asset",
        bom_ref: asset.id().as_str(),
        name: &asset.name,
        version: None,
        purl: None,
        evidence: evidence(asset),
        crypto: None,
        properties: Vec::new(),
    };
    let crypto = match &asset.detail {
        Detail::Algorithm(algorithm) => {
            properties.push(Property::new("quantum", quantum(algorithm.quantum)));
            let mut crypto = json!({
                "assetType": "algorithm",
                "algorithmProperties": algorithm_properties(algorithm, version),
            });
            put(&mut crypto, "oid", algorithm.oid.as_deref());
            Some(crypto)
        }
        Detail::Certificate(detail) => {
            certificate_facts(detail, version, &mut properties);
            Some(json!({
                "assetType": "certificate",
                "certificateProperties": certificate(inventory, asset, detail, version),
            }))
        }
        Detail::Key(detail) => {
            key_facts(detail, &mut properties);
            Some(json!({
                "assetType": "related-crypto-material",
                "relatedCryptoMaterialProperties": key(inventory, asset, detail, version),
            }))
        }
        Detail::Material(detail) => {
            properties.push(Property::new("what", &detail.what));
            Some(json!({
                "assetType": "related-crypto-material",
                "relatedCryptoMaterialProperties": material(detail),
            }))
        }
        Detail::Protocol(detail) => {
            protocol::facts(detail, version, &mut properties);
            Some(json!({
                "assetType": "protocol",
                "protocolProperties": protocol::protocol(inventory, asset, detail, version),
            }))
        }
        Detail::Library(detail) => {
            component.kind = "library";
            component.version = detail.version.as_deref();
            component.purl = detail.purl.as_deref();
            None
        }
        Detail::Service(_) => return None,
    };
    component.crypto = crypto;
    properties.push(Property::new("kind", asset.detail.kind()));
    properties.sort();
    component.properties = properties;
    Some(component)
}

pub(super) fn quantum(quantum: Quantum) -> &'static str {
    match quantum {
        Quantum::Broken => "broken",
        Quantum::Resistant => "resistant",
        Quantum::Symmetric => "symmetric",
        Quantum::Unknown => "unknown",
    }
}

/// Puts a member into a JSON object if there is a value for it.
pub(super) fn put(object: &mut Value, name: &str, value: Option<impl Into<Value>>) {
    if let (Some(value), Value::Object(object)) = (value, object) {
        object.insert(name.to_owned(), value.into());
    }
}

/// The first asset that an edge of this role leads to.
pub(super) fn target<'a>(inventory: &'a Inventory, asset: &Asset, role: Role) -> Option<&'a AssetId> {
    inventory
        .edges_from(asset.id())
        .find(|edge| edge.role == role)
        .map(|edge| &edge.to)
}

fn algorithm_properties(algorithm: &Algorithm, version: SpecVersion) -> Value {
    let primitive = match (algorithm.primitive, version) {
        (Primitive::KeyWrap, SpecVersion::V1_6) => Primitive::Other,
        (primitive, _) => primitive,
    };
    let mut object = json!({ "primitive": primitive });
    put(
        &mut object,
        "parameterSetIdentifier",
        algorithm.parameter_set.as_deref(),
    );
    match version {
        SpecVersion::V1_6 => put(&mut object, "curve", algorithm.curve.as_deref()),
        SpecVersion::V1_7 => {
            put(&mut object, "ellipticCurve", algorithm.curve.as_deref());
            put(&mut object, "algorithmFamily", algorithm.registered_family());
        }
    }
    put(&mut object, "mode", algorithm.mode.as_deref());
    put(&mut object, "padding", algorithm.padding.as_deref());
    if !algorithm.functions.is_empty() {
        put(&mut object, "cryptoFunctions", Some(json!(algorithm.functions)));
    }
    put(&mut object, "classicalSecurityLevel", algorithm.classical_bits);
    put(&mut object, "nistQuantumSecurityLevel", algorithm.quantum_level);
    object
}

fn certificate(
    inventory: &Inventory,
    asset: &Asset,
    detail: &CertificateDetail,
    version: SpecVersion,
) -> Value {
    let mut object = json!({
        "subjectName": detail.subject,
        "issuerName": detail.issuer,
        "certificateFormat": detail.format,
    });
    put(&mut object, "notValidBefore", detail.not_before.as_deref());
    put(&mut object, "notValidAfter", detail.not_after.as_deref());
    match version {
        SpecVersion::V1_6 => {
            let signed_with = target(inventory, asset, Role::SignedWith);
            put(
                &mut object,
                "signatureAlgorithmRef",
                signed_with.map(AssetId::as_str),
            );
            let key = target(inventory, asset, Role::Certifies);
            put(&mut object, "subjectPublicKeyRef", key.map(AssetId::as_str));
        }
        SpecVersion::V1_7 => {
            put(&mut object, "serialNumber", Some(detail.serial.as_str()));
            if detail.sha256.len() == 64 {
                put(
                    &mut object,
                    "fingerprint",
                    Some(json!({ "alg": "SHA-256", "content": detail.sha256 })),
                );
            }
            put(
                &mut object,
                "relatedCryptographicAssets",
                related(inventory, asset),
            );
            let extensions = extensions(detail);
            if !extensions.is_empty() {
                put(&mut object, "certificateExtensions", Some(extensions));
            }
        }
    }
    object
}

fn extensions(detail: &CertificateDetail) -> Vec<Value> {
    let list =
        |values: &std::collections::BTreeSet<String>| values.iter().cloned().collect::<Vec<_>>().join(", ");
    let known = [
        ("basicConstraints", detail.authority.then(|| "CA:TRUE".to_owned())),
        (
            "subjectAlternativeName",
            (!detail.names.is_empty()).then(|| list(&detail.names)),
        ),
        ("subjectKeyIdentifier", detail.subject_key_id.clone()),
        ("authorityKeyIdentifier", detail.authority_key_id.clone()),
    ];
    known
        .into_iter()
        .filter_map(|(name, value)| {
            Some(json!({ "commonExtensionName": name, "commonExtensionValue": value? }))
        })
        .collect()
}

/// What a certificate has that only we write in a place of its own.
fn certificate_facts(detail: &CertificateDetail, version: SpecVersion, properties: &mut Vec<Property>) {
    if version == SpecVersion::V1_6 || detail.sha256.len() != 64 {
        properties.push(Property::new("certificate:sha256", &detail.sha256));
        properties.push(Property::new("certificate:serial", &detail.serial));
    }
    if detail.authority {
        properties.push(Property::new("certificate:authority", "true"));
    }
    for (name, value) in [
        ("subject-key-id", &detail.subject_key_id),
        ("authority-key-id", &detail.authority_key_id),
    ] {
        properties.extend(
            value
                .iter()
                .map(|value| Property::new(format!("certificate:{name}"), value)),
        );
    }
    properties.extend(
        detail
            .names
            .iter()
            .map(|name| Property::new("certificate:name", name)),
    );
    properties.extend(
        detail
            .usages
            .iter()
            .map(|usage| Property::new("certificate:usage", usage)),
    );
}

/// CycloneDX 1.7's references: what each is there for, and to what.
pub(super) fn related(inventory: &Inventory, asset: &Asset) -> Option<Vec<Value>> {
    let list: Vec<Value> = inventory
        .edges_from(asset.id())
        .map(|edge| {
            let kind = match edge.role {
                Role::Certifies => "publicKey",
                Role::SignedWith | Role::Uses | Role::MadeOf | Role::Offers | Role::ProtectedBy => {
                    "algorithm"
                }
                Role::PrivateOf => "publicKey",
                Role::IssuedBy | Role::Trusts => "certificate",
                _ => "other",
            };
            json!({ "type": kind, "ref": edge.to.as_str() })
        })
        .collect();
    (!list.is_empty()).then_some(list)
}

fn key(inventory: &Inventory, asset: &Asset, detail: &KeyDetail, version: SpecVersion) -> Value {
    let mut object = json!({ "type": detail.kind.name(), "format": detail.format });
    put(&mut object, "size", detail.bits);
    if detail.kind != KeyKind::Secret {
        put(&mut object, "id", detail.spki_sha256.as_deref());
    }
    match version {
        SpecVersion::V1_6 => {
            let algorithm = target(inventory, asset, Role::Uses);
            put(&mut object, "algorithmRef", algorithm.map(AssetId::as_str));
        }
        SpecVersion::V1_7 => {
            put(
                &mut object,
                "relatedCryptographicAssets",
                related(inventory, asset),
            );
            if let Some(spki) = detail.spki_sha256.as_ref().filter(|spki| spki.len() == 64) {
                put(
                    &mut object,
                    "fingerprint",
                    Some(json!({ "alg": "SHA-256", "content": spki })),
                );
            }
        }
    }
    if let Some(protection) = &detail.protection {
        let mut secured = match protection {
            Protection::None => json!({ "mechanism": "None" }),
            Protection::Hardware { device } => json!({ "mechanism": device }),
            Protection::Encrypted { .. } => json!({ "mechanism": "Software" }),
        };
        let cipher = target(inventory, asset, Role::ProtectedBy);
        put(&mut secured, "algorithmRef", cipher.map(AssetId::as_str));
        put(&mut object, "securedBy", Some(secured));
    }
    object
}

fn key_facts(detail: &KeyDetail, properties: &mut Vec<Property>) {
    properties.extend(
        detail
            .algorithm
            .iter()
            .map(|name| Property::new("key:algorithm", name)),
    );
    match &detail.protection {
        None => {}
        Some(Protection::None) => properties.push(Property::new("key:protection", "none")),
        Some(Protection::Hardware { device }) => {
            properties.push(Property::new("key:protection", "hardware"));
            properties.push(Property::new("key:device", device));
        }
        Some(Protection::Encrypted { kdf, rounds, cipher }) => {
            properties.push(Property::new("key:protection", "encrypted"));
            properties.extend(kdf.iter().map(|kdf| Property::new("key:kdf", kdf)));
            properties.extend(
                rounds
                    .iter()
                    .map(|rounds| Property::new("key:rounds", rounds.to_string())),
            );
            properties.extend(cipher.iter().map(|cipher| Property::new("key:cipher", cipher)));
        }
    }
}

fn material(detail: &MaterialDetail) -> Value {
    let kind = MATERIALS
        .iter()
        .find(|known| **known == detail.material)
        .unwrap_or(&"other");
    let mut object = Value::Object(Map::new());
    put(&mut object, "type", Some(*kind));
    put(&mut object, "format", detail.format.as_deref());
    put(&mut object, "activationDate", detail.activation.as_deref());
    put(&mut object, "expirationDate", detail.expiration.as_deref());
    object
}
