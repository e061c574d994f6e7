//! Forgetting what has ended.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use symbolon_pki::time::Clock;
use tokio_util::sync::CancellationToken;

use crate::authorities::{Authorities, AuthoritiesError};
use crate::config::RetentionConfig;
use crate::datastore::Datastore;
use crate::registrations::Registrations;
use crate::telemetry::BACKGROUND_FAILED;

/// How often it is done.
const INTERVAL: Duration = Duration::from_secs(10 * 60);

/// How long join tokens are kept after their end, so that who comes late is told so.
const TOKENS_KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// How long what others put into the bundle stays there after its end, for clocks that are slow.
const APPENDED_KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// How many certificates are forgotten in one transaction: others wait for it.
const CERTIFICATES_AT_ONCE: u32 = 500;

/// Forgets now and then, until `stop`.
pub(super) async fn run(
    datastore: Arc<dyn Datastore>,
    registrations: Arc<Registrations>,
    authorities: Arc<Authorities>,
    retention: RetentionConfig,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) {
    let mut unpublished = false;
    loop {
        let now = clock.now();
        let forgotten = forget(
            datastore.as_ref(),
            &registrations,
            &authorities,
            now,
            &mut unpublished,
        )
        .await;
        let forgotten = match forgotten {
            Ok(()) => forget_certificates(datastore.as_ref(), retention, now).await,
            Err(error) => Err(error),
        };
        if let Err(error) = forgotten {
            let error = &error as &dyn std::error::Error;
            tracing::error!(event = BACKGROUND_FAILED, task = "forget what has ended", error);
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(INTERVAL) => {}
        }
    }
}

/// Forgets what has ended. `unpublished` is whether the bundle is still published with something of it.
async fn forget(
    datastore: &dyn Datastore,
    registrations: &Registrations,
    authorities: &Authorities,
    now: SystemTime,
    unpublished: &mut bool,
) -> Result<(), AuthoritiesError> {
    let entries = registrations.prune(now).await?;
    let tokens = match now.checked_sub(TOKENS_KEPT) {
        Some(before) => datastore.prune_join_tokens(before).await?,
        None => 0,
    };
    let appended = match now.checked_sub(APPENDED_KEPT) {
        Some(before) => datastore.prune_appended_authorities(before).await?,
        None => 0,
    };
    // If that fails it is tried again the next time, be there anything to forget then or not.
    *unpublished |= appended > 0;
    if *unpublished {
        authorities.publish_appended().await?;
        *unpublished = false;
    }
    if entries + tokens + appended > 0 {
        tracing::info!(entries, tokens, appended, "forgot what had ended");
    }
    Ok(())
}

/// Forgets certificates that expired longer ago than they are to be kept. The claims on their component keys stay: no key
/// is ever used twice.
async fn forget_certificates(
    datastore: &dyn Datastore,
    retention: RetentionConfig,
    now: SystemTime,
) -> Result<(), AuthoritiesError> {
    let before = retention.certificates.and_then(|kept| now.checked_sub(kept.0));
    let Some(before) = before else {
        return Ok(());
    };
    let mut certificates = 0;
    loop {
        let forgotten = datastore.prune_certificates(before, CERTIFICATES_AT_ONCE).await?;
        certificates += forgotten;
        if forgotten < u64::from(CERTIFICATES_AT_ONCE) {
            break;
        }
    }
    if certificates > 0 {
        tracing::info!(certificates, "forgot certificates that expired long ago");
    }
    Ok(())
}
