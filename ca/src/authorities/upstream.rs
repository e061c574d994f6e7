//! Authorities that somebody above this server certifies: asking for them, judging what comes back, and following what
//! becomes of the roots above.

mod awaited;
mod trial;
mod waits;

use std::collections::BTreeSet;
use std::time::SystemTime;

use spiffe::SpiffeId;
use symbolon_issuance::AuthorityKeys;
use symbolon_pki::bundle::{JwtAuthority, X509Authority};
use symbolon_pki::csr::CsrBuilder;
use symbolon_pki::suite::Family;

use self::trial::Trial;
pub(super) use self::waits::Waits;
use super::making::blocking;
use super::settings::FamilySettings;
use super::{Authorities, AuthoritiesError, CommandError, Step, is_valid, log_failure};
use crate::datastore::{
    AppendedAuthorities, AuthorityKind, AuthorityMaterial, AuthorityRecord, AuthorityRequest, AuthorityState,
    KeyReference, UpstreamRoot,
};
use crate::upstream::{Answer, MintOrder, Minted, NamedUpstream, UpstreamError};

/// An authority that is to be certified by somebody else.
pub(super) struct Candidate {
    pub(super) signers: AuthorityKeys,
    pub(super) keys: Vec<KeyReference>,
}

impl Authorities {
    /// Has an upstream certify a new authority.
    ///
    /// # Errors
    /// [`AuthoritiesError::Upstream`]; [`AuthoritiesError::Awaited`], and then the journal knows what for.
    pub(super) async fn certify_above(
        &self,
        settings: &FamilySettings,
        above: &NamedUpstream,
        candidate: Candidate,
        now: SystemTime,
    ) -> Result<AuthorityRecord, AuthoritiesError> {
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
            now,
        };
        let minted = match above.upstream.mint(&order).await.map_err(failed)? {
            Answer::Minted(minted) => minted,
            Answer::Awaited => {
                let request = AuthorityRequest {
                    family,
                    suite: settings.suite,
                    alternative: settings.alternative,
                    keys: candidate.keys,
                    csr,
                    created_at: now,
                };
                self.datastore.request_authority(&request).await?;
                tracing::info!(
                    event = "authority.requested",
                    %family,
                    upstream = %above.name,
                    "its certificate is to be brought"
                );
                above
                    .upstream
                    .hand_out(family, &request.csr)
                    .await
                    .map_err(failed)?;
                return Err(AuthoritiesError::Awaited { family });
            }
        };
        self.take_minted(settings, above, candidate, minted, now).await
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

    /// Publishes a key that signs tokens above, if that is where its family's keys are published.
    pub(super) async fn publish_above(
        &self,
        settings: &FamilySettings,
        key: &JwtAuthority,
    ) -> Result<(), AuthoritiesError> {
        let Some(above) = &settings.upstream else {
            return Ok(());
        };
        let published = above.upstream.publish(kind_of(settings.family), key).await;
        published.map_err(|source| AuthoritiesError::Upstream {
            family: settings.family,
            upstream: above.name.clone(),
            source,
        })
    }

    /// Takes over what upstreams have for the bundle, and publishes again what they lost of ours. What goes wrong is logged,
    /// and everything stays as it is until the next look.
    pub async fn follow_upstreams(&self) {
        if let Err(error) = self.take_what_was_brought().await {
            log_failure(&error);
        }
        let mut asked = BTreeSet::new();
        let mut changed = false;
        for settings in &self.settings.families {
            let Some(above) = &settings.upstream else { continue };
            if !asked.insert(above.name.clone()) {
                continue;
            }
            match self.follow(above).await {
                Ok(differs) => changed |= differs,
                Err(error) => tracing::warn!(
                    event = "upstream.not_followed",
                    upstream = %above.name,
                    kind = above.upstream.kind(),
                    error = &error as &dyn std::error::Error,
                ),
            }
        }
        if changed {
            let _changing = self.changing.lock().await;
            if let Err(error) = self.reload(Vec::new()).await {
                log_failure(&error);
            }
        }
    }

