//! Other trust domains: their bundles, where those are fetched from, and what others put into ours.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

use async_trait::async_trait;
use spiffe::{SpiffeId, TrustDomain};
use symbolon_pki::bundle::{JwtAuthority, TrustBundle, X509Authority};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::suite::Form;

use super::{AuthorityState, DatastoreError, Page, PageRequest, Result};

/// Most authorities that administrators may have put into the trust domain's own bundle, and most that servers below this
/// one may, all together. Whoever may add one could otherwise make it longer than verifiers read.
pub const MAX_APPENDED: usize = 256;

/// Most bytes of certificates and keys, names of keys included, that either of them may have put there: with what is the
/// server's own, and the other's, the bundle has to stay well below the 4 MiB of a message, or no agent could take it.
pub const MAX_APPENDED_LEN: usize = 1024 * 1024;

/// Most authorities that one server below this one may have in the bundle. It needs three or four at a time; with more it
/// could keep the others from publishing theirs.
pub const MAX_PUBLISHED: usize = 16;

/// Most bytes of certificates and keys, names of keys included, that the bundle of another trust domain may have. It is that
/// trust domain that decides what is in it, while lists of bundles, and what workloads get, must stay below the 4 MiB of a
/// message.
pub const MAX_FEDERATED_BUNDLE: usize = 512 * 1024;

/// Which parts of a bundle a change replaces.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BundleParts {
    /// X.509 authorities.
    pub x509: X509Part,
    /// JWT authorities.
    pub jwt: bool,
    /// WIT authorities.
    pub wit: bool,
    /// How often to ask again.
    pub refresh_hint: bool,
    /// The sequence number.
    pub sequence: bool,
}

/// Which X.509 authorities a change replaces.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum X509Part {
    /// None.
    Untouched,
    /// Those that a caller sees who asks for these forms. What it does not see it does not speak of, so that stock software,
    /// which replaces what it was shown, takes no authority away that it has never heard of.
    Seen(BTreeSet<Form>),
    /// All of them.
    Whole,
}

impl BundleParts {
    /// Everything.
    pub const WHOLE: Self = Self {
        x509: X509Part::Whole,
        jwt: true,
        wit: true,
        refresh_hint: true,
        sequence: true,
    };

    /// Everything that a caller sees who asks for these forms.
    pub fn seen(forms: &[Form]) -> Self {
        Self {
            x509: X509Part::Seen(forms.iter().copied().collect()),
            ..Self::WHOLE
        }
    }

    /// What `old` becomes when these parts of it are replaced by those of `new`.
    pub fn replace(&self, old: TrustBundle, new: &TrustBundle) -> TrustBundle {
        let mut bundle = old;
        match &self.x509 {
            X509Part::Untouched => {}
            X509Part::Whole => bundle.x509_authorities.clone_from(&new.x509_authorities),
            X509Part::Seen(forms) => {
                let stays = |authority: &X509Authority| !is_seen(authority, forms.iter().copied());
                let unseen = bundle.x509_authorities.into_iter().filter(stays);
                let unseen = unseen.filter(|authority| {
                    let same = |other: &X509Authority| other.certificate == authority.certificate;
                    !new.x509_authorities.iter().any(same)
                });
                let unseen: Vec<_> = unseen.collect();
                bundle.x509_authorities = new.x509_authorities.iter().cloned().chain(unseen).collect();
            }
        }
        if self.jwt {
            bundle.jwt_authorities.clone_from(&new.jwt_authorities);
        }
        if self.wit {
            bundle.wit_authorities.clone_from(&new.wit_authorities);
        }
        if self.refresh_hint {
            bundle.refresh_hint = new.refresh_hint;
        }
        if self.sequence {
            bundle.sequence = new.sequence;
        }
        bundle
    }
}

/// Whether a caller who asks for these forms is shown an authority: those that any software can use everybody is.
pub(crate) fn is_seen(authority: &X509Authority, mut forms: impl Iterator<Item = Form>) -> bool {
    authority.is_stock() || forms.any(|form| authority.issues(form))
}

/// Where a trust domain's bundle is fetched from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FederationRecord {
    /// Whose bundle it is.
    pub trust_domain: TrustDomain,
    /// The URL, as it was written.
    pub endpoint_url: String,
    /// How the endpoint proves itself.
    pub profile: FederationProfile,
}

