//! What the node attests with, and where it comes from.

use std::fmt::Debug;

use async_trait::async_trait;
use spiffe::SpiffeId;
use symbolon_attestation::Prover;
use symbolon_attestation::join_token::{InvalidToken, JoinToken, TokenProver};
use symbolon_hsm::{PassphraseError, SecretSource};
use zeroize::Zeroizing;

use super::{methods, outside};
use crate::config::{AgentConfig, AttestorConfig};

/// Where evidence comes from. It is asked each time that the node has to attest.
#[async_trait]
pub trait EvidenceSource: Send + Sync + Debug {
    /// A method with what it needs. `last` is the identity of the last attestation, by which a source can tell that what it
    /// has is spent.
    ///
    /// # Errors
    /// [`EvidenceError`]: there is nothing, or nothing fresh. It may be asked again.
    async fn prover(&self, last: Option<&SpiffeId>) -> Result<Box<dyn Prover>, EvidenceError>;
}

/// Why there is no evidence. The fault is on the node's side.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvidenceError {
    /// Nothing is configured.
    #[error(
        "nothing is configured to attest with; set `attestor.join_token_file` or `attestor.join_token_env`, or one of the \
         sections of [attestor]"
    )]
    NotConfigured,
    /// The file or variable with the join token cannot be read.
    #[error("the join token from {from} cannot be read: {reason}")]
    Unreadable {
        /// Where it should be.
        from: String,
        /// What is wrong, without the token.
        reason: String,
    },
    /// What is there is no join token.
    #[error("{from}: {problem}")]
    Malformed {
        /// Where it came from.
        from: String,
        /// What is wrong with it.
        problem: InvalidToken,
    },
    /// A file of another method's cannot be used.
    #[error("{from} cannot be used to attest with: {reason}")]
    Unusable {
        /// Which.
        from: String,
        /// What is wrong with it.
        reason: String,
    },
    /// This agent has used the token.
    #[error("the join token from {from} was used up by this agent before; it needs a fresh one")]
    Spent {
        /// Where it came from.
        from: String,
    },
    /// The server said no to it.
    #[error("the server refused it: {0}; a fresh one is needed")]
    Refused(String),
    /// A source of the caller's failed.
    #[error("{0}")]
    Other(String),
}

/// Evidence as the configuration names it.
#[derive(Debug)]
pub struct ConfiguredEvidence {
    trust_domain: spiffe::TrustDomain,
    attestor: AttestorConfig,
}

impl ConfiguredEvidence {
    /// The source that a configuration names.
    pub fn new(config: &AgentConfig) -> Self {
        Self {
            trust_domain: config.trust_domain.clone(),
            attestor: config.attestor.clone(),
        }
    }

    /// What does without a token; `None` if a token is what there is.
    fn lasting(&self) -> Option<impl FnOnce() -> Result<Box<dyn Prover>, EvidenceError> + Send + 'static> {
        let Self {
            trust_domain,
            attestor,
        } = self;
        let has_one = attestor.sections().any(|(_, is_there)| is_there);
        let (trust_domain, attestor) = (trust_domain.clone(), attestor.clone());
        has_one.then_some(move || lasting(&trust_domain, &attestor))
    }

    fn source(&self) -> Result<SecretSource, EvidenceError> {
        match (&self.attestor.join_token_file, &self.attestor.join_token_env) {
            (Some(file), _) => Ok(SecretSource::File(file.clone())),
            (None, Some(name)) => Ok(SecretSource::Environment(name.clone())),
            (None, None) => Err(EvidenceError::NotConfigured),
        }
    }
}

#[async_trait]
impl EvidenceSource for ConfiguredEvidence {
    async fn prover(&self, last: Option<&SpiffeId>) -> Result<Box<dyn Prover>, EvidenceError> {
        if let Some(make) = self.lasting() {
            let making = tokio::task::spawn_blocking(make).await;
            return making.map_err(|error| EvidenceError::Other(error.to_string()))?;
        }
        let source = self.source()?;
        let from = source.to_string();
        let reading = tokio::task::spawn_blocking(move || read(&source));
        let token = match reading.await {
            Ok(token) => token?,
            Err(error) => return Err(EvidenceError::Other(error.to_string())),
        };
        // The token is a part of the identity it led to.
        if last.is_some() && token.agent_id(&self.trust_domain).ok().as_ref() == last {
            return Err(EvidenceError::Spent { from });
        }
        Ok(Box::new(TokenProver::new(token)))
    }
}

