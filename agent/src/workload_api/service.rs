//! The methods.

use std::sync::Arc;
use std::time::Duration;

use symbolon_api::spiffe::workload as wire;
use symbolon_api::spiffe::workload::spiffe_workload_api_server::SpiffeWorkloadApi;
use symbolon_pki::suite::Form;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::caller::{Attestation, Caller, Wanted};
use super::jwt;
use super::minting::Minting;
use super::updates::{JwtBundles, Updates, X509Bundles, X509Svids, begin};
use crate::agent::Context;
use crate::cache::Matches;
use crate::status::Phase;

/// Longest wait for a sync that may bring the caller an identity.
const SYNC_PATIENCE: Duration = Duration::from_secs(2);

/// The service; see [`serve`](super::serve). Copies share it.
#[derive(Clone, Debug)]
pub(super) struct WorkloadApi {
    pub(super) context: Arc<Context>,
    pub(super) cancel: CancellationToken,
    pub(super) minting: Minting,
    attestation: Attestation,
}

impl WorkloadApi {
    pub(super) fn new(context: Arc<Context>, cancel: CancellationToken) -> Self {
        Self {
            context,
            cancel,
            minting: Minting::new(),
            attestation: Attestation::new(),
        }
    }

    pub(super) fn caller<T>(
        &self,
        request: &Request<T>,
        method: &'static str,
    ) -> Result<(Caller, Wanted), Status> {
        let caller = Caller::of(
            request.metadata(),
            request.extensions(),
            self.attestation.clone(),
            method,
        )?;
        Ok((caller, Wanted::of(request.metadata())?))
    }

    /// What the caller gets, in these forms.
    ///
    /// # Errors
    /// `PermissionDenied` if that is nothing, `Unavailable` if it cannot be told yet.
    pub(super) async fn find(&self, caller: &Caller, forms: &[Form]) -> Result<Matches, Status> {
        match self.find_any(caller, forms).await? {
            found if found.entries.is_empty() => Err(no_identity(caller)),
            found => Ok(found),
        }
    }

    /// As [`find`](Self::find), for a new caller: its entry may be younger than the last sync.
    pub(super) async fn find_or_sync(&self, caller: &Caller, forms: &[Form]) -> Result<Matches, Status> {
        let found = self.find_any(caller, forms).await?;
        if !found.entries.is_empty() {
            return Ok(found);
        }
        let mut status = self.context.status.subscribe();
        let (syncs, failing) = {
            let status = status.borrow_and_update();
            (status.syncs, status.last_error.is_some())
        };
        if failing {
            return Err(no_identity(caller));
        }
        self.context.nudge.notify_one();
        let synced = status.wait_for(|status| status.syncs > syncs || status.last_error.is_some());
        let synced = matches!(tokio::time::timeout(SYNC_PATIENCE, synced).await, Ok(Ok(_)));
        match synced {
            true => self.find(caller, forms).await,
            false => Err(no_identity(caller)),
        }
    }

    async fn find_any(&self, caller: &Caller, forms: &[Form]) -> Result<Matches, Status> {
        let context = &self.context;
        let starting = matches!(context.status.borrow().phase, Phase::Starting);
        let not_ready = || Status::unavailable("the agent has not been in sync with its server yet");
        if starting {
            return Err(not_ready());
        }
        let selectors = caller.selectors(context.cache.asked()).await?;
        let found = context.cache.matches(&selectors, forms, context.clock.now());
        found.ok_or_else(not_ready)
    }
}

fn no_identity(caller: &Caller) -> Status {
    caller.deny(&"no identity issued")
}

#[tonic::async_trait]
impl SpiffeWorkloadApi for WorkloadApi {
    type FetchX509SVIDStream = Updates<wire::X509svidResponse>;
    type FetchX509BundlesStream = Updates<wire::X509BundlesResponse>;
    type FetchJWTBundlesStream = Updates<wire::JwtBundlesResponse>;
    type FetchWITSVIDStream = Updates<wire::WitsvidResponse>;
    type FetchWITBundlesStream = Updates<wire::WitBundlesResponse>;

    async fn fetch_x509svid(
        &self,
        request: Request<wire::X509svidRequest>,
    ) -> Result<Response<Self::FetchX509SVIDStream>, Status> {
        let (caller, wanted) = self.caller(&request, "FetchX509SVID")?;
        let updates = begin(
            Arc::new(self.clone()),
            caller,
            wanted,
            X509Svids(self.context.clone()),
        )
        .await?;
        Ok(Response::new(updates))
    }

    async fn fetch_x509_bundles(
        &self,
        request: Request<wire::X509BundlesRequest>,
    ) -> Result<Response<Self::FetchX509BundlesStream>, Status> {
        let (caller, wanted) = self.caller(&request, "FetchX509Bundles")?;
        let updates = begin(Arc::new(self.clone()), caller, wanted, X509Bundles).await?;
        Ok(Response::new(updates))
    }

    async fn fetch_jwtsvid(
        &self,
        request: Request<wire::JwtsvidRequest>,
    ) -> Result<Response<wire::JwtsvidResponse>, Status> {
        let (caller, _) = self.caller(&request, "FetchJWTSVID")?;
        let svids = jwt::fetch(self, &caller, request.into_inner()).await?;
        Ok(Response::new(wire::JwtsvidResponse { svids }))
    }

    async fn fetch_jwt_bundles(
        &self,
        request: Request<wire::JwtBundlesRequest>,
    ) -> Result<Response<Self::FetchJWTBundlesStream>, Status> {
        let (caller, wanted) = self.caller(&request, "FetchJWTBundles")?;
        let updates = begin(Arc::new(self.clone()), caller, wanted, JwtBundles).await?;
        Ok(Response::new(updates))
    }

    async fn validate_jwtsvid(
        &self,
        request: Request<wire::ValidateJwtsvidRequest>,
    ) -> Result<Response<wire::ValidateJwtsvidResponse>, Status> {
        // Everyone may have a token of this trust domain verified, as with SPIRE; who has entries that federate, those of
        // the others as well.
        let (caller, _) = self.caller(&request, "ValidateJWTSVID")?;
        let federated = match self.find_any(&caller, &[]).await {
            Ok(found) => found.federated,
            Err(status) => {
                tracing::debug!(%status, "a caller who is nobody in particular has a token verified");
                Vec::new()
            }
        };
        jwt::validate(self, &request.into_inner(), federated).map(Response::new)
    }

    async fn fetch_witsvid(
        &self,
        request: Request<wire::WitsvidRequest>,
    ) -> Result<Response<Self::FetchWITSVIDStream>, Status> {
        self.caller(&request, "FetchWITSVID")?;
        Err(Status::unimplemented("WIT-SVIDs are not served"))
    }

    async fn fetch_wit_bundles(
        &self,
        request: Request<wire::WitBundlesRequest>,
    ) -> Result<Response<Self::FetchWITBundlesStream>, Status> {
        self.caller(&request, "FetchWITBundles")?;
        Err(Status::unimplemented("WIT bundles are not served"))
    }
}
