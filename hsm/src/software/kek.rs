//! The key-encryption key: in a file of its own, or computed from a passphrase.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use symbolon_crypto::digest::sha256;
use symbolon_crypto::random;
use zeroize::Zeroizing;

use super::cipher::{Cipher, KEK_LEN};
use super::error::SoftwareError;
use super::files::{create_once, parent_of};
use super::header::{Header, KekRecord};
use super::kdf::KdfRecord;
use super::lines::Lines;
use crate::private_file::{PrivateFileError, read_private};
use crate::secret::{Passphrase, PassphraseError, SecretSource, SourceSyntaxError};

/// What opens a software store.
#[derive(Clone, Debug)]
pub enum KekSource {
    /// A file that only its owner can read (0600), made when the store is. It must lie outside the store, better
    /// outside everything that is backed up with it: who has both has the keys. Several stores may share one.
    KeyFile(PathBuf),
    /// A passphrase, stretched by Argon2id.
    Passphrase(Passphrase),
}

/// How configuration and command lines write a [`KekSource`]: `key-file:PATH`, `passphrase:file:PATH`,
/// `passphrase:env:NAME` or `passphrase:prompt`.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum KekSpec {
    /// See [`KekSource::KeyFile`].
    KeyFile(PathBuf),
    /// See [`KekSource::Passphrase`].
    Passphrase(SecretSource),
}

impl KekSpec {
    /// Gets the passphrase if there is to be one; `prompt` asks a person for it.
    ///
    /// # Errors
    /// [`PassphraseError`]. A key file is not touched yet.
    pub fn resolve(
        &self,
        prompt: impl FnOnce() -> Result<Passphrase, PassphraseError>,
    ) -> Result<KekSource, PassphraseError> {
        match self {
            Self::KeyFile(path) => Ok(KekSource::KeyFile(path.clone())),
            Self::Passphrase(source) => source.read(prompt).map(KekSource::Passphrase),
        }
    }
}

impl FromStr for KekSpec {
    type Err = SourceSyntaxError;

    fn from_str(text: &str) -> Result<Self, SourceSyntaxError> {
        let wrong = || SourceSyntaxError {
            expected: "key-file:PATH, passphrase:file:PATH, passphrase:env:NAME or passphrase:prompt",
            len: text.len(),
        };
        match text.split_once(':') {
            Some(("key-file", path)) if !path.is_empty() => Ok(Self::KeyFile(PathBuf::from(path))),
            Some(("passphrase", source)) => source.parse().map(Self::Passphrase).map_err(|_| wrong()),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for KekSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeyFile(path) => write!(f, "key-file:{}", path.display()),
            Self::Passphrase(source) => write!(f, "passphrase:{source}"),
        }
    }
}

impl TryFrom<String> for KekSpec {
    type Error = SourceSyntaxError;

    fn try_from(text: String) -> Result<Self, SourceSyntaxError> {
        text.parse()
    }
}

impl From<KekSpec> for String {
    fn from(spec: KekSpec) -> Self {
        spec.to_string()
    }
}

/// Gets the key-encryption key for a new store in `store`, and what its header is to say about it.
pub(super) fn for_new_store(source: &KekSource, store: &Path) -> Result<(Cipher, KekRecord), SoftwareError> {
    match source {
        KekSource::KeyFile(path) => {
            refuse_inside(path, store)?;
            create_once(path, new_key_file)?;
            let key = read_key_file(path)?;
            Ok((Cipher::new(&key.key)?, KekRecord::KeyFile { id: key.id }))
        }
        KekSource::Passphrase(passphrase) => {
            let record = KdfRecord::new()?;
            Ok((
                Cipher::new(&*record.derive(passphrase)?)?,
                KekRecord::Passphrase(record),
            ))
        }
    }
}

/// Gets the key-encryption key of the store in `store`, which has this `header`.
pub(super) fn for_store(source: &KekSource, header: &Header, store: &Path) -> Result<Cipher, SoftwareError> {
    match (source, &header.kek) {
        (KekSource::KeyFile(path), KekRecord::KeyFile { id }) => {
            refuse_inside(path, store)?;
            let key = read_key_file(path).map_err(|error| missing(error, path, store))?;
            let cipher = Cipher::new(&key.key)?;
            if key.id == *id && header.fits(&cipher) {
                Ok(cipher)
            } else {
                Err(SoftwareError::WrongKeyFile {
                    key_file: path.clone(),
                    store: store.to_owned(),
                })
            }
        }
        (KekSource::Passphrase(passphrase), KekRecord::Passphrase(record)) => {
            let cipher = Cipher::new(&*record.derive(passphrase)?)?;
            if header.fits(&cipher) {
                Ok(cipher)
            } else {
                Err(SoftwareError::WrongPassphrase {
                    store: store.to_owned(),
                })
            }
        }
        (KekSource::KeyFile(_), record) => Err(other_kek(record, "key file", store)),
        (KekSource::Passphrase(_), record) => Err(other_kek(record, "passphrase", store)),
    }
}

fn other_kek(record: &KekRecord, given: &'static str, store: &Path) -> SoftwareError {
    SoftwareError::OtherKek {
        store: store.to_owned(),
        wanted: record.words(),
        given,
    }
}