/// How a bundle endpoint proves itself.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum FederationProfile {
    /// By a certificate of the web's authorities.
    HttpsWeb,
    /// By an SVID with this identity.
    HttpsSpiffe(SpiffeId),
}

impl FederationProfile {
    /// The name of the profile, as SPIFFE has it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::HttpsWeb => "https_web",
            Self::HttpsSpiffe(_) => "https_spiffe",
        }
    }
}

/// A change of a relationship; what is `None` stays as it is.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct FederationChange {
    /// The URL.
    pub endpoint_url: Option<String>,
    /// How the endpoint proves itself.
    pub profile: Option<FederationProfile>,
}

/// What becomes of entries that federate with a trust domain whose bundle is deleted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DeleteMode {
    /// While there is one, the bundle stays.
    Restrict,
    /// They are deleted too.
    Delete,
    /// They no longer federate with it.
    Dissociate,
}

/// What kind of authority something is, where X.509 and keys that sign tokens stand together.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash, Ord, PartialOrd)]
pub enum AuthorityKind {
    /// A certificate.
    X509,
    /// A key that signs JWT-SVIDs.
    Jwt,
    /// A key that signs WIT-SVIDs.
    Wit,
}

impl AuthorityKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::X509, Self::Jwt, Self::Wit];

    /// The name used in the datastore and in output.
    pub const fn name(self) -> &'static str {
        match self {
            Self::X509 => "x509",
            Self::Jwt => "jwt",
            Self::Wit => "wit",
        }
    }
}

impl fmt::Display for AuthorityKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for AuthorityKind {
    type Err = DatastoreError;

    fn from_str(name: &str) -> Result<Self> {
        let unknown = || DatastoreError::invalid("the kind of an authority", format!("{name:?} is not one"));
        let found = Self::ALL.into_iter().find(|kind| kind.name() == name);
        found.ok_or_else(unknown)
    }
}

/// Authorities of the trust domain whose keys none of its journal's servers hold: those of servers below this one, and
/// what an operator added by hand.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct AppendedAuthorities {
    /// Who signs X.509-SVIDs.
    pub x509: Vec<X509Authority>,
    /// Who signs JWT-SVIDs.
    pub jwt: Vec<JwtAuthority>,
    /// Who signs WIT-SVIDs.
    pub wit: Vec<JwtAuthority>,
}

impl AppendedAuthorities {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.x509.len() + self.jwt.len() + self.wit.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts them into the bundle of their trust domain, after what is in it.
    pub fn add_to(&self, bundle: &mut TrustBundle) {
        let known = |bundle: &TrustBundle, authority: &X509Authority| {
            let same = |other: &X509Authority| other.certificate == authority.certificate;
            bundle.x509_authorities.iter().any(same)
        };
        for authority in &self.x509 {
            if !known(bundle, authority) {
                bundle.x509_authorities.push(authority.clone());
            }
        }
        // What the journal names stands first and is not displaced by a key of the same name.
        for authority in &self.jwt {
            if bundle.jwt_authority(&authority.key_id).is_none() {
                bundle.jwt_authorities.push(authority.clone());
            }
        }
        for authority in &self.wit {
            if bundle.wit_authority(&authority.key_id).is_none() {
                bundle.wit_authorities.push(authority.clone());
            }
        }
    }
}

/// Who put an authority into the own bundle.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RootOrigin {
    /// An administrator, and no upstream has it.
    Administrator,
    /// The upstream of this name.
    Upstream(String),
    /// An upstream of this name, which the configuration names no more: nobody says when it is to go.
    Former(String),
}

/// Something in the own bundle that an upstream put there which the configuration names no more.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LeftBehind {
    /// The upstream's name.
    pub upstream: String,
    /// What it is.
    pub kind: AuthorityKind,
    /// Its key id, or its subject key identifier in hex.
    pub id: String,
}

/// An X.509 authority that others put into the own bundle, and that may stand above one of this server's.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UpstreamRoot {
    /// Its subject key identifier in hex.
    pub root_id: String,
    /// Its certificate.
    pub certificate: Certificate,
    /// Where it stands: old until it is tainted, then tainted or revoked.
    pub state: AuthorityState,
    /// Who put it in.
    pub origin: RootOrigin,
}

