//! The part of a sync that is about migration: what this agent and its workloads have seen goes one way, the stages of its
//! entries come the other.
//!
//! What was said last counts until something else is said, over restarts as well: no error takes an entry back to an earlier
//! stage, for that would drop what its verifiers demand. A server that does not know of migrations is not asked again on the
//! same connection.

use std::collections::BTreeMap;
use std::sync::Arc;

use symbolon_api::MAX_MESSAGE;
use symbolon_api::symbolon::server::v1 as api;
use symbolon_api::symbolon::server::v1::migration_client::MigrationClient;
use symbolon_pki::bundle::TrustBundle;
use symbolon_pki::suite::Form;

use super::{blocking, in_full};
use crate::agent::Context;
use crate::identity::Vault;
use crate::migration::{Holders, Stages};
use crate::server::{CallError, Migrates};
use crate::telemetry;

/// What is remembered between syncs.
pub(super) struct Asking {
    vault: Vault,
    /// Whether a server ever said how far entries are, in this run or one before.
    was_told: bool,
    /// What is known to be in its file.
    kept: Option<Arc<Stages>>,
    /// Who is known to be in theirs.
    kept_holders: Holders,
    /// The connection on which the server said that it knows of no migrations.
    refused_on: Option<u64>,
}

impl Asking {
    /// Goes on from what the last run knew.
    pub(super) fn resume(
        context: &Context,
        vault: Vault,
        (stages, holders): (Option<Stages>, Holders),
    ) -> Self {
        context.reports.resume(holders.clone(), context.clock.now());
        let kept = stages.map(|stages| {
            context.cache.migrate(stages);
            context.cache.stages()
        });
        Self {
            vault,
            was_told: kept.is_some(),
            kept,
            kept_holders: holders,
            refused_on: None,
        }
    }

    /// Tells and asks, where there is a migration or was one.
    ///
    /// # Errors
    /// Where the server says that entries are at `require` and not which, nobody ever did, and no workload has been given
    /// anything yet.
    pub(super) async fn sync(
        &mut self,
        context: &Context,
        migrates: Migrates,
        serves: bool,
    ) -> Result<(), CallError> {
        let known = context.cache.stages();
        let connection = context.link.connection();
        // Who says that entries migrate knows of migrations, whatever it refused before.
        if migrates == Migrates::No && (known.is_empty() || self.refused_on == Some(connection)) {
            self.keep(known).await;
            return Ok(());
        }
        self.keep_holders(context).await;
        let (workloads, spoken) = context.reports.speak(context.clock.now());
        let request = api::SyncMigrationRequest {
            held: context
                .cache
                .bundle()
                .map(|bundle| held(&bundle))
                .unwrap_or_default(),
            workloads,
            known_digest: known.digest.clone(),
        };
        let call = async |channel| {
            let mut api = MigrationClient::new(channel).max_decoding_message_size(MAX_MESSAGE);
            Ok::<_, CallError>(api.sync_migration(request).await?.into_inner())
        };
        match context.link.call(call).await {
            Ok(answer) => {
                self.refused_on = None;
                self.was_told = true;
                if !answer.unchanged {
                    take(context, &known, known.read(answer));
                }
                self.keep(context.cache.stages()).await;
                Ok(())
            }
            Err(error) => {
                context.reports.take_back(spoken);
                if error.is_unknown_method() {
                    // The connection may have been made for this call.
                    self.refused_on = Some(context.link.connection());
                }
                if migrates == Migrates::Require && !self.was_told && !serves {
                    return Err(error);
                }
                tracing::warn!(
                    event = telemetry::MIGRATION_UNKNOWN,
                    %error,
                    "the server does not say how far entries are in their migration; what it said last counts"
                );
                Ok(())
            }
        }
    }

    /// What is left to do after a sync and at the end of a run. Also after one that failed: while the server is away SVIDs are
    /// given all the same, and nobody knows when a run is killed.
    pub(super) async fn keep_up(&mut self, context: &Context) {
        if !context.cache.stages().is_empty() {
            self.keep_holders(context).await;
        }
    }

    /// Writes for the next run who has SVIDs and does not report. If that fails this one goes on, and the next sync tries
    /// again.
    async fn keep_holders(&mut self, context: &Context) {
        let holders = context.reports.holders(context.clock.now());
        if holders == self.kept_holders {
            return;
        }
        let (vault, keeping) = (self.vault.clone(), holders.clone());
        match blocking(move || vault.keep_holders(&keeping)).await {
            Ok(()) => self.kept_holders = holders,
            Err(error) => {
                let error = in_full(&error);
                tracing::warn!(
                    error,
                    "who has SVIDs and does not report cannot be kept for the next run"
                );
            }
        }
    }

    /// Writes them for the next run. If that fails this one goes on, and the next sync tries again.
    async fn keep(&mut self, stages: Arc<Stages>) {
        if self.kept.as_ref() == Some(&stages) || !self.was_told {
            return;
        }
        let (vault, keeping) = (self.vault.clone(), stages.clone());
        match blocking(move || vault.keep_stages(&keeping)).await {
            Ok(()) => self.kept = Some(stages),
            Err(error) => {
                let error = in_full(&error);
                tracing::warn!(
                    error,
                    "how far entries are in their migration cannot be kept for the next run"
                );
            }
        }
    }
}

fn take(context: &Context, known: &Stages, stages: Stages) {
    if stages != *known {
        if !stages.are_all_known() {
            tracing::warn!(
                event = telemetry::MIGRATION_UNKNOWN,
                "the server names targets or stages that this version does not know; there what it said before counts"
            );
        }
        tracing::info!(
            event = telemetry::MIGRATION_CHANGED,
            entries = context
                .cache
                .entries()
                .keys()
                .filter(|id| stages.of(id).is_some())
                .count(),
            "how far entries are in their migration changed"
        );
    }
    context.cache.migrate(stages);
}

/// The authorities that workloads get by this bundle.
fn held(bundle: &TrustBundle) -> Vec<api::HeldAuthorities> {
    let mut held: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for form in Form::ALL {
        // A pair's authorities are those of its halves.
        if form == Form::Paired {
            continue;
        }
        let ids = bundle
            .authorities_of(form)
            .filter_map(|authority| authority.certificate.skid().map(ToString::to_string));
        held.entry(form.family().name()).or_default().extend(ids);
    }
    held.into_iter()
        .map(|(family, authority_ids)| api::HeldAuthorities {
            family: family.to_owned(),
            authority_ids,
        })
        .collect()
}
