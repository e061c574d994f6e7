//! What is configured and what has to be reported, and what is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use symbolon_migration_planner::cbom::{self, SpecVersion};
use symbolon_migration_planner::endpoints::{Settings, scanners_with};
use symbolon_migration_planner::inventory::{Detail, Inventory, Role};
use symbolon_migration_planner::scan::{ScanRequest, Target, scan, schemes};

/// The cases of one program: `interop/endpoints/<program>.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    case: Vec<Case>,
}

/// One configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub(crate) name: String,
    /// On the command line, with `{dir}` for the folder with keys and `{port}` for the port.
    #[serde(default)]
    pub(crate) arguments: String,
    /// In the configuration file, likewise.
    #[serde(default)]
    pub(crate) configuration: String,
    /// What is scanned; TLS on the port unless it says otherwise.
    pub(crate) target: Option<String>,
    pub(crate) expect: Report,
}

/// What is reported of one service. Lists are words in order, with spaces between.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(crate) struct Report {
    /// Whether a client's certificate is asked for.
    pub(crate) asks_client: Option<bool>,
    /// Algorithms of the keys that are presented.
    pub(crate) keys: String,
    pub(crate) unread: Vec<String>,
    /// All that are about the answers, not about the address.
    pub(crate) facts: BTreeMap<String, String>,
    /// Lists by version: `suites`, `groups`, `schemes`, `ciphers`, `macs`, `compression`.
    pub(crate) protocols: BTreeMap<String, BTreeMap<String, String>>,
}

/// The cases of one program.
pub(crate) fn cases(program: &str) -> Result<Vec<Case>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("endpoints")
        .join(program)
        .with_extension("toml");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut cases: Cases = toml::from_str(&text).with_context(|| path.display().to_string())?;
    // Long lists stand on several lines.
    for case in &mut cases.case {
        for list in case.expect.protocols.values_mut().flat_map(BTreeMap::values_mut) {
            *list = list.split_whitespace().collect::<Vec<_>>().join(" ");
        }
    }
    Ok(cases.case)
}

/// Scans one target as a user would, but for the pace: these servers are ours.
pub(crate) fn scanned(target: &str) -> Result<Inventory> {
    let mut request = ScanRequest::new(vec![Target::parse(target, &schemes())]);
    request.scanners = scanners_with(Settings {
        per_second: 10_000,
        ..Settings::default()
    });
    Ok(scan(&request)?)
}

/// The inventory as whoever gets the document has it.
pub(crate) fn written_and_read(inventory: &Inventory) -> Inventory {
    let mut document = Vec::new();
    cbom::write(inventory, SpecVersion::V1_7, &mut document).unwrap();
    cbom::read(&document).unwrap()
}

/// What an inventory says of the one service in it.
pub(crate) fn report(inventory: &Inventory) -> Report {
    const LEFT_OUT: [&str; 3] = ["address", "version-refused", "software"];
    let mut report = Report {
        unread: inventory
            .unread
            .iter()
            .map(|unread| format!("{}: {}", unread.reason.name(), unread.detail))
            .collect(),
        ..Report::default()
    };
    let Some((service, detail)) = inventory.assets().find_map(|asset| match &asset.detail {
        Detail::Service(detail) => Some((asset, detail)),
        _ => None,
    }) else {
        return report;
    };
    report.asks_client = detail.authenticated;
    let facts = service.facts.iter();
    report.facts = facts
        .filter(|(name, _)| !LEFT_OUT.contains(&name.as_str()))
        .map(|(name, values)| {
            (
                name.clone(),
                values.iter().cloned().collect::<Vec<_>>().join(", "),
            )
        })
        .collect();
    let mut keys = BTreeSet::new();
    for edge in inventory.edges_from(service.id()) {
        let Some(asset) = inventory.get(&edge.to) else {
            continue;
        };
        match (&asset.detail, edge.role) {
            (Detail::Protocol(protocol), Role::Offers) => {
                let suites = protocol.suites.iter();
                let suites: Vec<String> = suites
                    .map(|suite| suite.name.trim_start_matches("TLS_").to_owned())
                    .collect();
                let mut lists = BTreeMap::from([
                    ("suites".to_owned(), suites.join(" ")),
                    ("groups".to_owned(), protocol.groups.join(" ")),
                    ("schemes".to_owned(), protocol.signature_schemes.join(" ")),
                ]);
                let others = protocol.lists.iter();
                lists.extend(others.map(|(name, list)| (name.clone(), list.join(" "))));
                lists.retain(|_, list| !list.is_empty());
                report.protocols.insert(asset.name.clone(), lists);
            }
            (Detail::Key(key), Role::Presents) => keys.extend(key.algorithm.clone()),
            (Detail::Certificate(_), Role::Presents) => {
                let certified = inventory
                    .edges_from(&edge.to)
                    .filter(|edge| edge.role == Role::Certifies);
                for edge in certified {
                    if let Some(Detail::Key(key)) = inventory.get(&edge.to).map(|asset| &asset.detail) {
                        keys.extend(key.algorithm.clone());
                    }
                }
            }
            _ => {}
        }
    }
    report.keys = keys.into_iter().collect::<Vec<_>>().join(" ");
    report
}

/// Says how two reports differ, as the table would have to be written.
pub(crate) fn difference(case: &str, expected: &Report, found: &Report) -> Option<String> {
    (expected != found).then(|| {
        let written = |report: &Report| toml::to_string(report).unwrap_or_else(|error| error.to_string());
        format!(
            "{case}\n--- configured\n{}+++ reported\n{}",
            written(expected),
            written(found)
        )
    })
}
