//! How keys are held: what a store says of it, written down as evidence, and how evidence is verified.
//!
//! A [`Custody`] is what a store tells of one key, read back from where it lies and not remembered. [`Evidence`] is that
//! with a challenge, signed by the key itself, and by the TPM's attestation key where a TPM holds it; [`verify`]
//! takes anyone's evidence apart without any store, and says of each part what it proves and what it does not.
//! The format is in the book, page *Keys and custody*.
//!
//! Nothing here is secret.

mod canonical;
mod evidence;
mod findings;
mod reader;
mod strict;
mod tpm2;
mod verify;

use serde::{Deserialize, Serialize};

pub use self::evidence::{
    Certification, Challenge, ChallengeError, Evidence, EvidenceError, Statement, TpmCertification,
};
pub use self::findings::{Finding, Weight};
pub use self::verify::{Expectations, MAX_LEN, Refusal, Verified, verify};
use crate::pkcs11::KeyAttributes;

/// What holds a store's keys.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Holder {
    /// Encrypted files on a disk.
    Software(SoftwareHolder),
    /// A PKCS#11 token, by its own words.
    Pkcs11(TokenHolder),
    /// A TPM 2.0, by its own words.
    Tpm(TpmHolder),
    /// Something that says nothing of itself.
    Other,
}

impl Holder {
    /// The kind of store, as configuration writes it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Software(_) => "software",
            Self::Pkcs11(_) => "pkcs11",
            Self::Tpm(_) => "tpm",
            Self::Other => "other",
        }
    }
}

/// A software store.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SoftwareHolder {
    /// What its files are encrypted under: `key file` or `passphrase`.
    pub encrypted_under: String,
}

/// A token.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenHolder {
    /// Its label.
    pub label: String,
    /// Its maker.
    pub manufacturer: String,
    /// Its model.
    pub model: String,
    /// Its serial number.
    pub serial: String,
    /// The version of its hardware, `major.minor`.
    pub hardware_version: String,
    /// The version of its firmware, `major.minor`.
    pub firmware_version: String,
}

/// A TPM.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TpmHolder {
    /// Its maker, four letters (TCG TPM Vendor ID Registry).
    pub manufacturer: String,
    /// What else its maker calls it.
    pub model: String,
    /// The version of its firmware, as 16 hexadecimal digits.
    pub firmware_version: String,
    /// The revision of the specification it follows, as in `1.59`.
    pub specification: String,
    /// The name of the storage root key that the store's keys lie under, in hex.
    pub storage_root: String,
}

/// How one key is held.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(tag = "as", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Holding {
    /// In an encrypted file, and in the memory of whatever process uses it.
    EncryptedFile,
    /// As an object of a token.
    TokenObject(TokenKeyFacts),
    /// As a signing key of a TPM.
    TpmKey(TpmKeyFacts),
    /// As a seed that a TPM gives out while its PCRs are as they were; in the memory of the process that signs.
    SealedSeed(SealedSeedFacts),
    /// The store does not say.
    Untold,
}

/// What a token says of a private key object.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenKeyFacts {
    /// Its attributes.
    pub attributes: KeyAttributes,
    /// Whether the token says that its hardware makes such keys (`CKF_HW` of the mechanism).
    pub generated_in_hardware: Option<bool>,
    /// Whether the token says that its hardware signs with them.
    pub signs_in_hardware: Option<bool>,
}

/// What a TPM has of a signing key.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TpmKeyFacts {
    /// Its name (TPM 2.0 Library, part 1, section 16), in hex.
    pub name: String,
    /// Its handle in the TPM's own memory, as in `0x81020000`; `None` when it lies wrapped in a file alone.
    pub handle: Option<String>,
}

/// What a TPM has of a sealed seed.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedSeedFacts {
    /// The name of the sealed object, in hex.
    pub name: String,
    /// The PCR values it is sealed to, in hex, by bank and number as in `sha256:7`.
    pub pcrs: std::collections::BTreeMap<String, String>,
}

/// What a store tells of one key.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Custody {
    /// How it is held.
    pub holding: Holding,
    /// Why it cannot be used as it is held; `None` when it can.
    pub unusable: Option<String>,
}
