//! What a hybrid identity is made of, and the one place that decides whether to believe it.
//!
//! Suites and forms, the composite codec, public and private keys in their containers (SPKI, PKCS#8), CSRs,
//! certificates, trust bundles with their JWKS document, and **the** verifier of chains and tokens that every other
//! crate uses.
//!
//! This crate must not know where keys rest (that is `symbolon-hsm`'s), do any I/O, issue anything, or read the
//! clock: the time comes in as an argument. [`time::SystemClock`] is the one exception, there so that programs
//! have one clock to pass around.

pub mod bundle;
pub mod catalyst;
pub mod certificate;
pub mod chameleon;
mod composite;
pub mod crl;
pub mod csr;
pub mod describe;
pub mod encode;
pub mod jwt;
pub mod kem;
pub mod key;
pub mod names;
pub mod pem;
pub mod related;
pub mod signature;
pub mod skid;
pub mod suite;
pub mod text;
pub mod time;
pub mod verify;
pub mod wit;
