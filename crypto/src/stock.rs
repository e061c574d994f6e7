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

    #[test]
    fn a_salt_as_long_as_the_key_allows_is_taken() {
        // OpenSSL's, over "message", with a salt of 222 bytes; Go makes the like.
        const KEY: &str = "3082010a0282010100f5df1df5311ceeb6013daf52154a6e8fd027ea1779331fc2587df9c79c785595213ed964e3782b61046c73\
         e0c68879aae6a5e452d589a4e02370963a7988748c7f83e12e48d3d55cf15b6bca6accbd98e5d12f726f89f288275c1a67c9a2b2\
         6f1ca923ff1f5f800dd4e401d448c9b1dd3e2b96ce7e1cec5a3a5ae94f1cc74d1a3838e09b43d6555a4aedb9589cf38fd7006bb8\
         c1aa00228e27f2c7233f633e37999beab6f5f7fed2eed985344ebd4ab8e9bb126163754d57c1fc66ff42fb27c900f029149c3d22\
         a0dd6d169f818aeffc45851b5a7035bba03dc339f6f0f9ed8f67a358addc91f6d2574568763f202ca5b7b8944f17672c41b4de75\
         42b8be301f0203010001";
        const SIGNATURE: &str = "345c3778558c8e4ff058448a308557650208cb27660a8f600db780a208beab064eede9eaa7925891aa113024a175c32b72612228\
         2159ad253a36f2744f2757cc0421dd2bb984316bd7c17d4c708598e938211b15c8ee9ba047f4ed41159cd649ec2cd5f1ce8173bc\
         ce4cd4397aca15848b244a6cdaea9ae8fc41f59ce5ad7cbc1bf0d1858f216bf0854920c1182ae4f3e738abb04a28ceef2561c892\
         f94b574dbefcd374377ff14efa64ff5f4ea65184c17682ca45c63b4adf45e114a989cbaeae28263fcde8ec44503248fb0314b59b\
         25465de5f33f58646c01f4fc70b87b357206f83ee944922d674b4b91e6089aad1e927b46f9a2fcb2e66a3b3efe7f653b";
        let [key, signature] = [KEY, SIGNATURE].map(|text| hex::decode(text).unwrap());
        let key = RsaPublicKey::parse(&key).unwrap();
        verify_rsa_pss_sha256(&key, b"message", &signature).unwrap();
        verify_rsa_pss_sha256(&key, b"Message", &signature).unwrap_err();
        key.verify(crate::rsa::RsaScheme::PssSha256, b"message", &signature)
            .unwrap_err();
    }
}
