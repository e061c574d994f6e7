//! The node agent's command line.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Parser, Subcommand};
use symbolon_agent::{Agent, AgentConfig};
use symbolon_host::{DataDir, logging, shutdown};
use symbolon_pki::time::SystemClock;
use symbolon_tls::grpc::{ChannelOptions, unix_channel};
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
    /// Run the agent until SIGINT or SIGTERM.
    Run {
        /// Configuration file (TOML).
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Check a configuration file without running anything.
    Validate {
        /// Configuration file (TOML).
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Ask a running agent whether it can serve workloads; exit status 1 if not.
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
            ExitCode::FAILURE
        }
    }
}

async fn execute(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Run { config } => run(AgentConfig::load(&config)?).await,
        Command::Validate { config } => {
            AgentConfig::load(&config)?;
            println!("{} is a valid configuration", config.display());
            Ok(())
        }
        Command::Healthcheck { socket } => healthcheck(socket).await,
    }
}

async fn run(config: AgentConfig) -> anyhow::Result<()> {
    logging::init(&config.log.filter, config.log.format)?;
    let _data_dir = DataDir::open(&config.data_dir, config.trust_domain.as_str())?;
    let agent = Agent::start(config, std::sync::Arc::new(SystemClock)).await?;
    tokio::select! {
        signal = shutdown::requested() => {
            tracing::info!(signal = signal?, "stopping");
        }
        _ = agent.stopped() => {}
    }
    Ok(agent.shutdown().await?)
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
