//! The components: which key types exist, with which signature scheme, and how long their bytes are.

use std::fmt;
use std::str::FromStr;

/// One key type together with the one signature scheme it is used with.
///
/// Lengths are those of the raw encodings this crate uses everywhere: X9.62 uncompressed points and big-endian
/// scalars for ECDSA (SEC 1), RFC 8032 strings for Ed25519, FIPS 204 public keys and 32-byte seeds for ML-DSA.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Component {
    /// ECDSA on P-256 with SHA-256 (FIPS 186-5).
    EcdsaP256Sha256,
    /// ECDSA on P-384 with SHA-384 (FIPS 186-5).
    EcdsaP384Sha384,
    /// Ed25519 (RFC 8032).
    Ed25519,
    /// ML-DSA-44 (FIPS 204), security category 2.
    MlDsa44,
    /// ML-DSA-65 (FIPS 204), security category 3.
    MlDsa65,
    /// ML-DSA-87 (FIPS 204), security category 5.
    MlDsa87,
}

impl Component {
    /// The components of what is offered without being asked for by name: those of the hot path, all of them aws-lc's.
    pub const DEFAULTS: [Self; 6] = [
        Self::EcdsaP256Sha256,
        Self::EcdsaP384Sha384,
        Self::Ed25519,
        Self::MlDsa44,
        Self::MlDsa65,
        Self::MlDsa87,
    ];

    /// Every component, in the order in which tables list them.
    pub const ALL: [Self; 6] = Self::DEFAULTS;

    /// The name used in configuration, key labels and output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::EcdsaP256Sha256 => "ecdsa-p256-sha256",
            Self::EcdsaP384Sha384 => "ecdsa-p384-sha384",
            Self::Ed25519 => "ed25519",
            Self::MlDsa44 => "ml-dsa-44",
            Self::MlDsa65 => "ml-dsa-65",
            Self::MlDsa87 => "ml-dsa-87",
        }
    }

    /// Length of a raw public key, in bytes.
    pub const fn public_key_len(self) -> usize {
        match self {
            Self::EcdsaP256Sha256 => 65,
            Self::EcdsaP384Sha384 => 97,
            Self::Ed25519 => 32,
            Self::MlDsa44 => 1312,
            Self::MlDsa65 => 1952,
            Self::MlDsa87 => 2592,
        }
    }

    /// Length of the secret a software key is made from (an ECDSA scalar, an Ed25519 or ML-DSA seed), in bytes.
    pub const fn private_key_len(self) -> usize {
        match self {
            Self::EcdsaP384Sha384 => 48,
            Self::EcdsaP256Sha256 | Self::Ed25519 | Self::MlDsa44 | Self::MlDsa65 | Self::MlDsa87 => 32,
        }
    }

    /// Length of the longest signature, in bytes. Only ECDSA signatures vary, being DER.
    pub const fn max_signature_len(self) -> usize {
        match self {
            Self::EcdsaP256Sha256 => 72,
            Self::EcdsaP384Sha384 => 104,
            Self::Ed25519 => 64,
            Self::MlDsa44 => 2420,
            Self::MlDsa65 => 3309,
            Self::MlDsa87 => 4627,
        }
    }

    /// Whether this is an ML-DSA component, whose signatures resist quantum attack and take a context.
    pub const fn is_ml_dsa(self) -> bool {
        matches!(self, Self::MlDsa44 | Self::MlDsa65 | Self::MlDsa87)
    }
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A component name that this build does not know.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("unknown key algorithm {0:?}; known: {known}", known = Component::ALL.map(Component::name).join(", "))]
pub struct UnknownComponent(pub String);

impl FromStr for Component {
    type Err = UnknownComponent;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|c| c.name() == name)
            .ok_or_else(|| UnknownComponent(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back() {
        for component in Component::ALL {
            assert_eq!(component.name().parse(), Ok(component));
        }
    }

    #[test]
    fn an_unknown_name_is_named_in_the_error() {
        let error = "ml-dsa-66".parse::<Component>().unwrap_err().to_string();
        assert!(
            error.contains("ml-dsa-66") && error.contains("ml-dsa-65"),
            "{error}"
        );
    }
}
