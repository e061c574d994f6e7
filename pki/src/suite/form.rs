//! Forms and families.

use std::fmt;
use std::str::FromStr;

use super::Suite;

/// What a workload is given: which kind of key its SVID holds. Requests name it; absent means classical.
///
/// Forms are ordered by what they are worth, so that a chain's worth is the least form on it: a classical key can be
/// forged by a quantum attacker, an ML-DSA key by whoever breaks ML-DSA, a composite by who can do both.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Form {
    /// Today's SVID, with an ECDSA, Ed25519 or RSA key.
    #[default]
    Classical,
    /// An ML-DSA key alone (RFC 9881).
    MlDsa,
    /// A composite of ML-DSA and a classical key, believed only when both halves match.
    Composite,
}

impl Form {
    /// Every form, classical first.
    pub const ALL: [Self; 3] = [Self::Classical, Self::MlDsa, Self::Composite];

    /// The name used on the wire and in output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Classical => "classical",
            Self::MlDsa => "ml-dsa",
            Self::Composite => "composite",
        }
    }

    /// The family that issues this form.
    pub const fn family(self) -> Family {
        match self {
            Self::Classical => Family::Classical,
            Self::MlDsa => Family::MlDsa,
            Self::Composite => Family::Composite,
        }
    }

    /// The suite of the leaf keys that workloads get in this form unless asked otherwise.
    pub const fn default_suite(self) -> Suite {
        match self {
            Self::Classical => Suite::EcdsaP256,
            Self::MlDsa => Suite::MlDsa65,
            Self::Composite => Suite::MlDsa65EcdsaP256,
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A form name that this build does not know.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("unknown form {0:?}; known: {known}", known = Form::ALL.map(Form::name).join(", "))]
pub struct UnknownForm(pub String);

impl FromStr for Form {
    type Err = UnknownForm;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|form| form.name() == name)
            .ok_or_else(|| UnknownForm(name.to_owned()))
    }
}

/// What issues: a set of authorities that replace each other over time.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Family {
    /// X.509 authorities with classical keys.
    Classical,
    /// X.509 authorities with ML-DSA keys.
    MlDsa,
    /// X.509 authorities with composite keys.
    Composite,
    /// Keys that sign JWT-SVIDs.
    Jwt,
}

impl Family {
    /// Every family.
    pub const ALL: [Self; 4] = [Self::Classical, Self::MlDsa, Self::Composite, Self::Jwt];

    /// The name used in key labels, the journal and output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Classical => "classical",
            Self::MlDsa => "ml-dsa",
            Self::Composite => "composite",
            Self::Jwt => "jwt",
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A family name that this build does not know.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("unknown family {0:?}; known: {known}", known = Family::ALL.map(Family::name).join(", "))]
pub struct UnknownFamily(pub String);

impl FromStr for Family {
    type Err = UnknownFamily;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|family| family.name() == name)
            .ok_or_else(|| UnknownFamily(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back() {
        for form in Form::ALL {
            assert_eq!(form.name().parse(), Ok(form));
        }
        assert!(Form::Classical < Form::MlDsa && Form::MlDsa < Form::Composite);
        for family in Family::ALL {
            assert_eq!(family.name().parse(), Ok(family));
        }
    }
}
