//! What an entry's policy does to issuance, what a stream sees of changes, what stock software is shown, and what is refused
//! before anything changes.

mod policy;
mod refusals;
mod stock;
mod streams;

use symbolon_api::spire::api::types;

/// Every field of SPIRE's.
fn everything_of_spire() -> types::EntryMask {
    types::EntryMask {
        spiffe_id: true,
        parent_id: true,
        selectors: true,
        x509_svid_ttl: true,
        federates_with: true,
        admin: true,
        downstream: true,
        expires_at: true,
        dns_names: true,
        revision_number: true,
        store_svid: true,
        jwt_svid_ttl: true,
        hint: true,
        created_at: true,
        additional_attributes: true,
        ..types::EntryMask::default()
    }
}
