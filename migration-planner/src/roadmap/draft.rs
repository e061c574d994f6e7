//! From what is open to what is to be done about it: one draft for each piece of work that one owner does.

use std::collections::{BTreeMap, BTreeSet};

use super::issuers::{Issuers, certificate};
use super::libraries;
use super::model::{Action, Expect, Item, StepId};
use crate::algorithm::Quantum;
use crate::inventory::{Asset, AssetId, Detail, KeyDetail, Role};
use crate::risk::graph::Graph;
use crate::risk::uses::{NOT_STATED, Use};
use crate::risk::{Assessment, Catalogue, DecidedOutcome, Posture, Purpose, Rating, Threat};

/// What a step is about. Two roadmaps of one estate have the same key for the same work.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Key {
    pub(super) action: Action,
    /// The thing: an authority's name, an algorithm, a kind of server.
    pub(super) anchor: String,
    /// Whose work it is; empty when nobody is named.
    pub(super) owner: String,
    /// What was decided other than to migrate.
    pub(super) decided: Option<&'static str>,
}

impl Key {
    fn of(action: Action, anchor: impl Into<String>) -> Self {
        Self {
            action,
            anchor: anchor.into(),
            owner: String::new(),
            decided: None,
        }
    }

    pub(super) fn id(&self) -> StepId {
        StepId::of(
            self.action,
            &[&self.anchor, &self.owner, self.decided.unwrap_or_default()],
        )
    }
}

/// What is known about a step before it is put into words.
#[derive(Debug, Default)]
pub(super) struct Draft<'a> {
    pub(super) items: BTreeSet<Item>,
    pub(super) assets: BTreeMap<&'a AssetId, &'a Asset>,
    pub(super) ratings: Vec<&'a Rating>,
    /// `tls`, `ssh`, `x509`, `pgp`, `code`.
    pub(super) media: BTreeSet<String>,
    /// Libraries by the names that scanners have for them.
    pub(super) libraries: BTreeSet<String>,
    pub(super) hardware: bool,
    /// Whether our own authority issues here.
    pub(super) ours: bool,
    /// The version that a library has to have.
    pub(super) version: Option<String>,
}

/// The anchor of the one step about authorities that issued nothing here.
pub(super) const STRANGERS: &str = "authorities that issued nothing here";

/// How the anchor of what leaves the agreement on keys to the program begins.
pub(super) const KEY_AGREEMENT_OF: &str = "the key agreement of ";

/// How the anchor of a repair ends that is about signatures.
const OF_SIGNATURES: &str = "/signatures";

/// The anchor of certificates that nobody else signed.
pub(super) const SELF_SIGNED: &str = "itself";

/// Every draft, by key.
pub(super) fn drafts<'a>(
    graph: &Graph<'a>,
    issuers: &Issuers<'a>,
    assessment: &'a Assessment,
    catalogue: &Catalogue,
) -> BTreeMap<Key, Draft<'a>> {
    let mut drafts: BTreeMap<Key, Draft<'a>> = BTreeMap::new();
    for (id, rating) in &assessment.ratings {
        if !rating.is_open() {
            continue;
        }
        let Some(asset) = graph.inventory.get(id) else {
            continue;
        };
        for mut key in keys(asset, rating, issuers) {
            // What belongs to all is nobody's alone.
            if !matches!(key.action, Action::ReplaceIssuer | Action::RetireTrust) {
                key.owner = owner(rating);
            }
            key.decided = rating.decision.as_ref().map(|decision| match decision.outcome {
                DecidedOutcome::Accept => "accept",
                DecidedOutcome::Compensate => "compensate",
                DecidedOutcome::PhaseOut => "phase-out",
            });
            let expect = expect(key.action, key.decided);
            let draft = drafts.entry(key).or_default();
            draft.about(graph, asset, rating);
            draft.ours |= asset.facts_of("issued-by-us").any(|fact| fact == "yes");
            if let Some(detail) = certificate(asset) {
                draft.ours |= issuers.is_ours(&detail.subject) || issuers.is_ours(&detail.issuer);
            }
            draft.items.extend(items(graph, asset, expect));
        }
    }
    verifiers(graph, assessment, issuers, &mut drafts);
    old_libraries(graph, catalogue, &mut drafts);
    drafts
}

/// What was found protected, for a later scan to see whether it still is.
pub(super) fn guards(graph: &Graph<'_>, assessment: &Assessment) -> Vec<Item> {
    let protected = assessment.ratings.iter().filter(|(_, rating)| {
        !rating.is_open() && (rating.posture == Posture::Protected || rating.threat == Threat::Resistant)
    });
    let assets = protected.filter_map(|(id, _)| graph.inventory.get(id));
    let items: BTreeSet<Item> = assets
        .flat_map(|asset| items(graph, asset, Expect::Replaced))
        .collect();
    items.into_iter().collect()
}