    async fn follow(&self, above: &NamedUpstream) -> Result<bool, AuthoritiesError> {
        let failed = |family| {
            move |source| AuthoritiesError::Upstream {
                family,
                upstream: above.name.clone(),
                source,
            }
        };
        let families = || {
            let of_it = |settings: &&FamilySettings| {
                let theirs = settings.upstream.as_ref();
                theirs.is_some_and(|upstream| upstream.name == above.name)
            };
            self.settings.families.iter().filter(of_it)
        };
        let first = families()
            .next()
            .map_or(Family::Classical, |settings| settings.family);
        let Some(bundle) = above.upstream.bundle().await.map_err(failed(first))? else {
            return Ok(false);
        };
        let found = &bundle.authorities;
        let changed = self
            .datastore
            .follow_upstream(above.name.as_str(), found, bundle.is_all)
            .await?;
        for settings in families().filter(|settings| bundle.is_all && settings.family.signs_tokens()) {
            let theirs = match settings.family {
                Family::Wit => &found.wit,
                _ => &found.jwt,
            };
            for key in self.own_keys(settings.family) {
                if !theirs.iter().any(|theirs| theirs.key_id == key.key_id) {
                    self.publish_above(settings, &key).await?;
                }
            }
        }
        Ok(changed)
    }

    /// The keys of a family that verifiers need.
    fn own_keys(&self, family: Family) -> Vec<JwtAuthority> {
        let now = self.clock.now();
        let needed = |record: &AuthorityRecord| {
            let stands = matches!(
                record.state,
                AuthorityState::Prepared | AuthorityState::Active | AuthorityState::Old
            );
            record.family == family && stands && is_valid(record, now)
        };
        let snapshot = self.current.load();
        let records = snapshot.journal.iter().filter(|record| needed(record));
        records.filter_map(key_of).collect()
    }

    /// Whether the root above an authority is not to be trusted any more: it needs a successor at once.
    pub(super) async fn has_fallen(&self, record: &AuthorityRecord) -> Result<bool, AuthoritiesError> {
        let Some(path) = &record.upstream else {
            return Ok(false);
        };
        let roots = self.datastore.upstream_roots().await?;
        let above: Vec<_> = roots.iter().filter(|root| root.root_id == path.root_id).collect();
        // An upstream that has taken its root back trusts it no more.
        Ok(above.iter().all(|root| root.state != AuthorityState::Old))
    }

    /// The authorities above this server's in its bundle, revoked ones too.
    ///
    /// # Errors
    /// [`AuthoritiesError`].
    pub async fn upstream_roots(&self) -> Result<Vec<UpstreamRoot>, AuthoritiesError> {
        Ok(self.datastore.upstream_roots().await?)
    }

    /// Taints or revokes an authority above this server's, for those below it.
    ///
    /// # Errors
    /// [`CommandError`], as [`step`](Self::step).
    pub async fn step_upstream(&self, step: Step, root_id: &str) -> Result<(), CommandError> {
        if !self.settings.families.iter().any(FamilySettings::has_root_above) {
            return Err(CommandError::NoUpstream);
        }
        let _changing = self.changing.lock().await;
        let printed = symbolon_pki::text::printable(root_id);
        let roots = self.upstream_roots().await?;
        let Some(root) = roots.iter().find(|root| root.root_id == root_id) else {
            return Err(CommandError::UnknownUpstream { root_id: printed });
        };
        if root.state != step.from() {
            return Err(CommandError::WrongState {
                step,
                authority_id: printed,
                state: root.state,
            });
        }
        let journal = self
            .datastore
            .authorities(None)
            .await
            .map_err(AuthoritiesError::from)?;
        let needed = journal.iter().find(|record| {
            let in_use = matches!(record.state, AuthorityState::Active | AuthorityState::Prepared);
            let path = record.upstream.as_ref();
            in_use && path.is_some_and(|path| path.root_id == root_id)
        });
        if let Some(record) = needed {
            return Err(CommandError::UpstreamInUse {
                root_id: printed,
                authority_id: record.authority_id.clone(),
                state: record.state,
            });
        }
        let changed = self.datastore.change_upstream_root(root_id, step.to()).await;
        changed.map_err(AuthoritiesError::from)?;
        let reloaded = self.reload(Vec::new()).await;
        tracing::info!(
            event = match step {
                Step::Revoke => "authority.revoked",
                _ => "authority.tainted",
            },
            authority_id = printed,
            "an authority above this server's"
        );
        Ok(reloaded?)
    }
}

/// The kind of key that a family which signs tokens has.
fn kind_of(family: Family) -> AuthorityKind {
    match family {
        Family::Wit => AuthorityKind::Wit,
        _ => AuthorityKind::Jwt,
    }
}

fn key_of(record: &AuthorityRecord) -> Option<JwtAuthority> {
    let AuthorityMaterial::Jwt { key_id, spki } = &record.material else {
        return None;
    };
    let mut key = JwtAuthority::from_spki_der(key_id, spki).ok()?;
    key.expires_at = Some(record.not_after);
    Some(key)
}
