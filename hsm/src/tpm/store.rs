//! The store: files in a directory, and the TPM that alone can make use of them.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use symbolon_crypto::{Component, HeldKey, PublicKey, SoftwareKey, random};

use super::KIND;
use super::access::{Tpm, evict, in_reach, locked, xor};
use super::config::{Placement, TpmConfig};
use super::connection::Connection;
use super::custody;
use super::error::TpmError;
use super::header::{self, Header};
use super::key::{SealedKey, Signing, TpmKey};
use super::locked::Locked;
use super::manager::{Manager, Reservation};
use super::records::{Blob, Record, SECRET_LEN, Secret};
use crate::custody::{Certification, Custody, Holder};
use crate::names::{KeyId, KeyLabel};
use crate::software::HEADER_FILE;
use crate::software::SoftwareError;
use crate::software::cipher::Cipher;
use crate::software::files::{self, DirLock};
use crate::software::key_dir::{self, KeyDir};
use crate::software::key_file::Opened;
use crate::store::{KeyInfo, KeyStore, StoreError, Unsupported};

/// Persistent keys go beyond the handles that are reserved for storage and endorsement keys (TCG Registry of Reserved
/// TPM 2.0 Handles and Localities).
const HANDLES: RangeInclusive<u32> = 0x8102_0000..=0x8102_00ff;

/// Keys on a TPM, their blobs in a directory.
///
/// Any number of threads may use it at once, and, through a resource manager, any number of processes.
#[derive(Debug)]
pub(super) struct TpmStore {
    dir: KeyDir,
    tpm: Tpm,
    config: TpmConfig,
    /// What the TPM lacks for each component; `None` when nothing.
    lacks: BTreeMap<Component, Option<String>>,
}

impl TpmStore {
    pub(super) fn open(dir: &Path, config: &TpmConfig) -> Result<Self, StoreError> {
        files::private_dir(dir)?;
        let _alone = DirLock::exclusive(dir)?;
        files::remove_leftovers(dir)?;
        let path = dir.join(HEADER_FILE);
        let found = key_dir::read_header(dir, header::MAX_LEN)?
            .map(|bytes| Header::decode(&path, &bytes))
            .transpose()?;
        let mut tpm = Tpm {
            manager: Manager::of(&config.tcti),
            deadline: config.deadline,
            owner: config.owner_auth.clone(),
            store: dir.into(),
            root: Arc::default(),
        };
        let keys = match found {
            Some(found) => {
                tpm.root = found.header.root.as_slice().into();
                let blob = found.header.kek.clone();
                let kek = tpm.call("unseal the store's key", move |connection| {
                    locked(connection.unseal(&blob)?.value(), None)
                })?;
                let cipher = Cipher::new(kek.get())?;
                found.check(&path, &cipher)?;
                KeyDir::new(KIND, dir, found.header.store, cipher)
            }
            None => create(dir, &mut tpm)?,
        };
        Ok(Self {
            dir: keys,
            lacks: ask_what_it_lacks(&tpm, config)?,
            tpm,
            config: config.clone(),
        })
    }

    /// Makes a key in the TPM; with its file written, it is there.
    fn generate_key(&self, component: Component, label: &KeyLabel) -> Result<(KeyInfo, Record), StoreError> {
        let mut password = [0; SECRET_LEN];
        random::fill(&mut password).map_err(SoftwareError::from)?;
        let password = Secret::new(password);
        let given = password.clone();
        let persistent = self.config.placement == Placement::Persistent;
        let reserved = self.tpm.manager.reserved();
        let (blob, point, reservation) = self.tpm.call("make a key", move |connection| {
            let reservation = if persistent {
                Some(Reservation::make(connection, HANDLES, &reserved)?)
            } else {
                None
            };
            let (blob, point) = connection.create_key(component, given.as_bytes())?;
            Ok((blob, point, reservation))
        })?;
        let public_key = PublicKey::parse(component, &point)
            .map_err(|source| StoreError::Generate { component, source })?;
        let record = Record::Key {
            blob,
            password,
            handle: reservation.as_ref().map(|reservation| reservation.handle),
        };
        let info = self.add(label, public_key, &record)?;
        if let Record::Key {
            blob,
            password,
            handle: Some(handle),
        } = &record
            && let Err(error) = self.keep(blob, password, *handle)
        {
            self.dir.remove(&info.id)?;
            return Err(error.into());
        }
        Ok((info, record))
    }

