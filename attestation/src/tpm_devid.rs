//! `tpm_devid`: a node has a device identity (IEEE 802.1AR) whose key lives in its TPM 2.0.
//!
//! The messages are SPIRE's: the evidence has the certificate of the device key (DevID), the TPM's endorsement certificate
//! and public areas of three keys, and the attestation key's word that the device key is in its TPM. The challenge has a
//! nonce for the device key to sign, and a credential for the attestation key to be shown to be in the endorsed TPM.
//!
//! What is checked beyond SPIRE's server, and every TPM provisioned as SPIRE says passes: the certified public area is
//! that of the certificate's key; the device key was made in its TPM and stays there; the attestation key signs nothing
//! but what its TPM says.

mod message;
#[cfg(feature = "tpm")]
mod prover;
mod verifier;

pub use self::message::Evidence;
#[cfg(feature = "tpm")]
pub use self::prover::{DevIdProver, public_area};
pub use self::verifier::{DevIdConfig, DevIdVerifier};

/// The name of the method.
pub const METHOD: &str = "tpm_devid";

/// Most certificates of a device, its own included.
pub const MAX_CERTIFICATES: usize = 6;
