//! Keys in their containers: public keys in SPKI, private keys in PKCS#8, and the signer over held keys.

mod algorithm;
mod pkcs8;
mod private;
mod public;
mod signer;

pub use algorithm::component_spki_hash;
pub use pkcs8::{MAX_PKCS8_LEN, Pkcs8Error};
pub use private::{PrivateKey, PrivateKeyKind};
pub(crate) use public::rsa_public_key;
pub use public::{KeyError, SubjectKey, SuitePublicKey};
pub use signer::SuiteSigner;

use std::fmt;

/// One half of a hybrid, in words that a person reads.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Half {
    /// The traditional component (ECDSA, EdDSA, RSA).
    Classical,
    /// The ML-DSA component.
    PostQuantum,
    /// Both components.
    Both,
}

impl Half {
    /// The half that `component` is.
    pub fn of(component: symbolon_crypto::Component) -> Self {
        if component.is_post_quantum() {
            Self::PostQuantum
        } else {
            Self::Classical
        }
    }
}

impl fmt::Display for Half {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Classical => "classical half",
            Self::PostQuantum => "post-quantum half",
            Self::Both => "both halves",
        })
    }
}

/// A signature that is not to be believed, and for a composite which half of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// A single-component signature does not verify.
    #[error("the signature does not verify")]
    Rejected,
    /// A half (or both) of a composite signature does not verify.
    #[error("{}", half_rejected(*.0))]
    HalfRejected(Half),
    /// A half of a composite signature cannot be one by its length.
    #[error("the {half} of the composite signature is malformed: {reason}")]
    Malformed {
        /// Which half.
        half: Half,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The application context is too long.
    #[error(transparent)]
    Context(#[from] symbolon_crypto::ContextTooLong),
    /// A context was given for a scheme that has none.
    #[error("{0} signatures have no context")]
    NoContext(crate::suite::Suite),
}

fn half_rejected(half: Half) -> &'static str {
    match half {
        Half::Classical => "the classical half of the composite signature does not verify",
        Half::PostQuantum => "the post-quantum half of the composite signature does not verify",
        Half::Both => "both halves of the composite signature fail to verify",
    }
}

impl SignatureError {
    /// The half that failed, if this is about a composite.
    pub fn half(&self) -> Option<Half> {
        match self {
            Self::HalfRejected(half) | Self::Malformed { half, .. } => Some(*half),
            Self::Rejected | Self::Context(_) | Self::NoContext(_) => None,
        }
    }
}
