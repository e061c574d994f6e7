//! `spire.api.server.trustdomain.v1.TrustDomain`: which trust domains' bundles are fetched, and from where.

use std::sync::Arc;

use futures_util::TryStreamExt as _;
use futures_util::stream::{self, StreamExt as _};
use symbolon_api::spire::api::server::trustdomain::v1 as api;
use symbolon_api::spire::api::types;
use symbolon_pki::bundle::TrustBundle;
use symbolon_pki::suite::Form;
use tonic::{Request, Response, Status};

use super::paging::{Wanted, page};
use super::reply::Reply;
use super::{Core, check_batch, ok};
use crate::datastore::{
    BundleParts, DatastoreError, FederationProfile, FederationRecord, Page, Result as StoreResult,
};
use crate::federation::{RefreshError, without_query};
use crate::telemetry::{FEDERATION_CREATED, FEDERATION_DELETED, FEDERATION_UPDATED};
use crate::wire::{federation_change, federation_message, forms_of, read_federation, trust_domain};

/// The service.
#[derive(Debug)]
pub(crate) struct TrustDomainService(pub(crate) Arc<Core>);

/// A relationship and the bundle that is held.
type WithBundle = (FederationRecord, Option<TrustBundle>);

#[tonic::async_trait]
impl api::trust_domain_server::TrustDomain for TrustDomainService {
    async fn list_federation_relationships(
        &self,
        request: Request<api::ListFederationRelationshipsRequest>,
    ) -> Result<Response<api::ListFederationRelationshipsResponse>, Status> {
        let forms = forms_of(request.metadata())?;
        let api::ListFederationRelationshipsRequest {
            output_mask,
            page_size,
            page_token,
        } = request.into_inner();
        let wanted = Wanted::read(page_size, &page_token)?;
        let shows_bundle = output_mask.as_ref().is_none_or(|mask| mask.trust_domain_bundle);
        let fetch = |request| async move {
            let found = self.0.datastore.list_federation(&request).await?;
            // A bundle that is not shown is not read.
            let items = stream::iter(found.items).then(move |federation| async move {
                match shows_bundle {
                    true => self.with_bundle(federation).await,
                    false => Ok((federation, None)),
                }
            });
            Ok(Page {
                items: items.try_collect().await?,
                next: found.next,
            })
        };
        let message = |(federation, bundle): WithBundle| {
            federation_message(&federation, bundle.as_ref(), output_mask.as_ref(), &forms)
        };
        let (federation_relationships, next_page_token) = page(wanted, message, fetch).await?;
        Ok(Response::new(api::ListFederationRelationshipsResponse {
            federation_relationships,
            next_page_token,
        }))
    }

    async fn get_federation_relationship(
        &self,
        request: Request<api::GetFederationRelationshipRequest>,
    ) -> Result<Response<types::FederationRelationship>, Status> {
        let forms = forms_of(request.metadata())?;
        let request = request.into_inner();
        let name = trust_domain("trust_domain", &request.trust_domain)?;
        let found = self.0.datastore.federation(&name).await?;
        let found = found.ok_or_else(|| no_relationship(&name))?;
        self.message(found, request.output_mask.as_ref(), &forms)
            .await
            .map(Response::new)
    }

    async fn batch_create_federation_relationship(
        &self,
        request: Request<api::BatchCreateFederationRelationshipRequest>,
    ) -> Result<Response<api::BatchCreateFederationRelationshipResponse>, Status> {
        let forms = forms_of(request.metadata())?;
        let request = request.into_inner();
        check_batch("federation_relationships", request.federation_relationships.len())?;
        let mut results = Vec::with_capacity(request.federation_relationships.len());
        let mut reply = Reply::of(request.federation_relationships.len());
        for relationship in &request.federation_relationships {
            let made = self
                .create(relationship, request.output_mask.as_ref(), &forms)
                .await;
            let (status, federation_relationship) = reply.take(result(made));
            results.push(api::batch_create_federation_relationship_response::Result {
                status,
                federation_relationship,
            });
        }
        Ok(Response::new(api::BatchCreateFederationRelationshipResponse {
            results,
        }))
    }

    async fn batch_update_federation_relationship(
        &self,
        request: Request<api::BatchUpdateFederationRelationshipRequest>,
    ) -> Result<Response<api::BatchUpdateFederationRelationshipResponse>, Status> {
        let forms = forms_of(request.metadata())?;
        let request = request.into_inner();
        check_batch("federation_relationships", request.federation_relationships.len())?;
        let mut results = Vec::with_capacity(request.federation_relationships.len());
        let mut reply = Reply::of(request.federation_relationships.len());
        for relationship in &request.federation_relationships {
            let masks = (request.input_mask.as_ref(), request.output_mask.as_ref());
            let updated = self.update(relationship, masks, &forms).await;
            let (status, federation_relationship) = reply.take(result(updated));
            results.push(api::batch_update_federation_relationship_response::Result {
                status,
                federation_relationship,
            });
        }
        Ok(Response::new(api::BatchUpdateFederationRelationshipResponse {
            results,
        }))
    }

    async fn batch_delete_federation_relationship(
        &self,
        request: Request<api::BatchDeleteFederationRelationshipRequest>,
    ) -> Result<Response<api::BatchDeleteFederationRelationshipResponse>, Status> {
        let names = request.into_inner().trust_domains;
        check_batch("trust_domains", names.len())?;
        let mut results = Vec::with_capacity(names.len());
        for trust_domain in names {
            let status = match self.delete(&trust_domain).await {
                Ok(()) => ok(),
                Err(status) => (&status).into(),
            };
            results.push(api::batch_delete_federation_relationship_response::Result {
                status: Some(status),
                trust_domain,
            });
        }
        Ok(Response::new(api::BatchDeleteFederationRelationshipResponse {
            results,
        }))
    }

