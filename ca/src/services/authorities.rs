//! `symbolon.server.v1.Authorities`: the steps of authorities' lives by command, in every family, and what families are to
//! be.

use std::sync::Arc;
use std::time::Duration;

use symbolon_api::symbolon::server::v1 as api;
use symbolon_hsm::StoreName;
use symbolon_pki::bundle::JwtAuthority;
use symbolon_pki::suite::{Family, Suite};
use symbolon_pki::text::printable;
use tonic::{Request, Response, Status};

use super::Core;
use super::commanded::{Command, in_full};
use crate::authorities::{AuthoritiesError, CommandError, Rotation, Step};
use crate::datastore::{AuthorityRecord, AuthorityState, UpstreamRoot};
use crate::status::failure;
use crate::wire::{
    authority_message, family_below, plan_message, request_message, root_message, seconds, upstream_message,
};

/// Longest notice that an authority may be published before it signs.
const MOST_NOTICE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Most stores that can be named: more than any key has components.
const MOST_STORES: usize = 8;

/// The service.
#[derive(Debug)]
pub(crate) struct AuthoritiesService(pub(crate) Arc<Core>);

#[tonic::async_trait]
impl api::authorities_server::Authorities for AuthoritiesService {
    async fn list_authorities(
        &self,
        request: Request<api::ListAuthoritiesRequest>,
    ) -> Result<Response<api::ListAuthoritiesResponse>, Status> {
        let wanted = match request.get_ref().family.as_str() {
            "" => None,
            name => Some(family(name)?),
        };
        let (authorities, datastore) = (&self.0.authorities, &self.0.datastore);
        let unread = |error| failure("the authorities cannot be read", &error);
        let above = datastore.upstream_roots().await.map_err(unread)?;
        let awaited = datastore.authority_requests().await.map_err(unread)?;
        let is_wanted = |family: Family| wanted.is_none_or(|wanted| wanted == family);
        let is_above = |root: &&UpstreamRoot| family_below(root).map_or(wanted.is_none(), is_wanted);
        let journal = authorities.journal();
        let records = journal.iter().filter(|record| is_wanted(record.family));
        let families = authorities.families().filter(|family| is_wanted(*family));
        Ok(Response::new(api::ListAuthoritiesResponse {
            authorities: records.map(authority_message).collect(),
            families: families
                .filter_map(|family| authorities.plan(family))
                .map(|plan| plan_message(&plan))
                .collect(),
            upstream: above
                .iter()
                .filter(is_above)
                .map(|root| upstream_message(root, &journal))
                .collect(),
            requests: awaited
                .iter()
                .filter(|request| is_wanted(request.family))
                .map(request_message)
                .collect(),
        }))
    }

    async fn get_authority(
        &self,
        request: Request<api::GetAuthorityRequest>,
    ) -> Result<Response<api::GetAuthorityResponse>, Status> {
        let id = authority_id(&request.get_ref().authority_id)?;
        let journal = self.0.authorities.journal();
        let found = journal.iter().find(|record| record.authority_id == id);
        let found = found.ok_or_else(|| unknown(id))?;
        Ok(Response::new(api::GetAuthorityResponse {
            authority: Some(authority_message(found)),
        }))
    }

    async fn prepare_authority(
        &self,
        request: Request<api::PrepareAuthorityRequest>,
    ) -> Result<Response<api::PrepareAuthorityResponse>, Status> {
        let family = family(&request.get_ref().family)?;
        let core = Arc::clone(&self.0);
        let prepared = Command::new("prepare", Some(family), "", &request)
            .carry_out(async move {
                let made = core.authorities.prepare(family).await.map_err(status)?;
                Ok((made.authority_id.clone(), made))
            })
            .await?;
        Ok(Response::new(api::PrepareAuthorityResponse {
            authority: Some(authority_message(&prepared)),
        }))
    }

    async fn activate_authority(
        &self,
        request: Request<api::ActivateAuthorityRequest>,
    ) -> Result<Response<api::ActivateAuthorityResponse>, Status> {
        let id = request.get_ref().authority_id.clone();
        let authority = Some(self.step(Step::Activate, &id, &request).await?);
        Ok(Response::new(api::ActivateAuthorityResponse { authority }))
    }

