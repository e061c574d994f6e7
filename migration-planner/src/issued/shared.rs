//! One key in several places.

use std::collections::{BTreeSet, HashMap};

use crate::inventory::{AssetId, Detail, Inventory, KeyKind, Role};

/// In how many ways a public key is used.
#[derive(Debug, Default)]
struct Uses<'a> {
    certificates: BTreeSet<&'a str>,
    presented_by: BTreeSet<&'a AssetId>,
    private_places: BTreeSet<&'a str>,
}

/// What services show of the authorities above their own certificate, whose keys are not theirs.
fn shown_from_above(inventory: &Inventory) -> BTreeSet<(&AssetId, &AssetId)> {
    let presents = inventory.edges().filter(|edge| edge.role == Role::Presents);
    presents
        .flat_map(|shows| {
            let issuers = inventory.edges_from(&shows.to);
            issuers
                .filter(|edge| edge.role == Role::IssuedBy)
                .map(|edge| (&shows.from, &edge.to))
        })
        .collect()
}

/// The key that a service proves to have by what it shows: the key itself, or that of a certificate.
fn proven<'a>(inventory: &'a Inventory, shown: &'a AssetId) -> Vec<&'a AssetId> {
    match inventory.get(shown).map(|shown| &shown.detail) {
        Some(Detail::Certificate(_)) => inventory
            .edges_from(shown)
            .filter(|edge| edge.role == Role::Certifies)
            .map(|edge| &edge.to)
            .collect(),
        _ => vec![shown],
    }
}

/// Marks public keys that are used in several places with the fact `shared-key`: `certificates` when several
/// certificates hold it, `formats` when it stands in different formats (X.509, SSH,
/// OpenPGP, JWK), `private-key` when its private half is in several files, `services` when several services show it.
/// Keys are told apart by the SHA-256 of their SubjectPublicKeyInfo, so a key is the same in all of these.
pub fn mark_shared_keys(inventory: &mut Inventory) {
    let mut uses: HashMap<&AssetId, Uses<'_>> = HashMap::new();
    let above = shown_from_above(inventory);
    for edge in inventory.edges() {
        if !matches!(edge.role, Role::Certifies | Role::Presents | Role::PrivateOf) {
            continue;
        }
        let Some(from) = inventory.get(&edge.from) else {
            continue;
        };
        match (edge.role, &from.detail) {
            (Role::Certifies, Detail::Certificate(detail)) => {
                uses.entry(&edge.to)
                    .or_default()
                    .certificates
                    .insert(&detail.sha256);
            }
            (Role::Presents, Detail::Service(_)) => {
                if above.contains(&(&edge.from, &edge.to)) {
                    continue;
                }
                for key in proven(inventory, &edge.to) {
                    uses.entry(key).or_default().presented_by.insert(&edge.from);
                }
            }
            (Role::PrivateOf, _) => {
                let places = from.evidence.iter().map(|place| place.location.as_str());
                uses.entry(&edge.to).or_default().private_places.extend(places);
            }
            _ => {}
        }
    }
    let mut marks: Vec<(AssetId, &str)> = Vec::new();
    for asset in inventory.assets() {
        let Detail::Key(key) = &asset.detail else { continue };
        if key.kind != KeyKind::Public {
            continue;
        }
        if asset.facts_of("found-as").nth(1).is_some() {
            marks.push((asset.id().clone(), "formats"));
        }
        let Some(uses) = uses.get(asset.id()) else {
            continue;
        };
        for (count, word) in [
            (uses.certificates.len(), "certificates"),
            (uses.presented_by.len(), "services"),
            (uses.private_places.len(), "private-key"),
        ] {
            if count > 1 {
                marks.push((asset.id().clone(), word));
            }
        }
    }
    for (id, word) in marks {
        if let Some(asset) = inventory.get_mut(&id) {
            asset.add_fact("shared-key", word);
        }
    }
}
