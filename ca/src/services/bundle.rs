//! `spire.api.server.bundle.v1.Bundle`: the server's own bundle. Those of other trust domains come with federation.

use std::sync::Arc;

use symbolon_api::spire::api::server::bundle::v1 as api;
use symbolon_api::spire::api::types;
use tonic::{Request, Response, Status};

use super::{Core, not_yet};
use crate::wire::{bundle_message, forms_of, mask_bundle};

/// The service.
#[derive(Debug)]
pub(crate) struct BundleService(pub(crate) Arc<Core>);

#[tonic::async_trait]
impl api::bundle_server::Bundle for BundleService {
    async fn count_bundles(
        &self,
        _request: Request<api::CountBundlesRequest>,
    ) -> Result<Response<api::CountBundlesResponse>, Status> {
        Ok(Response::new(api::CountBundlesResponse { count: 1 }))
    }

    async fn get_bundle(
        &self,
        request: Request<api::GetBundleRequest>,
    ) -> Result<Response<types::Bundle>, Status> {
        let forms = forms_of(request.metadata())?;
        let bundle = bundle_message(&self.0.authorities.bundle(), &forms);
        Ok(Response::new(mask_bundle(
            bundle,
            request.get_ref().output_mask.as_ref(),
        )))
    }

    async fn append_bundle(
        &self,
        _request: Request<api::AppendBundleRequest>,
    ) -> Result<Response<types::Bundle>, Status> {
        not_yet("AppendBundle")
    }

    async fn publish_jwt_authority(
        &self,
        _request: Request<api::PublishJwtAuthorityRequest>,
    ) -> Result<Response<api::PublishJwtAuthorityResponse>, Status> {
        not_yet("PublishJWTAuthority")
    }

    async fn publish_wit_authority(
        &self,
        _request: Request<api::PublishWitAuthorityRequest>,
    ) -> Result<Response<api::PublishWitAuthorityResponse>, Status> {
        not_yet("PublishWITAuthority")
    }

    async fn list_federated_bundles(
        &self,
        _request: Request<api::ListFederatedBundlesRequest>,
    ) -> Result<Response<api::ListFederatedBundlesResponse>, Status> {
        not_yet("ListFederatedBundles")
    }

    async fn get_federated_bundle(
        &self,
        _request: Request<api::GetFederatedBundleRequest>,
    ) -> Result<Response<types::Bundle>, Status> {
        not_yet("GetFederatedBundle")
    }

    async fn batch_create_federated_bundle(
        &self,
        _request: Request<api::BatchCreateFederatedBundleRequest>,
    ) -> Result<Response<api::BatchCreateFederatedBundleResponse>, Status> {
        not_yet("BatchCreateFederatedBundle")
    }

    async fn batch_update_federated_bundle(
        &self,
        _request: Request<api::BatchUpdateFederatedBundleRequest>,
    ) -> Result<Response<api::BatchUpdateFederatedBundleResponse>, Status> {
        not_yet("BatchUpdateFederatedBundle")
    }

    async fn batch_set_federated_bundle(
        &self,
        _request: Request<api::BatchSetFederatedBundleRequest>,
    ) -> Result<Response<api::BatchSetFederatedBundleResponse>, Status> {
        not_yet("BatchSetFederatedBundle")
    }

    async fn batch_delete_federated_bundle(
        &self,
        _request: Request<api::BatchDeleteFederatedBundleRequest>,
    ) -> Result<Response<api::BatchDeleteFederatedBundleResponse>, Status> {
        not_yet("BatchDeleteFederatedBundle")
    }
}