    async fn taint_authority(
        &self,
        request: Request<api::TaintAuthorityRequest>,
    ) -> Result<Response<api::TaintAuthorityResponse>, Status> {
        let id = request.get_ref().authority_id.clone();
        let authority = Some(self.step(Step::Taint, &id, &request).await?);
        Ok(Response::new(api::TaintAuthorityResponse { authority }))
    }

    async fn revoke_authority(
        &self,
        request: Request<api::RevokeAuthorityRequest>,
    ) -> Result<Response<api::RevokeAuthorityResponse>, Status> {
        let id = request.get_ref().authority_id.clone();
        let authority = Some(self.step(Step::Revoke, &id, &request).await?);
        Ok(Response::new(api::RevokeAuthorityResponse { authority }))
    }

    async fn rotate_authority(
        &self,
        request: Request<api::RotateAuthorityRequest>,
    ) -> Result<Response<api::RotateAuthorityResponse>, Status> {
        let family = family(&request.get_ref().family)?;
        let command = Command::new("rotate", Some(family), "", &request);
        let rotation = read(request.get_ref(), command.caller());
        let core = Arc::clone(&self.0);
        let done = command
            .carry_out(async move {
                let done = core
                    .authorities
                    .rotate(family, &rotation?)
                    .await
                    .map_err(status)?;
                let id = done.prepared.as_ref().map(|made| made.authority_id.clone());
                Ok((id.unwrap_or_default(), done))
            })
            .await?;
        Ok(Response::new(api::RotateAuthorityResponse {
            authority: done.prepared.as_ref().map(authority_message),
            plan: Some(plan_message(&done.plan)),
            awaited: done.is_awaited,
        }))
    }
}

impl AuthoritiesService {
    async fn step<T>(&self, step: Step, id: &str, request: &Request<T>) -> Result<api::Authority, Status> {
        let journal = self.0.authorities.journal();
        let own = journal.iter().find(|record| record.authority_id == id);
        let roots = match own {
            Some(_) => Vec::new(),
            None => self
                .0
                .datastore
                .upstream_roots()
                .await
                .map_err(|error| failure("the authorities above cannot be read", &error))?,
        };
        let root = roots.into_iter().find(|root| root.root_id == id);
        let own = own.map(|record| record.family);
        let family = own.or_else(|| root.as_ref().and_then(family_below));
        let command = Command::new(step.name(), family, id, request);
        let (core, id) = (Arc::clone(&self.0), id.to_owned());
        command
            .carry_out(async move {
                authority_id(&id)?;
                let done = match (own, root) {
                    (Some(family), _) => taken(&core, family, step, &id).await?,
                    (None, Some(root)) => taken_above(&core, step, &root).await?,
                    (None, None) => taken_by_others_key(&core, step, &id).await?,
                };
                Ok((id, done))
            })
            .await
    }
}

async fn taken(core: &Core, family: Family, step: Step, id: &str) -> Result<api::Authority, Status> {
    let done: AuthorityRecord = core.authorities.step(family, step, id).await.map_err(status)?;
    Ok(authority_message(&done))
}

/// A step with an authority above this server's.
async fn taken_above(core: &Core, step: Step, root: &UpstreamRoot) -> Result<api::Authority, Status> {
    let done = core.authorities.step_upstream(step, &root.root_id).await;
    done.map_err(status)?;
    Ok(root_message(root, step.to()))
}

/// A step with a key that others put into the bundle: those sign tokens.
async fn taken_by_others_key(core: &Core, step: Step, id: &str) -> Result<api::Authority, Status> {
    for family in [Family::Jwt, Family::Wit] {
        match core.authorities.step_appended(family, step, id).await {
            Ok(key) => return Ok(key_message(family, step.to(), &key)),
            Err(CommandError::Unknown { .. }) => {}
            Err(error) => return Err(status(error)),
        }
    }
    Err(unknown(id))
}

