//! Rating every asset of an inventory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Day;
use super::catalogue::{Catalogue, Effect, Regime, Scenario};
use super::effort::{Effort, MANY_PLACES, effort};
use super::graph::{ANSWERS_FOR, Graph};
use super::idle::idle;
use super::mosca::{Mosca, Shelf, mosca};
use super::profile::{Known, MAX_YEARS, Profile, Rules};
use super::purpose::Purpose;
use super::rating::{Assessment, Bound, Rating, Unrated};
use super::score::{DEPENDANTS_COUNTED, Inputs, score};
use super::threat::{Posture, Threat, posture, threats};
use super::uses::{PROTECTED_BY, Use, Uses};
use super::verdict::{Judge, Verdict};
use crate::algorithm::Quantum;
use crate::inventory::{Asset, AssetId, Detail, Inventory, KeyKind, Protection, Role};

/// The key usages of certificates whose signatures are believed long after they were made.
const LASTING: [&str; 4] = ["codeSigning", "emailProtection", "timeStamping", "nonRepudiation"];

/// Rates every asset.
#[must_use]
pub fn assess(inventory: &Inventory, profile: &Profile, catalogue: &Catalogue, today: Day) -> Assessment {
    let graph = Graph::of(inventory);
    let scenarios = profile.all_scenarios(catalogue);
    let regimes: Vec<&Regime> = profile
        .regimes
        .iter()
        .filter_map(|id| catalogue.regime(id))
        .collect();
    let mut assessor = Assessor {
        graph: &graph,
        uses: Uses::new(&graph, catalogue),
        judge: Judge::new(regimes.clone(), today),
        rules: Rules::of(profile),
        catalogue,
        profile,
        scenarios: &scenarios,
        today,
    };
    let mut ratings = BTreeMap::new();
    let mut unrated = BTreeMap::new();
    for asset in inventory.assets() {
        match assessor.rate(asset) {
            Ok(rating) => {
                ratings.insert(asset.id().clone(), rating);
            }
            Err(why) => {
                unrated.insert(asset.id().clone(), why);
            }
        }
    }
    Assessment {
        today,
        organisation: profile.organisation.clone(),
        regimes: regimes.into_iter().cloned().collect(),
        plan_by: profile.plan_by.clone(),
        scenarios,
        idle_rules: idle(profile, inventory, |asset| ratings.contains_key(asset.id())),
        ratings,
        unrated,
    }
}

struct Assessor<'a> {
    graph: &'a Graph<'a>,
    uses: Uses<'a>,
    judge: Judge<'a>,
    rules: Rules<'a>,
    catalogue: &'a Catalogue,
    profile: &'a Profile,
    scenarios: &'a [Scenario],
    today: Day,
}

impl<'a> Assessor<'a> {
    fn rate(&mut self, asset: &'a Asset) -> Result<Rating, Unrated> {
        let stood_for = stands_for(self.graph, asset);
        // A certificate tells nothing of how the file of its private key is protected.
        let weak_lock = || {
            is_private(asset)
                && self
                    .uses
                    .of(asset)
                    .iter()
                    .any(|used| used.weakness.is_some() && used.how == PROTECTED_BY)
        };
        if let Some(by) = stood_for.filter(|_| !weak_lock()) {
            return Err(Unrated::StoodFor { by });
        }
        let uses = self.uses.of(asset);
        if uses.is_empty() {
            return Err(Unrated::NoCryptography);
        }
        let inventory = self.graph.inventory;
        let known = self.rules.about(inventory, asset);
        let owners = owners(asset, &known);
        let exposure = known
            .exposure
            .map(Arc::from)
            .or_else(|| asset.exposure.as_deref().map(Arc::from));
        let believed = self.believed(asset, &known);
        let threats = threats(
            &uses,
            believed.months,
            self.profile.defaults.long_signature_months,
        );
        let posture = posture(self.graph, asset, &uses);
        let settled = posture == Posture::Protected;
        let threat = if settled && !threats.contains(&Threat::WeakToday) {
            Threat::Resistant
        } else {
            threats.first().copied().unwrap_or(Threat::Unknown)
        };
        let at_stake = |purpose: Purpose| {
            let falls = |used: &&Use| matches!(used.quantum, Quantum::Broken | Quantum::Unknown);
            !settled && uses.iter().filter(falls).any(|used| used.purpose == purpose)
        };
        let secret = at_stake(Purpose::KeyEstablishment) || (!settled && unknown_encryption(&uses));
        let confidentiality = secret.then(|| self.secret(&known));
        let signatures = at_stake(Purpose::Signature).then_some(believed);
        let effort = self.effort(asset, threat, &owners, known.migration_months);
        let mosca: Vec<Mosca> = self
            .scenarios
            .iter()
            .filter_map(|scenario| {
                mosca(
                    scenario,
                    self.today,
                    confidentiality.as_ref(),
                    signatures.as_ref(),
                    effort.months,
                )
            })
            .collect();
        let verdicts = self.judge.of(&uses, &known.categories);
        let planned = mosca
            .iter()
            .find(|mosca| *mosca.scenario == *self.profile.plan_by);
        let quantum_bound = quantum_bound(&verdicts, planned, self.today);
        let bound = weakness_bound(&uses, self.today)
            .into_iter()
            .chain(quantum_bound.clone())
            .min_by_key(Bound::day);
        let dependants = self.graph.dependants(asset.id(), DEPENDANTS_COUNTED);
        let importance = known.importance.unwrap_or(self.profile.defaults.importance);
        let score = score(Inputs {
            threat,
            mosca: planned,
            exposure: exposure.as_deref(),
            importance,
            importance_told: known.importance.is_some(),
            dependants,
        });
        let holds =
            |decision: &&super::profile::Decision| decision.until.is_none_or(|until| until >= self.today);
        Ok(Rating {
            threat,
            threats,
            posture,
            owners,
            exposure,
            importance,
            confidentiality,
            signatures,
            effort,
            mosca,
            verdicts,
            bound,
            quantum_bound,
            dependants,
            score,
            decision: known.decision.filter(holds).cloned(),
            uses,
        })
    }

