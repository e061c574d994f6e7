//! Trust bundles: whom a trust domain says to believe, and the documents that carry it.
//!
//! A bundle belongs to one trust domain and vouches for that domain alone; bundles of different domains are never
//! merged, and a [`BundleSet`] keeps them apart. The document is SPIFFE's JWK Set, written and read by
//! [`TrustBundle::to_jwks`] and [`TrustBundle::from_jwks`].

mod error;
pub(crate) mod jwk;
mod read;
mod write;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use spiffe::TrustDomain;

pub use self::error::{BundleError, EntryError};
pub use self::read::{MAX_AUTHORITIES, MAX_BUNDLE_LEN, MAX_KEY_ID};
use crate::certificate::Certificate;
use crate::jwt::Algorithm;
use crate::key::{KeyError, SubjectKey};
use crate::skid::Skid;
use crate::suite::Form;

/// The authorities of one trust domain.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TrustBundle {
    /// Whose they are.
    pub trust_domain: TrustDomain,
    /// Counts the bundle's changes, so that of two documents the newer is known.
    pub sequence: u64,
    /// How often whoever holds a copy should ask for a new one; whole seconds in the document.
    pub refresh_hint: Option<Duration>,
    /// Who signs X.509-SVIDs.
    pub x509_authorities: Vec<X509Authority>,
    /// Who signs JWT-SVIDs.
    pub jwt_authorities: Vec<JwtAuthority>,
    /// Who signs WIT-SVIDs. Such a key is none of the JWT authorities: a token of one kind never passes for one of the
    /// other.
    pub wit_authorities: Vec<JwtAuthority>,
}

/// A certificate that X.509-SVIDs are verified against.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct X509Authority {
    /// The certificate.
    pub certificate: Certificate,
    /// Whether it is being replaced because it may be compromised.
    pub tainted: bool,
}

/// A key that JWT-SVIDs are verified against, or WIT-SVIDs: the list that it stands in says which.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct JwtAuthority {
    /// The `kid` by which tokens name it.
    pub key_id: String,
    /// The key.
    pub public_key: SubjectKey,
    /// When it stops being used, if that is known.
    pub expires_at: Option<SystemTime>,
    /// Whether it is being replaced because it may be compromised.
    pub tainted: bool,
}

impl TrustBundle {
    /// A bundle without authorities, which nothing verifies against.
    #[must_use]
    pub fn new(trust_domain: TrustDomain) -> Self {
        Self {
            trust_domain,
            sequence: 0,
            refresh_hint: None,
            x509_authorities: Vec::new(),
            jwt_authorities: Vec::new(),
            wit_authorities: Vec::new(),
        }
    }

    /// The X.509 authorities that [issue](X509Authority::issues) SVIDs of `form`.
    pub fn authorities_of(&self, form: Form) -> impl Iterator<Item = &X509Authority> {
        self.x509_authorities
            .iter()
            .filter(move |authority| authority.issues(form))
    }

    /// The X.509 authorities that stock software can use, which every caller gets: the classical and the catalyst ones.
    pub fn stock_authorities(&self) -> impl Iterator<Item = &X509Authority> {
        self.x509_authorities
            .iter()
            .filter(|authority| authority.is_stock())
    }

    /// The X.509 authority with this key identifier.
    #[must_use]
    pub fn x509_authority(&self, id: &Skid) -> Option<&X509Authority> {
        self.x509_authorities
            .iter()
            .find(|authority| authority.id() == *id)
    }

    /// The JWT authority with this `kid`.
    #[must_use]
    pub fn jwt_authority(&self, key_id: &str) -> Option<&JwtAuthority> {
        self.jwt_authorities
            .iter()
            .find(|authority| authority.key_id == key_id)
    }

    /// The WIT authority with this `kid`.
    #[must_use]
    pub fn wit_authority(&self, key_id: &str) -> Option<&JwtAuthority> {
        self.wit_authorities
            .iter()
            .find(|authority| authority.key_id == key_id)
    }
}

