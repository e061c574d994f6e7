//! A directory of key files under one key-encryption key: what the software store is, and where a TPM's keys lie.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use symbolon_crypto::random;

use super::cipher::Cipher;
use super::error::SoftwareError;
use super::files::{self, DirLock};
use super::key_file::{self, Opened};
use super::{HEADER_FILE, ID_LEN, KEY_SUFFIX};
use crate::names::KeyId;
use crate::private_file::{PrivateFileError, read_bounded};
use crate::store::{KeyInfo, StoreError};

/// The key files of one store, whose header has been read and whose key-encryption key is known.
#[derive(Debug)]
pub(crate) struct KeyDir {
    kind: &'static str,
    dir: PathBuf,
    store_id: String,
    cipher: Cipher,
}

impl KeyDir {
    pub(crate) fn new(kind: &'static str, dir: &Path, store_id: String, cipher: Cipher) -> Self {
        Self {
            kind,
            dir: dir.to_owned(),
            store_id,
            cipher,
        }
    }

    /// A new key's id.
    pub(crate) fn new_id() -> Result<KeyId, SoftwareError> {
        KeyId::parse(&random_id()?).map_err(|_| SoftwareError::Library {
            doing: "make a key's id",
        })
    }

    /// Writes the file of a new key, whole or not at all.
    pub(crate) fn add(&self, info: &KeyInfo, secret: &[u8]) -> Result<(), SoftwareError> {
        let file = key_file::encode(&self.cipher, &self.store_id, info, secret)?;
        let _writing = DirLock::shared(&self.dir)?;
        files::write_new(&self.dir, &format!("{}{KEY_SUFFIX}", info.id), &file)
    }

    /// Reads and authenticates the file of a key.
    pub(crate) fn get(&self, id: &KeyId) -> Result<Opened, StoreError> {
        if !is_own_id(id.as_str()) {
            return Err(self.unknown(id));
        }
        self.read(id)?.ok_or_else(|| self.unknown(id))
    }

    /// All keys, ordered by id.
    pub(crate) fn list(&self) -> Result<Vec<KeyInfo>, SoftwareError> {
        let mut infos = Vec::new();
        for id in key_ids(&self.dir)? {
            // None: destroyed since the directory was read.
            infos.extend(self.read(&id)?.map(|opened| opened.info));
        }
        infos.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(infos)
    }

    /// Removes the file of a key.
    pub(crate) fn remove(&self, id: &KeyId) -> Result<(), StoreError> {
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

    /// The file of a key.
    pub(crate) fn path(&self, id: &KeyId) -> PathBuf {
        self.dir.join(format!("{id}{KEY_SUFFIX}"))
    }

    /// `None` when there is no such file.
    fn read(&self, id: &KeyId) -> Result<Option<Opened>, SoftwareError> {
        let path = self.path(id);
        match read_bounded(&path, key_file::MAX_LEN) {
            Ok(bytes) => key_file::decode(&self.cipher, &self.store_id, id, &path, &bytes).map(Some),
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
                kind: self.kind,
                id: id.clone(),
            },
            Err(error) => SoftwareError::io("find the key store in", &self.dir)(error).into(),
        }
    }
}

/// Reads the file that makes `dir` a store; `None` when there is none and nothing needs one.
pub(crate) fn read_header(dir: &Path, limit: usize) -> Result<Option<Vec<u8>>, SoftwareError> {
    match read_bounded(&dir.join(HEADER_FILE), limit) {
        Ok(bytes) => Ok(Some(bytes.to_vec())),
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

/// The most bytes that a header of any kind of store has.
const ANY_HEADER: usize = 8192;

/// Whether there is no store of any kind in `dir` yet.
pub(crate) fn is_new(dir: &Path) -> Result<bool, SoftwareError> {
    match fs::metadata(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(SoftwareError::io("look at", dir)(error)),
        Ok(_) => Ok(read_header(dir, ANY_HEADER)?.is_none()),
    }
}

/// A new id, of a key or a store: hex digits.
pub(crate) fn random_id() -> Result<String, SoftwareError> {
    let mut id = [0; ID_LEN];
    random::fill(&mut id)?;
    Ok(hex::encode(id))
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
