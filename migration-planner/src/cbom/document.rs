//! The whole document, of which never more than some megabytes are held in memory.

use std::io::Write;

use serde::{Serialize, Serializer};
use serde_json::json;
use symbolon_crypto::digest::Sha256;

use super::SpecVersion;
use super::component::component;
use super::dto::{Component, Dependency, Evidence, Occurrence, Property, Service};
use super::pretty::Members;
use super::properties::{common, occurrence};
use crate::inventory::{Asset, Detail, Inventory, Role, Unread};

/// Writes the inventory as a CycloneDX CBOM. The same inventory gives the same bytes, but for its timestamp.
///
/// # Errors
/// What the writer reports.
pub fn write(inventory: &Inventory, version: SpecVersion, out: &mut dyn Write) -> std::io::Result<()> {
    write_by(inventory, version, 0, out)
}

/// The same by so many threads; 0 means as many as the machine has processors.
///
/// # Errors
/// What the writer reports.
pub fn write_by(
    inventory: &Inventory,
    version: SpecVersion,
    threads: usize,
    out: &mut dyn Write,
) -> std::io::Result<()> {
    let threads = match threads {
        0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        threads => threads,
    };
    let mut document = Members::begin(out, threads)?;
    document.member("bomFormat", &"CycloneDX")?;
    document.member("specVersion", &version.name())?;
    document.member("serialNumber", &serial_number(inventory))?;
    document.member("version", &1)?;
    document.member("metadata", &metadata(inventory))?;
    let assets = inventory.assets().map(Item::Asset);
    let items: Vec<Item<'_>> = assets.chain(inventory.unread.iter().map(Item::Unread)).collect();
    document.list("components", &items, Item::lines, |item, part| match item {
        Item::Asset(asset) => match component(inventory, asset, version) {
            Some(component) => part.element(&component),
            None => Ok(()),
        },
        Item::Unread(unread) => part.element(&unread_component(unread, &unread_ref(unread))),
    })?;
    if inventory
        .assets()
        .any(|asset| matches!(asset.detail, Detail::Service(_)))
    {
        document.member("services", &Services(inventory))?;
    }
    let dependencies = dependencies(inventory);
    let lines = |of: &Dependency<'_>| 1 + of.depends_on.len() + of.provides.len();
    document.list("dependencies", &dependencies, lines, |of, part| part.element(of))?;
    if !inventory.unread.is_empty() {
        let unread: Vec<String> = inventory.unread.iter().map(unread_ref).collect();
        document.member(
            "compositions",
            &json!([{ "aggregate": "incomplete", "assemblies": unread }]),
        )?;
    }
    document.end()
}

/// What becomes a component.
enum Item<'a> {
    Asset(&'a Asset),
    Unread(&'a Unread),
}

impl Item<'_> {
    /// About how long it is.
    fn lines(&self) -> usize {
        match self {
            Self::Asset(asset) => 4 + asset.evidence.len(),
            Self::Unread(_) => 4,
        }
    }
}

/// A UUID over what was found, so that the same findings have the same number: RFC 9562's version 8, whose content is
/// the maker's own.
fn serial_number(inventory: &Inventory) -> String {
    let mut digest = Sha256::new();
    let mut text = String::new();
    for asset in inventory.assets() {
        text.push_str(asset.id().as_str());
        for place in asset.evidence.iter() {
            text.push('\t');
            text.push_str(&place.location);
            for number in [place.line, place.offset] {
                match number {
                    Some(number) => {
                        text.push_str(":Some(");
                        text.push_str(&number.to_string());
                        text.push(')');
                    }
                    None => text.push_str(":None"),
                }
            }
        }
        text.push('\n');
        digest.update(text.as_bytes());
        text.clear();
    }
    digest.update(inventory.timestamp.as_deref().unwrap_or_default().as_bytes());
    let hex = hex::encode(digest.finish());
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!(
        "urn:uuid:{}-{}-8{}-8{}-{}",
        part(0, 8),
        part(8, 12),
        part(13, 16),
        part(17, 20),
        part(20, 32)
    )
}

fn metadata(inventory: &Inventory) -> serde_json::Value {
    let mut properties: Vec<Property> = inventory
        .targets
        .iter()
        .map(|target| Property::new("target", target))
        .collect();
    for (subject, tally) in inventory.coverage.iter() {
        for (name, count) in [
            ("attempted", tally.attempted),
            ("read", tally.read),
            ("bytes", tally.bytes),
        ] {
            properties.push(Property::new(
                format!("coverage:{}:{name}", subject.name()),
                count.to_string(),
            ));
        }
    }
    for (reason, count) in inventory.unread.counts() {
        properties.push(Property::new(
            format!("unread:{}", reason.name()),
            count.to_string(),
        ));
    }
    for (reason, count) in inventory.unread.omitted() {
        properties.push(Property::new(
            format!("unread-not-listed:{}", reason.name()),
            count.to_string(),
        ));
    }
    let mut metadata = json!({
        "lifecycles": [{ "phase": "discovery" }],
        "tools": { "components": [{
            "type": "application",
            "name": "symbolon plan",
            "version": env!("CARGO_PKG_VERSION"),
        }] },
        "properties": properties,
    });
    super::component::put(&mut metadata, "timestamp", inventory.timestamp.as_deref());
    metadata
}

