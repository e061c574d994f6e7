//! What every key store does, whatever holds the keys.

use std::fmt;
use std::sync::Arc;

use symbolon_crypto::{Component, HeldKey, KeyError, PublicKey};

use crate::custody::{Certification, Custody, Holder, Holding};
use crate::names::{KeyId, KeyLabel};
use crate::pkcs11::Pkcs11Error;
use crate::software::SoftwareError;
use crate::tpm::TpmError;

/// What a store tells about one of its keys. Nothing here is secret.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyInfo {
    /// What the store calls it.
    pub id: KeyId,
    /// What it is for, as given when it was made.
    pub label: KeyLabel,
    /// Key type and signature scheme.
    pub component: Component,
    /// The public half.
    pub public_key: PublicKey,
}

/// A place that makes keys and keeps them.
///
/// Every call blocks (a file, a token, a TPM) and may be made from many threads at once; an async caller uses
/// a thread on which it may wait. What else a caller may rely on is what [`crate::conformance`] checks.
pub trait KeyStore: Send + Sync + fmt::Debug {
    /// The kind of store as configuration writes it: `software`, `pkcs11` or `tpm`.
    fn kind(&self) -> &'static str;

    /// Says whether [`generate`](Self::generate) can make keys of `component`, before any key is made.
    ///
    /// # Errors
    /// [`Unsupported`], with what is missing.
    fn offers(&self, component: Component) -> Result<(), Unsupported>;

    /// Makes a new key. When this returns, the key survives a crash of the process and of the machine; when it
    /// fails, the store holds the keys it held before.
    ///
    /// # Errors
    /// [`StoreError::Unsupported`] as [`offers`](Self::offers) says, or what went wrong in the backend.
    fn generate(
        &self,
        component: Component,
        label: &KeyLabel,
    ) -> Result<(KeyInfo, Arc<dyn HeldKey>), StoreError>;

    /// Finds a key again. Two calls may return two handles; they may sign at the same time.
    ///
    /// # Errors
    /// [`StoreError::UnknownKey`] when the store has no such key, or what went wrong in the backend.
    fn open(&self, id: &KeyId) -> Result<Arc<dyn HeldKey>, StoreError>;

    /// All keys of the store, ordered by id.
    ///
    /// # Errors
    /// What went wrong in the backend. One key that cannot be read fails the whole list: a list that silently
    /// lacks a key would be taken for the truth.
    fn list(&self) -> Result<Vec<KeyInfo>, StoreError>;

    /// Destroys a key for good. A handle that was given out before may go on signing until it is dropped, or
    /// fail; it does nothing else.
    ///
    /// # Errors
    /// [`StoreError::UnknownKey`] when the store has no such key, or what went wrong in the backend.
    fn destroy(&self, id: &KeyId) -> Result<(), StoreError>;

    /// What is known of one key.
    ///
    /// # Errors
    /// As [`list`](Self::list), and [`StoreError::UnknownKey`].
    fn info(&self, id: &KeyId) -> Result<KeyInfo, StoreError> {
        let unknown = || StoreError::UnknownKey {
            kind: self.kind(),
            id: id.clone(),
        };
        let mut keys = self.list()?.into_iter();
        keys.find(|key| key.id == *id).ok_or_else(unknown)
    }

    /// What holds the keys, as it describes itself. Unless a store has its own, it says nothing.
    ///
    /// # Errors
    /// What went wrong in the backend.
    fn holder(&self) -> Result<Holder, StoreError> {
        Ok(Holder::Other)
    }

    /// How one key is held, read back from what holds it. Unless a store has its own, it says nothing.
    ///
    /// # Errors
    /// [`StoreError::UnknownKey`] when the store has no such key, or what went wrong in the backend.
    fn custody(&self, id: &KeyId) -> Result<Custody, StoreError> {
        self.info(id)?;
        Ok(Custody {
            holding: Holding::Untold,
            unusable: None,
        })
    }

    /// All keys of the store with how each is held, ordered by id. A store that can tell of all at once does.
    ///
    /// # Errors
    /// As [`list`](Self::list).
    fn inventory(&self) -> Result<Vec<(KeyInfo, Custody)>, StoreError> {
        let keys = self.list()?.into_iter();
        keys.map(|info| self.custody(&info.id).map(|custody| (info, custody)))
            .collect()
    }

    /// Has the hardware certify that it holds a key, with a digest of the caller's in what it signs. Unless a store has
    /// its own, it has nothing of the sort.
    ///
    /// # Errors
    /// [`StoreError::UnknownKey`] when the store has no such key, or what went wrong in the backend.
    fn certify(&self, _id: &KeyId, _about: &[u8; 32]) -> Result<Certification, StoreError> {
        Ok(Certification::NotOffered)
    }
}

/// A store cannot make or use keys of a component.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("this {kind} store does not offer {component}: {reason}")]
pub struct Unsupported {
    /// The kind of store.
    pub kind: &'static str,
    /// What was asked for.
    pub component: Component,
    /// What is missing, for the operator.
    pub reason: String,
}

/// Why a key store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The store does not offer this component.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// The store has no key of this id: a wrong id, the wrong store, or a key that was destroyed.
    #[error("no key {id} in this {kind} store")]
    UnknownKey {
        /// The kind of store.
        kind: &'static str,
        /// What was asked for.
        id: KeyId,
    },
    /// A new key could not be made.
    #[error("cannot generate a key of {component}")]
    Generate {
        /// What was asked for.
        component: Component,
        /// What the primitive says.
        source: KeyError,
    },
    /// The software store failed.
    #[error(transparent)]
    Software(#[from] SoftwareError),
    /// The PKCS#11 token, or its module, failed.
    #[error(transparent)]
    Pkcs11(#[from] Pkcs11Error),
    /// The TPM failed, or what is kept of it.
    #[error(transparent)]
    Tpm(#[from] TpmError),
}
