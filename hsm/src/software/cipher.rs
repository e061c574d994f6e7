//! AES-256-GCM under a key-encryption key, as one line of text.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::error::SoftwareError;

/// Bytes of a key-encryption key.
pub(crate) const KEK_LEN: usize = 32;

/// A key-encryption key, ready for use. The library wipes its copy when it is dropped.
///
/// Nonces are random, which is safe for 2³² messages under one key; a store seals one a key it ever makes.
pub(crate) struct Cipher(RandomizedNonceKey);

impl Cipher {
    pub(crate) fn new(kek: &[u8; KEK_LEN]) -> Result<Self, SoftwareError> {
        RandomizedNonceKey::new(&AES_256_GCM, kek)
            .map(Self)
            .map_err(|_| SoftwareError::Library {
                doing: "take a key-encryption key",
            })
    }

    /// Encrypts `secret` and authenticates `aad` with it: base64 of nonce, ciphertext and tag.
    pub(crate) fn seal(&self, aad: &[u8], secret: &[u8]) -> Result<String, SoftwareError> {
        // Room for the tag from the start: growing would leave a copy of the secret behind.
        let mut sealed = Zeroizing::new(Vec::with_capacity(secret.len() + AES_256_GCM.tag_len()));
        sealed.extend_from_slice(secret);
        let nonce = self
            .0
            .seal_in_place_append_tag(Aad::from(aad), &mut *sealed)
            .map_err(|_| SoftwareError::Library {
                doing: "encrypt a key",
            })?;
        Ok(STANDARD.encode([nonce.as_ref(), sealed.as_slice()].concat()))
    }

    /// Reverses [`seal`](Self::seal); `None` when the text or `aad` is not exactly what was sealed, or another
    /// key did it.
    pub(crate) fn open(&self, aad: &[u8], sealed: &str) -> Option<Zeroizing<Vec<u8>>> {
        let mut bytes = Zeroizing::new(STANDARD.decode(sealed).ok()?);
        let (nonce, in_out) = bytes.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let secret = self.0.open_in_place(nonce, Aad::from(aad), in_out).ok()?;
        Some(Zeroizing::new(secret.to_vec()))
    }
}

impl fmt::Debug for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cipher(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_opens_under_the_same_key_and_data_only() {
        let cipher = Cipher::new(&[7; KEK_LEN]).expect("cipher");
        let sealed = cipher.seal(b"about", b"secret").expect("seal");
        assert_eq!(
            cipher.open(b"about", &sealed).expect("open").as_slice(),
            b"secret"
        );
        assert!(cipher.open(b"other", &sealed).is_none());
        assert!(
            Cipher::new(&[8; KEK_LEN])
                .expect("cipher")
                .open(b"about", &sealed)
                .is_none()
        );
        for bad in [
            "",
            "AAAA",
            "not base64",
            sealed.trim_end_matches('='),
            &format!("{sealed} "),
        ] {
            if bad != sealed {
                assert!(cipher.open(b"about", bad).is_none(), "{bad}");
            }
        }
    }

    #[test]
    fn no_two_seals_are_alike() {
        let cipher = Cipher::new(&[7; KEK_LEN]).expect("cipher");
        assert_ne!(
            cipher.seal(b"", b"x").expect("seal"),
            cipher.seal(b"", b"x").expect("seal")
        );
    }
}
