//! The keys of authorities: making them, opening those that the journal names, and destroying those that nobody names.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use spiffe::TrustDomain;
use symbolon_crypto::HeldKey;
use symbolon_hsm::{KeyLabel, KeyStore, StoreName};
use symbolon_issuance::jwt::JwtAuthority as JwtSigner;
use symbolon_issuance::wit::WitAuthority as WitSigner;
use symbolon_issuance::{Authority, AuthorityKeys, IssuanceError};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::key::{SubjectKey, SuiteSigner, component_spki_hash};
use symbolon_pki::suite::{Family, Suite};

use super::making::blocking;
use super::settings::FamilySettings;
use super::snapshot::Loaded;
use super::{Authorities, AuthoritiesError};
use crate::datastore::{AuthorityMaterial, AuthorityRecord, AuthorityState, KeyReference, KeyRole};

/// A signer together with where its keys are.
pub(super) struct MadeKey {
    pub(super) signers: AuthorityKeys,
    pub(super) keys: Vec<KeyReference>,
}

/// What an authority of this family signs with: keys that stand in the order of the suites' components.
fn authority_keys(
    family: Family,
    suite: Suite,
    alternative: Option<Suite>,
    mut held: Vec<Arc<dyn HeldKey>>,
) -> Result<AuthorityKeys, AuthoritiesError> {
    let rest = held.split_off(suite.components().len().min(held.len()));
    let native = SuiteSigner::new(suite, held)?;
    let Some(alternative) = alternative else {
        return Ok(native.into());
    };
    let alternative = SuiteSigner::new(alternative, rest)?;
    AuthorityKeys::catalyst(native, alternative).map_err(|error| AuthoritiesError::Issuance {
        family,
        source: Box::new(error.into()),
    })
}

/// SHA-256 over each component's SubjectPublicKeyInfo, in the same order.
fn spki_hashes(keys: &AuthorityKeys) -> Vec<[u8; 32]> {
    let signers = std::iter::once(keys.signer()).chain(keys.alternative());
    signers
        .flat_map(|signer| SubjectKey::Suite(signer.public_key().clone()).component_spki_hashes())
        .collect()
}

impl Authorities {
    /// Makes a key for each component in the store configured for it.
    pub(super) async fn make_key(&self, settings: &FamilySettings) -> Result<MadeKey, AuthoritiesError> {
        let (family, suite, alternative) = (settings.family, settings.suite, settings.alternative);
        let mut plan = Vec::new();
        for (component, name) in settings.placement() {
            let store = self
                .stores
                .get(name)
                .map_err(|source| AuthoritiesError::UnknownStore {
                    family: settings.family,
                    source,
                })?;
            let label = KeyLabel::of(
                self.settings.trust_domain.as_str(),
                &self.settings.server_name,
                settings.family.name(),
                component,
            )?;
            plan.push((component, name.clone(), Arc::clone(store), label));
        }
        blocking(move || {
            let mut held: Vec<Arc<dyn HeldKey>> = Vec::new();
            let mut keys = Vec::new();
            for (component, name, store, label) in plan {
                let (info, key) =
                    store
                        .generate(component, &label)
                        .map_err(|source| AuthoritiesError::Store {
                            store: name.clone(),
                            source,
                        })?;
                held.push(key);
                keys.push((name, info.id));
            }
            let signers = authority_keys(family, suite, alternative, held)?;
            let keys = roles(suite, alternative).zip(keys).zip(spki_hashes(&signers));
            let keys = keys
                .map(|((role, (store, key_id)), spki_sha256)| KeyReference {
                    store,
                    key_id,
                    spki_sha256,
                    role,
                })
                .collect();
            Ok(MadeKey { signers, keys })
        })
        .await
    }

    /// Opens the key of an authority and checks that it is the one the journal names.
    pub(super) async fn load(&self, record: &AuthorityRecord) -> Result<Loaded, AuthoritiesError> {
        let signers = self
            .open_keys(
                &record.authority_id,
                (record.family, record.suite, record.alternative),
                &record.keys,
            )
            .await?;
        let record = record.clone();
        let trust_domain = self.settings.trust_domain.clone();
        blocking(move || open(&trust_domain, &record, signers)).await
    }

    /// Opens the keys that an authority has or is to have; `name` is what errors call it.
    pub(super) async fn open_keys(
        &self,
        name: &str,
        (family, suite, alternative): (Family, Suite, Option<Suite>),
        keys: &[KeyReference],
    ) -> Result<AuthorityKeys, AuthoritiesError> {
        let mut plan: Vec<(KeyReference, Arc<dyn KeyStore>)> = Vec::new();
        for key in keys {
            let store = self
                .stores
                .get(&key.store)
                .map_err(|source| AuthoritiesError::UnknownStore { family, source })?;
            plan.push((key.clone(), Arc::clone(store)));
        }
        let name = name.to_owned();
        blocking(move || {
            let mut held: Vec<Arc<dyn HeldKey>> = Vec::new();
            let suites = [Some(suite), alternative].into_iter().flatten();
            let components = suites.flat_map(|suite| suite.components()).copied();
            for ((key, store), expected) in plan.iter().zip(components) {
                let opened = store
                    .open(&key.key_id)
                    .map_err(|source| AuthoritiesError::Store {
                        store: key.store.clone(),
                        source,
                    })?;
                let found = opened.component();
                if found != expected {
                    return Err(AuthoritiesError::WrongKeyType {
                        authority_id: name,
                        store: key.store.clone(),
                        key_id: key.key_id.clone(),
                        found,
                        expected,
                    });
                }
                held.push(opened);
            }
            let signers = authority_keys(family, suite, alternative, held)?;
            for ((key, _), hash) in plan.iter().zip(spki_hashes(&signers)) {
                if key.spki_sha256 != hash {
                    return Err(AuthoritiesError::WrongKey {
                        authority_id: name,
                        store: key.store.clone(),
                        key_id: key.key_id.clone(),
                    });
                }
            }
            Ok(signers)
        })
        .await
    }

