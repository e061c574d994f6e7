//! What the root may sign: the same rules when a request comes in and when a transcript is verified.

use std::collections::BTreeMap;
use std::time::Duration;

use spiffe::TrustDomain;
use symbolon_host::HumanDuration;
use symbolon_pki::certificate::Certificate;
use symbolon_pki::csr::{Csr, CsrError};
use symbolon_pki::key::SubjectKey;
use symbolon_pki::suite::Suite;

use super::plan::{Name, Plan};

/// Why the root does not sign a request.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// It cannot be read, or its proof of possession is wrong.
    #[error(transparent)]
    Csr(#[from] CsrError),
    /// It asks for no identity, or for one that is not the trust domain's own.
    #[error("the request must ask for spiffe://{wanted}, the trust domain itself, and asks for {found}")]
    TrustDomain {
        /// The root's trust domain.
        wanted: TrustDomain,
        /// What it asks for.
        found: String,
    },
    /// A key of a kind that the policy does not have.
    #[error("its key is {found}, and the policy allows {allowed}")]
    Suite {
        /// The kind of the key.
        found: String,
        /// The suites of the policy.
        allowed: String,
    },
    /// A key that is in use elsewhere.
    #[error("its {what} key is also that of {owner}, and no key is used twice")]
    KeyInUse {
        /// Which of its keys.
        what: String,
        /// Whose it is.
        owner: String,
    },
    /// A lifetime that the policy does not allow.
    #[error("it would live for {found}, and the policy allows {allowed}")]
    Lifetime {
        /// What was asked for.
        found: HumanDuration,
        /// The longest there may be.
        allowed: HumanDuration,
    },
    /// No lifetime at all.
    #[error("a lifetime is longer than nothing")]
    NoLifetime,
    /// The root may have nothing below it.
    #[error("the root has path length 0, so that no authority may stand below it")]
    NothingBelow,
    /// A path that the policy does not allow.
    #[error("it would have path length {found}, and the policy allows {allowed}")]
    PathLength {
        /// What was asked for.
        found: String,
        /// The longest there may be.
        allowed: u8,
    },
    /// There are as many intermediates as the policy allows.
    #[error("the policy allows {0} intermediates, and there are as many")]
    Count(u32),
    /// Two intermediates of one name.
    #[error("there is an intermediate {0} already; give this one another name")]
    Name(Name),
}

/// The keys and names that are taken already.
#[derive(Clone, Debug, Default)]
pub(super) struct Taken {
    keys: BTreeMap<[u8; 32], String>,
    names: Vec<Name>,
}

impl Taken {
    /// Takes the root's keys.
    pub(super) fn root(&mut self, key: &SubjectKey) {
        for hash in key.component_spki_hashes() {
            self.keys.insert(hash, "the root".to_owned());
        }
    }

    /// Takes an intermediate's name and keys.
    pub(super) fn intermediate(&mut self, name: &Name, key: &SubjectKey) {
        for hash in key.component_spki_hashes() {
            self.keys.insert(hash, format!("the intermediate {name}"));
        }
        self.names.push(name.clone());
    }
}

/// Checks a request; the key in it has proven that it is its sender's.
pub(super) fn check(plan: &Plan, taken: &Taken, name: &Name, csr: &Csr) -> Result<(), PolicyError> {
    let asked = csr.spiffe_id()?;
    let fits = asked
        .as_ref()
        .is_some_and(|id| *id.trust_domain() == plan.trust_domain && id.path().is_empty());
    if !fits {
        return Err(PolicyError::TrustDomain {
            wanted: plan.trust_domain.clone(),
            found: asked.map_or_else(|| "none".to_owned(), |id| id.to_string()),
        });
    }
    let suite = match csr.key() {
        SubjectKey::Suite(key) => Some(key.suite()),
        SubjectKey::Rsa(_) => None,
    };
    if !suite.is_some_and(|suite| plan.policy.suites.contains(&suite)) {
        let allowed: Vec<_> = plan.policy.suites.iter().map(|suite| suite.name()).collect();
        return Err(PolicyError::Suite {
            found: csr.key().algorithm_name(),
            allowed: allowed.join(", "),
        });
    }
    if taken.names.contains(name) {
        return Err(PolicyError::Name(name.clone()));
    }
    let count = u32::try_from(taken.names.len()).unwrap_or(u32::MAX);
    if count >= plan.policy.count {
        return Err(PolicyError::Count(plan.policy.count));
    }
    let parts = suite.map_or(&[][..], Suite::components);
    for (index, hash) in csr.key().component_spki_hashes().iter().enumerate() {
        if let Some(owner) = taken.keys.get(hash) {
            return Err(PolicyError::KeyInUse {
                what: parts
                    .get(index)
                    .map(|part| part.name().to_owned())
                    .unwrap_or_default(),
                owner: owner.clone(),
            });
        }
    }
    Ok(())
}

/// Checks the lifetime that was asked for.
pub(super) fn check_lifetime(plan: &Plan, lifetime: Duration) -> Result<(), PolicyError> {
    if lifetime.is_zero() {
        return Err(PolicyError::NoLifetime);
    }
    if lifetime > plan.policy.lifetime {
        return Err(PolicyError::Lifetime {
            found: HumanDuration(lifetime),
            allowed: HumanDuration(plan.policy.lifetime),
        });
    }
    Ok(())
}

/// Checks a path length that was asked for or given.
pub(super) fn check_path_length(plan: &Plan, found: Option<u8>) -> Result<(), PolicyError> {
    if found.is_some_and(|length| length <= plan.policy.path_length) {
        return Ok(());
    }
    Err(PolicyError::PathLength {
        found: found.map_or_else(|| "without limit".to_owned(), |length| length.to_string()),
        allowed: plan.policy.path_length,
    })
}

/// Checks what a certificate says against the policy, long after it was made.
pub(super) fn check_certificate(plan: &Plan, certificate: &Certificate) -> Result<(), PolicyError> {
    check_path_length(plan, certificate.path_len())?;
    check_lifetime(plan, lifetime(certificate))
}

/// How long a certificate lives, without the seconds by which it is backdated.
pub(super) fn lifetime(certificate: &Certificate) -> Duration {
    certificate
        .not_after()
        .duration_since(certificate.not_before())
        .unwrap_or_default()
        .saturating_sub(symbolon_issuance::BACKDATE)
}
