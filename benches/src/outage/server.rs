//! The real server, as a process.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use symbolon_ca::client::Client;
use symbolon_tls::grpc::{ChannelOptions, unix_channel};

use super::PATIENCE;
use super::requests::Requests;
use crate::issuer::AnyError;

/// A running server; killed when dropped.
pub(super) struct ServerProcess {
    child: Child,
    socket: PathBuf,
    log: PathBuf,
}

impl ServerProcess {
    pub(super) fn start(
        program: &Path,
        config: &Path,
        environment: Vec<(&'static str, OsString)>,
        home: &Path,
    ) -> Result<Self, AnyError> {
        let log = home.join("log");
        let child = Command::new(program)
            .args(["server", "run", "--config"])
            .arg(config)
            .env_clear()
            .envs(environment)
            .env("HOME", home)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()
            .map_err(|error| format!("{} cannot be started: {error}", program.display()))?;
        Ok(Self {
            child,
            socket: home.join("data/server/private.sock"),
            log,
        })
    }

    /// Waits until it serves.
    pub(super) async fn ready(&self, deadline: Duration) -> Result<(Client, Requests), AnyError> {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Ok(client) = Client::over_socket(&self.socket).await
                && client.is_healthy().await?
            {
                let channel = unix_channel(&self.socket, &ChannelOptions::default()).await?;
                return Ok((client, Requests::new(channel, deadline)?));
            }
            if Instant::now() > until {
                return Err(format!(
                    "the server does not come up: {}",
                    std::fs::read_to_string(&self.log)?
                )
                .into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Asks it to stop, and waits until it has.
    pub(super) fn stop(mut self) -> Result<(), AnyError> {
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        let status = self.child.wait()?;
        if status.success() {
            return Ok(());
        }
        Err(format!(
            "the server ended with {status}: {}",
            std::fs::read_to_string(&self.log)?
        )
        .into())
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // One that has stopped is no failure.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
