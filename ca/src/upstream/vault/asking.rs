//! One question to a Vault server: over TLS 1.3 with hybrid key exchange first, within a time, without redirects.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::ClientConfig;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use symbolon_federation::WebRoots;
use symbolon_host::dial::dial;
use symbolon_host::http::{Ask, Method, Place, exchange};
use symbolon_pki::text::printable;
use symbolon_pki::time::Clock;
use symbolon_tls::KexPolicy;
use tokio_rustls::TlsConnector;
use zeroize::Zeroizing;

use super::super::UpstreamError;
use super::super::disk::read;
use super::super::files::Files;
use super::{VaultLogin, VaultOptions};

/// Longest answer that is read, in bytes: a chain and its roots.
const MAX_ANSWER: usize = 1024 * 1024;

/// What is asked.
pub(super) struct Asked<'a> {
    pub(super) method: Method,
    /// What follows `/v1/`.
    pub(super) path: &'a str,
    pub(super) token: Option<&'a str>,
    pub(super) body: Zeroizing<Vec<u8>>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// What was shown lets nobody in, or not to this.
    Forbidden(String),
    /// Anything else.
    Other(UpstreamError),
}

impl From<Failure> for UpstreamError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Forbidden(reason) => Self::Refused(reason),
            Failure::Other(error) => error,
        }
    }
}

impl From<UpstreamError> for Failure {
    fn from(error: UpstreamError) -> Self {
        Self::Other(error)
    }
}

/// Asks one server.
pub(super) struct Asking {
    tls: Arc<ClientConfig>,
    /// With `/v1/` at its end.
    base: String,
    namespace: Option<String>,
    timeout: Duration,
    /// Those that secrets are in.
    pub(super) files: Files,
}

impl fmt::Debug for Asking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asking")
            .field("base", &self.base)
            .finish_non_exhaustive()
    }
}

/// What Vault says where it does not do something.
#[derive(Deserialize)]
struct Errors {
    errors: Vec<String>,
}

/// A question's body.
pub(super) fn body(content: &impl Serialize) -> Result<Zeroizing<Vec<u8>>, UpstreamError> {
    let text = serde_json::to_vec(content).map(Zeroizing::new);
    text.map_err(|error| UpstreamError::Material(format!("the question cannot be written: {error}")))
}

impl Asking {
    /// Reads what TLS needs: files are read for every connection, since they are replaced.
    pub(super) fn new(
        options: &VaultOptions,
        clock: &Arc<dyn Clock>,
        files: &Files,
    ) -> Result<Self, UpstreamError> {
        let material = UpstreamError::Material;
        let roots = match &options.ca_file {
            None => WebRoots::mozilla(),
            Some(file) => WebRoots::from_pem(&read(file)?)
                .map_err(|error| material(format!("{}: {error}", file.display())))?,
        };
        let kex = match options.allow_classical_kex {
            true => KexPolicy::AllowClassical,
            false => KexPolicy::PostQuantum,
        };
        let mut tls = roots
            .client_config(&kex, clock)
            .map_err(|error| material(format!("TLS cannot be set up: {error}")))?;
        if let VaultLogin::Cert {
            certificate_file,
            key_file,
            ..
        } = &options.login
        {
            let own = own_certificate(&tls, certificate_file, key_file)?;
            tls.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(own));
        }
        Ok(Self {
            tls: Arc::new(tls),
            base: format!("{}/v1/", options.address.trim_end_matches('/')),
            namespace: options.namespace.clone(),
            timeout: options.timeout,
            files: files.clone(),
        })
    }

    /// Asks, and reads the answer.
    pub(super) async fn ask<T: DeserializeOwned>(&self, asked: Asked<'_>) -> Result<T, Failure> {
        let url = format!("{}{}", self.base, asked.path);
        let place: Place = url
            .parse()
            .map_err(|error| UpstreamError::Material(format!("{url}: {error}")))?;
        if !place.is_secure {
            return Err(UpstreamError::Material(format!("{url} is not https")).into());
        }
        match tokio::time::timeout(self.timeout, self.exchange(&place, asked)).await {
            Ok(answered) => answered,
            Err(_) => Err(UpstreamError::Unavailable(format!(
                "{} gave no answer within {} seconds",
                place.address(),
                self.timeout.as_secs()
            ))
            .into()),
        }
    }

    async fn exchange<T: DeserializeOwned>(&self, place: &Place, asked: Asked<'_>) -> Result<T, Failure> {
        let address = place.address();
        let away = |what: &str, error: &dyn fmt::Display| {
            Failure::Other(UpstreamError::Unavailable(format!("{what} {address}: {error}")))
        };
        let name = ServerName::try_from(place.host.clone())
            .map_err(|_| UpstreamError::Material(format!("the host of {place} is no name")))?;
        let connected = dial(&place.host, place.port).await;
        let stream = connected.map_err(|error| away("connecting to", &error))?;
        let stream = TlsConnector::from(Arc::clone(&self.tls))
            .connect(name, stream)
            .await;
        let stream = stream.map_err(|error| away("the TLS handshake with", &error))?;
        let mut fields = vec![("content-type", "application/json"), ("x-vault-request", "true")];
        fields.extend(asked.token.map(|token| ("x-vault-token", token)));
        fields.extend(self.namespace.as_deref().map(|name| ("x-vault-namespace", name)));
        let ask = Ask {
            method: asked.method,
            fields,
            body: asked.body,
            most: MAX_ANSWER,
        };
        let told = exchange(stream, place, ask).await;
        let told = told.map_err(|error| away("the exchange with", &causes(&error)))?;
        // It may have a token in it.
        let body = Zeroizing::new(told.body);
        if told.status == 200 {
            // What cannot be read is not repeated, for the same reason.
            return serde_json::from_slice(&body).map_err(|error| {
                let place = (error.line(), error.column());
                let reason =
                    format!("{address} answered with something else than was asked for, at {place:?}");
                UpstreamError::Unfit(reason).into()
            });
        }
        Err(refusal(&address, told.status, &body))
    }
}

