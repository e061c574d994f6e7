//! Identifiers made from content, so that the same thing has the same one in every scan.

use serde::{Deserialize, Serialize};
use symbolon_crypto::digest::sha256_of;

/// What an asset is referred to by: its kind and either its name (algorithms) or the start of a SHA-256 over what
/// makes it itself. It becomes the `bom-ref` of a CBOM.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct AssetId(String);

impl AssetId {
    /// An identifier that can be read: `kind:name`.
    #[must_use]
    pub fn readable(kind: &str, name: &str) -> Self {
        Self(format!("{kind}:{name}"))
    }

    /// An identifier over these parts, which are kept apart, so that `["ab", "c"]` differs from `["a", "bc"]`.
    ///
    /// Never pass a secret: the digest of a guessable one can be searched for.
    #[must_use]
    pub fn of_content(kind: &str, parts: &[&[u8]]) -> Self {
        let lengths: Vec<[u8; 8]> = parts
            .iter()
            .map(|part| (part.len() as u64).to_be_bytes())
            .collect();
        let mut pieces: Vec<&[u8]> = Vec::with_capacity(parts.len() * 2);
        for (length, part) in lengths.iter().zip(parts) {
            pieces.push(length);
            pieces.push(part);
        }
        let digest = sha256_of(&pieces);
        let (start, _) = digest.split_at(16);
        Self(format!("{kind}:{}", hex::encode(start)))
    }

    /// An identifier read from a document.
    #[must_use]
    pub fn from_text(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// It as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for AssetId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
