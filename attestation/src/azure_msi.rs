//! `azure_msi`: a virtual machine of Azure's has a token for its managed identity, signed by its tenant's directory.
//!
//! The message is SPIRE's: the payload has the token, and nothing is asked. Where SPIRE's server asks Azure's Resource Manager
//! which machine the identity belongs to, ours reads it from the token (`xms_mirid`): so it needs no account of its own there.
//! A token of anything but a machine, say of a person in the same tenant, has no such claim and proves nothing.
//!
//! Whoever runs any code on the machine can get the token, and it is good for up to a day. So it lets a machine in once, by
//! trust on first use.

mod prover;
mod verifier;

pub use self::prover::{AzureMsiProver, DEFAULT_METADATA};
pub use self::verifier::{AzureMsiConfig, AzureMsiVerifier, Tenant};
pub use crate::key_set::{KeySource, Monotonic};
use crate::path_template::{Fields, PathTemplate, TemplateError};

/// The name of the method.
pub const METHOD: &str = "azure_msi";

/// For whom tokens are made when nothing else is said: Azure's Resource Manager, as in SPIRE.
pub const DEFAULT_RESOURCE: &str = "https://management.azure.com/";

/// Where Azure publishes its keys.
pub const DEFAULT_KEYS: &str = "https://login.microsoftonline.com/common/discovery/keys";

/// Who makes the tokens of a tenant, in either version of them.
pub fn issuers(tenant: &str) -> Vec<String> {
    vec![
        format!("https://sts.windows.net/{tenant}/"),
        format!("https://login.microsoftonline.com/{tenant}/v2.0"),
    ]
}

/// How agents are named when nothing else is said.
pub const DEFAULT_TEMPLATE: &str = "/{{ .PluginName }}/{{ .TenantID }}/{{ .PrincipalID }}";

/// The fields that templates may use.
const FIELDS: Fields = Fields {
    names: &["TenantID", "PrincipalID"],
    open: None,
};

/// Reads a template for the names of agents.
///
/// # Errors
/// [`TemplateError`].
pub fn path_template(text: &str) -> Result<PathTemplate, TemplateError> {
    PathTemplate::parse(text, METHOD, FIELDS)
}

/// The message, in JSON.
#[derive(serde::Deserialize, serde::Serialize, zeroize::ZeroizeOnDrop)]
struct Evidence {
    #[serde(default)]
    token: String,
}
