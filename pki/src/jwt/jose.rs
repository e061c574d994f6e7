//! The JOSE layer: compact serialisation, the allowed algorithms, ECDSA signatures as JOSE writes them.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use der::asn1::UintRef;
use der::{Decode, Encode, Sequence};
use symbolon_crypto::rsa::RsaScheme;

use super::{JwtError, MAX_TOKEN_LEN};
use crate::key::SubjectKey;
use crate::suite::Suite;

/// A token taken apart, nothing in it understood yet.
pub(crate) struct Parts<'a> {
    pub(crate) header: Vec<u8>,
    pub(crate) claims: Vec<u8>,
    pub(crate) signature: Vec<u8>,
    /// Header and claims as they were sent, the dot included: what is signed.
    pub(crate) signed: &'a [u8],
}

impl<'a> Parts<'a> {
    pub(crate) fn of(token: &'a str) -> Result<Self, JwtError> {
        if token.len() > MAX_TOKEN_LEN {
            return Err(JwtError::TooLong(token.len()));
        }
        let three = JwtError::NotCompact("it does not have three parts");
        let (signed, signature) = token.rsplit_once('.').ok_or(three.clone())?;
        let (header, claims) = signed.split_once('.').ok_or(three.clone())?;
        if claims.contains('.') {
            return Err(three);
        }
        let decode = |part: &str, refused| {
            URL_SAFE_NO_PAD
                .decode(part)
                .map_err(|_| JwtError::NotCompact(refused))
        };
        Ok(Self {
            header: decode(header, "its header is not base64url")?,
            claims: decode(claims, "its payload is not base64url")?,
            signature: decode(signature, "its signature is not base64url")?,
            signed: signed.as_bytes(),
        })
    }
}

/// The algorithms that a JWT-SVID may be signed with (JWT-SVID, section 2.1; RFC 7518, section 3).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// ECDSA on P-521 with SHA-512. Only other people's bundles have such a key.
    Es512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
}

impl Algorithm {
    /// Every algorithm.
    pub const ALL: [Self; 9] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Es256,
        Self::Es384,
        Self::Es512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
    ];

    /// What `alg` calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
        }
    }

    /// The algorithm that `alg` names so; `None` for every other, which no JWT-SVID may have.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name)
    }

    /// Whether signatures of this algorithm are made with keys of this type, on ECDSA's curves each with one.
    #[must_use]
    pub fn uses(self, key: &SubjectKey) -> bool {
        match key {
            SubjectKey::Rsa(_) => self.rsa_scheme().is_some(),
            SubjectKey::Suite(key) => matches!(
                (self, key.suite()),
                (Self::Es256, Suite::EcdsaP256)
                    | (Self::Es384, Suite::EcdsaP384)
                    | (Self::Es512, Suite::EcdsaP521)
            ),
        }
    }

    fn rsa_scheme(self) -> Option<RsaScheme> {
        match self {
            Self::Rs256 => Some(RsaScheme::Pkcs1Sha256),
            Self::Rs384 => Some(RsaScheme::Pkcs1Sha384),
            Self::Rs512 => Some(RsaScheme::Pkcs1Sha512),
            Self::Ps256 => Some(RsaScheme::PssSha256),
            Self::Ps384 => Some(RsaScheme::PssSha384),
            Self::Ps512 => Some(RsaScheme::PssSha512),
            Self::Es256 | Self::Es384 | Self::Es512 => None,
        }
    }

    /// Checks a JOSE signature. The key's type must be the algorithm's: the token does not choose how a key is used.
    ///
    /// # Errors
    /// [`JwtError::OtherKeyType`] and [`JwtError::Signature`].
    pub fn verify(self, key: &SubjectKey, signed: &[u8], signature: &[u8]) -> Result<(), JwtError> {
        let other_type = || JwtError::OtherKeyType {
            algorithm: self.name(),
            key: key.algorithm_name(),
        };
        match key {
            SubjectKey::Rsa(key) => {
                let scheme = self.rsa_scheme().ok_or_else(other_type)?;
                key.verify(scheme, signed, signature)
                    .map_err(|_| JwtError::Signature)
            }
            SubjectKey::Suite(key) => {
                let len = match (self, key.suite()) {
                    (Self::Es256, Suite::EcdsaP256) => 32,
                    (Self::Es384, Suite::EcdsaP384) => 48,
                    (Self::Es512, Suite::EcdsaP521) => 66,
                    _ => return Err(other_type()),
                };
                let der = ecdsa_jose_to_der(signature, len).ok_or(JwtError::Signature)?;
                key.verify(signed, &der).map_err(|_| JwtError::Signature)
            }
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// `Ecdsa-Sig-Value` (RFC 3279, section 2.2.3).
#[derive(Sequence)]
struct EcdsaSigValue<'a> {
    r: UintRef<'a>,
    s: UintRef<'a>,
}

/// Turns an ECDSA signature of JOSE, `r || s` with `len` bytes each (RFC 7518, section 3.4), into DER. `None` if it has
/// another length.
#[must_use]
pub fn ecdsa_jose_to_der(signature: &[u8], len: usize) -> Option<Vec<u8>> {
    if len == 0 || signature.len() != len.checked_mul(2)? {
        return None;
    }
    let (r, s) = signature.split_at_checked(len)?;
    EcdsaSigValue {
        r: UintRef::new(r).ok()?,
        s: UintRef::new(s).ok()?,
    }
    .to_der()
    .ok()
}

/// Turns an ECDSA signature in DER into JOSE's `r || s` with `len` bytes each. `None` if it is no such signature, or
/// one of a longer curve.
#[must_use]
pub fn ecdsa_der_to_jose(signature: &[u8], len: usize) -> Option<Vec<u8>> {
    let EcdsaSigValue { r, s } = EcdsaSigValue::from_der(signature).ok()?;
    let mut jose = Vec::with_capacity(2 * len);
    for number in [r.as_bytes(), s.as_bytes()] {
        let padding = len.checked_sub(number.len())?;
        jose.resize(jose.len() + padding, 0);
        jose.extend_from_slice(number);
    }
    Some(jose)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ecdsa_signatures_convert_both_ways(r in any::<[u8; 32]>(), s in any::<[u8; 32]>()) {
            let jose = [r, s].concat();
            let der = ecdsa_jose_to_der(&jose, 32).unwrap();
            prop_assert_eq!(ecdsa_der_to_jose(&der, 32), Some(jose));
        }

        #[test]
        fn any_bytes_may_be_tried(bytes in proptest::collection::vec(any::<u8>(), 0..200), len in 0_usize..70) {
            let _ = ecdsa_der_to_jose(&bytes, len);
            prop_assert_eq!(ecdsa_jose_to_der(&bytes, len).is_some(), len > 0 && bytes.len() == 2 * len);
        }
    }

    #[test]
    fn short_numbers_are_padded_and_long_ones_refused() {
        let der = hex::decode("3006020101020102").unwrap();
        let mut expected = [0; 64];
        (expected[31], expected[63]) = (1, 2);
        assert_eq!(ecdsa_der_to_jose(&der, 32).unwrap(), expected);
        let long = ecdsa_jose_to_der(&[0x7f; 96], 48).unwrap();
        assert_eq!(ecdsa_der_to_jose(&long, 32), None);
    }
}
