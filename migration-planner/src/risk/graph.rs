//! The inventory's edges in both directions, and where algorithms are used by themselves.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use crate::algorithm::Algorithm;
use crate::inventory::{Asset, AssetId, Detail, Edge, Inventory, Occurrence, Role};

/// The ways in which an asset that is rated answers for the algorithms that it is connected to.
pub(crate) const ANSWERS_FOR: [Role; 5] = [
    Role::MadeOf,
    Role::Offers,
    Role::ProtectedBy,
    Role::SignedWith,
    Role::Uses,
];

/// An inventory with an index over its edges.
#[derive(Debug)]
pub(crate) struct Graph<'a> {
    pub(crate) inventory: &'a Inventory,
    into: HashMap<&'a AssetId, Vec<&'a Edge>>,
}

impl<'a> Graph<'a> {
    pub(crate) fn of(inventory: &'a Inventory) -> Self {
        let mut into: HashMap<&AssetId, Vec<&Edge>> = HashMap::new();
        for edge in inventory.edges() {
            into.entry(&edge.to).or_default().push(edge);
        }
        Self { inventory, into }
    }

    /// The edges that lead to an asset, in the order of where they come from.
    pub(crate) fn edges_into(&self, id: &AssetId) -> &[&'a Edge] {
        self.into.get(id).map_or(&[], Vec::as_slice)
    }

    /// What an asset is connected to in this way.
    pub(crate) fn out(&self, id: &AssetId, role: Role) -> impl Iterator<Item = &'a Asset> {
        let inventory = self.inventory;
        inventory
            .edges_from(id)
            .filter(move |edge| edge.role == role)
            .filter_map(|edge| inventory.get(&edge.to))
    }

    /// What is connected to an asset in this way.
    pub(crate) fn back(&self, id: &AssetId, role: Role) -> impl Iterator<Item = &'a Asset> {
        let inventory = self.inventory;
        self.edges_into(id)
            .iter()
            .filter(move |edge| edge.role == role)
            .filter_map(|edge| inventory.get(&edge.from))
    }

    /// The algorithms that an asset is connected to in this way.
    pub(crate) fn algorithms(&self, id: &AssetId, role: Role) -> impl Iterator<Item = &'a Algorithm> {
        self.out(id, role).filter_map(as_algorithm)
    }

    /// The places where an algorithm is used by itself: not as a part of a hybrid, not because a certificate, a key
    /// or a protocol in the same place is of it.
    pub(crate) fn own_places(&self, asset: &'a Asset) -> BTreeSet<&'a Occurrence> {
        let mut explained: HashSet<&Occurrence> = HashSet::new();
        for edge in self.edges_into(asset.id()) {
            if !ANSWERS_FOR.contains(&edge.role) {
                continue;
            }
            if let Some(from) = self.inventory.get(&edge.from) {
                explained.extend(from.evidence.iter());
            }
        }
        let places = asset.evidence.iter();
        places.filter(|place| !explained.contains(place)).collect()
    }

    /// The places where a protocol is told of and no service that offers it: a configuration of its own, which no
    /// service stands for. One that nobody saw anywhere stands for it everywhere.
    pub(crate) fn places_without_service(&self, protocol: &'a Asset) -> Vec<&'a Occurrence> {
        let mut served: HashSet<&str> = HashSet::new();
        for service in self.back(protocol.id(), Role::Offers) {
            if !matches!(service.detail, Detail::Service(_)) {
                continue;
            }
            if service.evidence.is_empty() {
                return Vec::new();
            }
            served.extend(service.evidence.iter().map(|place| place.location.as_str()));
        }
        let places = protocol.evidence.iter();
        places
            .filter(|place| !served.contains(place.location.as_str()))
            .collect()
    }

    /// The places of an asset that its own rating is for, in order: where no other one stands for it.
    pub(crate) fn rated_places(&self, asset: &'a Asset) -> Vec<&'a Occurrence> {
        match asset.detail {
            Detail::Algorithm(_) => self.own_places(asset).into_iter().collect(),
            Detail::Protocol(_) => self.places_without_service(asset),
            _ => asset.evidence.iter().collect(),
        }
    }

    /// How many assets need this one, directly or through others, up to `limit`.
    pub(crate) fn dependants(&self, id: &'a AssetId, limit: usize) -> usize {
        let mut seen: BTreeSet<&AssetId> = BTreeSet::from([id]);
        let mut queue = vec![id];
        while let Some(next) = queue.pop() {
            for edge in self.edges_into(next) {
                if seen.len() > limit {
                    return limit;
                }
                if seen.insert(&edge.from) {
                    queue.push(&edge.from);
                }
            }
        }
        seen.len() - 1
    }

    /// The assets that were seen in each place.
    pub(crate) fn by_location(&self) -> BTreeMap<&'a str, Vec<&'a Asset>> {
        let mut places: BTreeMap<&str, Vec<&Asset>> = BTreeMap::new();
        for asset in self.inventory.assets() {
            let locations: BTreeSet<&str> = asset
                .evidence
                .iter()
                .map(|place| place.location.as_str())
                .collect();
            for location in locations {
                places.entry(location).or_default().push(asset);
            }
        }
        places
    }
}

/// The algorithm that an asset is.
pub(crate) fn as_algorithm(asset: &Asset) -> Option<&Algorithm> {
    match &asset.detail {
        Detail::Algorithm(algorithm) => Some(algorithm),
        _ => None,
    }
}