    /// For how long what it encrypts must stay secret.
    fn secret(&self, known: &Known<'_>) -> Shelf {
        let (years, because) = match known.confidentiality_years {
            Some(years) => (years, "the profile says so"),
            None => (self.profile.defaults.confidentiality_years, "the default"),
        };
        Shelf {
            months: years * 12,
            because: Arc::from(because),
        }
    }

    /// For how long what it signs must be believed.
    fn believed(&self, asset: &Asset, known: &Known<'_>) -> Shelf {
        // What must last longer than can be asked for must last for ever.
        let shelf = |months: u32, because: &str| Shelf {
            months: months.min(MAX_YEARS * 12),
            because: Arc::from(because),
        };
        if let Some(years) = known.signature_years {
            return shelf(years * 12, "the profile says so");
        }
        let default = || shelf(self.profile.defaults.signature_years * 12, "the default");
        match &asset.detail {
            Detail::Protocol(_) | Detail::Service(_) => shelf(0, "it proves who is there now, nothing later"),
            Detail::Key(key) if key.format == "SSH" || key.format == "OpenSSH" => {
                shelf(0, "SSH proves who is there now, nothing later")
            }
            Detail::Certificate(certificate) => {
                let end = certificate.not_after.as_deref().and_then(Day::of_rfc3339);
                let lasting = LASTING.iter().any(|usage| certificate.usages.contains(*usage));
                let valid = end.map(|end| self.today.months_until(end));
                match (valid, lasting && !certificate.authority) {
                    (Some(valid), false) => shelf(valid, "it is valid for so long"),
                    (Some(valid), true) if valid > default().months => {
                        shelf(valid, "it is valid for so long")
                    }
                    _ => default(),
                }
            }
            _ => default(),
        }
    }

    fn effort(
        &self,
        asset: &Asset,
        threat: Threat,
        owners: &BTreeSet<Arc<str>>,
        told: Option<u32>,
    ) -> Effort {
        let kind = match (&asset.detail, threat) {
            (_, Threat::WeakToday) => "repair",
            (Detail::Certificate(certificate), _) if certificate.authority => "replace-issuer",
            (Detail::Certificate(_), _) => "reissue-certificates",
            (Detail::Key(_), _) => "replace-keys",
            (Detail::Protocol(_) | Detail::Service(_), _) => "enable-post-quantum",
            (Detail::Material(_), _) => "protect-stored-data",
            (Detail::Algorithm(_) | Detail::Library(_), _) => "change-code",
        };
        let mut factors = Vec::new();
        if in_hardware(self.graph, asset) {
            factors.push("hardware");
        }
        if matches!(&asset.detail, Detail::Key(key) if key.format == "SSH" || key.format == "OpenSSH") {
            factors.push("no-standard");
        }
        if kind == "change-code" && asset.facts_of("library").any(|name| !self.is_ready(name)) {
            factors.push("library-not-ready");
        }
        if asset.evidence.len() > MANY_PLACES {
            factors.push("many-places");
        }
        if owners.is_empty() {
            factors.push("no-owner");
        }
        effort(self.catalogue, kind, &factors, told)
    }

