//! How assets depend on each other.

use serde::{Deserialize, Serialize};

use super::AssetId;

/// One dependency: `from` needs `to`.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Edge {
    /// What depends.
    pub from: AssetId,
    /// In which way.
    pub role: Role,
    /// What it depends on.
    pub to: AssetId,
}

impl Edge {
    /// An edge.
    #[must_use]
    pub fn new(from: &AssetId, role: Role, to: &AssetId) -> Self {
        Self {
            from: from.clone(),
            role,
            to: to.clone(),
        }
    }

    /// What sorts before every edge from `from`.
    pub(super) fn first_of(from: &AssetId) -> Self {
        Self {
            from: from.clone(),
            role: Role::FIRST,
            to: AssetId::from_text(""),
        }
    }
}

/// The way in which one asset depends on another.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Role {
    /// A certificate, request or public key → the public key that it is about.
    Certifies,
    /// A keystore, bundle or file-like service → what is in it.
    Contains,
    /// A certificate → the certificate that its name and key identifier say issued it.
    IssuedBy,
    /// A hybrid, a signature, a MAC → the algorithm that it is made of.
    MadeOf,
    /// A protocol or a service → an algorithm, suite or protocol that it accepts.
    Offers,
    /// A service → the certificate or key that it shows.
    Presents,
    /// An encrypted key or store → the cipher or derivation that protects it.
    ProtectedBy,
    /// A library → an algorithm that it implements.
    Provides,
    /// A private key → its public key.
    PrivateOf,
    /// A configuration's service → a key or certificate that it refers to by its place.
    RefersTo,
    /// A certificate, request, list or token → the algorithm that signs it.
    SignedWith,
    /// A service or a store → an authority that it believes.
    Trusts,
    /// A key, protocol or program → the algorithm that it is of or calls.
    Uses,
}

impl Role {
    const FIRST: Self = Self::Certifies;

    /// Every role, in order.
    pub const ALL: [Self; 13] = [
        Self::Certifies,
        Self::Contains,
        Self::IssuedBy,
        Self::MadeOf,
        Self::Offers,
        Self::Presents,
        Self::ProtectedBy,
        Self::Provides,
        Self::PrivateOf,
        Self::RefersTo,
        Self::SignedWith,
        Self::Trusts,
        Self::Uses,
    ];

    /// Its name in documents, such as `issued-by`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Certifies => "certifies",
            Self::Contains => "contains",
            Self::IssuedBy => "issued-by",
            Self::MadeOf => "made-of",
            Self::Offers => "offers",
            Self::Presents => "presents",
            Self::PrivateOf => "private-of",
            Self::ProtectedBy => "protected-by",
            Self::Provides => "provides",
            Self::RefersTo => "refers-to",
            Self::SignedWith => "signed-with",
            Self::Trusts => "trusts",
            Self::Uses => "uses",
        }
    }

    /// The role of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}
