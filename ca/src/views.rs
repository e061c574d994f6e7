//! What programs show of a server: the same types whether a running server answers or its data directory.
//!
//! They serialise to stable JSON. Moments are RFC 3339 there, lifetimes whole seconds.

mod above;
mod authorities;
mod migration;
mod read;

use std::fmt;
use std::time::{Duration, SystemTime};

use serde::{Serialize, Serializer};
use symbolon_pki::bundle::{JwtAuthority, TrustBundle};
use symbolon_pki::key::SubjectKey;
use symbolon_pki::suite::Form;
use symbolon_pki::time::rfc3339;
use zeroize::Zeroizing;

pub use self::above::{RequestView, UpstreamView};
pub use self::authorities::{
    AuthoritiesView, AuthorityDetail, ChoiceView, FamilyView, KeyPlaceView, RotationView, ShapeView,
};
pub use self::migration::{MigrationChangeView, MigrationCheckView, MigrationPartyView, MigrationRuleView};
pub(crate) use self::read::read_bundle;

/// A registration entry.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct EntryView {
    /// Its id.
    pub id: String,
    /// The identity it gives.
    pub spiffe_id: String,
    /// Who may fetch it.
    pub parent_id: String,
    /// What a workload must be, each as `type:value`.
    pub selectors: Vec<String>,
    /// Lifetime of its X.509-SVIDs in seconds; `None` for the server's default.
    pub x509_svid_ttl: Option<u32>,
    /// Lifetime of its JWT-SVIDs in seconds; `None` for the server's default.
    pub jwt_svid_ttl: Option<u32>,
    /// Foreign trust domains whose bundles its workloads get.
    pub federates_with: Vec<String>,
    /// Whether its identity administers the server.
    pub admin: bool,
    /// Whether its identity is a server below this one.
    pub downstream: bool,
    /// When it ends.
    #[serde(serialize_with = "optional_moment")]
    pub expires_at: Option<SystemTime>,
    /// DNS names for its certificates.
    pub dns_names: Vec<String>,
    /// How often it was changed.
    pub revision_number: i64,
    /// Whether its SVIDs go to a store.
    pub store_svid: bool,
    /// What tells its SVIDs apart from others of the same workload.
    pub hint: String,
    /// When it was made.
    #[serde(serialize_with = "optional_moment")]
    pub created_at: Option<SystemTime>,
    /// Whether agents leave its X.509-SVID until someone asks for it.
    pub disable_x509_svid_prefetch: bool,
    /// Whether its JWT-SVIDs carry a `jti`.
    pub jwt_svid_include_jti: bool,
    /// The forms in which its X.509-SVIDs may be issued; empty for every form.
    pub allowed_forms: Vec<String>,
    /// The algorithms that keys in its X.509-SVIDs may have; empty for all.
    pub leaf_key_algorithms: Vec<String>,
    /// When it begins to have effect; `None` for at once.
    #[serde(serialize_with = "optional_moment")]
    pub not_before: Option<SystemTime>,
    /// When it stops having effect, and its SVIDs end at the latest; `None` for never.
    #[serde(serialize_with = "optional_moment")]
    pub not_after: Option<SystemTime>,
    /// Whose declarations keep it; empty where nobody's do.
    pub owner: String,
}

/// An agent.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct AgentView {
    /// Its identity.
    pub spiffe_id: String,
    /// How it proved itself.
    pub attestation_type: String,
    /// Serial number of its SVID in decimal, as SPIRE has it; empty for a banned agent.
    pub serial: String,
    /// When its SVID ends.
    #[serde(serialize_with = "optional_moment")]
    pub expires_at: Option<SystemTime>,
    /// What its attestation found, each as `type:value`.
    pub selectors: Vec<String>,
    /// Whether it is shut out.
    pub banned: bool,
    /// Whether it may attest again by itself.
    pub can_reattest: bool,
    /// Its program's version, if it said.
    pub agent_version: Option<String>,
}

/// A certificate on record.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct CertificateView {
    /// Its serial number in hexadecimal.
    pub serial: String,
    /// The identity in it.
    pub spiffe_id: String,
    /// `authority`, `server`, `agent` or `workload`.
    pub profile: String,
    /// `classical`, `ml-dsa`, `composite`, `catalyst`, or `paired` for the second SVID of a pair.
    pub form: String,
    /// The algorithm of the key in it: a suite's name, or RSA with its size.
    pub algorithm: String,
    /// That of the alternative key in it, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alternative: Option<String>,
    /// Who signed it.
    pub authority_id: String,
    /// First second of validity.
    #[serde(serialize_with = "optional_moment")]
    pub not_before: Option<SystemTime>,
    /// Last second of validity.
    #[serde(serialize_with = "optional_moment")]
    pub not_after: Option<SystemTime>,
    /// SHA-256 of the certificate in hexadecimal; `None` while it is only intended.
    pub sha256: Option<String>,
    /// The entry it follows.
    pub entry_id: Option<String>,
    /// `issued`, or `intended` where the server stopped before it was signed.
    pub state: String,
    /// The certificate in DER; `None` in lists and while it is only intended.
    #[serde(skip)]
    pub der: Option<Vec<u8>>,
}

/// A server.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct ServerView {
    /// Its trust domain.
    pub trust_domain: String,
    /// Its version; `None` where its data directory answers.
    pub version: Option<String>,
    /// When it came up; `None` where its data directory answers.
    #[serde(serialize_with = "optional_moment")]
    pub started_at: Option<SystemTime>,
    /// Its authorities in every state, oldest first.
    pub authorities: Vec<AuthorityView>,
    /// How many agents are on record.
    pub agents: u64,
    /// How many registration entries there are.
    pub entries: u64,
    /// What it grants at most; empty where its data directory answers.
    pub limits: Vec<LimitView>,
    /// What keeps it from its work, in words; empty while all is well.
    pub problems: Vec<String>,
}

