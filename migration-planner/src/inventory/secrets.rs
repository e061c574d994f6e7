//! Secrets of a cluster's manifests, joined with what names them in other manifests: by namespace and name.

use std::collections::{BTreeMap, BTreeSet};

use super::{Asset, AssetId, Detail, Edge, Inventory, Role};

/// How secrets are called.
const SECRETS: [&str; 2] = ["Kubernetes TLS Secret", "Kubernetes Secret"];
/// How is called what names secrets in their namespaces.
const NAME_THEM: [&str; 6] = [
    "Kubernetes Ingress",
    "Kubernetes Gateway",
    "Kubernetes VirtualServer",
    "Kubernetes TransportServer",
    "Kubernetes client policy",
    "Kubernetes backend policy",
];
/// Most edges that are made.
const MAX_EDGES: usize = 300_000;

/// The edges from what names secrets to the certificates and keys in them.
pub(super) fn edges(inventory: &Inventory) -> BTreeSet<Edge> {
    let secrets = Secrets::of(inventory);
    let mut edges = BTreeSet::new();
    // What each secret has, once for each way in which it is named: many may name one that has much.
    let mut held: BTreeMap<(&AssetId, bool), Vec<(Role, &AssetId)>> = BTreeMap::new();
    if secrets.by_name.is_empty() {
        return edges;
    }
    for (service, what) in services(inventory).filter(|(_, what)| NAME_THEM.contains(what)) {
        // A reference of the Gateway API to those that are believed may be to something else than a secret.
        let believes = what != "Kubernetes Gateway";
        for (fact, shows) in [("certificate-secret", true), ("trust-secret", false)] {
            for name in service.facts_of(fact).filter(|_| shows || believes) {
                let nearest = location(service).and_then(|location| secrets.nearest(name, location));
                let Some(secret) = nearest else { continue };
                let held = held
                    .entry((secret, shows))
                    .or_insert_with(|| of_secret(inventory, secret, shows));
                let missing = MAX_EDGES.saturating_sub(edges.len());
                let held = held.iter().take(missing);
                edges.extend(held.map(|(role, to)| Edge::new(service.id(), *role, to)));
                if edges.len() >= MAX_EDGES {
                    return edges;
                }
            }
        }
    }
    edges
}

/// What is in a secret for those who show it, or who believe it, and what it is to them.
fn of_secret<'a>(inventory: &'a Inventory, secret: &AssetId, shows: bool) -> Vec<(Role, &'a AssetId)> {
    let role = |held: &Edge| {
        Some(match (shows, held.role, &inventory.get(&held.to)?.detail) {
            (true, Role::Contains, Detail::Certificate(_)) => Role::Presents,
            (true, Role::Contains, Detail::Key(_)) => Role::RefersTo,
            (false, Role::Trusts, Detail::Certificate(_)) => Role::Trusts,
            _ => return None,
        })
    };
    let held = inventory.edges_from(secret);
    held.filter_map(|held| Some((role(held)?, &held.to))).collect()
}

fn services(inventory: &Inventory) -> impl Iterator<Item = (&Asset, &str)> {
    inventory.assets().filter_map(|asset| match &asset.detail {
        Detail::Service(service) => Some((asset, service.what.as_str())),
        _ => None,
    })
}

/// The manifest that an object stands in: it is told of in one file alone.
fn location(object: &Asset) -> Option<&str> {
    object.evidence.iter().next().map(|place| place.location.as_str())
}

/// The secrets of one name, by directory and file. None for a file that has several of it.
type OfName<'a> = BTreeMap<(&'a str, &'a str), Option<&'a AssetId>>;

/// Secrets by name.
struct Secrets<'a> {
    by_name: BTreeMap<&'a str, OfName<'a>>,
    /// What was scanned, that with the longest name first.
    roots: Vec<&'a str>,
}

impl<'a> Secrets<'a> {
    fn of(inventory: &'a Inventory) -> Self {
        let mut by_name: BTreeMap<&str, OfName<'_>> = BTreeMap::new();
        for (secret, what) in services(inventory).filter(|(_, what)| SECRETS.contains(what)) {
            let name = secret.name.strip_prefix(what).unwrap_or_default().trim_start();
            let Some(location) = location(secret).filter(|_| !name.is_empty()) else {
                continue;
            };
            let of_name = by_name.entry(name).or_default();
            let file = (directory(location), location);
            let there = of_name.entry(file).or_insert(Some(secret.id()));
            if *there != Some(secret.id()) {
                *there = None;
            }
        }
        let mut roots: Vec<&str> = inventory.targets.iter().map(String::as_str).collect();
        roots.sort_by_key(|root| std::cmp::Reverse(root.len()));
        Self { by_name, roots }
    }

    /// The secret of this name that belongs to a manifest: the one in the same file, else in the same directory, else
    /// the only one of the tree. Of several none: they may be of different clusters.
    fn nearest(&self, name: &str, manifest: &str) -> Option<&'a AssetId> {
        let files = self.by_name.get(name)?;
        let directory = directory(manifest);
        if let Some(here) = files.get(&(directory, manifest)) {
            return *here;
        }
        let mut beside = files
            .range((directory, "")..)
            .take_while(|((of, _), _)| *of == directory)
            .map(|(_, id)| *id);
        if let Some(first) = beside.next() {
            return first.filter(|_| beside.next().is_none());
        }
        let mut roots = self
            .roots
            .iter()
            .map(|root| format!("{}/", root.trim_end_matches('/')));
        let root = roots.find(|root| manifest.starts_with(root.as_str()))?;
        let mut in_tree = files
            .range((root.as_str(), "")..)
            .take_while(|((of, _), _)| of.starts_with(&root))
            .map(|(_, id)| *id);
        let first = in_tree.next()?;
        first.filter(|_| in_tree.next().is_none())
    }
}

/// The directory of a file, with its slash.
fn directory(file: &str) -> &str {
    file.rfind('/').and_then(|at| file.get(..=at)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
