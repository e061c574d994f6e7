//! Fetching the workloads' SVIDs when they are due, with a new key each time.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use symbolon_pki::bundle::TrustBundle;
use symbolon_pki::csr::CsrBuilder;
use symbolon_pki::key::PrivateKey;
use symbolon_pki::time::rfc3339;
use tokio_util::sync::CancellationToken;

use crate::agent::Context;
use crate::cache::{Order, SvidProblem, WorkloadSvid};
use crate::error::AgentError;
use crate::server::{Answer, Ask, issue};
use crate::telemetry;
use crate::time::dice;

/// Most SVIDs that are fetched in one go; what workloads wait for meanwhile comes right after.
const MAX_ORDERS: usize = 500;

/// How long to wait where nothing is due. Whatever changes that wakes the loop before.
const IDLE: Duration = Duration::from_secs(60 * 60);

/// Fetches SVIDs until cancelled.
///
/// # Errors
/// A defect.
pub(crate) async fn run(context: Arc<Context>, cancel: CancellationToken) -> Result<(), AgentError> {
    loop {
        let now = context.clock.now();
        let orders = context.cache.due(now, MAX_ORDERS);
        if !orders.is_empty() {
            tokio::select! {
                biased;
                () = cancel.cancelled() => return Ok(()),
                outcome = fetch(&context, orders) => outcome?,
            }
            continue;
        }
        let next = context.cache.next_due(now);
        let wait = next.map_or(IDLE, |at| at.duration_since(now).unwrap_or_default().min(IDLE));
        tokio::select! {
            () = cancel.cancelled() => return Ok(()),
            () = context.timer.sleep(wait) => {}
            () = context.cache.work() => {}
        }
    }
}

/// A key and a request for it.
type Prepared = (Order, Result<(PrivateKey, Vec<u8>), SvidProblem>);

async fn fetch(context: &Context, orders: Vec<Order>) -> Result<(), AgentError> {
    let Some(bundle) = context.cache.bundle() else {
        return Ok(());
    };
    let prepared = compute(move || orders.into_iter().map(prepare).collect::<Vec<Prepared>>()).await?;

    let (mut asks, mut asking, mut outcomes) = (Vec::new(), Vec::new(), Vec::new());
    for (order, prepared) in prepared {
        match prepared {
            Ok((key, csr)) => {
                asks.push(Ask {
                    entry_id: order.entry.id.clone(),
                    form: order.form,
                    csr,
                });
                asking.push((order, key));
            }
            Err(problem) => outcomes.push((order, Err(problem))),
        }
    }
    let answers = issue(&context.link, &asks).await;
    if answers
        .iter()
        .any(|answer| matches!(answer, Err(error) if error.must_reattest() || error.is_ban()))
    {
        context.nudge.notify_one();
    }
    let now = context.clock.now();
    let checked = compute(move || {
        let pairs = asking.into_iter().zip(answers);
        let check = |((order, key), answer): ((Order, PrivateKey), Answer)| {
            let svid = check(&order, &key, answer, &bundle, now);
            (order, svid)
        };
        pairs.map(check).collect::<Vec<_>>()
    });
    outcomes.extend(checked.await?);
    outcomes.iter().for_each(log);
    context.cache.settle(outcomes, now, dice);
    Ok(())
}

fn prepare(order: Order) -> Prepared {
    let make = || {
        let problem = |error: &dyn std::fmt::Display| SvidProblem::Key(error.to_string());
        let key = PrivateKey::generate(order.form.default_suite()).map_err(|e| problem(&e))?;
        let signer = key.signer().map_err(|e| problem(&e))?;
        let csr = CsrBuilder::new(&signer).build().map_err(|e| problem(&e))?;
        Ok((key, csr))
    };
    let made = make();
    (order, made)
}

fn check(
    order: &Order,
    key: &PrivateKey,
    answer: Answer,
    bundle: &TrustBundle,
    now: SystemTime,
) -> Result<WorkloadSvid, SvidProblem> {
    WorkloadSvid::new(&order.entry, order.form, key, &answer?, bundle, now, dice())
}

fn log((order, outcome): &(Order, Result<WorkloadSvid, SvidProblem>)) {
    let (entry_id, form) = (&order.entry.id, order.form);
    match outcome {
        Ok(svid) => {
            let (spiffe_id, not_after) = (&order.entry.spiffe_id, rfc3339(svid.not_after));
            let event = if order.renewal {
                telemetry::SVID_RENEWED
            } else {
                telemetry::SVID_OBTAINED
            };
            tracing::info!(event, %entry_id, %spiffe_id, %form, serial = svid.serial, not_after);
        }
        Err(error) => tracing::warn!(event = telemetry::SVID_FAILED, %entry_id, %form, %error, "no SVID"),
    }
}

/// Keys and signatures take time that other tasks should not wait for.
async fn compute<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, AgentError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| AgentError::Defect(error.to_string()))
}
