//! How other trust domains' bundles are fetched.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use symbolon_federation::{BundleClient, ClientOptions, FetchError, WebRoots, WebRootsError};
use symbolon_host::duration::HumanDuration;
use symbolon_pki::time::Clock;
use symbolon_tls::KexPolicy;

/// How other trust domains' bundles are fetched.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct FederationConfig {
    /// Whom of the web's authorities to believe where an endpoint has the profile `https_web`: a file of PEM. Default:
    /// Mozilla's list.
    pub web_ca_file: Option<PathBuf>,
    /// Longest time for a fetch. Default: 30 seconds.
    pub timeout: HumanDuration,
    /// Fetch from endpoints that know no hybrid key exchange too. Default: yes, because bundles are public.
    pub allow_classical_kex: bool,
}

impl Default for FederationConfig {
    fn default() -> Self {
        Self {
            web_ca_file: None,
            timeout: HumanDuration(Duration::from_secs(30)),
            allow_classical_kex: true,
        }
    }
}

/// Bundles cannot be fetched as the configuration says.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FederationConfigError {
    /// The file of authorities.
    #[error("`federation.web_ca_file`: {0}")]
    Roots(#[from] WebRootsError),
    /// TLS.
    #[error("`federation`: {0}")]
    Client(#[source] Box<FetchError>),
}

impl FederationConfig {
    /// The client that this describes.
    ///
    /// # Errors
    /// [`FederationConfigError`], naming the key.
    pub(crate) fn client(&self, clock: Arc<dyn Clock>) -> Result<BundleClient, FederationConfigError> {
        let web_roots = match &self.web_ca_file {
            Some(file) => WebRoots::from_file(file)?,
            None => WebRoots::mozilla(),
        };
        let kex = match self.allow_classical_kex {
            true => KexPolicy::AllowClassical,
            false => KexPolicy::PostQuantum,
        };
        let options = ClientOptions {
            web_roots,
            kex,
            timeout: self.timeout.0,
        };
        BundleClient::new(options, clock).map_err(|error| FederationConfigError::Client(Box::new(error)))
    }
}
