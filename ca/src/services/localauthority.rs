//! `spire.api.server.localauthority.v1.LocalAuthority`: the steps of authorities' lives by command. As in SPIRE they are
//! about JWT keys, WIT keys and X.509 authorities, by which the classical family is meant.

mod answer;

use std::sync::Arc;

use symbolon_api::spire::api::server::localauthority::v1 as api;
use symbolon_pki::suite::Family;
use tonic::{Request, Response, Status};

use self::answer::{State, message};
use super::Core;
use super::commanded::Command;
use crate::authorities::{CommandError, Step};
use crate::datastore::AuthorityState;
use crate::status::failure;
use crate::wire::family_below;

/// The service.
#[derive(Debug)]
pub(crate) struct LocalAuthorityService(pub(crate) Arc<Core>);

#[tonic::async_trait]
impl api::local_authority_server::LocalAuthority for LocalAuthorityService {
    async fn get_jwt_authority_state(
        &self,
        _request: Request<api::GetJwtAuthorityStateRequest>,
    ) -> Result<Response<api::GetJwtAuthorityStateResponse>, Status> {
        let State {
            active,
            prepared,
            old,
        } = self.state(Family::Jwt)?;
        Ok(Response::new(api::GetJwtAuthorityStateResponse {
            active,
            prepared,
            old,
        }))
    }

    async fn prepare_jwt_authority(
        &self,
        request: Request<api::PrepareJwtAuthorityRequest>,
    ) -> Result<Response<api::PrepareJwtAuthorityResponse>, Status> {
        let prepared_authority = Some(self.prepare(Family::Jwt, &request).await?);
        Ok(Response::new(api::PrepareJwtAuthorityResponse {
            prepared_authority,
        }))
    }

    async fn activate_jwt_authority(
        &self,
        request: Request<api::ActivateJwtAuthorityRequest>,
    ) -> Result<Response<api::ActivateJwtAuthorityResponse>, Status> {
        let id = request.get_ref().authority_id.clone();
        let activated_authority = Some(self.step(Family::Jwt, Step::Activate, &id, &request).await?);
        Ok(Response::new(api::ActivateJwtAuthorityResponse {
            activated_authority,
        }))
    }

    async fn taint_jwt_authority(
        &self,
        request: Request<api::TaintJwtAuthorityRequest>,
    ) -> Result<Response<api::TaintJwtAuthorityResponse>, Status> {
        let id = request.get_ref().authority_id.clone();
        let tainted_authority = Some(self.step(Family::Jwt, Step::Taint, &id, &request).await?);
        Ok(Response::new(api::TaintJwtAuthorityResponse {
            tainted_authority,
        }))
    }

    async fn revoke_jwt_authority(
        &self,
        request: Request<api::RevokeJwtAuthorityRequest>,
    ) -> Result<Response<api::RevokeJwtAuthorityResponse>, Status> {
        let id = request.get_ref().authority_id.clone();
        let revoked_authority = Some(self.step(Family::Jwt, Step::Revoke, &id, &request).await?);
        Ok(Response::new(api::RevokeJwtAuthorityResponse {
            revoked_authority,
        }))
    }

    async fn get_x509_authority_state(
        &self,
        _request: Request<api::GetX509AuthorityStateRequest>,
    ) -> Result<Response<api::GetX509AuthorityStateResponse>, Status> {
        let State {
            active,
            prepared,
            old,
        } = self.state(Family::Classical)?;
        Ok(Response::new(api::GetX509AuthorityStateResponse {
            active,
            prepared,
            old,
        }))
    }

    async fn prepare_x509_authority(
        &self,
        request: Request<api::PrepareX509AuthorityRequest>,
    ) -> Result<Response<api::PrepareX509AuthorityResponse>, Status> {
        let prepared_authority = Some(self.prepare(Family::Classical, &request).await?);
        Ok(Response::new(api::PrepareX509AuthorityResponse {
            prepared_authority,
        }))
    }

