//! What our own authority issued, joined with where it was found.
//!
//! The records come from the server's API or from a file that `symbolon cert export` wrote, never from the
//! server's database. Joined with an inventory they tell which certificates are deployed, which are missing where the
//! scan looked, which lie about in several copies, which certificates claim our authority and are not on its record,
//! and whose issuer nobody here knows. [`mark_shared_keys`] tells, with or without records, of keys that are used in
//! several places.
//!
//! This module must not know how a server is called: it is given records.

mod join;
mod record;
mod shared;

pub use self::join::{Joined, join};
pub use self::record::{ExportError, MAX_LEN, Record, read};
pub use self::shared::mark_shared_keys;
