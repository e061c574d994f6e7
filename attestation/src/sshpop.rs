//! `sshpop`: a node has an SSH host certificate of an authority that the server knows, and shows that it has the key.
//!
//! The messages are SPIRE's: the payload has the certificate as OpenSSH writes it; the challenge has a nonce; the answer has
//! a nonce of the node's own and an SSH signature over SHA-256 of both.
//!
//! Keys are Ed25519, ECDSA on NIST's curves, and RSA of 2048, 3072 and 4096 bits. Certificates signed with SHA-1 are refused;
//! a proof of possession may be, because stock agents with an RSA host key make no other: what it is made over is a hash that
//! neither side chooses alone, so that a collision of SHA-1 is of no use.

mod certificate;
mod key;
mod message;
mod private_key;
mod prover;
mod verifier;
mod wire;

pub use self::certificate::{CertificateError, HostCertificate};
pub use self::key::{Authority, KeyError};
pub use self::message::Evidence;
pub use self::private_key::HostKey;
pub use self::prover::SshPopProver;
pub use self::verifier::{SshPopConfig, SshPopVerifier};
use crate::path_template::{Fields, PathTemplate, TemplateError};

/// The name of the method.
pub const METHOD: &str = "sshpop";

/// How agents are named when nothing else is said: by SHA-256 of their certificates.
pub const DEFAULT_TEMPLATE: &str = "/{{ .PluginName }}/{{ .Fingerprint }}";

/// The fields that templates may use.
const FIELDS: Fields = Fields {
    names: &["Fingerprint", "Hostname", "KeyId", "Serial"],
    open: None,
};

/// Reads a template for the names of agents.
///
/// # Errors
/// [`TemplateError`].
pub fn path_template(text: &str) -> Result<PathTemplate, TemplateError> {
    PathTemplate::parse(text, METHOD, FIELDS)
}