impl X509Authority {
    /// An authority in good standing.
    #[must_use]
    pub fn new(certificate: Certificate) -> Self {
        Self {
            certificate,
            tainted: false,
        }
    }

    /// What every API calls its `authority_id`: its key identifier, computed if the certificate has none.
    #[must_use]
    pub fn id(&self) -> Skid {
        self.certificate.skid().copied().unwrap_or_else(|| {
            let spki = self
                .certificate
                .inner()
                .tbs_certificate()
                .subject_public_key_info();
            Skid::of(spki.subject_public_key.raw_bytes())
        })
    }

    /// The form of what it issues: that of its key, or catalyst if it has an alternative key as well. `None` if this
    /// build cannot use its key.
    #[must_use]
    pub fn form(&self) -> Option<Form> {
        self.certificate.form()
    }

    /// Whether SVIDs of `form` go back to it: it is of that form, or for pairs of that of either half. One with a key that
    /// this build cannot use issues nothing.
    #[must_use]
    pub fn issues(&self, form: Form) -> bool {
        let halves = match form {
            Form::Paired => [Form::Classical, Form::MlDsa],
            single => [single, single],
        };
        self.form().is_some_and(|form| halves.contains(&form))
    }

    /// Whether stock software can use it: its own key is classical, whatever stands beside it.
    #[must_use]
    pub fn is_stock(&self) -> bool {
        self.certificate
            .subject_key()
            .is_ok_and(|key| key.form() == Form::Classical)
    }
}

impl JwtAuthority {
    /// An authority in good standing with this SubjectPublicKeyInfo (DER).
    ///
    /// # Errors
    /// [`KeyError`] if that is no key that this build knows.
    pub fn from_spki_der(key_id: impl Into<String>, spki_der: &[u8]) -> Result<Self, KeyError> {
        let public_key = SubjectKey::from_spki_der(spki_der)?;
        Ok(Self {
            key_id: key_id.into(),
            public_key,
            expires_at: None,
            tainted: false,
        })
    }

    /// DER of the key's SubjectPublicKeyInfo.
    #[must_use]
    pub fn spki_der(&self) -> Vec<u8> {
        self.public_key.spki_der()
    }

    /// Whether some algorithm that a JWT-SVID or WIT-SVID may have uses keys of this type: RSA, and ECDSA on the curves of
    /// JOSE. Documents hold no other such authority.
    #[must_use]
    pub fn signs_jwt_svids(&self) -> bool {
        Algorithm::ALL
            .into_iter()
            .any(|algorithm| algorithm.uses(&self.public_key))
    }
}

/// Bundles by trust domain. Copies share them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct BundleSet {
    bundles: BTreeMap<TrustDomain, Arc<TrustBundle>>,
}

impl BundleSet {
    /// A set that vouches for nobody.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The bundle of `trust_domain`.
    #[must_use]
    pub fn get(&self, trust_domain: &TrustDomain) -> Option<&Arc<TrustBundle>> {
        self.bundles.get(trust_domain)
    }

    /// Puts a bundle in, and gives back the one it takes the place of.
    pub fn insert(&mut self, bundle: impl Into<Arc<TrustBundle>>) -> Option<Arc<TrustBundle>> {
        let bundle = bundle.into();
        self.bundles.insert(bundle.trust_domain.clone(), bundle)
    }

    /// Takes a bundle out.
    pub fn remove(&mut self, trust_domain: &TrustDomain) -> Option<Arc<TrustBundle>> {
        self.bundles.remove(trust_domain)
    }

    /// The bundles, in the order of their trust domains' names.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<TrustBundle>> {
        self.bundles.values()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bundles.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bundles.is_empty()
    }
}

impl<B: Into<Arc<TrustBundle>>> FromIterator<B> for BundleSet {
    fn from_iter<I: IntoIterator<Item = B>>(bundles: I) -> Self {
        let mut set = Self::new();
        for bundle in bundles {
            set.insert(bundle);
        }
        set
    }
}

impl From<TrustBundle> for BundleSet {
    fn from(bundle: TrustBundle) -> Self {
        Self::from_iter([bundle])
    }
}
