//! What configurations name by a path, joined with what was found at that place.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use super::{Asset, AssetId, Detail, Edge, Inventory, KeyKind, Role};

/// Most edges that are made: thousands of services may name a bundle of hundreds of authorities each.
const MAX_EDGES: usize = 300_000;
/// Most places below a directory that is named.
const MAX_BELOW: usize = 10_000;

/// Where files lie that are named without a directory, from that of the configuration on: strongSwan has one for each
/// kind.
const BESIDE: &str = " x509 x509ca private ipsec.d/certs ipsec.d/cacerts ipsec.d/private";

/// How the services of a cluster's manifests are called.
const IN_CONTAINERS: [&str; 2] = ["Kubernetes", "Istio"];

/// Tells where what is called so really lies, when a link stands there.
pub(crate) type Follow<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// The edges from services to the certificates and keys in the files that their configuration names; and the place of
/// the first service whose files are too many.
pub(super) fn edges(inventory: &Inventory, follow: &Follow<'_>) -> (BTreeSet<Edge>, Option<String>) {
    let places = Places::of(inventory);
    let mut edges = BTreeSet::new();
    for service in inventory.assets().filter(|asset| is_service(asset)) {
        let configurations: BTreeSet<&str> = service
            .evidence
            .iter()
            .map(|place| place.location.as_str())
            .collect();
        if edges.len() >= MAX_EDGES {
            let place = configurations.first().copied().unwrap_or_default();
            return (edges, Some(place.to_owned()));
        }
        for (fact, shows) in [
            ("certificate-file", Role::Presents),
            ("key-file", Role::RefersTo),
            ("trust-file", Role::Trusts),
        ] {
            for path in service.facts_of(fact) {
                for configuration in &configurations {
                    for asset in places.named(inventory, configuration, path, follow) {
                        let role = match &asset.detail {
                            Detail::Certificate(_) if shows != Role::RefersTo => shows,
                            // A private key may stand behind its certificate in one file.
                            Detail::Key(key) if key.kind == KeyKind::Private && shows != Role::Trusts => {
                                Role::RefersTo
                            }
                            _ => continue,
                        };
                        edges.insert(Edge::new(service.id(), role, asset.id()));
                    }
                }
            }
        }
    }
    (edges, None)
}

/// Whether its configuration names files of the system that it lies in: those of a cluster name what is in a container.
fn is_service(asset: &Asset) -> bool {
    match &asset.detail {
        Detail::Service(service) => !IN_CONTAINERS.iter().any(|kind| service.what.starts_with(kind)),
        _ => false,
    }
}

/// Certificates and keys by where they were seen.
struct Places<'a> {
    held: BTreeMap<&'a str, Vec<&'a AssetId>>,
    roots: Vec<&'a str>,
}

impl<'a> Places<'a> {
    fn of(inventory: &'a Inventory) -> Self {
        let mut held: BTreeMap<&str, Vec<&AssetId>> = BTreeMap::new();
        for asset in inventory.assets() {
            if !matches!(asset.detail, Detail::Certificate(_) | Detail::Key(_)) {
                continue;
            }
            for place in asset.evidence.iter() {
                let there = held.entry(place.location.as_str()).or_default();
                if there.last() != Some(&asset.id()) {
                    there.push(asset.id());
                }
            }
        }
        Self {
            held,
            roots: inventory.targets.iter().map(String::as_str).collect(),
        }
    }

