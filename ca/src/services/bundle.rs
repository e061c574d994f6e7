//! `spire.api.server.bundle.v1.Bundle`: the server's own bundle, and those of other trust domains.

mod append;
mod federated;

use std::sync::Arc;

use symbolon_api::forms::{FORMS_METADATA, MIGRATION_METADATA};
use symbolon_api::spire::api::server::bundle::v1 as api;
use symbolon_api::spire::api::types;
use symbolon_tls::MigrationStage;
use tonic::metadata::MetadataValue;
use tonic::{Request, Response, Status};

use self::federated::{Asked, mode};
use super::paging::{Wanted, page};
use super::reply::Reply;
use super::{Core, check_batch};
use crate::wire::{bundle_message, foreign_domain, forms_of, mask_bundle, own_bundle_additions};

/// The service.
#[derive(Debug)]
pub(crate) struct BundleService(pub(crate) Arc<Core>);

#[tonic::async_trait]
impl api::bundle_server::Bundle for BundleService {
    async fn count_bundles(
        &self,
        _request: Request<api::CountBundlesRequest>,
    ) -> Result<Response<api::CountBundlesResponse>, Status> {
        let federated = self.0.datastore.count_federated_bundles().await?;
        // The server's own is one.
        let count = i32::try_from(federated.saturating_add(1)).unwrap_or(i32::MAX);
        Ok(Response::new(api::CountBundlesResponse { count }))
    }

    async fn get_bundle(
        &self,
        request: Request<api::GetBundleRequest>,
    ) -> Result<Response<types::Bundle>, Status> {
        let forms = forms_of(request.metadata())?;
        let is_ours = request.metadata().contains_key(FORMS_METADATA);
        let bundle = bundle_message(&self.0.authorities.bundle(), &forms);
        let bundle = mask_bundle(bundle, request.get_ref().output_mask.as_ref());
        let mut response = Response::new(bundle);
        let rules = self.0.migrations.rules();
        if is_ours && !rules.is_empty() {
            let furthest = rules.furthest().map_or("off", MigrationStage::name);
            let furthest = MetadataValue::from_static(furthest);
            response.metadata_mut().insert(MIGRATION_METADATA, furthest);
        }
        Ok(response)
    }

    async fn append_bundle(
        &self,
        request: Request<api::AppendBundleRequest>,
    ) -> Result<Response<types::Bundle>, Status> {
        let forms = forms_of(request.metadata())?;
        let request = request.into_inner();
        let added = own_bundle_additions(
            &request.x509_authorities,
            &request.jwt_authorities,
            &request.wit_authorities,
        )?;
        append::append(&self.0, &added).await?;
        let bundle = bundle_message(&self.0.authorities.bundle(), &forms);
        Ok(Response::new(mask_bundle(bundle, request.output_mask.as_ref())))
    }

    async fn publish_jwt_authority(
        &self,
        request: Request<api::PublishJwtAuthorityRequest>,
    ) -> Result<Response<api::PublishJwtAuthorityResponse>, Status> {
        let publisher = append::publisher(&request)?;
        let key = request.into_inner().jwt_authority;
        append::publish_jwt(&self.0, &publisher, key.as_ref()).await?;
        let bundle = bundle_message(&self.0.authorities.bundle(), &[]);
        Ok(Response::new(api::PublishJwtAuthorityResponse {
            jwt_authorities: bundle.jwt_authorities,
        }))
    }

    async fn publish_wit_authority(
        &self,
        request: Request<api::PublishWitAuthorityRequest>,
    ) -> Result<Response<api::PublishWitAuthorityResponse>, Status> {
        let publisher = append::publisher(&request)?;
        let key = request.into_inner().wit_authority;
        append::publish_wit(&self.0, &publisher, key.as_ref()).await?;
        let bundle = bundle_message(&self.0.authorities.bundle(), &[]);
        Ok(Response::new(api::PublishWitAuthorityResponse {
            wit_authorities: bundle.wit_authorities,
        }))
    }

    async fn list_federated_bundles(
        &self,
        request: Request<api::ListFederatedBundlesRequest>,
    ) -> Result<Response<api::ListFederatedBundlesResponse>, Status> {
        let forms = forms_of(request.metadata())?;
        let api::ListFederatedBundlesRequest {
            output_mask,
            page_size,
            page_token,
        } = request.into_inner();
        let wanted = Wanted::read(page_size, &page_token)?;
        let fetch = |request| async move { self.0.datastore.list_federated_bundles(&request).await };
        let message = |bundle| mask_bundle(bundle_message(&bundle, &forms), output_mask.as_ref());
        let (bundles, next_page_token) = page(wanted, message, fetch).await?;
        Ok(Response::new(api::ListFederatedBundlesResponse {
            bundles,
            next_page_token,
        }))
    }

