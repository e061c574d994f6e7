//! What can go wrong with keys and signatures.

use crate::Component;

/// Key bytes that are no key of the component they were given for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The bytes have the wrong length.
    #[error("{what} for {component} has {found} bytes where {expected} are due")]
    Length {
        /// The component asked for.
        component: Component,
        /// Which key: "a public key", "a private key".
        what: &'static str,
        /// The length the component has, in bytes.
        expected: usize,
        /// The length given, in bytes.
        found: usize,
    },
    /// The bytes have the right length and yet are no such key: a point off its curve or not uncompressed, an Ed25519 key
    /// of small order, a scalar out of range, an expanded ML-DSA key whose parts contradict each other.
    #[error("these bytes are not {what} for {component}")]
    Invalid {
        /// The component asked for.
        component: Component,
        /// Which key: "a public key", "a private key".
        what: &'static str,
    },
    /// An RSA modulus outside what is accepted.
    #[error("an RSA key of {bits} bits; 2048, 3072 and 4096 are accepted")]
    RsaSize {
        /// The size found, in bits.
        bits: usize,
    },
    /// An RSA public key with a malformed modulus or exponent.
    #[error("not a valid RSA public key")]
    RsaInvalid,
    /// An RSA key of another size than its component's.
    #[error("an RSA key of {bits} bits is no key for {component}")]
    RsaModulus {
        /// The component asked for.
        component: Component,
        /// The size found, in bits.
        bits: usize,
    },
    /// An RSA exponent below 65537.
    #[error(
        "a key for {component} has a public exponent of 65537 or more (FIPS 186-5), this one has a smaller one"
    )]
    RsaExponent {
        /// The component asked for.
        component: Component,
    },
    /// The cryptographic library failed to make a key (out of memory, or its generator has failed).
    #[error("the cryptographic library could not make a key for {component}")]
    Generation {
        /// The component asked for.
        component: Component,
    },
    /// The cryptographic library holds a key and would not give it out (out of memory, or its own check has failed).
    #[error("the cryptographic library could not give out a private key for {component}")]
    Export {
        /// The key's component.
        component: Component,
    },
}

/// Why a held key did not sign.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The backend cannot do this operation with this key.
    #[error("{operation} is not possible with this {component} key")]
    Unsupported {
        /// The key's component.
        component: Component,
        /// What was asked.
        operation: &'static str,
    },
    /// The cryptographic library refused.
    #[error("the cryptographic library failed to sign with a {component} key")]
    Library {
        /// The key's component.
        component: Component,
    },
    /// The place that holds the key (a token, a TPM) failed or did not answer; the source says how.
    #[error("the key store could not sign: {0}")]
    Backend(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A signature that does not verify. Deliberately says no more: which bytes were wrong is nobody's to know.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the {component} signature does not verify")]
pub struct VerifyError {
    /// The component whose signature was checked.
    pub component: Component,
}
