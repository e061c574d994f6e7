//! What a path must be worth to be accepted.

use std::fmt;
use std::str::FromStr;

use crate::suite::Form;

/// What a verifier asks of every key on a path, the leaf's and the authority's included.
///
/// Ordered by what it asks: whatever a stricter policy accepts, a laxer one does too.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum PathPolicy {
    /// Any key will do: for as long as there are peers that have nothing else. Whoever can forge for a classical
    /// authority of the bundle then passes for any workload.
    #[default]
    ClassicalOk,
    /// No key may be classical: a quantum attacker forges nothing. Whoever breaks ML-DSA may.
    PqRequired,
    /// Every key must be a composite, or have an alternative key beside it: to forge, one has to break both halves.
    HybridRequired,
}

impl PathPolicy {
    /// Every policy, the laxest first.
    pub const ALL: [Self; 3] = [Self::ClassicalOk, Self::PqRequired, Self::HybridRequired];

    /// The name used in configuration and output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ClassicalOk => "classical-ok",
            Self::PqRequired => "pq-required",
            Self::HybridRequired => "hybrid-required",
        }
    }

    /// Whether a key of this form may stand on a path. A catalyst certificate is of that form to who verifies both its
    /// signatures, and otherwise classical.
    #[must_use]
    pub const fn accepts(self, form: Form) -> bool {
        match self {
            Self::ClassicalOk => true,
            Self::PqRequired => !matches!(form, Form::Classical),
            Self::HybridRequired => matches!(form, Form::Composite | Form::Paired | Form::Catalyst),
        }
    }
}

impl fmt::Display for PathPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A policy name that this build does not know.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("unknown policy {0:?}; known: {known}", known = PathPolicy::ALL.map(PathPolicy::name).join(", "))]
pub struct UnknownPathPolicy(pub String);

impl FromStr for PathPolicy {
    type Err = UnknownPathPolicy;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|policy| policy.name() == name)
            .ok_or_else(|| UnknownPathPolicy(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back_and_others_are_refused() {
        for policy in PathPolicy::ALL {
            assert_eq!(policy.to_string().parse(), Ok(policy));
        }
        let error = "Hybrid-Required".parse::<PathPolicy>().unwrap_err().to_string();
        assert!(
            error.contains("\"Hybrid-Required\"") && error.contains("pq-required"),
            "{error}"
        );
    }

    #[test]
    fn a_stricter_policy_accepts_less() {
        let accepted = PathPolicy::ALL.map(|policy| Form::OF_KEYS.map(|form| policy.accepts(form)));
        let hybrids = [Form::Paired, Form::Catalyst];
        assert!(
            PathPolicy::ALL
                .iter()
                .all(|policy| hybrids.iter().all(|form| policy.accepts(*form)))
        );
        assert_eq!(
            accepted,
            [[true, true, true], [false, true, true], [false, false, true]]
        );
    }
}
