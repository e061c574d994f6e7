//! Signature algorithms as X.509 and PKCS#10 name them, and the one place that verifies by such a name.
//!
//! A suite of ours has one algorithm identifier and one key type. Stock software is freer: it signs with RSA, and
//! with an ECDSA curve and a hash of another size. Certificates and requests from outside come here, whatever
//! they were signed with.

use const_oid::ObjectIdentifier;
use const_oid::db::{rfc5912, rfc8410};
use der::asn1::AnyRef;
use der::{Decode, Reader, SliceReader, Tag, TagNumber};
use symbolon_crypto::rsa::RsaScheme;
use symbolon_crypto::stock::{self, EcdsaHash};

use crate::describe;
use crate::key::{Half, SignatureError, SubjectKey};
use crate::suite::Suite;

/// How a certificate or a request says it is signed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum SignatureAlgorithm {
    /// Ed25519, ML-DSA, SLH-DSA or a composite: the algorithm identifies the key type as well.
    Suite(Suite),
    /// ECDSA with this hash; the curve is the key's.
    Ecdsa(EcdsaHash),
    /// RSA with this padding and hash; the size is the key's.
    Rsa(RsaScheme),
}

/// Why a signature algorithm identifier is not one to verify with.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AlgorithmError {
    /// The bytes are not an `AlgorithmIdentifier`.
    #[error("the signature algorithm identifier is not valid DER: {0}")]
    Malformed(der::Error),
    /// An OID that stands for nothing this software verifies.
    #[error("the signature algorithm {} is not known", describe::oid_in_words(*oid))]
    Unknown {
        /// The OID.
        oid: ObjectIdentifier,
    },
    /// The parameters are not those that the algorithm's specification asks for.
    #[error("the signature algorithm {oid} has wrong parameters: {reason}")]
    Parameters {
        /// The algorithm.
        oid: ObjectIdentifier,
        /// What is wrong with them.
        reason: &'static str,
    },
}

