//! The signals that end a process, or have it read its configuration again.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Waits for SIGINT (Ctrl-C) or SIGTERM and returns its name. Until this is first polled the signals keep their
/// default action.
///
/// # Errors
/// The system's, if it lets no handler be installed.
pub async fn requested() -> std::io::Result<&'static str> {
    Ok(Stops::new()?.next().await)
}

/// SIGINT (Ctrl-C) and SIGTERM: somebody wants the process to end.
#[derive(Debug)]
pub struct Stops {
    interrupt: Signal,
    terminate: Signal,
}

impl Stops {
    /// From here on these signals do not end this process by themselves any more. To be called before anybody is told that
    /// it is ready, who may want it to stop at once.
    ///
    /// # Errors
    /// The system's, if it lets no handler be installed.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for one of them and returns its name.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}

/// SIGHUP: somebody wants the configuration to be read again.
#[derive(Debug)]
pub struct Hangups(Signal);

impl Hangups {
    /// From here on SIGHUP does not end this process any more.
    ///
    /// # Errors
    /// The system's, if it lets no handler be installed.
    pub fn new() -> std::io::Result<Self> {
        signal(SignalKind::hangup()).map(Self)
    }

    /// Waits for the next one.
    pub async fn next(&mut self) {
        if self.0.recv().await.is_none() {
            // There will be no other.
            std::future::pending::<()>().await;
        }
    }
}