/// What an answer means that is no success.
fn refusal(address: &str, status: u16, body: &[u8]) -> Failure {
    let said = serde_json::from_slice::<Errors>(body).map(|said| said.errors.join("; "));
    let said = said.ok().filter(|said| !said.is_empty());
    let said = match said {
        Some(said) => format!("{address} answered {status}: {}", printable(said.trim())),
        None => format!("{address} answered {status}"),
    };
    match status {
        403 => Failure::Forbidden(said),
        300..400 => UpstreamError::Material(format!(
            "{said}, which leads elsewhere and is not followed; name the active server itself"
        ))
        .into(),
        // A standby, a sealed server, or too much to do.
        429 | 472 | 473 | 500.. => UpstreamError::Unavailable(said).into(),
        _ => UpstreamError::Refused(said).into(),
    }
}

fn own_certificate(
    tls: &ClientConfig,
    certificate: &Path,
    key: &Path,
) -> Result<CertifiedKey, UpstreamError> {
    let material = |file: &Path, error: &dyn fmt::Display| {
        UpstreamError::Material(format!("{}: {error}", file.display()))
    };
    let pem = read(certificate)?;
    let chain = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|error| material(certificate, &error))?;
    if chain.is_empty() {
        return Err(material(certificate, &"it holds no certificate"));
    }
    let key_der = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|error| material(key, &error))?;
    CertifiedKey::from_der(chain, key_der, tls.crypto_provider()).map_err(|error| material(key, &error))
}

fn causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_say_who_is_at_fault() {
        let said = br#"{"errors":["1 error occurred:\n\t* permission denied\n\n"]}"#;
        assert!(
            matches!(refusal("h:1", 403, said), Failure::Forbidden(it) if it.contains("permission denied"))
        );
        for status in [429, 472, 473, 500, 502, 503] {
            let failure = refusal("h:1", status, b"<html>");
            assert!(
                matches!(&failure, Failure::Other(UpstreamError::Unavailable(_))),
                "{status}: {failure:?}"
            );
        }
        for status in [400, 404, 405] {
            let failure = refusal("h:1", status, br#"{"errors":[]}"#);
            assert!(
                matches!(&failure, Failure::Other(UpstreamError::Refused(it)) if it == &format!("h:1 answered {status}"))
            );
        }
        let failure = refusal("h:1", 307, b"");
        assert!(
            matches!(&failure, Failure::Other(UpstreamError::Material(it)) if it.contains("active server"))
        );
    }
}