impl<'a> Draft<'a> {
    fn about(&mut self, graph: &Graph<'a>, asset: &'a Asset, rating: &'a Rating) {
        if self.assets.insert(asset.id(), asset).is_none() {
            self.ratings.push(rating);
        }
        self.media.insert(medium(graph, asset));
        self.libraries
            .extend(asset.facts_of("library").map(str::to_owned));
        self.hardware |= rating.effort.factors.iter().any(|factor| &**factor == "hardware");
    }
}

fn owner(rating: &Rating) -> String {
    let owners: Vec<&str> = rating.owners.iter().map(|owner| &**owner).collect();
    owners.join(", ")
}

fn expect(action: Action, decided: Option<&str>) -> Expect {
    match action {
        _ if decided == Some("phase-out") => Expect::Gone,
        Action::Identify => Expect::Identified,
        Action::RetireTrust => Expect::Gone,
        _ => Expect::Replaced,
    }
}

/// What is to be done about an asset. There is something for everything that is open.
fn keys(asset: &Asset, rating: &Rating, issuers: &Issuers<'_>) -> BTreeSet<Key> {
    let mut keys = BTreeSet::new();
    for used in &rating.uses {
        if let Some(weakness) = &used.weakness {
            keys.insert(Key::of(Action::Repair, repair_anchor(weakness, used.purpose)));
        }
    }
    if rating.uses.iter().any(|used| used.quantum == Quantum::Unknown) {
        let left = rating.uses.iter().any(|used| used.how == NOT_STATED);
        let anchor = match &asset.detail {
            Detail::Algorithm(_) => asset.name.clone(),
            Detail::Protocol(_) | Detail::Service(_) if left => {
                format!("{KEY_AGREEMENT_OF}{}", speaker(asset))
            }
            other => other.kind().to_owned(),
        };
        keys.insert(Key::of(Action::Identify, anchor));
    }
    let broken = |purpose: Option<Purpose>| {
        rating.uses.iter().any(|used| {
            used.quantum == Quantum::Broken && purpose.is_none_or(|purpose| used.purpose == purpose)
        })
    };
    if broken(None) && rating.posture != Posture::Protected {
        match &asset.detail {
            Detail::Certificate(detail) if detail.authority && !issuers.is_active(&detail.subject) => {
                keys.insert(Key::of(Action::RetireTrust, STRANGERS));
            }
            Detail::Certificate(detail) if detail.authority => {
                keys.insert(Key::of(Action::ReplaceIssuer, detail.subject.as_str()));
            }
            Detail::Certificate(detail) => {
                let by_itself = detail.issuer == detail.subject;
                let anchor = if by_itself {
                    SELF_SIGNED
                } else {
                    detail.issuer.as_str()
                };
                keys.insert(Key::of(Action::ReissueCertificates, anchor));
            }
            Detail::Key(key) => {
                keys.insert(Key::of(Action::ReplaceKeys, key_kind(key)));
            }
            Detail::Protocol(_) | Detail::Service(_) => {
                let anchor = speaker(asset);
                if broken(Some(Purpose::KeyEstablishment)) && rating.posture != Posture::Downgradable {
                    keys.insert(Key::of(Action::EnablePostQuantum, anchor.as_str()));
                }
                keys.insert(Key::of(Action::RefuseClassical, anchor));
            }
            Detail::Material(detail) => {
                keys.insert(Key::of(Action::ProtectStoredData, detail.what.as_str()));
            }
            Detail::Algorithm(_) | Detail::Library(_) => {
                keys.insert(Key::of(Action::ChangeCode, asset.name.as_str()));
            }
        }
    }
    if keys.is_empty() {
        let algorithms: BTreeSet<&str> = rating
            .verdicts
            .iter()
            .flat_map(|verdict| &verdict.algorithms)
            .map(|name| &**name)
            .collect();
        let algorithms: Vec<&str> = algorithms.into_iter().collect();
        keys.insert(Key::of(Action::RaiseStrength, algorithms.join(", ")));
    }
    keys
}

/// What signs is replaced by something else than what encrypts or agrees on keys, so it has a step of its own.
fn repair_anchor(weakness: &str, purpose: Purpose) -> String {
    match purpose {
        Purpose::Signature => format!("{weakness}{OF_SIGNATURES}"),
        _ => weakness.to_owned(),
    }
}

/// The weakness that an anchor of a repair is about, and whether it is that of signatures.
pub(super) fn weakness_of(anchor: &str) -> (&str, bool) {
    match anchor.strip_suffix(OF_SIGNATURES) {
        Some(weakness) => (weakness, true),
        None => (anchor, false),
    }
}

/// Whether a repair of this anchor is about this use.
pub(super) fn is_repaired(anchor: &str, used: &Use) -> bool {
    let (weakness, signs) = weakness_of(anchor);
    used.weakness.as_deref() == Some(weakness) && (used.purpose == Purpose::Signature) == signs
}

fn key_kind(key: &KeyDetail) -> String {
    format!("{} {}", key.format, key.kind.name().replace('-', " "))
}

