//! What the configuration says about authorities, checked against what the stores can do.

use std::time::Duration;

use spiffe::TrustDomain;
use symbolon_crypto::Component;
use symbolon_hsm::{StoreName, Stores};
use symbolon_pki::suite::{Family, Suite};

use super::AuthoritiesError;
use crate::datastore::KeyReference;

/// How a server's authorities are to be.
#[derive(Clone, Debug)]
pub struct AuthoritySettings {
    /// The trust domain.
    pub trust_domain: TrustDomain,
    /// This server's name; part of every key label. No other server that uses the same key stores may have it: keys
    /// labelled with it that the journal does not name are destroyed.
    pub server_name: String,
    /// How long an authority lives.
    pub ttl: Duration,
    /// The families it has, each once.
    pub families: Vec<FamilySettings>,
}

/// How one family's next authority is to be made.
#[derive(Clone, Debug)]
pub struct FamilySettings {
    /// The family.
    pub family: Family,
    /// What it signs with.
    pub suite: Suite,
    /// Where its key is kept: one store for every component, or one for each in the suite's order.
    pub stores: Vec<StoreName>,
}

impl AuthoritySettings {
    /// Checks that every family can have the authority it is configured to have, before any key is made.
    pub(super) fn check(&self, stores: &Stores) -> Result<(), AuthoritiesError> {
        self.families.iter().try_for_each(|family| family.check(stores))
    }
}

impl FamilySettings {
    /// With each component's key in the first of `names` that offers it.
    pub(crate) fn in_first(
        family: Family,
        suite: Suite,
        names: &[StoreName],
        stores: &Stores,
    ) -> Result<Self, AuthoritiesError> {
        let mut chosen = Vec::new();
        for &component in suite.components() {
            let mut lacks = Vec::new();
            for name in names {
                let store = stores
                    .get(name)
                    .map_err(|source| AuthoritiesError::UnknownStore { family, source })?;
                match store.offers(component) {
                    Ok(()) => {
                        chosen.push(name.clone());
                        break;
                    }
                    Err(lack) => lacks.push(format!("{name} ({}): {}", lack.kind, lack.reason)),
                }
            }
            if lacks.len() == names.len() {
                return Err(AuthoritiesError::NoStoreOffers {
                    family,
                    suite,
                    component,
                    lacks: lacks.join("; "),
                });
            }
        }
        Ok(Self {
            family,
            suite,
            stores: chosen,
        })
    }

    /// Whether `keys` are where this says that they belong.
    pub(super) fn is_place_of(&self, keys: &[KeyReference]) -> bool {
        let places: Vec<&StoreName> = keys.iter().map(|key| &key.store).collect();
        self.placement().map(|(_, store)| store).eq(places)
    }

    fn check(&self, stores: &Stores) -> Result<(), AuthoritiesError> {
        let family = self.family;
        if !may_sign(family, self.suite) {
            let allowed = Suite::ALL
                .into_iter()
                .filter(|suite| may_sign(family, *suite))
                .map(Suite::name);
            return Err(AuthoritiesError::WrongSuite {
                family,
                suite: self.suite,
                allowed: allowed.collect::<Vec<_>>().join(", "),
            });
        }
        let components = self.suite.components().len();
        if self.stores.len() != 1 && self.stores.len() != components {
            return Err(AuthoritiesError::Stores {
                family,
                suite: self.suite,
                components,
                found: self.stores.len(),
            });
        }
        for (component, name) in self.placement() {
            let store = stores
                .get(name)
                .map_err(|source| AuthoritiesError::UnknownStore { family, source })?;
            store
                .offers(component)
                .map_err(|source| AuthoritiesError::StoreLacks {
                    family,
                    store: name.clone(),
                    source,
                })?;
        }
        Ok(())
    }

    /// Each component of the suite with the store that its key goes to.
    pub(super) fn placement(&self) -> impl Iterator<Item = (Component, &StoreName)> {
        self.suite
            .components()
            .iter()
            .copied()
            .zip(self.stores.iter().cycle())
    }
}

/// Whether `family` issues with `suite`. JWT-SVIDs have a closed list of algorithms, of which we sign with ES256.
pub(crate) fn may_sign(family: Family, suite: Suite) -> bool {
    match family {
        Family::Jwt => suite == Suite::EcdsaP256,
        _ => suite.family() == family,
    }
}
