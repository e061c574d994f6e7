//! A live source of SVIDs and bundles, fed by the Workload API for as long as it exists.

mod reporting;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use futures_util::StreamExt;
use symbolon_pki::bundle::BundleSet;
use symbolon_pki::suite::Form;
use symbolon_pki::time::Clock;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{AbortHandle, JoinHandle};

pub use self::reporting::Reporting;
use self::reporting::{Closing, Reporter};
use crate::handshakes::HandshakeCounts;
use crate::identity::{IdentitySource, SvidIdentity};
use crate::migration::Migration;
use crate::workload_api::{Endpoint, WorkloadApiClient, WorkloadApiError, X509Context};

/// How long to wait before the next try after a lost or refused connection. The wait doubles from `first` up to
/// `longest` and is then cut by up to half at random, so that the workloads of a node do not come back all at once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Backoff {
    /// The first wait. Default: 1 s.
    pub first: Duration,
    /// No wait is longer. Default: 30 s.
    pub longest: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(1),
            longest: Duration::from_secs(30),
        }
    }
}

impl Backoff {
    fn wait(&self, failures: u32) -> Duration {
        let doubled = 1u32
            .checked_shl(failures)
            .map_or(self.longest, |factor| self.first.saturating_mul(factor));
        let mut dice = [0u8];
        // Without randomness the full wait is taken, which is still a wait.
        let cut = symbolon_crypto::random::fill(&mut dice).map_or(0, |()| u32::from(dice[0]));
        let full = doubled.min(self.longest);
        full - full * cut / (2 * 255)
    }
}

/// How a live source is doing. What it holds stays in use however old it is: an SVID that has expired is refused by
/// peers, and trying is better than not.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SourceStatus {
    /// Whether the stream from the agent is open.
    pub connected: bool,
    /// Updates taken so far.
    pub updates: u64,
    /// When the last one was taken. `None` before the first.
    pub updated_at: Option<SystemTime>,
    /// What went wrong since then, if anything.
    pub last_error: Option<String>,
    /// Whether the source has ended: it was closed, or has given up because the agent answered `InvalidArgument`, after
    /// which the specification allows no further try.
    pub stopped: bool,
}

/// An [`IdentitySource`] that follows the Workload API: it takes every update, reconnects when the stream breaks, and
/// keeps the last good state meanwhile. Dropping it ends its task.
#[derive(Debug)]
pub struct X509Source {
    shared: Arc<Shared>,
    status: watch::Receiver<SourceStatus>,
    following: JoinHandle<WorkloadApiError>,
    reporting: JoinHandle<()>,
    closing: mpsc::Sender<Closing>,
}

#[derive(Debug)]
struct Shared {
    held: ArcSwap<X509Held>,
    handshakes: HandshakeCounts,
}

#[derive(Debug)]
struct X509Held {
    context: Option<Arc<X509Context>>,
    identities: Arc<[Arc<SvidIdentity>]>,
    bundles: Arc<BundleSet>,
}

impl X509Source {
    /// Follows the agent at `endpoint` and returns with its first answer. Bound the wait with
    /// [`tokio::time::timeout`]; failures along the way are logged and retried.
    ///
    /// # Errors
    /// A [`WorkloadApiError`] that another try would not cure.
    pub async fn connect(
        endpoint: Endpoint,
        forms: &[Form],
        clock: Arc<dyn Clock>,
        backoff: Backoff,
    ) -> Result<Self, WorkloadApiError> {
        Self::connect_reporting(endpoint, forms, clock, backoff, Reporting::default()).await
    }

    /// As [`connect`](Self::connect), with a pace of its own for what the agent is told of handshakes.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn connect_reporting(
        endpoint: Endpoint,
        forms: &[Form],
        clock: Arc<dyn Clock>,
        backoff: Backoff,
        reporting: Reporting,
    ) -> Result<Self, WorkloadApiError> {
        let shared = Arc::new(Shared {
            held: ArcSwap::from_pointee(X509Held {
                context: None,
                identities: Arc::new([]),
                bundles: Arc::default(),
            }),
            handshakes: HandshakeCounts::default(),
        });
        let (sender, status) = watch::channel(SourceStatus::default());
        let (closing, closed) = mpsc::channel(1);
        let reporter = Reporter::new(
            endpoint.clone(),
            shared.clone(),
            status.clone(),
            closed,
            reporting,
        );
        let follower = Follower {
            endpoint,
            forms: forms.to_vec(),
            clock,
            backoff,
            shared: shared.clone(),
            status: sender,
        };
        let mut first = status.clone();
        let mut following = tokio::spawn(follower.run());
        // Biased, since a follower that gave up right after its first update has still made a source.
        tokio::select! {
            biased;
            Ok(_) = first.wait_for(|status| status.updates > 0) => {}
            Ok(error) = &mut following => return Err(error),
            else => return Err(WorkloadApiError::Ended),
        }
        Ok(Self {
            shared,
            status,
            following,
            reporting: tokio::spawn(reporter.run()),
            closing,
        })
    }

    /// Tells the agent once more what handshakes were counted, and ends the source: it takes no update any more and tells of
    /// nothing, and what it holds stays in use.
    ///
    /// A program that ends before the next report is due takes what it saw with it unless it closes its source, and a migration
    /// goes to `require` as if the program had met nobody. Bound the wait with [`tokio::time::timeout`]: the source ends even
    /// so, and the agent may or may not have heard.
    ///
    /// # Errors
    /// The source has ended, and the agent did not take what was to be told: why not, or [`WorkloadApiError::Ended`] where the
    /// source had ended before. Where there was nothing to tell that is no error.
    pub async fn close(&self) -> Result<(), WorkloadApiError> {
        let ending = AbortOnDrop(self.following.abort_handle());
        let (told, is_told) = oneshot::channel();
        let outcome = match self.closing.send(told).await {
            Ok(()) => is_told.await.unwrap_or(Err(WorkloadApiError::Ended)),
            Err(_) => Err(WorkloadApiError::Ended),
        };
        drop(ending);
        // A follower that is gone already has said so before.
        let mut status = self.status.clone();
        let _ended = status.wait_for(|status| status.stopped).await;
        outcome
    }

    /// What the agent last said. `None` before its first answer, which [`connect`](Self::connect) awaits.
    pub fn context(&self) -> Option<Arc<X509Context>> {
        self.shared.held.load().context.clone()
    }

    /// How the source is doing.
    pub fn status(&self) -> SourceStatus {
        self.status.borrow().clone()
    }

    /// Follows the status: every update, disconnection and reconnection.
    pub fn subscribe(&self) -> watch::Receiver<SourceStatus> {
        self.status.clone()
    }
}