/// What could not be read is an entry of its own: a file (or, for endpoints and the like, data) with the reason.
fn unread_component<'a>(unread: &'a Unread, bom_ref: &'a str) -> Component<'a> {
    let properties = vec![
        Property::new("kind", "unread"),
        Property::new("unread:detail", &unread.detail),
        Property::new("unread:reason", unread.reason.name()),
        Property::new("unread:scanner", &unread.scanner),
    ];
    Component {
        kind: if unread.location.contains("://") {
            "data"
        } else {
            "file"
        },
        bom_ref,
        name: &unread.location,
        version: None,
        purl: None,
        evidence: Some(Evidence {
            occurrences: vec![Occurrence {
                location: &unread.location,
                line: unread.line,
                offset: None,
                symbol: None,
                additional_context: None,
            }],
        }),
        crypto: None,
        properties,
    }
}

fn unread_ref(unread: &Unread) -> String {
    let line = unread.line.unwrap_or_default().to_be_bytes();
    let parts: [&[u8]; 5] = [
        unread.location.as_bytes(),
        &line,
        unread.reason.name().as_bytes(),
        unread.scanner.as_bytes(),
        unread.detail.as_bytes(),
    ];
    crate::inventory::AssetId::of_content("unread", &parts).to_string()
}

struct Services<'a>(&'a Inventory);

impl Serialize for Services<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let services = self.0.assets().filter_map(|asset| service(self.0, asset));
        serializer.collect_seq(services)
    }
}

/// A service has no evidence in CycloneDX: its places are properties, one JSON object each.
/// An endpoint whose IPv6 address, if it has one, has all its groups: widespread validators take the short form for no
/// IRI. As it is, it stands in a property.
fn written_out(endpoint: &str) -> String {
    let parts = endpoint
        .split_once('[')
        .and_then(|(before, rest)| Some((before, rest.split_once(']')?)));
    let Some((before, (address, after))) = parts else {
        return endpoint.to_owned();
    };
    match address.parse::<std::net::Ipv6Addr>() {
        Ok(address) => {
            let groups = address.segments().map(|group| format!("{group:x}"));
            format!("{before}[{}]{after}", groups.join(":"))
        }
        Err(_) => endpoint.to_owned(),
    }
}

fn service<'a>(inventory: &'a Inventory, asset: &'a Asset) -> Option<Service<'a>> {
    let Detail::Service(detail) = &asset.detail else {
        return None;
    };
    let mut properties = common(asset, inventory.edges_from(asset.id()));
    properties.push(Property::new("kind", "service"));
    properties.push(Property::new("what", &detail.what));
    for place in asset.evidence.iter() {
        if let Ok(text) = serde_json::to_string(&occurrence(place)) {
            properties.push(Property::new("occurrence", text));
        }
    }
    // CycloneDX wants IRI references: what is none stands in a property.
    let is_iri = |text: &String| {
        text.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte))
            && (!text.contains(['[', ']']) || text.contains("://["))
    };
    properties.extend(
        detail
            .endpoints
            .iter()
            .map(|endpoint| Property::new("endpoint", endpoint)),
    );
    properties.sort();
    Some(Service {
        bom_ref: asset.id().as_str(),
        name: &asset.name,
        endpoints: detail
            .endpoints
            .iter()
            .filter(|text| is_iri(text))
            .map(|text| written_out(text))
            .collect(),
        authenticated: detail.authenticated,
        properties,
    })
}

/// What everything depends on, as the edges have it: they are in the order of where they begin.
fn dependencies(inventory: &Inventory) -> Vec<Dependency<'_>> {
    let mut list: Vec<Dependency<'_>> = Vec::new();
    for edge in inventory.edges() {
        let of = edge.from.as_str();
        let mut dependency = match list.pop() {
            Some(last) if last.of == of => last,
            last => {
                list.extend(last);
                Dependency {
                    of,
                    depends_on: Vec::new(),
                    provides: Vec::new(),
                }
            }
        };
        let refs = match edge.role {
            Role::Provides => &mut dependency.provides,
            _ => &mut dependency.depends_on,
        };
        refs.push(edge.to.as_str());
        list.push(dependency);
    }
    for dependency in &mut list {
        for refs in [&mut dependency.depends_on, &mut dependency.provides] {
            refs.sort_unstable();
            refs.dedup();
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use super::written_out;

    #[test]
    fn addresses_have_all_their_groups() {
        for (short, long) in [
            ("tls://[2001:db8::1]:8443", "tls://[2001:db8:0:0:0:0:0:1]:8443"),
            ("ssh://[::]", "ssh://[0:0:0:0:0:0:0:0]"),
            ("tls://example.org:443", "tls://example.org:443"),
            ("tls://[no address]:443", "tls://[no address]:443"),
        ] {
            assert_eq!(written_out(short), long);
        }
    }
}
