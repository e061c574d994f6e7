//! Documents back to inventories: ours without loss, other tools' as far as they go.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::import;
use super::json::{Facts, facts, first, list, occurrence, places, text};
use crate::algorithm::Algorithm;
use crate::inventory::{
    Asset, AssetId, CertificateDetail, CipherSuite, Detail, Edge, Inventory, KeyDetail, KeyKind,
    LibraryDetail, MaterialDetail, Protection, ProtocolDetail, Reason, Role, ServiceDetail, Subject, Unread,
};
use crate::scan::secret::without_secrets;

/// The largest document read, in bytes.
pub const MAX_LEN: usize = 512 << 20;

/// Why a document could not be read at all. What is wrong with parts of it is in the inventory.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// It is JSON, but no CycloneDX document.
    #[error("the document is not a CycloneDX BOM: it has no \"bomFormat\": \"CycloneDX\"")]
    NotCycloneDx,
    /// It is no JSON. CycloneDX has an XML form, too, which is not read.
    #[error("the document is not valid JSON: {0}")]
    NotJson(#[from] serde_json::Error),
    /// It is larger than [`MAX_LEN`].
    #[error("the document has {0} bytes, more than the {MAX_LEN} that are read")]
    TooLong(usize),
}

/// Reads a CycloneDX BOM in JSON, of this or any other tool.
///
/// # Errors
/// [`ReadError`] when it is none. Components that cannot be understood are in the inventory's list of what could not
/// be read.
pub fn read(bytes: &[u8]) -> Result<Inventory, ReadError> {
    if bytes.len() > MAX_LEN {
        return Err(ReadError::TooLong(bytes.len()));
    }
    let document: Value = serde_json::from_slice(bytes)?;
    if document.get("bomFormat").and_then(Value::as_str) != Some("CycloneDX") {
        return Err(ReadError::NotCycloneDx);
    }
    let mut reading = Reading {
        serial: text(&document, "serialNumber").unwrap_or_default().to_owned(),
        inventory: Inventory::new(),
        refs: HashMap::new(),
        edges: Vec::new(),
        others: HashMap::new(),
    };
    reading.metadata(document.get("metadata"));
    for component in list(&document, "components") {
        reading.component(component);
    }
    for service in list(&document, "services") {
        reading.service(service);
    }
    reading.dependencies(&document);
    Ok(reading.finish())
}

pub(super) struct Reading {
    /// The document's own number, which keeps its references apart from other documents'.
    pub(super) serial: String,
    pub(super) inventory: Inventory,
    /// The document's references, and what they became.
    pub(super) refs: HashMap<String, AssetId>,
    /// Edges by the document's references, to be made when everything is known.
    pub(super) edges: Vec<(String, Role, String)>,
    /// Components that are not cryptography, in case something cryptographic belongs to them.
    pub(super) others: HashMap<String, Asset>,
}

impl Reading {
    fn metadata(&mut self, metadata: Option<&Value>) {
        let Some(metadata) = metadata else { return };
        self.inventory.timestamp = text(metadata, "timestamp").map(str::to_owned);
        let facts = facts(metadata);
        // Another program may have written what it was given.
        let targets = facts.get("target").into_iter().flatten();
        self.inventory.targets = targets.map(|target| without_secrets(target)).collect();
        for (name, value) in facts
            .iter()
            .filter_map(|(name, values)| Some((name, values.first()?)))
        {
            let Ok(count) = value.parse::<u64>() else { continue };
            let parts: Vec<&str> = name.split(':').collect();
            match parts.as_slice() {
                ["coverage", subject, what] => {
                    let Some(subject) = Subject::from_name(subject) else {
                        continue;
                    };
                    let tally = self.inventory.coverage.of(subject);
                    match *what {
                        "attempted" => tally.attempted = count,
                        "read" => tally.read = count,
                        "bytes" => tally.bytes = count,
                        _ => {}
                    }
                }
                ["unread-not-listed", reason] => {
                    if let Some(reason) = Reason::from_name(reason) {
                        self.inventory.unread.omit(reason, count);
                    }
                }
                _ => {}
            }
        }
    }

    fn component(&mut self, component: &Value) {
        let facts = facts(component);
        match first(&facts, "kind") {
            Some("unread") => self.unread(component, &facts),
            Some(kind) => match own(kind, component, &facts) {
                Some(asset) => self.keep_own(asset, component, &facts),
                None => self.not_understood(component),
            },
            None => import::component(self, component),
        }
        // The JSON reader bounds the depth.
        for inner in list(component, "components") {
            self.component(inner);
        }
    }

