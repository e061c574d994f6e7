//! What a store must give its TPM to have a key back. It lies encrypted in the key's file.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use symbolon_crypto::digest::sha256;
use tss_esapi::structures::{Private, Public};
use tss_esapi::traits::{Marshall, UnMarshall};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::codes::Step;
use super::error::TpmError;
use super::policy::PcrValues;

/// Bytes of a key's password, of a seed and of its mask.
pub(super) const SECRET_LEN: usize = 32;

/// An object of the TPM outside the TPM: its public area, and its private one under the storage root key.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Blob {
    #[serde(with = "in_base64")]
    public: Vec<u8>,
    #[serde(with = "in_base64")]
    private: Vec<u8>,
}

impl Blob {
    pub(super) fn new(public: &Public, private: &Private) -> Step<Self> {
        Ok(Self {
            public: public.marshall()?,
            private: private.value().to_vec(),
        })
    }

    pub(super) fn public(&self) -> Step<Public> {
        Ok(Public::unmarshall(&self.public)?)
    }

    /// The public area, as the TPM marshals it.
    pub(super) fn public_bytes(&self) -> &[u8] {
        &self.public
    }

    pub(super) fn private(&self) -> Step<Private> {
        Ok(Private::try_from(self.private.as_slice())?)
    }

    /// The object's name (TPM 2.0 Library, part 1, section 16): the number of its name algorithm, SHA-256 for all
    /// that we make, and the hash of its public area.
    pub(super) fn name(&self) -> Vec<u8> {
        [&[0x00, 0x0b], &sha256(&self.public)[..]].concat()
    }
}

/// A secret of the length that all here have.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(transparent)]
pub(super) struct Secret(#[serde(with = "in_base64")] Vec<u8>);

impl Secret {
    pub(super) fn new(bytes: [u8; SECRET_LEN]) -> Self {
        Self(bytes.to_vec())
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

/// How a key is held.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Record {
    /// A signing key of the TPM.
    Key {
        blob: Blob,
        /// Its password: whoever has the TPM and not this file cannot use a persistent key.
        password: Secret,
        /// Where it also is in the TPM's own memory. The blob stays good if it is not there.
        handle: Option<u32>,
    },
    /// A seed sealed to the TPM.
    Seed {
        blob: Blob,
        /// What is sealed is the seed XOR this. libtss2 keeps what it unseals in buffers that nobody wipes; this
        /// way that is not the seed.
        mask: Secret,
        /// The values it is sealed to.
        pcrs: PcrValues,
    },
}

impl Record {
    pub(super) fn encode(&self) -> Result<Zeroizing<Vec<u8>>, TpmError> {
        serde_json::to_vec(self)
            .map(Zeroizing::new)
            .map_err(|_| TpmError::Thread {
                doing: "write down what the TPM made",
            })
    }

    pub(super) fn decode(path: &Path, bytes: &[u8]) -> Result<Self, TpmError> {
        let record: Self =
            serde_json::from_slice(bytes).map_err(|_| wrong(path, "it is no record of a key"))?;
        let (Self::Key { password: secret, .. } | Self::Seed { mask: secret, .. }) = &record;
        if secret.as_bytes().len() != SECRET_LEN {
            return Err(wrong(path, "its secret has another length"));
        }
        Ok(record)
    }
}

fn wrong(path: &Path, reason: &'static str) -> TpmError {
    TpmError::Record {
        path: path.to_owned(),
        reason,
    }
}

/// Bytes as base64 in JSON.
pub(super) mod in_base64 {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer};
    use zeroize::Zeroizing;

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Zeroizing::new(STANDARD.encode(bytes)))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        STANDARD.decode(text.as_bytes()).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn samples() -> [Record; 2] {
        let blob = Blob {
            public: vec![1, 2],
            private: vec![3],
        };
        let secret = Secret::new([7; SECRET_LEN]);
        let pcrs = [("sha256".to_owned(), BTreeMap::from([(7, "ab".repeat(32))]))];
        [
            Record::Key {
                blob: blob.clone(),
                password: secret.clone(),
                handle: Some(0x8102_0000),
            },
            Record::Seed {
                blob,
                mask: secret,
                pcrs: PcrValues::from(pcrs),
            },
        ]
    }

    #[test]
    fn a_record_reads_back_and_its_secret_is_not_printed() {
        for record in samples() {
            let written = record.encode().expect("encode");
            let read = Record::decode(Path::new("x"), &written).expect("decode");
            assert_eq!(read.encode().expect("encode").as_slice(), written.as_slice());
            assert!(format!("{read:?}").contains("Secret(hidden)"), "{read:?}");
        }
    }

    #[test]
    fn what_is_no_record_is_refused() {
        let [key, _] = samples();
        let written = String::from_utf8(key.encode().expect("encode").to_vec()).expect("text");
        for bad in [
            String::new(),
            "{}".to_owned(),
            written.replace("\"key\"", "\"other\""),
            written.replace("\"handle\"", "\"more\":1,\"handle\""),
            written.replace("BwcH", ""),
            written.replace("AQI=", "!"),
        ] {
            Record::decode(Path::new("x"), bad.as_bytes()).expect_err(&bad);
        }
    }

    #[test]
    fn a_name_is_that_of_the_public_area() {
        let [Record::Key { blob, .. }, _] = samples() else {
            panic!("a key");
        };
        // SHA-256 of the bytes 1 and 2.
        let hash = "a12871fee210fb8619291eaea194581cbd2531e4b23759d225f6806923f63222";
        assert_eq!(hex::encode(blob.name()), format!("000b{hash}"));
    }
}
