//! A key store that makes no more keys of one component when it is told so, or is away.

#![allow(dead_code, reason = "each test program uses its own part")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use symbolon_crypto::{Component, HeldKey};
use symbolon_hsm::{KeyId, KeyInfo, KeyLabel, KeyStore, SoftwareStore, StoreError, Unsupported};

#[derive(Debug)]
pub(crate) struct Stubborn {
    pub(crate) store: Arc<SoftwareStore>,
    component: Component,
    refuses: AtomicBool,
    away: AtomicBool,
    /// How many keys it still gives before it goes away.
    opens: AtomicUsize,
}

impl Stubborn {
    pub(crate) fn new(store: SoftwareStore, component: Component) -> Arc<Self> {
        Arc::new(Self {
            store: Arc::new(store),
            component,
            refuses: AtomicBool::new(false),
            away: AtomicBool::new(false),
            opens: AtomicUsize::new(usize::MAX),
        })
    }

    pub(crate) fn refuse(&self, refuses: bool) {
        self.refuses.store(refuses, Ordering::Relaxed);
    }

    /// Answers nothing, as a token does that was pulled out.
    pub(crate) fn go_away(&self, away: bool) {
        self.away.store(away, Ordering::Relaxed);
    }

    /// Gives so many keys more, and then is away.
    pub(crate) fn go_away_after(&self, opens: usize) {
        self.opens.store(opens, Ordering::Relaxed);
    }

    fn answer(&self) -> Result<(), StoreError> {
        match self.away.load(Ordering::Relaxed) {
            true => Err(self.complaint("it is away")),
            false => Ok(()),
        }
    }

    fn complaint(&self, reason: &str) -> StoreError {
        StoreError::Unsupported(Unsupported {
            kind: self.store.kind(),
            component: self.component,
            reason: reason.to_owned(),
        })
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
        self.answer()?;
        if component == self.component && self.refuses.load(Ordering::Relaxed) {
            return Err(self.complaint("it was told to"));
        }
        self.store.generate(component, label)
    }

    fn open(&self, id: &KeyId) -> Result<Arc<dyn HeldKey>, StoreError> {
        self.answer()?;
        let fewer = |left: usize| left.checked_sub(1);
        let counted = self
            .opens
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fewer);
        if counted.is_err() {
            self.go_away(true);
            return Err(self.complaint("it went away"));
        }
        self.store.open(id)
    }

    fn list(&self) -> Result<Vec<KeyInfo>, StoreError> {
        self.answer()?;
        self.store.list()
    }

    fn destroy(&self, id: &KeyId) -> Result<(), StoreError> {
        self.answer()?;
        self.store.destroy(id)
    }
}
