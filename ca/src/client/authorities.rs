//! Authorities: how they stand, and the steps of their lives.

use std::time::Duration;

use symbolon_api::MAX_MESSAGE;
use symbolon_api::symbolon::server::v1 as api;
use symbolon_api::symbolon::server::v1::authorities_client::AuthoritiesClient;
use symbolon_hsm::StoreName;
use symbolon_pki::suite::{Family, Suite};
use tonic::transport::Channel;

use super::{Client, ClientError};
use crate::authorities::Step;
use crate::views::{AuthoritiesView, AuthorityDetail, RotationView};

/// What a family is to become.
#[derive(Clone, Debug, Default)]
pub struct RotationSpec {
    /// The suite it is to sign with, if that is to change.
    pub suite: Option<Suite>,
    /// The suite of its alternative key, if that is to change.
    pub alternative: Option<Suite>,
    /// The stores its keys are to be kept in, if those are to change.
    pub stores: Vec<StoreName>,
    /// How long the next authority is published before it signs; the server's choice where there is none.
    pub notice: Option<Duration>,
    /// Whether the request for a certificate that somebody is to bring is given up, where it is for what the family was to
    /// be.
    pub gives_up_request: bool,
}

impl Client {
    /// The authorities of a family or of all, and what the families are to be.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn list_authorities(&self, family: Option<Family>) -> Result<AuthoritiesView, ClientError> {
        let family = family.map(|family| family.name().to_owned());
        let request = api::ListAuthoritiesRequest {
            family: family.unwrap_or_default(),
        };
        let answer = self.authorities_client().list_authorities(request).await?;
        Ok(answer.into_inner().into())
    }

    /// One authority.
    ///
    /// # Errors
    /// [`ClientError`]; not found is [`ClientError::Refused`].
    pub async fn get_authority(&self, authority_id: &str) -> Result<AuthorityDetail, ClientError> {
        let request = api::GetAuthorityRequest {
            authority_id: authority_id.to_owned(),
        };
        let answer = self.authorities_client().get_authority(request).await?;
        detail(answer.into_inner().authority)
    }

    /// Makes and publishes the next authority of a family.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn prepare_authority(&self, family: Family) -> Result<AuthorityDetail, ClientError> {
        let request = api::PrepareAuthorityRequest {
            family: family.name().to_owned(),
        };
        let answer = self.authorities_client().prepare_authority(request).await?;
        detail(answer.into_inner().authority)
    }

    /// Takes a step with an authority.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn step_authority(
        &self,
        step: Step,
        authority_id: &str,
    ) -> Result<AuthorityDetail, ClientError> {
        let mut client = self.authorities_client();
        let authority_id = authority_id.to_owned();
        let authority = match step {
            Step::Activate => {
                let request = api::ActivateAuthorityRequest { authority_id };
                client.activate_authority(request).await?.into_inner().authority
            }
            Step::Taint => {
                let request = api::TaintAuthorityRequest { authority_id };
                client.taint_authority(request).await?.into_inner().authority
            }
            Step::Revoke => {
                let request = api::RevokeAuthorityRequest { authority_id };
                client.revoke_authority(request).await?.into_inner().authority
            }
        };
        detail(authority)
    }

    /// Changes what a family signs with, or where its keys are kept, for good.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn rotate_authority(
        &self,
        family: Family,
        spec: &RotationSpec,
    ) -> Result<RotationView, ClientError> {
        let suite = |suite: Option<Suite>| suite.map(|suite| suite.name().to_owned()).unwrap_or_default();
        let notice = spec.notice.map(|notice| u32::try_from(notice.as_secs()));
        let request = api::RotateAuthorityRequest {
            family: family.name().to_owned(),
            suite: suite(spec.suite),
            alternative: suite(spec.alternative),
            stores: spec.stores.iter().map(ToString::to_string).collect(),
            notice: notice
                .transpose()
                .map_err(|_| ClientError::Argument("the notice is too long".to_owned()))?,
            give_up_request: spec.gives_up_request,
        };
        let answer = self.authorities_client().rotate_authority(request).await?;
        Ok(answer.into_inner().into())
    }

    fn authorities_client(&self) -> AuthoritiesClient<Channel> {
        AuthoritiesClient::new(self.channel.clone()).max_decoding_message_size(MAX_MESSAGE)
    }
}

fn detail(authority: Option<api::Authority>) -> Result<AuthorityDetail, ClientError> {
    authority
        .map(AuthorityDetail::from)
        .ok_or_else(|| ClientError::Answer("it has no authority".to_owned()))
}
