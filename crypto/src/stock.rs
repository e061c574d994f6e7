//! Signatures that stock software makes and we do not: an ECDSA curve with a hash of another size.
//!
//! OpenSSL signs a P-384 CSR with SHA-256 unless told otherwise. Such a CSR proves possession as well as any; our
//! own signatures always pair curve and hash as [`Component`] names them.

use aws_lc_rs::signature::{self, EcdsaVerificationAlgorithm, UnparsedPublicKey};

use crate::{Component, PublicKey, VerifyError};

/// The hash of an ECDSA signature.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum EcdsaHash {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

/// Checks an ECDSA `signature` (DER) over `message` made with `key`'s curve (one of NIST's) and any of the SHA-2 hashes.
///
/// # Errors
/// [`VerifyError`] if it does not verify or `key` is no ECDSA key.
pub fn verify_ecdsa(
    key: &PublicKey,
    hash: EcdsaHash,
    message: &[u8],
    signature: &[u8],
) -> Result<(), VerifyError> {
    let failed = VerifyError {
        component: key.component(),
    };
    let algorithm: &'static EcdsaVerificationAlgorithm = match (key.component(), hash) {
        (Component::EcdsaP256Sha256, EcdsaHash::Sha256) => &signature::ECDSA_P256_SHA256_ASN1,
        (Component::EcdsaP256Sha256, EcdsaHash::Sha384) => &signature::ECDSA_P256_SHA384_ASN1,
        (Component::EcdsaP256Sha256, EcdsaHash::Sha512) => &signature::ECDSA_P256_SHA512_ASN1,
        (Component::EcdsaP384Sha384, EcdsaHash::Sha256) => &signature::ECDSA_P384_SHA256_ASN1,
        (Component::EcdsaP384Sha384, EcdsaHash::Sha384) => &signature::ECDSA_P384_SHA384_ASN1,
        (Component::EcdsaP384Sha384, EcdsaHash::Sha512) => &signature::ECDSA_P384_SHA512_ASN1,
        (Component::EcdsaP521Sha512, EcdsaHash::Sha256) => &signature::ECDSA_P521_SHA256_ASN1,
        (Component::EcdsaP521Sha512, EcdsaHash::Sha384) => &signature::ECDSA_P521_SHA384_ASN1,
        (Component::EcdsaP521Sha512, EcdsaHash::Sha512) => &signature::ECDSA_P521_SHA512_ASN1,
        _ => return Err(failed),
    };
    UnparsedPublicKey::new(algorithm, key.as_bytes())
        .verify(message, signature)
        .map_err(|_| failed)
}
