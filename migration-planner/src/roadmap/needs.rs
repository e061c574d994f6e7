//! What must be done before what, and why.

use std::collections::{BTreeMap, BTreeSet};

use super::draft::{Draft, Key, SELF_SIGNED};
use super::issuers::Issuers;
use super::model::Action;
use crate::inventory::{AssetId, Role};
use crate::risk::graph::Graph;

/// For every draft what it needs, with the reason.
pub(super) type Needs = BTreeMap<Key, BTreeMap<Key, &'static str>>;

const ROOT_FIRST: &str = "an authority signs under its successor only once the one above it has one";
const VERIFIER_FIRST: &str = "what is signed under a new anchor is believed only where the anchor is known";
const ANCHOR_FIRST: &str = "there is no anchor to give away before the authority has its successor";
const ISSUER_FIRST: &str = "it can be issued only once its issuer can";
const LAST: &str = "an anchor can be forgotten only when nothing under it is in use";
const LIBRARY_FIRST: &str = "the library in use cannot do it yet";
const BOTH_ENDS: &str = "the old way can be closed only when every end can go the new one";
const CERTIFICATE_FIRST: &str = "the service shows a certificate that is still classical";

pub(super) fn needs<'a>(
    graph: &Graph<'a>,
    issuers: &Issuers<'a>,
    drafts: &BTreeMap<Key, Draft<'a>>,
) -> Needs {
    let steps = Steps::of(issuers, drafts);
    let mut needs = Needs::new();
    for (key, draft) in drafts {
        let before: Vec<(&Key, &'static str)> = match key.action {
            Action::ReplaceIssuer => {
                let parents: Vec<&str> = issuers.parents(&key.anchor).collect();
                let above = parents
                    .iter()
                    .flat_map(|parent| steps.on(Action::ReplaceIssuer, parent));
                let known = parents.iter().flat_map(|parent| steps.trust_in(parent));
                let known: Vec<_> = known.map(|key| (key, VERIFIER_FIRST)).collect();
                above.map(|key| (key, ROOT_FIRST)).chain(known).collect()
            }
            Action::DistributeTrust => steps
                .on(Action::ReplaceIssuer, &key.anchor)
                .map(|key| (key, ANCHOR_FIRST))
                .collect(),
            Action::ReissueCertificates if key.anchor != SELF_SIGNED => {
                let issuer = steps
                    .on(Action::ReplaceIssuer, &key.anchor)
                    .map(|key| (key, ISSUER_FIRST));
                let known: Vec<_> = steps
                    .trust_in(&key.anchor)
                    .map(|key| (key, VERIFIER_FIRST))
                    .collect();
                issuer.chain(known).collect()
            }
            Action::RetireTrust => steps.below(&key.anchor).map(|key| (key, LAST)).collect(),
            Action::EnablePostQuantum | Action::ChangeCode => {
                steps.libraries(draft).map(|key| (key, LIBRARY_FIRST)).collect()
            }
            Action::RefuseClassical => {
                let ends = steps.ends(draft).map(|key| (key, BOTH_ENDS));
                // Who agrees on keys the new way may still show an old certificate.
                let signs_only = draft
                    .ratings
                    .iter()
                    .all(|rating| rating.confidentiality.is_none());
                let shown: Vec<_> = steps
                    .shown(graph, draft)
                    .into_iter()
                    .filter(|_| signs_only)
                    .map(|key| (key, CERTIFICATE_FIRST))
                    .collect();
                ends.chain(shown).collect()
            }
            _ => Vec::new(),
        };
        // One reason for each is enough: the first.
        let mut reasons = BTreeMap::new();
        for (need, why) in before.into_iter().filter(|(need, _)| *need != key) {
            reasons.entry(need.clone()).or_insert(why);
        }
        if !reasons.is_empty() {
            needs.insert(key.clone(), reasons);
        }
    }
    needs
}

/// Drafts by what they are about.
struct Steps<'s, 'a> {
    issuers: &'s Issuers<'a>,
    drafts: &'s BTreeMap<Key, Draft<'a>>,
    by_anchor: BTreeMap<(Action, &'s str), Vec<&'s Key>>,
    reissued: BTreeMap<&'a AssetId, &'s Key>,
    /// What is issued under each anchor, by the anchor itself or below it.
    below: BTreeMap<&'s str, BTreeSet<&'s Key>>,
}

/// What is done under an anchor.
const UNDER_AN_ANCHOR: [Action; 3] = [
    Action::ReplaceIssuer,
    Action::ReissueCertificates,
    Action::DistributeTrust,
];

impl<'s, 'a> Steps<'s, 'a> {
    fn of(issuers: &'s Issuers<'a>, drafts: &'s BTreeMap<Key, Draft<'a>>) -> Self {
        let mut by_anchor: BTreeMap<(Action, &str), Vec<&Key>> = BTreeMap::new();
        let mut reissued = BTreeMap::new();
        let mut below: BTreeMap<&str, BTreeSet<&Key>> = BTreeMap::new();
        for (key, draft) in drafts {
            if UNDER_AN_ANCHOR.contains(&key.action) {
                let roots = issuers.roots(&key.anchor);
                for root in roots.chain(std::iter::once(key.anchor.as_str())) {
                    below.entry(root).or_default().insert(key);
                }
            }
            by_anchor
                .entry((key.action, key.anchor.as_str()))
                .or_default()
                .push(key);
            if key.action == Action::ReissueCertificates {
                reissued.extend(draft.assets.keys().map(|id| (*id, key)));
            }
        }
        Self {
            issuers,
            drafts,
            by_anchor,
            reissued,
            below,
        }
    }

    fn on(&self, action: Action, anchor: &str) -> impl Iterator<Item = &'s Key> + use<'s, 'a> {
        let keys = self.by_anchor.get(&(action, anchor)).cloned();
        keys.into_iter().flatten()
    }

    fn with(&self, action: Action) -> impl Iterator<Item = (&'s Key, &'s Draft<'a>)> {
        self.drafts.iter().filter(move |(key, _)| key.action == action)
    }

    /// Those by which verifiers learn the successors of the roots above an authority.
    fn trust_in(&self, subject: &str) -> impl Iterator<Item = &'s Key> {
        let roots = self.issuers.roots(subject);
        roots.flat_map(|root| self.on(Action::DistributeTrust, root))
    }

    /// Everything that hangs on a root.
    fn below(&self, root: &str) -> impl Iterator<Item = &'s Key> {
        self.below.get(root).into_iter().flatten().copied()
    }

    /// The upgrades of libraries that a draft's programs use.
    fn libraries(&self, draft: &'s Draft<'a>) -> impl Iterator<Item = &'s Key> {
        let upgrades = self.with(Action::UpgradeLibrary);
        upgrades
            .filter(|(_, upgrade)| !upgrade.libraries.is_disjoint(&draft.libraries))
            .map(|(key, _)| key)
    }

    /// Everything else that has to speak the same protocol the new way.
    fn ends(&self, draft: &'s Draft<'a>) -> impl Iterator<Item = &'s Key> {
        let enabled = self.with(Action::EnablePostQuantum);
        enabled
            .filter(|(_, other)| !other.media.is_disjoint(&draft.media))
            .map(|(key, _)| key)
    }

    /// The steps that issue anew what a draft's services show.
    fn shown(&self, graph: &Graph<'a>, draft: &Draft<'a>) -> BTreeSet<&'s Key> {
        let services = draft.assets.keys();
        let shown = services.flat_map(|id| graph.out(id, Role::Presents));
        shown
            .filter_map(|asset| self.reissued.get(asset.id()).copied())
            .collect()
    }
}
