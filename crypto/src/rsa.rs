//! RSA public keys of stock clients: verified, never signed with.

use std::fmt;

use aws_lc_rs::signature::{self, ParsedPublicKey, RsaParameters};

use crate::KeyError;

/// Which padding and hash an RSA signature was made with.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum RsaScheme {
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017, section 8.2).
    Pkcs1Sha256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Pkcs1Sha384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Pkcs1Sha512,
    /// RSASSA-PSS with SHA-256, MGF1 with SHA-256 and a 32-byte salt (RFC 8017, section 8.1).
    PssSha256,
    /// RSASSA-PSS with SHA-384, MGF1 with SHA-384 and a 48-byte salt.
    PssSha384,
    /// RSASSA-PSS with SHA-512, MGF1 with SHA-512 and a 64-byte salt.
    PssSha512,
}

impl RsaScheme {
    fn parameters(self) -> &'static RsaParameters {
        match self {
            Self::Pkcs1Sha256 => &signature::RSA_PKCS1_2048_8192_SHA256,
            Self::Pkcs1Sha384 => &signature::RSA_PKCS1_2048_8192_SHA384,
            Self::Pkcs1Sha512 => &signature::RSA_PKCS1_2048_8192_SHA512,
            Self::PssSha256 => &signature::RSA_PSS_2048_8192_SHA256,
            Self::PssSha384 => &signature::RSA_PSS_2048_8192_SHA384,
            Self::PssSha512 => &signature::RSA_PSS_2048_8192_SHA512,
        }
    }
}

/// An RSA signature that does not verify.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the RSA signature does not verify")]
pub struct RsaVerifyError;

/// An RSA public key of 2048, 3072 or 4096 bits.
#[derive(Clone, Eq, PartialEq)]
pub struct RsaPublicKey {
    pkcs1: Box<[u8]>,
    bits: usize,
}

impl RsaPublicKey {
    /// Takes a PKCS#1 `RSAPublicKey` (RFC 8017, appendix A.1.1) whose modulus the caller, who reads formats, has
    /// found to have `bits` bits.
    ///
    /// # Errors
    /// [`KeyError::RsaSize`] for other sizes, [`KeyError::RsaInvalid`] for what the library refuses.
    pub fn parse(pkcs1: &[u8], bits: usize) -> Result<Self, KeyError> {
        if !matches!(bits, 2048 | 3072 | 4096) {
            return Err(KeyError::RsaSize { bits });
        }
        ParsedPublicKey::new(&signature::RSA_PKCS1_2048_8192_SHA256, pkcs1)
            .map_err(|_| KeyError::RsaInvalid)?;
        Ok(Self {
            pkcs1: pkcs1.into(),
            bits,
        })
    }

    /// Size of the modulus, in bits.
    pub fn bits(&self) -> usize {
        self.bits
    }

    /// The PKCS#1 `RSAPublicKey`.
    pub fn as_bytes(&self) -> &[u8] {
        &self.pkcs1
    }

    /// Checks `signature` over `message`.
    ///
    /// # Errors
    /// [`RsaVerifyError`] if it does not verify.
    pub fn verify(&self, scheme: RsaScheme, message: &[u8], signature: &[u8]) -> Result<(), RsaVerifyError> {
        signature::UnparsedPublicKey::new(scheme.parameters(), &self.pkcs1)
            .verify(message, signature)
            .map_err(|_| RsaVerifyError)
    }
}

impl fmt::Debug for RsaPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RsaPublicKey({} bits)", self.bits)
    }
}
