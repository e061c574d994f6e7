//! `tpm`: a node is the machine that its TPM 2.0 sits in.
//!
//! The node shows the TPM's endorsement key, with its maker's certificate if it has one, and an attestation key. The
//! server believes the endorsement key for a certificate under a configured root, or for standing on a list; draws a
//! secret, and encrypts it so that only a TPM that holds both keys gives it out (credential activation, TPM 2.0 Library,
//! part 1, section 24). The node answers with a hash of the secret, the server's nonce, the trust domain that it attests to and
//! its request for a certificate: so the server of another trust domain to which it attests as well cannot pass for it here,
//! and nobody in between gets a certificate for a key of their own. Where PCRs are demanded, the attestation key quotes them
//! over the same.
//!
//! The messages are JSON, with bytes in base64:
//!
//! ```text
//! evidence   {"ek_public", "ek_certificates": [leaf, …], "ak_public"}
//! challenge  {"credential", "secret", "nonce", "pcrs": "sha256:7" or null}
//! answer     {"proof", "quote": {"attest", "signature", "values": {"sha256:7": hex, …}} or none}
//! ```
//!
//! `proof` is SHA-256 of `Symbolon tpm activation, version 2`, a zero, the length of the trust domain's name in one byte,
//! that name, SHA-256 of the DER of the request for a certificate, SHA-256 of the nonce, and the secret. A quote is about
//! SHA-256 of `Symbolon tpm attestation, version 2`, a zero, and the same up to SHA-256 of the nonce.
//!
//! The server's side needs no TPM and none of its libraries. The node's side comes with the cargo feature `tpm`.

mod credential;
mod endorsement;
pub(crate) mod message;
mod pcrs;
#[cfg(feature = "tpm")]
mod prover;
mod structure;
pub(crate) mod verifier;

pub(crate) use self::credential::make as make_credential;
pub(crate) use self::endorsement::{check_certificate, endorsed_path};
pub use self::message::Evidence;
pub use self::pcrs::{PcrPolicy, PcrPolicyError};
#[cfg(feature = "tpm")]
pub use self::prover::TpmProver;
#[cfg(feature = "tpm")]
pub(crate) use self::prover::{der_alone, in_the_background};
pub use self::structure::{Attest, Attested, Public, Reading, Signature};
pub use self::verifier::{TpmVerifier, TpmVerifierConfig, endorsement_key_hash};

/// The name of the method.
pub const METHOD: &str = "tpm";

/// Most certificates of an endorsement key, its own included.
pub const MAX_CERTIFICATES: usize = 6;