/// By what a node has for good. Blocks while files are read.
fn lasting(
    trust_domain: &spiffe::TrustDomain,
    attestor: &AttestorConfig,
) -> Result<Box<dyn Prover>, EvidenceError> {
    if let Some(section) = &attestor.x509pop {
        return methods::x509pop(trust_domain, section);
    }
    if let Some(prover) = outside::prover(attestor) {
        return prover;
    }
    #[cfg(feature = "tpm")]
    {
        if let Some(section) = &attestor.tpm {
            return methods::tpm(trust_domain, section);
        }
        if let Some(section) = &attestor.tpm_devid {
            return methods::tpm_devid(section);
        }
    }
    Err(EvidenceError::NotConfigured)
}

fn read(source: &SecretSource) -> Result<JoinToken, EvidenceError> {
    let from = || source.to_string();
    let unreadable = |reason: String| EvidenceError::Unreadable { from: from(), reason };
    let nobody_to_ask = || Err(PassphraseError::Prompt(std::io::ErrorKind::Unsupported.into()));
    let secret = match source.read(nobody_to_ask) {
        Ok(secret) => Zeroizing::new(secret.expose().to_vec()),
        Err(PassphraseError::Length { found } | PassphraseError::LengthFrom { found, .. }) => {
            let problem = InvalidToken(found);
            return Err(EvidenceError::Malformed {
                from: from(),
                problem,
            });
        }
        Err(PassphraseError::NoVariable { .. }) => return Err(unreadable("it is not set".to_owned())),
        Err(PassphraseError::File(error)) => {
            let system = std::error::Error::source(&error).map(|source| format!(": {source}"));
            return Err(unreadable(format!("{error}{}", system.unwrap_or_default())));
        }
        Err(error) => return Err(unreadable(error.to_string())),
    };
    let token = secret.trim_ascii();
    JoinToken::parse(token).map_err(|problem| EvidenceError::Malformed {
        from: from(),
        problem,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    use spiffe::TrustDomain;

    use super::*;

    fn source(file: Option<PathBuf>, variable: Option<&str>) -> ConfiguredEvidence {
        ConfiguredEvidence {
            trust_domain: TrustDomain::new("example.org").unwrap(),
            attestor: AttestorConfig {
                join_token_file: file,
                join_token_env: variable.map(str::to_owned),
                ..AttestorConfig::default()
            },
        }
    }

    async fn refusal(source: &ConfiguredEvidence) -> String {
        match source.prover(None).await {
            Ok(_) => panic!("there is evidence"),
            Err(error) => error.to_string(),
        }
    }

    #[tokio::test]
    async fn a_token_is_read_anew_and_known_again_once_spent() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("token");
        std::fs::write(&path, "kite-7\n").unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        let source = source(Some(path.clone()), None);
        let mut prover = source.prover(None).await.unwrap();
        assert_eq!(&**prover.evidence().await.unwrap(), b"kite-7");

        let id = SpiffeId::new("spiffe://example.org/spire/agent/join_token/kite-7").unwrap();
        assert!(matches!(
            source.prover(Some(&id)).await,
            Err(EvidenceError::Spent { .. })
        ));
        std::fs::write(&path, "kite-8").unwrap();
        assert!(source.prover(Some(&id)).await.is_ok());
    }

    #[tokio::test]
    async fn what_is_wrong_is_said_and_the_token_is_not() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("token");
        let from_file = source(Some(path.clone()), None);
        assert!(refusal(&from_file).await.contains("token"));
        std::fs::write(&path, "sec ret").unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
        assert!(refusal(&from_file).await.contains("chmod 600"));
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        let error = refusal(&from_file).await;
        assert!(error.contains("7 bytes") && !error.contains("sec ret"), "{error}");
        let error = refusal(&source(None, Some("SYMBOLON_NOT_SET"))).await;
        assert!(
            error.contains("SYMBOLON_NOT_SET") && error.contains("not set"),
            "{error}"
        );
        assert!(
            refusal(&source(None, None))
                .await
                .contains("attestor.join_token_file")
        );
    }
}
