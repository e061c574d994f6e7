//! Certificates that somebody is to bring: what is awaited, and taking what was brought.

use std::sync::atomic::Ordering;

use symbolon_pki::suite::Family;
use symbolon_pki::time::rfc3339;

use super::super::changing::Changing;
use super::super::settings::FamilySettings;
use super::super::slots::{Change, ChangeKind};
use super::super::{Authorities, AuthoritiesError, CommandError};
use super::Candidate;
use crate::datastore::{AuthorityRecord, AuthorityRequest, AuthorityState};
use crate::upstream::{NamedUpstream, UpstreamError};

impl Authorities {
    /// Whether the certificate of a family's next authority is to be brought, and was requested already.
    pub(in crate::authorities) async fn is_awaited(
        &self,
        settings: &FamilySettings,
    ) -> Result<bool, AuthoritiesError> {
        let request = self.awaited(settings.family).await?;
        Ok(request.is_some_and(|request| is_for(&request, settings)))
    }

    /// What is awaited for a family.
    pub(in crate::authorities) async fn awaited(
        &self,
        family: Family,
    ) -> Result<Option<AuthorityRequest>, AuthoritiesError> {
        let mut requests = self.datastore.authority_requests().await?.into_iter();
        Ok(requests.find(|request| request.family == family))
    }

    /// Why a family has no authority that signs: its first one has yet to be brought, or the server is starting.
    pub(in crate::authorities) async fn not_ready(
        &self,
        family: Family,
    ) -> Result<CommandError, AuthoritiesError> {
        Ok(match self.awaited(family).await? {
            Some(_) => AuthoritiesError::Awaited { family }.into(),
            None => CommandError::NotReady(family),
        })
    }

    /// Writes down what is to be brought, in place of what was, and hands the request to whoever carries it. Others may change
    /// the journal meanwhile.
    pub(in crate::authorities) async fn request(
        &self,
        settings: &FamilySettings,
        request: &AuthorityRequest,
        changing: &mut Changing<'_>,
    ) -> Result<(), AuthoritiesError> {
        let family = request.family;
        if self.awaited(family).await?.is_some() {
            // What was requested before has a key, which is nobody's now.
            self.keys_are_left.store(true, Ordering::Relaxed);
        }
        self.datastore.request_authority(request).await?;
        let Some(above) = &settings.upstream else {
            return Ok(());
        };
        tracing::info!(
            event = "authority.requested",
            %family,
            upstream = %above.name,
            "its certificate is to be brought"
        );
        let handed = changing
            .apart(above.upstream.hand_out(family, &request.csr))
            .await;
        handed.map_err(|source| AuthoritiesError::Upstream {
            family,
            upstream: above.name.clone(),
            source,
        })
    }

    /// Forgets the request of a family if it is for something else than this; its key is swept away.
    pub(in crate::authorities) async fn forget_request_unless(
        &self,
        family: Family,
        settings: Option<&FamilySettings>,
    ) -> Result<(), AuthoritiesError> {
        let Some(request) = self.awaited(family).await? else {
            return Ok(());
        };
        if settings.is_some_and(|settings| is_for(&request, settings)) {
            return Ok(());
        }
        tracing::warn!(
            event = "authority.request_forgotten",
            %family,
            suite = %request.suite,
            requested_at = rfc3339(request.created_at),
            "the family is to be something else, or nobody is to bring its certificates any more; what is brought for this \
             request is of no use"
        );
        self.datastore.forget_authority_request(family).await?;
        self.keys_are_left.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Forgets requests that the configuration has no use for any more.
    pub(in crate::authorities) async fn forget_stale_requests(&self) -> Result<(), AuthoritiesError> {
        for request in self.datastore.authority_requests().await? {
            let wanted = self.wanted(request.family);
            let settings = wanted.as_ref().map(|wanted| &wanted.settings);
            self.forget_request_unless(request.family, settings).await?;
        }
        Ok(())
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
        // Nobody requests another of the family before this is over, or what was given up would be handed out after it.
        let mut changing = self.turns.making(family).await;
        if self.awaited(family).await?.as_ref() != Some(request) {
            return Ok(None);
        }
        let looking = async {
            upstream.hand_out(family, &request.csr).await?;
            match upstream.brought(family).await {
                // Whoever cannot be reached says nothing about what was brought.
                Err(error @ UpstreamError::Unavailable(_)) => Err(error),
                Err(error) => {
                    upstream.judged(family, Some(&error.to_string())).await?;
                    Err(error)
                }
                brought => brought,
            }
        };
        let Some(brought) = changing.apart(looking).await.map_err(failed)? else {
            return Ok(None);
        };
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
                let put_away = changing.apart(upstream.judged(family, None)).await;
                put_away.map_err(failed)?;
                reloaded?;
                Ok(Some(record))
            }
            Err(AuthoritiesError::Upstream { source, .. }) => {
                let refusal = source.to_string();
                let put_away = changing.apart(upstream.judged(family, Some(&refusal))).await;
                put_away.map_err(failed)?;
                Err(failed(source))
            }
            Err(error) => Err(error),
        }
    }
}

/// Whether a request is for what these settings make.
fn is_for(request: &AuthorityRequest, settings: &FamilySettings) -> bool {
    let above = settings.upstream.as_ref();
    above.is_some_and(|above| above.upstream.is_offline())
        && settings.is_shape_of(request.suite, request.alternative, &request.keys)
}
