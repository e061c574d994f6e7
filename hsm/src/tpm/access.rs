//! What the store and its keys do alike with the TPM.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tss_esapi::handles::KeyHandle;

use super::codes::Step;
use super::connection::Connection;
use super::error::TpmError;
use super::locked::Locked;
use super::manager::Manager;
use super::records::{Blob, SECRET_LEN, Secret};
use crate::secret::Passphrase;

/// The TPM, with what it takes to know that it is still the one a store was made on.
#[derive(Clone, Debug)]
pub(super) struct Tpm {
    pub(super) manager: Arc<Manager>,
    pub(super) deadline: Duration,
    pub(super) owner: Option<Passphrase>,
    pub(super) store: Arc<Path>,
    pub(super) root: Arc<[u8]>,
}

impl Tpm {
    /// Does something under the store's storage root key.
    pub(super) fn call<T: Send + 'static>(
        &self,
        doing: &'static str,
        mut job: impl FnMut(&mut Connection) -> Step<T> + Send + 'static,
    ) -> Result<T, TpmError> {
        let Self {
            owner, store, root, ..
        } = self.clone();
        self.manager.call(doing, self.deadline, move |connection| {
            match connection.root_named(&root, owner.as_ref())? {
                Ok(()) => job(connection),
                Err(found) => Err(TpmError::Cleared {
                    store: store.to_path_buf(),
                    recorded: hex::encode(&root),
                    found: hex::encode(found),
                }
                .into()),
            }
        })
    }
}

/// A signing key where it can be used: in the TPM's own memory if it is there, else loaded.
pub(super) fn in_reach(
    connection: &mut Connection,
    blob: &Blob,
    password: &Secret,
    handle: Option<u32>,
) -> Step<KeyHandle> {
    if let Some(handle) = handle
        && let Some(object) = connection.resident(handle, blob, password.as_bytes())?
    {
        return Ok(object);
    }
    connection.load(blob, password.as_bytes())
}

/// Removes a key from the TPM's own memory, if it is there.
pub(super) fn evict(
    connection: &mut Connection,
    blob: &Blob,
    password: &Secret,
    handle: u32,
    owner: Option<&Passphrase>,
) -> Step<()> {
    if let Some(object) = connection.resident(handle, blob, password.as_bytes())? {
        connection.evict_control(object.into(), handle, owner, "remove a key")?;
        connection.retire();
    }
    Ok(())
}

/// What the TPM unsealed, in locked memory, its mask taken off.
pub(super) fn locked(secret: &[u8], mask: Option<&[u8]>) -> Step<Locked<SECRET_LEN>> {
    let secret: &[u8; SECRET_LEN] = secret.try_into().map_err(|_| TpmError::Thread {
        doing: "use what the TPM unsealed, which has another length than was sealed",
    })?;
    let mut locked = Locked::zeroed()?;
    locked.get_mut().copy_from_slice(secret);
    if let Some(mask) = mask {
        xor(locked.get_mut(), mask);
    }
    Ok(locked)
}

pub(super) fn xor(secret: &mut [u8; SECRET_LEN], mask: &[u8]) {
    for (byte, mask) in secret.iter_mut().zip(mask) {
        *byte ^= mask;
    }
}
