//! The server's half.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use spiffe::TrustDomain;
use symbolon_pki::text::printable;

use super::METHOD;
use super::cms::{self, Signer};
use super::message::{Document, Evidence};
use crate::aside::{PAYLOAD, aside};
use crate::first_use::{KnownAgents, Once};
use crate::path_template::PathTemplate;
use crate::{AttestationError, Attested, Challenger, Verifier, check_len};

/// How the server verifies.
#[derive(Clone, Debug)]
pub struct AwsIidConfig {
    /// In which agents are named.
    pub trust_domain: TrustDomain,
    /// The accounts whose machines are let in.
    pub accounts: BTreeSet<String>,
    /// The certificates that documents are signed with, by region: while Amazon replaces one, the old and the new.
    pub signers: BTreeMap<String, Vec<Signer>>,
    /// How agents are named.
    pub template: PathTemplate,
    /// Where it is seen whether a machine was let in before.
    pub known: Arc<dyn KnownAgents>,
}

/// Lets in virtual machines of Amazon's.
#[derive(Debug)]
pub struct AwsIidVerifier(Arc<AwsIidConfig>);

impl AwsIidConfig {
    /// A document that is signed, and of an account that is let in.
    fn believed(&self, evidence: &[u8]) -> Result<Document, AttestationError> {
        let evidence = Evidence::parse(evidence)?;
        let denied = |reason: String| AttestationError::Denied(reason);
        // The region that it says it is of decides whose signature it has to have.
        let document = evidence.document()?;
        let signers = self.signers.get(&document.region).ok_or_else(|| {
            denied(format!(
                "no certificate is configured for the region {}",
                printable(&document.region)
            ))
        })?;
        let content = cms::verify(signers, &evidence.signature()?)
            .map_err(|reason| denied(format!("the document's signature is not accepted: {reason}")))?;
        if content != evidence.text().as_bytes() {
            return Err(denied("the signature is on another document".to_owned()));
        }
        if !self.accounts.contains(&document.account_id) {
            return Err(denied(format!(
                "the account {} is not in `account_ids_for_local_validation`",
                printable(&document.account_id)
            )));
        }
        Ok(document)
    }
}

impl AwsIidVerifier {
    /// A verifier that is configured so.
    pub fn new(config: AwsIidConfig) -> Self {
        Self(Arc::new(config))
    }
}

#[async_trait]
impl Verifier for AwsIidVerifier {
    fn method(&self) -> &'static str {
        METHOD
    }

    async fn verify(
        &self,
        evidence: &[u8],
        _challenger: &mut dyn Challenger,
        _now: SystemTime,
    ) -> Result<Attested, AttestationError> {
        check_len(PAYLOAD, evidence)?;
        let (config, evidence) = (Arc::clone(&self.0), evidence.to_vec());
        let document = aside(move || config.believed(&evidence)).await?;
        let value = |name: &str| match name {
            "AccountID" => Some(document.account_id.clone()),
            "Region" => Some(document.region.clone()),
            "InstanceID" => Some(document.instance_id.clone()),
            _ => None,
        };
        let once = Once {
            method: METHOD,
            trust_domain: &self.0.trust_domain,
            template: &self.0.template,
            known: &*self.0.known,
        };
        let described = [
            ("account_id", &document.account_id),
            ("az", &document.availability_zone),
            ("image:id", &document.image_id),
            ("instance:id", &document.instance_id),
            ("region", &document.region),
        ];
        once.let_in(value, described).await
    }
}
