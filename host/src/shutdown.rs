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

    /// What `starting` comes to, or nothing if somebody wants the process to end before that. What was begun is then left
    /// where it is, as in a crash: the caller ends the process at once, whatever its threads wait for.
    pub async fn unless_stopped<T>(&mut self, starting: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            started = starting => Some(started),
            signal = self.next() => {
                tracing::info!(signal, "stopped before it had started");
                None
            }
        }
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

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::process::Command;

    use super::*;

    #[tokio::test]
    async fn who_is_told_to_stop_while_starting_stops_and_who_has_started_has() {
        let mut stops = Stops::new().unwrap();
        assert_eq!(stops.unless_stopped(async { 7 }).await, Some(7));
        let me = std::process::id().to_string();
        assert!(
            Command::new("kill")
                .args(["-TERM", &me])
                .status()
                .unwrap()
                .success()
        );
        assert!(stops.unless_stopped(pending::<()>()).await.is_none());
    }
}
