//! Bundles of other trust domains, and relationships with them.

use spiffe::{SpiffeId, TrustDomain};
use symbolon_api::spire::api::server::bundle::v1 as bundles;
use symbolon_api::spire::api::server::bundle::v1::bundle_client::BundleClient;
use symbolon_api::spire::api::server::trustdomain::v1 as federation;
use symbolon_api::spire::api::server::trustdomain::v1::trust_domain_client::TrustDomainClient;
use symbolon_api::spire::api::types;
use symbolon_api::spire::api::types::federation_relationship::BundleEndpointProfile as Profile;
use symbolon_api::{MAX_MESSAGE, MAX_PAGE, forms};
use symbolon_pki::bundle::TrustBundle;
use symbolon_pki::suite::Form;
use tonic::Request;
use tonic::transport::Channel;

use super::results::{check, missing, of_one};
use super::{Client, ClientError, page_size};
use crate::datastore::DeleteMode;
use crate::views::{FederationView, read_bundle};
use crate::wire::bundle_message;

/// A relationship to make, or what is to become of one.
#[derive(Clone, Debug)]
pub struct FederationSpec {
    /// The other trust domain.
    pub trust_domain: TrustDomain,
    /// Where its bundle is.
    pub endpoint_url: String,
    /// The identity that the endpoint shows; `None` for a certificate of the web's authorities.
    pub endpoint_id: Option<SpiffeId>,
    /// Its bundle, to begin with or to take the place of the one that is held.
    pub bundle: Option<TrustBundle>,
}

/// Changes of a relationship: what is `None` stays as it is.
#[derive(Clone, Debug, Default)]
pub struct FederationChanges {
    /// Where the bundle is.
    pub endpoint_url: Option<String>,
    /// How the endpoint proves itself: `Some(None)` by a certificate of the web's authorities.
    pub endpoint_id: Option<Option<SpiffeId>>,
    /// The bundle.
    pub bundle: Option<TrustBundle>,
}

fn profile(endpoint_id: Option<&SpiffeId>) -> Profile {
    match endpoint_id {
        None => Profile::HttpsWeb(types::HttpsWebProfile {}),
        Some(id) => Profile::HttpsSpiffe(types::HttpsspiffeProfile {
            endpoint_spiffe_id: id.to_string(),
        }),
    }
}

/// A message that is about the authorities of every form.
fn in_all_forms<T>(message: T) -> Result<Request<T>, ClientError> {
    let mut request = Request::new(message);
    let names = Form::OF_KEYS.iter().map(|form| form.name());
    forms::request(request.metadata_mut(), names)
        .map_err(|error| ClientError::Argument(error.to_string()))?;
    Ok(request)
}

fn whole(bundle: &TrustBundle) -> types::Bundle {
    bundle_message(bundle, &Form::ALL)
}

