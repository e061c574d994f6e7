//! Signatures that stock software makes and we do not: an ECDSA curve with a hash of another size, RSA-PSS with a salt
//! of another length.
//!
//! OpenSSL signs a P-384 CSR with SHA-256 unless told otherwise, and Go's RSA-PSS salts are as long as the key allows.
//! Such signatures prove possession as well as any; our own always pair curve and hash as [`Component`] names them, but
//! where a stock protocol has one hash for all curves ([`sign_ecdsa_sha256`]).

use aws_lc_rs::signature::{self, EcdsaVerificationAlgorithm, UnparsedPublicKey};

use crate::rsa::{RsaPublicKey, RsaVerifyError};
use crate::{Component, PublicKey, SignError, SoftwareKey, VerifyError, ffi};

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

/// Signs `message` with an ECDSA key on one of NIST's curves and SHA-256, whatever the curve. Returns DER.
///
/// # Errors
/// [`SignError::Unsupported`] for keys of other kinds, [`SignError::Library`] if the library fails.
pub fn sign_ecdsa_sha256(key: &SoftwareKey, message: &[u8]) -> Result<Vec<u8>, SignError> {
    key.ecdsa_with_sha256(message)
}

/// Checks an RSASSA-PSS `signature` over `message` with SHA-256, MGF1 with SHA-256, and a salt of any length.
///
/// # Errors
/// [`RsaVerifyError`] if it does not verify.
pub fn verify_rsa_pss_sha256(
    key: &RsaPublicKey,
    message: &[u8],
    signature: &[u8],
) -> Result<(), RsaVerifyError> {
    ffi::verify_pss_sha256_any_salt(key.as_bytes(), message, signature).map_err(|_| RsaVerifyError)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HeldKey as _;

    #[test]
    fn every_curve_signs_with_sha256() {
        for component in [
            Component::EcdsaP256Sha256,
            Component::EcdsaP384Sha384,
            Component::EcdsaP521Sha512,
        ] {
            let key = SoftwareKey::generate(component).unwrap();
            let signature = sign_ecdsa_sha256(&key, b"message").unwrap();
            let verify = |hash, message: &[u8]| verify_ecdsa(key.public_key(), hash, message, &signature);
            verify(EcdsaHash::Sha256, b"message").unwrap();
            verify(EcdsaHash::Sha256, b"Message").unwrap_err();
            verify(EcdsaHash::Sha384, b"message").unwrap_err();
        }
        let other = SoftwareKey::generate(Component::Ed25519).unwrap();
        assert!(matches!(
            sign_ecdsa_sha256(&other, b"message"),
            Err(SignError::Unsupported { .. })
        ));
    }

    #[test]
    fn pss_salts_may_have_any_length() {
        use crate::MlDsaContext;
        // Salts of 32 bytes are ours; Go's own, which are longer, are tried where stock agents attest.
        let key = SoftwareKey::generate(Component::Rsa2048PssSha256).unwrap();
        let signature = key.sign(b"message", MlDsaContext::EMPTY).unwrap();
        let public = RsaPublicKey::parse(key.public_key().as_bytes()).unwrap();
        verify_rsa_pss_sha256(&public, b"message", &signature).unwrap();
        verify_rsa_pss_sha256(&public, b"Message", &signature).unwrap_err();
        verify_rsa_pss_sha256(&public, b"message", &signature[1..]).unwrap_err();
        verify_rsa_pss_sha256(&public, b"message", &[]).unwrap_err();
        let pkcs1 = SoftwareKey::from_raw(Component::Rsa2048Pkcs1Sha256, &key.raw().unwrap()).unwrap();
        let signature = pkcs1.sign(b"message", MlDsaContext::EMPTY).unwrap();
        verify_rsa_pss_sha256(&public, b"message", &signature).unwrap_err();
    }
}
