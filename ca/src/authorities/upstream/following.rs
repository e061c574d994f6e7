//! Following upstreams: what they have for the bundle, and that they keep what is this server's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

use spiffe::SpiffeId;
use symbolon_pki::bundle::{JwtAuthority, X509Authority};
use symbolon_pki::suite::Family;

use super::super::settings::FamilySettings;
use super::super::slots::{Change, ChangeKind};
use super::super::{Authorities, AuthoritiesError, is_valid, log_failure};
use crate::datastore::{
    AppendedAuthorities, AuthorityKind, AuthorityMaterial, AuthorityRecord, AuthorityState, RootOrigin,
};
use crate::upstream::{NamedUpstream, UpstreamBundle, UpstreamError};

/// How many of the keys that an upstream takes of this server are its own: of two families the active one, the next one,
/// and the one before.
const KEPT_FOR_OWN: usize = 6;

/// What was learnt of upstreams and is learnt again after a restart.
#[derive(Debug, Default)]
pub(in crate::authorities) struct Learnt {
    /// The key ids of this server's that an upstream believes no more.
    fallen: std::sync::Mutex<BTreeSet<String>>,
    /// The roots above this server's authorities that the last answer of an upstream was the first to lack, by its name.
    lacked: std::sync::Mutex<BTreeMap<String, BTreeSet<String>>>,
}

impl Learnt {
    fn is_fallen(&self, key_id: &str) -> bool {
        let fallen = self.fallen.lock().unwrap_or_else(PoisonError::into_inner);
        fallen.contains(key_id)
    }

    fn note_key(&self, key_id: &str, has_fallen: bool) {
        let mut fallen = self.fallen.lock().unwrap_or_else(PoisonError::into_inner);
        match has_fallen {
            true => fallen.insert(key_id.to_owned()),
            false => fallen.remove(key_id),
        };
    }

    /// Notes what an answer lacks; returns what the one before it did not lack. What is gone by that is forgotten: where it
    /// comes back, it takes two answers once more.
    fn newly_lacked(&self, upstream: &str, lacking: BTreeSet<String>) -> BTreeSet<String> {
        let mut lacked = self.lacked.lock().unwrap_or_else(PoisonError::into_inner);
        let before = lacked.remove(upstream).unwrap_or_default();
        let newly: BTreeSet<String> = lacking.difference(&before).cloned().collect();
        lacked.insert(upstream.to_owned(), newly.clone());
        newly
    }
}

