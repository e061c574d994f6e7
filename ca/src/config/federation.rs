//! How other trust domains' bundles are fetched.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use symbolon_federation::{BundleClient, ClientOptions, FetchError, WebRoots, WebRootsError};
use symbolon_host::duration::HumanDuration;
use symbolon_pki::time::{Clock, SystemClock};
use symbolon_tls::KexPolicy;

use super::check::{Problem, problem};

/// Less is no time to fetch anything in, and with more one endpoint that is dead would take a place from others for long.
const TIMEOUTS: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(5 * 60);

/// How other trust domains' bundles are fetched.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct FederationConfig {
    /// Whom of the web's authorities to believe where an endpoint has the profile `https_web`: a file of PEM. Default:
    /// Mozilla's list.
    pub web_ca_file: Option<PathBuf>,
    /// Longest time for a fetch, a second to five minutes. Default: 30 seconds.
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
    /// Checks what can be checked without opening the file.
    pub(super) fn check(&self) -> Result<(), Problem> {
        if TIMEOUTS.contains(&self.timeout.0) {
            return Ok(());
        }
        let reason = format!("is {}; it can be 1s to 5m", self.timeout);
        Err(problem("federation.timeout", reason))
    }

    /// Whether there would be a client: whether the file can be read and used.
    pub(super) fn check_file(&self) -> Result<(), Problem> {
        match self.client(Arc::new(SystemClock)) {
            Ok(_) => Ok(()),
            Err(FederationConfigError::Roots(error)) => {
                Err(problem("federation.web_ca_file", format!("is no use: {error}")))
            }
            Err(FederationConfigError::Client(error)) => {
                Err(problem("federation", format!("is no use: {error}")))
            }
        }
    }

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
