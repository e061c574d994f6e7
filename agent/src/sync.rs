//! Keeping up with the server: the agent's own SVID, the trust bundle, the entries.

mod federated;
mod identity;
mod migration;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use symbolon_pki::bundle::{BundleSet, TrustBundle};
use tokio_util::sync::CancellationToken;

use self::identity::in_full;
use crate::agent::Context;
use crate::attest::EvidenceSource;
use crate::cache::Entries;
use crate::error::AgentError;
use crate::identity::{OwnSvid, Vault};
use crate::server::{CallError, Migrates, OffsetSeconds, OwnBundle, fetch_bundle, sync_entries};
use crate::status::Phase;
use crate::telemetry;
use crate::time::{Backoff, dice};

/// Syncs that workloads ask for are at least this far apart.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);

/// Clocks further apart than this are worth a warning: certificates are dated back by only twice as much.
const TOLERATED_OFFSET: OffsetSeconds = 5;

/// Keeps one agent in sync with its server.
pub(crate) struct Keeper {
    context: Arc<Context>,
    vault: Vault,
    evidence: Arc<dyn EvidenceSource>,
    svid: Option<OwnSvid>,
    /// Whether the server will not hear this agent before it has attested again.
    must_attest: bool,
    /// How often the next SVID was not to be had in a row, and when it is asked for again.
    renewal: Renewal,
    /// The bundle to fall back to before the first sync.
    resumed_bundle: Option<TrustBundle>,
    /// The bundle that is known to be in its file.
    kept_bundle: Option<Arc<TrustBundle>>,
    clocks_disagree: bool,
    migration: migration::Asking,
}

/// When an SVID that is due is asked for again after that failed.
#[derive(Debug, Default)]
struct Renewal {
    failures: u32,
    not_before: Option<SystemTime>,
}

impl Renewal {
    fn may_be_tried(&self, now: SystemTime) -> bool {
        self.not_before.is_none_or(|at| now >= at)
    }

    /// Puts the next try off: longer each time, and as long as the server wants.
    fn failed(&mut self, backoff: Backoff, wanted: Option<Duration>, now: SystemTime) {
        self.failures = self.failures.saturating_add(1);
        let wait = backoff
            .wait(self.failures, dice())
            .max(wanted.unwrap_or_default());
        self.not_before = now.checked_add(wait.min(backoff.longest));
    }
}

/// What the server says at a sync.
struct Fetched {
    bundle: TrustBundle,
    /// Whether entries migrate, as far as the server says.
    migrates: Migrates,
    entries: Entries,
    /// The bundles of the trust domains that the entries federate with.
    federated: BundleSet,
}

/// Why a sync did not come about.
enum Failure {
    /// It is tried again later.
    Later(String),
    /// Something of this machine's, such as a disk that is full. It ends an agent that was never ready, for somebody may
    /// be waiting at a terminal; one that serves workloads goes on with what it has, and tries again later.
    Local(AgentError),
    /// It ends the agent.
    End(AgentError),
}

impl From<AgentError> for Failure {
    fn from(error: AgentError) -> Self {
        match error {
            AgentError::Defect(_) => Self::End(error),
            other => Self::Local(other),
        }
    }
}

impl Keeper {
    /// Goes on from what the last run left.
    pub(crate) async fn new(
        context: Arc<Context>,
        vault: Vault,
        evidence: Arc<dyn EvidenceSource>,
    ) -> Result<Self, AgentError> {
        let now = context.clock.now();
        let opened = vault.clone();
        let (resumed_bundle, svid, kept) = blocking(move || {
            let bundle = opened.bundle();
            let svid = opened.resume(bundle.as_ref(), now)?;
            Ok((bundle, svid, (opened.stages()?, opened.holders())))
        })
        .await?;
        let migration = migration::Asking::resume(&context, vault.clone(), kept);
        let mut keeper = Self {
            context,
            vault,
            evidence,
            svid: None,
            must_attest: false,
            renewal: Renewal::default(),
            resumed_bundle,
            kept_bundle: None,
            clocks_disagree: false,
            migration,
        };
        if let Some(bundle) = &keeper.resumed_bundle {
            keeper.context.link.trust(BundleSet::from(bundle.clone()));
        }
        if let Some(svid) = svid {
            keeper.wear(svid).await;
        }
        Ok(keeper)
    }