/// Why a signature was not accepted.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum VerificationError {
    /// The algorithm is not one to verify with.
    #[error(transparent)]
    Algorithm(#[from] AlgorithmError),
    /// The algorithm cannot be used with this type of key.
    #[error("a signature made with {algorithm} cannot be checked with a key of type {key}")]
    WrongKey {
        /// The algorithm named by the signature.
        algorithm: &'static str,
        /// The type of the key.
        key: String,
    },
    /// The signature is wrong; for a composite the error names the half.
    #[error(transparent)]
    Signature(#[from] SignatureError),
}

impl VerificationError {
    /// The half of a composite signature that was wrong, if one was.
    #[must_use]
    pub fn half(&self) -> Option<Half> {
        match self {
            Self::Signature(error) => error.half(),
            _ => None,
        }
    }
}

impl SignatureAlgorithm {
    /// Reads a DER `AlgorithmIdentifier`, parameters included.
    ///
    /// Parameters must be absent for ECDSA (RFC 5758), EdDSA (RFC 8410), ML-DSA (RFC 9881) and composites; NULL or
    /// absent for RSA PKCS#1 v1.5 (RFC 4055 §5); and for RSA-PSS the same SHA-2 hash in both places with a salt
    /// of its length (RFC 4055 §3.1 in the form that RFC 8446 and CAs use).
    ///
    /// # Errors
    /// [`AlgorithmError`] naming the OID.
    pub fn from_der(der: &[u8]) -> Result<Self, AlgorithmError> {
        let (oid, parameters) = algorithm_identifier(der).map_err(AlgorithmError::Malformed)?;
        let wrong = |reason| AlgorithmError::Parameters { oid, reason };
        let algorithm = match oid {
            rfc5912::ECDSA_WITH_SHA_256 => Self::Ecdsa(EcdsaHash::Sha256),
            rfc5912::ECDSA_WITH_SHA_384 => Self::Ecdsa(EcdsaHash::Sha384),
            rfc5912::ECDSA_WITH_SHA_512 => Self::Ecdsa(EcdsaHash::Sha512),
            rfc5912::SHA_256_WITH_RSA_ENCRYPTION => Self::Rsa(RsaScheme::Pkcs1Sha256),
            rfc5912::SHA_384_WITH_RSA_ENCRYPTION => Self::Rsa(RsaScheme::Pkcs1Sha384),
            rfc5912::SHA_512_WITH_RSA_ENCRYPTION => Self::Rsa(RsaScheme::Pkcs1Sha512),
            rfc5912::ID_RSASSA_PSS => {
                let parameters = parameters.ok_or_else(|| wrong("RSA-PSS parameters are missing"))?;
                return pss_scheme(parameters).map(Self::Rsa).map_err(wrong);
            }
            rfc8410::ID_ED_25519 => Self::Suite(Suite::Ed25519),
            _ => Self::Suite(Suite::from_signature_oid(&oid).ok_or(AlgorithmError::Unknown { oid })?),
        };
        match (algorithm, parameters) {
            (_, None) => Ok(algorithm),
            (Self::Rsa(_), Some(parameters)) if parameters.is_null() => Ok(algorithm),
            (Self::Rsa(_), Some(_)) => Err(wrong("they must be NULL")),
            (_, Some(_)) => Err(wrong("they must be absent")),
        }
    }

    /// The usual name, such as `ecdsa-with-SHA256`, `sha256WithRSAEncryption` or `mldsa65-ecdsa-p256`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Suite(suite) => suite.name(),
            Self::Ecdsa(EcdsaHash::Sha256) => "ecdsa-with-SHA256",
            Self::Ecdsa(EcdsaHash::Sha384) => "ecdsa-with-SHA384",
            Self::Ecdsa(EcdsaHash::Sha512) => "ecdsa-with-SHA512",
            Self::Rsa(RsaScheme::Pkcs1Sha256) => "sha256WithRSAEncryption",
            Self::Rsa(RsaScheme::Pkcs1Sha384) => "sha384WithRSAEncryption",
            Self::Rsa(RsaScheme::Pkcs1Sha512) => "sha512WithRSAEncryption",
            Self::Rsa(RsaScheme::PssSha256) => "RSASSA-PSS with SHA-256",
            Self::Rsa(RsaScheme::PssSha384) => "RSASSA-PSS with SHA-384",
            Self::Rsa(RsaScheme::PssSha512) => "RSASSA-PSS with SHA-512",
            Self::Rsa(_) => "RSA",
        }
    }

    /// Checks `signature` over `message` with `key`.
    ///
    /// # Errors
    /// [`VerificationError::WrongKey`] when algorithm and key do not go together, otherwise what is wrong with the
    /// signature and, for a composite, in which half.
    pub fn verify(
        &self,
        key: &SubjectKey,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), VerificationError> {
        let rejected = || VerificationError::Signature(SignatureError::Rejected);
        match (*self, key) {
            (Self::Suite(suite), SubjectKey::Suite(key)) if suite == key.suite() => {
                Ok(key.verify(message, signature)?)
            }
            (Self::Ecdsa(hash), SubjectKey::Suite(key)) => match (hash, key.suite()) {
                (EcdsaHash::Sha256, Suite::EcdsaP256)
                | (EcdsaHash::Sha384, Suite::EcdsaP384)
                | (EcdsaHash::Sha512, Suite::EcdsaP521) => Ok(key.verify(message, signature)?),
                (_, Suite::EcdsaP256 | Suite::EcdsaP384 | Suite::EcdsaP521) => match key.components() {
                    [component] => {
                        stock::verify_ecdsa(component, hash, message, signature).map_err(|_| rejected())
                    }
                    _ => Err(rejected()),
                },
                _ => Err(self.wrong_key(key.suite().name())),
            },
            (Self::Rsa(scheme), SubjectKey::Rsa(key)) => {
                key.verify(scheme, message, signature).map_err(|_| rejected())
            }
            _ => Err(self.wrong_key(key.algorithm_name())),
        }
    }

    fn wrong_key(&self, key: impl Into<String>) -> VerificationError {
        VerificationError::WrongKey {
            algorithm: self.name(),
            key: key.into(),
        }
    }
}

