//! The hot path of a certificate authority: from a request to a linted, signed certificate.
//!
//! The path is typed, so that its order cannot be got wrong:
//!
//! ```text
//! request -> profile -> TBS -> Linted -> sign -> signed bytes compared with the linted TBS -> IssuedCertificate
//! ```
//!
//! [`prepare_svid`], [`prepare_authority`] and [`prepare_intermediate`] check what was asked against the profile,
//! encode the certificate to be signed (the *TBS*, RFC 5280, section 4.1.2) and read the encoding back with the
//! independent checks of [`lint`]. Only they yield a [`Linted`], and a [`Linted`] is the only thing that can be
//! signed, once. Between the two the caller may record what it is about to sign: everything is fixed by then.
//! [`crl`] makes revocation lists in the same way, and [`jwt`] and [`wit`] mint tokens.
//!
//! ```compile_fail
//! // There is no way from bytes to something signable that leaves out the lint.
//! let tbs: Vec<u8> = Vec::new();
//! let linted = symbolon_issuance::Linted { tbs };
//! ```
//!
//! This crate does no I/O and has no clock and no randomness of its own: `now`, serial numbers and token ids are
//! arguments. It must not know where keys are kept, who may ask, or what is recorded where.

/// The examples of the book's page on verifying, which are tests like any other.
#[cfg(doctest)]
#[doc = include_str!("../../docs/src/verifying.md")]
struct VerifyingPage;

mod authority;
mod beside;
pub mod crl;
mod dns;
mod encode;
mod error;
pub mod jwt;
pub mod lint;
mod linted;
mod prepare;
mod profile;
mod serial;
mod token;
mod validity;
pub mod wit;

pub use authority::{Authority, AuthorityKeys};
pub use beside::Beside;
pub use dns::{MAX_DNS_NAMES, check_dns_name};
pub use error::{AuthorityError, IssuanceError, ProfileError, RequestError, SigningError};
pub use linted::{Facts, HasSigner, IssuedCertificate, Linted};
pub use prepare::{
    AuthoritySpec, IntermediateRequest, RootSpec, SvidRequest, prepare_authority, prepare_intermediate,
    prepare_root, prepare_svid,
};
pub use profile::{BACKDATE, MAX_SPIFFE_ID_LEN, Profile, SvidProfile};
pub use serial::{Serial, SerialError};
