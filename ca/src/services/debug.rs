//! `spire.api.server.debug.v1.Debug`: what the server looks like from inside.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use symbolon_api::spire::api::server::debug::v1 as api;
use symbolon_api::spire::api::server::debug::v1::get_info_response::Cert;
use symbolon_pki::certificate::Certificate;
use symbolon_pki::suite::Form;
use tokio::sync::Mutex;
use tonic::{Request, Response, Status};

use super::Core;
use crate::datastore::{AgentFilter, EntryFilter, MAX_PAGE_SIZE, PageRequest};
use crate::wire::seconds;

/// As in SPIRE an answer serves for so long: each counts everything.
const KEPT: Duration = Duration::from_secs(5);

/// The service.
#[derive(Debug)]
pub(crate) struct DebugService {
    core: Arc<Core>,
    last: Mutex<Option<(SystemTime, api::GetInfoResponse)>>,
}

impl DebugService {
    /// The service, with nothing looked at yet.
    pub(crate) fn new(core: Arc<Core>) -> Self {
        Self {
            core,
            last: Mutex::default(),
        }
    }
}

#[tonic::async_trait]
impl api::debug_server::Debug for DebugService {
    async fn get_info(
        &self,
        _request: Request<api::GetInfoRequest>,
    ) -> Result<Response<api::GetInfoResponse>, Status> {
        let now = self.core.clock.now();
        // Held while the answer is made: whoever asks meanwhile gets the same.
        let mut last = self.last.lock().await;
        if let Some((at, info)) = &*last
            && now.duration_since(*at).is_ok_and(|age| age < KEPT)
        {
            return Ok(Response::new(info.clone()));
        }
        let info = look(&self.core, now).await?;
        *last = Some((now, info.clone()));
        Ok(Response::new(info))
    }
}

async fn look(core: &Core, now: SystemTime) -> Result<api::GetInfoResponse, Status> {
    let count = |count: u64| i32::try_from(count).unwrap_or(i32::MAX);
    let agents = core.datastore.count_agents(&AgentFilter::default()).await?;
    let entries = core.datastore.count_entries(&EntryFilter::default()).await?;
    let uptime = now.duration_since(core.started_at).unwrap_or_default();
    Ok(api::GetInfoResponse {
        svid_chain: chain(core)?,
        uptime: i32::try_from(uptime.as_secs()).unwrap_or(i32::MAX),
        agents_count: count(agents),
        entries_count: count(entries),
        federated_bundles_count: count(bundles(core).await?),
    })
}

/// As SPIRE counts them: those of other trust domains and the own one.
async fn bundles(core: &Core) -> Result<u64, Status> {
    let mut count = 1;
    let mut request = PageRequest::first(MAX_PAGE_SIZE);
    loop {
        let page = core.datastore.list_federated_bundles(&request).await?;
        count += page.items.len() as u64;
        match page.next {
            Some(next) => request = request.after(next),
            None => return Ok(count),
        }
    }
}

/// The SVID that stock agents see, and the authority that it leads to.
fn chain(core: &Core) -> Result<Vec<Cert>, Status> {
    let identities = core.identity.source().identities();
    let Some(identity) = identities
        .iter()
        .find(|identity| identity.form() == Form::Classical)
    else {
        return Err(Status::failed_precondition("the server has no classical SVID"));
    };
    let read = |der: &[u8]| {
        Certificate::from_der(der)
            .map_err(|error| crate::status::failure("the server's own SVID cannot be read", &error))
    };
    let mut chain = identity
        .chain()
        .iter()
        .map(|der| read(der))
        .collect::<Result<Vec<_>, _>>()?;
    let issuer = chain.last().and_then(Certificate::akid).copied();
    let bundle = core.authorities.bundle();
    let authority = issuer.and_then(|issuer| bundle.x509_authority(&issuer));
    chain.extend(authority.map(|authority| authority.certificate.clone()));
    let message = |certificate: &Certificate| Cert {
        id: certificate.spiffe_id().ok().map(|id| (&id).into()),
        expires_at: seconds(certificate.not_after()),
        subject: certificate.subject(),
    };
    Ok(chain.iter().map(message).collect())
}
