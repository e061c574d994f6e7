//! The server's half.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use serde::Deserialize;
use spiffe::TrustDomain;
use symbolon_pki::jwt::Algorithm;
use symbolon_pki::text::printable;

use super::{Evidence, METHOD};
use crate::aside::PAYLOAD;
use crate::first_use::{KnownAgents, Once};
use crate::key_set::{Expected, KeySource, Token};
use crate::path_template::PathTemplate;
use crate::x509pop::message::read;
use crate::{AttestationError, Attested, Challenger, Verifier};

/// How far clocks may differ, as in SPIRE: tokens are valid for hours.
const LEEWAY: Duration = Duration::from_secs(5 * 60);

/// A tenant whose machines are let in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tenant {
    /// For whom its tokens are made.
    pub resource: String,
    /// Who makes them: [`issuers`](super::issuers).
    pub issuers: Vec<String>,
    /// The subscriptions whose machines are let in; all, if none is named.
    pub subscriptions: Vec<String>,
}

/// How the server verifies.
#[derive(Clone, Debug)]
pub struct AzureMsiConfig {
    /// In which agents are named.
    pub trust_domain: TrustDomain,
    /// The tenants by their ids.
    pub tenants: BTreeMap<String, Tenant>,
    /// The keys that vouch for tokens.
    pub keys: KeySource,
    /// How agents are named.
    pub template: PathTemplate,
    /// Where it is seen whether a machine was let in before.
    pub known: Arc<dyn KnownAgents>,
}

/// Lets in virtual machines of Azure's.
#[derive(Debug)]
pub struct AzureMsiVerifier(AzureMsiConfig);

#[derive(Deserialize)]
struct Claims {
    #[serde(default)]
    tid: String,
    #[serde(default)]
    sub: String,
    #[serde(default)]
    xms_mirid: Option<String>,
}

/// A virtual machine, by the path that Azure's resources have.
#[derive(Debug, Eq, PartialEq)]
struct Machine {
    subscription: String,
    group: String,
    name: String,
}

impl Machine {
    /// Reads a resource's path. Its fixed parts are compared without regard to case, as Azure does.
    fn parse(path: &str) -> Option<Self> {
        let parts: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
        let &[one, subscription, two, group, three, provider, four, name] = parts.as_slice() else {
            return None;
        };
        let fixed = [
            (one, "subscriptions"),
            (two, "resourceGroups"),
            (three, "providers"),
            (provider, "Microsoft.Compute"),
            (four, "virtualMachines"),
        ];
        let is_machine = fixed
            .iter()
            .all(|(found, wanted)| found.eq_ignore_ascii_case(wanted));
        let is_whole = [subscription, group, name].iter().all(|part| !part.is_empty());
        (is_machine && is_whole).then(|| Self {
            subscription: subscription.to_owned(),
            group: group.to_owned(),
            name: name.to_owned(),
        })
    }
}

impl AzureMsiVerifier {
    /// A verifier that is configured so.
    pub fn new(config: AzureMsiConfig) -> Self {
        Self(config)
    }
}

#[async_trait]
impl Verifier for AzureMsiVerifier {
    fn method(&self) -> &'static str {
        METHOD
    }

    async fn verify(
        &self,
        evidence: &[u8],
        _challenger: &mut dyn Challenger,
        now: SystemTime,
    ) -> Result<Attested, AttestationError> {
        let evidence: Evidence = read(PAYLOAD, evidence)?;
        let token = Token::parse(PAYLOAD, &evidence.token, &Algorithm::ALL)?;
        let denied = |reason: String| AttestationError::Denied(reason);
        // Which tenant it says it is of decides what it has to be; the signature and the issuer decide whether it is.
        let said: Claims = token.unverified()?;
        let tenant = self
            .0
            .tenants
            .get(&said.tid)
            .ok_or_else(|| denied(format!("the tenant {} is not configured", printable(&said.tid))))?;
        let expected = Expected {
            issuers: &tenant.issuers,
            tenant: Some(&said.tid),
            audience: &tenant.resource,
            leeway: LEEWAY,
        };
        let claims: Claims = token.verify(&self.0.keys, &expected, now).await?;
        let resource = claims.xms_mirid.as_deref().unwrap_or_default();
        let machine = Machine::parse(resource).ok_or_else(|| {
            denied(format!(
                "the token is not of a virtual machine's own identity: its xms_mirid is {:?}",
                printable(resource)
            ))
        })?;
        let subscriptions = &tenant.subscriptions;
        if !subscriptions.is_empty() && !subscriptions.contains(&machine.subscription) {
            return Err(denied(format!(
                "the subscription {} is not one of the tenant's `subscriptions`",
                printable(&machine.subscription)
            )));
        }
        let value = |name: &str| match name {
            "TenantID" => Some(claims.tid.clone()),
            "PrincipalID" => Some(claims.sub.clone()),
            _ => None,
        };
        let once = Once {
            method: METHOD,
            trust_domain: &self.0.trust_domain,
            template: &self.0.template,
            known: &*self.0.known,
        };
        let vm_name = format!("{}:{}", machine.group, machine.name);
        let described = [("subscription-id", &machine.subscription), ("vm-name", &vm_name)];
        once.let_in(value, described).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_are_told_from_what_else_has_an_identity() {
        let path = "/subscriptions/s-1/resourcegroups/group/providers/Microsoft.Compute/virtualMachines/vm-1";
        let machine = Machine::parse(path).unwrap();
        assert_eq!(
            (&*machine.subscription, &*machine.group, &*machine.name),
            ("s-1", "group", "vm-1")
        );
        for other in [
            "",
            "/",
            "/subscriptions/s/resourcegroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i",
            "/subscriptions/s/resourcegroups/g/providers/Microsoft.Compute/virtualMachineScaleSets/v",
            "/subscriptions//resourcegroups/g/providers/Microsoft.Compute/virtualMachines/v",
            "/subscriptions/s/resourcegroups/g/providers/Microsoft.Compute/virtualMachines/v/extensions/e",
            "subscriptions/s/resourcegroups/g/providers/Microsoft.Compute/virtualMachines/v",
        ] {
            assert_eq!(Machine::parse(other), None, "{other}");
        }
    }
}
