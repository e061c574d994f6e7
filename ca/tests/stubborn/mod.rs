//! A key store that makes no more keys of one component when it is told so.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use symbolon_crypto::{Component, HeldKey};
use symbolon_hsm::{KeyId, KeyInfo, KeyLabel, KeyStore, SoftwareStore, StoreError, Unsupported};

#[derive(Debug)]
pub(crate) struct Stubborn {
    pub(crate) store: Arc<SoftwareStore>,
    component: Component,
    refuses: AtomicBool,
}

impl Stubborn {
    pub(crate) fn new(store: SoftwareStore, component: Component) -> Arc<Self> {
        Arc::new(Self {
            store: Arc::new(store),
            component,
            refuses: AtomicBool::new(false),
        })
    }

    pub(crate) fn refuse(&self, refuses: bool) {
        self.refuses.store(refuses, Ordering::Relaxed);
    }
}

impl KeyStore for Stubborn {
    fn kind(&self) -> &'static str {
        self.store.kind()
    }

    fn offers(&self, component: Component) -> Result<(), Unsupported> {
        self.store.offers(component)
    }

    fn generate(
        &self,
        component: Component,
        label: &KeyLabel,
    ) -> Result<(KeyInfo, Arc<dyn HeldKey>), StoreError> {
        if component == self.component && self.refuses.load(Ordering::Relaxed) {
            return Err(StoreError::Unsupported(Unsupported {
                kind: self.kind(),
                component,
                reason: "it was told to".to_owned(),
            }));
        }
        self.store.generate(component, label)
    }

    fn open(&self, id: &KeyId) -> Result<Arc<dyn HeldKey>, StoreError> {
        self.store.open(id)
    }

    fn list(&self) -> Result<Vec<KeyInfo>, StoreError> {
        self.store.list()
    }

    fn destroy(&self, id: &KeyId) -> Result<(), StoreError> {
        self.store.destroy(id)
    }
}
