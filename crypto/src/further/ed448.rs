//! Ed448 (RFC 8032), by RustCrypto's `ed448-goldilocks`.

use std::sync::Arc;

use ed448_goldilocks::elliptic_curve::Group;
use ed448_goldilocks::signature::{Signer, Verifier};
use ed448_goldilocks::{CompressedEdwardsY, Signature, SigningKey, VerifyingKey};
use zeroize::Zeroizing;

use super::{Refused, Signing, Verifying};
use crate::{Component, random};

const LEN: usize = 57;

struct Public(VerifyingKey);

impl Verifying for Public {
    fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        has_one_r(signature)
            && Signature::from_slice(signature)
                .is_ok_and(|signature| self.0.verify(message, &signature).is_ok())
    }
}

/// Whether R, which a signature begins with, is written as a point is: reduced, and nothing in the bits that no point has
/// (RFC 8032, section 5.2.7 with 5.2.3). The library reads other writings, too.
fn has_one_r(signature: &[u8]) -> bool {
    signature.first_chunk().is_some_and(|r: &[u8; LEN]| {
        CompressedEdwardsY(*r)
            .decompress_unchecked()
            .into_option()
            .is_some_and(|point| point.compress().to_bytes() == *r)
    })
}

struct Private(SigningKey);

impl Signing for Private {
    fn public(&self) -> Vec<u8> {
        self.0.verifying_key().to_bytes().to_vec()
    }

    fn raw(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.0.as_bytes().to_vec())
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Refused> {
        let signature = self.0.try_sign(message).map_err(|_| Refused)?;
        Ok(signature.to_bytes().to_vec())
    }
}

/// A point that has this one encoding (reduced, no sign at x = 0) and whose order does not divide the cofactor 4:
/// under a key of small order anybody can sign (RFC 8032, section 8).
pub(super) fn public(component: Component, bytes: &[u8]) -> Option<Arc<dyn Verifying>> {
    if component != Component::Ed448 {
        return None;
    }
    let bytes: &[u8; LEN] = bytes.try_into().ok()?;
    let key = VerifyingKey::from_bytes(bytes).ok()?;
    let point = key.to_edwards();
    let one_encoding = point.to_affine().compress().to_bytes() == *bytes;
    let small_order = bool::from(point.double().double().is_identity());
    (one_encoding && !small_order).then(|| Arc::new(Public(key)) as Arc<dyn Verifying>)
}

pub(super) fn private(component: Component, seed: &[u8]) -> Option<Box<dyn Signing>> {
    if component != Component::Ed448 {
        return None;
    }
    Some(Box::new(Private(SigningKey::try_from(seed).ok()?)))
}

pub(super) fn generate(component: Component) -> Option<Box<dyn Signing>> {
    let mut seed = Zeroizing::new([0; LEN]);
    random::fill(seed.as_mut()).ok()?;
    private(component, seed.as_ref())
}
