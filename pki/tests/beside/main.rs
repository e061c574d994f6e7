//! What may stand beside a key: an alternative key and signature, or a link to another certificate. In certificates, in
//! requests, in bundles; right, and wrong in every way that was thought of.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod catalyst;
mod codec;
mod described;
mod pairs;
mod requests;
#[path = "../trust/support.rs"]
#[allow(dead_code, reason = "it is shared with other tests, which use more of it")]
mod support;

use const_oid::ObjectIdentifier;
use symbolon_pki::catalyst::{ALTERNATIVE_ALGORITHM, ALTERNATIVE_KEY, ALTERNATIVE_SIGNATURE, pre_tbs};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::encode::whole;
use symbolon_pki::key::SuiteSigner;
use symbolon_pki::suite::Suite;

use crate::support::{Ca, Draft, signer, subject_key};

/// An authority with both keys.
pub(crate) struct Catalyst {
    pub(crate) native: Ca,
    pub(crate) alternative: SuiteSigner,
}

impl Catalyst {
    /// A good self-signed catalyst authority.
    pub(crate) fn root() -> Self {
        let alternative = signer(Suite::MlDsa44);
        let native = signer(Suite::EcdsaP256);
        let native = Ca::root_with(native.clone(), |draft| {
            with_alternative_key(draft, &alternative, Suite::MlDsa44);
            seal(draft, &native, &alternative);
        });
        Self { native, alternative }
    }

    pub(crate) fn certificate(&self) -> &Certificate {
        &self.native.certificate
    }

    /// A leaf that is good but for what is done to it before the alternative signature, and after it.
    pub(crate) fn leaf(
        &self,
        before: impl FnOnce(&mut Draft),
        after: impl FnOnce(&mut Draft),
    ) -> Certificate {
        Certificate::from_der(&self.leaf_der(before, after)).unwrap()
    }

    pub(crate) fn leaf_der(
        &self,
        before: impl FnOnce(&mut Draft),
        after: impl FnOnce(&mut Draft),
    ) -> Vec<u8> {
        let mut draft = Draft::leaf(&subject_key(&signer(Suite::EcdsaP256))).under(self.certificate());
        with_alternative_key(&mut draft, &signer(Suite::MlDsa44), Suite::MlDsa44);
        before(&mut draft);
        seal(&mut draft, &self.native.signer, &self.alternative);
        after(&mut draft);
        let algorithm = self.native.signer.suite().signature_algorithm_der();
        draft.sign_with(algorithm, |tbs| self.native.signer.sign(tbs).unwrap())
    }
}

/// Puts in an alternative key, and the algorithm of the issuer's alternative signature.
pub(crate) fn with_alternative_key(draft: &mut Draft, key: &SuiteSigner, issuer: Suite) {
    draft.set_raw(ALTERNATIVE_KEY, false, &key.public_key().spki_der());
    draft.set_raw(ALTERNATIVE_ALGORITHM, false, issuer.signature_algorithm_der());
}

/// Puts in the alternative signature over everything that the draft now holds.
pub(crate) fn seal(draft: &mut Draft, native: &SuiteSigner, alternative: &SuiteSigner) {
    let signature = alternative
        .sign(&pre_tbs(&tbs_of(draft, native)).unwrap())
        .unwrap();
    draft.set_raw(ALTERNATIVE_SIGNATURE, false, &bit_string(&signature));
}

/// The TBSCertificate as it is before it is signed.
pub(crate) fn tbs_of(draft: &Draft, native: &SuiteSigner) -> Vec<u8> {
    let mut tbs = Vec::new();
    draft.sign_with(native.suite().signature_algorithm_der(), |signed| {
        tbs = signed.to_vec();
        Vec::new()
    });
    tbs
}

pub(crate) fn bit_string(bits: &[u8]) -> Vec<u8> {
    whole(0x03, &[&[0], bits])
}

/// Sets an extension's content without moving it.
pub(crate) fn change(draft: &mut Draft, oid: ObjectIdentifier, change: impl FnOnce(&mut Vec<u8>)) {
    let extension = draft
        .extensions
        .iter_mut()
        .find(|extension| extension.extn_id == oid)
        .unwrap();
    let mut content = extension.extn_value.as_bytes().to_vec();
    change(&mut content);
    extension.extn_value = der::asn1::OctetString::new(content).unwrap();
}
