//! Edges that only the whole inventory shows: who issued a certificate, and what is in the files that services name.

use std::collections::BTreeMap;

use super::named::{self, Follow};
use super::secrets;
use super::{AssetId, CertificateDetail, Detail, Edge, Inventory, Reason, Role, Unread};

/// Connects certificates with the certificates that issued them, as far as names and key identifiers tell: what a
/// join of several inventories needs, too.
///
/// What configurations name by a path is left as the scan of each has it: a path of one host says nothing of another.
///
/// No signature is checked: the planner has to say what a verifier would look for, whatever the algorithm.
pub fn relate(inventory: &mut Inventory) {
    let certificates = || {
        inventory.assets().filter_map(|asset| match &asset.detail {
            Detail::Certificate(detail) => Some((asset.id(), detail.as_ref())),
            _ => None,
        })
    };
    let mut issuers: BTreeMap<&str, Vec<(&AssetId, &CertificateDetail)>> = BTreeMap::new();
    for (id, detail) in certificates().filter(|(_, detail)| detail.authority && !detail.subject.is_empty()) {
        issuers
            .entry(detail.subject.as_str())
            .or_default()
            .push((id, detail));
    }
    let mut edges = Vec::new();
    for (id, detail) in certificates() {
        // A name that very many authorities share tells nothing.
        for (issuer, authority) in issuers.get(detail.issuer.as_str()).into_iter().flatten().take(64) {
            let identifiers = (&detail.authority_key_id, &authority.subject_key_id);
            let fits = !matches!(identifiers, (Some(wanted), Some(has)) if wanted != has);
            if fits && *issuer != id {
                edges.push(Edge::new(id, Role::IssuedBy, issuer));
            }
        }
    }
    for edge in edges {
        inventory.connect(edge);
    }
}

/// The same for what one scan found, and connects services with the certificates and keys in the files that their
/// configuration names. `follow` can tell which file of the scan a link leads to.
pub(crate) fn link(inventory: &mut Inventory, follow: &Follow<'_>) {
    relate(inventory);
    let (named, cut) = named::edges(inventory, follow);
    if let Some(location) = cut {
        inventory.unread.add(Unread {
            location,
            line: None,
            reason: Reason::TooLarge,
            scanner: "walk".to_owned(),
            detail: "services name more files than are looked for: from here on they are not joined with what is in them"
                .to_owned(),
        });
    }
    let in_secrets = secrets::edges(inventory);
    for edge in named.into_iter().chain(in_secrets) {
        inventory.connect(edge);
    }
}
