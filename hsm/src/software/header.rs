//! The file that makes a directory a key store: its identity, and how its key-encryption key is found.
//!
//! ```text
//! symbolon key store, version 1
//! {"store":…,"kek":{"kind":"key-file","id":…}}
//! <a known text, sealed under the key-encryption key>
//! <SHA-256 of everything above>
//! ```
//! The third line tells a wrong passphrase at once. The fourth, which needs no key, tells damage from a wrong
//! passphrase.

use std::path::Path;

use serde::{Deserialize, Serialize};
use symbolon_crypto::digest::sha256;

use super::cipher::Cipher;
use super::error::SoftwareError;
use super::kdf::KdfRecord;
use super::lines::Lines;

/// The most bytes a header has; it has some 300.
pub(super) const MAX_LEN: usize = 4096;

const FORMAT: Lines<3> = Lines {
    title: "symbolon key store",
    what: "key store file",
    version: 1,
};
const KNOWN_TEXT: &[u8] = b"this key-encryption key is the right one";

/// How a store's key-encryption key is found.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(super) enum KekRecord {
    /// It is in a file of its own, which carries this id.
    KeyFile {
        /// 32 hex digits, random.
        id: String,
    },
    /// It is computed from a passphrase.
    Passphrase(KdfRecord),
}

impl KekRecord {
    /// The kind in words, for errors.
    pub(super) fn words(&self) -> &'static str {
        match self {
            Self::KeyFile { .. } => "key file",
            Self::Passphrase(_) => "passphrase",
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    store: String,
    kek: KekRecord,
}

/// A header as read: undamaged, but whether a key-encryption key fits is still to be asked.
pub(super) struct Header {
    pub(super) store_id: String,
    pub(super) kek: KekRecord,
    described: String,
    sealed: String,
}

impl Header {
    /// Writes the header of a new store.
    pub(super) fn encode(store_id: &str, kek: KekRecord, cipher: &Cipher) -> Result<Vec<u8>, SoftwareError> {
        let description = Description {
            store: store_id.to_owned(),
            kek,
        };
        let description = serde_json::to_string(&description).map_err(|_| SoftwareError::Library {
            doing: "describe a key store",
        })?;
        let mut text = format!("{}{description}\n", FORMAT.first_line());
        let sealed = cipher.seal(text.as_bytes(), KNOWN_TEXT)?;
        text.push_str(&sealed);
        text.push('\n');
        let checksum = hex::encode(sha256(text.as_bytes()));
        text.push_str(&checksum);
        text.push('\n');
        Ok(text.into_bytes())
    }

    /// Reads a header.
    pub(super) fn decode(path: &Path, bytes: &[u8]) -> Result<Self, SoftwareError> {
        let [description, sealed, checksum] = FORMAT.split(path, bytes)?;
        let described = format!("{}{description}\n", FORMAT.first_line());
        if hex::encode(sha256(format!("{described}{sealed}\n").as_bytes())) != checksum {
            return Err(FORMAT.corrupted(path, "its checksum does not match"));
        }
        let Description { store, kek } = serde_json::from_str(description)
            .map_err(|_| FORMAT.corrupted(path, "its second line does not describe a key store"))?;
        if let KekRecord::Passphrase(kdf) = &kek {
            kdf.check().map_err(|reason| FORMAT.corrupted(path, reason))?;
        }
        Ok(Self {
            store_id: store,
            kek,
            described,
            sealed: sealed.to_owned(),
        })
    }

    /// Whether `cipher` has the key-encryption key that this store was made with.
    pub(super) fn fits(&self, cipher: &Cipher) -> bool {
        let opened = cipher.open(self.described.as_bytes(), &self.sealed);
        opened.is_some_and(|text| text.as_slice() == KNOWN_TEXT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cipher() -> Cipher {
        Cipher::new(&[3; 32]).expect("cipher")
    }

    fn file(kek: KekRecord) -> Vec<u8> {
        Header::encode("0123", kek, &cipher()).expect("encode")
    }

    fn with_passphrase() -> KekRecord {
        KekRecord::Passphrase(KdfRecord::new().expect("record"))
    }

    fn with_key_file() -> KekRecord {
        KekRecord::KeyFile { id: "ab".repeat(16) }
    }

    #[test]
    fn both_kinds_read_back_and_know_their_key() {
        for kek in [with_key_file(), with_passphrase()] {
            let file = file(kek.clone());
            assert!(file.len() <= MAX_LEN);
            let header = Header::decode(Path::new("/s"), &file).expect("decode");
            assert_eq!((header.store_id.as_str(), &header.kek), ("0123", &kek));
            assert!(header.fits(&cipher()));
            assert!(!header.fits(&Cipher::new(&[4; 32]).expect("cipher")));
        }
    }

    #[test]
    fn a_header_that_asks_for_the_impossible_is_corrupted() {
        let mut kdf = KdfRecord::new().expect("record");
        kdf.memory_kib = u32::MAX;
        let error = Header::decode(Path::new("/s"), &file(KekRecord::Passphrase(kdf)))
            .err()
            .expect("bounds");
        assert!(error.to_string().contains("Argon2id"), "{error}");
    }

    proptest! {
        #[test]
        fn any_changed_byte_is_refused_without_a_key(
            passphrase: bool, at: prop::sample::Index, change in 1..=255u8,
        ) {
            let mut file = file(if passphrase { with_passphrase() } else { with_key_file() });
            let at = at.index(file.len());
            file[at] ^= change;
            prop_assert!(Header::decode(Path::new("/s"), &file).is_err());
        }
    }
}
