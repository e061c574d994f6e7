//! Certificates that somebody is to bring: what is awaited, and taking what was brought.

use super::super::settings::FamilySettings;
use super::super::slots::{Change, ChangeKind};
use super::super::{Authorities, AuthoritiesError};
use super::Candidate;
use crate::datastore::{AuthorityRecord, AuthorityRequest, AuthorityState};
use crate::upstream::NamedUpstream;

impl Authorities {
    /// Whether the certificate of a family's next authority is to be brought, and was requested already. A request for what
    /// is no longer wanted is forgotten.
    pub(in crate::authorities) async fn is_awaited(
        &self,
        settings: &FamilySettings,
    ) -> Result<bool, AuthoritiesError> {
        let requests = self.datastore.authority_requests().await?;
        let Some(request) = requests.into_iter().find(|it| it.family == settings.family) else {
            return Ok(false);
        };
        let offline = settings
            .upstream
            .as_ref()
            .is_some_and(|above| above.upstream.is_offline());
        if offline && settings.is_shape_of(request.suite, request.alternative, &request.keys) {
            return Ok(true);
        }
        self.datastore.forget_authority_request(settings.family).await?;
        Ok(false)
    }

    /// Takes certificates that were brought for what is awaited, and makes sure that the requests are where they are looked
    /// for. Returns the authorities that are prepared now.
    ///
    /// # Errors
    /// [`AuthoritiesError`], the first there was: everything stays as it is then, and a certificate that was refused is put
    /// away with the reason.
    pub async fn take_what_was_brought(&self) -> Result<Vec<AuthorityRecord>, AuthoritiesError> {
        let mut taken = Vec::new();
        let mut failure = None;
        for request in self.datastore.authority_requests().await? {
            let settings = self
                .settings
                .families
                .iter()
                .find(|it| it.family == request.family);
            let Some((settings, above)) = settings.and_then(|it| Some((it, it.upstream.as_ref()?))) else {
                continue;
            };
            match self.take_brought(settings, above, &request).await {
                Ok(record) => taken.extend(record),
                Err(error) => {
                    failure.get_or_insert(error);
                }
            }
        }
        failure.map_or(Ok(taken), Err)
    }

    async fn take_brought(
        &self,
        settings: &FamilySettings,
        above: &NamedUpstream,
        request: &AuthorityRequest,
    ) -> Result<Option<AuthorityRecord>, AuthoritiesError> {
        let family = request.family;
        let failed = |source| AuthoritiesError::Upstream {
            family,
            upstream: above.name.clone(),
            source,
        };
        let upstream = &above.upstream;
        upstream.hand_out(family, &request.csr).await.map_err(failed)?;
        let brought = match upstream.brought(family).await {
            Ok(None) => return Ok(None),
            Ok(Some(brought)) => brought,
            Err(error) => {
                upstream
                    .judged(family, Some(&error.to_string()))
                    .await
                    .map_err(failed)?;
                return Err(failed(error));
            }
        };
        let _changing = self.changing.lock().await;
        let suites = (family, request.suite, request.alternative);
        let name = format!("requested for {family}");
        let candidate = Candidate {
            signers: self.open_keys(&name, suites, &request.keys).await?,
            keys: request.keys.clone(),
        };
        // What it signs with was chosen when it was requested.
        let wanted = FamilySettings {
            suite: request.suite,
            alternative: request.alternative,
            ..settings.clone()
        };
        let judged = self
            .take_minted(&wanted, above, candidate, brought, self.clock.now())
            .await;
        match judged {
            Ok(record) => {
                let journal = self.datastore.authorities(Some(family)).await?;
                let is_waiting = |it: &&AuthorityRecord| it.state == AuthorityState::Prepared;
                if let Some(waiting) = journal.iter().find(is_waiting) {
                    let why = "another was brought";
                    self.retire(waiting, why, self.clock.now()).await?;
                }
                self.datastore.add_authority(&record).await?;
                let reloaded = self.reload(Vec::new()).await;
                Change::of(ChangeKind::Prepared, &record).log();
                upstream.judged(family, None).await.map_err(failed)?;
                reloaded?;
                Ok(Some(record))
            }
            Err(AuthoritiesError::Upstream { source, .. }) => {
                upstream
                    .judged(family, Some(&source.to_string()))
                    .await
                    .map_err(failed)?;
                Err(failed(source))
            }
            Err(error) => Err(error),
        }
    }
}
