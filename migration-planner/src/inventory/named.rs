//! What configurations name by a path, joined with what was found at that place.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::rc::Rc;

use super::{Asset, AssetId, Detail, Edge, Inventory, KeyKind, Role};

/// Most edges that are made: thousands of services may name a bundle of hundreds of authorities each.
const MAX_EDGES: usize = 300_000;
/// Most work that is done for all services, whatever comes of it. Asking for a place, and each thing that is there, is
/// one piece of it.
const MAX_WORK: usize = 3_000_000;
/// What it takes to look where a link leads, in such pieces.
const FOLLOWING: usize = 10;
/// Most places below a directory that is named.
const MAX_BELOW: usize = 10_000;
/// The longest path that systems know.
const MAX_PATH: usize = 4096;

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
    let mut places = Places::of(inventory, follow);
    let mut edges = BTreeSet::new();
    for service in inventory.assets().filter(|asset| is_service(asset)) {
        let configurations: BTreeSet<&str> = service
            .evidence
            .iter()
            .map(|place| place.location.as_str())
            .collect();
        for configuration in configurations {
            if !places.join(service, configuration, &mut edges) {
                return (edges, Some(configuration.to_owned()));
            }
        }
    }
    (edges, None)
}

/// The edge from a service to what is in a file that its configuration names so.
fn edge(service: &Asset, shows: Role, there: &Asset) -> Option<Edge> {
    let role = match &there.detail {
        Detail::Certificate(_) if shows != Role::RefersTo => shows,
        // A private key may stand behind its certificate in one file.
        Detail::Key(key) if key.kind == KeyKind::Private && shows != Role::Trusts => Role::RefersTo,
        _ => return None,
    };
    Some(Edge::new(service.id(), role, there.id()))
}

/// Whether its configuration names files of the system that it lies in: those of a cluster name what is in a container.
fn is_service(asset: &Asset) -> bool {
    match &asset.detail {
        Detail::Service(service) => !IN_CONTAINERS.iter().any(|kind| service.what.starts_with(kind)),
        _ => false,
    }
}

type Held<'a> = BTreeMap<&'a str, Vec<&'a AssetId>>;

/// Certificates and keys by where they were seen.
fn held(inventory: &Inventory) -> Held<'_> {
    let mut held = Held::new();
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
    held
}

/// Certificates and keys by where they were seen, and what was asked about them.
struct Places<'a> {
    inventory: &'a Inventory,
    /// Made once a service names something: most scans find none that does.
    held: OnceCell<Held<'a>>,
    /// What was scanned, that with the longest name first.
    roots: Vec<&'a str>,
    follow: &'a Follow<'a>,
    /// What is at places that were asked for.
    known: HashMap<String, Rc<[&'a AssetId]>>,
    work: usize,
}

impl<'a> Places<'a> {
    fn of(inventory: &'a Inventory, follow: &'a Follow<'a>) -> Self {
        let mut roots: Vec<&str> = inventory.targets.iter().map(String::as_str).collect();
        roots.sort_by_key(|root| std::cmp::Reverse(root.len()));
        Self {
            inventory,
            held: OnceCell::new(),
            roots,
            follow,
            known: HashMap::new(),
            work: 0,
        }
    }

    /// Adds the edges from a service to what one of its configurations names; false where that would be too many, or
    /// too much work.
    fn join(&mut self, service: &Asset, configuration: &str, edges: &mut BTreeSet<Edge>) -> bool {
        for (fact, shows) in [
            ("certificate-file", Role::Presents),
            ("key-file", Role::RefersTo),
            ("trust-file", Role::Trusts),
        ] {
            for path in service.facts_of(fact) {
                let Some(there) = self.named(configuration, path) else {
                    return false;
                };
                let there = there.iter().filter_map(|id| self.inventory.get(id));
                edges.extend(there.filter_map(|there| edge(service, shows, there)));
                if edges.len() >= MAX_EDGES {
                    return false;
                }
            }
        }
        true
    }

    /// What is at the first place that the path can mean; `None` when too much was done already.
    fn named(&mut self, configuration: &str, path: &str) -> Option<Rc<[&'a AssetId]>> {
        for place in self.meant(configuration, path) {
            let there = self.there(place)?;
            if !there.is_empty() {
                return Some(there);
            }
        }
        Some(Rc::default())
    }

