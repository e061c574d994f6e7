//! Who issues, who was issued by whom, and who believes it: what the inventory tells of an estate's authorities.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::order::Order;
use crate::inventory::{Asset, CertificateDetail, Detail, Role};
use crate::risk::Assessment;
use crate::risk::graph::Graph;

/// The authorities of an inventory, by subject: an authority keeps its name when its certificate is renewed.
#[derive(Debug, Default)]
pub(super) struct Issuers<'a> {
    certificates: BTreeMap<&'a str, Vec<&'a Asset>>,
    parents: BTreeMap<&'a str, BTreeSet<&'a str>>,
    /// The roots above each.
    roots: BTreeMap<&'a str, Arc<BTreeSet<&'a str>>>,
    /// Authorities that issued something here, or whose private key is here.
    active: BTreeSet<&'a str>,
    /// Authorities whose private key is here, or that we know as our own.
    ours: BTreeSet<&'a str>,
    /// What still has to move.
    open: BTreeSet<&'a str>,
}

impl<'a> Issuers<'a> {
    pub(super) fn of(graph: &Graph<'a>, assessment: &Assessment) -> Self {
        let mut issuers = Self::default();
        for asset in graph.inventory.assets() {
            let Some(detail) = certificate(asset) else {
                continue;
            };
            if detail.issuer != detail.subject {
                issuers.active.insert(detail.issuer.as_str());
            }
            if !detail.authority {
                continue;
            }
            let subject = detail.subject.as_str();
            issuers.certificates.entry(subject).or_default().push(asset);
            if assessment
                .rating(asset.id())
                .is_some_and(crate::risk::Rating::is_open)
            {
                issuers.open.insert(subject);
            }
            let parents = graph.out(asset.id(), Role::IssuedBy).filter_map(certificate);
            let parents = parents
                .map(|parent| parent.subject.as_str())
                .filter(|parent| *parent != subject);
            issuers.parents.entry(subject).or_default().extend(parents);
            let keys = graph.out(asset.id(), Role::Certifies);
            let held = keys
                .into_iter()
                .any(|key| graph.back(key.id(), Role::PrivateOf).next().is_some());
            if held || asset.facts_of("issued-by-us").any(|fact| fact == "yes") {
                issuers.ours.insert(subject);
                issuers.active.insert(subject);
            }
        }
        issuers.find_roots();
        issuers
    }

    /// Whether an authority of this name has to move and is more than a stranger in a store.
    pub(super) fn moves(&self, subject: &str) -> bool {
        self.open.contains(subject) && self.is_active(subject)
    }

    /// Whether it issued something here, or its key is here.
    pub(super) fn is_active(&self, subject: &str) -> bool {
        self.active.contains(subject)
    }

    /// Whether its private key is here, or it is our own.
    pub(super) fn is_ours(&self, subject: &str) -> bool {
        self.ours.contains(subject)
    }

    /// Whether it was issued by no other authority that is known.
    pub(super) fn is_root(&self, subject: &str) -> bool {
        self.parents.get(subject).is_none_or(BTreeSet::is_empty)
    }

    /// The authorities directly above one.
    pub(super) fn parents(&self, subject: &str) -> impl Iterator<Item = &'a str> {
        self.parents.get(subject).into_iter().flatten().copied()
    }

    /// The roots above an authority, itself if it is one. Authorities that certify each other are all of them roots.
    pub(super) fn roots(&self, subject: &str) -> impl Iterator<Item = &'a str> + use<'_, 'a> {
        self.roots
            .get(subject)
            .into_iter()
            .flat_map(|roots| roots.iter().copied())
    }

    /// Finds the roots above every authority, from the top: an authority has those of the ones above it.
    fn find_roots(&mut self) {
        let names: Vec<&str> = self.certificates.keys().copied().collect();
        let numbers: BTreeMap<&str, usize> =
            (0..).zip(&names).map(|(number, name)| (*name, number)).collect();
        let above: Vec<Vec<usize>> = names
            .iter()
            .map(|name| {
                self.parents(name)
                    .filter_map(|parent| numbers.get(parent).copied())
                    .collect()
            })
            .collect();
        for circle in Order::of(&above).groups() {
            let members: Vec<&'a str> = circle
                .iter()
                .filter_map(|number| names.get(*number).copied())
                .collect();
            let mut sets: Vec<Arc<BTreeSet<&'a str>>> = Vec::new();
            let mut own: BTreeSet<&'a str> = BTreeSet::new();
            for member in &members {
                for parent in self.parents(member) {
                    match self.roots.get(parent) {
                        Some(roots) if !sets.iter().any(|set| Arc::ptr_eq(set, roots)) => {
                            sets.push(roots.clone());
                        }
                        // A certificate that is no authority's, as other programs' documents may have it above one.
                        None if !numbers.contains_key(parent) => {
                            own.insert(parent);
                        }
                        _ => {}
                    }
                }
            }
            if sets.is_empty() && own.is_empty() {
                own.extend(&members);
            }
            // Most have the roots of the one above, and a long chain has them once.
            let roots = match sets.as_slice() {
                [one] if own.is_empty() => one.clone(),
                sets => {
                    own.extend(sets.iter().flat_map(|set| set.iter().copied()));
                    Arc::new(own)
                }
            };
            for member in members {
                self.roots.insert(member, roots.clone());
            }
        }
    }

    /// What believes an authority of this name: stores and services.
    pub(super) fn verifiers(&self, graph: &Graph<'a>, subject: &str) -> Vec<&'a Asset> {
        let certificates = self.certificates.get(subject).into_iter().flatten();
        let mut verifiers: Vec<&Asset> = certificates
            .flat_map(|asset| graph.back(asset.id(), Role::Trusts))
            .collect();
        verifiers.sort_by(|a, b| a.id().cmp(b.id()));
        verifiers.dedup_by(|a, b| a.id() == b.id());
        verifiers
    }

    /// Names of the roots that have to move and that something believes.
    pub(super) fn believed_roots(&self) -> impl Iterator<Item = &'a str> {
        let names = self.certificates.keys().copied();
        names.filter(|name| {
            self.moves(name) && (self.is_root(name) || self.roots(name).any(|root| root == *name))
        })
    }
}

/// The certificate that an asset is.
pub(super) fn certificate(asset: &Asset) -> Option<&CertificateDetail> {
    match &asset.detail {
        Detail::Certificate(detail) => Some(detail),
        _ => None,
    }
}
