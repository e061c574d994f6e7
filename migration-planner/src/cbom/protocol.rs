//! A protocol as CycloneDX has it, and the lists that it has no place for.

use serde_json::{Value, json};

use super::SpecVersion;
use super::component::{put, related};
use super::dto::Property;
use crate::algorithm::{Algorithm, alias};
use crate::inventory::{Asset, Detail, Inventory, ProtocolDetail, Role};

const TYPES_1_6: [&str; 7] = ["tls", "ssh", "ipsec", "ike", "sstp", "wpa", "unknown"];
const TYPES_1_7: [&str; 6] = ["dtls", "quic", "eap-aka", "eap-aka-prime", "prins", "5g-aka"];

pub(super) fn protocol(
    inventory: &Inventory,
    asset: &Asset,
    detail: &ProtocolDetail,
    version: SpecVersion,
) -> Value {
    let kind = detail.protocol.as_str();
    let known = TYPES_1_6.contains(&kind) || (version == SpecVersion::V1_7 && TYPES_1_7.contains(&kind));
    let mut object = json!({ "type": if known { kind } else { "other" } });
    put(&mut object, "version", detail.version.as_deref());
    let mut suites: Vec<Value> = detail
        .suites
        .iter()
        .map(|suite| {
            let algorithms: Vec<String> = suite
                .algorithms
                .iter()
                .map(|name| {
                    let name =
                        alias::resolve(name).map_or_else(|| Algorithm::named(name).name, |found| found.name);
                    Asset::algorithm_id(&name).to_string()
                })
                .filter(|id| {
                    inventory
                        .get(&crate::inventory::AssetId::from_text(id.as_str()))
                        .is_some()
                })
                .collect();
            let mut object = json!({ "name": suite.name });
            put(
                &mut object,
                "algorithms",
                (!algorithms.is_empty()).then_some(algorithms),
            );
            put(
                &mut object,
                "identifiers",
                (!suite.identifiers.is_empty()).then(|| suite.identifiers.clone()),
            );
            object
        })
        .collect();
    if version == SpecVersion::V1_7
        && let Some(first) = suites.first_mut()
    {
        // CycloneDX ties groups and schemes to suites; TLS does not, so they stand with the first.
        put(
            first,
            "tlsGroups",
            (kind == "tls" && !detail.groups.is_empty()).then(|| detail.groups.clone()),
        );
        let schemes = &detail.signature_schemes;
        put(
            first,
            "tlsSignatureSchemes",
            (kind == "tls" && !schemes.is_empty()).then(|| schemes.clone()),
        );
    }
    put(
        &mut object,
        "cipherSuites",
        (!suites.is_empty()).then_some(suites),
    );
    match version {
        SpecVersion::V1_6 => {
            let algorithms: Vec<&str> = inventory
                .edges_from(asset.id())
                .filter(|edge| edge.role == Role::Offers)
                .filter(|edge| {
                    inventory
                        .get(&edge.to)
                        .is_some_and(|asset| matches!(asset.detail, Detail::Algorithm(_)))
                })
                .map(|edge| edge.to.as_str())
                .collect();
            put(
                &mut object,
                "cryptoRefArray",
                (!algorithms.is_empty()).then_some(algorithms),
            );
        }
        SpecVersion::V1_7 => put(
            &mut object,
            "relatedCryptographicAssets",
            related(inventory, asset),
        ),
    }
    object
}

/// Everything ordered stands in properties as well: their values are numbered, since properties are sorted.
pub(super) fn facts(detail: &ProtocolDetail, _version: SpecVersion, properties: &mut Vec<Property>) {
    properties.push(Property::new("protocol:type", &detail.protocol));
    let mut list = |name: &str, values: &[String]| {
        for (number, value) in values.iter().enumerate() {
            properties.push(Property::new(format!("protocol:{name}:{number:04}"), value));
        }
    };
    list("group", &detail.groups);
    list("signature-scheme", &detail.signature_schemes);
    for (name, values) in &detail.lists {
        list(&format!("list:{name}"), values);
    }
    let suites = detail.suites.iter().enumerate();
    properties.extend(
        suites
            .filter(|(_, suite)| !suite.algorithms.is_empty())
            .map(|(number, suite)| {
                Property::new(format!("protocol:suite:{number:04}"), suite.algorithms.join(" "))
            }),
    );
}
