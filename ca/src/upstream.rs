//! Authorities above this server's: who signs ours, where we do not sign them ourselves.
//!
//! An upstream is asked for two things: to certify the key of a new authority ([`Upstream::mint`]), and to make a key that
//! signs tokens known to everybody below it ([`Upstream::publish`]). What it answers is looked at by
//! [`Authorities`](crate::authorities::Authorities), which believes none of it before a certificate under it was
//! verified. An upstream must not know what an authority's life is, or where keys are kept.

mod disk;
mod files;
mod nested;
mod offline;
mod vault;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use symbolon_hsm::StoreName;
use symbolon_pki::bundle::JwtAuthority;
use symbolon_pki::certificate::Certificate;
use symbolon_pki::suite::Family;

pub use self::disk::{Disk, DiskFiles};
pub use self::nested::{Nested, NestedOptions};
pub use self::offline::Offline;
pub use self::vault::{Vault, VaultLogin, VaultOptions};
use crate::datastore::{AppendedAuthorities, AuthorityKind};

/// The name of an upstream in the configuration: 1 to 32 of `a` to `z`, digits and `-`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct UpstreamName(String);

impl UpstreamName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UpstreamName {
    type Err = InvalidName;

    fn from_str(name: &str) -> Result<Self, InvalidName> {
        // Names of things in one configuration look alike.
        StoreName::parse(name)
            .map(|name| Self(name.to_string()))
            .map_err(|_| InvalidName)
    }
}

impl<'de> serde::Deserialize<'de> for UpstreamName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        name.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for UpstreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Text that is no name of an upstream.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the name of an upstream is 1 to 32 lower-case letters, digits and `-`")]
pub struct InvalidName;

/// What is to be certified.
#[derive(Clone, Debug)]
pub struct MintOrder {
    /// The family of the new authority.
    pub family: Family,
    /// Its request: PKCS#10, DER, with the trust domain's SPIFFE ID.
    pub csr: Vec<u8>,
    /// How long it is to live; upstreams may cut that.
    pub ttl: Duration,
    /// The present moment.
    pub now: SystemTime,
}

/// What an upstream makes of an order.
#[derive(Clone, Debug)]
pub enum Answer {
    /// It is certified.
    Minted(Minted),
    /// Somebody will bring the certificate.
    Awaited,
}

/// What was certified.
#[derive(Clone, Debug)]
pub struct Minted {
    /// The new authority's certificate, then what leads up to a root, which is not in it.
    pub chain: Vec<Certificate>,
    /// The roots that verifiers are to have.
    pub roots: Vec<Certificate>,
}

/// What an upstream has for the trust domain's bundle.
#[derive(Clone, Debug, Default)]
pub struct UpstreamBundle {
    /// The authorities.
    pub authorities: AppendedAuthorities,
    /// Whether it has no others: what it had before is gone.
    pub is_all: bool,
}

/// Why an upstream did not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpstreamError {
    /// It cannot be reached, or did not answer in time.
    #[error("it cannot be reached: {0}")]
    Unavailable(String),
    /// It says no.
    #[error("it refuses: {0}")]
    Refused(String),
    /// It does not believe a key that it is asked to publish: it was revoked there, or another one has its name.
    #[error("it does not believe that key: {0}")]
    Distrusted(String),
    /// What it is configured to read cannot be read.
    #[error("{0}")]
    Material(String),
    /// It does not do such things.
    #[error("it does not publish {0} keys")]
    Unsupported(AuthorityKind),
    /// Its answer is of no use.
    #[error("its answer is not taken: {0}")]
    Unfit(String),
}

/// An authority above this server's.
#[async_trait]
pub trait Upstream: Send + Sync + fmt::Debug {
    /// What it is, as the configuration has it.
    fn kind(&self) -> &'static str;

    /// Whether what it certifies is brought by somebody: it may take days.
    fn is_offline(&self) -> bool {
        false
    }

    /// Certifies the key of a new authority.
    ///
    /// # Errors
    /// [`UpstreamError`].
    async fn mint(&self, order: &MintOrder) -> Result<Answer, UpstreamError>;

    /// Hands a request to whoever carries it to an offline upstream; one that was handed out already stays as it is.
    ///
    /// # Errors
    /// [`UpstreamError`].
    async fn hand_out(&self, _family: Family, _csr: &[u8]) -> Result<(), UpstreamError> {
        Ok(())
    }

    /// What was brought back from an offline upstream for a family.
    ///
    /// # Errors
    /// [`UpstreamError`].
    async fn brought(&self, _family: Family) -> Result<Option<Minted>, UpstreamError> {
        Ok(None)
    }

    /// Puts away what was brought, since it was taken, or was refused for this reason.
    ///
    /// # Errors
    /// [`UpstreamError`].
    async fn judged(&self, _family: Family, _refusal: Option<&str>) -> Result<(), UpstreamError> {
        Ok(())
    }

    /// Makes a key that signs tokens known to everybody below it.
    ///
    /// # Errors
    /// [`UpstreamError`]; [`UpstreamError::Distrusted`] where no other try can help, this key being believed nowhere above.
    /// By default that it does not.
    async fn publish(&self, kind: AuthorityKind, _key: &JwtAuthority) -> Result<(), UpstreamError> {
        Err(UpstreamError::Unsupported(kind))
    }

    /// How many keys that sign tokens it takes of this server, those of servers below counted in; `None` if it does not say.
    fn most_keys(&self) -> Option<usize> {
        None
    }

    /// What it has for the bundle now; `None` if it only ever says that when it certifies.
    ///
    /// # Errors
    /// [`UpstreamError`].
    async fn bundle(&self) -> Result<Option<UpstreamBundle>, UpstreamError> {
        Ok(None)
    }
}

/// An upstream with the name that the configuration gives it.
#[derive(Clone, Debug)]
pub struct NamedUpstream {
    /// The name.
    pub name: UpstreamName,
    /// The upstream; one for all families that name it.
    pub upstream: Arc<dyn Upstream>,
}
