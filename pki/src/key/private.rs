//! A suite's private key in memory.

use std::fmt;
use std::sync::Arc;

use symbolon_crypto::{self as crypto, ExpandedMlDsaKey, HeldKey, SoftwareKey};

use super::{KeyError, SuitePublicKey, SuiteSigner};
use crate::suite::Suite;

/// How an ML-DSA private key was written; everything else is [`Plain`](Self::Plain).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PrivateKeyKind {
    /// Not an ML-DSA key.
    Plain,
    /// Seed only: what we write.
    Seed,
    /// Expanded key only.
    Expanded,
    /// Both, and they agree.
    Both,
}

/// A suite's private key in memory.
#[derive(Clone)]
pub struct PrivateKey {
    suite: Suite,
    held: Held,
    kind: PrivateKeyKind,
}

#[derive(Clone)]
enum Held {
    Software(Vec<SoftwareKey>),
    Expanded(ExpandedMlDsaKey),
}

impl PrivateKey {
    /// Makes a new key.
    ///
    /// # Errors
    /// [`crypto::KeyError::Generation`] if the library fails.
    pub fn generate(suite: Suite) -> Result<Self, crypto::KeyError> {
        let keys = suite
            .components()
            .iter()
            .map(|&c| SoftwareKey::generate(c))
            .collect::<Result<_, _>>()?;
        Ok(Self::software(suite, keys))
    }

    /// A key of its components, read from the one way in which they are written, or new.
    pub(super) fn software(suite: Suite, keys: Vec<SoftwareKey>) -> Self {
        let kind = match suite.components() {
            [component] if component.is_ml_dsa() => PrivateKeyKind::Seed,
            _ => PrivateKeyKind::Plain,
        };
        Self {
            suite,
            held: Held::Software(keys),
            kind,
        }
    }

    /// An ML-DSA key that came as its seed and its expanded form.
    pub(super) fn seed_and_expanded(suite: Suite, key: SoftwareKey) -> Self {
        Self {
            suite,
            held: Held::Software(vec![key]),
            kind: PrivateKeyKind::Both,
        }
    }

    /// An ML-DSA key that came in its expanded form alone.
    pub(super) fn expanded(suite: Suite, key: ExpandedMlDsaKey) -> Self {
        Self {
            suite,
            held: Held::Expanded(key),
            kind: PrivateKeyKind::Expanded,
        }
    }

    /// The suite.
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// How the key was written, for ML-DSA.
    pub fn kind(&self) -> PrivateKeyKind {
        self.kind
    }

    /// Whether the key can be written again.
    pub fn can_be_stored(&self) -> bool {
        matches!(self.held, Held::Software(_))
    }

    /// The component keys, in the suite's order; none for an expanded-only key, which no store may take.
    pub fn components(&self) -> &[SoftwareKey] {
        match &self.held {
            Held::Software(keys) => keys,
            Held::Expanded(_) => &[],
        }
    }

    /// The public key.
    ///
    /// # Errors
    /// [`KeyError::Components`], which the constructors rule out.
    pub fn public_key(&self) -> Result<SuitePublicKey, KeyError> {
        self.signer().map(|signer| signer.public_key().clone())
    }

    /// A signer over this key.
    ///
    /// # Errors
    /// [`KeyError::Components`], which the constructors rule out.
    pub fn signer(&self) -> Result<SuiteSigner, KeyError> {
        let keys = match &self.held {
            Held::Software(keys) => keys
                .iter()
                .map(|key| Arc::new(key.clone()) as Arc<dyn HeldKey>)
                .collect(),
            Held::Expanded(key) => vec![Arc::new(key.clone()) as Arc<dyn HeldKey>],
        };
        SuiteSigner::new(self.suite, keys)
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({}, secret)", self.suite)
    }
}
