//! Scanners for files that hold keys and certificates themselves.
//!
//! Everything is read by identifiers, never by asking a cryptographic library, so that unknown, post-quantum and
//! composite algorithms are inventoried like all others. Private keys are told by kind, size and how they are kept.

use std::sync::Arc;

mod asn1;
mod der;
mod jks;
mod jwk;
mod keys;
mod names;
mod openpgp;
mod openpgp_key;
pub(crate) mod pem;
mod pkcs12;
mod pkcs7;
pub mod spki;
pub(crate) mod ssh;
pub(crate) mod wire;
pub mod x509;

pub use self::der::Der;
pub use self::jks::JavaKeystore;
pub use self::jwk::Jwk;
pub use self::openpgp::OpenPgp;
pub use self::pem::Pem;
pub use self::ssh::Ssh;
use crate::scan::Scanner;

/// All of them.
#[must_use]
pub fn scanners() -> Vec<Arc<dyn Scanner>> {
    vec![
        Arc::new(Pem),
        Arc::new(Der),
        Arc::new(JavaKeystore),
        Arc::new(Ssh),
        Arc::new(OpenPgp),
        Arc::new(Jwk),
    ]
}
