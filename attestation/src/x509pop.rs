//! `x509pop`: a node has a certificate of a PKI that the server knows, and shows that it has the key.
//!
//! The messages are SPIRE's: the payload has the chain; the challenge has a nonce; the answer has a nonce of the node's
//! own and a signature over SHA-256 of both, RSA-PSS or ECDSA (with that hash whatever the curve). So a stock agent
//! attests to our server, and our agent to a stock one.
//!
//! For the keys that SPIRE does not know, of Ed25519, ML-DSA and composites, challenge and answer stand under a member of
//! our own, `symbolon_signature`, and what is signed says what it is for ([`signed_message`]): the two kinds of answer
//! cannot be taken for one another, nor for a signature on anything else.
//!
//! The server's side works within bounds before it believes anything: so many certificates, of such a size, and the
//! path search of [`symbolon_pki::verify`], which counts signatures.

pub(crate) mod message;
mod node_key;
mod possession;
mod prover;
mod selectors;
mod verifier;

pub use self::message::{Evidence, MAX_CERTIFICATES};
pub use self::node_key::NodeKey;
pub use self::possession::signed_message;
pub use self::prover::X509PopProver;
pub use self::verifier::{BundleSource, Trust, X509PopConfig, X509PopVerifier};
use crate::path_template::{Fields, PathTemplate, TemplateError};

/// The name of the method.
pub const METHOD: &str = "x509pop";

/// How agents are named when nothing else is said: by the SHA-1 of their certificates, as SPIRE names them.
pub const DEFAULT_TEMPLATE: &str = "/{{ .PluginName }}/{{ .Fingerprint }}";

/// How agents are named that exchange an SVID for an agent's, when nothing else is said.
pub const DEFAULT_SPIFFE_TEMPLATE: &str = "/{{ .PluginName }}/{{ .SVIDPathTrimmed }}";

/// Where the paths of SVIDs begin that can be exchanged, when nothing else is said.
pub const DEFAULT_SVID_PREFIX: &str = "/spire-exchange/";

/// Most intermediate certificates that a node may send, when nothing else is said.
pub const DEFAULT_MAX_INTERMEDIATES: usize = 4;

/// The longest RSA key that there can be, in bits: longer ones are not verified with.
pub const MAX_RSA_BITS: usize = 4096;

/// The fields that templates may use.
const FIELDS: Fields = Fields {
    names: &[
        "Fingerprint",
        "SerialNumberHex",
        "Subject.CommonName",
        "SVIDPathTrimmed",
    ],
    open: Some("URISanSelectors."),
};

/// Reads a template for the names of agents.
///
/// # Errors
/// [`TemplateError`].
pub fn path_template(text: &str) -> Result<PathTemplate, TemplateError> {
    PathTemplate::parse(text, METHOD, FIELDS)
}
