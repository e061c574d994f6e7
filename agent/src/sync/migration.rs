//! The part of a sync that is about migration: what this agent and its workloads have seen goes one way, the stages of its
//! entries come the other.
//!
//! Nothing else hangs on it. A server that does not know of migrations is not asked again on the same connection.

use std::collections::BTreeMap;

use symbolon_api::MAX_MESSAGE;
use symbolon_api::symbolon::server::v1 as api;
use symbolon_api::symbolon::server::v1::migration_client::MigrationClient;
use symbolon_pki::bundle::TrustBundle;
use symbolon_pki::suite::Form;

use crate::agent::Context;
use crate::migration::Stages;
use crate::server::CallError;
use crate::telemetry;

/// What is remembered between syncs.
#[derive(Debug, Default)]
pub(super) struct Asking {
    /// The connection on which the server said that it knows of no migrations.
    refused_on: Option<u64>,
}

impl Asking {
    /// Tells and asks.
    pub(super) async fn sync(&mut self, context: &Context) {
        let connection = context.link.connection();
        if self.refused_on == Some(connection) {
            return;
        }
        let Some(bundle) = context.cache.bundle() else {
            return;
        };
        let known = context.cache.stages();
        let (workloads, spoken) = context.reports.speak(context.clock.now());
        let request = api::SyncMigrationRequest {
            held: held(&bundle),
            workloads,
            known_digest: known.digest.clone(),
        };
        let call = async |channel| {
            let mut api = MigrationClient::new(channel).max_decoding_message_size(MAX_MESSAGE);
            Ok::<_, CallError>(api.sync_migration(request).await?.into_inner())
        };
        match context.link.call(call).await {
            Ok(answer) if answer.unchanged => self.refused_on = None,
            Ok(answer) => {
                self.refused_on = None;
                let stages = Stages::read(answer);
                if stages != *known {
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
            Err(error) => {
                context.reports.take_back(spoken);
                tracing::debug!(%error, "no stages of migration from the server");
                if error.is_unknown_method() {
                    // The connection may have been made for this call.
                    self.refused_on = Some(context.link.connection());
                    context.cache.migrate(Stages::default());
                }
            }
        }
    }
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
