//! Records joined with what was found.

use std::collections::{BTreeMap, BTreeSet};

use symbolon_crypto::digest::sha256;

use super::Record;
use crate::files::x509;
use crate::inventory::{
    Asset, AssetId, CertificateDetail, Detail, Fragment, Inventory, Occurrence, Reason, Role, Subject, relate,
};

/// What the join came to, in certificates.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Joined {
    /// On record, and found where the scan looked.
    pub deployed: u64,
    /// Of those, found in more than one file.
    pub shadow: u64,
    /// On record and valid, and found nowhere.
    pub missing: u64,
    /// On record, expired, and found nowhere: they are not in the inventory.
    pub expired: u64,
    /// Found, naming our authority as their issuer, and not on its record.
    pub unrecorded: u64,
    /// Found, and issued by nobody who was found.
    pub unknown_issuer: u64,
}

/// Joins what an authority issued with what a scan found. `source` says where the records are from, as in
/// `symbolon://example.org`; `now` is the present (RFC 3339, UTC): what is expired by then and found nowhere is only
/// counted.
///
/// It tells with facts: `issued-by-us` `yes` or `no`, `deployed` `yes`, `shadow` (in more than one file) or
/// `missing`, `issuer` `unknown`.
pub fn join(inventory: &mut Inventory, source: &str, records: &[Record], now: &str) -> Joined {
    let mut joined = Joined::default();
    let mut ours = Ours::default();
    let schemes = crate::scan::schemes();
    let found_before: BTreeSet<AssetId> = certificates(inventory)
        .filter(|(asset, _)| files_and_contacts(asset).next().is_some())
        .map(|(asset, _)| asset.id().clone())
        .collect();
    inventory.coverage.of(Subject::Certificates).attempted += records.len() as u64;
    for record in records {
        let mut fragment = Fragment::at(source);
        fragment.on_behalf_of("issued");
        let here = Occurrence::at(source).symbol(hex::encode(sha256(&record.der)));
        let Some(id) = x509::certificate(&record.der, here, &mut fragment) else {
            inventory.unread.add(crate::inventory::Unread {
                location: source.to_owned(),
                line: None,
                reason: Reason::Malformed,
                scanner: "issued".to_owned(),
                detail: "a record whose certificate is not X.509".to_owned(),
            });
            continue;
        };
        inventory.coverage.of(Subject::Certificates).read += 1;
        let detail = fragment.assets().iter().find_map(|asset| match &asset.detail {
            Detail::Certificate(detail) if *asset.id() == id => Some(detail.as_ref()),
            _ => None,
        });
        let authority =
            record.profile.as_deref() == Some("authority") || detail.is_some_and(|detail| detail.authority);
        if let Some(detail) = detail {
            ours.learn(detail, authority, record);
        }
        let expired = detail
            .and_then(|detail| detail.not_after.as_deref())
            .is_some_and(|end| end < now);
        let deployed = found_before.contains(&id);
        if !deployed && expired {
            joined.expired += 1;
            continue;
        }
        inventory.absorb(fragment);
        ours.recorded.insert(id.clone());
        let Some(asset) = inventory.get_mut(&id) else {
            continue;
        };
        asset.add_fact("issued-by-us", "yes");
        for (name, value) in [("form", &record.form), ("profile", &record.profile)] {
            if let Some(value) = value {
                asset.add_fact(name, value);
            }
        }
        // That an authority is in every trust store is what it is for.
        let copies = files_and_contacts(asset)
            .filter(|place| is_file(place, &schemes))
            .count();
        let word = match (deployed, authority || copies < 2) {
            (false, _) => {
                joined.missing += 1;
                "missing"
            }
            (true, true) => "yes",
            (true, false) => {
                joined.shadow += 1;
                "shadow"
            }
        };
        joined.deployed += u64::from(deployed);
        asset.add_fact("deployed", word);
    }
    relate(inventory);
    strangers(inventory, &ours, &found_before, &mut joined);
    joined
}

/// What is known of our authorities.
#[derive(Debug, Default)]
struct Ours {
    recorded: BTreeSet<AssetId>,
    /// Key identifiers of authorities, in hex.
    keys: BTreeSet<String>,
    /// Their names, with their key identifiers where they have one.
    names: BTreeMap<String, BTreeSet<Option<String>>>,
}

impl Ours {
    fn learn(&mut self, detail: &CertificateDetail, authority: bool, record: &Record) {
        self.keys.extend(record.authority_id.clone());
        if authority {
            self.keys.extend(detail.subject_key_id.clone());
            self.names
                .entry(detail.subject.clone())
                .or_default()
                .insert(detail.subject_key_id.clone());
        }
    }

    /// Whether a certificate says that one of ours signed it.
    fn are_claimed_by(&self, detail: &CertificateDetail) -> bool {
        match &detail.authority_key_id {
            Some(key) => self.keys.contains(key),
            None => self.names.contains_key(&detail.issuer),
        }
    }
}

/// Marks certificates that were found and that our records do not explain.
fn strangers(inventory: &mut Inventory, ours: &Ours, found: &BTreeSet<AssetId>, joined: &mut Joined) {
    let issued: BTreeSet<AssetId> = inventory
        .edges()
        .filter(|edge| edge.role == Role::IssuedBy)
        .map(|edge| edge.from.clone())
        .collect();
    for id in found.iter().filter(|id| !ours.recorded.contains(id)) {
        let Some(asset) = inventory.get_mut(id) else {
            continue;
        };
        let Detail::Certificate(detail) = &asset.detail else {
            continue;
        };
        if detail.format != "X.509" {
            continue;
        }
        let claims_ours = ours.are_claimed_by(detail);
        let own = detail.issuer == detail.subject;
        if claims_ours {
            joined.unrecorded += 1;
            asset.add_fact(
                "weakness",
                "it names our authority as its issuer and is not on the authority's record",
            );
        } else if !own && !issued.contains(id) {
            joined.unknown_issuer += 1;
            asset.add_fact("issuer", "unknown");
        }
        asset.add_fact("issued-by-us", "no");
    }
}

fn certificates(inventory: &Inventory) -> impl Iterator<Item = (&Asset, &CertificateDetail)> {
    inventory.assets().filter_map(|asset| match &asset.detail {
        Detail::Certificate(detail) => Some((asset, detail.as_ref())),
        _ => None,
    })
}

/// The places where an asset was found, each once, without what records say.
fn files_and_contacts(asset: &Asset) -> impl Iterator<Item = &str> {
    let places: BTreeSet<&str> = asset
        .evidence
        .iter()
        .map(|place| place.location.as_str())
        .filter(|place| !place.starts_with("symbolon:"))
        .collect();
    places.into_iter()
}

/// Whether a place is a file, as against an endpoint or a token.
fn is_file(place: &str, schemes: &[&str]) -> bool {
    !place
        .split_once(':')
        .is_some_and(|(scheme, _)| schemes.contains(&scheme))
}
