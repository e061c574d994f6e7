//! What can be wrong with a software store, told apart so that the operator knows which file to look at.

use std::io;
use std::path::PathBuf;

use symbolon_crypto::random::RandomError;

use crate::private_file::PrivateFileError;
use crate::secret::PassphraseError;

/// Why a software store could not be opened, read or written. Every message names the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SoftwareError {
    /// A file could not be read, is not one, is too large, or others can get at it.
    #[error(transparent)]
    File(#[from] PrivateFileError),
    /// The system refused something other than reading.
    #[error("cannot {doing} {path}", path = path.display())]
    Io {
        /// What was tried, as a verb.
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file ends before its end: it was cut off, by a full disk or an interrupted copy.
    #[error("the {what} {path} is cut off; restore it from a backup", path = path.display())]
    Truncated {
        /// Which kind of file.
        what: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// A file is whole but not as it was written: damaged, edited, or something else altogether.
    #[error("the {what} {path} is corrupted: {reason}; restore it from a backup", path = path.display())]
    Corrupted {
        /// Which kind of file.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What does not hold.
        reason: &'static str,
    },
    /// A file was written by a newer release.
    #[error("the {what} {path} has format version {found}, and this release reads up to {supported}; use a newer one", path = path.display())]
    NewerVersion {
        /// Which kind of file.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Its format version.
        found: u32,
        /// The newest format version that this release reads.
        supported: u32,
    },
    /// A key file is intact but holds a kind of key that this release does not know.
    #[error("the key file {path} holds a key of {component:?}, which this release does not know; use a newer one", path = path.display())]
    UnknownComponent {
        /// The key file.
        path: PathBuf,
        /// The component's name as the file has it.
        component: String,
    },
    /// A key file of another store lies in this one.
    #[error("the key file {path} belongs to another key store; move it back there", path = path.display())]
    ForeignKeyFile {
        /// The key file.
        path: PathBuf,
    },
    /// The passphrase is not the one the store was made with.
    #[error("wrong passphrase for the key store {store}", store = store.display())]
    WrongPassphrase {
        /// The store's directory.
        store: PathBuf,
    },
    /// The file with the key-encryption key is intact, but made for another store.
    #[error("{key_file} is not the key-encryption key of the key store {store}", key_file = key_file.display(), store = store.display())]
    WrongKeyFile {
        /// The file with the key-encryption key.
        key_file: PathBuf,
        /// The store's directory.
        store: PathBuf,
    },
    /// The store exists, and the file with its key-encryption key does not.
    #[error("the key store {store} needs its key-encryption key, and {key_file} does not exist; restore it, or say where it is", key_file = key_file.display(), store = store.display())]
    KeyFileMissing {
        /// The file with the key-encryption key.
        key_file: PathBuf,
        /// The store's directory.
        store: PathBuf,
    },
    /// A passphrase was given for a store made with a key file, or a key file for one made with a passphrase.
    #[error("the key store {store} opens with a {wanted}, not with a {given}", store = store.display())]
    OtherKek {
        /// The store's directory.
        store: PathBuf,
        /// What it was made with.
        wanted: &'static str,
        /// What was given.
        given: &'static str,
    },
    /// The key-encryption key would lie beside what it encrypts, so that one copy of the directory holds both.
    #[error("the key-encryption key {key_file} must lie outside the key store {store}", key_file = key_file.display(), store = store.display())]
    KeyFileInside {
        /// The file with the key-encryption key.
        key_file: PathBuf,
        /// The store's directory.
        store: PathBuf,
    },
    /// Nothing says where the key that encrypts the store is.
    #[error("say where the key that encrypts the key store {store} is: ?key-file=PATH or ?passphrase-source=SOURCE after its path", store = store.display())]
    KekUnsaid {
        /// The store's directory.
        store: PathBuf,
    },
    /// The passphrase could not be had from where it should be.
    #[error("cannot get the passphrase of the key store {store}", store = store.display())]
    KekSource {
        /// The store's directory.
        store: PathBuf,
        /// What is wrong with its source.
        source: PassphraseError,
    },
    /// There are key files, but the file that says how they are encrypted is gone.
    #[error("the key store {store} has keys but its file {header} is missing; restore it from a backup", store = store.display(), header = super::HEADER_FILE)]
    HeaderMissing {
        /// The store's directory.
        store: PathBuf,
    },
    /// There is no randomness for a new key or id.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The cryptographic library failed at something that cannot fail with good input: it is out of memory, or
    /// its self-tests have failed.
    #[error("the cryptographic library could not {doing}")]
    Library {
        /// What was tried, as a verb.
        doing: &'static str,
    },
}

impl SoftwareError {
    /// Names what was tried and where, for use with `map_err`.
    pub(crate) fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { doing, path, source }
    }
}
