//! RSA public keys as stock clients bring them, with any of the paddings and hashes that are accepted. Our own RSA keys are
//! [`Component`](crate::Component)s, which fix both.

use std::fmt;

use aws_lc_rs::rsa::PublicKey;
use aws_lc_rs::signature::{self, RsaParameters};

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
    /// Takes a PKCS#1 `RSAPublicKey` (RFC 8017, appendix A.1.1) in DER.
    ///
    /// # Errors
    /// [`KeyError::RsaSize`] for a modulus of any other size, [`KeyError::RsaInvalid`] for what the library refuses or
    /// would write differently.
    pub fn parse(pkcs1: &[u8]) -> Result<Self, KeyError> {
        let read = PublicKey::from_der(pkcs1).map_err(|_| KeyError::RsaInvalid)?;
        // The library reads other containers and encodings, too; a key has one here.
        if read.as_ref() != pkcs1 {
            return Err(KeyError::RsaInvalid);
        }
        let bits = RsaParameters::public_modulus_len(pkcs1)
            .ok()
            .and_then(|bits| usize::try_from(bits).ok())
            .ok_or(KeyError::RsaInvalid)?;
        if !matches!(bits, 2048 | 3072 | 4096) {
            return Err(KeyError::RsaSize { bits });
        }
        Ok(Self {
            pkcs1: pkcs1.into(),
            bits,
        })
    }

    /// Size of the modulus, in bits.
    pub fn bits(&self) -> usize {
        self.bits
    }

    /// The public exponent; `None` for one of more than 64 bits, which the library does not read.
    pub fn exponent(&self) -> Option<u64> {
        // Minimal DER was checked: SEQUENCE and modulus, each with a length of two bytes, a zero before the modulus,
        // whose topmost bit is set, and then the exponent with a length of one byte.
        let exponent = self.pkcs1.get(4 + 4 + 1 + self.bits / 8 + 2..)?;
        exponent.iter().try_fold(0_u64, |value, byte| {
            value.checked_mul(256)?.checked_add(u64::from(*byte))
        })
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

    /// An `RSAPublicKey` with an odd modulus that has `first` as its first byte and then all bits but one set.
    fn pkcs1(bytes: usize, first: u8, exponent: &[u8]) -> Vec<u8> {
        let long = |tag: u8, content: &[u8]| match u8::try_from(content.len()) {
            Ok(len) => [&[tag, 0x81, len], content].concat(),
            Err(_) => {
                let len = u16::try_from(content.len()).unwrap().to_be_bytes();
                [&[tag, 0x82], &len[..], content].concat()
            }
        };
        let mut modulus = vec![0xff; bytes];
        modulus[0] = first;
        modulus[bytes - 1] = 0xfd;
        if first >= 0x80 {
            modulus.insert(0, 0);
        }
        let short = [&[2, u8::try_from(exponent.len()).unwrap()], exponent].concat();
        long(0x30, &[long(2, &modulus), short].concat())
    }

    #[test]
    fn the_size_is_that_of_the_modulus() {
        for (bytes, bits) in [(256, 2048), (384, 3072), (512, 4096)] {
            for exponent in [&[3][..], &[1, 0, 1], &[1, 0, 0, 0, 1]] {
                let key = RsaPublicKey::parse(&pkcs1(bytes, 0xff, exponent)).unwrap();
                assert_eq!(key.bits(), bits);
                let expected = exponent
                    .iter()
                    .fold(0, |value, byte| value << 8 | u64::from(*byte));
                assert_eq!(key.exponent(), Some(expected));
            }
        }
    }

    #[test]
    fn other_sizes_are_refused_even_by_a_bit() {
        for (bytes, first, bits) in [
            (128, 0xff, 1024),
            (256, 0x7f, 2047),
            (256, 0x01, 2041),
            (257, 0x01, 2049),
            (512, 0x7f, 4095),
            (1024, 0xff, 8192),
        ] {
            let refused = RsaPublicKey::parse(&pkcs1(bytes, first, &[1, 0, 1])).unwrap_err();
            assert_eq!(refused, KeyError::RsaSize { bits });
        }
    }

    #[test]
    fn exponents_and_moduli_that_are_no_keys_are_refused() {
        for exponent in [
            &[][..],
            &[0],
            &[1],
            &[2],
            &[4],
            &[1, 0, 0],
            &[0xff],
            &[1, 0, 0, 0, 0, 0, 0, 1],
            &[1, 0, 0, 0, 0, 0, 0, 0, 0, 1],
        ] {
            let refused = RsaPublicKey::parse(&pkcs1(256, 0xff, exponent));
            assert_eq!(refused.unwrap_err(), KeyError::RsaInvalid, "{exponent:?}");
        }
        let mut even = pkcs1(256, 0xff, &[1, 0, 1]);
        let last_of_modulus = even.len() - 6;
        assert_eq!(even[last_of_modulus], 0xfd);
        even[last_of_modulus] = 0xfc;
        assert_eq!(RsaPublicKey::parse(&even).unwrap_err(), KeyError::RsaInvalid);
    }

    #[test]
    fn a_key_has_one_encoding() {
        let good = pkcs1(256, 0xff, &[1, 0, 1]);
        let longer = [&good[..], &[0]].concat();
        // The exponent with a zero that it does not need.
        let padded = pkcs1(256, 0xff, &[0, 1, 0, 1]);
        for other in [&longer, &padded, &good[..good.len() - 1].to_vec(), &Vec::new()] {
            assert_eq!(RsaPublicKey::parse(other).unwrap_err(), KeyError::RsaInvalid);
        }
        // The same key as a SubjectPublicKeyInfo, which the library reads as well.
        use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
        let spki: PublicKeyX509Der<'_> = PublicKey::from_der(&good).unwrap().as_der().unwrap();
        assert_eq!(
            RsaPublicKey::parse(spki.as_ref()).unwrap_err(),
            KeyError::RsaInvalid
        );
    }
}