/// What kind of thing speaks: its software where that is known, else the protocol.
fn speaker(asset: &Asset) -> String {
    match &asset.detail {
        Detail::Service(service) => service.what.clone(),
        Detail::Protocol(protocol) => protocol.protocol.to_uppercase(),
        _ => asset.detail.kind().to_owned(),
    }
}

fn medium(graph: &Graph<'_>, asset: &Asset) -> String {
    match &asset.detail {
        Detail::Certificate(certificate) if certificate.format == "OpenSSH" => "ssh-keys".to_owned(),
        Detail::Certificate(_) | Detail::Material(_) => "x509".to_owned(),
        Detail::Key(key) => match key.format.as_str() {
            "SSH" | "OpenSSH" => "ssh-keys".to_owned(),
            "OpenPGP" => "pgp".to_owned(),
            _ => "x509".to_owned(),
        },
        Detail::Protocol(protocol) => protocol_medium(&protocol.protocol),
        Detail::Service(_) => {
            let mut protocols = graph
                .out(asset.id(), Role::Offers)
                .filter_map(|asset| match &asset.detail {
                    Detail::Protocol(protocol) => Some(protocol_medium(&protocol.protocol)),
                    _ => None,
                });
            protocols.next().unwrap_or_else(|| "tls".to_owned())
        }
        Detail::Algorithm(_) | Detail::Library(_) => "code".to_owned(),
    }
}

fn protocol_medium(protocol: &str) -> String {
    match protocol {
        "tls" | "dtls" | "quic" | "ssl" => "tls".to_owned(),
        other => other.to_owned(),
    }
}

/// What an asset is recognised by in a later scan, without what changes when it is renewed.
fn item_key(asset: &Asset) -> String {
    match &asset.detail {
        Detail::Certificate(detail) if !detail.subject.is_empty() => {
            format!("certificate {}", detail.subject)
        }
        Detail::Certificate(_) => "certificate".to_owned(),
        Detail::Key(key) => format!("{} {}", key.kind.name(), key.format),
        Detail::Protocol(protocol) => format!("protocol {}", protocol.protocol),
        Detail::Service(_) => format!("service {}", asset.name),
        Detail::Material(detail) => format!("material {}", detail.what),
        Detail::Algorithm(_) => format!("algorithm {}", asset.name),
        Detail::Library(_) => format!("library {}", asset.name),
    }
}

/// The places of an asset that no other asset stands for, each once.
pub(super) fn items<'a>(graph: &Graph<'a>, asset: &'a Asset, expect: Expect) -> Vec<Item> {
    let mut items: BTreeMap<&str, Item> = BTreeMap::new();
    for place in graph.rated_places(asset) {
        let item = items.entry(place.location.as_str()).or_insert_with(|| Item {
            key: item_key(asset),
            location: place.location.clone(),
            line: place.line,
            count: 0,
            name: asset.name.clone(),
            asset: asset.id().to_string(),
            expect,
        });
        item.count += 1;
        item.line = item.line.min(place.line).or(item.line);
    }
    items.into_values().collect()
}

/// Those who believe a root that has to move: they learn its successor first, and forget it last.
fn verifiers<'a>(
    graph: &Graph<'a>,
    assessment: &'a Assessment,
    issuers: &Issuers<'a>,
    drafts: &mut BTreeMap<Key, Draft<'a>>,
) {
    let resists = |asset: &&Asset| {
        assessment
            .rating(asset.id())
            .is_some_and(|rating| !rating.is_open())
    };
    for root in issuers.believed_roots() {
        for verifier in issuers.verifiers(graph, root) {
            let knows = graph
                .out(verifier.id(), Role::Trusts)
                .filter(|asset| certificate(asset).is_some_and(|detail| detail.authority))
                .any(|asset| resists(&asset));
            let actions = [
                (Action::DistributeTrust, Expect::Replaced),
                (Action::RetireTrust, Expect::Gone),
            ];
            for (action, expect) in actions {
                if knows && action == Action::DistributeTrust {
                    continue;
                }
                let draft = drafts.entry(Key::of(action, root)).or_default();
                draft.items.extend(items(graph, verifier, expect));
                draft.assets.insert(verifier.id(), verifier);
                draft.media.insert("x509".to_owned());
                draft.ours |= issuers.is_ours(root);
            }
        }
    }
}

/// Libraries that are known to be too old for what is to come.
fn old_libraries<'a>(graph: &Graph<'a>, catalogue: &Catalogue, drafts: &mut BTreeMap<Key, Draft<'a>>) {
    for asset in graph.inventory.assets() {
        let Some(library) = libraries::support(catalogue, asset) else {
            continue;
        };
        if let Some(version) = libraries::too_old(library, asset) {
            let draft = drafts
                .entry(Key::of(Action::UpgradeLibrary, library.id.as_str()))
                .or_default();
            draft.items.extend(items(graph, asset, Expect::Replaced));
            draft.assets.insert(asset.id(), asset);
            draft.libraries.extend(library.names.iter().cloned());
            draft.version = Some(version.to_owned());
        }
    }
}
