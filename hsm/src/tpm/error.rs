//! What can go wrong with a TPM, told apart by what an operator can do about it.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use symbolon_crypto::Component;

use super::config::Tcti;
use crate::secret::PassphraseError;

/// Why a TPM store could not be opened or used.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TpmError {
    /// This program was compiled without the cargo feature `tpm`.
    #[error(
        "this program was built without `tpm`, and so cannot use the TPM {tcti}; use a build with TPM support \
         (cargo feature `tpm`, which links libtss2)"
    )]
    NotBuilt {
        /// The TPM that was configured.
        tcti: Tcti,
    },
    /// There is no connection to the TPM: no device, no permission, no simulator, or it went away.
    #[error("cannot reach the TPM {tcti}: {reason}")]
    Unreachable {
        /// The TPM.
        tcti: Tcti,
        /// What libtss2 says.
        reason: String,
    },
    /// The TPM did not answer in time.
    #[error("the TPM {tcti} did not {doing} within {} ms", deadline.as_millis())]
    Deadline {
        /// The TPM.
        tcti: Tcti,
        /// What was asked, as a verb.
        doing: &'static str,
        /// How long was waited.
        deadline: Duration,
    },
    /// Earlier calls to the TPM hang, so that this one was not tried.
    #[error("the TPM {tcti} has stopped answering: {hanging} calls hang")]
    Hanging {
        /// The TPM.
        tcti: Tcti,
        /// How many calls hang.
        hanging: usize,
    },
    /// The TPM refused, twice, with a new connection in between.
    #[error("the TPM refused to {doing}: {reason}")]
    Refused {
        /// What was asked, as a verb.
        doing: &'static str,
        /// The TPM's reason.
        reason: String,
    },
    /// The owner password could not be had from where it should be.
    #[error("cannot get the TPM's owner password")]
    OwnerAuthSource(#[source] Arc<PassphraseError>),
    /// The password of the owner hierarchy is wrong or missing.
    #[error("the TPM's owner password is wrong or missing, and it is needed to {doing}")]
    OwnerAuth {
        /// What was to be done, as a verb.
        doing: &'static str,
    },
    /// The storage root key is another one than that the store's keys were made under.
    #[error(
        "the TPM was cleared, or it is another TPM: the keys in {store} were made under the storage root key \
         {recorded}, and now there is {found}; keys made before are lost, make new ones in a new directory",
        store = store.display()
    )]
    Cleared {
        /// The store's directory.
        store: PathBuf,
        /// The storage root key's name when the store was made, in hex.
        recorded: String,
        /// The storage root key's name now, in hex.
        found: String,
    },
    /// The storage root key that the TPM has is none that keys can be made under.
    #[error("the key at the TPM's handle {handle:#010x} is not a storage root key: {reason}")]
    NoStorageRoot {
        /// The handle.
        handle: u32,
        /// What it lacks.
        reason: &'static str,
    },
    /// PCRs have other values than the seed was sealed to: the platform booted something else.
    #[error(
        "the key is sealed to other PCR values than the TPM has now: {}",
        Listed(changes)
    )]
    PcrsChanged {
        /// Each PCR that differs.
        changes: Vec<PcrChange>,
    },
    /// The TPM found the policy unsatisfied, although the PCRs have the values they were sealed to.
    #[error(
        "the TPM refused to unseal the key by its policy, and yet every PCR has the value it was sealed to; the PCRs changed meanwhile, or the key's file is not of this TPM"
    )]
    Policy,
    /// A PCR is not kept by this TPM.
    #[error("the TPM keeps no PCR {pcr}; select another bank")]
    NoSuchPcr {
        /// Bank and number.
        pcr: String,
    },
    /// All places for persistent keys are taken.
    #[error(
        "the TPM has no free handle for another persistent key; remove some, or keep new keys as wrapped blobs"
    )]
    NoFreeHandle,
    /// A private key that the TPM gave back does not belong to the public key on record.
    #[error("what the TPM holds for this {component} key does not belong to its public key")]
    Mismatch {
        /// The key's component.
        component: Component,
    },
    /// A file of the store is authentic, and yet not what this release understands.
    #[error("the file {path} does not say what the TPM needs: {reason}; use the release that wrote it", path = path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The directory holds a store of another kind.
    #[error("{dir} is a software key store, not one on a TPM; give each store a directory of its own", dir = dir.display())]
    OtherStore {
        /// The directory.
        dir: PathBuf,
    },
    /// The system did not let a secret be locked in memory, where swap cannot take it.
    #[error(
        "cannot lock {bytes} bytes of memory for a secret: {reason}; raise the limit (`ulimit -l`, LimitMEMLOCK=)"
    )]
    MemoryLock {
        /// How many bytes.
        bytes: usize,
        /// What the system says.
        reason: String,
    },
    /// The TPM has a key that is of no use for what it was named for.
    #[error("the key for {what} cannot be used: {reason}")]
    UnfitKey {
        /// What it was named for.
        what: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A thread of ours could not be started, or died.
    #[error("the thread that talks to the TPM could not {doing}")]
    Thread {
        /// What failed, as a verb.
        doing: &'static str,
    },
}

/// One PCR, then and now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PcrChange {
    /// Bank and number, as in `sha256:7`.
    pub pcr: String,
    /// The value that the key is sealed to, in hex.
    pub sealed: String,
    /// The value the PCR has now, in hex.
    pub now: String,
}

impl fmt::Display for PcrChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pcr, sealed, now } = self;
        write!(f, "{pcr} was {sealed} and is {now}")
    }
}

struct Listed<'a>(&'a [PcrChange]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, change) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "; " };
            write!(f, "{comma}{change}")?;
        }
        Ok(())
    }
}
