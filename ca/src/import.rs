//! What another server has, brought to this one: entries, federation and bundles of a SPIRE server, read over its API.
//!
//! Nothing is removed here, so an import can be repeated while both servers run. What SPIRE does not know (forms, windows,
//! owners) stays as it is, and entries that declarations keep are left to them. Entries keep their ids.

mod foreign;

use std::collections::BTreeSet;
use std::time::SystemTime;

use serde::Serialize;
use symbolon_api::spire::api::types;
use symbolon_pki::time::unix_seconds;

pub use self::foreign::{Item, ItemOutcome};
use crate::apply::{Declaration, Outcome, Plan, Scope, canonical, plan_entries};
use crate::client::{Client, ClientError, EntryQuery, Reader as _};
use crate::wire::STOCK_FIELDS;

/// Why nothing was imported. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The other server did not answer as it should.
    #[error("the server that is imported from cannot be read: {0}")]
    Source(#[source] ClientError),
    /// This server did not answer as it should.
    #[error(transparent)]
    Target(#[from] ClientError),
    /// Entries hold identities of one trust domain, and SVIDs of another would not be believed.
    #[error("the server that is imported from has the trust domain {found:?}, and this one {own:?}")]
    TrustDomain {
        /// Theirs.
        found: String,
        /// Ours.
        own: String,
    },
    /// Entries would come to be the same registration.
    #[error("some of these entries are at odds with entries that are here, and nothing was changed: {}", .0.join("; "))]
    Conflicts(Vec<String>),
}

/// What there is on the other server.
#[derive(Clone, Debug)]
pub struct Source {
    own: types::Bundle,
    bundles: Vec<types::Bundle>,
    relationships: Vec<types::FederationRelationship>,
    entries: Vec<types::Entry>,
}

/// An entry that is not imported.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Skipped {
    /// Its id.
    pub id: String,
    /// Why not.
    pub reason: String,
}

/// What there is to do.
#[derive(Clone, Debug)]
pub struct Import {
    trust_domain: String,
    foreign: Vec<foreign::Step>,
    entries: Plan,
    skipped: Vec<Skipped>,
}

/// What became of an import.
#[derive(Debug)]
pub struct Done {
    /// Of bundles and relationships, in the order of [`Import::items`].
    pub items: Vec<ItemOutcome>,
    /// Of entries, in the order of the plan's changes.
    pub entries: Vec<Outcome>,
}

impl Source {
    /// Reads a server. It is only asked, never changed.
    ///
    /// # Errors
    /// [`ImportError::Source`].
    pub async fn read(client: &Client) -> Result<Self, ImportError> {
        let read = async {
            Ok::<_, ClientError>(Self {
                own: client.own_bundle_message().await?,
                bundles: client.federated_bundle_messages().await?,
                relationships: client.relationship_messages().await?,
                entries: client.entry_messages(&EntryQuery::default()).await?,
            })
        };
        read.await.map_err(ImportError::Source)
    }
}

impl Import {
    /// Compares. With `own_authorities` this server's bundle is to have the other's authorities too, so that what the other
    /// issued is believed while workloads move.
    ///
    /// # Errors
    /// [`ImportError`].
    pub async fn plan(
        source: &Source,
        target: &Client,
        own_authorities: bool,
        now: SystemTime,
    ) -> Result<Self, ImportError> {
        let trust_domain = target.server().await?.trust_domain;
        if source.own.trust_domain != trust_domain {
            return Err(ImportError::TrustDomain {
                found: source.own.trust_domain.clone(),
                own: trust_domain,
            });
        }
        let mut foreign = foreign::bundles(&source.bundles, &target.federated_bundle_messages().await?);
        if own_authorities {
            foreign.extend(foreign::authorities(
                &source.own,
                &target.own_bundle_message().await?,
            ));
        }
        let known = target.relationship_messages().await?;
        foreign.extend(foreign::relationships(&source.relationships, &known));

        let (mut wanted, mut skipped) = (Vec::new(), Vec::new());
        for entry in &source.entries {
            match importable(entry, now) {
                Ok(entry) => wanted.push(Declaration { place: None, entry }),
                Err(reason) => skipped.push(Skipped {
                    id: entry.id.clone(),
                    reason,
                }),
            }
        }
        let current = target.entry_messages(&EntryQuery::default()).await?;
        let scope = Scope {
            mask: STOCK_FIELDS,
            prune: BTreeSet::new(),
        };
        let entries = plan_entries(&wanted, &current, &scope).map_err(ImportError::Conflicts)?;
        skipped.extend(entries.left().iter().map(|left| Skipped {
            id: left.id.clone(),
            reason: left.reason.clone(),
        }));
        Ok(Self {
            trust_domain,
            foreign,
            entries,
            skipped,
        })
    }

    /// Whose entries these are.
    pub fn trust_domain(&self) -> &str {
        &self.trust_domain
    }

    /// What is to be done about bundles and relationships, in order.
    pub fn items(&self) -> impl ExactSizeIterator<Item = &Item> {
        self.foreign.iter().map(|step| &step.item)
    }

    /// What is to be done about entries.
    pub fn entries(&self) -> &Plan {
        &self.entries
    }

    /// The entries that are not imported.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// Does it: bundles first, since relationships and entries need them. Each step is by itself.
    ///
    /// # Errors
    /// [`ClientError`] where the server could not be asked at all. What was done by then is done.
    pub async fn run(&self, target: &Client) -> Result<Done, ClientError> {
        let mut items = Vec::with_capacity(self.foreign.len());
        for step in &self.foreign {
            match step.run(target).await {
                Err(error) if error.is_unreachable() => return Err(error),
                outcome => items.push(outcome),
            }
        }
        Ok(Done {
            items,
            entries: self.entries.run(target).await?,
        })
    }
}

/// An entry as this server would show it.
fn importable(entry: &types::Entry, now: SystemTime) -> Result<types::Entry, String> {
    let ended = u64::try_from(entry.expires_at).is_ok_and(|end| end > 0 && end <= unix_seconds(now));
    if ended {
        return Err("it has expired".to_owned());
    }
    canonical(entry)
}
