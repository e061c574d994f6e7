//! How the server is recognised before anything else is known.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::SystemTime;

use spiffe::TrustDomain;
use symbolon_pki::bundle::{MAX_BUNDLE_LEN, TrustBundle, X509Authority};
use symbolon_pki::pem;

use super::insecure;
use crate::config::AgentConfig;
use crate::error::AgentError;
use crate::server::server_id;

/// The bundle to recognise the server by: that of the last sync, alone, so that an authority that was revoked since the
/// configured one was written is not believed again. Where there is none, or nothing in it is good any more, the
/// configured one. Where there is neither and the configuration allows it, whatever the server says of itself.
///
/// An authority is revoked only after its successor was made, so it ends before that does: once all of the held bundle has
/// ended, what was revoked has ended too, and the configured bundle cannot bring it back.
///
/// # Errors
/// [`AgentError::Bootstrap`] for a file that cannot be used; [`AgentError::Attestation`] if the server cannot be asked.
pub(crate) async fn trusted_bundle(
    config: &AgentConfig,
    held: Option<&TrustBundle>,
    now: SystemTime,
) -> Result<TrustBundle, AgentError> {
    if let Some(held) = held.filter(|held| is_alive(held, now)) {
        return Ok(held.clone());
    }
    if let Some(path) = config.bootstrap.bundle.clone() {
        let trust_domain = config.trust_domain.clone();
        let reading = tokio::task::spawn_blocking(move || read(&path, &trust_domain));
        return reading
            .await
            .map_err(|error| AgentError::Defect(error.to_string()))?;
    }
    match held {
        Some(held) => Ok(held.clone()),
        None => {
            let server = server_id(&config.trust_domain).map_err(|_| AgentError::TrustDomain)?;
            tracing::warn!(
                address = config.server.address,
                "believing the server without having recognised it"
            );
            insecure::fetch_bundle(&config.server.address, server)
                .await
                .map_err(AgentError::Attestation)
        }
    }
}

/// Whether any authority of a bundle has not ended.
fn is_alive(bundle: &TrustBundle, now: SystemTime) -> bool {
    let mut authorities = bundle.x509_authorities.iter();
    authorities.any(|authority| now < authority.certificate.not_after())
}

/// Reads PEM certificates or a SPIFFE bundle document.
fn read(path: &Path, trust_domain: &TrustDomain) -> Result<TrustBundle, AgentError> {
    let refused = |reason: String| AgentError::Bootstrap {
        path: path.to_owned(),
        reason,
    };
    let mut content = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_BUNDLE_LEN as u64 + 1).read_to_end(&mut content))
        .map_err(|error| refused(error.to_string()))?;
    let bundle = match pem::looks_like_pem(&content) {
        true => {
            let certificates = pem::certificates(&content)
                .and_then(|blocks| blocks.into_iter().collect::<Result<Vec<_>, _>>())
                .map_err(|error| refused(error.to_string()))?;
            TrustBundle {
                x509_authorities: certificates.into_iter().map(X509Authority::new).collect(),
                ..TrustBundle::new(trust_domain.clone())
            }
        }
        false => {
            TrustBundle::from_jwks(trust_domain, &content).map_err(|error| refused(error.to_string()))?
        }
    };
    if bundle.x509_authorities.is_empty() {
        return Err(refused("there is no X.509 authority in it".to_owned()));
    }
    Ok(bundle)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domain() -> TrustDomain {
        TrustDomain::new("example.org").unwrap()
    }

    #[test]
    fn files_that_vouch_for_nobody_are_refused_by_name() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("bundle.json");
        let refusal = || read(&path, &domain()).unwrap_err().to_string();
        assert!(refusal().contains("bundle.json"), "a missing one");
        for (content, words) in [
            ("", "bundle.json"),
            ("{\"keys\":[]}", "no X.509 authority"),
            ("{\"keys\":", "bundle.json"),
            (
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                "bundle.json",
            ),
        ] {
            std::fs::write(&path, content).unwrap();
            assert!(refusal().contains(words), "{content:?} gave {}", refusal());
        }
    }
}