/// A bound that is in force.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct LimitView {
    /// The key of the configuration that sets it.
    pub name: String,
    /// The bound; 0 is none.
    pub value: u64,
    /// `s`, `1/s` (for each caller) or `calls` (at a time).
    pub unit: String,
}

/// An authority.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct AuthorityView {
    /// `classical`, `ml-dsa`, `composite`, `catalyst`, `jwt` or `wit`.
    pub family: String,
    /// What it signs with.
    pub suite: String,
    /// What it signs with beside that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alternative: Option<String>,
    /// Its id.
    pub authority_id: String,
    /// `prepared`, `active`, `old`, `tainted` or `revoked`.
    pub state: String,
    /// First second of validity.
    #[serde(serialize_with = "optional_moment")]
    pub not_before: Option<SystemTime>,
    /// Last second of validity.
    #[serde(serialize_with = "optional_moment")]
    pub not_after: Option<SystemTime>,
}

/// A join token that was made.
#[derive(Clone, Eq, PartialEq, Serialize)]
pub struct TokenView {
    /// The token: a secret until it is used.
    #[serde(serialize_with = "exposed")]
    pub token: Zeroizing<String>,
    /// When it stops working.
    #[serde(serialize_with = "optional_moment")]
    pub expires_at: Option<SystemTime>,
    /// The identity of the agent that uses it. Holds the token.
    pub agent_id: String,
}

impl fmt::Debug for TokenView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenView")
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// A trust bundle, without the certificates themselves.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct BundleView {
    /// Whose it is.
    pub trust_domain: String,
    /// Counts its changes.
    pub sequence: u64,
    /// How soon holders should ask again, in seconds.
    pub refresh_hint: Option<u64>,
    /// Who signs X.509-SVIDs.
    pub x509_authorities: Vec<X509AuthorityView>,
    /// Who signs JWT-SVIDs.
    pub jwt_authorities: Vec<JwtAuthorityView>,
    /// Who signs WIT-SVIDs.
    pub wit_authorities: Vec<JwtAuthorityView>,
}

/// An X.509 authority in a bundle.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct X509AuthorityView {
    /// Its id.
    pub authority_id: String,
    /// The form of its key; `None` if this program does not know it.
    pub form: Option<String>,
    /// What its key is.
    pub algorithm: Option<String>,
    /// What its alternative key is, if it has one that this program knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alternative: Option<String>,
    /// First second of validity.
    #[serde(serialize_with = "moment")]
    pub not_before: SystemTime,
    /// Last second of validity.
    #[serde(serialize_with = "moment")]
    pub not_after: SystemTime,
    /// Whether it is being replaced.
    pub tainted: bool,
}

/// A key that signs tokens, in a bundle.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct JwtAuthorityView {
    /// The `kid` of its tokens.
    pub key_id: String,
    /// What its key is.
    pub algorithm: String,
    /// When it stops being used.
    #[serde(serialize_with = "optional_moment")]
    pub expires_at: Option<SystemTime>,
    /// Whether it is being replaced.
    pub tainted: bool,
}

/// A relationship with another trust domain.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct FederationView {
    /// The other trust domain.
    pub trust_domain: String,
    /// Where its bundle is fetched from.
    pub endpoint_url: String,
    /// How the endpoint proves itself: `https_web` or `https_spiffe`.
    pub profile: String,
    /// The identity that it shows, for `https_spiffe`.
    pub endpoint_id: Option<String>,
    /// The sequence number of the bundle that is held; `None` while there is none.
    pub bundle_sequence: Option<u64>,
    /// How many X.509 authorities are in it.
    pub x509_authorities: usize,
    /// How many JWT authorities are in it.
    pub jwt_authorities: usize,
}

impl BundleView {
    /// A view of a bundle's authorities of these forms; token keys are always shown.
    pub fn of(bundle: &TrustBundle, forms: &[Form]) -> Self {
        let wanted = bundle.x509_authorities.iter().filter(|authority| {
            authority.form().is_none() || forms.iter().any(|form| authority.issues(*form))
        });
        let x509 = wanted.map(|authority| X509AuthorityView {
            authority_id: authority.id().to_string(),
            form: authority.form().map(|form| form.to_string()),
            algorithm: authority
                .certificate
                .subject_key()
                .ok()
                .map(|key| key.algorithm_name()),
            alternative: authority
                .certificate
                .alternative()
                .and_then(|alternative| alternative.key().ok())
                .map(SubjectKey::algorithm_name),
            not_before: authority.certificate.not_before(),
            not_after: authority.certificate.not_after(),
            tainted: authority.tainted,
        });
        let key = |authority: &JwtAuthority| JwtAuthorityView {
            key_id: authority.key_id.clone(),
            algorithm: authority.public_key.algorithm_name(),
            expires_at: authority.expires_at,
            tainted: authority.tainted,
        };
        Self {
            trust_domain: bundle.trust_domain.to_string(),
            sequence: bundle.sequence,
            refresh_hint: bundle.refresh_hint.map(|hint: Duration| hint.as_secs()),
            x509_authorities: x509.collect(),
            jwt_authorities: bundle.jwt_authorities.iter().map(key).collect(),
            wit_authorities: bundle.wit_authorities.iter().map(key).collect(),
        }
    }
}

fn moment<S: Serializer>(at: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&rfc3339(*at))
}

fn optional_moment<S: Serializer>(at: &Option<SystemTime>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => moment(at, serializer),
        None => serializer.serialize_none(),
    }
}

fn exposed<S: Serializer>(secret: &Zeroizing<String>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret)
}
