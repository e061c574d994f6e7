//! Credentials: a secret that only the TPM with two keys gives out (TPM 2.0 Library, part 1, section 24).

use aws_lc_rs::cipher::{AES_128, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};
use aws_lc_rs::{agreement, hmac};
use symbolon_crypto::digest::sha256_of;
use symbolon_crypto::random;
use symbolon_pki::key::SubjectKey;
use symbolon_pki::suite::Suite;
use zeroize::Zeroizing;

use super::structure::{Public, Reading};

/// The labels of key derivations, each with the zero that ends it.
const IDENTITY: &[u8] = b"IDENTITY\0";
const STORAGE: &[u8] = b"STORAGE\0";
const INTEGRITY: &[u8] = b"INTEGRITY\0";

/// A credential, for TPM2_ActivateCredential.
#[derive(Debug)]
pub(crate) struct Credential {
    /// The content of the TPM2B_ID_OBJECT.
    pub(crate) credential: Vec<u8>,
    /// The content of the TPM2B_ENCRYPTED_SECRET.
    pub(crate) secret: Vec<u8>,
}

/// Makes a credential with `content` for the object `name` in the TPM that has `endorsement`.
///
/// # Errors
/// What is wrong with the endorsement key, or that the library fails, in words.
pub(crate) fn make(endorsement: &Public, name: &[u8], content: &[u8; 32]) -> Reading<Credential> {
    let failed = "the cryptographic library failed";
    let len = endorsement
        .symmetric_len()
        .ok_or("the endorsement key protects nothing symmetrically")?;
    let (seed, secret) = match endorsement.key() {
        SubjectKey::Rsa(key) => {
            let mut seed = Zeroizing::new(vec![0; len]);
            random::fill(&mut seed).map_err(|_| failed)?;
            let key = SubjectKey::Rsa(key.clone()).spki_der();
            let key = PublicEncryptingKey::from_der(&key).map_err(|_| failed)?;
            let key = OaepPublicEncryptingKey::new(key).map_err(|_| failed)?;
            let mut room = vec![0; key.ciphertext_size()];
            let encrypted = key
                .encrypt(&OAEP_SHA256_MGF1SHA256, &seed, &mut room, Some(IDENTITY))
                .map_err(|_| failed)?;
            (seed, encrypted.to_vec())
        }
        SubjectKey::Suite(key) => shared_seed(key.suite(), key.as_bytes())?,
    };
    let storage = kdf_a(&seed, STORAGE, name, len);
    let mut identity = [&32_u16.to_be_bytes()[..], content].concat();
    encrypt(&storage, &mut identity).ok_or(failed)?;
    let integrity = kdf_a(&seed, INTEGRITY, &[], 32);
    let integrity = hmac::Key::new(hmac::HMAC_SHA256, &integrity);
    let tag = hmac::sign(&integrity, &[&identity[..], name].concat());
    Ok(Credential {
        credential: [&32_u16.to_be_bytes()[..], tag.as_ref(), &identity].concat(),
        secret,
    })
}

/// A seed agreed upon with an ECC endorsement key, and the point that tells the TPM (part 1, annex C.6.4).
fn shared_seed(suite: Suite, point: &[u8]) -> Reading<(Zeroizing<Vec<u8>>, Vec<u8>)> {
    let failed = "the cryptographic library failed";
    let (algorithm, len) = match suite {
        Suite::EcdsaP256 => (&agreement::ECDH_P256, 32),
        Suite::EcdsaP384 => (&agreement::ECDH_P384, 48),
        _ => return Err("the endorsement key is of a curve that is not taken"),
    };
    let own = agreement::PrivateKey::generate(algorithm).map_err(|_| failed)?;
    let own_point = own.compute_public_key().map_err(|_| failed)?;
    let coordinates = |point: &[u8]| Some((point.get(1..=len)?.to_vec(), point.get(1 + len..)?.to_vec()));
    let (own_x, own_y) = coordinates(own_point.as_ref()).ok_or(failed)?;
    let (their_x, _) = coordinates(point).ok_or(failed)?;
    let peer = agreement::UnparsedPublicKey::new(algorithm, point);
    let seed = agreement::agree(&own, peer, failed, |shared| {
        // KDFe with one block: what is wanted is as long as the hash.
        Ok(sha256_of(&[&1_u32.to_be_bytes(), shared, IDENTITY, &own_x, &their_x]).to_vec())
    })?;
    let coordinate_len = if len == 48 { 48_u16 } else { 32 }.to_be_bytes();
    let secret = [&coordinate_len[..], &own_x, &coordinate_len, &own_y].concat();
    Ok((Zeroizing::new(seed), secret))
}

/// KDFa with SHA-256 (part 1, section 11.4.10.2): `len` bytes, 32 at most. `label` has its zero.
fn kdf_a(key: &[u8], label: &[u8], context: &[u8], len: usize) -> Zeroizing<Vec<u8>> {
    let bits = u32::try_from(len * 8).unwrap_or(u32::MAX);
    let message = [&1_u32.to_be_bytes()[..], label, context, &bits.to_be_bytes()].concat();
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), &message);
    let mut out = Zeroizing::new(tag.as_ref().to_vec());
    out.truncate(len);
    out
}

/// AES in CFB mode with a zero IV.
fn encrypt(key: &[u8], content: &mut [u8]) -> Option<()> {
    let algorithm = match key.len() {
        16 => &AES_128,
        32 => &AES_256,
        _ => return None,
    };
    let key = UnboundCipherKey::new(algorithm, key).ok()?;
    let key = EncryptingKey::cfb128(key).ok()?;
    let zero = EncryptionContext::Iv128(FixedLength::from([0; 16]));
    key.less_safe_encrypt(content, zero).ok()?;
    Some(())
}
