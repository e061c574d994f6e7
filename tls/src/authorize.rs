//! Which SPIFFE IDs may be at the other end. How well they must be proven is `peer_policy` in the options of either
//! side.

use std::fmt;
use std::sync::Arc;

use spiffe::{SpiffeId, TrustDomain};

/// A rule over the SPIFFE ID of a peer whose SVID has been verified.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum AuthorizeId {
    /// Any identity of any trust domain whose bundle is held.
    Any,
    /// Any identity of one trust domain.
    AnyIn(TrustDomain),
    /// These identities and no other.
    OneOf(Vec<SpiffeId>),
    /// A rule of the caller's; make it with [`AuthorizeId::custom`].
    Custom(CustomRule),
}

impl AuthorizeId {
    /// A rule of the caller's. `rule` says why it refuses an identity, as the end of the sentence
    /// "peer … is not authorised: …".
    pub fn custom(rule: impl Fn(&SpiffeId) -> Result<(), String> + Send + Sync + 'static) -> Self {
        Self::Custom(CustomRule(Arc::new(rule)))
    }

    /// Whether `id` may be at the other end.
    ///
    /// # Errors
    /// The reason of the refusal, in words.
    pub fn authorize(&self, id: &SpiffeId) -> Result<(), String> {
        match self {
            Self::Any => Ok(()),
            Self::AnyIn(trust_domain) if id.is_member_of(trust_domain) => Ok(()),
            Self::AnyIn(trust_domain) => Err(format!("only identities of trust domain {trust_domain} are")),
            Self::OneOf(ids) if ids.contains(id) => Ok(()),
            Self::OneOf(ids) => match ids.as_slice() {
                [only] => Err(format!("only {only} is")),
                _ => Err(format!("it is not one of the {} identities that are", ids.len())),
            },
            Self::Custom(rule) => (rule.0)(id),
        }
    }

    /// Whether an identity of this trust domain could pass. Decides which authorities' forms and names are offered
    /// to the peer, so a custom rule, whose reach is not known, counts as yes.
    pub fn may_reach(&self, trust_domain: &TrustDomain) -> bool {
        match self {
            Self::Any | Self::Custom(_) => true,
            Self::AnyIn(only) => only == trust_domain,
            Self::OneOf(ids) => ids.iter().any(|id| id.is_member_of(trust_domain)),
        }
    }
}

type Rule = dyn Fn(&SpiffeId) -> Result<(), String> + Send + Sync;

/// The function behind [`AuthorizeId::Custom`].
#[derive(Clone)]
pub struct CustomRule(Arc<Rule>);

impl fmt::Debug for CustomRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CustomRule")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> SpiffeId {
        SpiffeId::new(text).unwrap()
    }

    fn domain(text: &str) -> TrustDomain {
        TrustDomain::new(text).unwrap()
    }

    #[test]
    fn a_trust_domain_rule_is_about_the_trust_domain() {
        let rule = AuthorizeId::AnyIn(domain("example.org"));
        assert!(rule.authorize(&id("spiffe://example.org/web")).is_ok());
        assert_eq!(
            rule.authorize(&id("spiffe://example.com/web")).unwrap_err(),
            "only identities of trust domain example.org are"
        );
        assert!(rule.may_reach(&domain("example.org")));
        assert!(!rule.may_reach(&domain("example.com")));
    }

    #[test]
    fn a_list_is_exact() {
        let rule = AuthorizeId::OneOf(vec![id("spiffe://example.org/db")]);
        assert!(rule.authorize(&id("spiffe://example.org/db")).is_ok());
        assert!(rule.authorize(&id("spiffe://example.org/db/x")).is_err());
        assert!(rule.may_reach(&domain("example.org")));
        assert!(!rule.may_reach(&domain("other.org")));
        assert!(
            AuthorizeId::OneOf(vec![])
                .authorize(&id("spiffe://example.org/db"))
                .is_err()
        );
    }

    #[test]
    fn a_custom_rule_gives_its_own_reason() {
        let rule = AuthorizeId::custom(|id| {
            if id.path() == "/web" {
                Ok(())
            } else {
                Err("not web".into())
            }
        });
        assert!(rule.authorize(&id("spiffe://example.org/web")).is_ok());
        assert_eq!(
            rule.authorize(&id("spiffe://example.org/db")).unwrap_err(),
            "not web"
        );
        assert!(AuthorizeId::Any.authorize(&id("spiffe://example.org/db")).is_ok());
    }
}
