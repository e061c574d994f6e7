//! The node agent's command line.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::{Parser, Subcommand};
use symbolon_agent::{Agent, AgentConfig, Phase, RunningAgent, telemetry};
use symbolon_host::logging::LogControl;
use symbolon_host::shutdown::{Hangups, Stops};
use symbolon_host::systemd::Notifier;
use symbolon_host::traces::{self, Traces};
use symbolon_host::{ConfigError, DataDir, logging};
use symbolon_pki::time::SystemClock;
use symbolon_tls::grpc::{ChannelError, ChannelOptions, unix_channel};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

/// The node agent: proves its node to a Symbolon or SPIRE server and serves the SPIFFE Workload API.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the agent until SIGINT or SIGTERM; SIGHUP has it read its configuration again.
    Run {
        /// Configuration file (TOML).
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Check a configuration file without running or changing anything, and list all that is wrong with it; exit status 2
    /// if something is.
    Validate {
        /// Configuration file (TOML).
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Ask a running agent whether it can serve workloads; exit status 1 if not, 4 if there is none.
    Healthcheck {
        /// The Workload API's socket.
        #[arg(long, value_name = "PATH")]
        socket: PathBuf,
    },
}

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("the runtime does not start");
    let outcome = runtime.and_then(|runtime| runtime.block_on(execute(Arguments::parse().command)));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("symbolon-agent: {error:#}");
            exit_code(&error)
        }
    }
}

/// As the `symbolon` command has them.
fn exit_code(error: &anyhow::Error) -> ExitCode {
    if error
        .chain()
        .any(|cause| cause.is::<ConfigError>() || cause.is::<WrongConfig>())
    {
        return ExitCode::from(2);
    }
    if error.chain().any(|cause| cause.is::<ChannelError>()) {
        return ExitCode::from(4);
    }
    ExitCode::FAILURE
}

/// What is wrong with it was printed.
#[derive(Debug, thiserror::Error)]
#[error("{0} cannot be used")]
struct WrongConfig(String);

async fn execute(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Run { config } => run(&config).await,
        Command::Validate { config } => validate(&config),
        Command::Healthcheck { socket } => healthcheck(socket).await,
    }
}

fn validate(file: &Path) -> anyhow::Result<()> {
    let findings = AgentConfig::examine(file)?;
    if findings.is_empty() {
        println!("{} is a valid configuration", file.display());
        return Ok(());
    }
    for finding in &findings {
        let line = finding
            .line
            .map(|line| format!("line {line}: "))
            .unwrap_or_default();
        match &finding.key {
            Some(key) => println!("{line}`{key}` {}", finding.reason),
            None => println!("{line}{}", finding.reason),
        }
    }
    Err(WrongConfig(file.display().to_string()).into())
}

async fn run(file: &Path) -> anyhow::Result<()> {
    let config = AgentConfig::load(file)?;
    let (log, sent) = watched(&config)?;
    let notifier = Notifier::from_env().context("NOTIFY_SOCKET cannot be used")?;
    let _data_dir = DataDir::open(&config.data_dir, config.trust_domain.as_str())?;
    // Before the first signal can come.
    let mut hangups = Hangups::new()?;
    let mut stops = Stops::new()?;
    let starting = Agent::start(config.clone(), Arc::new(SystemClock));
    let Some(started) = stops.unless_stopped(starting).await else {
        // Something may hang.
        std::process::exit(0);
    };
    let agent = started?;
    tokio::select! {
        signal = stops.next() => {
            tracing::info!(signal, "stopping");
            notifier.stopping(signal);
        }
        _ = agent.stopped() => notifier.stopping("stopped by itself"),
        () = notifier.keep_alive() => {}
        () = follow(file, config, &agent, &log, &notifier, &mut hangups) => {}
    }
    let outcome = agent.shutdown().await;
    if let Some(sent) = sent {
        tokio::task::spawn_blocking(|| sent.finish()).await?;
    }
    Ok(outcome?)
}

/// Sets the log up, and traces beside it where they are configured.
fn watched(config: &AgentConfig) -> anyhow::Result<(LogControl, Option<Traces>)> {
    let (sent, layer) = match &config.traces.endpoint {
        Some(endpoint) => {
            let share = f64::from(config.traces.percent) / 100.0;
            let (sent, layer) = traces::start(endpoint, "symbolon-agent", share)?;
            (Some(sent), Some(layer))
        }
        None => (None, None),
    };
    Ok((
        logging::init_beside(&config.log.filter, config.log.format, layer)?,
        sent,
    ))
}

/// Says when workloads are served, and reads the configuration again whenever it is asked to.
async fn follow(
    file: &Path,
    mut config: AgentConfig,
    agent: &RunningAgent,
    log: &LogControl,
    notifier: &Notifier,
    hangups: &mut Hangups,
) {
    let served = format!("serves {}", config.trust_domain);
    let ready = async {
        if agent.ready().await.is_ok() {
            notifier.ready(&served);
        }
        std::future::pending::<()>().await;
    };
    let reloads = async {
        loop {
            hangups.next().await;
            notifier.reloading();
            reload(file, &mut config, log);
            // Who is not ready yet says so when it is.
            if !matches!(agent.status().phase, Phase::Starting) {
                notifier.ready(&served);
            }
        }
    };
    tokio::join!(ready, reloads);
}

/// Takes from the file what can change while the agent runs. A file that cannot be used changes nothing.
fn reload(file: &Path, config: &mut AgentConfig, log: &LogControl) {
    let refused = |error: &dyn std::fmt::Display| {
        let error = error.to_string();
        tracing::error!(
            event = telemetry::CONFIG_REFUSED,
            error,
            "what was in force stays"
        );
    };
    let next = match AgentConfig::load(file) {
        Ok(next) => next,
        Err(error) => return refused(&format!("{:#}", anyhow::Error::from(error))),
    };
    let changes = config.changes(&next);
    if changes.taken.contains(&"log.filter")
        && let Err(error) = log.configure(&next.log.filter)
    {
        return refused(&error);
    }
    *config = config.taking(&next);
    tracing::info!(
        event = telemetry::CONFIG_RELOADED,
        taken = changes.taken.join(", "),
        kept = changes.kept.join(", "),
        "what was kept holds after the next start"
    );
}

async fn healthcheck(socket: PathBuf) -> anyhow::Result<()> {
    let channel = unix_channel(&socket, &ChannelOptions::default()).await?;
    let answer = HealthClient::new(channel)
        .check(HealthCheckRequest::default())
        .await
        .map_err(|status| anyhow::anyhow!("the agent answered: {}", status.message()))?;
    match answer.into_inner().status() {
        ServingStatus::Serving => {
            println!("the agent is healthy");
            Ok(())
        }
        _ => bail!("the agent is running, and has not been in sync with its server yet"),
    }
}
