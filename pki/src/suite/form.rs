//! Forms and families.

use std::fmt;
use std::str::FromStr;

use super::Suite;

/// What a workload is given: which kind of key its SVID holds. Requests name it; absent means classical.
///
/// Forms are ordered by what they are worth, so that a chain's worth is the least form on it: a classical key can be
/// forged by a quantum attacker, an ML-DSA key by whoever breaks ML-DSA, and the others by who can do both. That holds of
/// a pair or a catalyst certificate whose two halves were both verified; for who looks at the classical half alone they
/// are classical.
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
    /// Two SVIDs, a classical one and an ML-DSA one that names it (RFC 9763).
    Paired,
    /// A classical SVID with an alternative ML-DSA key and signature (X.509, 2019), all the way up its chain.
    Catalyst,
}

impl Form {
    /// Every form, classical first.
    pub const ALL: [Self; 5] = [
        Self::Classical,
        Self::MlDsa,
        Self::Composite,
        Self::Paired,
        Self::Catalyst,
    ];

    /// The forms that a public key by itself tells. The others are told by what stands beside the key: another
    /// certificate, or an alternative key.
    pub const OF_KEYS: [Self; 3] = [Self::Classical, Self::MlDsa, Self::Composite];

    /// The name used on the wire and in output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Classical => "classical",
            Self::MlDsa => "ml-dsa",
            Self::Composite => "composite",
            Self::Paired => "paired",
            Self::Catalyst => "catalyst",
        }
    }

    /// The family that issues this form: for a pair the family of its second SVID, since the first is an ordinary
    /// classical one.
    pub const fn family(self) -> Family {
        match self {
            Self::Classical => Family::Classical,
            Self::MlDsa | Self::Paired => Family::MlDsa,
            Self::Composite => Family::Composite,
            Self::Catalyst => Family::Catalyst,
        }
    }

    /// The suite of the leaf keys that workloads get in this form unless asked otherwise: for a pair that of the second
    /// SVID, for catalyst that of the native key.
    pub const fn default_suite(self) -> Suite {
        match self {
            Self::Classical | Self::Catalyst => Suite::EcdsaP256,
            Self::MlDsa | Self::Paired => Suite::MlDsa65,
            Self::Composite => Suite::MlDsa65EcdsaP256,
        }
    }

    /// The suite of the alternative key that stands beside the leaf's own, in the form that has one.
    pub const fn default_alternative(self) -> Option<Suite> {
        match self {
            Self::Catalyst => Some(Suite::MlDsa65),
            _ => None,
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
    /// X.509 authorities with a classical key and an alternative ML-DSA key.
    Catalyst,
    /// Keys that sign JWT-SVIDs.
    Jwt,
    /// Keys that sign WIT-SVIDs.
    Wit,
}

impl Family {
    /// Every family.
    pub const ALL: [Self; 6] = [
        Self::Classical,
        Self::MlDsa,
        Self::Composite,
        Self::Catalyst,
        Self::Jwt,
        Self::Wit,
    ];

    /// Whether its authorities are keys that sign tokens, and not certificates.
    pub const fn signs_tokens(self) -> bool {
        matches!(self, Self::Jwt | Self::Wit)
    }

    /// The name used in key labels, the journal and output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Classical => "classical",
            Self::MlDsa => "ml-dsa",
            Self::Composite => "composite",
            Self::Catalyst => "catalyst",
            Self::Jwt => "jwt",
            Self::Wit => "wit",
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
