//! Authorities that somebody above this server certifies: asking for them, judging what comes back, and following what
//! becomes of the roots above.

mod awaited;
mod following;
mod roots;
mod trial;
mod waits;

use std::collections::BTreeSet;
use std::time::SystemTime;

use spiffe::SpiffeId;
use symbolon_issuance::AuthorityKeys;
use symbolon_pki::bundle::X509Authority;
use symbolon_pki::csr::CsrBuilder;

pub(super) use self::following::Learnt;
use self::trial::Trial;
pub(super) use self::waits::Waits;
use super::changing::Changing;
use super::making::{Fresh, blocking};
use super::settings::FamilySettings;
use super::{Authorities, AuthoritiesError, is_valid};
use crate::datastore::{
    AppendedAuthorities, AuthorityMaterial, AuthorityRecord, AuthorityRequest, AuthorityState, KeyReference,
};
use crate::upstream::{Answer, MintOrder, Minted, NamedUpstream, UpstreamError};

/// An authority that is to be certified by somebody else.
pub(super) struct Candidate {
    pub(super) signers: AuthorityKeys,
    pub(super) keys: Vec<KeyReference>,
}

impl Authorities {
    /// Has an upstream certify a new authority. Others may change the journal while it is asked.
    ///
    /// # Errors
    /// [`AuthoritiesError::Upstream`].
    pub(super) async fn certify_above(
        &self,
        settings: &FamilySettings,
        above: &NamedUpstream,
        candidate: Candidate,
        changing: &mut Changing<'_>,
    ) -> Result<Fresh, AuthoritiesError> {
        let family = settings.family;
        let failed = |source| AuthoritiesError::Upstream {
            family,
            upstream: above.name.clone(),
            source,
        };
        let csr = self.csr(&candidate.signers).await.map_err(failed)?;
        let order = MintOrder {
            family,
            csr: csr.clone(),
            ttl: self.settings.ttl,
            now: self.clock.now(),
        };
        let answer = changing.apart(above.upstream.mint(&order)).await;
        let now = self.clock.now();
        match answer.map_err(failed)? {
            Answer::Minted(minted) => {
                let record = self.take_minted(settings, above, candidate, minted, now).await?;
                Ok(Fresh::Certified(record))
            }
            Answer::Awaited => Ok(Fresh::Requested(AuthorityRequest {
                family,
                suite: settings.suite,
                alternative: settings.alternative,
                keys: candidate.keys,
                csr,
                created_at: now,
            })),
        }
    }

    /// Judges what was certified, and publishes the roots above it.
    pub(super) async fn take_minted(
        &self,
        settings: &FamilySettings,
        above: &NamedUpstream,
        candidate: Candidate,
        minted: Minted,
        now: SystemTime,
    ) -> Result<AuthorityRecord, AuthoritiesError> {
        let family = settings.family;
        let failed = |reason| AuthoritiesError::Upstream {
            family,
            upstream: above.name.clone(),
            source: UpstreamError::Unfit(reason),
        };
        let distrusted: BTreeSet<String> = self
            .datastore
            .upstream_roots()
            .await?
            .into_iter()
            .filter(|root| root.state != AuthorityState::Old)
            .map(|root| root.root_id)
            .collect();
        let active = self.datastore.authorities(Some(family)).await?;
        let active = active
            .into_iter()
            .find(|record| record.state == AuthorityState::Active && is_valid(record, now));
        let trial = Trial {
            trust_domain: self.settings.trust_domain.clone(),
            family,
            ttl: self.settings.ttl,
            replaces: active.map(|record| record.not_after),
            distrusted,
            now,
        };
        let (signers, roots) = (candidate.signers, minted.roots.clone());
        let passed = blocking(move || Ok(trial.hold(minted, signers))).await?;
        let passed = passed.map_err(failed)?;
        let found = AppendedAuthorities {
            x509: roots.into_iter().map(X509Authority::new).collect(),
            ..AppendedAuthorities::default()
        };
        // Before anything that needs them.
        self.datastore
            .follow_upstream(above.name.as_str(), &found, false)
            .await?;
        let certificate = passed.certificate;
        Ok(AuthorityRecord {
            authority_id: passed.authority_id,
            family,
            suite: settings.suite,
            alternative: settings.alternative,
            state: AuthorityState::Prepared,
            not_before: certificate.not_before(),
            not_after: certificate.not_after(),
            material: AuthorityMaterial::X509 {
                certificate: certificate.der().to_vec(),
            },
            upstream: Some(passed.path),
            keys: candidate.keys,
            created_at: now,
            changed_at: now,
            activated_at: None,
        })
    }

    async fn csr(&self, signers: &AuthorityKeys) -> Result<Vec<u8>, UpstreamError> {
        let signers = signers.clone();
        let id = format!("spiffe://{}", self.settings.trust_domain);
        let build = move || {
            let id = SpiffeId::new(id).map_err(|error| error.to_string())?;
            let request = CsrBuilder::new(signers.signer()).spiffe_id(&id);
            let request = match signers.alternative() {
                Some(alternative) => request.alternative(alternative),
                None => request,
            };
            request.build().map_err(|error| error.to_string())
        };
        let built = blocking(move || Ok(build())).await;
        let built = built.map_err(|error| UpstreamError::Unfit(error.to_string()))?;
        built.map_err(|error| UpstreamError::Material(format!("the request cannot be made: {error}")))
    }
}
