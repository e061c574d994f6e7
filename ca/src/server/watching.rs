//! By what a server is watched: its pages, its figures, and how often its authorities change.

use std::collections::HashSet;
use std::sync::Arc;

use symbolon_host::metrics::Metrics;
use symbolon_host::pages::Pages;
use symbolon_host::watch::Listening;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::ready::Readiness;
use crate::authorities::Authorities;
use crate::config::ServerConfig;
use crate::datastore::AuthorityState;
use crate::services::Core;
use crate::telemetry::Counted;

/// What is shown on the addresses that are listened on.
pub(super) fn pages(
    listening: Listening,
    config: &ServerConfig,
    core: &Arc<Core>,
    counted: &Counted,
    mut metrics: Metrics,
) -> Vec<(TcpListener, Pages)> {
    counted.sample(&mut metrics, core);
    let readiness = Readiness::new(Arc::clone(core));
    let ready = move || {
        let readiness = Arc::clone(&readiness);
        async move { readiness.problems().await }
    };
    let (core, counted) = (Arc::clone(core), counted.clone());
    let before = move || {
        let (core, counted) = (Arc::clone(&core), counted.clone());
        async move { counted.count_records(&core).await }
    };
    listening.pages(
        (&config.health, &config.metrics),
        ready,
        Arc::new(metrics),
        before,
    )
}

/// Counts the authorities that come to a state, until `stop`.
pub(super) async fn count_changes(authorities: Arc<Authorities>, counted: Counted, stop: CancellationToken) {
    let standing = || -> HashSet<(String, AuthorityState)> {
        let journal = authorities.journal();
        journal
            .into_iter()
            .map(|record| (record.authority_id, record.state))
            .collect()
    };
    let mut changes = authorities.subscribe();
    let mut known = standing();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            changed = changes.changed() => if changed.is_err() { return },
        }
        let now = standing();
        for record in authorities.journal() {
            if !known.contains(&(record.authority_id.clone(), record.state)) {
                counted.authority(record.family.name(), record.state);
            }
        }
        known = now;
    }
}
