//! The server's half.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use serde::Deserialize;
use spiffe::TrustDomain;
use symbolon_pki::jwt::Algorithm;
use symbolon_pki::text::printable;

use super::{AUDIENCE, METHOD};
use crate::aside::PAYLOAD;
use crate::first_use::{KnownAgents, Once};
use crate::key_set::{Expected, KeySource, Token};
use crate::path_template::PathTemplate;
use crate::{AttestationError, Attested, Challenger, Verifier, check_len};

/// How far clocks may differ.
const LEEWAY: Duration = Duration::from_secs(60);

/// How the server verifies.
#[derive(Clone, Debug)]
pub struct GcpIitConfig {
    /// In which agents are named.
    pub trust_domain: TrustDomain,
    /// The projects whose machines are let in.
    pub projects: BTreeSet<String>,
    /// Who makes the tokens: [`ISSUER`](super::ISSUER).
    pub issuer: String,
    /// The keys that vouch for them.
    pub keys: KeySource,
    /// How agents are named.
    pub template: PathTemplate,
    /// Where it is seen whether a machine was let in before.
    pub known: Arc<dyn KnownAgents>,
}

/// Lets in virtual machines of Google's.
#[derive(Debug)]
pub struct GcpIitVerifier(GcpIitConfig);

#[derive(Deserialize)]
struct Claims {
    #[serde(default)]
    email: String,
    #[serde(default)]
    google: Option<Google>,
}

#[derive(Deserialize)]
struct Google {
    compute_engine: Machine,
}

#[derive(Deserialize)]
struct Machine {
    project_id: String,
    zone: String,
    instance_id: String,
    instance_name: String,
}

impl GcpIitVerifier {
    /// A verifier that is configured so.
    pub fn new(config: GcpIitConfig) -> Self {
        Self(config)
    }
}

#[async_trait]
impl Verifier for GcpIitVerifier {
    fn method(&self) -> &'static str {
        METHOD
    }

    async fn verify(
        &self,
        evidence: &[u8],
        _challenger: &mut dyn Challenger,
        now: SystemTime,
    ) -> Result<Attested, AttestationError> {
        check_len(PAYLOAD, evidence)?;
        let text = std::str::from_utf8(evidence).map_err(|_| AttestationError::Malformed {
            field: PAYLOAD,
            reason: "it is no token".to_owned(),
        })?;
        let token = Token::parse(PAYLOAD, text, &[Algorithm::Rs256])?;
        let expected = Expected {
            issuers: std::slice::from_ref(&self.0.issuer),
            tenant: None,
            audience: AUDIENCE,
            leeway: LEEWAY,
        };
        let claims: Claims = token.verify(&self.0.keys, &expected, now).await?;
        let denied = |reason: String| AttestationError::Denied(reason);
        let machine = claims.google.map(|google| google.compute_engine).ok_or_else(|| {
            denied(
                "the token does not say which machine it is of: it has to be asked for with format=full"
                    .to_owned(),
            )
        })?;
        if !self.0.projects.contains(&machine.project_id) {
            return Err(denied(format!(
                "the project {} is not in `projectid_allow_list`",
                printable(&machine.project_id)
            )));
        }
        let value = |name: &str| match name {
            "ProjectID" => Some(machine.project_id.clone()),
            "InstanceID" => Some(machine.instance_id.clone()),
            "InstanceName" => Some(machine.instance_name.clone()),
            "Zone" => Some(machine.zone.clone()),
            "ServiceAccount" => Some(claims.email.replace('@', "_")),
            _ => None,
        };
        let once = Once {
            method: METHOD,
            trust_domain: &self.0.trust_domain,
            template: &self.0.template,
            known: &*self.0.known,
        };
        let described = [
            ("project-id", &machine.project_id),
            ("zone", &machine.zone),
            ("instance-name", &machine.instance_name),
            ("sa", &claims.email),
        ];
        once.let_in(value, described).await
    }
}
