//! The keys that the suite makes, so that it can destroy every one.

use std::sync::Arc;

use symbolon_crypto::{Component, HeldKey};

use super::{CheckResult, ensure, passed, while_};
use crate::names::{KeyId, KeyLabel};
use crate::store::{KeyInfo, KeyStore, StoreError};

pub(super) const CLEANS_UP: &str = "leaves other keys alone";

/// A key made for the suite.
pub(super) struct Subject {
    pub(super) info: KeyInfo,
    pub(super) key: Arc<dyn HeldKey>,
}

pub(super) struct Scratch<'a> {
    pub(super) store: &'a dyn KeyStore,
    made: Vec<KeyId>,
}

impl<'a> Scratch<'a> {
    pub(super) fn new(store: &'a dyn KeyStore) -> Self {
        Self {
            store,
            made: Vec::new(),
        }
    }

    /// Makes a key that is remembered until [`clean_up`](Self::clean_up).
    pub(super) fn generate(&mut self, component: Component) -> Result<Subject, String> {
        let label = label(component)?;
        let (info, key) = self
            .store
            .generate(component, &label)
            .map_err(|e| while_("generating")(&e))?;
        self.remember(info.id.clone());
        Ok(Subject { info, key })
    }

    pub(super) fn remember(&mut self, id: KeyId) {
        self.made.push(id);
    }

    /// Destroys what is left of the scratch keys, and checks that the keys of `before` are all there.
    pub(super) fn clean_up(&mut self, before: Result<Vec<KeyInfo>, StoreError>) -> CheckResult {
        // First of all, and each of them whatever became of the others.
        self.destroy_all()
            .map_err(|e| while_("destroying a scratch key")(&e))?;
        let before = before.map_err(|e| while_("listing at the start")(&e))?;
        let after = self.store.list().map_err(|e| while_("listing at the end")(&e))?;
        for info in &before {
            ensure(
                after.contains(info),
                format!("key {} was there before and is gone or changed", info.id),
            )?;
        }
        passed()
    }
}

impl Scratch<'_> {
    fn destroy_all(&mut self) -> Result<(), StoreError> {
        let mut first_failure = Ok(());
        for id in self.made.drain(..) {
            match self.store.destroy(&id) {
                // Unknown: a check destroyed it.
                Ok(()) | Err(StoreError::UnknownKey { .. }) => {}
                Err(error) => first_failure = first_failure.and(Err(error)),
            }
        }
        first_failure
    }
}

impl Drop for Scratch<'_> {
    /// Reached with keys only when a check broke down.
    fn drop(&mut self) {
        if let Err(error) = self.destroy_all() {
            tracing::warn!(%error, "a scratch key is left");
        }
    }
}

/// What the labels of scratch keys begin with.
pub(super) const LABELS: &str = "symbolon/conformance.invalid/";

/// The label of scratch keys. The trust domain is one that nobody can have (RFC 6761, section 6.4).
pub(super) fn label(component: Component) -> Result<KeyLabel, String> {
    KeyLabel::of("conformance.invalid", "scratch", "conformance", component)
        .map_err(|e| while_("making a label")(&e))
}
