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
    /// [`KeyError::RsaSize`] for other sizes, [`KeyError::RsaInvalid`] for what the library refuses and for a key that
    /// is too short or too long to have a modulus of that size.
    pub fn parse(pkcs1: &[u8], bits: usize) -> Result<Self, KeyError> {
        if !matches!(bits, 2048 | 3072 | 4096) {
            return Err(KeyError::RsaSize { bits });
        }
        // The modulus with its leading zero and three headers, and an exponent of 1 to 5 bytes, the most the library
        // takes: sizes far enough apart that no key passes for one of another size.
        if !(bits / 8 + 12..=bits / 8 + 16).contains(&pkcs1.len()) {
            return Err(KeyError::RsaInvalid);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// An `RSAPublicKey` with an odd modulus of `bytes` bytes, all of its bits but one set.
    fn pkcs1(bytes: usize, exponent: &[u8]) -> Vec<u8> {
        let long = |tag: u8, content: &[u8]| {
            let len = u16::try_from(content.len()).unwrap().to_be_bytes();
            [&[tag, 0x82], &len[..], content].concat()
        };
        let mut modulus = vec![0xff; bytes + 1];
        modulus[0] = 0;
        modulus[bytes] = 0xfd;
        let short = [&[2, u8::try_from(exponent.len()).unwrap()], exponent].concat();
        long(0x30, &[long(2, &modulus), short].concat())
    }

    #[test]
    fn a_key_is_not_taken_for_one_of_another_size() {
        let sizes = [2048, 3072, 4096];
        for real in sizes {
            for claimed in sizes {
                for exponent in [&[3][..], &[1, 0, 1], &[1, 0, 0, 0, 1]] {
                    let key = RsaPublicKey::parse(&pkcs1(real / 8, exponent), claimed);
                    assert_eq!(key.is_ok(), real == claimed, "{real} as {claimed}");
                }
            }
        }
    }
}
