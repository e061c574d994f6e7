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

mod cipher;
mod error;
mod files;
mod header;
mod kdf;
mod kek;
mod key_file;
mod lines;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use symbolon_crypto::{Component, HeldKey, SoftwareKey, random};

use self::cipher::Cipher;
pub use self::error::SoftwareError;
use self::files::DirLock;
use self::header::Header;
pub use self::kek::{KekSource, KekSpec};
use self::key_file::Opened;
use crate::names::{KeyId, KeyLabel};
use crate::private_file::{PrivateFileError, read_bounded};
use crate::store::{KeyInfo, KeyStore, StoreError, Unsupported};

const KIND: &str = "software";
const HEADER_FILE: &str = "store";
const KEY_SUFFIX: &str = ".key";

/// Bytes of randomness in ids of keys and stores.
const ID_LEN: usize = 16;

/// Keys in encrypted files of one directory.
///
/// Any number of threads and processes may use one directory at once: each write appears whole or not at all.
#[derive(Debug)]
pub struct SoftwareStore {
    dir: PathBuf,
    id: String,
    cipher: Cipher,
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
                    dir: dir.to_owned(),
                    id: header.store_id,
                    cipher,
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
        let id = random_id()?;
        let (cipher, record) = kek::for_new_store(source, dir)?;
        files::write_new(dir, HEADER_FILE, &Header::encode(&id, record, &cipher)?)?;
        Ok(Self {
            dir: dir.to_owned(),
            id,
            cipher,
        })
    }

    fn path(&self, id: &KeyId) -> PathBuf {
        self.dir.join(format!("{id}{KEY_SUFFIX}"))
    }

    /// Reads and authenticates the file of a key; `None` when there is no such file.
    fn read(&self, id: &KeyId) -> Result<Option<Opened>, SoftwareError> {
        let path = self.path(id);
        match read_bounded(&path, key_file::MAX_LEN) {
            Ok(bytes) => key_file::decode(&self.cipher, &self.id, id, &path, &bytes).map(Some),
            Err(PrivateFileError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The error for a key that has no file. A directory that is gone as a whole (a volume not mounted) must not
    /// read as "that key was destroyed".
    fn unknown(&self, id: &KeyId) -> StoreError {
        match fs::metadata(self.dir.join(HEADER_FILE)) {
            Ok(_) => StoreError::UnknownKey {
                kind: KIND,
                id: id.clone(),
            },
            Err(error) => SoftwareError::io("find the key store in", &self.dir)(error).into(),
        }
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
        let id = KeyId::parse(&random_id()?).map_err(|_| SoftwareError::Library {
            doing: "make a key's id",
        })?;
        let info = KeyInfo {
            id,
            label: label.clone(),
            component,
            public_key: key.public_key().clone(),
        };
        let file = key_file::encode(&self.cipher, &self.id, &info, &key)?;
        let _writing = DirLock::shared(&self.dir)?;
        files::write_new(&self.dir, &format!("{}{KEY_SUFFIX}", info.id), &file)?;
        Ok((info, Arc::new(key)))
    }

    fn open(&self, id: &KeyId) -> Result<Arc<dyn HeldKey>, StoreError> {
        if !is_own_id(id.as_str()) {
            return Err(self.unknown(id));
        }
        let opened = self.read(id)?.ok_or_else(|| self.unknown(id))?;
        Ok(Arc::new(opened.into_key(&self.path(id))?))
    }

    fn list(&self) -> Result<Vec<KeyInfo>, StoreError> {
        let mut infos = Vec::new();
        for id in key_ids(&self.dir)? {
            // None: destroyed since the directory was read.
            infos.extend(self.read(&id)?.map(|opened| opened.info));
        }
        infos.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(infos)
    }

    fn destroy(&self, id: &KeyId) -> Result<(), StoreError> {
        if !is_own_id(id.as_str()) {
            return Err(self.unknown(id));
        }
        let path = self.path(id);
        match fs::remove_file(&path) {
            Ok(()) => Ok(files::sync_dir(&self.dir)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(self.unknown(id)),
            Err(error) => Err(SoftwareError::io("remove", path)(error).into()),
        }
    }
}

/// The header of the store in `dir`; `None` when there is none and nothing needs one.
fn read_header(dir: &Path) -> Result<Option<Header>, SoftwareError> {
    let path = dir.join(HEADER_FILE);
    match read_bounded(&path, header::MAX_LEN) {
        Ok(bytes) => Header::decode(&path, &bytes).map(Some),
        Err(PrivateFileError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            if key_ids(dir)?.is_empty() {
                Ok(None)
            } else {
                Err(SoftwareError::HeaderMissing {
                    store: dir.to_owned(),
                })
            }
        }
        Err(error) => Err(error.into()),
    }
}

/// The keys whose files are in `dir`. Whatever else lies there is not ours.
fn key_ids(dir: &Path) -> Result<Vec<KeyId>, SoftwareError> {
    let ids = files::names(dir)?.into_iter().filter_map(|name| {
        let id = name.to_str()?.strip_suffix(KEY_SUFFIX)?.to_owned();
        if is_own_id(&id) {
            KeyId::parse(&id).ok()
        } else {
            None
        }
    });
    Ok(ids.collect())
}

fn is_own_id(text: &str) -> bool {
    text.len() == 2 * ID_LEN && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn random_id() -> Result<String, SoftwareError> {
    let mut id = [0; ID_LEN];
    random::fill(&mut id)?;
    Ok(hex::encode(id))
}