impl Client {
    /// The bundles of other trust domains, oldest first.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn list_federated_bundles(&self) -> Result<Vec<TrustBundle>, ClientError> {
        let mut found = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = in_all_forms(bundles::ListFederatedBundlesRequest {
                page_size: page_size(MAX_PAGE),
                page_token,
                ..Default::default()
            })?;
            let page = self.bundles().list_federated_bundles(request).await?.into_inner();
            for bundle in page.bundles {
                found.push(read_bundle(bundle).map_err(ClientError::Answer)?);
            }
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok(found);
            }
        }
    }

    /// The bundle of another trust domain.
    ///
    /// # Errors
    /// [`ClientError`]; not found is [`ClientError::Refused`].
    pub async fn get_federated_bundle(&self, trust_domain: &TrustDomain) -> Result<TrustBundle, ClientError> {
        let request = in_all_forms(bundles::GetFederatedBundleRequest {
            trust_domain: trust_domain.to_string(),
            output_mask: None,
        })?;
        let bundle = self.bundles().get_federated_bundle(request).await?.into_inner();
        read_bundle(bundle).map_err(ClientError::Answer)
    }

    /// How many bundles there are, the server's own among them.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn count_bundles(&self) -> Result<i32, ClientError> {
        let answer = self
            .bundles()
            .count_bundles(bundles::CountBundlesRequest {})
            .await?;
        Ok(answer.into_inner().count)
    }

    /// Sets the bundle of another trust domain, whatever it was, with the authorities of every form.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn set_federated_bundle(&self, bundle: &TrustBundle) -> Result<TrustBundle, ClientError> {
        let request = in_all_forms(bundles::BatchSetFederatedBundleRequest {
            bundle: vec![whole(bundle)],
            output_mask: None,
        })?;
        let answer = self.bundles().batch_set_federated_bundle(request).await?;
        let result = of_one(answer.into_inner().results)?;
        check(result.status)?;
        let set = result.bundle.ok_or_else(|| missing("bundle"))?;
        read_bundle(set).map_err(ClientError::Answer)
    }

    /// Deletes the bundle of another trust domain.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn delete_federated_bundle(
        &self,
        trust_domain: &TrustDomain,
        mode: DeleteMode,
    ) -> Result<(), ClientError> {
        use bundles::batch_delete_federated_bundle_request::Mode;
        let mode = match mode {
            DeleteMode::Restrict => Mode::Restrict,
            DeleteMode::Delete => Mode::Delete,
            DeleteMode::Dissociate => Mode::Dissociate,
        };
        let request = bundles::BatchDeleteFederatedBundleRequest {
            trust_domains: vec![trust_domain.to_string()],
            mode: mode.into(),
        };
        let answer = self.bundles().batch_delete_federated_bundle(request).await?;
        check(of_one(answer.into_inner().results)?.status)
    }

    /// The relationships with other trust domains, oldest first.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn list_federation(&self) -> Result<Vec<FederationView>, ClientError> {
        let mut found = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = in_all_forms(federation::ListFederationRelationshipsRequest {
                page_size: page_size(MAX_PAGE),
                page_token,
                ..Default::default()
            })?;
            let answer = self
                .trust_domains()
                .list_federation_relationships(request)
                .await?;
            let page = answer.into_inner();
            found.extend(
                page.federation_relationships
                    .into_iter()
                    .map(FederationView::from),
            );
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok(found);
            }
        }
    }

    /// The relationship with a trust domain.
    ///
    /// # Errors
    /// [`ClientError`]; not found is [`ClientError::Refused`].
    pub async fn get_federation(&self, trust_domain: &TrustDomain) -> Result<FederationView, ClientError> {
        let request = in_all_forms(federation::GetFederationRelationshipRequest {
            trust_domain: trust_domain.to_string(),
            output_mask: None,
        })?;
        let answer = self.trust_domains().get_federation_relationship(request).await?;
        Ok(answer.into_inner().into())
    }

    /// Makes a relationship.
    ///
    /// # Errors
    /// [`ClientError`]; one that is there already is [`ClientError::Refused`].
    pub async fn create_federation(&self, spec: &FederationSpec) -> Result<FederationView, ClientError> {
        let relationship = types::FederationRelationship {
            trust_domain: spec.trust_domain.to_string(),
            bundle_endpoint_url: spec.endpoint_url.clone(),
            bundle_endpoint_profile: Some(profile(spec.endpoint_id.as_ref())),
            trust_domain_bundle: spec.bundle.as_ref().map(whole),
        };
        let request = in_all_forms(federation::BatchCreateFederationRelationshipRequest {
            federation_relationships: vec![relationship],
            output_mask: None,
        })?;
        let answer = self
            .trust_domains()
            .batch_create_federation_relationship(request)
            .await?;
        let result = of_one(answer.into_inner().results)?;
        check(result.status)?;
        result
            .federation_relationship
            .map(Into::into)
            .ok_or_else(|| missing("relationship"))
    }

    /// Changes a relationship.
    ///
    /// # Errors
    /// [`ClientError`]; not found is [`ClientError::Refused`].
    pub async fn update_federation(
        &self,
        trust_domain: &TrustDomain,
        changes: &FederationChanges,
    ) -> Result<FederationView, ClientError> {
        let relationship = types::FederationRelationship {
            trust_domain: trust_domain.to_string(),
            bundle_endpoint_url: changes.endpoint_url.clone().unwrap_or_default(),
            bundle_endpoint_profile: changes.endpoint_id.as_ref().map(|id| profile(id.as_ref())),
            trust_domain_bundle: changes.bundle.as_ref().map(whole),
        };
        let request = in_all_forms(federation::BatchUpdateFederationRelationshipRequest {
            federation_relationships: vec![relationship],
            input_mask: Some(types::FederationRelationshipMask {
                bundle_endpoint_url: changes.endpoint_url.is_some(),
                bundle_endpoint_profile: changes.endpoint_id.is_some(),
                trust_domain_bundle: changes.bundle.is_some(),
            }),
            output_mask: None,
        })?;
        let answer = self
            .trust_domains()
            .batch_update_federation_relationship(request)
            .await?;
        let result = of_one(answer.into_inner().results)?;
        check(result.status)?;
        result
            .federation_relationship
            .map(Into::into)
            .ok_or_else(|| missing("relationship"))
    }

    /// Ends a relationship. The bundle stays.
    ///
    /// # Errors
    /// [`ClientError`]; not found is [`ClientError::Refused`].
    pub async fn delete_federation(&self, trust_domain: &TrustDomain) -> Result<(), ClientError> {
        let request = federation::BatchDeleteFederationRelationshipRequest {
            trust_domains: vec![trust_domain.to_string()],
        };
        let answer = self
            .trust_domains()
            .batch_delete_federation_relationship(request)
            .await?;
        check(of_one(answer.into_inner().results)?.status)
    }

    /// Has the bundle of a trust domain fetched, and waits until it is.
    ///
    /// # Errors
    /// [`ClientError`], with the reason if it was not.
    pub async fn refresh_bundle(&self, trust_domain: &TrustDomain) -> Result<(), ClientError> {
        let request = federation::RefreshBundleRequest {
            trust_domain: trust_domain.to_string(),
        };
        self.trust_domains().refresh_bundle(request).await?;
        Ok(())
    }

    fn bundles(&self) -> BundleClient<Channel> {
        BundleClient::new(self.channel.clone()).max_decoding_message_size(MAX_MESSAGE)
    }

    fn trust_domains(&self) -> TrustDomainClient<Channel> {
        TrustDomainClient::new(self.channel.clone()).max_decoding_message_size(MAX_MESSAGE)
    }
}