    fn service(&mut self, service: &Value) {
        let facts = facts(service);
        if first(&facts, "kind") != Some("service") {
            return import::service(self, service);
        }
        let Some(mut asset) = own("service", service, &facts) else {
            return self.not_understood(service);
        };
        for text in facts.get("occurrence").into_iter().flatten() {
            if let Ok(value) = serde_json::from_str(text) {
                asset.evidence.add(occurrence(&value));
            }
        }
        self.keep_own(asset, service, &facts);
    }

    fn keep_own(&mut self, mut asset: Asset, component: &Value, facts: &Facts) {
        let id = asset.id().to_string();
        asset.owners = facts.get("owner").cloned().unwrap_or_default();
        asset.exposure = first(facts, "exposure").map(str::to_owned);
        if let Some(count) = first(facts, "occurrences-omitted").and_then(|count| count.parse().ok()) {
            asset.evidence.omit(count);
        }
        for place in places(component) {
            asset.evidence.add(place);
        }
        for (name, values) in facts {
            if let Some(name) = name.strip_prefix("fact:") {
                asset.facts.insert(name.to_owned(), values.clone());
            } else if let Some(role) = name.strip_prefix("edge:").and_then(Role::from_name) {
                self.edges
                    .extend(values.iter().map(|to| (id.clone(), role, to.clone())));
            }
        }
        self.refs.insert(id, asset.id().clone());
        self.inventory.insert(asset);
    }

    fn unread(&mut self, component: &Value, facts: &Facts) {
        let place = places(component).next();
        self.inventory.unread.add(Unread {
            location: text(component, "name").unwrap_or_default().to_owned(),
            line: place.and_then(|place| place.line),
            reason: first(facts, "unread:reason")
                .and_then(Reason::from_name)
                .unwrap_or(Reason::Unsupported),
            scanner: first(facts, "unread:scanner").unwrap_or_default().to_owned(),
            detail: first(facts, "unread:detail").unwrap_or_default().to_owned(),
        });
    }

    /// Notes a component that makes no sense.
    pub(super) fn not_understood(&mut self, component: &Value) {
        let name = text(component, "name").unwrap_or("without a name");
        self.inventory.unread.add(Unread {
            location: text(component, "bom-ref").unwrap_or(name).to_owned(),
            line: None,
            reason: Reason::Malformed,
            scanner: "cbom".to_owned(),
            detail: format!("the component {name:?} cannot be understood"),
        });
    }

    /// Dependencies of other tools; ours stand in properties as well, with their roles.
    fn dependencies(&mut self, document: &Value) {
        for dependency in list(document, "dependencies") {
            let Some(from) = text(dependency, "ref") else {
                continue;
            };
            for (name, provides) in [("dependsOn", false), ("provides", true)] {
                for to in list(dependency, name).filter_map(Value::as_str) {
                    if let Some(role) = import::role(self, from, to, provides) {
                        self.edges.push((from.to_owned(), role, to.to_owned()));
                    }
                }
            }
        }
    }

    fn finish(mut self) -> Inventory {
        for (from, role, to) in std::mem::take(&mut self.edges) {
            if let (Some(from), Some(to)) = (self.refs.get(&from), self.refs.get(&to)) {
                self.inventory.connect(Edge::new(from, role, to));
            }
        }
        self.inventory
    }
}

/// One of our own components.
fn own(kind: &str, component: &Value, facts: &Facts) -> Option<Asset> {
    let id = AssetId::from_text(text(component, "bom-ref")?);
    let name = text(component, "name")?.to_owned();
    let crypto = component.get("cryptoProperties");
    let part = |name: &str| crypto.and_then(|crypto| crypto.get(name)).unwrap_or(&Value::Null);
    let detail = match kind {
        "algorithm" => {
            let mut algorithm = Algorithm::named(&name);
            algorithm.oid = crypto.and_then(|crypto| text(crypto, "oid")).map(str::to_owned);
            let functions = list(part("algorithmProperties"), "cryptoFunctions");
            algorithm.functions = functions
                .filter_map(|word| serde_json::from_value(word.clone()).ok())
                .collect();
            Detail::Algorithm(Box::new(algorithm))
        }
        "certificate" => Detail::Certificate(Box::new(certificate(part("certificateProperties"), facts))),
        "private-key" | "public-key" | "secret-key" => Detail::Key(Box::new(key(
            kind,
            part("relatedCryptoMaterialProperties"),
            facts,
        )?)),
        "material" => Detail::Material(Box::new(material(part("relatedCryptoMaterialProperties"), facts))),
        "protocol" => Detail::Protocol(Box::new(protocol(part("protocolProperties"), facts))),
        "library" => Detail::Library(LibraryDetail {
            version: text(component, "version").map(str::to_owned),
            purl: text(component, "purl").map(str::to_owned),
        }),
        "service" => Detail::Service(ServiceDetail {
            what: first(facts, "what").unwrap_or_default().to_owned(),
            endpoints: facts.get("endpoint").cloned().unwrap_or_default(),
            authenticated: component.get("authenticated").and_then(Value::as_bool),
        }),
        _ => return None,
    };
    Some(Asset::with_id(id, name, detail))
}