    async fn get_federated_bundle(
        &self,
        request: Request<api::GetFederatedBundleRequest>,
    ) -> Result<Response<types::Bundle>, Status> {
        let forms = forms_of(request.metadata())?;
        let request = request.into_inner();
        let trust_domain = foreign_domain("trust_domain", &request.trust_domain, &self.0.trust_domain)?;
        let bundle = self.0.datastore.federated_bundle(&trust_domain).await?;
        let bundle = bundle.ok_or_else(|| {
            Status::not_found(format!("trust_domain: there is no bundle of {trust_domain} here"))
        })?;
        Ok(Response::new(mask_bundle(
            bundle_message(&bundle, &forms),
            request.output_mask.as_ref(),
        )))
    }

    async fn batch_create_federated_bundle(
        &self,
        request: Request<api::BatchCreateFederatedBundleRequest>,
    ) -> Result<Response<api::BatchCreateFederatedBundleResponse>, Status> {
        let forms = forms_of(request.metadata())?;
        let request = request.into_inner();
        check_batch("bundle", request.bundle.len())?;
        let asked = Asked::new(&self.0, &forms, None, request.output_mask.as_ref());
        let mut results = Vec::with_capacity(request.bundle.len());
        let mut reply = Reply::of(request.bundle.len());
        for bundle in &request.bundle {
            let (status, bundle) = reply.take(federated::result(asked.create(bundle).await));
            results.push(api::batch_create_federated_bundle_response::Result { status, bundle });
        }
        Ok(Response::new(api::BatchCreateFederatedBundleResponse { results }))
    }

    async fn batch_update_federated_bundle(
        &self,
        request: Request<api::BatchUpdateFederatedBundleRequest>,
    ) -> Result<Response<api::BatchUpdateFederatedBundleResponse>, Status> {
        let forms = forms_of(request.metadata())?;
        let request = request.into_inner();
        check_batch("bundle", request.bundle.len())?;
        let input_mask = request.input_mask.as_ref();
        let asked = Asked::new(&self.0, &forms, input_mask, request.output_mask.as_ref());
        let mut results = Vec::with_capacity(request.bundle.len());
        let mut reply = Reply::of(request.bundle.len());
        for bundle in &request.bundle {
            let (status, bundle) = reply.take(federated::result(asked.update(bundle).await));
            results.push(api::batch_update_federated_bundle_response::Result { status, bundle });
        }
        Ok(Response::new(api::BatchUpdateFederatedBundleResponse { results }))
    }

    async fn batch_set_federated_bundle(
        &self,
        request: Request<api::BatchSetFederatedBundleRequest>,
    ) -> Result<Response<api::BatchSetFederatedBundleResponse>, Status> {
        let forms = forms_of(request.metadata())?;
        let request = request.into_inner();
        check_batch("bundle", request.bundle.len())?;
        let asked = Asked::new(&self.0, &forms, None, request.output_mask.as_ref());
        let mut results = Vec::with_capacity(request.bundle.len());
        let mut reply = Reply::of(request.bundle.len());
        for bundle in &request.bundle {
            let (status, bundle) = reply.take(federated::result(asked.set(bundle).await));
            results.push(api::batch_set_federated_bundle_response::Result { status, bundle });
        }
        Ok(Response::new(api::BatchSetFederatedBundleResponse { results }))
    }

    async fn batch_delete_federated_bundle(
        &self,
        request: Request<api::BatchDeleteFederatedBundleRequest>,
    ) -> Result<Response<api::BatchDeleteFederatedBundleResponse>, Status> {
        let request = request.into_inner();
        check_batch("trust_domains", request.trust_domains.len())?;
        let mode = mode(request.mode)?;
        let mut results = Vec::with_capacity(request.trust_domains.len());
        for name in request.trust_domains {
            let status = federated::delete(&self.0, &name, mode).await;
            results.push(api::batch_delete_federated_bundle_response::Result {
                status: Some(status),
                trust_domain: name,
            });
        }
        Ok(Response::new(api::BatchDeleteFederatedBundleResponse { results }))
    }
}