    /// Whether a version of a library is known that can do what is to come.
    fn is_ready(&self, name: &str) -> bool {
        self.catalogue.libraries.iter().any(|library| {
            library.names.iter().any(|known| known == name)
                && (library.key_establishment_since.is_some() || library.signature_since.is_some())
        })
    }
}

fn weakness_bound(uses: &BTreeSet<Use>, today: Day) -> Option<Bound> {
    let weakness = uses.iter().find_map(|used| used.weakness.clone())?;
    Some(Bound::Weakness { weakness, day: today })
}

fn quantum_bound(verdicts: &[Verdict], planned: Option<&Mosca>, today: Day) -> Option<Bound> {
    // What is merely deprecated may stay, at one's own risk.
    let disallowed = verdicts
        .iter()
        .filter(|verdict| verdict.effect != Effect::Deprecated);
    let regimes = disallowed.map(|verdict| Bound::Regime {
        regime: Arc::clone(&verdict.regime),
        rule: Arc::clone(&verdict.rule),
        category_assumed: verdict.category_assumed,
        day: verdict.until.unwrap_or(today),
    });
    let scenario = planned.map(|mosca| Bound::Scenario {
        scenario: Arc::clone(&mosca.scenario),
        day: mosca.done_by,
    });
    regimes.chain(scenario).min_by_key(Bound::day)
}

fn owners(asset: &Asset, known: &Known<'_>) -> BTreeSet<Arc<str>> {
    match known.owner {
        Some(owner) => BTreeSet::from([Arc::from(owner)]),
        None => asset
            .owners
            .iter()
            .map(|owner| Arc::from(owner.as_str()))
            .collect(),
    }
}

fn unknown_encryption(uses: &BTreeSet<Use>) -> bool {
    uses.iter()
        .any(|used| used.purpose == Purpose::Encryption && used.quantum == Quantum::Unknown)
}

fn is_private(asset: &Asset) -> bool {
    matches!(&asset.detail, Detail::Key(key) if key.kind == KeyKind::Private)
}

/// The asset that stands for this one, so that nothing is counted twice.
fn stands_for<'a>(graph: &Graph<'a>, asset: &'a Asset) -> Option<AssetId> {
    let id = asset.id();
    let first = |role: Role| graph.back(id, role).next().map(|asset| asset.id().clone());
    match &asset.detail {
        // Algorithms are rated where they are used by themselves.
        Detail::Algorithm(_) => {
            if !graph.own_places(asset).is_empty() {
                return None;
            }
            let mut from = graph
                .edges_into(id)
                .iter()
                .filter(|edge| ANSWERS_FOR.contains(&edge.role));
            from.next().map(|edge| edge.from.clone())
        }
        Detail::Key(key) => match key.kind {
            KeyKind::Public => certificate_of(graph, id).or_else(|| first(Role::PrivateOf)),
            KeyKind::Private => graph
                .out(id, Role::PrivateOf)
                .find_map(|public| certificate_of(graph, public.id())),
            KeyKind::Secret => None,
        },
        // What a service speaks may be configured elsewhere too, where nobody sees a service.
        Detail::Protocol(_) => {
            let mut services = graph.back(id, Role::Offers);
            if !graph.places_without_service(asset).is_empty() {
                return None;
            }
            services
                .find(|asset| matches!(asset.detail, Detail::Service(_)))
                .map(|asset| asset.id().clone())
        }
        _ => None,
    }
}

fn certificate_of(graph: &Graph<'_>, public_key: &AssetId) -> Option<AssetId> {
    graph
        .back(public_key, Role::Certifies)
        .find(|asset| matches!(asset.detail, Detail::Certificate(_)))
        .map(|asset| asset.id().clone())
}

/// Whether its private key is held by hardware.
fn in_hardware(graph: &Graph<'_>, asset: &Asset) -> bool {
    let held = |asset: &Asset| matches!(&asset.detail, Detail::Key(key) if matches!(key.protection, Some(Protection::Hardware { .. })));
    held(asset)
        || graph
            .out(asset.id(), Role::Certifies)
            .any(|public| graph.back(public.id(), Role::PrivateOf).any(held))
}
