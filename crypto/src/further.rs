//! The components outside the hot path: RSA, whose keys are DER, and those that aws-lc does not have.
//!
//! Brainpool curves, Ed448 and SLH-DSA come from crates that `docs/decisions/0011-further-components.md` weighs. All of
//! them stand behind two small traits, so that the components which every certificate and handshake uses know
//! nothing of them.

mod brainpool;
mod ed448;
mod rsa;
mod slh_dsa;

use std::sync::Arc;

use zeroize::Zeroizing;

use crate::{Component, KeyError};

/// The library said no; which call it was does not matter to anybody.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refused;

/// A public key that was checked to be one.
pub(crate) trait Verifying: Send + Sync {
    /// Whether `signature` is one over `message`.
    fn verifies(&self, message: &[u8], signature: &[u8]) -> bool;
}

/// A private key.
pub(crate) trait Signing: Send + Sync {
    /// The raw public key.
    fn public(&self) -> Vec<u8>;

    /// What [`private`] rebuilds the key from.
    fn raw(&self) -> Zeroizing<Vec<u8>>;

    /// A signature over `message`.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Refused>;
}

/// The public key with these raw bytes, whose length was checked if it has one.
///
/// # Errors
/// [`KeyError`]; a component of the hot path has no key here.
pub(crate) fn public(component: Component, bytes: &[u8]) -> Result<Arc<dyn Verifying>, KeyError> {
    let invalid = KeyError::Invalid {
        component,
        what: "a public key",
    };
    if component.is_rsa() {
        return rsa::public(component, bytes);
    }
    brainpool::public(component, bytes)
        .or_else(|| ed448::public(component, bytes))
        .or_else(|| slh_dsa::public(component, bytes))
        .ok_or(invalid)
}

/// The private key with these raw bytes, whose length was checked if it has one.
///
/// # Errors
/// As [`public`].
pub(crate) fn private(component: Component, raw: &[u8]) -> Result<Box<dyn Signing>, KeyError> {
    let invalid = KeyError::Invalid {
        component,
        what: "a private key",
    };
    if component.is_rsa() {
        return rsa::private(component, raw);
    }
    brainpool::private(component, raw)
        .or_else(|| ed448::private(component, raw))
        .or_else(|| slh_dsa::private(component, raw))
        .ok_or(invalid)
}

/// A new private key.
///
/// # Errors
/// [`KeyError::Generation`].
pub(crate) fn generate(component: Component) -> Result<Box<dyn Signing>, KeyError> {
    let made = if component.is_rsa() {
        rsa::generate(component)
    } else {
        brainpool::generate(component)
            .or_else(|| ed448::generate(component))
            .or_else(|| slh_dsa::generate(component))
    };
    made.ok_or(KeyError::Generation { component })
}