/// A key that others put into the bundle. No more is known of it.
fn key_message(family: Family, state: AuthorityState, key: &JwtAuthority) -> api::Authority {
    let state = match state {
        AuthorityState::Revoked => api::AuthorityState::Revoked,
        _ => api::AuthorityState::Tainted,
    };
    api::Authority {
        family: family.to_string(),
        suite: key.public_key.algorithm_name(),
        authority_id: key.key_id.clone(),
        state: state.into(),
        not_after: key.expires_at.map(seconds).unwrap_or_default(),
        ..api::Authority::default()
    }
}

/// Reads what a family is to become.
fn read(request: &api::RotateAuthorityRequest, by: String) -> Result<Rotation, Status> {
    let suite = |field: &str, name: &str| match name {
        "" => Ok(None),
        name => {
            let suite = name.parse::<Suite>();
            suite
                .map(Some)
                .map_err(|_| Status::invalid_argument(format!("{field}: {:?} is no suite", printable(name))))
        }
    };
    if request.stores.len() > MOST_STORES {
        let message = format!(
            "stores: there are {}; no key has so many parts",
            request.stores.len()
        );
        return Err(Status::invalid_argument(message));
    }
    let store = |name: &String| {
        let parsed = StoreName::parse(name);
        parsed.map_err(|error| Status::invalid_argument(format!("stores: {:?}: {error}", printable(name))))
    };
    let notice = request.notice.map(|seconds| Duration::from_secs(seconds.into()));
    if notice.is_some_and(|notice| notice > MOST_NOTICE) {
        return Err(Status::invalid_argument("notice: it can be a week at most"));
    }
    let rotation = Rotation {
        suite: suite("suite", &request.suite)?,
        alternative: suite("alternative", &request.alternative)?,
        stores: request.stores.iter().map(store).collect::<Result<_, _>>()?,
        notice,
        gives_up_request: request.give_up_request,
        by,
    };
    let is_empty = rotation.suite.is_none() && rotation.alternative.is_none() && rotation.stores.is_empty();
    match is_empty {
        true => Err(Status::invalid_argument(
            "none of suite, alternative and stores says what the family is to become",
        )),
        false => Ok(rotation),
    }
}

fn family(name: &str) -> Result<Family, Status> {
    let found = Family::ALL.into_iter().find(|family| family.name() == name);
    found.ok_or_else(|| {
        let names: Vec<_> = Family::ALL.iter().map(|family| family.name()).collect();
        let name = printable(name);
        Status::invalid_argument(format!("family: {name:?} is not one of {}", names.join(", ")))
    })
}

fn authority_id(id: &str) -> Result<&str, Status> {
    match id {
        "" => Err(Status::invalid_argument("authority_id: it is empty")),
        id => Ok(id),
    }
}

fn unknown(id: &str) -> Status {
    Status::not_found(format!(
        "authority_id: this server has no authority {:?}",
        printable(id)
    ))
}

/// The status of a command that changed nothing.
fn status(error: CommandError) -> Status {
    let message = in_full(&error);
    match error {
        CommandError::NotConfigured(_)
        | CommandError::WrongState { .. }
        | CommandError::NotYet { .. }
        | CommandError::Expired { .. }
        | CommandError::Fallen { .. }
        | CommandError::Already { .. }
        | CommandError::Requested { .. }
        | CommandError::BelowUpstream { .. }
        | CommandError::NoUpstream
        | CommandError::UpstreamInUse { .. }
        | CommandError::TooMany { .. } => Status::failed_precondition(message),
        CommandError::NotReady(_) => Status::unavailable(message),
        CommandError::Unknown { .. } | CommandError::UnknownUpstream { .. } => Status::not_found(message),
        CommandError::Unsuitable(_) => Status::invalid_argument(message),
        // Whoever gave the command is who can do something about what stands above the server.
        CommandError::Failed(AuthoritiesError::Upstream { .. } | AuthoritiesError::Awaited { .. }) => {
            Status::failed_precondition(message)
        }
        other => failure("the authority could not be changed", &other),
    }
}