fn missing(error: SoftwareError, path: &Path, store: &Path) -> SoftwareError {
    match error {
        SoftwareError::File(PrivateFileError::Read { source, .. })
            if source.kind() == io::ErrorKind::NotFound =>
        {
            SoftwareError::KeyFileMissing {
                key_file: path.to_owned(),
                store: store.to_owned(),
            }
        }
        other => other,
    }
}

/// A key beside what it encrypts protects nothing.
fn refuse_inside(key_file: &Path, store: &Path) -> Result<(), SoftwareError> {
    let store_at = store.canonicalize().map_err(SoftwareError::io("find", store))?;
    // A directory that does not exist yet may still be to be made inside the store: the nearest that does counts.
    let nearest = key_file
        .ancestors()
        .skip(1)
        .map(|dir| {
            if dir.as_os_str().is_empty() {
                Path::new(".")
            } else {
                dir
            }
        })
        .find_map(|dir| dir.canonicalize().ok())
        .unwrap_or_else(|| parent_of(key_file).to_owned());
    if nearest.starts_with(store_at) {
        return Err(SoftwareError::KeyFileInside {
            key_file: key_file.to_owned(),
            store: store.to_owned(),
        });
    }
    Ok(())
}

/// The most bytes of a file with a key-encryption key; it has 204.
const MAX_LEN: usize = 1024;

const FORMAT: Lines<3> = Lines {
    title: "symbolon key-encryption key",
    what: "key-encryption key file",
    version: 1,
};

struct KeyFile {
    id: String,
    key: Zeroizing<[u8; KEK_LEN]>,
}

/// A new file: an id that may be known, the key, and a SHA-256 over all that, each in hex on its line.
fn new_key_file() -> Result<Zeroizing<Vec<u8>>, SoftwareError> {
    let mut id = [0; 16];
    random::fill(&mut id)?;
    let mut key = Zeroizing::new([0; KEK_LEN]);
    random::fill(key.as_mut())?;
    let mut key_hex = Zeroizing::new([0; 2 * KEK_LEN]);
    hex::encode_to_slice(key.as_slice(), key_hex.as_mut()).map_err(|_| SoftwareError::Library {
        doing: "write a key in hex",
    })?;

    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_LEN));
    bytes.extend_from_slice(format!("{}{}\n", FORMAT.first_line(), hex::encode(id)).as_bytes());
    bytes.extend_from_slice(key_hex.as_slice());
    bytes.push(b'\n');
    let checksum = hex::encode(sha256(&bytes));
    bytes.extend_from_slice(checksum.as_bytes());
    bytes.push(b'\n');
    Ok(bytes)
}

fn read_key_file(path: &Path) -> Result<KeyFile, SoftwareError> {
    decode_key_file(path, &read_private(path, MAX_LEN)?)
}

fn decode_key_file(path: &Path, bytes: &[u8]) -> Result<KeyFile, SoftwareError> {
    let [id, key_hex, checksum] = FORMAT.split(path, bytes)?;
    let mut summed = Zeroizing::new(Vec::with_capacity(MAX_LEN));
    summed.extend_from_slice(FORMAT.first_line().as_bytes());
    for line in [id, key_hex] {
        summed.extend_from_slice(line.as_bytes());
        summed.push(b'\n');
    }
    if hex::encode(sha256(&summed)) != checksum {
        return Err(FORMAT.corrupted(path, "its checksum does not match"));
    }
    let mut key = Zeroizing::new([0; KEK_LEN]);
    hex::decode_to_slice(key_hex, key.as_mut())
        .map_err(|_| FORMAT.corrupted(path, "its key is not 32 bytes in hex"))?;
    Ok(KeyFile {
        id: id.to_owned(),
        key,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn specs_read_back_as_written() {
        for text in [
            "key-file:/etc/kek",
            "passphrase:file:/p",
            "passphrase:env:KEK",
            "passphrase:prompt",
        ] {
            assert_eq!(text.parse::<KekSpec>().expect(text).to_string(), text);
        }
        for text in ["", "/etc/kek", "key-file:", "passphrase:", "passphrase:hunter2"] {
            let error = text.parse::<KekSpec>().expect_err(text).to_string();
            assert!(
                error.contains("key-file:PATH") && !error.contains("hunter2"),
                "{error}"
            );
        }
    }

    #[test]
    fn new_key_files_read_back_and_differ() {
        let read = || {
            let bytes = new_key_file().expect("new");
            assert!(bytes.len() <= MAX_LEN);
            decode_key_file(Path::new("/k"), &bytes).expect("decode")
        };
        let (one, two) = (read(), read());
        assert_ne!(one.id, two.id);
        assert_ne!(one.key, two.key);
    }

    proptest! {
        #[test]
        fn any_changed_byte_is_refused(at: prop::sample::Index, change in 1..=255u8) {
            let mut bytes = new_key_file().expect("new").to_vec();
            let at = at.index(bytes.len());
            bytes[at] ^= change;
            prop_assert!(decode_key_file(Path::new("/k"), &bytes).is_err());
        }
    }
}
