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
/// Most files beside a manifest that are asked for one name.
const MAX_BESIDE: usize = 1_000;

/// The edges from what names secrets to the certificates and keys in them.
pub(super) fn edges(inventory: &Inventory) -> BTreeSet<Edge> {
    let secrets = Secrets::of(inventory);
    let mut edges = BTreeSet::new();
    if secrets.by_name.is_empty() {
        return edges;
    }
    for (service, what) in services(inventory).filter(|(_, what)| NAME_THEM.contains(what)) {
        // A reference of the Gateway API to those that are believed may be to something else than a secret.
        let believes = what != "Kubernetes Gateway";
        for (fact, shows) in [("certificate-secret", true), ("trust-secret", false)] {
            for name in service.facts_of(fact).filter(|_| shows || believes) {
                let nearest = location(service).and_then(|location| secrets.nearest(name, location));
                let held = nearest.into_iter().flat_map(|id| inventory.edges_from(id));
                edges.extend(held.filter_map(|held| edge(inventory, service, shows, held)));
                if edges.len() >= MAX_EDGES {
                    return edges;
                }
            }
        }
    }
    edges
}

/// The edge to something that a secret has, by how the secret has it.
fn edge(inventory: &Inventory, service: &Asset, shows: bool, held: &Edge) -> Option<Edge> {
    let role = match (shows, held.role, &inventory.get(&held.to)?.detail) {
        (true, Role::Contains, Detail::Certificate(_)) => Role::Presents,
        (true, Role::Contains, Detail::Key(_)) => Role::RefersTo,
        (false, Role::Trusts, Detail::Certificate(_)) => Role::Trusts,
        _ => return None,
    };
    Some(Edge::new(service.id(), role, &held.to))
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

/// Secrets by name, then by file.
struct Secrets<'a> {
    /// None for a file that has several of one name.
    by_name: BTreeMap<&'a str, BTreeMap<&'a str, Option<&'a AssetId>>>,
    /// What was scanned, that with the longest name first.
    roots: Vec<&'a str>,
}

impl<'a> Secrets<'a> {
    fn of(inventory: &'a Inventory) -> Self {
        let mut by_name: BTreeMap<&str, BTreeMap<&str, Option<&AssetId>>> = BTreeMap::new();
        for (secret, what) in services(inventory).filter(|(_, what)| SECRETS.contains(what)) {
            let name = secret.name.strip_prefix(what).unwrap_or_default().trim_start();
            let Some(location) = location(secret).filter(|_| !name.is_empty()) else {
                continue;
            };
            let of_name = by_name.entry(name).or_default();
            let there = of_name.entry(location).or_insert(Some(secret.id()));
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
        if let Some(here) = files.get(manifest) {
            return *here;
        }
        let directory = manifest
            .rfind('/')
            .and_then(|at| manifest.get(..=at))
            .unwrap_or_default();
        let is_beside = |file: &str| !file.get(directory.len()..).unwrap_or_default().contains('/');
        let beside = below(files, directory).take(MAX_BESIDE);
        let mut beside = beside.filter(|(file, _)| is_beside(file)).map(|(_, id)| id);
        if let Some(first) = beside.next() {
            return first.filter(|_| beside.next().is_none());
        }
        let mut roots = self
            .roots
            .iter()
            .map(|root| format!("{}/", root.trim_end_matches('/')));
        let root = roots.find(|root| manifest.starts_with(root.as_str()))?;
        let mut in_tree = below(files, &root).map(|(_, id)| id);
        let first = in_tree.next()?;
        first.filter(|_| in_tree.next().is_none())
    }
}

/// The files whose names begin so.
fn below<'a: 'b, 'b>(
    files: &'b BTreeMap<&'a str, Option<&'a AssetId>>,
    beginning: &'b str,
) -> impl Iterator<Item = (&'a str, Option<&'a AssetId>)> + use<'a, 'b> {
    files
        .range::<str, _>((std::ops::Bound::Included(beginning), std::ops::Bound::Unbounded))
        .map(|(file, id)| (*file, *id))
        .take_while(move |(file, _)| file.starts_with(beginning))
}

#[cfg(test)]
mod tests;
