//! Entries as documents declare them: read, compared with what a server has, and brought about.
//!
//! A document is YAML or JSON:
//!
//! ```yaml
//! owner: payments
//! entries:
//!   - spiffe_id: spiffe://example.org/payments/api
//!     parent_id: spiffe://example.org/node/a
//!     selectors: [unix:uid:1001]
//!     x509_svid_ttl: 30m
//! ```
//!
//! Every entry that comes of it carries the document's owner, and nothing but entries of that owner is ever removed. An
//! entry is found by its id if the document names one, and else by its parent, identity and selectors. A field that a
//! document does not have is as if it had the field's default, so what somebody changed by hand is changed back.

mod document;
mod field;
mod plan;
mod run;
mod source;
mod warn;
mod yaml;

use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;

pub(crate) use self::document::{Declaration, canonical};
pub use self::document::{Declared, Place, Problem};
pub use self::plan::{Action, Change, FieldChange, Plan};
pub(crate) use self::plan::{Scope, plan as plan_entries};
pub use self::run::Outcome;
pub use self::source::read;
pub use self::warn::Warning;
use crate::client::{Client, ClientError, EntryQuery};
use crate::wire::ALL_FIELDS;

/// Why declarations were not brought about. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// A file or folder cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Documents are wrong; each place is named.
    #[error("{}", lines("the documents are wrong, and nothing was changed", .0))]
    Documents(Vec<Problem>),
    /// Entries are kept by others, or would come to be the same registration as one that stays.
    #[error("{}", lines("some of these entries cannot be had so, and nothing was changed", .0))]
    Conflicts(Vec<String>),
    /// The server could not be asked what there is.
    #[error(transparent)]
    Client(#[from] ClientError),
}

fn lines(head: &str, items: &[impl std::fmt::Display]) -> String {
    items.iter().fold(head.to_owned(), |mut text, item| {
        // Writing to a string does not fail.
        let _infallible = write!(text, "\n  {item}");
        text
    })
}

/// What has to change on a server for it to have what is `declared`. With `prune` the owners' entries that are not declared
/// any more are removed.
///
/// # Errors
/// [`ApplyError::Conflicts`] where others keep entries that are declared, or two would be one registration; [`ApplyError::Client`].
pub async fn plan(client: &Client, declared: &Declared, prune: bool) -> Result<Plan, ApplyError> {
    let current = client.entry_messages(&EntryQuery::default()).await?;
    let owners = prune.then(|| declared.owners.clone());
    let scope = Scope {
        mask: ALL_FIELDS,
        prune: owners.unwrap_or_default(),
    };
    plan_entries(&declared.entries, &current, &scope).map_err(ApplyError::Conflicts)
}
