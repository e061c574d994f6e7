//! Key identifiers.

use std::fmt;
use std::str::FromStr;

use symbolon_crypto::digest;

/// A subject key identifier: the leftmost 160 bits of the SHA-256 of the subjectPublicKey bits (RFC 7093,
/// section 2, method 1). In hexadecimal it is what every API calls an authority's id.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Skid([u8; 20]);

impl Skid {
    /// The identifier of the key whose BIT STRING content is `subject_public_key`.
    pub fn of(subject_public_key: &[u8]) -> Self {
        let mut id = [0; 20];
        id.copy_from_slice(&digest::sha256(subject_public_key)[..20]);
        Self(id)
    }

    /// Takes 20 bytes found in a certificate; other lengths, which other software may use, are `None`.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The 20 bytes.
    pub fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }
}

impl fmt::Display for Skid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Skid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Skid({self})")
    }
}

/// Text that is not 40 hexadecimal digits.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a key identifier is 40 hexadecimal digits, not {0:?}")]
pub struct InvalidSkid(pub String);

impl FromStr for Skid {
    type Err = InvalidSkid;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut id = [0; 20];
        hex::decode_to_slice(text, &mut id).map_err(|_| InvalidSkid(text.to_owned()))?;
        Ok(Self(id))
    }
}
