//! `symbolon up`: everything at once, on real processes and sockets.

mod exchange;
pub(crate) mod keys;
mod registration;
mod report;
mod stack;
pub(crate) mod workload;

use std::io::IsTerminal as _;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result};
use indicatif::{ProgressBar, ProgressStyle};
use symbolon_pki::suite::Form;
use symbolon_tls::workload_api::{Endpoint, WorkloadApiClient, X509Context};
use tokio::time::timeout;

use crate::args::{Common, Up};
use crate::commands::svid::Svids;
use crate::exit::NotVerified;
use crate::output::{Format, print};

use report::{AgentPart, Report, ServerPart};
use stack::Stack;

/// Longest wait for the identity that was just registered to reach the agent.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs the demonstration, says what happened, and stays up until a signal unless told otherwise.
///
/// # Errors
/// Whatever went wrong first; everything that was started has stopped by then.
pub(crate) async fn run(common: &Common, options: &Up) -> Result<()> {
    let began = Instant::now();
    let progress = progress(common.output);
    let mut stack = tokio::select! {
        stack = Stack::start(common, options, &progress) => stack?,
        signal = symbolon_host::shutdown::requested() => return Err(interrupted(signal?)),
    };
    let mut shown = false;
    let outcome = tokio::select! {
        outcome = show(common, options, &mut stack, began, &progress, &mut shown) => outcome,
        signal = symbolon_host::shutdown::requested() => match signal {
            Ok(signal) if !shown => Err(interrupted(signal)),
            signal => signal.map(drop).map_err(Into::into),
        },
    };
    progress.finish_and_clear();
    let stopped = stack.stop().await;
    // What went wrong first is what matters; what went wrong in stopping is likely its consequence.
    outcome.and(stopped)
}

/// Whoever waits for the report is not to take its absence for success.
fn interrupted(signal: &str) -> anyhow::Error {
    anyhow::anyhow!("stopped by {signal} before everything was done")
}

async fn show(
    common: &Common,
    options: &Up,
    stack: &mut Stack,
    began: Instant,
    progress: &ProgressBar,
    shown: &mut bool,
) -> Result<()> {
    progress.set_message("fetching this user's identity in three forms");
    let (context, first_svid) = fetch(stack.agent_socket(), began).await?;
    let svids = Svids::of(&context, SystemTime::now()).svids;
    if let Some(problem) = svids.iter().find_map(|svid| svid.problem.clone()) {
        return Err(NotVerified(problem).into());
    }
    progress.set_message("letting two workloads talk");
    let endpoint = Endpoint::unix(stack.agent_socket())?;
    let tls = exchange::run(&endpoint).await?;
    progress.finish_and_clear();

    let report = Report {
        trust_domain: options.trust_domain.clone(),
        data_dir: stack.data_dir().display().to_string(),
        server: ServerPart {
            address: stack.address().to_string(),
            socket: stack.server_socket().display().to_string(),
        },
        agent: AgentPart {
            spiffe_id: stack.agent_id()?.to_string(),
            socket: endpoint.to_string(),
            attested: stack.has_attested(),
        },
        key_stores: stack.key_stores(),
        authorities: stack.authorities(),
        svids,
        tls,
        first_svid_ms: u64::try_from(first_svid.as_millis()).unwrap_or(u64::MAX),
    };
    common.output.print(&report)?;
    *shown = true;
    if options.once {
        return Ok(());
    }
    if common.output == Format::Table {
        print("\nPress Ctrl-C to stop.")?;
    }
    stack.failed().await
}

/// Fetches every form as the calling user, waiting until the agent has heard of the entry. Returns also how long it was
/// until the first SVID was in hand.
async fn fetch(socket: &Path, began: Instant) -> Result<(X509Context, Duration)> {
    let client = WorkloadApiClient::connect(&Endpoint::unix(socket)?).await?;
    let first = timeout(PATIENCE, registered(&client))
        .await
        .context("the agent did not hear of this user's entry in time")??;
    let first_svid = began.elapsed();
    drop(first);
    Ok((client.fetch_x509(&Form::OF_KEYS).await?, first_svid))
}

/// The classical SVID, as soon as there is one.
async fn registered(client: &WorkloadApiClient) -> Result<X509Context> {
    loop {
        match client.fetch_x509(&[Form::Classical]).await {
            Err(error) if error.is_permission_denied() || error.is_worth_retrying() => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            answer => return Ok(answer?),
        }
    }
}

/// A spinner with what is being done, where a person watches.
fn progress(format: Format) -> ProgressBar {
    if format != Format::Table || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner();
    bar.set_style(ProgressStyle::default_spinner());
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}
