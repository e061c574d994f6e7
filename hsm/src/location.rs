//! Where keys are: the one way of naming a store outside a configuration file, and the one way of opening any.
//!
//! | text | store |
//! |---|---|
//! | `pkcs11:token=ca?module-path=/usr/lib/m.so&pin-source=file:/run/pin` | a token, by RFC 7512 |
//! | `tpm:device:/dev/tpmrm0?dir=/var/lib/keys&pcrs=sha256:7` | a TPM, with the directory of its records |
//! | `tpm:swtpm:host=127.0.0.1,port=2321?dir=/tmp/keys` | a simulator |
//! | `software:/var/lib/keys?key-file=/etc/kek` | encrypted files |
//! | `/var/lib/keys`, `./keys` | encrypted files, the rest left to whoever opens them |
//!
//! After `tpm:` stands what [`Tcti`] reads. Its query has `dir` (where the store's files are), and may have `pcrs`
//! ([`PcrSelection`]), `placement` (`wrapped`, `persistent`), `authorization` (`session`, `password`),
//! `owner-auth-source` ([`SecretSource`]) and `deadline` (how many seconds a call may take). That of `software:` has
//! `key-file` or `passphrase-source` ([`SecretSource`]): where the key that encrypts the files is. In both, `%XX` is a
//! byte, so that a path may have a `?`, `&` or `%`.
//!
//! No secret ever stands in such a text, only where one is found.

mod choice;
mod syntax;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use self::choice::{ChoiceError, KeyChoice};
pub use self::syntax::LocationSyntaxError;
use crate::pkcs11::{Pkcs11Config, Pkcs11Store};
use crate::secret::{Passphrase, PassphraseError, SecretSource};
use crate::software::{KekSpec, SoftwareError, SoftwareStore, key_dir};
use crate::store::{KeyStore, StoreError};
use crate::tpm::{self, Authorization, PcrSelection, Placement, Tcti, TpmConfig, TpmError};

/// A store, and what it takes to open it.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum StoreLocation {
    /// Encrypted files.
    Software(SoftwareLocation),
    /// A PKCS#11 token.
    Pkcs11(Pkcs11Config),
    /// A TPM 2.0.
    Tpm(TpmLocation),
}

/// A software store.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SoftwareLocation {
    /// The directory of its files.
    pub dir: PathBuf,
    /// Where the key that encrypts them is. `None` was not said: [`StoreLocation::with_key_file`] says it.
    pub kek: Option<KekSpec>,
}

/// A store on a TPM. As [`TpmConfig`], with the place of the owner's password instead of the password.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TpmLocation {
    /// The directory of its files.
    pub dir: PathBuf,
    /// Which TPM.
    pub tcti: Tcti,
    /// The PCRs that new ML-DSA seeds are sealed to.
    pub pcrs: PcrSelection,
    /// Where new ECDSA keys live.
    pub placement: Placement,
    /// How the TPM is shown that a signature is wanted by who may.
    pub authorization: Authorization,
    /// Where the owner hierarchy's password is, if it has one.
    pub owner_auth_source: Option<SecretSource>,
    /// How long a call may take.
    pub deadline: Duration,
}

impl TpmLocation {
    /// A TPM and a directory, with the defaults of [`TpmConfig::new`].
    pub fn new(tcti: Tcti, dir: impl Into<PathBuf>) -> Self {
        let TpmConfig {
            tcti,
            pcrs,
            placement,
            authorization,
            owner_auth: _,
            deadline,
        } = TpmConfig::new(tcti);
        Self {
            dir: dir.into(),
            tcti,
            pcrs,
            placement,
            authorization,
            owner_auth_source: None,
            deadline,
        }
    }