pub(super) fn certificate(part: &Value, facts: &Facts) -> CertificateDetail {
    let fact = |name: &str| first(facts, &format!("certificate:{name}")).map(str::to_owned);
    let fingerprint = part
        .get("fingerprint")
        .filter(|hash| text(hash, "alg") == Some("SHA-256"));
    CertificateDetail {
        sha256: fact("sha256")
            .or_else(|| {
                fingerprint
                    .and_then(|hash| text(hash, "content"))
                    .map(str::to_lowercase)
            })
            .unwrap_or_default(),
        subject: text(part, "subjectName").unwrap_or_default().to_owned(),
        issuer: text(part, "issuerName").unwrap_or_default().to_owned(),
        serial: fact("serial")
            .or_else(|| text(part, "serialNumber").map(str::to_owned))
            .unwrap_or_default(),
        not_before: text(part, "notValidBefore").map(str::to_owned),
        not_after: text(part, "notValidAfter").map(str::to_owned),
        format: text(part, "certificateFormat").unwrap_or("X.509").to_owned(),
        authority: fact("authority").is_some(),
        subject_key_id: fact("subject-key-id"),
        authority_key_id: fact("authority-key-id"),
        names: facts.get("certificate:name").cloned().unwrap_or_default(),
        usages: facts.get("certificate:usage").cloned().unwrap_or_default(),
    }
}

fn key(kind: &str, part: &Value, facts: &Facts) -> Option<KeyDetail> {
    let fact = |name: &str| first(facts, &format!("key:{name}")).map(str::to_owned);
    Some(KeyDetail {
        kind: [KeyKind::Private, KeyKind::Public, KeyKind::Secret]
            .into_iter()
            .find(|known| known.name() == kind)?,
        algorithm: fact("algorithm"),
        bits: part
            .get("size")
            .and_then(Value::as_u64)
            .and_then(|bits| u32::try_from(bits).ok()),
        spki_sha256: text(part, "id").map(str::to_owned),
        format: text(part, "format").unwrap_or_default().to_owned(),
        protection: match fact("protection").as_deref() {
            Some("none") => Some(Protection::None),
            Some("hardware") => Some(Protection::Hardware {
                device: fact("device").unwrap_or_default(),
            }),
            Some("encrypted") => Some(Protection::Encrypted {
                kdf: fact("kdf"),
                rounds: fact("rounds").and_then(|rounds| rounds.parse().ok()),
                cipher: fact("cipher"),
            }),
            _ => None,
        },
    })
}

fn material(part: &Value, facts: &Facts) -> MaterialDetail {
    MaterialDetail {
        material: text(part, "type").unwrap_or("other").to_owned(),
        what: first(facts, "what").unwrap_or_default().to_owned(),
        format: text(part, "format").map(str::to_owned),
        activation: text(part, "activationDate").map(str::to_owned),
        expiration: text(part, "expirationDate").map(str::to_owned),
    }
}

fn protocol(part: &Value, facts: &Facts) -> ProtocolDetail {
    let numbered = |prefix: &str| -> Vec<String> {
        let prefix = format!("protocol:{prefix}:");
        facts
            .iter()
            .filter(|(name, _)| name.strip_prefix(&prefix).is_some_and(|rest| !rest.contains(':')))
            .filter_map(|(_, values)| values.first().cloned())
            .collect()
    };
    let mut lists = BTreeMap::new();
    for name in facts
        .keys()
        .filter_map(|name| name.strip_prefix("protocol:list:"))
    {
        if let Some((name, _)) = name.rsplit_once(':') {
            lists
                .entry(name.to_owned())
                .or_insert_with(|| numbered(&format!("list:{name}")));
        }
    }
    let suites = list(part, "cipherSuites")
        .enumerate()
        .map(|(number, suite)| CipherSuite {
            name: text(suite, "name").unwrap_or_default().to_owned(),
            algorithms: first(facts, &format!("protocol:suite:{number:04}"))
                .map(|names| names.split(' ').map(str::to_owned).collect())
                .unwrap_or_default(),
            identifiers: list(suite, "identifiers")
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
        });
    ProtocolDetail {
        protocol: first(facts, "protocol:type")
            .or_else(|| text(part, "type"))
            .unwrap_or("other")
            .to_owned(),
        version: text(part, "version").map(str::to_owned),
        suites: suites.collect(),
        groups: numbered("group"),
        signature_schemes: numbered("signature-scheme"),
        lists,
    }
}
