//! `aws_iid`: a virtual machine of Amazon's has a document that says which one it is, signed by Amazon.
//!
//! The message is SPIRE's: the payload has the instance identity document and its signatures as the metadata service gives
//! them; of those, the one of RSA-2048 with SHA-256 (PKCS#7) counts, and the older one of RSA-1024 never. Nothing is asked.
//!
//! Whoever runs any code on the machine can get the document, and it is good for ever. So it lets a machine in once, by trust
//! on first use, and only of accounts that are named. Whether the machine still runs, and what it is tagged with, is not in
//! the document; the server does not ask Amazon for it.

mod ber;
mod cms;
mod message;
mod prover;
mod verifier;

pub use self::cms::{Signer, SignerError};
pub use self::message::Evidence;
pub use self::prover::{AwsIidProver, DEFAULT_METADATA};
pub use self::verifier::{AwsIidConfig, AwsIidVerifier};
use crate::path_template::{Fields, PathTemplate, TemplateError};

/// The name of the method.
pub const METHOD: &str = "aws_iid";

/// How agents are named when nothing else is said.
pub const DEFAULT_TEMPLATE: &str = "/{{ .PluginName }}/{{ .AccountID }}/{{ .Region }}/{{ .InstanceID }}";

/// The fields that templates may use.
const FIELDS: Fields = Fields {
    names: &["AccountID", "Region", "InstanceID"],
    open: None,
};

/// Reads a template for the names of agents.
///
/// # Errors
/// [`TemplateError`].
pub fn path_template(text: &str) -> Result<PathTemplate, TemplateError> {
    PathTemplate::parse(text, METHOD, FIELDS)
}
