//! ML-KEM keys in certificates (RFC 9935): read, named and verified, never issued.
//!
//! Such a key cannot sign, so it is no [`SubjectKey`](crate::key::SubjectKey), there is no request that could prove its
//! possession, and [`verify_kem_certificate`](crate::verify::verify_kem_certificate) is another function than the one for
//! SVIDs.

use std::fmt;
use std::str::FromStr;

use const_oid::ObjectIdentifier;
use der::asn1::BitStringRef;
use der::{Decode, Reader, SliceReader};
use symbolon_crypto::digest;

use crate::certificate::Certificate;
use crate::signature::algorithm_identifier;
use crate::skid::Skid;

/// The modulus of ML-KEM (FIPS 203, section 2.4).
const Q: u16 = 3329;

/// A parameter set of ML-KEM (FIPS 203, section 8).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum KemParameterSet {
    /// ML-KEM-512, security category 1.
    MlKem512,
    /// ML-KEM-768, security category 3.
    MlKem768,
    /// ML-KEM-1024, security category 5.
    MlKem1024,
}

impl KemParameterSet {
    /// Every parameter set.
    pub const ALL: [Self; 3] = [Self::MlKem512, Self::MlKem768, Self::MlKem1024];

    /// The name used in output and in profiles.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::MlKem512 => "ml-kem-512",
            Self::MlKem768 => "ml-kem-768",
            Self::MlKem1024 => "ml-kem-1024",
        }
    }

    /// The OID of its keys (RFC 9935, section 3).
    #[must_use]
    pub const fn oid(self) -> ObjectIdentifier {
        match self {
            Self::MlKem512 => ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.4.1"),
            Self::MlKem768 => ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.4.2"),
            Self::MlKem1024 => ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.4.3"),
        }
    }

    /// The parameter set whose keys this OID names.
    #[must_use]
    pub fn from_oid(oid: ObjectIdentifier) -> Option<Self> {
        Self::ALL.into_iter().find(|set| set.oid() == oid)
    }

    /// The length of an encapsulation key, in bytes (FIPS 203, table 3).
    #[must_use]
    pub const fn public_key_len(self) -> usize {
        self.polynomials() + 32
    }

    /// The bytes of the key's polynomials, 384 each.
    const fn polynomials(self) -> usize {
        match self {
            Self::MlKem512 => 2 * 384,
            Self::MlKem768 => 3 * 384,
            Self::MlKem1024 => 4 * 384,
        }
    }
}

impl fmt::Display for KemParameterSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name of no parameter set.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("unknown KEM {0:?}; known: ml-kem-512, ml-kem-768, ml-kem-1024")]
pub struct UnknownKem(pub String);

impl FromStr for KemParameterSet {
    type Err = UnknownKem;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|set| set.name() == name)
            .ok_or_else(|| UnknownKem(name.to_owned()))
    }
}

/// Why a key is no encapsulation key.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum KemKeyError {
    /// The SubjectPublicKeyInfo is not DER of the right shape.
    #[error("the SubjectPublicKeyInfo is malformed: {0}")]
    Malformed(der::Error),
    /// A key of another algorithm.
    #[error("{0} is no ML-KEM")]
    OtherAlgorithm(ObjectIdentifier),
    /// Parameters, which must be absent (RFC 9935, section 3).
    #[error("the algorithm {0} has parameters, which it must not have")]
    Parameters(KemParameterSet),
    /// A key of the wrong length.
    #[error("an {set} key has {expected} bytes, not {found}", expected = .set.public_key_len())]
    Length {
        /// The parameter set.
        set: KemParameterSet,
        /// The length, in bytes.
        found: usize,
    },
    /// A coefficient of `q` or more: the check that FIPS 203, section 7.2, asks for before a key is used.
    #[error("the {0} key has a coefficient that is not below the modulus")]
    Modulus(KemParameterSet),
}

/// An encapsulation key that passed the checks of FIPS 203, section 7.2.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KemPublicKey {
    set: KemParameterSet,
    bytes: Vec<u8>,
    spki: Vec<u8>,
}

impl KemPublicKey {
    /// Reads a DER SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// [`KemKeyError`].
    pub fn from_spki_der(der: &[u8]) -> Result<Self, KemKeyError> {
        let malformed = KemKeyError::Malformed;
        let mut outer = SliceReader::new(der).map_err(malformed)?;
        let (algorithm, bits) = outer
            .sequence(|reader| {
                let algorithm = reader.tlv_bytes()?;
                let bits = BitStringRef::decode(reader)?;
                let bits = bits.as_bytes().ok_or_else(|| der::Tag::BitString.value_error())?;
                Ok::<_, der::Error>((algorithm, bits))
            })
            .map_err(malformed)?;
        outer.finish().map_err(malformed)?;
        let (oid, parameters) = algorithm_identifier(algorithm).map_err(malformed)?;
        let set = KemParameterSet::from_oid(oid).ok_or(KemKeyError::OtherAlgorithm(oid))?;
        if parameters.is_some() {
            return Err(KemKeyError::Parameters(set));
        }
        if bits.len() != set.public_key_len() {
            return Err(KemKeyError::Length {
                set,
                found: bits.len(),
            });
        }
        // Two coefficients of twelve bits in three bytes, the low bits first (FIPS 203, algorithm 5).
        let polynomials = bits.get(..set.polynomials()).unwrap_or_default();
        let in_range = polynomials.chunks_exact(3).all(|three| match *three {
            [a, b, c] => {
                let (a, b, c) = (u16::from(a), u16::from(b), u16::from(c));
                (a | (b & 0x0f) << 8) < Q && (b >> 4 | c << 4) < Q
            }
            _ => false,
        });
        if !in_range {
            return Err(KemKeyError::Modulus(set));
        }
        Ok(Self {
            set,
            bytes: bits.to_vec(),
            spki: der.to_vec(),
        })
    }

    /// The key of this certificate, if it is one for a KEM.
    ///
    /// # Errors
    /// [`KemKeyError`], also for a key that signs.
    pub fn of(certificate: &Certificate) -> Result<Self, KemKeyError> {
        Self::from_spki_der(certificate.spki_der())
    }

    /// Its parameter set.
    #[must_use]
    pub fn parameter_set(&self) -> KemParameterSet {
        self.set
    }

    /// The encapsulation key, as FIPS 203 encodes it.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its key identifier (RFC 7093, method 1).
    #[must_use]
    pub fn skid(&self) -> Skid {
        Skid::of(&self.bytes)
    }

    /// SHA-256 over the SubjectPublicKeyInfo.
    pub(crate) fn spki_hash(&self) -> [u8; 32] {
        digest::sha256(&self.spki)
    }
}
