//! Whether the server can do its work, told by `grpc.health.v1` on the private socket, and in words by `GetServerInfo`.

use std::sync::Arc;
use std::time::Duration;

use symbolon_pki::suite::Family;
use tokio_util::sync::CancellationToken;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::datastore::AuthorityState;
use crate::services::Core;
use crate::telemetry::{SERVER_HEALTHY, SERVER_UNHEALTHY};

/// How often the server looks at itself.
const INTERVAL: Duration = Duration::from_secs(5);
/// The least time between two looks, however many signatures fail.
const PAUSE: Duration = Duration::from_secs(1);
/// While all is well, the stores are asked for their keys at every so manieth look: that costs a token something.
const ROUNDS: u32 = 6;

/// Keeps the answer true until `stop`, when it becomes that nothing is served any more.
pub(super) async fn report(core: Arc<Core>, reporter: HealthReporter, stop: CancellationToken) {
    let mut round = 0;
    let mut in_trouble = false;
    loop {
        let known = core.problems.load_full();
        let looks_at_stores = in_trouble || !known.is_empty() || round % ROUNDS == 0;
        // A store that hangs takes as long as its deadline.
        let problems = tokio::select! {
            () = stop.cancelled() => break,
            problems = problems(&core, looks_at_stores) => problems,
        };
        round = round.wrapping_add(1);
        if problems != *known {
            for problem in problems.iter().filter(|problem| !known.contains(problem)) {
                tracing::error!(event = SERVER_UNHEALTHY, problem);
            }
            if problems.is_empty() {
                tracing::info!(event = SERVER_HEALTHY);
            }
        }
        let status = match problems.is_empty() {
            true => ServingStatus::Serving,
            false => ServingStatus::NotServing,
        };
        core.problems.store(Arc::new(problems));
        reporter.set_service_status("", status).await;
        let next = async {
            tokio::time::sleep(PAUSE).await;
            tokio::select! {
                () = core.issuer.trouble() => true,
                () = tokio::time::sleep(INTERVAL.saturating_sub(PAUSE)) => false,
            }
        };
        in_trouble = tokio::select! {
            () = stop.cancelled() => break,
            trouble = next => trouble,
        };
    }
    reporter.set_service_status("", ServingStatus::NotServing).await;
}

/// What keeps the server from its work: a datastore that does not answer, a family without an authority that may sign
/// now, a store that does not give its keys.
async fn problems(core: &Core, looks_at_stores: bool) -> Vec<String> {
    let mut problems = Vec::new();
    if let Err(error) = core.datastore.ping().await {
        problems.push(format!("the datastore does not answer: {error}"));
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
    if !missing.is_empty() {
        problems.push(format!("no authority signs for {}", missing.join(", ")));
    }
    if looks_at_stores {
        let unwell = core.authorities.unwell_stores().await;
        problems.extend(unwell.iter().map(ToString::to_string));
    }
    problems
}