    /// What is at the first place that the path can mean.
    fn named(
        &self,
        inventory: &'a Inventory,
        configuration: &str,
        path: &str,
        follow: &Follow<'_>,
    ) -> Vec<&'a Asset> {
        for place in self.meant(configuration, path) {
            let mut there = self.at(&place);
            if there.is_empty()
                && let Some(real) = follow(&place)
            {
                there = self.at(&real);
            }
            if !there.is_empty() {
                return there.into_iter().filter_map(|id| inventory.get(id)).collect();
            }
        }
        Vec::new()
    }

    /// The places that a path can mean, the likeliest first.
    fn meant(&self, configuration: &str, path: &str) -> Vec<String> {
        let path = path.strip_prefix("file:").unwrap_or(path);
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.starts_with('/') {
            // As it is written, and in a tree that was scanned from its root, wherever that stands.
            let above = self.roots.iter().filter(|root| is_below(configuration, root));
            let bases = std::iter::once("/").chain(above.copied());
            return bases.filter_map(|base| joined(base, path)).collect();
        }
        let beside = if path.contains('/') { "" } else { BESIDE };
        // Files that are included name others from where the one lies that includes them.
        let directories = [parent(configuration), parent(configuration).and_then(parent)];
        let bases = directories.into_iter().flatten();
        bases
            .flat_map(|base| beside.split(' ').map(move |kind| (base, kind)))
            .filter_map(|(base, kind)| joined(&joined(base, kind)?, path))
            .collect()
    }

    fn at(&self, place: &str) -> Vec<&'a AssetId> {
        let place = place.trim_end_matches('/');
        if let Some(there) = self.held.get(place) {
            return there.clone();
        }
        // A directory of certificates: those in it, not those further down.
        let within = format!("{place}/");
        let below = self
            .held
            .range::<str, _>((Bound::Included(within.as_str()), Bound::Unbounded))
            .take_while(|(location, _)| location.starts_with(&within))
            .take(MAX_BELOW);
        below
            .filter(|(location, _)| !location.get(within.len()..).unwrap_or_default().contains('/'))
            .flat_map(|(_, there)| there.iter().copied())
            .collect()
    }
}

/// The directory that something is in; empty for one without a directory before it.
fn parent(location: &str) -> Option<&str> {
    let location = location.strip_suffix('/').unwrap_or(location);
    match location.rsplit_once('/') {
        Some(("", _)) => Some("/"),
        Some((directory, _)) => Some(directory),
        None => (!location.is_empty()).then_some(""),
    }
}

fn is_below(location: &str, root: &str) -> bool {
    let root = root.trim_end_matches('/');
    location
        .strip_prefix(root)
        .is_some_and(|rest| rest.starts_with('/'))
}

/// A path from a directory on, as places are written. What leads above where the directory is written from is none.
fn joined(base: &str, path: &str) -> Option<String> {
    let is_absolute = base.starts_with('/');
    let mut whole = base.trim_end_matches('/').to_owned();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                let last = whole.rsplit('/').next().unwrap_or_default();
                if matches!(last, "" | "." | "..") {
                    return None;
                }
                whole.truncate(whole.rfind('/').unwrap_or(0));
            }
            part => {
                if is_absolute || !whole.is_empty() {
                    whole.push('/');
                }
                whole.push_str(part);
            }
        }
    }
    Some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_goes_on_from_its_directory() {
        for (base, path, whole) in [
            ("/", "/etc/a.pem", Some("/etc/a.pem")),
            (".", "/etc/./a.pem", Some("./etc/a.pem")),
            ("root/", "/etc/a.pem", Some("root/etc/a.pem")),
            ("", "a.pem", Some("a.pem")),
            ("/etc/nginx", "../ssl//a.pem", Some("/etc/ssl/a.pem")),
            ("./etc", "../../a.pem", None),
            ("..", "../a.pem", None),
            ("/etc", "../../../a.pem", None),
        ] {
            assert_eq!(joined(base, path).as_deref(), whole, "{base} {path}");
        }
    }

    #[test]
    fn directories_end_at_the_beginning() {
        assert_eq!(parent("/etc/nginx/nginx.conf"), Some("/etc/nginx"));
        assert_eq!(parent("/nginx.conf"), Some("/"));
        assert_eq!(parent("nginx.conf"), Some(""));
        assert_eq!(parent(""), None);
        assert!(is_below("./etc/x", ".") && is_below("/etc/x", "/") && !is_below("/etcetera", "/etc"));
    }
}