    /// Destroys keys of ours that no journal line names, since something went wrong after making them; and those of
    /// revoked authorities, where something went wrong after that.
    ///
    /// A key is known by its public half, not by where the journal says it is: a store may have been given another
    /// name since, and what the journal names must never be destroyed.
    pub(super) async fn destroy_orphaned_keys(&self) -> Result<(), AuthoritiesError> {
        self.keys_are_left.store(true, Ordering::Relaxed);
        let journal = self.datastore.authorities(None).await?;
        let awaited = self.datastore.authority_requests().await?;
        let named: HashSet<[u8; 32]> = journal
            .into_iter()
            .filter(|record| record.state != AuthorityState::Revoked)
            .flat_map(|record| record.keys)
            .chain(awaited.into_iter().flat_map(|request| request.keys))
            .map(|key| key.spki_sha256)
            .chain(self.in_making.hashes())
            .collect();
        let prefix = self.label_prefix();
        let stores = Arc::clone(&self.stores);
        let clean = move |name: &StoreName, store: &dyn KeyStore| {
            let failed = |source| AuthoritiesError::Store {
                store: name.clone(),
                source,
            };
            for key in store.list().map_err(failed)? {
                let ours = key.label.as_str().starts_with(&prefix);
                if ours && !named.contains(&component_spki_hash(&key.public_key)) {
                    store.destroy(&key.id).map_err(failed)?;
                    tracing::warn!(event = "key.orphan_destroyed", store = %name, key_id = %key.id, label = %key.label);
                }
            }
            Ok(())
        };
        blocking(move || {
            // Every one: a token that is away must not keep what another has to be rid of.
            let failures: Vec<_> = stores
                .iter()
                .filter_map(|(name, store)| clean(name, &**store).err())
                .collect();
            failures.into_iter().next().map_or(Ok(()), Err)
        })
        .await?;
        self.keys_are_left.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// What every label of this server's keys begins with.
    fn label_prefix(&self) -> String {
        format!(
            "symbolon/{}/{}/",
            self.settings.trust_domain, self.settings.server_name
        )
    }
}

/// The authority of a journal line whose key was opened.
fn open(
    trust_domain: &TrustDomain,
    record: &AuthorityRecord,
    signers: AuthorityKeys,
) -> Result<Loaded, AuthoritiesError> {
    let family = record.family;
    let failed = |source: IssuanceError| AuthoritiesError::Issuance {
        family,
        source: Box::new(source),
    };
    match &record.material {
        AuthorityMaterial::X509 { certificate } => {
            let certificate = Certificate::from_der(certificate).map_err(|e| AuthoritiesError::Journal {
                authority_id: record.authority_id.clone(),
                reason: e.to_string(),
            })?;
            let chain = above(record)?;
            let authority = Authority::new(certificate, signers).map_err(failed)?;
            Ok(Loaded::X509(Arc::new(match chain {
                Some(chain) => authority.below(&chain),
                None => authority,
            })))
        }
        AuthorityMaterial::Jwt { key_id, .. } => {
            let damaged = || AuthoritiesError::Journal {
                authority_id: record.authority_id.clone(),
                reason: "it names no key".to_owned(),
            };
            let key = signers.signer().keys().first().cloned().ok_or_else(damaged)?;
            let (trust_domain, key_id) = (trust_domain.clone(), key_id.clone());
            match family {
                Family::Wit => WitSigner::new(trust_domain, key_id, key, record.not_after)
                    .map(|signer| Loaded::Wit(Arc::new(signer))),
                _ => JwtSigner::new(trust_domain, key_id, key, record.not_after)
                    .map(|signer| Loaded::Jwt(Arc::new(signer))),
            }
            .map_err(failed)
        }
    }
}

/// The certificates between an authority's own and the root above it; `None` for one that signed itself.
fn above(record: &AuthorityRecord) -> Result<Option<Vec<Certificate>>, AuthoritiesError> {
    let read = |der: &Vec<u8>| {
        Certificate::from_der(der).map_err(|error| AuthoritiesError::Journal {
            authority_id: record.authority_id.clone(),
            reason: error.to_string(),
        })
    };
    let path = record.upstream.as_ref();
    path.map(|path| path.chain.iter().map(read).collect()).transpose()
}

/// The role of each component's key, in the order of the suites' components.
fn roles(suite: Suite, alternative: Option<Suite>) -> impl Iterator<Item = KeyRole> {
    let roles: &[KeyRole] = match (alternative, suite.is_composite()) {
        (Some(_), _) => &[KeyRole::Native, KeyRole::Alternative],
        (None, true) => &[KeyRole::PostQuantum, KeyRole::Classical],
        (None, false) => &[KeyRole::Sole],
    };
    roles.iter().copied()
}