    /// Puts a key in the TPM's own memory. Its file is there already and names the handle: were this process to die
    /// here, the key would be used by its blob.
    fn keep(&self, blob: &Blob, password: &Secret, handle: u32) -> Result<(), TpmError> {
        // Whoever comes first, the caller giving up or the thread having done it, decides.
        let decided = Arc::new(AtomicBool::new(false));
        let (blob, password) = (blob.clone(), password.clone());
        let (owner, mine) = (self.tpm.owner.clone(), Arc::clone(&decided));
        let kept = self.tpm.call("keep a key", move |connection| {
            if connection.resident(handle, &blob, password.as_bytes())?.is_none() {
                let object = connection.load(&blob, password.as_bytes())?;
                connection.keep(object.into(), handle, owner.as_ref(), "keep a key")?;
            }
            if mine.swap(true, Ordering::SeqCst) {
                evict(connection, &blob, &password, handle, owner.as_ref())?;
            }
            Ok(())
        });
        match kept {
            Err(TpmError::Deadline { .. }) if decided.swap(true, Ordering::SeqCst) => Ok(()),
            other => other,
        }
    }

    /// Makes a seed here, and has the TPM seal it.
    fn generate_seed(&self, component: Component, label: &KeyLabel) -> Result<(KeyInfo, Record), StoreError> {
        let failed = |source| StoreError::Generate { component, source };
        let mut seed = Locked::<SECRET_LEN>::zeroed()?;
        random::fill(seed.get_mut()).map_err(SoftwareError::from)?;
        let key = SoftwareKey::from_raw(component, seed.get()).map_err(failed)?;
        let public_key = key.public_key().clone();
        drop(key);
        let mut mask = [0; SECRET_LEN];
        random::fill(&mut mask).map_err(SoftwareError::from)?;
        let mask = Secret::new(mask);
        xor(seed.get_mut(), mask.as_bytes());
        let selection = self.config.pcrs.clone();
        let (blob, pcrs) = self.tpm.call("seal a key", move |connection| {
            let values = connection.read_pcrs(&selection)?;
            Ok((connection.seal(seed.get(), Some(&values))?, values))
        })?;
        let record = Record::Seed { blob, mask, pcrs };
        let info = self.add(label, public_key, &record)?;
        Ok((info, record))
    }

    fn add(&self, label: &KeyLabel, public_key: PublicKey, record: &Record) -> Result<KeyInfo, StoreError> {
        let info = KeyInfo {
            id: KeyDir::new_id()?,
            label: label.clone(),
            component: public_key.component(),
            public_key,
        };
        self.dir.add(&info, &record.encode()?)?;
        Ok(info)
    }

    fn held(&self, info: &KeyInfo, record: Record) -> Arc<dyn HeldKey> {
        let (tpm, public_key) = (self.tpm.clone(), info.public_key.clone());
        match record {
            Record::Key {
                blob,
                password,
                handle,
            } => {
                let signing = Signing {
                    blob,
                    password,
                    handle,
                    authorization: self.config.authorization,
                };
                Arc::new(TpmKey::new(tpm, public_key, signing))
            }
            Record::Seed { blob, mask, pcrs } => Arc::new(SealedKey::new(tpm, public_key, blob, mask, pcrs)),
        }
    }

    fn read(&self, id: &KeyId) -> Result<(KeyInfo, Record), StoreError> {
        let Opened { info, secret } = self.dir.get(id)?;
        let path = self.dir.path(id);
        let record = Record::decode(&path, &secret)?;
        if info.component.is_ml_dsa() != matches!(record, Record::Seed { .. }) {
            let reason = "it holds a key of another kind than it says";
            return Err(TpmError::Record { path, reason }.into());
        }
        Ok((info, record))
    }
}