    fn config(&self, ask: Ask<'_>) -> Result<TpmConfig, PassphraseError> {
        let wanted = Wanted {
            secret: "owner password",
            of: format!("the TPM {}", self.tcti),
            is_new: false,
        };
        let read = |source: &SecretSource| source.read(|| ask(&wanted));
        Ok(TpmConfig {
            tcti: self.tcti.clone(),
            pcrs: self.pcrs.clone(),
            placement: self.placement,
            authorization: self.authorization,
            owner_auth: self.owner_auth_source.as_ref().map(read).transpose()?,
            deadline: self.deadline,
        })
    }
}

/// Asks a person for a secret, when a location says `prompt`. It is called at most once for a store.
pub type Ask<'a> = &'a dyn Fn(&Wanted) -> Result<Passphrase, PassphraseError>;

/// What a person is asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Wanted {
    /// What it is: `PIN`, `passphrase` or `owner password`.
    pub secret: &'static str,
    /// Whose, in words: `the token called "ca"`.
    pub of: String,
    /// Whether it is about to be set, so that it is better asked for twice.
    pub is_new: bool,
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.secret, self.of)
    }
}

/// An [`Ask`] for where there is nobody: servers, tests.
///
/// # Errors
/// [`PassphraseError::Prompt`], always.
pub fn nobody_to_ask(_: &Wanted) -> Result<Passphrase, PassphraseError> {
    Err(PassphraseError::Prompt(std::io::Error::other(
        "nobody is there to be asked; use file:PATH or env:NAME",
    )))
}

impl StoreLocation {
    /// The kind of store, as configuration writes it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Software(_) => "software",
            Self::Pkcs11(_) => "pkcs11",
            Self::Tpm(_) => "tpm",
        }
    }

    /// The directory that the store keeps files in; a token keeps everything itself.
    pub fn dir(&self) -> Option<&Path> {
        match self {
            Self::Software(location) => Some(&location.dir),
            Self::Tpm(location) => Some(&location.dir),
            Self::Pkcs11(_) => None,
        }
    }

    /// The location with a key file for a software store that says nothing of one. `key_file` is given its directory.
    #[must_use]
    pub fn with_key_file(mut self, key_file: impl FnOnce(&Path) -> PathBuf) -> Self {
        if let Self::Software(location) = &mut self
            && location.kek.is_none()
        {
            location.kek = Some(KekSpec::KeyFile(key_file(&location.dir)));
        }
        self
    }

    /// As [`with_key_file`](Self::with_key_file), with the file that commands take when they are told of none: beside the
    /// directory, with its name and `.key` after it.
    #[must_use]
    pub fn with_key_file_beside(self) -> Self {
        self.with_key_file(|dir| {
            let mut name = dir.file_name().unwrap_or_default().to_owned();
            name.push(".key");
            dir.with_file_name(name)
        })
    }

    /// Whether [`open`](Self::open) would make a new store, which a caller who only wants to look does not want. Nothing
    /// is made on a token by opening it.
    ///
    /// # Errors
    /// What the system says, or a directory with keys and without the file that says what it is.
    pub fn is_new(&self) -> Result<bool, StoreError> {
        match self.dir() {
            Some(dir) => Ok(key_dir::is_new(dir)?),
            None => Ok(false),
        }
    }

    /// Opens the store; one of files is made if there is none. Blocks: a passphrase is stretched, a token is asked.
    ///
    /// # Errors
    /// [`StoreError`], as the kind of store has it: [`TpmError::NotBuilt`] without the cargo feature `tpm`,
    /// [`Pkcs11Error::PinSource`](crate::Pkcs11Error::PinSource), [`SoftwareError::KekSource`] or [`TpmError::OwnerAuthSource`] when there is no
    /// secret.
    pub fn open(&self, ask: Ask<'_>) -> Result<Arc<dyn KeyStore>, StoreError> {
        match self {
            Self::Software(location) => Ok(Arc::new(open_software(location, ask)?)),
            Self::Pkcs11(config) => {
                let wanted = Wanted {
                    secret: "PIN",
                    of: format!("the token {}", config.token),
                    is_new: false,
                };
                Ok(Arc::new(Pkcs11Store::open(config, || ask(&wanted))?))
            }
            Self::Tpm(location) if !tpm::IS_BUILT => Err(TpmError::NotBuilt {
                tcti: location.tcti.clone(),
            }
            .into()),
            Self::Tpm(location) => {
                let config = location
                    .config(ask)
                    .map_err(|source| TpmError::OwnerAuthSource(Arc::new(source)))?;
                tpm::open(&location.dir, &config)
            }
        }
    }
}