/// What became of a bundle that was fetched.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum FetchedBundle {
    /// It is held now.
    Set {
        /// As it is held.
        bundle: TrustBundle,
        /// Whether it is another than before.
        changed: bool,
    },
    /// A newer one is held, with this number.
    Older(u64),
    /// The relationship ended, or is another by now.
    NoRelationship,
}

/// Bundles of other trust domains, relationships with them, and additions to the trust domain's own bundle.
///
/// A bundle reads back as it was written, but for fractions of seconds. One of another trust domain that has more than
/// [`MAX_FEDERATED_BUNDLE`] bytes, or more authorities than a document may have, is refused as [`DatastoreError::Invalid`].
#[async_trait]
pub trait FederationStore: Send + Sync {
    /// Adds a bundle.
    ///
    /// # Errors
    /// [`DatastoreError::AlreadyExists`] when there is one of its trust domain.
    async fn create_federated_bundle(&self, bundle: &TrustBundle) -> Result<()>;

    /// Adds a bundle, or replaces these parts of the one that there is. Returns it as it is now.
    async fn set_federated_bundle(&self, bundle: &TrustBundle, parts: &BundleParts) -> Result<TrustBundle>;

    /// Adds or replaces the bundle that was fetched by a relationship, as long as that is still the one there is. Where
    /// `only_newer` says so, not one that is older by its number than what is held; 0 is no number.
    async fn set_fetched_bundle(
        &self,
        bundle: &TrustBundle,
        relationship: &FederationRecord,
        only_newer: bool,
    ) -> Result<FetchedBundle>;

    /// Replaces these parts of a bundle. Returns it as it is now.
    ///
    /// # Errors
    /// [`DatastoreError::NotFound`].
    async fn update_federated_bundle(&self, bundle: &TrustBundle, parts: &BundleParts)
    -> Result<TrustBundle>;

    /// Deletes a bundle. Returns how many entries were changed or deleted with it. Entries that no longer federate with its
    /// trust domain are at their next revision.
    ///
    /// # Errors
    /// [`DatastoreError::NotFound`]; [`DatastoreError::Conflict`] where the mode is [`DeleteMode::Restrict`] and there are
    /// entries that federate with its trust domain.
    async fn delete_federated_bundle(&self, trust_domain: &TrustDomain, mode: DeleteMode) -> Result<u64>;

    /// The bundle of a trust domain.
    async fn federated_bundle(&self, trust_domain: &TrustDomain) -> Result<Option<TrustBundle>>;

    /// How many bundles there are.
    async fn count_federated_bundles(&self) -> Result<u64>;

    /// A page of the bundles, oldest first.
    async fn list_federated_bundles(&self, page: &PageRequest) -> Result<Page<TrustBundle>>;

    /// Adds a relationship, and with it a bundle, which replaces what these parts are of one that there is.
    ///
    /// # Errors
    /// [`DatastoreError::AlreadyExists`] when there is one with its trust domain; [`DatastoreError::Invalid`] for a bundle
    /// of another trust domain.
    async fn create_federation(
        &self,
        federation: &FederationRecord,
        bundle: Option<(&TrustBundle, &BundleParts)>,
    ) -> Result<()>;

    /// Changes a relationship, and with it the bundle. Returns the relationship as it is now.
    ///
    /// # Errors
    /// [`DatastoreError::NotFound`]; [`DatastoreError::Invalid`] for a bundle of another trust domain.
    async fn update_federation(
        &self,
        trust_domain: &TrustDomain,
        change: &FederationChange,
        bundle: Option<(&TrustBundle, &BundleParts)>,
    ) -> Result<FederationRecord>;

    /// Ends a relationship. The bundle stays.
    ///
    /// # Errors
    /// [`DatastoreError::NotFound`].
    async fn delete_federation(&self, trust_domain: &TrustDomain) -> Result<()>;

    /// The relationship with a trust domain.
    async fn federation(&self, trust_domain: &TrustDomain) -> Result<Option<FederationRecord>>;

    /// A page of the relationships, oldest first.
    async fn list_federation(&self, page: &PageRequest) -> Result<Page<FederationRecord>>;

    /// Adds authorities to the trust domain's own bundle, all or none. Of those that were added before, the ones that are
    /// tainted now are marked; the others are passed over, as those of the journal are. The bundle's sequence number
    /// advances if that changes it.
    ///
    /// # Errors
    /// [`DatastoreError::AlreadyExists`] for a key whose `kid` another key of the bundle has, and for what was revoked;
    /// [`DatastoreError::Conflict`] where there would be more than [`MAX_APPENDED`], or more than [`MAX_APPENDED_LEN`] bytes of
    /// them, not counting what was published.
    async fn append_authorities(&self, added: &AppendedAuthorities) -> Result<()>;

