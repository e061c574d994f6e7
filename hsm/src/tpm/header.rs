//! The file that makes a directory a key store on a TPM: which TPM, and how the files' key-encryption key is had.
//!
//! ```text
//! symbolon tpm key store, version 1
//! {"store":…,"root":<name of the storage root key>,"kek":{"public":…,"private":…}}
//! <a known text, sealed under the key-encryption key>
//! <SHA-256 of everything above>
//! ```
//! The key-encryption key is sealed to the TPM, to no PCR: with the TPM gone the files are worth nothing, and a
//! changed PCR still lets keys be listed and destroyed.

use std::path::Path;

use serde::{Deserialize, Serialize};
use symbolon_crypto::digest::sha256;

use super::error::TpmError;
use super::records::{Blob, in_base64};
use crate::software::SoftwareError;
use crate::software::cipher::Cipher;
use crate::software::lines::Lines;
use crate::store::StoreError;

/// The most bytes a header has; it has some 900.
pub(super) const MAX_LEN: usize = 8192;

const FORMAT: Lines<3> = Lines {
    title: "symbolon tpm key store",
    what: "key store file",
    version: 1,
};
const SOFTWARE_TITLE: &[u8] = b"symbolon key store,";
const KNOWN_TEXT: &[u8] = b"this key-encryption key is the right one";

/// What a store knows of its TPM.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    /// The store's id.
    pub(super) store: String,
    /// The name of the storage root key that everything lies under.
    #[serde(with = "in_base64")]
    pub(super) root: Vec<u8>,
    /// The key-encryption key, sealed.
    pub(super) kek: Blob,
}

/// A header as read: undamaged, but whether the TPM's key-encryption key fits is still to be asked.
pub(super) struct ReadHeader {
    pub(super) header: Header,
    described: String,
    sealed: String,
}

impl Header {
    pub(super) fn encode(&self, cipher: &Cipher) -> Result<Vec<u8>, SoftwareError> {
        let description = serde_json::to_string(self).map_err(|_| SoftwareError::Library {
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

    pub(super) fn decode(path: &Path, bytes: &[u8]) -> Result<ReadHeader, StoreError> {
        if bytes.starts_with(SOFTWARE_TITLE) {
            let dir = path.parent().unwrap_or(path).to_owned();
            return Err(TpmError::OtherStore { dir }.into());
        }
        let [description, sealed, checksum] = FORMAT.split(path, bytes)?;
        let described = format!("{}{description}\n", FORMAT.first_line());
        if hex::encode(sha256(format!("{described}{sealed}\n").as_bytes())) != checksum {
            return Err(FORMAT.corrupted(path, "its checksum does not match").into());
        }
        let header = serde_json::from_str(description)
            .map_err(|_| FORMAT.corrupted(path, "its second line does not describe a key store"))?;
        Ok(ReadHeader {
            header,
            described,
            sealed: sealed.to_owned(),
        })
    }
}

impl ReadHeader {
    /// Checks that `cipher` has the key-encryption key that this store was made with.
    pub(super) fn check(&self, path: &Path, cipher: &Cipher) -> Result<(), SoftwareError> {
        match cipher.open(self.described.as_bytes(), &self.sealed) {
            Some(text) if text.as_slice() == KNOWN_TEXT => Ok(()),
            _ => Err(FORMAT.corrupted(path, "what the TPM unseals is not this store's key")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(cipher: &Cipher) -> Vec<u8> {
        let kek = serde_json::from_str(r#"{"public":"AQI=","private":"Aw=="}"#).expect("blob");
        let header = Header {
            store: "00112233445566778899aabbccddeeff".to_owned(),
            root: vec![0, 11, 1],
            kek,
        };
        header.encode(cipher).expect("encode")
    }

    #[test]
    fn a_header_reads_back_and_knows_its_key() {
        let path = Path::new("/keys/store");
        let [right, wrong] = [7, 8].map(|byte| Cipher::new(&[byte; 32]).expect("cipher"));
        let bytes = written(&right);
        assert!(bytes.len() < MAX_LEN);
        let read = Header::decode(path, &bytes).expect("decode");
        assert_eq!(read.header.root, [0, 11, 1]);
        read.check(path, &right).expect("its key");
        read.check(path, &wrong).expect_err("another key");
    }

    #[test]
    fn damage_and_other_stores_are_told_apart() {
        let path = Path::new("/keys/store");
        let bytes = written(&Cipher::new(&[7; 32]).expect("cipher"));
        for end in 0..bytes.len() {
            let cut = bytes.get(..end).expect("a part");
            let error = Header::decode(path, cut).err().expect("cut").to_string();
            assert!(error.contains("cut off"), "{end}: {error}");
        }
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            *changed.get_mut(at).expect("a byte") ^= 1;
            assert!(Header::decode(path, &changed).is_err(), "{at}");
        }
        let error = Header::decode(path, b"symbolon key store, version 1\n").err();
        let error = error.expect("another kind").to_string();
        assert_eq!(
            error,
            "/keys is a software key store, not one on a TPM; give each store a directory of its own"
        );
    }
}
