//! A store on a TPM 2.0: ECDSA keys that sign inside it, ML-DSA seeds sealed to it.
//!
//! ```text
//! DIR/            0700
//!   store         which TPM (the name of its storage root key), and the sealed key of the files
//!   lock          taken for the length of a write
//!   <id>.key      one key (0600): the TPM's wrapped blob, encrypted once more under the files' key
//! ```
//! An ECDSA P-256 or P-384 key is made in the TPM and never leaves it in the clear; it lies as a wrapped blob in the
//! directory, or in the TPM's own memory as well ([`Placement`]). Both survive a reset. No TPM speaks ML-DSA yet, so
//! an ML-DSA seed is sealed under a policy over PCRs ([`PcrSelection`]), and unsealed for each signature: this process
//! has it, in locked memory, for as long as that takes. A PCR with another value refuses, and the error says which.
//!
//! What this protects: a copy of the directory is worth nothing without this very TPM, nor is the TPM without the
//! directory. What it does not: whoever runs code as this user on this machine can have the TPM sign, and unseal; a
//! seed is in this process's memory while it signs, and the library's working copy of it is wiped but not locked.
//! Which TPM is the right one is settled when the store is made: it goes by the storage root key it found then. A cleared
//! TPM has lost all keys, which is recognised and said. Destroying a key removes its file, and the key from
//! the TPM's own memory.
//!
//! Talking to a TPM needs libtss2, so it comes with the cargo feature `tpm` alone. Without it, [`open`] says so.
//! libtss2 writes its own complaints to stderr; `TSS2_LOG=all+none` in the environment silences them.

#[cfg(feature = "tpm")]
mod access;
#[cfg(feature = "tpm")]
mod certify;
#[cfg(feature = "tpm")]
mod codes;
#[cfg(feature = "tpm")]
mod commands;
mod config;
#[cfg(feature = "tpm")]
mod connection;
#[cfg(feature = "tpm")]
mod custody;
mod error;
#[cfg(feature = "tpm")]
mod header;
#[cfg(feature = "tpm")]
pub mod identity;
#[cfg(feature = "tpm")]
mod key;
#[cfg(feature = "tpm")]
mod locked;
#[cfg(feature = "tpm")]
mod manager;
#[cfg(feature = "tpm")]
mod pcr;
pub(crate) mod policy;
#[cfg(feature = "tpm")]
mod records;
#[cfg(feature = "tpm")]
mod root;
#[cfg(feature = "tpm")]
mod signature;
#[cfg(feature = "tpm")]
mod store;

use std::path::Path;
use std::sync::Arc;

pub use self::config::{
    Authorization, PcrSelection, PcrSelectionError, Placement, Tcti, TctiError, TpmConfig,
};
pub use self::error::{PcrChange, TpmError};
use crate::store::{KeyStore, StoreError};

#[cfg(feature = "tpm")]
const KIND: &str = "tpm";

/// Whether this program was built with the cargo feature `tpm`.
pub const IS_BUILT: bool = cfg!(feature = "tpm");

/// Opens the store in `dir` on a TPM, and makes it first if there is none: the directory (0700), and the TPM's storage
/// root key, at handle 0x81000001, if it has none either. What an interrupted write left in the directory is removed.
///
/// # Errors
/// [`TpmError`], in [`StoreError::Tpm`]: [`TpmError::NotBuilt`] in a program without the cargo feature `tpm`,
/// [`TpmError::Cleared`] when the TPM is not the one the store was made on, [`TpmError::Unreachable`] and
/// [`TpmError::Deadline`] when it cannot be asked. [`StoreError::Software`] for the files.
#[cfg(feature = "tpm")]
pub fn open(dir: &Path, config: &TpmConfig) -> Result<Arc<dyn KeyStore>, StoreError> {
    Ok(Arc::new(store::TpmStore::open(dir, config)?))
}

/// Opens nothing: this program was built without the cargo feature `tpm`.
///
/// # Errors
/// [`TpmError::NotBuilt`], in [`StoreError::Tpm`], always.
#[cfg(not(feature = "tpm"))]
pub fn open(_dir: &Path, config: &TpmConfig) -> Result<Arc<dyn KeyStore>, StoreError> {
    Err(TpmError::NotBuilt {
        tcti: config.tcti.clone(),
    }
    .into())
}

#[cfg(all(test, not(feature = "tpm")))]
mod tests {
    use super::*;

    #[test]
    fn a_build_without_it_says_so_and_makes_nothing() {
        let scratch = tempfile::tempdir().expect("scratch");
        let dir = scratch.path().join("keys");
        let config = TpmConfig::new("device:/dev/tpmrm0".parse().expect("tcti"));
        let error = open(&dir, &config).expect_err("not built");
        assert!(
            matches!(error, StoreError::Tpm(TpmError::NotBuilt { .. })),
            "{error}"
        );
        assert!(error.to_string().contains("built without `tpm`"), "{error}");
        assert!(!dir.exists());
    }
}