    async fn refresh_bundle(
        &self,
        request: Request<api::RefreshBundleRequest>,
    ) -> Result<Response<()>, Status> {
        let name = request.into_inner().trust_domain;
        let name = trust_domain("trust_domain", &name)?;
        match self.0.federation.refresh(&name).await {
            Ok(_) => Ok(Response::new(())),
            Err(RefreshError::NoRelationship(_)) => Err(no_relationship(&name)),
            Err(RefreshError::Datastore(error)) => Err(error.into()),
            // As in SPIRE. The reason is the operator's to see: it is an operator who asks.
            Err(error @ (RefreshError::Fetch { .. } | RefreshError::Older { .. })) => {
                Err(Status::internal(error.to_string()))
            }
        }
    }
}

impl TrustDomainService {
    async fn create(
        &self,
        message: &types::FederationRelationship,
        mask: Option<&types::FederationRelationshipMask>,
        forms: &[Form],
    ) -> Result<types::FederationRelationship, Status> {
        let (federation, bundle) = read_federation(message, &self.0.trust_domain)?;
        let parts = BundleParts::seen(forms);
        let with = bundle.as_ref().map(|bundle| (bundle, &parts));
        match self.0.datastore.create_federation(&federation, with).await {
            Err(DatastoreError::AlreadyExists { .. }) => {
                return Err(Status::already_exists(format!(
                    "trust_domain: there is a federation relationship with {} already",
                    federation.trust_domain
                )));
            }
            outcome => outcome?,
        }
        tracing::info!(
            event = FEDERATION_CREATED,
            trust_domain = %federation.trust_domain,
            url = without_query(&federation.endpoint_url),
            profile = federation.profile.name(),
        );
        self.made(federation, mask, forms).await
    }

    async fn update(
        &self,
        message: &types::FederationRelationship,
        (input, output): (
            Option<&types::FederationRelationshipMask>,
            Option<&types::FederationRelationshipMask>,
        ),
        forms: &[Form],
    ) -> Result<types::FederationRelationship, Status> {
        let (trust_domain, change, bundle) = federation_change(message, input, &self.0.trust_domain)?;
        let parts = BundleParts::seen(forms);
        let with = bundle.as_ref().map(|bundle| (bundle, &parts));
        let store = &self.0.datastore;
        let federation = match store.update_federation(&trust_domain, &change, with).await {
            Err(DatastoreError::NotFound { .. }) => return Err(no_relationship(&trust_domain)),
            outcome => outcome?,
        };
        tracing::info!(
            event = FEDERATION_UPDATED,
            %trust_domain,
            url = without_query(&federation.endpoint_url),
            profile = federation.profile.name(),
        );
        self.made(federation, output, forms).await
    }

    async fn delete(&self, name: &str) -> Result<(), Status> {
        let name = trust_domain("trust_domains", name)?;
        match self.0.datastore.delete_federation(&name).await {
            Err(DatastoreError::NotFound { .. }) => return Err(no_relationship(&name)),
            outcome => outcome?,
        }
        self.0.federation.relationship_changed(&name);
        tracing::info!(event = FEDERATION_DELETED, trust_domain = %name);
        Ok(())
    }

    /// What is answered for a relationship that is new or another now, after it was seen to that its bundle is fetched.
    async fn made(
        &self,
        federation: FederationRecord,
        mask: Option<&types::FederationRelationshipMask>,
        forms: &[Form],
    ) -> Result<types::FederationRelationship, Status> {
        self.0.federation.relationship_changed(&federation.trust_domain);
        if let FederationProfile::HttpsSpiffe(id) = &federation.profile
            && *id.trust_domain() != self.0.trust_domain
            && self
                .0
                .datastore
                .federated_bundle(id.trust_domain())
                .await?
                .is_none()
        {
            tracing::warn!(
                trust_domain = %federation.trust_domain,
                endpoint_id = %id,
                "there is no bundle to believe the endpoint by; set that of its trust domain"
            );
        }
        self.message(federation, mask, forms).await
    }

    async fn message(
        &self,
        federation: FederationRecord,
        mask: Option<&types::FederationRelationshipMask>,
        forms: &[Form],
    ) -> Result<types::FederationRelationship, Status> {
        let (federation, bundle) = self.with_bundle(federation).await?;
        Ok(federation_message(&federation, bundle.as_ref(), mask, forms))
    }

    async fn with_bundle(&self, federation: FederationRecord) -> StoreResult<WithBundle> {
        let bundle = self
            .0
            .datastore
            .federated_bundle(&federation.trust_domain)
            .await?;
        Ok((federation, bundle))
    }
}

fn result(
    outcome: Result<types::FederationRelationship, Status>,
) -> (Option<types::Status>, Option<types::FederationRelationship>) {
    match outcome {
        Ok(relationship) => (Some(ok()), Some(relationship)),
        Err(status) => (Some((&status).into()), None),
    }
}

fn no_relationship(trust_domain: &spiffe::TrustDomain) -> Status {
    Status::not_found(format!(
        "trust_domain: there is no federation relationship with {trust_domain}"
    ))
}