    /// Syncs until cancelled.
    ///
    /// # Errors
    /// What ends the agent.
    pub(crate) async fn run(mut self, cancel: CancellationToken) -> Result<(), AgentError> {
        let ended = self.turns(&cancel).await;
        self.migration.keep_up(&self.context).await;
        ended
    }

    /// One sync after the other.
    async fn turns(&mut self, cancel: &CancellationToken) -> Result<(), AgentError> {
        let backoff = self.backoff();
        let mut failures = 0;
        loop {
            let outcome = tokio::select! {
                biased;
                () = cancel.cancelled() => return Ok(()),
                outcome = self.sync() => outcome,
            };
            self.migration.keep_up(&self.context).await;
            let outcome = match outcome {
                Err(Failure::Local(error)) if self.was_ready() => Err(Failure::Later(in_full(&error))),
                outcome => outcome,
            };
            let wait = match outcome {
                Ok(()) => {
                    if failures > 0 {
                        tracing::info!(
                            event = telemetry::SYNC_RECOVERED,
                            failures,
                            "in sync with the server again"
                        );
                        self.context.cache.server_is_back();
                    }
                    failures = 0;
                    self.context.config.sync.interval.0
                }
                Err(Failure::Later(error)) => {
                    failures += 1;
                    let wait = backoff.wait(failures, dice());
                    tracing::warn!(
                        event = telemetry::SYNC_FAILED,
                        error,
                        failures,
                        ?wait,
                        "not in sync with the server"
                    );
                    self.context
                        .status
                        .send_modify(|status| status.last_error = Some(error));
                    wait
                }
                Err(Failure::Local(error) | Failure::End(error)) => return Err(error),
            };
            tokio::select! {
                () = cancel.cancelled() => return Ok(()),
                () = self.context.link.banned() => self.end_if_banned()?,
                () = self.context.timer.sleep(wait) => {}
                () = self.asked_for(failures) => {}
            }
        }
    }

    /// Some call was answered that this agent is banned; which one makes no difference.
    fn end_if_banned(&self) -> Result<(), AgentError> {
        match self.svid.as_ref().map(|svid| self.banned(svid)) {
            Some(Failure::Local(error) | Failure::End(error)) => Err(error),
            Some(Failure::Later(_)) | None => Ok(()),
        }
    }

    fn backoff(&self) -> Backoff {
        let config = self.context.config.sync;
        Backoff {
            first: config.interval.0,
            longest: config.longest_wait.0,
        }
    }

    /// Ends when a workload asks for a sync, but not too soon; never while the server does not answer.
    async fn asked_for(&self, failures: u32) {
        if failures > 0 {
            return std::future::pending().await;
        }
        self.context.timer.sleep(SHORTEST_INTERVAL).await;
        self.context.nudge.notified().await;
    }

    /// One sync.
    async fn sync(&mut self) -> Result<(), Failure> {
        self.ensure_identity().await?;
        let fetched = match self.fetch().await {
            Err(error) if error.must_reattest() => {
                tracing::warn!(%error, "the server wants this agent to attest again");
                self.must_attest = true;
                self.ensure_identity().await?;
                self.fetch().await
            }
            outcome => outcome,
        }
        .map_err(|error| self.failed(error))?;
        // Before anything is given to workloads: without its stage an SVID would be one that demands nothing.
        let serves = self.was_ready();
        let told = self.migration.sync(&self.context, fetched.migrates, serves).await;
        told.map_err(|error| self.failed(error))?;
        // An authority that fell takes this agent's own SVID with it, and that is not left for the next sync.
        if self.take(fetched).await? {
            self.ensure_identity().await?;
        }
        Ok(())
    }

    async fn fetch(&mut self) -> Result<Fetched, CallError> {
        let context = self.context.clone();
        let trust_domain = &context.config.trust_domain;
        let OwnBundle {
            bundle,
            offset,
            migrates,
        } = context
            .link
            .call(async |channel| fetch_bundle(channel, trust_domain, &*context.clock).await)
            .await?;
        self.note_offset(offset);
        let known = context.cache.entries();
        let entries = context
            .link
            .call(async |channel| sync_entries(channel, trust_domain, &known).await)
            .await?;
        let federated = federated::fetch(&context, &entries).await?;
        Ok(Fetched {
            bundle,
            migrates,
            entries,
            federated,
        })
    }

