//! What readers see of the authorities: who signs, what is published, what the journal says. Replaced as a whole.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use spiffe::TrustDomain;
use symbolon_issuance::Authority;
use symbolon_issuance::jwt::JwtAuthority as JwtSigner;
use symbolon_issuance::wit::WitAuthority as WitSigner;
use symbolon_pki::bundle::{BundleSet, JwtAuthority, TrustBundle, X509Authority};
use symbolon_pki::certificate::Certificate;
use symbolon_pki::suite::Family;

use super::AuthoritiesError;
use crate::datastore::{AuthorityMaterial, AuthorityRecord, AuthorityState, PublishedAuthorities};

/// How long bundle holders may wait before they ask again.
pub(super) const REFRESH_HINT: Duration = Duration::from_secs(5 * 60);

/// What the journal said when it was last read, with the keys opened.
#[derive(Debug)]
pub(super) struct Snapshot {
    pub(super) signing: Signing,
    pub(super) bundle: Arc<TrustBundle>,
    pub(super) bundles: Arc<BundleSet>,
    pub(super) journal: Vec<AuthorityRecord>,
    pub(super) component_keys: HashSet<[u8; 32]>,
}

impl Snapshot {
    pub(super) fn empty(trust_domain: &TrustDomain) -> Self {
        Self {
            signing: Signing::default(),
            bundle: Arc::new(TrustBundle::new(trust_domain.clone())),
            bundles: Arc::new(BundleSet::new()),
            journal: Vec::new(),
            component_keys: HashSet::new(),
        }
    }
}

/// An authority with its key opened.
#[derive(Clone, Debug)]
pub(super) enum Loaded {
    X509(Arc<Authority>),
    Jwt(Arc<JwtSigner>),
    Wit(Arc<WitSigner>),
}

impl Loaded {
    /// Whether it is this line of the journal.
    pub(super) fn is_of(&self, record: &AuthorityRecord) -> bool {
        match self {
            Self::X509(authority) => authority.authority_id().to_string() == record.authority_id,
            Self::Jwt(signer) => signer.key_id() == record.authority_id,
            Self::Wit(signer) => signer.key_id() == record.authority_id,
        }
    }
}

/// The authorities that sign, one of each family.
#[derive(Debug, Default)]
pub(super) struct Signing {
    x509: Vec<Arc<Authority>>,
    pub(super) jwt: Option<Arc<JwtSigner>>,
    pub(super) wit: Option<Arc<WitSigner>>,
}

impl Signing {
    pub(super) fn x509(&self, family: Family) -> Option<&Arc<Authority>> {
        self.x509.iter().find(|authority| authority.family() == family)
    }

    pub(super) fn place(&mut self, loaded: Loaded) {
        match loaded {
            Loaded::X509(authority) => self.x509.push(authority),
            Loaded::Jwt(signer) => self.jwt = Some(signer),
            Loaded::Wit(signer) => self.wit = Some(signer),
        }
    }

    /// What signs for `family`.
    pub(super) fn of_family(&self, family: Family) -> Option<Loaded> {
        match family {
            Family::Jwt => self.jwt.clone().map(Loaded::Jwt),
            Family::Wit => self.wit.clone().map(Loaded::Wit),
            family => self.x509(family).cloned().map(Loaded::X509),
        }
    }

    /// The opened authority of `record`, if it is among them.
    pub(super) fn loaded(&self, record: &AuthorityRecord) -> Option<Loaded> {
        self.of_family(record.family)
            .filter(|loaded| loaded.is_of(record))
    }
}

/// The trust bundle that these published authorities make.
pub(crate) fn bundle_of(
    trust_domain: &TrustDomain,
    published: &PublishedAuthorities,
) -> Result<TrustBundle, AuthoritiesError> {
    let mut bundle = TrustBundle::new(trust_domain.clone());
    bundle.sequence = published.sequence;
    bundle.refresh_hint = Some(REFRESH_HINT);
    for record in &published.authorities {
        publish(&mut bundle, record)?;
    }
    published.appended.add_to(&mut bundle);
    Ok(bundle)
}

/// Adds what `record` publishes to `bundle`.
fn publish(bundle: &mut TrustBundle, record: &AuthorityRecord) -> Result<(), AuthoritiesError> {
    let tainted = record.state == AuthorityState::Tainted;
    let damaged = |reason: String| AuthoritiesError::Journal {
        authority_id: record.authority_id.clone(),
        reason,
    };
    match &record.material {
        // Verifiers know it by the root above it, which stands among what others put into the bundle.
        AuthorityMaterial::X509 { .. } if record.upstream.is_some() => {}
        AuthorityMaterial::X509 { certificate } => {
            let certificate = Certificate::from_der(certificate).map_err(|e| damaged(e.to_string()))?;
            bundle
                .x509_authorities
                .push(X509Authority { certificate, tainted });
        }
        AuthorityMaterial::Jwt { key_id, spki } => {
            let mut key = JwtAuthority::from_spki_der(key_id, spki).map_err(|e| damaged(e.to_string()))?;
            key.expires_at = Some(record.not_after);
            key.tainted = tainted;
            match record.family {
                Family::Wit => bundle.wit_authorities.push(key),
                _ => bundle.jwt_authorities.push(key),
            }
        }
    }
    Ok(())
}
