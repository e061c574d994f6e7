//! Bundles and federation as messages, as one server's are brought to another.

use symbolon_api::spire::api::server::bundle::v1 as bundles;
use symbolon_api::spire::api::server::bundle::v1::bundle_client::BundleClient;
use symbolon_api::spire::api::server::trustdomain::v1 as federation;
use symbolon_api::spire::api::server::trustdomain::v1::trust_domain_client::TrustDomainClient;
use symbolon_api::spire::api::types;
use symbolon_api::{MAX_MESSAGE, MAX_PAGE};
use tonic::transport::Channel;

use super::results::{check, of_one};
use super::{Client, ClientError, page_size};

/// Bundles and relationships are set by so many at a time: bundles can be long.
const BATCH: usize = 10;

impl Client {
    /// The server's own bundle, as stock software is shown it.
    pub(crate) async fn own_bundle_message(&self) -> Result<types::Bundle, ClientError> {
        let request = bundles::GetBundleRequest { output_mask: None };
        Ok(self
            .bundle_messages_client()
            .get_bundle(request)
            .await?
            .into_inner())
    }

    /// Every federated bundle.
    pub(crate) async fn federated_bundle_messages(&self) -> Result<Vec<types::Bundle>, ClientError> {
        let mut found = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = bundles::ListFederatedBundlesRequest {
                output_mask: None,
                // Bundles with many keys make long pages.
                page_size: page_size(BATCH),
                page_token,
            };
            let page = self
                .bundle_messages_client()
                .list_federated_bundles(request)
                .await?;
            let page = page.into_inner();
            found.extend(page.bundles);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok(found);
            }
        }
    }

    /// Every relationship, without its bundle.
    pub(crate) async fn relationship_messages(
        &self,
    ) -> Result<Vec<types::FederationRelationship>, ClientError> {
        let mut found = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = federation::ListFederationRelationshipsRequest {
                output_mask: Some(PLACE_OF_BUNDLE),
                page_size: page_size(MAX_PAGE),
                page_token,
            };
            let page = self
                .federation_client()
                .list_federation_relationships(request)
                .await?
                .into_inner();
            found.extend(page.federation_relationships);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok(found);
            }
        }
    }

    /// Sets a federated bundle, whatever it was.
    pub(crate) async fn set_bundle(&self, bundle: types::Bundle) -> Result<(), ClientError> {
        let request = bundles::BatchSetFederatedBundleRequest {
            bundle: vec![bundle],
            output_mask: Some(types::BundleMask::default()),
        };
        let answer = self
            .bundle_messages_client()
            .batch_set_federated_bundle(request)
            .await?;
        check(of_one(answer.into_inner().results)?.status)
    }

    /// Begins a relationship.
    pub(crate) async fn create_relationship(
        &self,
        relationship: types::FederationRelationship,
    ) -> Result<(), ClientError> {
        let request = federation::BatchCreateFederationRelationshipRequest {
            federation_relationships: vec![relationship],
            output_mask: Some(PLACE_OF_BUNDLE),
        };
        let answer = self
            .federation_client()
            .batch_create_federation_relationship(request)
            .await?;
        check(of_one(answer.into_inner().results)?.status)
    }

    /// Changes where a relationship's bundle comes from.
    pub(crate) async fn update_relationship(
        &self,
        relationship: types::FederationRelationship,
    ) -> Result<(), ClientError> {
        let request = federation::BatchUpdateFederationRelationshipRequest {
            federation_relationships: vec![relationship],
            input_mask: Some(PLACE_OF_BUNDLE),
            output_mask: Some(PLACE_OF_BUNDLE),
        };
        let answer = self
            .federation_client()
            .batch_update_federation_relationship(request)
            .await?;
        check(of_one(answer.into_inner().results)?.status)
    }

    /// Puts authorities into the server's own bundle.
    pub(crate) async fn append_authorities(
        &self,
        x509_authorities: Vec<types::X509Certificate>,
        jwt_authorities: Vec<types::JwtKey>,
    ) -> Result<(), ClientError> {
        let request = bundles::AppendBundleRequest {
            x509_authorities,
            jwt_authorities,
            output_mask: Some(types::BundleMask::default()),
            ..bundles::AppendBundleRequest::default()
        };
        self.bundle_messages_client().append_bundle(request).await?;
        Ok(())
    }

    fn bundle_messages_client(&self) -> BundleClient<Channel> {
        BundleClient::new(self.channel.clone()).max_decoding_message_size(MAX_MESSAGE)
    }

    fn federation_client(&self) -> TrustDomainClient<Channel> {
        TrustDomainClient::new(self.channel.clone()).max_decoding_message_size(MAX_MESSAGE)
    }
}

/// Where a relationship's bundle comes from, and not the bundle.
const PLACE_OF_BUNDLE: types::FederationRelationshipMask = types::FederationRelationshipMask {
    bundle_endpoint_url: true,
    bundle_endpoint_profile: true,
    trust_domain_bundle: false,
};
