//! ML-DSA private keys of which only the expanded form is known.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::ffi::MlDsaKey;
use crate::{Component, HeldKey, KeyError, MlDsaContext, PublicKey, SignError};

const WHAT: &str = "a private key";

/// An ML-DSA private key of which only the expanded form is known (FIPS 204, algorithm 24).
///
/// It can sign and be looked at. It has no [`SoftwareKey::raw`](crate::SoftwareKey::raw), since the seed cannot be recovered from it, and so
/// can neither be stored nor become half of a composite.
#[derive(Clone)]
pub struct ExpandedMlDsaKey {
    public: PublicKey,
    key: Arc<MlDsaKey>,
}

impl ExpandedMlDsaKey {
    /// Length of the expanded private key of `component`, in bytes; `None` for what is not ML-DSA.
    pub const fn expanded_len(component: Component) -> Option<usize> {
        match component {
            Component::MlDsa44 => Some(2560),
            Component::MlDsa65 => Some(4032),
            Component::MlDsa87 => Some(4896),
            _ => None,
        }
    }

    /// Reads an expanded private key and checks that its parts agree with each other.
    ///
    /// # Errors
    /// [`KeyError::Length`], or [`KeyError::Invalid`] for one whose parts contradict each other.
    pub fn parse(component: Component, expanded: &[u8]) -> Result<Self, KeyError> {
        let invalid = KeyError::Invalid {
            component,
            what: WHAT,
        };
        let expected = Self::expanded_len(component).ok_or(invalid)?;
        if expanded.len() != expected {
            return Err(KeyError::Length {
                component,
                what: WHAT,
                expected,
                found: expanded.len(),
            });
        }
        let key = MlDsaKey::from_private(component, expanded).map_err(|_| invalid)?;
        let public = key.public(component).map_err(|_| invalid)?;
        Ok(Self {
            public: PublicKey::parse(component, &public)?,
            key: Arc::new(key),
        })
    }

    /// The expanded form of the key that `seed` stands for, to compare with one that came beside the seed.
    ///
    /// # Errors
    /// As [`SoftwareKey::from_raw`](crate::SoftwareKey::from_raw).
    pub fn expand(component: Component, seed: &[u8; 32]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let invalid = KeyError::Invalid {
            component,
            what: WHAT,
        };
        let len = Self::expanded_len(component).ok_or(invalid)?;
        let key = MlDsaKey::from_private(component, seed).map_err(|_| invalid)?;
        key.expanded(len).map_err(|_| invalid)
    }
}

impl HeldKey for ExpandedMlDsaKey {
    fn component(&self) -> Component {
        self.public.component()
    }

    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8], context: MlDsaContext<'_>) -> Result<Vec<u8>, SignError> {
        self.key.sign(message, context).map_err(|_| SignError::Library {
            component: self.component(),
        })
    }

    fn is_own_software(&self) -> bool {
        true
    }
}

impl fmt::Debug for ExpandedMlDsaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ExpandedMlDsaKey({}, secret)", self.component())
    }
}
