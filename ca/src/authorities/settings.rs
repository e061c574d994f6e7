//! What the configuration says about authorities, checked against what the stores can do.

use std::time::Duration;

use spiffe::TrustDomain;
use symbolon_crypto::Component;
use symbolon_hsm::{StoreName, Stores};
use symbolon_pki::suite::{Family, Suite};

use super::AuthoritiesError;
use crate::datastore::{AuthorityRecord, FamilyShape, KeyReference};
use crate::upstream::NamedUpstream;

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
    /// What it signs with beside that: the catalyst family has an alternative key, and no other.
    pub alternative: Option<Suite>,
    /// Where its key is kept: one store for every component, or one for each in the order of the suite, and then of
    /// the alternative one.
    pub stores: Vec<StoreName>,
    /// Who certifies it, or publishes its key if it signs tokens; `None` for nobody above this server.
    pub upstream: Option<NamedUpstream>,
}

impl AuthoritySettings {
    /// Checks that every family can have the authority it is configured to have, before any key is made.
    pub(super) fn check(&self, stores: &Stores) -> Result<(), AuthoritiesError> {
        self.families.iter().try_for_each(|family| family.check(stores))
    }
}

impl FamilySettings {
    /// A family whose authorities have one key, in these stores.
    pub fn new(family: Family, suite: Suite, stores: Vec<StoreName>) -> Self {
        Self {
            family,
            suite,
            alternative: None,
            stores,
            upstream: None,
        }
    }

    /// Whether the roots of its chains are somebody else's.
    pub(super) fn has_root_above(&self) -> bool {
        self.upstream.is_some() && !self.family.signs_tokens()
    }

    /// Puts each component's key in the first of `names` that offers it.
    pub(crate) fn in_first(&mut self, names: &[StoreName], stores: &Stores) -> Result<(), AuthoritiesError> {
        let family = self.family;
        let mut chosen = Vec::new();
        for component in self.components() {
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
                    suite: self.suite,
                    component,
                    lacks: lacks.join("; "),
                });
            }
        }
        self.stores = chosen;
        Ok(())
    }

    /// The suites that it signs with: its own, and the alternative one if there is one.
    pub(super) fn suites(&self) -> impl Iterator<Item = Suite> {
        [Some(self.suite), self.alternative].into_iter().flatten()
    }

    fn components(&self) -> impl Iterator<Item = Component> {
        self.suites().flat_map(|suite| suite.components()).copied()
    }

    /// Whether `keys` are where this says that they belong.
    fn is_place_of(&self, keys: &[KeyReference]) -> bool {
        let places: Vec<&StoreName> = keys.iter().map(|key| &key.store).collect();
        self.placement().map(|(_, store)| store).eq(places)
    }

    /// What authorities made by this are.
    pub(super) fn shape(&self) -> FamilyShape {
        FamilyShape {
            suite: self.suite,
            alternative: self.alternative,
            stores: self.placement().map(|(_, store)| store.clone()).collect(),
        }
    }

    /// Makes authorities of this shape from now on.
    pub(super) fn take(&mut self, shape: &FamilyShape) {
        self.suite = shape.suite;
        self.alternative = shape.alternative;
        self.stores.clone_from(&shape.stores);
    }

    /// Whether an authority is what this makes.
    pub(super) fn is_like(&self, record: &AuthorityRecord) -> bool {
        self.is_shape_of(record.suite, record.alternative, &record.keys)
            && self.has_root_above() == record.upstream.is_some()
    }

    /// Whether what this makes has these suites and keys in these places.
    pub(super) fn is_shape_of(
        &self,
        suite: Suite,
        alternative: Option<Suite>,
        keys: &[KeyReference],
    ) -> bool {
        suite == self.suite && alternative == self.alternative && self.is_place_of(keys)
    }

    pub(super) fn check(&self, stores: &Stores) -> Result<(), AuthoritiesError> {
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
        let is_catalyst = family == Family::Catalyst;
        if self.alternative.is_some() != is_catalyst
            || self.alternative.is_some_and(|suite| !may_be_alternative(suite))
        {
            return Err(AuthoritiesError::Alternative {
                family,
                alternative: self.alternative,
            });
        }
        let components = self.components().count();
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

    /// Each component of the key with the store that it goes to.
    pub(super) fn placement(&self) -> impl Iterator<Item = (Component, &StoreName)> {
        self.components().zip(self.stores.iter().cycle())
    }
}

/// Whether `family` issues with `suite`. Tokens have a closed list of algorithms, of which we sign with ES256.
pub(crate) fn may_sign(family: Family, suite: Suite) -> bool {
    match family {
        Family::Jwt | Family::Wit => suite == Suite::EcdsaP256,
        // What every software can verify.
        Family::Catalyst => matches!(suite, Suite::EcdsaP256 | Suite::EcdsaP384),
        _ => suite.family() == family && suite.is_for_svids(),
    }
}

/// Whether an authority of the catalyst family may have an alternative key of `suite`: ML-DSA alone, since the classical
/// half is there.
pub(crate) fn may_be_alternative(suite: Suite) -> bool {
    matches!(suite, Suite::MlDsa44 | Suite::MlDsa65 | Suite::MlDsa87)
}
