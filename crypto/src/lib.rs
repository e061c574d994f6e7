//! The primitives under every form of identity: one key type with one signature scheme at a time.
//!
//! This crate generates, signs and verifies with single **components** ([`Component`]) and says what it means to
//! hold one ([`HeldKey`]), so that a key in a file, a token or a TPM is used the same way. Composites, which
//! are pairs of components, are built above it.
//!
//! It must not know any format: no DER, no X.509, no PKCS#8, no JSON. Keys and signatures are the raw bytes
//! that their own standard defines (FIPS 204, FIPS 205, FIPS 186-5, RFC 8032), ECDSA signatures being the DER
//! `Ecdsa-Sig-Value` that every certificate carries, and RSA keys that of PKCS#1, which has nothing rawer. All
//! cryptography of the [defaults](Component::DEFAULTS) is aws-lc's; the one thing its safe binding lacks, the ML-DSA
//! context string, is reached through [`ffi`](self), the only unsafe module here. What aws-lc does not have comes
//! from other crates, in [`further`](self).

mod component;
mod context;
pub mod digest;
mod error;
mod expanded;
mod ffi;
mod further;
mod held;
mod public_key;
pub mod random;
pub mod rsa;
mod software;
pub mod stock;

pub use component::{Component, UnknownComponent};
pub use context::{ContextTooLong, MlDsaContext};
pub use error::{KeyError, SignError, VerifyError};
pub use expanded::ExpandedMlDsaKey;
pub use held::HeldKey;
pub use public_key::PublicKey;
pub use software::SoftwareKey;