    /// Takes what the server said. Whether the bundle is another than before.
    async fn take(&mut self, fetched: Fetched) -> Result<bool, Failure> {
        let context = &self.context;
        let Fetched {
            bundle,
            entries,
            federated,
            ..
        } = fetched;
        let bundle = Arc::new(bundle);
        let changed = context.cache.bundle().as_ref() != Some(&bundle);
        if changed {
            context.link.trust(BundleSet::from_iter([bundle.clone()]));
        }
        let count = entries.len();
        context.cache.update(bundle.clone(), entries, federated);
        self.keep(bundle).await?;
        let context = &self.context;
        let now = context.clock.now();
        context.status.send_modify(|status| {
            if !matches!(status.phase, Phase::Stopped(_)) {
                status.phase = Phase::Ready;
            }
            status.entries = count;
            status.synced_at = Some(now);
            status.syncs += 1;
            status.last_error = None;
        });
        Ok(changed)
    }

    /// Writes the bundle for the next run. If that fails this one goes on, and the next sync tries again.
    async fn keep(&mut self, bundle: Arc<TrustBundle>) -> Result<(), Failure> {
        if self.kept_bundle.as_ref() == Some(&bundle) {
            return Ok(());
        }
        let (vault, keeping) = (self.vault.clone(), bundle.clone());
        match blocking(move || vault.keep_bundle(&keeping)).await {
            Ok(()) => self.kept_bundle = Some(bundle),
            Err(error) if self.was_ready() => {
                let error = in_full(&error);
                tracing::warn!(error, "the trust bundle cannot be kept for the next run");
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    fn note_offset(&mut self, offset: Option<OffsetSeconds>) {
        let Some(offset_seconds) = offset else {
            return;
        };
        self.context
            .status
            .send_modify(|status| status.clock_offset_seconds = Some(offset_seconds));
        let disagree = offset_seconds.abs() > TOLERATED_OFFSET;
        match (self.clocks_disagree, disagree) {
            (false, true) => tracing::warn!(
                event = telemetry::CLOCK_OFFSET,
                offset_seconds,
                "this machine's clock and the server's disagree; certificates may look expired or not yet valid"
            ),
            (true, false) => tracing::info!(
                event = telemetry::CLOCK_AGREES,
                offset_seconds,
                "the clocks agree again"
            ),
            _ => {}
        }
        self.clocks_disagree = disagree;
    }

    /// What a failed call means, once attesting again is out of the question.
    fn failed(&self, error: CallError) -> Failure {
        match &self.svid {
            Some(svid) if error.is_ban() => self.banned(svid),
            _ => Failure::Later(error.to_string()),
        }
    }
}

/// Runs what blocks where blocking is allowed.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, AgentError> + Send + 'static,
) -> Result<T, AgentError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(error) => Err(AgentError::Defect(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renewal_that_failed_is_tried_later_and_later() {
        let backoff = Backoff {
            first: Duration::from_secs(8),
            longest: Duration::from_secs(480),
        };
        let now = SystemTime::UNIX_EPOCH;
        let mut renewal = Renewal::default();
        assert!(renewal.may_be_tried(now));
        let mut last = Duration::ZERO;
        for _ in 0..5 {
            renewal.failed(backoff, None, now);
            let wait = renewal.not_before.unwrap().duration_since(now).unwrap();
            assert!(wait > last, "{wait:?} after {last:?}");
            assert!(!renewal.may_be_tried(now + wait - Duration::from_secs(1)));
            assert!(renewal.may_be_tried(now + wait));
            last = wait;
        }
        let mut asked = Renewal::default();
        asked.failed(backoff, Some(Duration::from_secs(60)), now);
        assert!(!asked.may_be_tried(now + Duration::from_secs(59)));
        let mut for_ever = Renewal::default();
        for_ever.failed(backoff, Some(Duration::MAX), now);
        assert!(
            for_ever.may_be_tried(now + backoff.longest),
            "no server puts a renewal off for good"
        );
    }
}