    /// Adds authorities as [`append_authorities`](Self::append_authorities) does, on behalf of a server below this one. Where
    /// it would have more than [`MAX_PUBLISHED`], those of its own that have ended by `now` are forgotten, the oldest first.
    ///
    /// # Errors
    /// [`DatastoreError::AlreadyExists`] for a key whose `kid` another key of the bundle has;
    /// [`DatastoreError::Conflict`] where this publisher would have more than [`MAX_PUBLISHED`], or all of them together
    /// more than [`MAX_APPENDED`] or [`MAX_APPENDED_LEN`].
    async fn publish_authorities(
        &self,
        publisher: &SpiffeId,
        added: &AppendedAuthorities,
        now: SystemTime,
    ) -> Result<()>;

    /// Whether [`publish_authorities`](Self::publish_authorities) would add these; it changes nothing.
    ///
    /// # Errors
    /// As there.
    async fn judge_publication(
        &self,
        publisher: &SpiffeId,
        added: &AppendedAuthorities,
        now: SystemTime,
    ) -> Result<()>;

    /// Adds what an upstream authority of this name has to the trust domain's own bundle, and marks what it has tainted. Where
    /// `is_all` says that it has nothing else, what it had before and no longer has is taken out. What was tainted or revoked
    /// here stays so, even if it is taken out and comes back, and authorities of this server's own that come back are passed
    /// over; so is a key under whose `kid` there is another one. What an administrator put in before, or an upstream that is
    /// none any more, becomes this one's. Whether the bundle changed, in which case its sequence number advanced.
    async fn follow_upstream(
        &self,
        upstream: &str,
        found: &AppendedAuthorities,
        is_all: bool,
    ) -> Result<bool>;

    /// Notes which upstreams the configuration names. What the others put into the own bundle stays, and is returned, but for
    /// what was revoked: whichever upstream has it makes it its own.
    async fn settle_upstreams(&self, configured: &BTreeSet<&str>) -> Result<Vec<LeftBehind>>;

    /// The X.509 authorities that others put into the own bundle, revoked ones too, oldest first.
    async fn upstream_roots(&self) -> Result<Vec<UpstreamRoot>>;

    /// Taints an X.509 authority that others put into the own bundle, or revokes one that is tainted, with every certificate of its
    /// key, and advances the bundle's sequence number. A revoked one is in the bundle no more, and does not come back.
    ///
    /// # Errors
    /// [`DatastoreError::NotFound`]; [`DatastoreError::Conflict`] for a step that [`AuthorityState::may_become`] does not
    /// allow.
    async fn change_upstream_root(&self, root_id: &str, next: AuthorityState) -> Result<()>;

    /// The keys of this kind that servers below this one published, but for those that were revoked.
    async fn published_keys(&self, kind: AuthorityKind) -> Result<Vec<JwtAuthority>>;

    /// What was added to the trust domain's own bundle.
    async fn appended_authorities(&self) -> Result<AppendedAuthorities>;

    /// A key that was added to the own bundle, and where it stands: [`AuthorityState::Old`] until it is tainted, then
    /// tainted or revoked.
    async fn appended_key(
        &self,
        kind: AuthorityKind,
        key_id: &str,
    ) -> Result<Option<(JwtAuthority, AuthorityState)>>;

    /// Taints a key that was added to the own bundle, or revokes one that is tainted, and advances the bundle's sequence
    /// number. A revoked one is in the bundle no more, and is kept so that it cannot be added again, until it has ended.
    ///
    /// # Errors
    /// [`DatastoreError::NotFound`]; [`DatastoreError::Conflict`] for a step that [`AuthorityState::may_become`] does not
    /// allow.
    async fn change_appended_key(
        &self,
        kind: AuthorityKind,
        key_id: &str,
        next: AuthorityState,
    ) -> Result<JwtAuthority>;

    /// Forgets what was added and ended before `expired_before`; the bundle's sequence number advances if there was any.
    /// Returns how many there were.
    async fn prune_appended_authorities(&self, expired_before: SystemTime) -> Result<u64>;
}
