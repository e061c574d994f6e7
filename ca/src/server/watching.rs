//! By what a server is watched: its pages and its figures.

use std::sync::Arc;

use symbolon_host::metrics::Metrics;
use symbolon_host::pages::Pages;
use symbolon_host::watch::Listening;
use tokio::net::TcpListener;

use super::ready::Readiness;
use crate::config::ServerConfig;
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