/// OID and parameters of a DER `AlgorithmIdentifier`, with nothing after it.
pub(crate) fn algorithm_identifier(der: &[u8]) -> der::Result<(ObjectIdentifier, Option<AnyRef<'_>>)> {
    let mut reader = SliceReader::new(der)?;
    let parts = reader.sequence(algorithm_fields)?;
    reader.finish()?;
    Ok(parts)
}

fn algorithm_fields<'a>(reader: &mut SliceReader<'a>) -> der::Result<(ObjectIdentifier, Option<AnyRef<'a>>)> {
    let oid = ObjectIdentifier::decode(reader)?;
    let parameters = if reader.is_finished() {
        None
    } else {
        Some(AnyRef::decode(reader)?)
    };
    Ok((oid, parameters))
}

/// Reads `RSASSA-PSS-params` (RFC 4055 §3.1). An absent hash means SHA-1 there and an absent salt length 20, so only
/// the trailer field may be absent, whose one value is its default.
fn pss_scheme(parameters: AnyRef<'_>) -> Result<RsaScheme, &'static str> {
    const NOT_DER: &str = "RSA-PSS parameters are not valid DER";
    let fields = parameters
        .sequence(|reader| {
            Ok::<_, der::Error>((explicit(reader, 0)?, explicit(reader, 1)?, explicit(reader, 2)?))
        })
        .map_err(|_| NOT_DER)?;
    let (Some(hash), Some(mgf), salt) = fields else {
        return Err("RSA-PSS with SHA-1, which an absent hash means, is not accepted");
    };
    let hash = algorithm_identifier(hash).map_err(|_| NOT_DER)?;
    let (mgf, mgf_hash) = algorithm_identifier(mgf).map_err(|_| NOT_DER)?;
    if mgf != rfc5912::ID_MGF_1 {
        return Err("the RSA-PSS mask generation function is not MGF1");
    }
    let mgf_hash = mgf_hash
        .ok_or(NOT_DER)?
        .sequence(algorithm_fields)
        .map_err(|_| NOT_DER)?;
    // RFC 4055, section 2.1: to be accepted are NULL and nothing at all.
    let odd = |parameters: Option<AnyRef<'_>>| parameters.is_some_and(|given| !given.is_null());
    if odd(hash.1) || odd(mgf_hash.1) {
        return Err("the parameters of an RSA-PSS hash are neither absent nor NULL");
    }
    let (hash, mgf_hash) = (hash.0, mgf_hash.0);
    if hash != mgf_hash {
        return Err("RSA-PSS uses two different hashes");
    }
    let (scheme, salt_len) = match hash {
        rfc5912::ID_SHA_256 => (RsaScheme::PssSha256, 32),
        rfc5912::ID_SHA_384 => (RsaScheme::PssSha384, 48),
        rfc5912::ID_SHA_512 => (RsaScheme::PssSha512, 64),
        _ => return Err("the RSA-PSS hash is not SHA-256, SHA-384 or SHA-512"),
    };
    if salt.map(u32::from_der).transpose().map_err(|_| NOT_DER)? != Some(salt_len) {
        return Err("the RSA-PSS salt is not as long as the hash");
    }
    Ok(scheme)
}

/// The content of an `[number] EXPLICIT` field if it is the next one.
fn explicit<'a>(reader: &mut SliceReader<'a>, number: u32) -> der::Result<Option<&'a [u8]>> {
    let expected = Tag::ContextSpecific {
        constructed: true,
        number: TagNumber(number),
    };
    if reader.is_finished() || Tag::peek(reader)? != expected {
        return Ok(None);
    }
    Ok(Some(AnyRef::decode(reader)?.value()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(hex_text: &str) -> Result<SignatureAlgorithm, String> {
        SignatureAlgorithm::from_der(&hex::decode(hex_text).unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn every_suite_is_read_from_its_own_identifier() {
        for suite in Suite::ALL {
            let read = SignatureAlgorithm::from_der(suite.signature_algorithm_der()).unwrap();
            match suite {
                Suite::EcdsaP256 => assert_eq!(read, SignatureAlgorithm::Ecdsa(EcdsaHash::Sha256)),
                Suite::EcdsaP384 => assert_eq!(read, SignatureAlgorithm::Ecdsa(EcdsaHash::Sha384)),
                Suite::EcdsaP521 => assert_eq!(read, SignatureAlgorithm::Ecdsa(EcdsaHash::Sha512)),
                suite => assert_eq!(read, SignatureAlgorithm::Suite(suite)),
            }
        }
    }

    #[test]
    fn rsa_is_read_with_null_or_without_parameters() {
        let expected = Ok(SignatureAlgorithm::Rsa(RsaScheme::Pkcs1Sha256));
        assert_eq!(read("300d06092a864886f70d01010b0500"), expected);
        assert_eq!(read("300b06092a864886f70d01010b"), expected);
        assert!(
            read("300e06092a864886f70d01010b020100")
                .unwrap_err()
                .ends_with("they must be NULL")
        );
    }

    #[test]
    fn parameters_that_must_be_absent_must_be_absent() {
        // ecdsa-with-SHA256, Ed25519, ML-DSA-65 and composite .45, each with a NULL.
        for text in [
            "300c06082a8648ce3d0403020500",
            "300706032b65700500",
            "300d06096086480165030403120500",
            "300c06082b0601050507062d0500",
        ] {
            assert!(read(text).unwrap_err().ends_with("they must be absent"), "{text}");
        }
    }

    #[test]
    fn pss_parameters_are_read_as_openssl_and_go_write_them() {
        let openssl =
            "304106092a864886f70d01010a3034a00f300d06096086480165030402010500a11c301a06092a864886f70d010108\
                       300d06096086480165030402010500a203020120"
                .replace(' ', "");
        assert_eq!(read(&openssl), Ok(SignatureAlgorithm::Rsa(RsaScheme::PssSha256)));
        let other_salt = openssl.replace("a203020120", "a203020114");
        assert!(read(&other_salt).unwrap_err().contains("salt"));
        let other_mgf_hash = openssl.replace(
            "300d06096086480165030402010500a203",
            "300d06096086480165030402020500a203",
        );
        assert!(
            read(&other_mgf_hash)
                .unwrap_err()
                .contains("two different hashes")
        );
        // The parameters of either hash may be left out; anything but NULL in their place is nobody's.
        let (hash, mgf) = (
            "a00f300d06096086480165030402010500",
            "300d06096086480165030402010500a203",
        );
        let bare = openssl
            .replace("304106092a864886f70d01010a3034", "303d06092a864886f70d01010a3030")
            .replace(hash, "a00d300b0609608648016503040201")
            .replace("a11c301a", "a11a3018")
            .replace(mgf, "300b0609608648016503040201a203");
        assert_eq!(read(&bare), Ok(SignatureAlgorithm::Rsa(RsaScheme::PssSha256)));
        for (given, odd) in [
            // An empty OCTET STRING.
            (hash, "a00f300d06096086480165030402010400"),
            (mgf, "300d06096086480165030402010400a203"),
        ] {
            let error = read(&openssl.replace(given, odd)).unwrap_err();
            assert!(error.contains("neither absent nor NULL"), "{error}");
        }
        // An empty sequence means SHA-1 throughout.
        assert!(
            read("300d06092a864886f70d01010a3000")
                .unwrap_err()
                .contains("SHA-1")
        );
        assert!(
            read("300b06092a864886f70d01010a")
                .unwrap_err()
                .contains("missing")
        );
    }

    #[test]
    fn unknown_and_broken_identifiers_are_refused() {
        // sha1WithRSAEncryption.
        let error = read("300d06092a864886f70d0101050500").unwrap_err();
        assert_eq!(error, "the signature algorithm 1.2.840.113549.1.1.5 is not known");
        for text in ["", "30", "3000", "300a06082a8648ce3d04030200", "0500"] {
            assert!(read(text).unwrap_err().contains("not valid DER"), "{text}");
        }
    }
}
