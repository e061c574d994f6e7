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
    let longest = context.config.sync.longest_wait.0;
    // Until when the server wants to be left alone.
    let mut held_until: Option<SystemTime> = None;
    loop {
        let now = context.clock.now();
        // More than it may be is from before the clock was set back.
        let held = held_until
            .and_then(|until| until.duration_since(now).ok())
            .filter(|rest| !rest.is_zero() && *rest <= longest);
        let orders = match held {
            Some(_) => Vec::new(),
            None => context.cache.due(now, MAX_ORDERS),
        };
        if !orders.is_empty() {
            let wanted = tokio::select! {
                biased;
                () = cancel.cancelled() => return Ok(()),
                outcome = fetch(&context, orders) => outcome?,
            };
            held_until = wanted.and_then(|wanted| context.clock.now().checked_add(wanted.min(longest)));
            continue;
        }
        let wait = held.unwrap_or_else(|| {
            let next = context.cache.next_due(now);
            next.map_or(IDLE, |at| at.duration_since(now).unwrap_or_default().min(IDLE))
        });
        tokio::select! {
            () = cancel.cancelled() => return Ok(()),
            () = context.timer.sleep(wait) => {}
            () = context.cache.work() => {}
        }
    }
}

/// The form that is asked for next: a pair begins with a classical SVID, which the second then names.
fn next_form(order: &Order) -> Form {
    match (order.form, &order.first) {
        (Form::Paired, None) => Form::Classical,
        (form, _) => form,
    }
}

type Outcome = (Order, Result<WorkloadSvid, SvidProblem>);

/// Fetches these. Returns how long the server wants to be left alone, where it turned all of them away and says so.
async fn fetch(context: &Context, orders: Vec<Order>) -> Result<Option<Duration>, AgentError> {
    let Some(bundle) = context.cache.bundle() else {
        return Ok(None);
    };
    let mut outcomes: Vec<Outcome> = Vec::with_capacity(orders.len());
    let (mut begun, mut works): (Vec<Order>, Vec<Order>) = orders
        .into_iter()
        .partition(|order| next_form(order) == order.form);
    while !(works.is_empty() && begun.is_empty()) {
        // What is asked for together is of one form: first halves, and what completes an order.
        let asked = match works.is_empty() {
            false => std::mem::take(&mut works),
            true => std::mem::take(&mut begun),
        };
        for (mut order, result) in ask(context, &bundle, asked).await? {
            let is_half = next_form(&order) != order.form;
            match result {
                Ok(issued) if is_half => {
                    order.first = Some(Arc::new(issued));
                    begun.push(order);
                }
                Ok(issued) => {
                    let first = order.first.as_ref().map(|first| first.part.clone());
                    let parts = first.into_iter().chain([issued.part]);
                    let now = context.clock.now();
                    let svid = WorkloadSvid::new(&order.entry, parts.collect(), now, dice());
                    outcomes.push((order, Ok(svid)));
                }
                Err(problem) => outcomes.push((order, Err(problem))),
            }
        }
    }
    outcomes.iter().for_each(log);
    let wanted = wanted_rest(&outcomes);
    context.cache.settle(outcomes, context.clock.now(), dice);
    Ok(wanted)
}

/// How long the server wants to be left alone, if that is all that it answered.
fn wanted_rest(outcomes: &[Outcome]) -> Option<Duration> {
    let delays = outcomes.iter().map(|(_, outcome)| match outcome {
        Ok(_) => None,
        Err(problem) => problem.retry_delay(),
    });
    delays.collect::<Option<Vec<_>>>()?.into_iter().max()
}

/// Asks once for each, with new keys, and checks what comes.
async fn ask(
    context: &Context,
    bundle: &Arc<TrustBundle>,
    orders: Vec<Order>,
) -> Result<Vec<(Order, Result<Issued, SvidProblem>)>, AgentError> {
    let now = context.clock.now();
    let prepared = compute(move || {
        let prepare = |order: Order| {
            let made = prepare(&order, now);
            (order, made)
        };
        orders.into_iter().map(prepare).collect::<Vec<_>>()
    });
    let (mut asks, mut asking, mut results) = (Vec::new(), Vec::new(), Vec::new());
    for (order, made) in prepared.await? {
        match made {
            Ok((keys, csr)) => {
                asks.push(Ask {
                    entry_id: order.entry.id.clone(),
                    form: next_form(&order),
                    csr,
                });
                asking.push((order, keys));
            }
            Err(problem) => results.push((order, Err(problem))),
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
        let check = |((order, keys), answer): ((Order, NewKeys), Answer)| {
            let checked = check(&order, keys, answer, &bundle, now);
            (order, checked)
        };
        pairs.map(check).collect::<Vec<_>>()
    });
    results.extend(checked.await?);
    Ok(results)
}

/// Keys and a request for them.
fn prepare(order: &Order, now: SystemTime) -> Result<(NewKeys, Vec<u8>), SvidProblem> {
    let keys = NewKeys::generate(next_form(order))?;
    let mut request = CsrBuilder::new(&keys.signer);
    if let Some(alternative) = keys.alternative() {
        request = request.alternative(alternative);
    }
    if let Some(first) = &order.first {
        request = request.related_to(first.leaf()?, &first.keys.signer, now);
    }
    let csr = request
        .build()
        .map_err(|error| SvidProblem::Key(error.to_string()))?;
    Ok((keys, csr))
}

fn check(
    order: &Order,
    keys: NewKeys,
    answer: Answer,
    bundle: &TrustBundle,
    now: SystemTime,
) -> Result<Issued, SvidProblem> {
    let expected = Expected {
        entry: &order.entry,
        form: next_form(order),
        first: order.first.as_deref(),
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
