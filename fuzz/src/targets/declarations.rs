//! Documents of entries.

use std::path::PathBuf;

use symbolon_ca::apply;
use symbolon_pki::time::from_unix_seconds;

use crate::{Shape, Target};

pub(super) const DECLARATIONS: Target = Target {
    name: "declarations",
    about: "documents that declare entries, and what is warned of in them",
    shape: Shape::Bytes,
    max_len: 16 * 1024,
    body: declarations,
    seeds: || {
        vec![
            b"owner: a\nentries:\n- spiffe_id: spiffe://example.org/a\n  parent_id: spiffe://example.org/n\n  selectors: \
              [k8s:container-image:web:1, \"unix:uid:0\"]\n  x509_svid_ttl: 30m\n  not_after: 2030-01-01T00:00:00Z\n"
                .to_vec(),
            b"{\"owner\":\"a\",\"entries\":[{\"spiffe_id\":\"spiffe://example.org/a\",\"parent_id\":\"spiffe://example.org/n\",\
              \"selectors\":[\"unix:uid:1\"],\"allowed_forms\":[\"composite\"]}]}"
                .to_vec(),
            b"owner: a\nentries: []\n---\n- [1, {2: 3}]\n".to_vec(),
        ]
    },
};

/// Every document is read or refused; a refusal names at least one place, and what is read does not come from nowhere.
fn declarations(input: &[u8]) {
    match apply::read(&[PathBuf::from("-")], None, input) {
        Ok(declared) => {
            assert!(declared.count() == 0 || !declared.owners().is_empty());
            let now = from_unix_seconds(1_800_000_000).unwrap_or(std::time::SystemTime::UNIX_EPOCH);
            for warning in declared.warnings(now) {
                assert!(warning.place.is_some() && !warning.spiffe_id.is_empty());
            }
        }
        Err(apply::ApplyError::Documents(problems)) => assert!(!problems.is_empty()),
        Err(_) => {}
    }
}
