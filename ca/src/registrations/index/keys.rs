//! Entries as keys: by what of them they are looked for. Each is a pointer to the entry, which holds the text.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use spiffe::SpiffeId;

use crate::datastore::EntryRecord;

/// An entry by its id.
#[derive(Clone, Debug)]
pub(super) struct ById(pub(super) Arc<EntryRecord>);

/// An entry by its parent.
#[derive(Clone, Debug)]
pub(super) struct ByParent(pub(super) Arc<EntryRecord>);

/// An entry by the identity that it gives.
#[derive(Clone, Debug)]
pub(super) struct ByIdentity(pub(super) Arc<EntryRecord>);

/// Makes `$key` equal, ordered and found by `$part` of its entry alone.
macro_rules! stands_for {
    ($key:ident, $part:ty, $field:ident) => {
        impl Borrow<$part> for $key {
            fn borrow(&self) -> &$part {
                &self.0.$field
            }
        }

        impl PartialEq for $key {
            fn eq(&self, other: &Self) -> bool {
                self.0.$field == other.0.$field
            }
        }

        impl Eq for $key {}

        impl PartialOrd for $key {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl Ord for $key {
            fn cmp(&self, other: &Self) -> Ordering {
                self.0.$field.cmp(&other.0.$field)
            }
        }

        impl Hash for $key {
            fn hash<H: Hasher>(&self, state: &mut H) {
                self.0.$field.hash(state);
            }
        }
    };
}

stands_for!(ById, str, id);
stands_for!(ByParent, SpiffeId, parent_id);
stands_for!(ByIdentity, SpiffeId, spiffe_id);