    async fn activate_x509_authority(
        &self,
        request: Request<api::ActivateX509AuthorityRequest>,
    ) -> Result<Response<api::ActivateX509AuthorityResponse>, Status> {
        let id = request.get_ref().authority_id.clone();
        let activated_authority = Some(
            self.step(Family::Classical, Step::Activate, &id, &request)
                .await?,
        );
        Ok(Response::new(api::ActivateX509AuthorityResponse {
            activated_authority,
        }))
    }

    async fn taint_x509_authority(
        &self,
        request: Request<api::TaintX509AuthorityRequest>,
    ) -> Result<Response<api::TaintX509AuthorityResponse>, Status> {
        let id = request.get_ref().authority_id.clone();
        let tainted_authority = Some(self.step(Family::Classical, Step::Taint, &id, &request).await?);
        Ok(Response::new(api::TaintX509AuthorityResponse {
            tainted_authority,
        }))
    }

    async fn taint_x509_upstream_authority(
        &self,
        request: Request<api::TaintX509UpstreamAuthorityRequest>,
    ) -> Result<Response<api::TaintX509UpstreamAuthorityResponse>, Status> {
        let id = request.get_ref().subject_key_id.clone();
        let upstream_authority_subject_key_id = self.step_upstream(Step::Taint, &id, &request).await?;
        Ok(Response::new(api::TaintX509UpstreamAuthorityResponse {
            upstream_authority_subject_key_id,
        }))
    }

    async fn revoke_x509_authority(
        &self,
        request: Request<api::RevokeX509AuthorityRequest>,
    ) -> Result<Response<api::RevokeX509AuthorityResponse>, Status> {
        let id = request.get_ref().authority_id.clone();
        let revoked_authority = Some(self.step(Family::Classical, Step::Revoke, &id, &request).await?);
        Ok(Response::new(api::RevokeX509AuthorityResponse {
            revoked_authority,
        }))
    }

    async fn revoke_x509_upstream_authority(
        &self,
        request: Request<api::RevokeX509UpstreamAuthorityRequest>,
    ) -> Result<Response<api::RevokeX509UpstreamAuthorityResponse>, Status> {
        let id = request.get_ref().subject_key_id.clone();
        let upstream_authority_subject_key_id = self.step_upstream(Step::Revoke, &id, &request).await?;
        Ok(Response::new(api::RevokeX509UpstreamAuthorityResponse {
            upstream_authority_subject_key_id,
        }))
    }

    async fn get_wit_authority_state(
        &self,
        _request: Request<api::GetWitAuthorityStateRequest>,
    ) -> Result<Response<api::GetWitAuthorityStateResponse>, Status> {
        let State {
            active,
            prepared,
            old,
        } = self.state(Family::Wit)?;
        Ok(Response::new(api::GetWitAuthorityStateResponse {
            active,
            prepared,
            old,
        }))
    }

    async fn prepare_wit_authority(
        &self,
        request: Request<api::PrepareWitAuthorityRequest>,
    ) -> Result<Response<api::PrepareWitAuthorityResponse>, Status> {
        let prepared_authority = Some(self.prepare(Family::Wit, &request).await?);
        Ok(Response::new(api::PrepareWitAuthorityResponse {
            prepared_authority,
        }))
    }

    async fn activate_wit_authority(
        &self,
        request: Request<api::ActivateWitAuthorityRequest>,
    ) -> Result<Response<api::ActivateWitAuthorityResponse>, Status> {
        let id = request.get_ref().authority_id.clone();
        let activated_authority = Some(self.step(Family::Wit, Step::Activate, &id, &request).await?);
        Ok(Response::new(api::ActivateWitAuthorityResponse {
            activated_authority,
        }))
    }