impl Authorities {
    /// Publishes a key that signs tokens above, if that is where its family's keys are published.
    pub(in crate::authorities) async fn publish_above(
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

    /// Passes keys of a server below this one on to whoever stands above: what they sign is to be believed in the whole
    /// trust domain, not below this server alone.
    ///
    /// Nothing is passed up that would not be taken here, nor so much that there is no room above for this server's own.
    ///
    /// # Errors
    /// [`AuthoritiesError::Upstream`], of the first that was not taken; [`AuthoritiesError::Datastore`] for what would not be
    /// taken here, and [`AuthoritiesError::NoRoomAbove`].
    pub async fn pass_up(
        &self,
        publisher: &SpiffeId,
        added: &AppendedAuthorities,
    ) -> Result<(), AuthoritiesError> {
        let now = self.clock.now();
        self.datastore.judge_publication(publisher, added, now).await?;
        for (family, keys) in [(Family::Jwt, &added.jwt), (Family::Wit, &added.wit)] {
            let mut families = self.settings.families.iter();
            let Some(settings) = families.find(|settings| settings.family == family) else {
                continue;
            };
            for key in keys {
                self.refuse_more_of_others(settings, key).await?;
                self.publish_above(settings, key).await?;
            }
        }
        Ok(())
    }

    /// Refuses a key of a server below that would take the room above which this server's own keys need.
    async fn refuse_more_of_others(
        &self,
        settings: &FamilySettings,
        key: &JwtAuthority,
    ) -> Result<(), AuthoritiesError> {
        let Some(above) = &settings.upstream else {
            return Ok(());
        };
        let Some(most) = above.upstream.most_keys() else {
            return Ok(());
        };
        let (now, mut count) = (self.clock.now(), 0);
        let is_same = |theirs: &NamedUpstream| theirs.name == above.name;
        for family in [Family::Jwt, Family::Wit] {
            let mut families = self.settings.families.iter();
            let goes_there = |it: &FamilySettings| it.upstream.as_ref().is_some_and(is_same);
            if !families.any(|it| it.family == family && goes_there(it)) {
                continue;
            }
            let published = self.datastore.published_keys(kind_of(family)).await?;
            if family == settings.family && published.iter().any(|it| it.key_id == key.key_id) {
                return Ok(());
            }
            let is_there = |it: &&JwtAuthority| it.expires_at.is_none_or(|at| now < at);
            count += published.iter().filter(is_there).count();
        }
        if count + KEPT_FOR_OWN < most {
            return Ok(());
        }
        Err(AuthoritiesError::NoRoomAbove {
            upstream: above.name.clone(),
            count,
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
                Err(error) => not_followed(above, &error),
            }
        }
        if changed {
            let _changing = self.turns.journal().await;
            if let Err(error) = self.reload(Vec::new()).await {
                log_failure(&error);
            }
        }
    }

    async fn follow(&self, above: &NamedUpstream) -> Result<bool, AuthoritiesError> {
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
        let bundle = above
            .upstream
            .bundle()
            .await
            .map_err(|source| AuthoritiesError::Upstream {
                family: first,
                upstream: above.name.clone(),
                source,
            })?;
        let Some(mut bundle) = bundle else {
            return Ok(false);
        };
        let mut changed = self.take_over(above, &mut bundle).await?;
        if bundle.is_all {
            for settings in families().filter(|settings| settings.family.signs_tokens()) {
                let theirs = match settings.family {
                    Family::Wit => &bundle.authorities.wit,
                    _ => &bundle.authorities.jwt,
                };
                self.keep_own_keys(above, settings, theirs).await;
                changed |= self.keep_keys_of_others(above, settings, theirs).await?;
                changed |= self.taint_fallen(settings.family).await?;
            }
        }
        Ok(changed)
    }

    /// Takes what an upstream has into the bundle. An answer that was given before a root became known may come after that,
    /// and another server of the same upstream may learn of a root later: what stands above an authority that signs or will
    /// is believed gone when two answers in a row lack it.
    async fn take_over(
        &self,
        above: &NamedUpstream,
        bundle: &mut UpstreamBundle,
    ) -> Result<bool, AuthoritiesError> {
        let _changing = self.turns.journal().await;
        let name = above.name.as_str();
        if bundle.is_all {
            let journal = self.datastore.authorities(None).await?;
            let in_use = journal
                .iter()
                .filter(|it| matches!(it.state, AuthorityState::Active | AuthorityState::Prepared));
            let needed: BTreeSet<_> = in_use
                .filter_map(|record| Some(record.upstream.as_ref()?.root_id.as_str()))
                .collect();
            let found = &mut bundle.authorities.x509;
            let mut roots = self.datastore.upstream_roots().await?;
            roots.retain(|root| {
                root.origin == RootOrigin::Upstream(name.to_owned())
                    && root.state != AuthorityState::Revoked
                    && needed.contains(root.root_id.as_str())
                    && !found.iter().any(|it| it.certificate == root.certificate)
            });
            let lacking = roots.iter().map(|root| root.root_id.clone()).collect();
            let newly = self.learnt.newly_lacked(name, lacking);
            roots.retain(|root| newly.contains(&root.root_id));
            found.extend(roots.into_iter().map(|root| X509Authority::new(root.certificate)));
        }
        let found = &bundle.authorities;
        Ok(self.datastore.follow_upstream(name, found, bundle.is_all).await?)
    }

    /// Publishes this server's keys of a family again where the upstream lost them, and notes which it believes no more.
    async fn keep_own_keys(&self, above: &NamedUpstream, settings: &FamilySettings, theirs: &[JwtAuthority]) {
        for key in self.own_keys(settings.family) {
            let has_fallen = match theirs.iter().find(|theirs| theirs.key_id == key.key_id) {
                Some(theirs) => theirs.tainted,
                None => match self.publish_above(settings, &key).await {
                    Ok(()) => false,
                    Err(error) => {
                        not_followed(above, &error);
                        // Whoever does not answer says nothing about the key.
                        if !is_distrust(&error) {
                            continue;
                        }
                        true
                    }
                },
            };
            if has_fallen && !self.learnt.is_fallen(&key.key_id) {
                tracing::error!(
                    event = "upstream.key_fallen",
                    upstream = %above.name,
                    family = %settings.family,
                    key_id = key.key_id,
                    "the upstream does not believe this key any more; another is made"
                );
            }
            self.learnt.note_key(&key.key_id, has_fallen);
        }
    }

    /// Publishes keys of servers below this one again where the upstream lost them, and taints those that it believes no
    /// more.
    async fn keep_keys_of_others(
        &self,
        above: &NamedUpstream,
        settings: &FamilySettings,
        theirs: &[JwtAuthority],
    ) -> Result<bool, AuthoritiesError> {
        let (now, kind) = (self.clock.now(), kind_of(settings.family));
        let published = self.datastore.published_keys(kind).await?;
        let is_missing = |key: &&JwtAuthority| {
            !key.tainted
                && key.expires_at.is_none_or(|at| now < at)
                && !theirs.iter().any(|theirs| theirs.key_id == key.key_id)
        };
        let mut changed = false;
        for key in published.iter().filter(is_missing) {
            let Err(error) = self.publish_above(settings, key).await else {
                continue;
            };
            not_followed(above, &error);
            if is_distrust(&error) {
                let _changing = self.turns.journal().await;
                let found = self.datastore.appended_key(kind, &key.key_id).await?;
                if found.is_some_and(|(_, state)| state == AuthorityState::Old) {
                    self.datastore
                        .change_appended_key(kind, &key.key_id, AuthorityState::Tainted)
                        .await?;
                    changed = true;
                }
            }
        }
        Ok(changed)
    }

    /// Taints what has fallen and does not sign any more.
    async fn taint_fallen(&self, family: Family) -> Result<bool, AuthoritiesError> {
        let _changing = self.turns.journal().await;
        let journal = self.datastore.authorities(Some(family)).await?;
        let mut changed = false;
        for record in journal {
            if record.state == AuthorityState::Old && self.learnt.is_fallen(&record.authority_id) {
                let done = self
                    .datastore
                    .change_authority_state(&record.authority_id, AuthorityState::Tainted, self.clock.now())
                    .await?;
                Change::of(ChangeKind::Tainted, &done.authority).log();
                changed = true;
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

    /// Whether whoever stands above trusts an authority no more, or the root that it is below: it needs a successor at once.
    pub(in crate::authorities) async fn has_fallen(
        &self,
        record: &AuthorityRecord,
    ) -> Result<bool, AuthoritiesError> {
        let Some(path) = &record.upstream else {
            return Ok(self.learnt.is_fallen(&record.authority_id));
        };
        let roots = self.datastore.upstream_roots().await?;
        let above: Vec<_> = roots.iter().filter(|root| root.root_id == path.root_id).collect();
        // One that is there no more was taken back by whoever put it in.
        Ok(above.iter().all(|root| root.state != AuthorityState::Old))
    }
}

fn not_followed(above: &NamedUpstream, error: &AuthoritiesError) {
    tracing::warn!(
        event = "upstream.not_followed",
        upstream = %above.name,
        kind = above.upstream.kind(),
        error = error as &dyn std::error::Error,
    );
}

fn is_distrust(error: &AuthoritiesError) -> bool {
    matches!(
        error,
        AuthoritiesError::Upstream {
            source: UpstreamError::Distrusted(_),
            ..
        }
    )
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