    /// What is at a place, or where a link leads that is there.
    fn there(&mut self, place: String) -> Option<Rc<[&'a AssetId]>> {
        if self.work >= MAX_WORK {
            return None;
        }
        if let Some(known) = self.known.get(&place) {
            self.work += 1 + known.len();
            return Some(Rc::clone(known));
        }
        let mut there = self.at(&place);
        if there.is_empty() {
            self.work += FOLLOWING;
            if let Some(real) = (self.follow)(&place) {
                there = self.at(&real);
            }
        }
        let there: Rc<[&'a AssetId]> = there.into();
        self.work += 1 + there.len();
        self.known.insert(place, Rc::clone(&there));
        Some(there)
    }

    /// The places that a path can mean, the likeliest first.
    fn meant(&self, configuration: &str, path: &str) -> Vec<String> {
        let path = path.strip_prefix("file:").unwrap_or(path);
        let path = path.strip_prefix("//").unwrap_or(path);
        if path.len() > MAX_PATH {
            return Vec::new();
        }
        if path.starts_with('/') {
            // In a tree that was scanned from its root, wherever that stands; or else as it is written.
            let above = self.roots.iter().filter(|root| is_below(configuration, root));
            let bases = above.copied().chain(std::iter::once("/"));
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

    fn at(&mut self, place: &str) -> Vec<&'a AssetId> {
        let place = place.trim_end_matches('/');
        let held = self.held.get_or_init(|| held(self.inventory));
        if let Some(there) = held.get(place) {
            return there.clone();
        }
        // A directory of certificates: those in it, not those further down.
        let within = format!("{place}/");
        let below = held
            .range::<str, _>((Bound::Included(within.as_str()), Bound::Unbounded))
            .take_while(|(location, _)| location.starts_with(&within))
            .take(MAX_BELOW);
        let mut there = Vec::new();
        for (location, held) in below {
            self.work += 1;
            if !location.get(within.len()..).unwrap_or_default().contains('/') {
                there.extend(held);
            }
        }
        there
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
    use std::cell::Cell;

    use super::*;
    use crate::inventory::{Occurrence, ServiceDetail};

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

    /// A service whose configuration, of this place, names these certificates.
    fn service(configuration: &str, names: impl Iterator<Item = String>) -> Inventory {
        let detail = ServiceDetail {
            what: "nginx server".to_owned(),
            endpoints: BTreeSet::new(),
            authenticated: None,
        };
        let service = Asset::new("x", Detail::Service(detail), &[b"x"]).seen(Occurrence::at(configuration));
        let mut inventory = Inventory::new();
        inventory.insert(names.fold(service, |service, name| service.fact("certificate-file", name)));
        inventory
    }

    #[test]
    fn a_configuration_with_very_many_names_that_are_nowhere_ends_and_is_told() {
        let names = (0..100_000).map(|number| format!("{number}.pem"));
        let inventory = service("/etc/nginx/nginx.conf", names);
        let asked = Cell::new(0);
        let (edges, cut) = edges(&inventory, &|_| {
            asked.set(asked.get() + 1);
            None
        });
        assert!(edges.is_empty());
        assert_eq!(cut.as_deref(), Some("/etc/nginx/nginx.conf"));
        assert!(asked.get() <= MAX_WORK / FOLLOWING, "{} places", asked.get());
    }

    #[test]
    fn a_place_is_looked_at_once_however_it_is_spelt() {
        let names = (1..1000).map(|slashes| format!("/etc{}ssl", "/".repeat(slashes)));
        let inventory = service("/etc/nginx/nginx.conf", names);
        let asked = Cell::new(0);
        let (_, cut) = edges(&inventory, &|_| {
            asked.set(asked.get() + 1);
            None
        });
        assert_eq!((asked.get(), cut), (1, None));
    }

    #[test]
    fn a_tree_is_looked_in_before_the_host_that_it_lies_on() {
        let mut inventory = Inventory::new();
        inventory.targets = ["/etc", "./rootfs", "./rootfs/etc"].map(str::to_owned).into();
        let follow: &Follow<'_> = &|_| None;
        let meant =
            |configuration: &str| Places::of(&inventory, follow).meant(configuration, "/etc/ssl/x.pem");
        assert_eq!(
            meant("./rootfs/etc/nginx/nginx.conf"),
            [
                "./rootfs/etc/etc/ssl/x.pem",
                "./rootfs/etc/ssl/x.pem",
                "/etc/ssl/x.pem"
            ]
        );
        assert_eq!(
            meant("/etc/nginx/nginx.conf"),
            ["/etc/etc/ssl/x.pem", "/etc/ssl/x.pem"]
        );
    }
}
