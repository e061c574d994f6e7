//! `gcp_iit`: a virtual machine of Google's has a token that says which one it is, signed by Google.
//!
//! The message is SPIRE's: the payload is the identity token as the metadata server gives it, and nothing is asked.
//!
//! Whoever runs any code on the machine can get the token, and it is good for an hour. So it lets a machine in once, by trust
//! on first use; and it says nothing about who asks.

mod prover;
mod verifier;

pub use self::prover::{DEFAULT_HOST, DEFAULT_SERVICE_ACCOUNT, GcpIitProver};
pub use self::verifier::{GcpIitConfig, GcpIitVerifier};
pub use crate::key_set::{KeySource, Monotonic};
use crate::path_template::{Fields, PathTemplate, TemplateError};

/// The name of the method.
pub const METHOD: &str = "gcp_iit";

/// For whom tokens are made, as SPIRE has it.
pub const AUDIENCE: &str = "spire-gcp-node-attestor";

/// Who makes them.
pub const ISSUER: &str = "https://accounts.google.com";

/// Where Google publishes its keys.
pub const DEFAULT_KEYS: &str = "https://www.googleapis.com/oauth2/v3/certs";

/// How agents are named when nothing else is said.
pub const DEFAULT_TEMPLATE: &str = "/{{ .PluginName }}/{{ .ProjectID }}/{{ .InstanceID }}";

/// The fields that templates may use.
const FIELDS: Fields = Fields {
    names: &[
        "ProjectID",
        "InstanceID",
        "InstanceName",
        "Zone",
        "ServiceAccount",
    ],
    open: None,
};

/// Reads a template for the names of agents.
///
/// # Errors
/// [`TemplateError`].
pub fn path_template(text: &str) -> Result<PathTemplate, TemplateError> {
    PathTemplate::parse(text, METHOD, FIELDS)
}
