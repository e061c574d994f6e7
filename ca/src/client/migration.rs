//! Migration: how far it is, and moving it.

use std::time::Duration;

use symbolon_api::MAX_MESSAGE;
use symbolon_api::symbolon::server::v1 as api;
use symbolon_api::symbolon::server::v1::migration_client::MigrationClient;
use symbolon_tls::{MigrationStage, MigrationTarget};
use tonic::transport::Channel;

use super::{Client, ClientError};
use crate::migration::WishedStage;
use crate::views::{MigrationChangeView, MigrationRuleView};

/// What a rule of migration is to become.
#[derive(Clone, Debug)]
pub struct MigrationSpec {
    /// Which entries; empty for all.
    pub entries: String,
    /// Where to, if the rule does not lead there already.
    pub target: Option<MigrationTarget>,
    /// How far.
    pub stage: WishedStage,
    /// Go over what keeps it from being done.
    pub force: bool,
    /// Why; not empty with `force`.
    pub reason: String,
    /// Check and change nothing.
    pub dry_run: bool,
    /// For how long nothing classical may have been seen before the last stage; the server's choice where there is none.
    pub quiet: Option<Duration>,
}

impl Client {
    /// The rules, and who is ready for the stage after each.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn migration(&self, quiet: Option<Duration>) -> Result<Vec<MigrationRuleView>, ClientError> {
        let request = api::GetMigrationRequest {
            quiet_seconds: seconds(quiet)?,
        };
        let answer = self.migration_client().get_migration(request).await?;
        Ok(answer.into_inner().rules.into_iter().map(Into::into).collect())
    }

    /// Moves a rule.
    ///
    /// # Errors
    /// [`ClientError`]; that somebody is not ready is [`ClientError::Refused`].
    pub async fn migrate(&self, spec: &MigrationSpec) -> Result<MigrationChangeView, ClientError> {
        let stage = match spec.stage {
            WishedStage::Next | WishedStage::Clear => api::MigrationStage::Unspecified,
            WishedStage::Off => api::MigrationStage::Off,
            WishedStage::To(MigrationStage::Publish) => api::MigrationStage::Publish,
            WishedStage::To(MigrationStage::Issue) => api::MigrationStage::Issue,
            WishedStage::To(MigrationStage::Accept) => api::MigrationStage::Accept,
            WishedStage::To(MigrationStage::Prefer) => api::MigrationStage::Prefer,
            WishedStage::To(MigrationStage::Require) => api::MigrationStage::Require,
        };
        let target = match spec.target {
            None => api::MigrationTarget::Unspecified,
            Some(MigrationTarget::Hybrid) => api::MigrationTarget::Hybrid,
            Some(MigrationTarget::PostQuantum) => api::MigrationTarget::Pq,
        };
        let request = api::SetStageRequest {
            entries: spec.entries.clone(),
            target: target.into(),
            stage: stage.into(),
            clear: spec.stage == WishedStage::Clear,
            force: spec.force,
            reason: spec.reason.clone(),
            dry_run: spec.dry_run,
            quiet_seconds: seconds(spec.quiet)?,
        };
        let answer = self.migration_client().set_stage(request).await?;
        Ok(answer.into_inner().into())
    }

    fn migration_client(&self) -> MigrationClient<Channel> {
        MigrationClient::new(self.channel.clone()).max_decoding_message_size(MAX_MESSAGE)
    }
}

fn seconds(quiet: Option<Duration>) -> Result<Option<u32>, ClientError> {
    let seconds = quiet.map(|quiet| u32::try_from(quiet.as_secs()));
    seconds
        .transpose()
        .map_err(|_| ClientError::Argument("the quiet time is too long".to_owned()))
}
