//! The agent's own SVID: had, renewed, had again.

use std::sync::Arc;
use std::time::Duration;

use symbolon_pki::bundle::{BundleSet, TrustBundle};
use symbolon_pki::csr::CsrBuilder;
use symbolon_pki::suite::Form;
use symbolon_pki::time::rfc3339;
use tonic::Code;

use super::{Failure, Keeper, Renewal, blocking};
use crate::attest::{EvidenceError, Granted, attest_agent, post_status, renew_agent, trusted_bundle};
use crate::error::AgentError;
use crate::identity::{Grant, NewKey, OwnSvid};
use crate::server::{CallError, ServerLink, fetch_bundle, server_id};
use crate::status::Phase;
use crate::telemetry;

impl Keeper {
    /// Sees to it that there is an SVID to call the server with.
    pub(super) async fn ensure_identity(&mut self) -> Result<(), Failure> {
        let now = self.context.clock.now();
        match &self.svid {
            Some(svid) if !self.must_attest && !svid.has_expired(now) => {
                let svid = svid.clone();
                let is_due = svid.is_due(self.context.cache.bundle().as_deref(), now);
                if is_due && self.renewal.may_be_tried(now) {
                    self.renew(&svid).await?;
                }
                // A renewal may have found that the server wants more than that.
                if self.must_attest {
                    self.attest().await
                } else {
                    Ok(())
                }
            }
            _ => self.attest().await,
        }
    }

    /// Attests. What fails before the agent was ever ready, and will not get better by itself, ends it: somebody is
    /// waiting at a terminal. Later there are workloads to be served.
    async fn attest(&mut self) -> Result<(), Failure> {
        match self.try_to_attest().await {
            Ok(()) => Ok(()),
            Err(AgentError::Attestation(error)) if error.is_ban() => Err(match &self.svid {
                Some(svid) => self.banned(svid),
                // There is nothing to forget; nor is there a way back without an operator.
                None => Failure::End(AgentError::Attestation(error)),
            }),
            Err(error @ AgentError::Attestation(_)) if is_transient(&error) => {
                Err(Failure::Later(in_full(&error)))
            }
            Err(error) if !self.was_ready() => {
                tracing::error!(
                    event = telemetry::AGENT_ATTESTATION_FAILED,
                    error = in_full(&error),
                    "not attested"
                );
                Err(Failure::End(error))
            }
            Err(error) => {
                if let Some(reason) = lacks_evidence(&error) {
                    tracing::error!(
                        event = telemetry::AGENT_NEEDS_EVIDENCE,
                        reason,
                        "this node has to attest again"
                    );
                    self.context
                        .status
                        .send_modify(|status| status.phase = Phase::NeedsEvidence(reason));
                }
                Err(Failure::Later(in_full(&error)))
            }
        }
    }

    async fn try_to_attest(&mut self) -> Result<(), AgentError> {
        let context = self.context.clone();
        let config = &context.config;
        let last = self.svid.as_ref().map(|svid| svid.spiffe_id().clone());
        let mut prover = self.evidence.prover(last.as_ref()).await?;
        let held = context.cache.bundle();
        let held = held.as_deref().or(self.resumed_bundle.as_ref());
        let bootstrap = trusted_bundle(config, held, context.clock.now()).await?;
        let form = self.own_form(&bootstrap);
        let server = server_id(&config.trust_domain).map_err(|_| AgentError::TrustDomain)?;
        let bundles = BundleSet::from(bootstrap);
        let link =
            ServerLink::without_identity(&config.server.address, server, bundles, context.clock.clone())
                .counted_by(context.link.calls());

        let (key, csr) = self.key_and_csr(form).await?;
        let attempt = async {
            let granted = attest_agent(&link, prover.as_mut(), form, csr).await?;
            // Still as nobody in particular: everyone may have the bundle.
            let fetched = link
                .call(async |channel| fetch_bundle(channel, &config.trust_domain, &*context.clock).await)
                .await?;
            Ok((granted, fetched))
        };
        let (granted, fetched) = match attempt.await {
            Ok(granted) => granted,
            Err(error) => {
                self.give_up(key).await?;
                return Err(AgentError::Attestation(error));
            }
        };
        self.note_offset(fetched.offset);
        let svid = self.install(key, granted, Arc::new(fetched.bundle)).await?;
        self.must_attest = false;
        tracing::info!(
            event = telemetry::AGENT_ATTESTED,
            spiffe_id = %svid.spiffe_id(),
            form = %svid.form(),
            not_after = rfc3339(svid.not_after),
            reattestable = svid.reattestable,
            "attested"
        );
        let spiffe_id = svid.spiffe_id().clone();
        self.wear(svid).await;
        post_status(&self.context.link, &spiffe_id).await;
        Ok(())
    }

