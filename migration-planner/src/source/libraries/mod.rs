//! The libraries of each language: tables that say what a call means. Nothing here but data.

mod bouncycastle;
mod bouncycastle_modes;
mod go;
mod javascript;
mod jca;
mod mbedtls;
mod node;
mod openssl;
mod pyca;
mod python;
mod ring;
mod rustcrypto;
mod sodium;
mod tink;
mod wolfssl;

use super::table::Library;
use crate::algorithm::Function::{self, *};

/// Encrypts and decrypts.
const CIPHER: &[Function] = &[Decrypt, Encrypt];
const ENCRYPT: &[Function] = &[Encrypt];
const DECRYPT: &[Function] = &[Decrypt];
const DIGEST: &[Function] = &[Digest];
const MAC: &[Function] = &[Tag];
const SIGN: &[Function] = &[Sign];
const VERIFY: &[Function] = &[Verify];
/// Signs and verifies.
const SIGNATURE: &[Function] = &[Sign, Verify];
const KEYGEN: &[Function] = &[Keygen];
const DERIVE: &[Function] = &[Keyderive];
/// Encapsulates and decapsulates.
const KEM: &[Function] = &[Decapsulate, Encapsulate];
const RANDOM: &[Function] = &[Generate];
/// The call does not say what for.
const ANY: &[Function] = &[];

/// Java.
pub(super) static JAVA: &[&Library] = &[
    &jca::JCA,
    &bouncycastle_modes::MODES,
    &bouncycastle::ENGINES,
    &tink::JAVA,
];
/// Python.
pub(super) static PYTHON: &[&Library] = &[
    &pyca::PYCA,
    &python::STANDARD,
    &python::PYCRYPTODOME,
    &python::PYCRYPTODOMEX,
    &python::PYNACL,
    &python::OTHERS,
    &tink::PYTHON,
];
/// Go.
pub(super) static GO: &[&Library] = &[&go::STANDARD, &go::EXTENDED, &go::OTHERS, &tink::GO];
/// C and C++.
pub(super) static C: &[&Library] = &[
    &openssl::EVP,
    &openssl::LEGACY,
    &mbedtls::MBEDTLS,
    &sodium::SODIUM,
    &wolfssl::WOLFSSL,
    &tink::CPP,
];
/// JavaScript and TypeScript.
pub(super) static JAVASCRIPT: &[&Library] = &[
    &node::NODE,
    &node::WEB,
    &node::WEB_IN_NODE,
    &node::WEB_IN_WINDOW,
    &node::WEB_GLOBAL,
    &javascript::CRYPTOJS,
    &javascript::NOBLE,
    &javascript::FORGE,
    &javascript::JOSE,
    &javascript::OTHERS,
];
/// Rust.
pub(super) static RUST: &[&Library] = &[
    &ring::RING,
    &ring::AWS_LC,
    &ring::RUSTLS,
    &rustcrypto::RUSTCRYPTO,
    &rustcrypto::OPENSSL,
    &rustcrypto::OTHERS,
];
