//! Signing authorities and their journal: which there are, in which state, and where their keys are.
//!
//! The journal is the truth about authorities. Whatever it says was decided in one transaction together with the
//! bundle's sequence number, so a server that was killed at any moment starts from a consistent picture.

use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

use async_trait::async_trait;
use symbolon_crypto::Component;
use symbolon_hsm::names::{KeyId, StoreName};
use symbolon_pki::suite::{Family, Suite};

use super::{AppendedAuthorities, DatastoreError, Result};

/// Where an authority stands in its life (SPIRE's local authority states and `prepared`'s own exits).
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash, Ord, PartialOrd)]
pub enum AuthorityState {
    /// Published, so that verifiers learn of it, but not signing yet. At most one in a family.
    Prepared,
    /// The one that signs. At most one in a family.
    Active,
    /// Replaced; what it signed stays good.
    Old,
    /// Distrusted: still published, marked so that everything it signed is replaced at once.
    Tainted,
    /// Distrusted and no longer published. The end.
    Revoked,
}

impl AuthorityState {
    /// Every state, in the order of a life.
    pub const ALL: [Self; 5] = [
        Self::Prepared,
        Self::Active,
        Self::Old,
        Self::Tainted,
        Self::Revoked,
    ];

    /// The name used in the journal and in output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Prepared => "prepared",
            Self::Active => "active",
            Self::Old => "old",
            Self::Tainted => "tainted",
            Self::Revoked => "revoked",
        }
    }

    /// Whether the trust bundle holds an authority in this state.
    pub const fn is_published(self) -> bool {
        !matches!(self, Self::Revoked)
    }

    /// Whether an authority may go from this state to `next`.
    ///
    /// As in SPIRE only a replaced authority can be tainted and only a tainted one revoked, so that a slip cannot
    /// take the signing authority away. A prepared one that is never to sign becomes old.
    pub const fn may_become(self, next: Self) -> bool {
        matches!(
            (self, next),
            (Self::Prepared, Self::Active | Self::Old)
                | (Self::Active, Self::Old)
                | (Self::Old, Self::Tainted)
                | (Self::Tainted, Self::Revoked)
        )
    }

    /// Whether verifiers would see a difference between the two states in the bundle.
    pub(crate) fn differs_in_bundle(self, next: Self) -> bool {
        let view = |state: Self| (state.is_published(), state == Self::Tainted);
        view(self) != view(next)
    }
}

impl fmt::Display for AuthorityState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for AuthorityState {
    type Err = DatastoreError;

    fn from_str(name: &str) -> Result<Self> {
        let unknown = || DatastoreError::invalid("the authority state", format!("{name:?} is not one"));
        Self::ALL
            .into_iter()
            .find(|state| state.name() == name)
            .ok_or_else(unknown)
    }
}

/// What an authority publishes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AuthorityMaterial {
    /// An X.509 authority: its certificate, DER.
    X509 {
        /// The certificate.
        certificate: Vec<u8>,
    },
    /// A key that signs tokens; which kind of tokens, the family says.
    Jwt {
        /// The JWS `kid`.
        key_id: String,
        /// Its SubjectPublicKeyInfo, DER.
        spki: Vec<u8>,
    },
}

/// Which part of an authority's key a held key is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeyRole {
    /// The whole of a key that has one component.
    Sole,
    /// The ML-DSA half of a composite.
    PostQuantum,
    /// The traditional half of a composite.
    Classical,
    /// The native key of an authority that has an alternative one: what any software verifies with.
    Native,
    /// The alternative key (X.509 (2019), section 9.8).
    Alternative,
}

impl KeyRole {
    /// Every role.
    pub const ALL: [Self; 5] = [
        Self::Sole,
        Self::PostQuantum,
        Self::Classical,
        Self::Native,
        Self::Alternative,
    ];

    /// The name used in the journal and in output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sole => "sole",
            Self::PostQuantum => "post-quantum",
            Self::Classical => "classical",
            Self::Native => "native",
            Self::Alternative => "alternative",
        }
    }
}

