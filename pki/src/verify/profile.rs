//! Profiles: which keys and hashes an authority on cryptography allows on a path, as data.
//!
//! A [`PathPolicy`](super::PathPolicy) says what a path must be worth; a profile says of which algorithms and sizes it may
//! be made. A profile is a list of rules. Each is about one part of a certificate and allows what it lists, and each
//! part is ruled for leaves and for signing certificates alike, so that nothing is allowed for want of a rule.

mod file;
mod judge;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::SystemTime;

use symbolon_crypto::Component;

pub use self::file::ProfileError;
use super::policy::PathPolicy;
use crate::kem::KemParameterSet;

/// The largest profile read, in bytes.
pub const MAX_PROFILE_LEN: usize = 64 * 1024;
/// The most rules that a profile may have.
pub const MAX_PROFILE_RULES: usize = 64;

/// Profiles that come with this library, by name.
const BUILT_IN: [(&str, &str); 3] = [
    ("cnsa-2.0", include_str!("profiles/cnsa-2.0.toml")),
    ("bsi", include_str!("profiles/bsi-tr-02102-1.toml")),
    ("anssi", include_str!("profiles/anssi.toml")),
];

/// Which keys and hashes may stand on a path.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AlgorithmProfile {
    name: String,
    title: String,
    note: String,
    rules: Vec<ProfileRule>,
}

/// One rule of a profile.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ProfileRule {
    /// Its name within the profile.
    pub id: String,
    /// What it demands, in words.
    pub says: String,
    /// Where that is written.
    pub source: String,
    /// Of when that is: `2026`, `2026-01` or `2026-01-23`.
    pub dated: String,
    /// What it is about.
    pub part: RuledPart,
    /// Whether it is about leaves.
    pub leaves: bool,
    /// Whether it is about signing certificates.
    pub authorities: bool,
    /// What it allows.
    pub allowed: Vec<Allowed>,
    /// RSA keys that belong to no suite are allowed from this many bits on; `None` allows none.
    pub rsa_min_bits: Option<usize>,
    /// The last moment at which it allows anything; `None` is no end.
    pub until: Option<SystemTime>,
}

/// Which part of a certificate a rule is about.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuledPart {
    /// A classical key by itself.
    ClassicalAlone,
    /// A post-quantum signature key by itself.
    PostQuantumAlone,
    /// The classical half of a composite or a catalyst certificate.
    ClassicalHalf,
    /// The post-quantum half of a composite or a catalyst certificate.
    PostQuantumHalf,
    /// The hash of an ECDSA or RSA signature that stands alone.
    Hash,
    /// The key of an ML-KEM certificate.
    Kem,
}

impl RuledPart {
    /// Every part.
    pub const ALL: [Self; 6] = [
        Self::ClassicalAlone,
        Self::PostQuantumAlone,
        Self::ClassicalHalf,
        Self::PostQuantumHalf,
        Self::Hash,
        Self::Kem,
    ];

    /// Its name in a profile's file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ClassicalAlone => "classical-alone",
            Self::PostQuantumAlone => "post-quantum-alone",
            Self::ClassicalHalf => "classical-half",
            Self::PostQuantumHalf => "post-quantum-half",
            Self::Hash => "hash",
            Self::Kem => "kem",
        }
    }
}

/// One thing that a rule allows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Allowed {
    /// A component, alone or as a half, as the rule's part says.
    Component(Component),
    /// A hash.
    Hash(Hash),
    /// An ML-KEM parameter set.
    Kem(KemParameterSet),
}

/// A hash of a classical signature.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Hash {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Hash {
    /// Its name in a profile's file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha-256",
            Self::Sha384 => "sha-384",
            Self::Sha512 => "sha-512",
        }
    }
}

impl AlgorithmProfile {
    /// The names of the profiles that come with this library: `cnsa-2.0`, `bsi` (TR-02102-1) and `anssi`.
    pub const NAMES: [&str; 3] = [BUILT_IN[0].0, BUILT_IN[1].0, BUILT_IN[2].0];

    /// The profile with this name, if it comes with this library.
    ///
    /// # Errors
    /// [`ProfileError::UnknownProfile`].
    pub fn named(name: &str) -> Result<Self, ProfileError> {
        let (_, text) = BUILT_IN
            .iter()
            .find(|(known, _)| *known == name)
            .ok_or_else(|| ProfileError::UnknownProfile(name.to_owned()))?;
        Self::from_toml(text)
    }

    /// Reads a profile in TOML, in the form of those that come with this library (`pki/src/verify/profiles`).
    ///
    /// # Errors
    /// [`ProfileError`]; an unknown key, an unknown algorithm, and a part without a rule are errors.
    pub fn from_toml(text: &str) -> Result<Self, ProfileError> {
        file::from_toml(text)
    }

    /// As [`from_toml`](Self::from_toml), in JSON with the same keys.
    ///
    /// # Errors
    /// As [`from_toml`](Self::from_toml).
    pub fn from_json(text: &str) -> Result<Self, ProfileError> {
        file::from_json(text)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its title.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// What whoever relies on it should know of where it comes from.
    #[must_use]
    pub fn note(&self) -> &str {
        &self.note
    }

    /// Its rules.
    #[must_use]
    pub fn rules(&self) -> &[ProfileRule] {
        &self.rules
    }
}

/// Something on a path that a profile does not allow.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Breach {
    /// The profile's name.
    pub profile: String,
    /// The rule's id.
    pub rule: String,
    /// What was found, such as "the post-quantum half ml-dsa-44".
    pub found: String,
    /// The half of a hybrid that it is about, if one is.
    pub half: Option<crate::key::Half>,
    /// What the rule demands, in words.
    pub says: String,
    /// Where that is written, and of when.
    pub source: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            profile,
            rule,
            found,
            says,
            source,
            ..
        } = self;
        write!(
            f,
            "{found} is against the rule {rule} of the profile {profile}: {says} ({source})"
        )
    }
}

/// Either kind of policy by its one name, as users give it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Policy {
    /// What every path must be worth.
    Path(PathPolicy),
    /// Of what it may be made.
    Profile(Arc<AlgorithmProfile>),
}

impl FromStr for Policy {
    type Err = ProfileError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name.parse() {
            Ok(policy) => Ok(Self::Path(policy)),
            Err(_) => AlgorithmProfile::named(name).map(|profile| Self::Profile(Arc::new(profile))),
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(policy) => policy.fmt(f),
            Self::Profile(profile) => f.write_str(profile.name()),
        }
    }
}
