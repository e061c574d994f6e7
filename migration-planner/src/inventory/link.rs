//! Edges that only the whole inventory shows: who issued a certificate.

use std::collections::BTreeMap;

use super::{AssetId, CertificateDetail, Detail, Edge, Inventory, Role};

/// Connects certificates with the certificates that issued them, as far as names and key identifiers tell.
///
/// No signature is checked: the planner has to say what a verifier would look for, whatever the algorithm.
pub(crate) fn link(inventory: &mut Inventory) {
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