/// Where one component of an authority's key is held. Never a path or a PIN: those are configuration.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyReference {
    /// The store, as configuration names it.
    pub store: StoreName,
    /// The key's id in that store.
    pub key_id: KeyId,
    /// SHA-256 of the component's SubjectPublicKeyInfo: the key that must be found there.
    pub spki_sha256: [u8; 32],
    /// Which part of the authority's key it is.
    pub role: KeyRole,
}

/// What leads from an authority up to the root of the one above it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UpstreamPath {
    /// The certificates between its own and the root, DER, its issuer's first; none where the root signed it.
    pub chain: Vec<Vec<u8>>,
    /// The root's subject key identifier in hex.
    pub root_id: String,
}

/// An authority whose key was made, and whose certificate others are to bring.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AuthorityRequest {
    /// The family in whose succession it is to stand.
    pub family: Family,
    /// What it is to sign with.
    pub suite: Suite,
    /// What it is to sign with beside that.
    pub alternative: Option<Suite>,
    /// Where its key is held, as in [`AuthorityRecord::keys`].
    pub keys: Vec<KeyReference>,
    /// What is to be certified: PKCS#10, DER.
    pub csr: Vec<u8>,
    /// When it was requested.
    pub created_at: SystemTime,
}

/// One line of the journal.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AuthorityRecord {
    /// Hex SKID of an X.509 authority, key id of a key that signs tokens. Unique in a datastore.
    pub authority_id: String,
    /// The family in whose succession it stands.
    pub family: Family,
    /// What it signs with.
    pub suite: Suite,
    /// What it signs with beside that, where it has an alternative key.
    pub alternative: Option<Suite>,
    /// Where it stands in its life.
    pub state: AuthorityState,
    /// What it publishes; nothing where it stands below another authority, whose root is published instead.
    pub material: AuthorityMaterial,
    /// Where it stands below an authority that is none of this server's; `None` for one that signed itself.
    pub upstream: Option<UpstreamPath>,
    /// Where its key is held, in the order of [`components`](Self::components). Empty for an authority whose key
    /// another server holds.
    pub keys: Vec<KeyReference>,
    /// From when it may sign.
    pub not_before: SystemTime,
    /// Until when.
    pub not_after: SystemTime,
    /// When it was prepared.
    pub created_at: SystemTime,
    /// When it came into its present state.
    pub changed_at: SystemTime,
    /// When it became active; `None` for one that never was.
    pub activated_at: Option<SystemTime>,
}

impl AuthorityRecord {
    /// The components that it signs with: those of its suite, then those of the alternative one.
    pub fn components(&self) -> impl Iterator<Item = Component> {
        let suites = [Some(self.suite), self.alternative];
        suites
            .into_iter()
            .flatten()
            .flat_map(|suite| suite.components())
            .copied()
    }
}

/// What a change of an authority's state did.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AuthorityTransition {
    /// The authority as it is now.
    pub authority: AuthorityRecord,
    /// The one that it replaced, now old; only an activation has one.
    pub replaced: Option<AuthorityRecord>,
    /// The bundle's sequence number now.
    pub sequence: u64,
}

/// All that the trust bundle is made from, read at one moment.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PublishedAuthorities {
    /// The bundle's sequence number: one more with every change of what is published, 0 while nothing ever was.
    pub sequence: u64,
    /// The published authorities of every family, oldest first.
    pub authorities: Vec<AuthorityRecord>,
    /// What others put into the bundle.
    pub appended: AppendedAuthorities,
}

/// Who holds the claim on a component key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ComponentKeyClaim {
    /// SHA-256 of the component's SubjectPublicKeyInfo.
    pub spki_sha256: [u8; 32],
    /// What it is used for: `authority/<authority id>`, or what the claimant said.
    pub owner: String,
}

