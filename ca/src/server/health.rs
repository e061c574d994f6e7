//! Whether the server can do its work, told by `grpc.health.v1` on the private socket.

use std::sync::Arc;
use std::time::Duration;

use symbolon_pki::suite::Family;
use tokio_util::sync::CancellationToken;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::datastore::AuthorityState;
use crate::services::Core;

/// How often the server looks at itself.
const INTERVAL: Duration = Duration::from_secs(5);

/// Keeps the answer true until `stop`, when it becomes that nothing is served any more.
pub(super) async fn report(core: Arc<Core>, reporter: HealthReporter, stop: CancellationToken) {
    loop {
        let status = match problem(&core).await {
            None => ServingStatus::Serving,
            Some(problem) => {
                tracing::error!(event = "server.unhealthy", problem);
                ServingStatus::NotServing
            }
        };
        reporter.set_service_status("", status).await;
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(INTERVAL) => {}
        }
    }
    reporter.set_service_status("", ServingStatus::NotServing).await;
}

/// What keeps the server from its work: a datastore that does not answer, or a family without an authority that may sign
/// now.
async fn problem(core: &Core) -> Option<String> {
    if let Err(error) = core.datastore.ping().await {
        return Some(format!("the datastore does not answer: {error}"));
    }
    let now = core.clock.now();
    let journal = core.authorities.journal();
    let signs = |family: Family| {
        journal.iter().any(|record| {
            record.family == family
                && record.state == AuthorityState::Active
                && record.not_before <= now
                && now < record.not_after
        })
    };
    let families = core.authorities.families();
    let missing: Vec<&str> = families
        .filter(|family| !signs(*family))
        .map(Family::name)
        .collect();
    (!missing.is_empty()).then(|| format!("no authority signs for {}", missing.join(", ")))
}