fn open_software(location: &SoftwareLocation, ask: Ask<'_>) -> Result<SoftwareStore, StoreError> {
    let dir = &location.dir;
    let spec = location
        .kek
        .as_ref()
        .ok_or_else(|| SoftwareError::KekUnsaid { store: dir.clone() })?;
    let wanted = Wanted {
        secret: "passphrase",
        of: format!("the store {}", dir.display()),
        is_new: SoftwareStore::is_new(dir)?,
    };
    let source = spec
        .resolve(|| ask(&wanted))
        .map_err(|source| SoftwareError::KekSource {
            store: dir.clone(),
            source,
        })?;
    SoftwareStore::open(dir, &source)
}

impl From<Pkcs11Config> for StoreLocation {
    fn from(config: Pkcs11Config) -> Self {
        Self::Pkcs11(config)
    }
}

impl From<TpmLocation> for StoreLocation {
    fn from(location: TpmLocation) -> Self {
        Self::Tpm(location)
    }
}

impl From<SoftwareLocation> for StoreLocation {
    fn from(location: SoftwareLocation) -> Self {
        Self::Software(location)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(text: &str) -> StoreLocation {
        text.parse().expect(text)
    }

    #[test]
    fn a_software_store_opens_where_it_is_said_to_be() {
        let scratch = tempfile::tempdir().expect("scratch");
        let dir = scratch.path().join("keys");
        let bare = location(dir.to_str().expect("UTF-8"));
        assert!(bare.is_new().expect("look"));
        let error = bare.open(&nobody_to_ask).expect_err("no key").to_string();
        assert!(error.contains("?key-file=PATH"), "{error}");
        assert!(!dir.exists(), "nothing was made");

        let whole = bare.with_key_file_beside();
        let StoreLocation::Software(software) = &whole else {
            panic!("software");
        };
        let beside = scratch.path().join("keys.key");
        assert_eq!(software.kek, Some(KekSpec::KeyFile(beside)));
        assert_eq!(whole.open(&nobody_to_ask).expect("store").kind(), "software");
        assert!(!whole.is_new().expect("look"));
    }

    #[test]
    fn a_person_is_told_what_is_wanted_and_asked_once() {
        let scratch = tempfile::tempdir().expect("scratch");
        let dir = scratch.path().join("keys");
        let asked = std::cell::RefCell::new(Vec::new());
        let ask = |wanted: &Wanted| {
            asked.borrow_mut().push((wanted.to_string(), wanted.is_new));
            Passphrase::new(b"correct horse".to_vec().into())
        };
        let location = location(&format!("software:{}?passphrase-source=prompt", dir.display()));
        for _ in 0..2 {
            location.open(&ask).expect("store");
        }
        let words = format!("passphrase of the store {}", dir.display());
        assert_eq!(*asked.borrow(), [(words.clone(), true), (words, false)]);
        let error = location.open(&nobody_to_ask).expect_err("nobody");
        assert!(
            matches!(error, StoreError::Software(SoftwareError::KekSource { .. })),
            "{error}"
        );
    }

    #[cfg(not(feature = "tpm"))]
    #[test]
    fn a_build_without_tpm_reads_the_location_and_says_what_it_lacks() {
        let scratch = tempfile::tempdir().expect("scratch");
        let dir = scratch.path().join("keys");
        let location = location(&format!(
            "tpm:device:/dev/tpmrm0?dir={}&owner-auth-source=prompt",
            dir.display()
        ));
        let error = location.open(&nobody_to_ask).expect_err("not built").to_string();
        assert!(error.contains("built without `tpm`"), "{error}");
        assert!(!dir.exists());
    }
}