/// Ends a task however its holder ends.
struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Drop for X509Source {
    fn drop(&mut self) {
        self.following.abort();
        self.reporting.abort();
    }
}

impl IdentitySource for X509Source {
    fn identities(&self) -> Arc<[Arc<SvidIdentity>]> {
        self.shared.held.load().identities.clone()
    }

    fn bundles(&self) -> Arc<BundleSet> {
        self.shared.held.load().bundles.clone()
    }

    fn both(&self) -> (Arc<[Arc<SvidIdentity>]>, Arc<BundleSet>) {
        let held = self.shared.held.load();
        (held.identities.clone(), held.bundles.clone())
    }

    fn migration(&self) -> Option<Migration> {
        self.shared.migration()
    }

    fn handshakes(&self) -> Option<&HandshakeCounts> {
        Some(&self.shared.handshakes)
    }
}

impl Shared {
    fn migration(&self) -> Option<Migration> {
        self.held.load().context.as_ref()?.migration()
    }
}

/// The task behind a source.
struct Follower {
    endpoint: Endpoint,
    forms: Vec<Form>,
    clock: Arc<dyn Clock>,
    backoff: Backoff,
    shared: Arc<Shared>,
    status: watch::Sender<SourceStatus>,
}

/// However it ends: it gave up, or the source was closed or dropped.
impl Drop for Follower {
    fn drop(&mut self) {
        self.status.send_modify(|status| {
            status.connected = false;
            status.stopped = true;
        });
    }
}

impl Follower {
    /// Follows the agent until an error that another try would not cure.
    async fn run(self) -> WorkloadApiError {
        let mut failures = 0;
        loop {
            let before = self.status.borrow().updates;
            let error = self.follow().await;
            let stopped = !error.is_worth_retrying();
            self.status.send_modify(|status| {
                status.connected = false;
                status.last_error = Some(error.to_string());
                status.stopped = stopped;
            });
            if stopped {
                tracing::error!(endpoint = %self.endpoint, %error, "the Workload API refuses this client for good");
                return error;
            }
            failures = if self.status.borrow().updates > before {
                0
            } else {
                failures + 1
            };
            let wait = self.backoff.wait(failures);
            tracing::warn!(endpoint = %self.endpoint, %error, ?wait, "lost the Workload API; keeping what is held");
            tokio::time::sleep(wait).await;
        }
    }

    /// One connection, from its start to the error that ends it.
    async fn follow(&self) -> WorkloadApiError {
        let client = match WorkloadApiClient::connect(&self.endpoint).await {
            Ok(client) => client,
            Err(error) => return error,
        };
        let mut updates = match client.watch_x509(&self.forms).await {
            Ok(updates) => updates,
            Err(error) => return error,
        };
        while let Some(update) = updates.next().await {
            match update {
                Ok(context) => self.take(context),
                Err(error @ WorkloadApiError::Response(_)) => {
                    tracing::error!(endpoint = %self.endpoint, %error, "update from the Workload API left out");
                    self.status.send_modify(|status| {
                        status.connected = true;
                        status.last_error = Some(error.to_string());
                    });
                }
                Err(error) => return error,
            }
        }
        WorkloadApiError::Ended
    }

    fn take(&self, context: X509Context) {
        for error in &context.skipped {
            tracing::warn!(endpoint = %self.endpoint, %error, "an SVID from the Workload API cannot be used");
        }
        tracing::debug!(
            svids = context.svids.len(),
            bundles = context.bundles.len(),
            "SVIDs updated"
        );
        self.shared.held.store(Arc::new(X509Held {
            identities: context.identities().into(),
            bundles: Arc::new(context.bundles.clone()),
            context: Some(Arc::new(context)),
        }));
        let now = self.clock.now();
        self.status.send_modify(|status| {
            status.connected = true;
            status.updates += 1;
            status.updated_at = Some(now);
            status.last_error = None;
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_limit() {
        let backoff = Backoff {
            first: Duration::from_secs(1),
            longest: Duration::from_secs(30),
        };
        for (failures, full) in [
            (0, 1),
            (1, 2),
            (4, 16),
            (5, 30),
            (31, 30),
            (32, 30),
            (u32::MAX, 30),
        ] {
            let full = Duration::from_secs(full);
            let wait = backoff.wait(failures);
            assert!(wait <= full && wait >= full / 2, "{failures}: {wait:?}");
        }
    }
}
