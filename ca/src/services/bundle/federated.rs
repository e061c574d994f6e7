//! Making, changing and removing bundles of other trust domains. Each succeeds or fails by itself.

use symbolon_api::spire::api::server::bundle::v1::batch_delete_federated_bundle_request::Mode;
use symbolon_api::spire::api::types;
use symbolon_pki::bundle::TrustBundle;
use symbolon_pki::suite::Form;
use tonic::Status;

use crate::datastore::{BundleParts, DatastoreError, DeleteMode};
use crate::services::{Core, ok};
use crate::telemetry::{BUNDLE_CREATED, BUNDLE_DELETED, BUNDLE_SET};
use crate::wire::{bundle_message, bundle_parts, foreign_domain, mask_bundle, read_trust_bundle};

/// How a batch asks.
pub(super) struct Asked<'a> {
    core: &'a Core,
    /// The forms that the caller sees, and so speaks of.
    forms: &'a [Form],
    parts: BundleParts,
    output_mask: Option<&'a types::BundleMask>,
}

impl<'a> Asked<'a> {
    pub(super) fn new(
        core: &'a Core,
        forms: &'a [Form],
        input_mask: Option<&types::BundleMask>,
        output_mask: Option<&'a types::BundleMask>,
    ) -> Self {
        Self {
            core,
            forms,
            parts: bundle_parts(input_mask, forms),
            output_mask,
        }
    }

    pub(super) async fn create(&self, message: &types::Bundle) -> Result<types::Bundle, Status> {
        let bundle = self.read(message)?;
        match self.core.datastore.create_federated_bundle(&bundle).await {
            Err(DatastoreError::AlreadyExists { .. }) => {
                return Err(Status::already_exists(format!(
                    "trust_domain: there is a bundle of {} already",
                    bundle.trust_domain
                )));
            }
            outcome => outcome?,
        }
        tracing::info!(event = BUNDLE_CREATED, trust_domain = %bundle.trust_domain, sequence = bundle.sequence);
        Ok(self.message(&bundle))
    }

    pub(super) async fn update(&self, message: &types::Bundle) -> Result<types::Bundle, Status> {
        let bundle = self.read(message)?;
        let store = &self.core.datastore;
        let updated = match store.update_federated_bundle(&bundle, &self.parts).await {
            Err(DatastoreError::NotFound { .. }) => return Err(no_bundle(&bundle.trust_domain)),
            outcome => outcome?,
        };
        tracing::info!(event = BUNDLE_SET, trust_domain = %updated.trust_domain, sequence = updated.sequence);
        Ok(self.message(&updated))
    }

    pub(super) async fn set(&self, message: &types::Bundle) -> Result<types::Bundle, Status> {
        let bundle = self.read(message)?;
        let set = self
            .core
            .datastore
            .set_federated_bundle(&bundle, &self.parts)
            .await?;
        tracing::info!(event = BUNDLE_SET, trust_domain = %set.trust_domain, sequence = set.sequence);
        Ok(self.message(&set))
    }

    fn read(&self, message: &types::Bundle) -> Result<TrustBundle, Status> {
        read_trust_bundle("", message, &self.core.trust_domain)
    }

    fn message(&self, bundle: &TrustBundle) -> types::Bundle {
        mask_bundle(bundle_message(bundle, self.forms), self.output_mask)
    }
}

/// Status and bundle of an item.
pub(super) fn result(
    outcome: Result<types::Bundle, Status>,
) -> (Option<types::Status>, Option<types::Bundle>) {
    match outcome {
        Ok(bundle) => (Some(ok()), Some(bundle)),
        Err(status) => (Some((&status).into()), None),
    }
}

/// Reads what becomes of entries.
pub(super) fn mode(mode: i32) -> Result<DeleteMode, Status> {
    match Mode::try_from(mode) {
        Ok(Mode::Restrict) => Ok(DeleteMode::Restrict),
        Ok(Mode::Delete) => Ok(DeleteMode::Delete),
        Ok(Mode::Dissociate) => Ok(DeleteMode::Dissociate),
        Err(_) => Err(Status::invalid_argument(format!("mode: {mode} is not known"))),
    }
}

pub(super) async fn delete(core: &Core, name: &str, mode: DeleteMode) -> types::Status {
    match try_delete(core, name, mode).await {
        Ok(()) => ok(),
        Err(status) => (&status).into(),
    }
}

async fn try_delete(core: &Core, name: &str, mode: DeleteMode) -> Result<(), Status> {
    let trust_domain = foreign_domain("trust_domains", name, &core.trust_domain)?;
    let entries = match core
        .registrations
        .delete_federated_bundle(&trust_domain, mode)
        .await
    {
        Err(DatastoreError::NotFound { .. }) => return Err(no_bundle(&trust_domain)),
        outcome => outcome?,
    };
    tracing::info!(event = BUNDLE_DELETED, %trust_domain, entries);
    Ok(())
}

fn no_bundle(trust_domain: &spiffe::TrustDomain) -> Status {
    Status::not_found(format!("trust_domain: there is no bundle of {trust_domain} here"))
}
