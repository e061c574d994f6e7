//! JWT-SVIDs, by entry and audience: a bounded table.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use symbolon_pki::bundle::TrustBundle;
use zeroize::Zeroizing;

use super::{Entry, Version};
use crate::server::MintedJwt;
use crate::time::renewal_at;

/// What a token is for.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct JwtKey {
    entry_id: String,
    version: Version,
    audience: BTreeSet<String>,
}

impl JwtKey {
    /// The order of an audience does not matter.
    pub(crate) fn new(entry: &Entry, audience: &[String]) -> Self {
        Self {
            entry_id: entry.id.clone(),
            version: entry.version,
            audience: audience.iter().cloned().collect(),
        }
    }
}

struct Held {
    token: Arc<Zeroizing<String>>,
    key_id: String,
    expires_at: SystemTime,
    renew_at: SystemTime,
    /// When it was last asked for, counted in questions.
    asked_for: u64,
}

/// A token that is held.
pub(crate) struct Found {
    pub(crate) token: Arc<Zeroizing<String>>,
    /// Whether it is time for the next one.
    pub(crate) is_due: bool,
}

/// The tokens held, at most `max`.
pub(crate) struct JwtCache {
    max: usize,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    held: HashMap<JwtKey, Held>,
    questions: u64,
}

impl JwtCache {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            max,
            table: Mutex::default(),
        }
    }

    /// The token for this, if one is held that is valid and signed by a key in good standing.
    pub(crate) fn get(&self, key: &JwtKey, bundle: &TrustBundle, now: SystemTime) -> Option<Found> {
        let mut table = self.table();
        table.questions += 1;
        let question = table.questions;
        let held = table.held.get_mut(key)?;
        let stands = bundle
            .jwt_authority(&held.key_id)
            .is_some_and(|authority| !authority.tainted);
        if held.expires_at <= now || !stands {
            table.held.remove(key);
            return None;
        }
        held.asked_for = question;
        Some(Found {
            token: held.token.clone(),
            is_due: held.renew_at <= now,
        })
    }

    /// Takes a new token. Expired ones go, and if there is still no room the one that was not asked for the longest.
    pub(crate) fn put(
        &self,
        key: JwtKey,
        minted: MintedJwt,
        now: SystemTime,
        dice: u16,
    ) -> Arc<Zeroizing<String>> {
        let mut table = self.table();
        if table.held.len() >= self.max && !table.held.contains_key(&key) {
            table.held.retain(|_, held| held.expires_at > now);
        }
        if table.held.len() >= self.max && !table.held.contains_key(&key) {
            let oldest = table.held.iter().min_by_key(|(_, held)| held.asked_for);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                table.held.remove(&oldest);
            }
        }
        table.questions += 1;
        let held = Held {
            token: Arc::new(minted.token),
            key_id: minted.key_id,
            expires_at: minted.expires_at,
            renew_at: renewal_at(now, minted.expires_at, dice),
            asked_for: table.questions,
        };
        let token = held.token.clone();
        table.held.insert(key, held);
        token
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Every change is complete before anything in it can panic.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for JwtCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JwtCache")
            .field("held", &self.table().held.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use spiffe::TrustDomain;
    use symbolon_pki::bundle::JwtAuthority;
    use symbolon_pki::key::PrivateKey;
    use symbolon_pki::suite::Suite;

    use super::*;

    fn key(audience: &str) -> JwtKey {
        JwtKey {
            entry_id: "entry".to_owned(),
            version: Version::default(),
            audience: [audience.to_owned()].into(),
        }
    }

    fn minted(token: &str) -> MintedJwt {
        MintedJwt {
            token: Zeroizing::new(token.to_owned()),
            expires_at: at(300),
            key_id: "kid".to_owned(),
        }
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn bundle() -> TrustBundle {
        let key = PrivateKey::generate(Suite::EcdsaP256).unwrap();
        let spki = key.public_key().unwrap().spki_der();
        let mut bundle = TrustBundle::new(TrustDomain::new("example.org").unwrap());
        bundle
            .jwt_authorities
            .push(JwtAuthority::from_spki_der("kid", &spki).unwrap());
        bundle
    }

    #[test]
    fn a_token_is_due_at_half_life_and_gone_at_its_end() {
        let (cache, bundle) = (JwtCache::new(10), bundle());
        cache.put(key("a"), minted("one"), at(0), u16::MAX / 2);
        assert!(!cache.get(&key("a"), &bundle, at(149)).unwrap().is_due);
        assert!(cache.get(&key("a"), &bundle, at(151)).unwrap().is_due);
        assert!(cache.get(&key("a"), &bundle, at(300)).is_none());
        assert!(cache.get(&key("b"), &bundle, at(0)).is_none());
    }

    #[test]
    fn a_token_falls_with_its_key() {
        let (cache, mut bundle) = (JwtCache::new(10), bundle());
        cache.put(key("a"), minted("one"), at(0), 0);
        bundle.jwt_authorities[0].tainted = true;
        assert!(cache.get(&key("a"), &bundle, at(1)).is_none());
        cache.put(key("a"), minted("one"), at(0), 0);
        bundle.jwt_authorities.clear();
        assert!(cache.get(&key("a"), &bundle, at(1)).is_none());
    }

    #[test]
    fn the_table_is_bounded_and_the_least_wanted_goes() {
        let (cache, bundle) = (JwtCache::new(2), bundle());
        cache.put(key("a"), minted("a"), at(0), 0);
        cache.put(key("b"), minted("b"), at(0), 0);
        cache.get(&key("a"), &bundle, at(1)).unwrap();
        cache.put(key("c"), minted("c"), at(1), 0);
        assert!(cache.get(&key("b"), &bundle, at(1)).is_none());
        assert!(cache.get(&key("a"), &bundle, at(1)).is_some());
        assert_eq!(cache.table().held.len(), 2);
        assert!(!format!("{cache:?}").contains("\"c\""));
    }
}
