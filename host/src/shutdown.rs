//! The signals that end a process, or have it read its configuration again.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Waits for SIGINT (Ctrl-C) or SIGTERM and returns its name. Until this is first polled the signals keep their
/// default action.
///
/// # Errors
/// The system's, if it lets no handler be installed.
pub async fn requested() -> std::io::Result<&'static str> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
    })
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
