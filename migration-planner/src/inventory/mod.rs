//! What was found, with the evidence for it, and what could not be read.
//!
//! An [`Inventory`] is the union of fragments that scanners made. The union does not depend on their order: assets
//! are identified by their content, and everything is kept sorted. So two scans of the same things by any number
//! of threads write the same bytes.

mod asset;
mod diff;
mod edge;
mod evidence;
mod fragment;
mod id;
mod link;
mod named;
mod query;
mod secrets;
mod unread;

use std::collections::{BTreeMap, BTreeSet};

pub use self::asset::{
    Asset, CertificateDetail, CipherSuite, Detail, KeyDetail, KeyKind, LibraryDetail, MaterialDetail,
    Protection, ProtocolDetail, ServiceDetail,
};
pub use self::diff::{Change, Diff};
pub use self::edge::{Edge, Role};
pub use self::evidence::{Access, Evidence, MAX_OCCURRENCES, Occurrence};
pub use self::fragment::{Fragment, MAX_ASSETS, ProtocolPart};
pub use self::id::AssetId;
pub(crate) use self::link::link;
pub use self::link::relate;
pub use self::query::{Query, QueryError};
pub use self::unread::{Coverage, MAX_UNREAD_LISTED, Reason, Subject, Tally, Unread, UnreadList};

/// An inventory has few assets or edges beside one that has so many times as many.
const FEW: usize = 16;

/// Everything that scans found.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Inventory {
    /// What was to be scanned, as it was named.
    pub targets: BTreeSet<String>,
    /// When the scan took place (RFC 3339); absent unless the caller wants it in the document.
    pub timestamp: Option<String>,
    /// What could not be read.
    pub unread: UnreadList,
    /// How many of what were tried and read: the denominators.
    pub coverage: Coverage,
    assets: BTreeMap<AssetId, Asset>,
    edges: BTreeSet<Edge>,
}

impl Inventory {
    /// An inventory of nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Every asset, by identifier.
    pub fn assets(&self) -> impl Iterator<Item = &Asset> {
        self.assets.values()
    }

    /// How many assets there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.assets.len()
    }

    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.assets.is_empty()
    }

    /// The asset with this identifier.
    #[must_use]
    pub fn get(&self, id: &AssetId) -> Option<&Asset> {
        self.assets.get(id)
    }

    /// The asset with this identifier, to be tagged. Its identity stays.
    pub fn get_mut(&mut self, id: &AssetId) -> Option<&mut Asset> {
        self.assets.get_mut(id)
    }

    /// Every edge, in order.
    pub fn edges(&self) -> impl Iterator<Item = &Edge> {
        self.edges.iter()
    }

    /// The edges that lead away from an asset.
    pub fn edges_from<'a>(&'a self, id: &AssetId) -> impl Iterator<Item = &'a Edge> + use<'a> {
        let from = id.clone();
        self.edges
            .range(Edge::first_of(id)..)
            .take_while(move |edge| edge.from == from)
    }

    /// Adds an asset; what is known of it already is kept and joined.
    pub fn insert(&mut self, asset: Asset) -> AssetId {
        let id = asset.id().clone();
        match self.assets.get_mut(&id) {
            Some(known) => known.merge(asset),
            None => {
                self.assets.insert(id.clone(), asset);
            }
        }
        id
    }

    /// Adds an edge.
    pub fn connect(&mut self, edge: Edge) {
        self.edges.insert(edge);
    }

    /// Adds what one scanner found in one place.
    pub fn absorb(&mut self, fragment: Fragment) {
        for asset in fragment.assets {
            self.insert(asset);
        }
        self.edges.extend(fragment.edges);
        for unread in fragment.unread {
            self.unread.add(unread);
        }
    }

    /// Joins another inventory to this one.
    pub fn merge(&mut self, mut other: Self) {
        self.targets.extend(other.targets);
        self.timestamp = self.timestamp.take().max(other.timestamp);
        self.unread.merge(other.unread);
        self.coverage.merge(&other.coverage);
        // A small one is put in piece by piece, which costs what it has and not what there is. Two that are in order are
        // joined in one go, once what both have is in one of them.
        if other.assets.len().saturating_mul(FEW) <= self.assets.len() {
            for asset in other.assets.into_values() {
                self.insert(asset);
            }
        } else {
            for id in self.shared_with(&other.assets) {
                if let Some(asset) = other.assets.remove(&id) {
                    self.insert(asset);
                }
            }
            self.assets.append(&mut other.assets);
        }
        if other.edges.len().saturating_mul(FEW) <= self.edges.len() {
            self.edges.extend(other.edges);
        } else {
            self.edges.append(&mut other.edges);
        }
    }

    /// What is among these, too.
    fn shared_with(&self, other: &BTreeMap<AssetId, Asset>) -> Vec<AssetId> {
        let mut others = other.keys().peekable();
        let is_shared = |id: &&AssetId| {
            while others.next_if(|other| *other < *id).is_some() {}
            others.next_if_eq(id).is_some()
        };
        self.assets.keys().filter(is_shared).cloned().collect()
    }

    /// Drops edges with an end that is not in the inventory, so that documents refer to nothing that is not there.
    pub fn prune_edges(&mut self) {
        let assets = &self.assets;
        // Edges are in the order of where they begin, as assets are.
        let mut begin = assets.keys().peekable();
        self.edges.retain(|edge| {
            while begin.next_if(|id| **id < edge.from).is_some() {}
            begin.peek() == Some(&&edge.from) && assets.contains_key(&edge.to)
        });
    }

    /// Keeps the assets that `keep` wants, with the edges between them.
    pub fn retain(&mut self, mut keep: impl FnMut(&Asset) -> bool) {
        self.assets.retain(|_, asset| keep(asset));
        self.prune_edges();
    }
}
