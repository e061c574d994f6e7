//! Forgetting what has ended.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use symbolon_pki::time::Clock;
use tokio_util::sync::CancellationToken;

use crate::datastore::{Datastore, DatastoreError};
use crate::registrations::Registrations;
use crate::telemetry::BACKGROUND_FAILED;

/// How often it is done.
const INTERVAL: Duration = Duration::from_secs(10 * 60);

/// How long join tokens are kept after their end, so that who comes late is told so.
const TOKENS_KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// Forgets now and then, until `stop`.
pub(super) async fn run(
    datastore: Arc<dyn Datastore>,
    registrations: Arc<Registrations>,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) {
    loop {
        if let Err(error) = forget(datastore.as_ref(), &registrations, clock.now()).await {
            let error = &error as &dyn std::error::Error;
            tracing::error!(event = BACKGROUND_FAILED, task = "forget what has ended", error);
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(INTERVAL) => {}
        }
    }
}

async fn forget(
    datastore: &dyn Datastore,
    registrations: &Registrations,
    now: SystemTime,
) -> Result<(), DatastoreError> {
    let entries = registrations.prune(now).await?;
    let tokens = match now.checked_sub(TOKENS_KEPT) {
        Some(before) => datastore.prune_join_tokens(before).await?,
        None => 0,
    };
    if entries + tokens > 0 {
        tracing::info!(entries, tokens, "forgot what had ended");
    }
    Ok(())
}
