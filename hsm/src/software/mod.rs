//! The software store: one encrypted file a key.
//!
//! ```text
//! DIR/            0700
//!   store         what this directory is, and how its key-encryption key is found
//!   lock          taken for the length of a write
//!   <id>.key      one key (0600), AES-256-GCM under the key-encryption key
//! ```
//! What this protects: a copy of the directory alone (a backup, a stolen disk image) is worth nothing. What it
//! does not: whoever can read this process's memory, or both the directory and its key file, has the keys.
//! Destroying a key removes its file; what the disk may keep of it stays encrypted.

pub(crate) mod cipher;
mod error;
pub(crate) mod files;
mod header;
pub(crate) mod kdf;
mod kek;
pub(crate) mod key_dir;
pub(crate) mod key_file;
pub(crate) mod lines;

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use symbolon_crypto::{Component, HeldKey, SoftwareKey};

pub use self::error::SoftwareError;
use self::files::DirLock;
use self::header::Header;
pub use self::kek::{KekSource, KekSpec};
use self::key_dir::KeyDir;
use crate::custody::{Custody, Holder, Holding, SoftwareHolder};
use crate::names::{KeyId, KeyLabel};
use crate::store::{KeyInfo, KeyStore, StoreError, Unsupported};

const KIND: &str = "software";
pub(crate) const HEADER_FILE: &str = "store";
const KEY_SUFFIX: &str = ".key";

/// Bytes of randomness in ids of keys and stores.
const ID_LEN: usize = 16;

/// Keys in encrypted files of one directory.
///
/// Any number of threads and processes may use one directory at once: each write appears whole or not at all.
#[derive(Debug)]
pub struct SoftwareStore {
    keys: KeyDir,
    /// What they are encrypted under, in words.
    kek: &'static str,
}

impl SoftwareStore {
    /// Opens the store in `dir`, and makes it first if there is none: the directory (0700), and, for
    /// [`KekSource::KeyFile`], the key file if it does not exist either. What an interrupted write left in the
    /// directory is removed.
    ///
    /// # Errors
    /// [`SoftwareError`], in [`StoreError::Software`]: each way in which the directory, the key-encryption key
    /// or the passphrase can be wrong has its own variant.
    pub fn open(dir: &Path, source: &KekSource) -> Result<Self, StoreError> {
        files::private_dir(dir)?;
        let _alone = DirLock::exclusive(dir)?;
        files::remove_leftovers(dir)?;
        let opened = match read_header(dir)? {
            Some(header) => {
                let cipher = kek::for_store(source, &header, dir)?;
                Self {
                    kek: header.kek.words(),
                    keys: KeyDir::new(KIND, dir, header.store_id, cipher),
                }
            }
            None => Self::create(dir, source)?,
        };
        Ok(opened)
    }

    /// Whether [`open`](Self::open) would make a new store here, so that a caller who asks for a passphrase can
    /// ask for it twice.
    ///
    /// # Errors
    /// [`SoftwareError::HeaderMissing`] when there are keys but no store, or what the system says.
    pub fn is_new(dir: &Path) -> Result<bool, StoreError> {
        match fs::metadata(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(error) => Err(SoftwareError::io("look at", dir)(error).into()),
            Ok(_) => Ok(read_header(dir)?.is_none()),
        }
    }

    fn create(dir: &Path, source: &KekSource) -> Result<Self, SoftwareError> {
        let id = key_dir::random_id()?;
        let (cipher, record) = kek::for_new_store(source, dir)?;
        let kek = record.words();
        files::write_new(dir, HEADER_FILE, &Header::encode(&id, record, &cipher)?)?;
        Ok(Self {
            keys: KeyDir::new(KIND, dir, id, cipher),
            kek,
        })
    }
}

impl KeyStore for SoftwareStore {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn offers(&self, _component: Component) -> Result<(), Unsupported> {
        Ok(())
    }

    fn generate(
        &self,
        component: Component,
        label: &KeyLabel,
    ) -> Result<(KeyInfo, Arc<dyn HeldKey>), StoreError> {
        self.offers(component)?;
        let key =
            SoftwareKey::generate(component).map_err(|source| StoreError::Generate { component, source })?;
        let info = KeyInfo {
            id: KeyDir::new_id()?,
            label: label.clone(),
            component,
            public_key: key.public_key().clone(),
        };
        let secret = key.raw().map_err(|_| SoftwareError::Library {
            doing: "give out a key to be stored",
        })?;
        self.keys.add(&info, &secret)?;
        Ok((info, Arc::new(key)))
    }

    fn open(&self, id: &KeyId) -> Result<Arc<dyn HeldKey>, StoreError> {
        let opened = self.keys.get(id)?;
        Ok(Arc::new(opened.into_key(&self.keys.path(id))?))
    }

    fn list(&self) -> Result<Vec<KeyInfo>, StoreError> {
        Ok(self.keys.list()?)
    }

    fn destroy(&self, id: &KeyId) -> Result<(), StoreError> {
        self.keys.remove(id)
    }

    fn info(&self, id: &KeyId) -> Result<KeyInfo, StoreError> {
        Ok(self.keys.get(id)?.info)
    }

    fn holder(&self) -> Result<Holder, StoreError> {
        Ok(Holder::Software(SoftwareHolder {
            encrypted_under: self.kek.to_owned(),
        }))
    }

    fn custody(&self, id: &KeyId) -> Result<Custody, StoreError> {
        let key = self.keys.get(id)?.into_key(&self.keys.path(id));
        Ok(Custody {
            holding: Holding::EncryptedFile,
            unusable: key.err().map(|error| error.to_string()),
        })
    }
}

/// The header of the store in `dir`; `None` when there is none and nothing needs one.
fn read_header(dir: &Path) -> Result<Option<Header>, SoftwareError> {
    key_dir::read_header(dir, header::MAX_LEN)?
        .map(|bytes| Header::decode(&dir.join(HEADER_FILE), &bytes))
        .transpose()
}
