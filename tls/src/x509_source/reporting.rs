//! The task that tells the agent how handshakes go, for as long as there is a migration to follow.
//!
//! Nothing hangs on it: what cannot be told is told later, and an agent that takes no reports is left in peace.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use spiffe::SpiffeId;
use symbolon_crypto::random;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout};
use tonic::Code;

use super::{Shared, SourceStatus};
use crate::migration::{Migration, MigrationStage};
use crate::workload_api::{Endpoint, WorkloadApiClient, WorkloadApiError};

/// How often a source tells its agent of handshakes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Reporting {
    /// How long counts are gathered. Default: 10 s. A stage that was just taken up is told of within this time.
    pub every: Duration,
    /// After so long the agent is told that the source is still there, though nothing happened. Default: 60 s. An agent
    /// forgets who is silent for three minutes.
    pub at_least: Duration,
}

impl Default for Reporting {
    fn default() -> Self {
        Self {
            every: Duration::from_secs(10),
            at_least: Duration::from_secs(60),
        }
    }
}

/// Told what became of the last report.
pub(super) type Closing = oneshot::Sender<Result<(), WorkloadApiError>>;

/// Reports for one source.
pub(super) struct Reporter {
    endpoint: Endpoint,
    shared: Arc<Shared>,
    status: watch::Receiver<SourceStatus>,
    closing: mpsc::Receiver<Closing>,
    pace: Reporting,
    /// Tells this source from others of the same identity.
    name: String,
    client: Option<WorkloadApiClient>,
    last: Option<(Option<MigrationStage>, Instant)>,
}

impl Reporter {
    pub(super) fn new(
        endpoint: Endpoint,
        shared: Arc<Shared>,
        status: watch::Receiver<SourceStatus>,
        closing: mpsc::Receiver<Closing>,
        pace: Reporting,
    ) -> Self {
        Self {
            endpoint,
            shared,
            status,
            closing,
            pace,
            name: name(),
            client: None,
            last: None,
        }
    }

    pub(super) async fn run(mut self) {
        loop {
            // Woken early by updates, since a migration begins, moves and ends with one. The source's end is this one's.
            let closing = tokio::select! {
                biased;
                closing = self.closing.recv() => match closing {
                    None => return,
                    closing => closing,
                },
                woken = timeout(self.pace.every, self.status.changed()) => match woken {
                    Ok(Err(_)) => return,
                    _ => None,
                },
            };
            let taken = self.turn().await;
            if let Some(closing) = closing {
                // Whoever closes need not wait for it.
                let _told = closing.send(taken);
                return;
            }
            if let Err(error) = taken
                && is_final(&error)
            {
                match self.other_agent().await {
                    Ok(()) => {}
                    Err(SourceEnds::Closing(closing)) => {
                        let _told = closing.send(Err(error));
                        return;
                    }
                    Err(SourceEnds::Gone) => return,
                }
            }
        }
    }

    /// Reports if there is anything to say.
    async fn turn(&mut self) -> Result<(), WorkloadApiError> {
        let Some((spiffe_id, migration)) = self.subject() else {
            self.last = None;
            return Ok(());
        };
        // One that is gone already may have done handshakes since the last report, all the same.
        let abstained = self.shared.handshakes.take_abstained();
        let followed = !abstained && migration.can_be_followed(&self.shared.held.load().bundles);
        let stage = followed.then_some(migration.stage);
        let told = self.report(&spiffe_id, stage).await;
        if let Err(error) = &told {
            tracing::debug!(endpoint = %self.endpoint, %error, "the agent does not take counts of handshakes");
            self.client = None;
            if abstained {
                self.shared.handshakes.put_back_abstained();
            }
        }
        told
    }

    /// Whose migration there is to report on.
    fn subject(&self) -> Option<(SpiffeId, Migration)> {
        let migration = self.shared.migration()?;
        let identities = self.shared.held.load().identities.clone();
        Some((identities.first()?.spiffe_id().clone(), migration))
    }

    async fn report(&mut self, id: &SpiffeId, stage: Option<MigrationStage>) -> Result<(), WorkloadApiError> {
        let counts = self.shared.handshakes.take();
        let waits = |(last, at): (_, Instant)| last == stage && at.elapsed() < self.pace.at_least;
        if counts.is_empty() && self.last.is_some_and(waits) {
            return Ok(());
        }
        let told = self.tell(id, stage, &counts).await;
        match &told {
            Ok(()) => self.last = Some((stage, Instant::now())),
            Err(_) => self.shared.handshakes.put_back(&counts),
        }
        told
    }

    async fn tell(
        &mut self,
        id: &SpiffeId,
        stage: Option<MigrationStage>,
        counts: &[crate::handshakes::HandshakeCount],
    ) -> Result<(), WorkloadApiError> {
        let client = match &self.client {
            Some(client) => client.clone(),
            None => WorkloadApiClient::connect(&self.endpoint).await?,
        };
        client.report_handshakes(id, &self.name, stage, counts).await?;
        self.client = Some(client);
        Ok(())
    }

    /// Ends when the source has lost its agent and found one again, which may be another version.
    ///
    /// # Errors
    /// The source is gone or closes, and this agent takes no last report.
    async fn other_agent(&mut self) -> Result<(), SourceEnds> {
        let Self { status, closing, .. } = self;
        let other = async {
            status.wait_for(|status| !status.connected).await?;
            status.wait_for(|status| status.connected).await
        };
        tokio::select! {
            biased;
            closing = closing.recv() => Err(closing.map_or(SourceEnds::Gone, SourceEnds::Closing)),
            other = other => other.map(drop).map_err(|_: watch::error::RecvError| SourceEnds::Gone),
        }
    }
}

/// There is nothing more to report for.
enum SourceEnds {
    Closing(Closing),
    Gone,
}

/// Whether this agent will never take a report.
fn is_final(error: &WorkloadApiError) -> bool {
    matches!(error, WorkloadApiError::Status(status) if status.code() == Code::Unimplemented)
}

/// Sixteen random hexadecimal digits.
fn name() -> String {
    let mut random = [0u8; 8];
    // Without randomness the process id has to do, which is unique enough on one machine.
    let bytes = match random::fill(&mut random) {
        Ok(()) => random,
        Err(_) => u64::from(std::process::id()).to_be_bytes(),
    };
    bytes.iter().fold(String::new(), |mut name, byte| {
        // Writing to a string does not fail.
        let _written = write!(name, "{byte:02x}");
        name
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_have_names_of_their_own() {
        let (one, other) = (name(), name());
        assert_ne!(one, other);
        assert!(
            one.len() == 16 && one.bytes().all(|byte| byte.is_ascii_hexdigit()),
            "{one}"
        );
    }
}
