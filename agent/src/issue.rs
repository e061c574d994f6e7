//! Fetching the workloads' SVIDs when they are due, with new keys each time.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use symbolon_pki::bundle::TrustBundle;
use symbolon_pki::csr::CsrBuilder;
use symbolon_pki::suite::Form;
use symbolon_pki::time::rfc3339;
use tokio_util::sync::CancellationToken;

use crate::agent::Context;
use crate::cache::{Expected, Issued, NewKeys, Order, SvidProblem, WorkloadSvid};
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

/// An order on its way.
struct Work {
    order: Order,
    /// The first half of a pair, once it is there.
    first: Option<Issued>,
}

impl Work {
    /// The form that is asked for next: a pair begins with a classical SVID, which the second then names.
    fn form(&self) -> Form {
        match (self.order.form, &self.first) {
            (Form::Paired, None) => Form::Classical,
            (form, _) => form,
        }
    }
}

type Outcome = (Order, Result<WorkloadSvid, SvidProblem>);

async fn fetch(context: &Context, orders: Vec<Order>) -> Result<(), AgentError> {
    let Some(bundle) = context.cache.bundle() else {
        return Ok(());
    };
    let mut outcomes: Vec<Outcome> = Vec::with_capacity(orders.len());
    let mut works: Vec<Work> = orders
        .into_iter()
        .map(|order| Work { order, first: None })
        .collect();
    while !works.is_empty() {
        let asked = std::mem::take(&mut works);
        for (work, result) in ask(context, &bundle, asked).await? {
            let is_half = work.form() != work.order.form;
            let Work { order, first } = work;
            match result {
                Ok(issued) if is_half => works.push(Work {
                    order,
                    first: Some(issued),
                }),
                Ok(issued) => {
                    let parts = first.into_iter().chain([issued]).map(|issued| issued.part);
                    let now = context.clock.now();
                    let svid = WorkloadSvid::new(&order.entry, parts.collect(), now, dice());
                    outcomes.push((order, Ok(svid)));
                }
                Err(problem) => outcomes.push((order, Err(problem))),
            }
        }
    }
    outcomes.iter().for_each(log);
    context.cache.settle(outcomes, context.clock.now(), dice);
    Ok(())
}

/// Asks once for each, with new keys, and checks what comes.
async fn ask(
    context: &Context,
    bundle: &Arc<TrustBundle>,
    works: Vec<Work>,
) -> Result<Vec<(Work, Result<Issued, SvidProblem>)>, AgentError> {
    let now = context.clock.now();
    let prepared = compute(move || {
        let prepare = |work: Work| {
            let made = prepare(&work, now);
            (work, made)
        };
        works.into_iter().map(prepare).collect::<Vec<_>>()
    });
    let (mut asks, mut asking, mut results) = (Vec::new(), Vec::new(), Vec::new());
    for (work, made) in prepared.await? {
        match made {
            Ok((keys, csr)) => {
                asks.push(Ask {
                    entry_id: work.order.entry.id.clone(),
                    form: work.form(),
                    csr,
                });
                asking.push((work, keys));
            }
            Err(problem) => results.push((work, Err(problem))),
        }
    }
    let answers = issue(&context.link, &asks).await;
    if answers
        .iter()
        .any(|answer| matches!(answer, Err(error) if error.must_reattest() || error.is_ban()))
    {
        context.nudge.notify_one();
    }
    let (now, bundle) = (context.clock.now(), bundle.clone());
    let checked = compute(move || {
        let pairs = asking.into_iter().zip(answers);
        let check = |((work, keys), answer): ((Work, NewKeys), Answer)| {
            let checked = check(&work, keys, answer, &bundle, now);
            (work, checked)
        };
        pairs.map(check).collect::<Vec<_>>()
    });
    results.extend(checked.await?);
    Ok(results)
}

/// Keys and a request for them.
fn prepare(work: &Work, now: SystemTime) -> Result<(NewKeys, Vec<u8>), SvidProblem> {
    let keys = NewKeys::generate(work.form())?;
    let mut request = CsrBuilder::new(&keys.signer);
    if let Some(alternative) = keys.alternative() {
        request = request.alternative(alternative);
    }
    if let Some(first) = &work.first {
        request = request.related_to(first.leaf()?, &first.keys.signer, now);
    }
    let csr = request
        .build()
        .map_err(|error| SvidProblem::Key(error.to_string()))?;
    Ok((keys, csr))
}

fn check(
    work: &Work,
    keys: NewKeys,
    answer: Answer,
    bundle: &TrustBundle,
    now: SystemTime,
) -> Result<Issued, SvidProblem> {
    let expected = Expected {
        entry: &work.order.entry,
        form: work.form(),
        first: work.first.as_ref(),
        bundle,
        now,
    };
    expected.check(keys, &answer?)
}

fn log((order, outcome): &Outcome) {
    let (entry_id, form) = (&order.entry.id, order.form);
    match outcome {
        Ok(svid) => {
            let (spiffe_id, not_after) = (&order.entry.spiffe_id, rfc3339(svid.not_after));
            let event = if order.renewal {
                telemetry::SVID_RENEWED
            } else {
                telemetry::SVID_OBTAINED
            };
            tracing::info!(event, %entry_id, %spiffe_id, %form, serial = svid.serials(), not_after);
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
