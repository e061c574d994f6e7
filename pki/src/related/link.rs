//! The extension RelatedCertificate: the hash of another certificate.

use const_oid::ObjectIdentifier;
use const_oid::db::rfc5912::{ID_SHA_256, ID_SHA_384, ID_SHA_512};
use der::asn1::OctetStringRef;
use der::{Decode, Reader, SliceReader};
use symbolon_crypto::digest;
use symbolon_crypto::rsa::RsaScheme;
use symbolon_crypto::stock::EcdsaHash;

use super::{EXTENSION, RelatedError};
use crate::certificate::Certificate;
use crate::encode::whole;
use crate::signature::{SignatureAlgorithm, algorithm_identifier};

/// What a certificate says about the one that it is paired with (RFC 9763, section 4): which hash, and its value over the
/// other certificate's complete DER.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RelatedCertificate {
    hash: Result<Hash, ObjectIdentifier>,
    value: Box<[u8]>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl RelatedCertificate {
    /// The link to `first`, with the hash that its signature algorithm names, and SHA-256 if that names none (RFC 9763,
    /// section 4).
    #[must_use]
    pub fn to(first: &Certificate) -> Self {
        let hash = match first.algorithm() {
            Ok(SignatureAlgorithm::Ecdsa(EcdsaHash::Sha384))
            | Ok(SignatureAlgorithm::Rsa(RsaScheme::Pkcs1Sha384 | RsaScheme::PssSha384)) => Hash::Sha384,
            Ok(SignatureAlgorithm::Ecdsa(EcdsaHash::Sha512))
            | Ok(SignatureAlgorithm::Rsa(RsaScheme::Pkcs1Sha512 | RsaScheme::PssSha512)) => Hash::Sha512,
            _ => Hash::Sha256,
        };
        Self {
            hash: Ok(hash),
            value: hash.of(first.der()),
        }
    }

    /// Reads the extension's content. A hash that is not known is no fault of the encoding.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn from_der(der: &[u8]) -> Result<Self, String> {
        let mut reader = SliceReader::new(der).map_err(|error| error.to_string())?;
        let (algorithm, value) = reader
            .sequence(|reader| {
                let algorithm = reader.tlv_bytes()?;
                Ok::<_, der::Error>((algorithm, <&OctetStringRef>::decode(reader)?.as_bytes()))
            })
            .and_then(|parts| reader.finish().map(|()| parts))
            .map_err(|error| error.to_string())?;
        let (oid, parameters) = algorithm_identifier(algorithm).map_err(|error| error.to_string())?;
        // RFC 5754, section 2: to be written without parameters, to be read with NULL as well.
        if parameters.is_some_and(|parameters| !parameters.is_null()) {
            return Err("the parameters of its hash are neither absent nor NULL".to_owned());
        }
        let hash = Hash::ALL.into_iter().find(|hash| hash.oid() == oid).ok_or(oid);
        if let Ok(hash) = hash
            && hash.len() != value.len()
        {
            return Err(format!(
                "a hash of {} bytes where {} has {}",
                value.len(),
                hash.name(),
                hash.len()
            ));
        }
        Ok(Self {
            hash,
            value: value.into(),
        })
    }

    /// The extension's content.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        let oid = match &self.hash {
            Ok(hash) => hash.oid(),
            Err(oid) => *oid,
        };
        let algorithm = whole(0x30, &[&whole(0x06, &[oid.as_bytes()])]);
        whole(0x30, &[&algorithm, &whole(0x04, &[&self.value])])
    }

    /// The hash function's name; its OID if this build does not know it.
    #[must_use]
    pub fn hash_name(&self) -> String {
        match &self.hash {
            Ok(hash) => hash.name().to_owned(),
            Err(oid) => oid.to_string(),
        }
    }

    /// The hash of the other certificate.
    #[must_use]
    pub fn hash_value(&self) -> &[u8] {
        &self.value
    }

    /// Checks that `first` is the certificate that is meant.
    ///
    /// # Errors
    /// [`RelatedError::UnknownHash`] and [`RelatedError::OtherHash`].
    pub fn check(&self, first: &Certificate) -> Result<(), RelatedError> {
        match &self.hash {
            Err(oid) => Err(RelatedError::UnknownHash(*oid)),
            Ok(hash) if hash.of(first.der()) == self.value => Ok(()),
            Ok(hash) => Err(RelatedError::OtherHash { hash: hash.name() }),
        }
    }

    /// The extension's OID.
    #[must_use]
    pub const fn oid() -> ObjectIdentifier {
        EXTENSION
    }
}

impl Hash {
    const ALL: [Self; 3] = [Self::Sha256, Self::Sha384, Self::Sha512];

    const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA-256",
            Self::Sha384 => "SHA-384",
            Self::Sha512 => "SHA-512",
        }
    }

    const fn oid(self) -> ObjectIdentifier {
        match self {
            Self::Sha256 => ID_SHA_256,
            Self::Sha384 => ID_SHA_384,
            Self::Sha512 => ID_SHA_512,
        }
    }

    const fn len(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    fn of(self, message: &[u8]) -> Box<[u8]> {
        match self {
            Self::Sha256 => Box::from(digest::sha256(message)),
            Self::Sha384 => Box::from(digest::sha384(message)),
            Self::Sha512 => Box::from(digest::sha512(message)),
        }
    }
}