/// The journal of authorities, and the claims on component keys.
#[async_trait]
pub trait AuthorityStore: Send + Sync {
    /// Adds an authority that was just prepared, claims its component keys for it, and advances the bundle's
    /// sequence number, which it returns.
    ///
    /// # Errors
    /// [`DatastoreError::Invalid`] when its state is not [`AuthorityState::Prepared`];
    /// [`DatastoreError::AlreadyExists`] when its id is taken or a component key has a claim already;
    /// [`DatastoreError::Conflict`] when the family has a prepared authority.
    async fn add_authority(&self, authority: &AuthorityRecord) -> Result<u64>;

    /// Moves an authority to `next` at the moment `at`. Activating one makes the family's active one old in the
    /// same transaction. The bundle's sequence number advances when what is published changes: tainting and
    /// revoking, but not activating.
    ///
    /// # Errors
    /// [`DatastoreError::NotFound`]; [`DatastoreError::Conflict`] for a step that
    /// [`AuthorityState::may_become`] does not allow.
    async fn change_authority_state(
        &self,
        authority_id: &str,
        next: AuthorityState,
        at: SystemTime,
    ) -> Result<AuthorityTransition>;

    /// One authority, in whatever state.
    async fn authority(&self, authority_id: &str) -> Result<Option<AuthorityRecord>>;

    /// The authorities of one family or of all, in every state, oldest first.
    async fn authorities(&self, family: Option<Family>) -> Result<Vec<AuthorityRecord>>;

    /// What the trust bundle is made from, with the sequence number that goes with it.
    async fn published_authorities(&self) -> Result<PublishedAuthorities>;

    /// Forgets every authority that ended before `expired_before` and is not active, and returns them, so that
    /// their keys can be destroyed. The sequence number advances when one of them was published. The claims on
    /// their component keys stay: no key is ever used twice.
    async fn prune_authorities(&self, expired_before: SystemTime) -> Result<Vec<AuthorityRecord>>;

    /// Notes that a certificate is awaited for a family, in place of what was awaited for it before. It is forgotten when
    /// an authority with its key is added.
    async fn request_authority(&self, request: &AuthorityRequest) -> Result<()>;

    /// Awaits no certificate for a family any more.
    async fn forget_authority_request(&self, family: Family) -> Result<()>;

    /// The certificates that are awaited, at most one in a family.
    async fn authority_requests(&self) -> Result<Vec<AuthorityRequest>>;

    /// Claims component keys, all or none, for `owner`. A claim that `owner` holds already is no error.
    ///
    /// # Errors
    /// [`DatastoreError::AlreadyExists`] naming a key that another owner claimed.
    async fn claim_component_keys(&self, owner: &str, spki_sha256: &[[u8; 32]], at: SystemTime)
    -> Result<()>;

    /// The claims there are on these component keys; keys that nobody claimed are left out.
    async fn component_key_claims(&self, spki_sha256: &[[u8; 32]]) -> Result<Vec<ComponentKeyClaim>>;
}

/// The owner under which an authority's component keys are claimed.
pub(crate) fn claim_owner(authority_id: &str) -> String {
    format!("authority/{authority_id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_life_cycle_has_these_steps_and_no_others() {
        use AuthorityState::*;
        let allowed = [
            (Prepared, Active),
            (Prepared, Old),
            (Active, Old),
            (Old, Tainted),
            (Tainted, Revoked),
        ];
        for from in AuthorityState::ALL {
            for to in AuthorityState::ALL {
                assert_eq!(
                    from.may_become(to),
                    allowed.contains(&(from, to)),
                    "{from} to {to}"
                );
            }
        }
    }

    #[test]
    fn verifiers_see_taint_and_revocation_only() {
        use AuthorityState::*;
        assert!(!Prepared.differs_in_bundle(Active) && !Active.differs_in_bundle(Old));
        assert!(Old.differs_in_bundle(Tainted) && Tainted.differs_in_bundle(Revoked));
    }

    #[test]
    fn state_names_read_back() {
        for state in AuthorityState::ALL {
            assert_eq!(state.name().parse::<AuthorityState>().unwrap(), state);
        }
        assert!("Active".parse::<AuthorityState>().is_err());
    }
}
