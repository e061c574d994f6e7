//! What one presents, whom one trusts, and where both come from.

use std::fmt::Debug;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls_pki_types::CertificateDer;
use spiffe::SpiffeId;
use symbolon_pki::bundle::BundleSet;
use symbolon_pki::certificate::Certificate;
use symbolon_pki::key::SuiteSigner;
use symbolon_pki::suite::Form;

use crate::error::IdentityError;
use crate::handshakes::HandshakeCounts;
use crate::migration::Migration;

/// An SVID with its private key, ready to be presented in a handshake.
#[derive(Debug)]
pub struct SvidIdentity {
    chain: Vec<CertificateDer<'static>>,
    issuers: Vec<Vec<u8>>,
    leaf: Certificate,
    signer: SuiteSigner,
    spiffe_id: SpiffeId,
    form: Form,
}

impl SvidIdentity {
    /// Takes a chain of DER certificates, leaf first and without the root, and the leaf's key.
    ///
    /// Nothing is verified against a bundle: that is for the peer to do.
    ///
    /// # Errors
    /// [`IdentityError`] if a certificate cannot be read, the leaf has not exactly one SPIFFE ID, or the key is not
    /// the leaf's.
    pub fn new(chain: Vec<Vec<u8>>, signer: SuiteSigner) -> Result<Self, IdentityError> {
        let parsed = chain
            .iter()
            .enumerate()
            .map(|(index, der)| {
                Certificate::from_der(der).map_err(|error| IdentityError::Certificate {
                    index,
                    reason: error.to_string(),
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        let leaf = parsed.first().ok_or(IdentityError::Empty)?;
        let spiffe_id = leaf.spiffe_id().map_err(|error| IdentityError::SpiffeId {
            reason: error.to_string(),
        })?;
        let leaf_key = leaf.subject_key().map_err(|error| IdentityError::Certificate {
            index: 0,
            reason: error.to_string(),
        })?;
        if leaf_key.spki_der() != signer.public_key().spki_der() {
            return Err(IdentityError::KeyMismatch {
                id: spiffe_id,
                suite: signer.suite(),
            });
        }
        Ok(Self {
            issuers: parsed
                .iter()
                .map(|certificate| certificate.issuer_der().to_vec())
                .collect(),
            chain: chain.into_iter().map(CertificateDer::from).collect(),
            leaf: leaf.clone(),
            form: leaf.form().unwrap_or_else(|| leaf_key.form()),
            signer,
            spiffe_id,
        })
    }

    /// The certificates, leaf first.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// The leaf's key.
    pub fn signer(&self) -> &SuiteSigner {
        &self.signer
    }

    /// Whose SVID it is.
    pub fn spiffe_id(&self) -> &SpiffeId {
        &self.spiffe_id
    }

    /// Its form, as far as its leaf tells: the first SVID of a pair is an ordinary classical one, and the second is of the
    /// form [`Paired`](Form::Paired).
    pub fn form(&self) -> Form {
        self.form
    }

    /// The leaf, as it was read.
    pub fn leaf(&self) -> &Certificate {
        &self.leaf
    }

    /// Whether one of these distinguished names (DER) issued the leaf or a certificate above it.
    pub(crate) fn is_issued_by_any<'a>(&self, mut names: impl Iterator<Item = &'a [u8]>) -> bool {
        names.any(|name| self.issuers.iter().any(|issuer| issuer == name))
    }
}

/// Where a TLS side gets its SVIDs and trust bundles, at the time of each handshake.
pub trait IdentitySource: Send + Sync + Debug {
    /// The SVIDs held now, the default identity first; each form of one SPIFFE ID is an entry of its own. Empty
    /// while there is none.
    fn identities(&self) -> Arc<[Arc<SvidIdentity>]>;

    /// The trust bundles held now.
    fn bundles(&self) -> Arc<BundleSet>;

    /// Both, of one and the same moment. A source that replaces them together gives them together, too.
    fn both(&self) -> (Arc<[Arc<SvidIdentity>]>, Arc<BundleSet>) {
        (self.identities(), self.bundles())
    }

    /// How far the migration of the default identity is. `None` while there is none, as for sources that know of no
    /// migrations.
    fn migration(&self) -> Option<Migration> {
        None
    }

    /// Where handshakes with what this source holds are counted, if anywhere.
    fn handshakes(&self) -> Option<&HandshakeCounts> {
        None
    }
}

/// A source whose content its owner sets: a server that renews its own certificate, or a test.
#[derive(Debug)]
pub struct StaticSource {
    held: ArcSwap<Held>,
    handshakes: HandshakeCounts,
}

/// SVIDs and bundles that belong together.
#[derive(Clone, Debug)]
struct Held {
    identities: Arc<[Arc<SvidIdentity>]>,
    bundles: Arc<BundleSet>,
    migration: Option<Migration>,
}

impl StaticSource {
    /// A source with these SVIDs, the default identity first, and these bundles.
    pub fn new(identities: Vec<Arc<SvidIdentity>>, bundles: BundleSet) -> Self {
        let held = Held {
            identities: identities.into(),
            bundles: Arc::new(bundles),
            migration: None,
        };
        Self {
            held: ArcSwap::from_pointee(held),
            handshakes: HandshakeCounts::default(),
        }
    }

    /// Replaces SVIDs and bundles together. Handshakes that have begun keep what they began with.
    pub fn set(&self, identities: Vec<Arc<SvidIdentity>>, bundles: BundleSet) {
        let (identities, bundles): (Arc<[_]>, _) = (identities.into(), Arc::new(bundles));
        self.held.rcu(|held| Held {
            identities: identities.clone(),
            bundles: bundles.clone(),
            migration: held.migration,
        });
    }

    /// Sets how far the migration of the default identity is.
    pub fn set_migration(&self, migration: Option<Migration>) {
        self.held.rcu(|held| Held {
            migration,
            ..Held::clone(held)
        });
    }

    /// Replaces the SVIDs.
    pub fn set_identities(&self, identities: Vec<Arc<SvidIdentity>>) {
        let identities: Arc<[_]> = identities.into();
        self.held.rcu(|held| Held {
            identities: identities.clone(),
            ..Held::clone(held)
        });
    }

    /// Replaces the bundles.
    pub fn set_bundles(&self, bundles: BundleSet) {
        let bundles = Arc::new(bundles);
        self.held.rcu(|held| Held {
            bundles: bundles.clone(),
            ..Held::clone(held)
        });
    }
}

impl IdentitySource for StaticSource {
    fn identities(&self) -> Arc<[Arc<SvidIdentity>]> {
        self.held.load().identities.clone()
    }

    fn bundles(&self) -> Arc<BundleSet> {
        self.held.load().bundles.clone()
    }

    fn both(&self) -> (Arc<[Arc<SvidIdentity>]>, Arc<BundleSet>) {
        let held = self.held.load();
        (held.identities.clone(), held.bundles.clone())
    }

    fn migration(&self) -> Option<Migration> {
        self.held.load().migration
    }

    fn handshakes(&self) -> Option<&HandshakeCounts> {
        Some(&self.handshakes)
    }
}

/// What a source held at one moment, so that a handshake offers, chooses and verifies by one and the same state.
#[derive(Debug)]
pub(crate) struct Snapshot {
    identities: Arc<[Arc<SvidIdentity>]>,
    bundles: Arc<BundleSet>,
    migration: Option<Migration>,
}

impl Snapshot {
    pub(crate) fn of(source: &dyn IdentitySource) -> Arc<Self> {
        let (identities, bundles) = source.both();
        Arc::new(Self {
            identities,
            bundles,
            migration: source.migration(),
        })
    }
}

impl IdentitySource for Snapshot {
    fn identities(&self) -> Arc<[Arc<SvidIdentity>]> {
        self.identities.clone()
    }

    fn bundles(&self) -> Arc<BundleSet> {
        self.bundles.clone()
    }

    fn migration(&self) -> Option<Migration> {
        self.migration
    }
}