    /// Renews. Failing is no reason to stop: the present SVID still has half of its life.
    async fn renew(&mut self, svid: &OwnSvid) -> Result<(), Failure> {
        if svid.reattestable {
            return match self.try_to_attest().await {
                Ok(()) => Ok(()),
                Err(error) => self.not_attested_anew(svid, error),
            };
        }
        let bundle = self.context.cache.bundle();
        let Some(bundle) = bundle.or_else(|| self.resumed_bundle.clone().map(Arc::new)) else {
            return Ok(());
        };
        let form = self.own_form(&bundle);
        let (key, csr) = self.key_and_csr(form).await?;
        let granted = match renew_agent(&self.context.link, form, csr).await {
            Ok(granted) => granted,
            Err(error) => {
                self.give_up(key).await?;
                return self.not_renewed(svid, error);
            }
        };
        match self.install(key, granted, bundle).await {
            Ok(renewed) => {
                tracing::info!(
                    event = telemetry::AGENT_RENEWED,
                    spiffe_id = %renewed.spiffe_id(),
                    form = %renewed.form(),
                    not_after = rfc3339(renewed.not_after),
                    "renewed"
                );
                self.wear(renewed).await;
                Ok(())
            }
            Err(error @ AgentError::Granted(_)) => {
                tracing::error!(
                    event = telemetry::AGENT_RENEWAL_FAILED,
                    error = in_full(&error),
                    "not renewed"
                );
                self.put_off(None);
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The present SVID is good for as long as it lives, whatever has become of the evidence.
    fn not_attested_anew(&mut self, svid: &OwnSvid, error: AgentError) -> Result<(), Failure> {
        match error {
            AgentError::Attestation(error) if error.is_ban() => Err(self.banned(svid)),
            error @ AgentError::Defect(_) => Err(error.into()),
            error => {
                let wanted = match &error {
                    AgentError::Attestation(error) => error.retry_delay(),
                    _ => None,
                };
                self.put_off(wanted);
                let (event, error) = (telemetry::AGENT_RENEWAL_FAILED, in_full(&error));
                tracing::warn!(event, error, "not attested anew");
                Ok(())
            }
        }
    }

    fn not_renewed(&mut self, svid: &OwnSvid, error: CallError) -> Result<(), Failure> {
        if error.is_ban() {
            return Err(self.banned(svid));
        }
        self.must_attest = error.must_reattest();
        if !self.must_attest {
            self.put_off(error.retry_delay());
        }
        tracing::warn!(event = telemetry::AGENT_RENEWAL_FAILED, %error, "not renewed");
        Ok(())
    }

    /// The next SVID is asked for again, and not with every sync.
    fn put_off(&mut self, wanted: Option<Duration>) {
        let (backoff, now) = (self.backoff(), self.context.clock.now());
        self.renewal.failed(backoff, wanted, now);
    }

    /// Deletes what the agent was.
    pub(super) fn banned(&self, svid: &OwnSvid) -> Failure {
        let spiffe_id = svid.spiffe_id().clone();
        tracing::error!(event = telemetry::AGENT_BANNED, %spiffe_id, "the server has banned this agent");
        // Blocks, and nothing else is left to be done.
        Failure::End(match self.vault.forget() {
            Ok(()) => AgentError::Banned { spiffe_id },
            Err(error) => error,
        })
    }

    /// Calls the server as this from now on.
    pub(super) async fn wear(&mut self, svid: OwnSvid) {
        self.renewal = Renewal::default();
        self.context.link.present(svid.identity.clone()).await;
        self.context.status.send_modify(|status| {
            status.spiffe_id = Some(svid.spiffe_id().clone());
            status.form = Some(svid.form());
            status.not_after = Some(svid.not_after);
        });
        self.svid = Some(svid);
    }

    fn own_form(&self, bundle: &TrustBundle) -> Form {
        let composite = || bundle.authorities_of(Form::Composite).next().is_some();
        let default = || {
            if composite() {
                Form::Composite
            } else {
                Form::Classical
            }
        };
        self.context.config.form.unwrap_or_else(default)
    }

    pub(super) fn was_ready(&self) -> bool {
        !matches!(self.context.status.borrow().phase, Phase::Starting)
    }

    async fn key_and_csr(&self, form: Form) -> Result<(NewKey, Vec<u8>), AgentError> {
        let vault = self.vault.clone();
        blocking(move || {
            let key = vault.new_key(form)?;
            let csr = CsrBuilder::new(&key.signer).build();
            Ok((key, csr.map_err(|error| AgentError::Key(error.to_string()))?))
        })
        .await
    }

    async fn give_up(&self, key: NewKey) -> Result<(), AgentError> {
        let vault = self.vault.clone();
        blocking(move || {
            vault.give_up(&key.ids);
            Ok(())
        })
        .await
    }

    /// Checks and keeps what the server gave.
    async fn install(
        &self,
        key: NewKey,
        granted: Granted,
        bundle: Arc<TrustBundle>,
    ) -> Result<OwnSvid, AgentError> {
        let (vault, now) = (self.vault.clone(), self.context.clock.now());
        self.context.link.trust(BundleSet::from_iter([bundle.clone()]));
        let grant = Grant {
            chain: granted.chain,
            reattestable: granted.reattestable,
            bundle,
        };
        blocking(move || vault.install(key, grant, now)?.map_err(AgentError::Granted)).await
    }
}

/// Whether the server may take the same evidence later.
fn is_transient(error: &AgentError) -> bool {
    matches!(error, AgentError::Attestation(error) if error.is_transient())
}

/// Why fresh evidence is needed, if that is what is needed.
fn lacks_evidence(error: &AgentError) -> Option<String> {
    match error {
        AgentError::Evidence(error) => Some(error.to_string()),
        AgentError::Attestation(CallError::Status(status))
            if matches!(
                status.code(),
                Code::PermissionDenied
                    | Code::InvalidArgument
                    | Code::Unauthenticated
                    | Code::FailedPrecondition
            ) =>
        {
            Some(EvidenceError::Refused(status.message().to_owned()).to_string())
        }
        _ => None,
    }
}

/// An error with its causes.
pub(super) fn in_full(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(&format!(": {cause}"));
        next = cause.source();
    }
    text
}