    async fn taint_wit_authority(
        &self,
        request: Request<api::TaintWitAuthorityRequest>,
    ) -> Result<Response<api::TaintWitAuthorityResponse>, Status> {
        let id = request.get_ref().authority_id.clone();
        let tainted_authority = Some(self.step(Family::Wit, Step::Taint, &id, &request).await?);
        Ok(Response::new(api::TaintWitAuthorityResponse {
            tainted_authority,
        }))
    }

    async fn revoke_wit_authority(
        &self,
        request: Request<api::RevokeWitAuthorityRequest>,
    ) -> Result<Response<api::RevokeWitAuthorityResponse>, Status> {
        let id = request.get_ref().authority_id.clone();
        let revoked_authority = Some(self.step(Family::Wit, Step::Revoke, &id, &request).await?);
        Ok(Response::new(api::RevokeWitAuthorityResponse {
            revoked_authority,
        }))
    }
}

impl LocalAuthorityService {
    /// The authorities of a family that commands can be about.
    fn state(&self, family: Family) -> Result<State, Status> {
        let authorities = &self.0.authorities;
        if !authorities.families().any(|configured| configured == family) {
            return Err(answer::of(CommandError::NotConfigured(family)));
        }
        let journal = authorities.journal();
        let in_state = |state: AuthorityState| {
            let mut records = journal.iter();
            let found = records.find(|record| record.family == family && record.state == state);
            found.map(message)
        };
        let active = in_state(AuthorityState::Active);
        if active.is_none() {
            return Err(answer::of(CommandError::NotReady(family)));
        }
        Ok(State {
            active,
            prepared: in_state(AuthorityState::Prepared),
            old: authorities.replaced(family).as_ref().map(message),
        })
    }

    async fn prepare<T>(&self, family: Family, request: &Request<T>) -> Result<api::AuthorityState, Status> {
        let command = Command::new("prepare", Some(family), "", request);
        let core = Arc::clone(&self.0);
        command
            .carry_out(async move {
                let outcome = core.authorities.prepare(family).await;
                let prepared = outcome.map(|record| message(&record)).map_err(answer::of)?;
                Ok((prepared.authority_id.clone(), prepared))
            })
            .await
    }

    /// A step with an authority above this server's: its subject key identifier as SPIRE writes it, in lower case.
    async fn step_upstream<T>(
        &self,
        step: Step,
        subject_key_id: &str,
        request: &Request<T>,
    ) -> Result<String, Status> {
        let root_id = subject_key_id.to_ascii_lowercase();
        let roots = self.0.datastore.upstream_roots().await;
        let roots = roots.map_err(|error| failure("the authorities above cannot be read", &error))?;
        let root = roots.iter().find(|root| root.root_id == root_id);
        let command = Command::new(step.name(), root.and_then(family_below), &root_id, request);
        let core = Arc::clone(&self.0);
        command
            .carry_out(async move {
                let outcome = core.authorities.step_upstream(step, &root_id).await;
                outcome.map_err(answer::of)?;
                Ok((root_id.clone(), root_id))
            })
            .await
    }

    async fn step<T>(
        &self,
        family: Family,
        step: Step,
        authority_id: &str,
        request: &Request<T>,
    ) -> Result<api::AuthorityState, Status> {
        let command = Command::new(step.name(), Some(family), authority_id, request);
        let (core, authority_id) = (Arc::clone(&self.0), authority_id.to_owned());
        command
            .carry_out(async move {
                if authority_id.is_empty() {
                    return Err(Status::invalid_argument("authority_id: no authority ID provided"));
                }
                let authorities = &core.authorities;
                let outcome = match authorities.step(family, step, &authority_id).await {
                    // As in SPIRE it may be any key of the bundle, be it of a server below this one.
                    Err(CommandError::Unknown { .. }) => {
                        let outcome = authorities.step_appended(family, step, &authority_id).await;
                        outcome.map(|key| answer::key_message(&key))
                    }
                    outcome => outcome.map(|record| message(&record)),
                };
                Ok((authority_id, outcome.map_err(answer::of)?))
            })
            .await
    }
}
