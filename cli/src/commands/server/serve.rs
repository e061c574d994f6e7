//! `symbolon server run`.

use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use symbolon_ca::config::ServerConfig;
use symbolon_ca::server::{Environment, RunningServer, Server as CaServer};
use symbolon_ca::telemetry::CONFIG_REFUSED;
use symbolon_host::ConfigError;
use symbolon_host::logging::{self, LogControl};
use symbolon_host::shutdown::{Hangups, Stops};
use symbolon_host::systemd::Notifier;
use symbolon_host::traces::{self, Traces};
use symbolon_pki::time::SystemClock;

use crate::args::Common;
use crate::prompt;

/// Runs a server until it is told to stop, or breaks down.
pub(super) async fn run(common: &Common, file: &Path) -> Result<()> {
    // What its author should know is said once, by the server.
    let config = load(common, file)?;
    let (log, sent) = watched(&config)?;
    let notifier = Notifier::from_env().context("NOTIFY_SOCKET cannot be used")?;
    // Before the first signal can come.
    let mut hangups = Hangups::new()?;
    let mut stops = Stops::new()?;
    let environment = Environment {
        prompt: Arc::new(prompt::wanted),
        log: Some(log),
        ..Environment::new(Arc::new(SystemClock))
    };
    let starting = CaServer::start_with(&config, environment);
    let Some(started) = stops.unless_stopped(starting).await else {
        // Something may hang, or wait for somebody at the terminal.
        std::process::exit(0);
    };
    let mut server = started?;
    let serves = format!("serves {}", config.trust_domain);
    notifier.ready(&serves);
    let stopping = async {
        loop {
            tokio::select! {
                signal = stops.next() => return Ok(Some(signal)),
                error = server.failed() => return Err(anyhow::Error::from(error)),
                () = notifier.keep_alive() => {}
                () = hangups.next() => {
                    notifier.reloading();
                    reload(common, file, &server);
                    notifier.ready(&serves);
                }
            }
        }
    };
    let failed: Result<Option<&str>> = stopping.await;
    let why = failed.as_ref().ok().copied().flatten();
    if let Some(signal) = why {
        tracing::info!(event = "server.stopping", signal);
    }
    notifier.stopping(why.unwrap_or("stopped by itself"));
    let stopped = server.shutdown().await;
    if let Some(sent) = sent {
        tokio::task::spawn_blocking(|| sent.finish()).await?;
    }
    failed?;
    Ok(stopped?)
}

/// The configuration; the command line's log filter comes before the file's.
fn load(common: &Common, file: &Path) -> Result<ServerConfig, ConfigError> {
    let (mut config, _warnings) = ServerConfig::load(file)?;
    if let Some(filter) = &common.log {
        config.log.filter.clone_from(filter);
    }
    Ok(config)
}

/// Sets the log up, and traces beside it where they are configured.
fn watched(config: &ServerConfig) -> Result<(LogControl, Option<Traces>)> {
    let (sent, layer) = match &config.traces.endpoint {
        Some(endpoint) => {
            let share = f64::from(config.traces.percent) / 100.0;
            let (sent, layer) = traces::start(endpoint, "symbolon-server", share)?;
            (Some(sent), Some(layer))
        }
        None => (None, None),
    };
    Ok((
        logging::init_beside(&config.log.filter, config.log.format, layer)?,
        sent,
    ))
}

/// Takes from the file what can change while the server runs. A file that cannot be used changes nothing.
fn reload(common: &Common, file: &Path, server: &RunningServer) {
    let refused = |error: &dyn Display| {
        let error = error.to_string();
        tracing::error!(event = CONFIG_REFUSED, error, "what was in force stays");
    };
    let next = match load(common, file) {
        Ok(next) => next,
        Err(error) => return refused(&format!("{:#}", anyhow::Error::from(error))),
    };
    if let Err(error) = server.reload(&next) {
        refused(&format!("{:#}", anyhow::Error::from(error)));
    }
}