impl KeyStore for TpmStore {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn offers(&self, component: Component) -> Result<(), Unsupported> {
        match self.lacks.get(&component) {
            Some(None) => Ok(()),
            lacking => Err(Unsupported {
                kind: KIND,
                component,
                reason: lacking
                    .cloned()
                    .flatten()
                    .unwrap_or_else(|| "this release does not know it".to_owned()),
            }),
        }
    }

    fn generate(
        &self,
        component: Component,
        label: &KeyLabel,
    ) -> Result<(KeyInfo, Arc<dyn HeldKey>), StoreError> {
        self.offers(component)?;
        let (info, record) = if component.is_ml_dsa() {
            self.generate_seed(component, label)?
        } else {
            self.generate_key(component, label)?
        };
        let held = self.held(&info, record);
        Ok((info, held))
    }

    /// Also has the TPM load the key, so that a cleared TPM is noticed now. PCRs are looked at only when signing.
    fn open(&self, id: &KeyId) -> Result<Arc<dyn HeldKey>, StoreError> {
        let (info, record) = self.read(id)?;
        let loaded = record.clone();
        self.tpm.call("load a key", move |connection| {
            match &loaded {
                Record::Key {
                    blob,
                    password,
                    handle,
                } => in_reach(connection, blob, password, *handle)?,
                Record::Seed { blob, .. } => connection.load(blob, &[])?,
            };
            Ok(())
        })?;
        Ok(self.held(&info, record))
    }

    fn list(&self) -> Result<Vec<KeyInfo>, StoreError> {
        Ok(self.dir.list()?)
    }

    fn info(&self, id: &KeyId) -> Result<KeyInfo, StoreError> {
        Ok(self.read(id)?.0)
    }

    fn holder(&self) -> Result<Holder, StoreError> {
        let root = Arc::clone(&self.tpm.root);
        let describe = move |connection: &mut Connection| connection.describe(&root);
        Ok(Holder::Tpm(self.tpm.call("say what it is", describe)?))
    }

    fn custody(&self, id: &KeyId) -> Result<Custody, StoreError> {
        let (_, record) = self.read(id)?;
        Ok(custody::of(&self.tpm, record)?)
    }

    fn certify(&self, id: &KeyId, about: &[u8; 32]) -> Result<Certification, StoreError> {
        let (_, record) = self.read(id)?;
        Ok(custody::certify(&self.tpm, record, *about)?)
    }

    fn destroy(&self, id: &KeyId) -> Result<(), StoreError> {
        if let (
            _,
            Record::Key {
                blob,
                password,
                handle: Some(handle),
            },
        ) = self.read(id)?
        {
            let owner = self.tpm.owner.clone();
            self.tpm.call("remove a key", move |connection| {
                evict(connection, &blob, &password, handle, owner.as_ref())
            })?;
        }
        self.dir.remove(id)
    }
}

/// Makes a new store: a key-encryption key, sealed.
fn create(dir: &Path, tpm: &mut Tpm) -> Result<KeyDir, StoreError> {
    let store = key_dir::random_id()?;
    let owner = tpm.owner.clone();
    let find = move |connection: &mut Connection| connection.any_root(owner.as_ref());
    tpm.root = tpm
        .manager
        .call("find its storage root key", tpm.deadline, find)?
        .into();
    let mut kek = Locked::<SECRET_LEN>::zeroed()?;
    random::fill(kek.get_mut()).map_err(SoftwareError::from)?;
    let cipher = Cipher::new(kek.get())?;
    let header = Header {
        store,
        root: tpm.root.to_vec(),
        kek: tpm.call("seal the store's key", move |connection| {
            connection.seal(kek.get(), None)
        })?,
    };
    files::write_new(dir, HEADER_FILE, &header.encode(&cipher)?)?;
    Ok(KeyDir::new(KIND, dir, header.store, cipher))
}

fn ask_what_it_lacks(tpm: &Tpm, config: &TpmConfig) -> Result<BTreeMap<Component, Option<String>>, TpmError> {
    let pcrs = config.pcrs.clone();
    tpm.call("say what it can do", move |connection| {
        Component::ALL
            .into_iter()
            .map(|component| Ok((component, connection.lacks(component, &pcrs)?)))
            .collect()
    })
}
