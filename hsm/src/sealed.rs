//! A secret under a passphrase, to be kept in a file of somebody else's format.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::secret::Passphrase;
use crate::software::SoftwareError;
use crate::software::cipher::Cipher;
use crate::software::kdf::KdfRecord;

/// A secret, AES-256-GCM under a key that Argon2id makes of a passphrase, with what it takes to make that key again.
///
/// The parameters are those of the software store; what is read may not ask for more than the bounds it has.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedSecret {
    kdf: KdfRecord,
    /// Base64 of nonce, ciphertext and tag.
    sealed: String,
}

/// Why a sealed secret was not opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealedError {
    /// Another passphrase, or other data than it was sealed with.
    #[error("the passphrase is wrong, or what stands beside the secret was changed")]
    Wrong,
    /// The parameters of the key derivation cannot be used.
    #[error("{0}")]
    Parameters(&'static str),
    /// There is no randomness, or the cryptographic library failed.
    #[error(transparent)]
    Failed(#[from] SoftwareError),
}

impl SealedSecret {
    /// Seals `secret`, and authenticates `aad` with it. Takes about a quarter of a second and 64 MiB.
    ///
    /// # Errors
    /// [`SealedError::Failed`].
    pub fn seal(passphrase: &Passphrase, aad: &[u8], secret: &[u8]) -> Result<Self, SealedError> {
        let kdf = KdfRecord::new()?;
        let sealed = Cipher::new(&*kdf.derive(passphrase)?)?.seal(aad, secret)?;
        Ok(Self { kdf, sealed })
    }

    /// Opens it.
    ///
    /// # Errors
    /// [`SealedError`]. A wrong passphrase cannot be told from a changed `aad`.
    pub fn open(&self, passphrase: &Passphrase, aad: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealedError> {
        self.kdf.check().map_err(SealedError::Parameters)?;
        Cipher::new(&*self.kdf.derive(passphrase)?)?
            .open(aad, &self.sealed)
            .ok_or(SealedError::Wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::new(text.as_bytes().to_vec().into()).expect("passphrase")
    }

    #[test]
    fn opens_under_its_passphrase_and_data_alone() {
        let sealed = SealedSecret::seal(&passphrase("right"), b"about", b"secret").expect("seal");
        let json = serde_json::to_string(&sealed).expect("json");
        assert!(!json.contains("secret\""), "{json}");
        let mut read: SealedSecret = serde_json::from_str(&json).expect("read back");
        assert_eq!(
            read.open(&passphrase("right"), b"about")
                .expect("open")
                .as_slice(),
            b"secret"
        );
        for (words, about) in [("wrong", &b"about"[..]), ("right", b"other")] {
            let error = read.open(&passphrase(words), about).expect_err("wrong");
            assert!(matches!(error, SealedError::Wrong), "{error}");
        }
        read.kdf.memory_kib = u32::MAX;
        let error = read.open(&passphrase("right"), b"about").expect_err("bounds");
        assert!(error.to_string().contains("out of bounds"), "{error}");
    }
}
