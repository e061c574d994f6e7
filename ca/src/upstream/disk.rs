//! An authority whose certificate and key are in files.
//!
//! They are read anew whenever they are needed, so a root is replaced by replacing its files.

use std::io;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use spiffe::TrustDomain;
use symbolon_crypto::random;
use symbolon_issuance::{Authority, AuthorityKeys, IntermediateRequest, Serial, prepare_intermediate};
use symbolon_pki::bundle::X509Authority;
use symbolon_pki::certificate::Certificate;
use symbolon_pki::csr::Csr;
use symbolon_pki::key::SuiteSigner;
use symbolon_pki::pem;
use zeroize::Zeroizing;

use super::files::Files;
use super::{Answer, MintOrder, Minted, Upstream, UpstreamBundle, UpstreamError};
use crate::datastore::AppendedAuthorities;

/// The most bytes of a file.
const MAX_LEN: u64 = 1024 * 1024;

/// Where an authority's certificate and key are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DiskFiles {
    /// Its certificate, PEM; where it is no root, followed by those that lead up to one.
    pub certificate: PathBuf,
    /// Its key: PKCS#8, PEM.
    pub key: PathBuf,
    /// The alternative key beside it, for the catalyst family.
    pub alternative_key: Option<PathBuf>,
    /// The roots, PEM, where the certificate is none.
    pub bundle: Option<PathBuf>,
}

/// An authority in files.
#[derive(Clone, Debug)]
pub struct Disk {
    trust_domain: TrustDomain,
    files: DiskFiles,
    hands: Files,
}

/// What the files hold.
struct Held {
    /// The authority's own, then what leads up to a root. None where its own is the root.
    above: Vec<Certificate>,
    roots: Vec<Certificate>,
    authority: Authority,
}

impl Disk {
    /// The authority of these files, for this trust domain. They are not looked at yet.
    pub fn new(trust_domain: TrustDomain, files: DiskFiles) -> Self {
        Self::with(trust_domain, files, Files::default())
    }

    pub(super) fn with(trust_domain: TrustDomain, files: DiskFiles, hands: Files) -> Self {
        Self {
            trust_domain,
            files,
            hands,
        }
    }

    /// Reads the files, and sees whether they go together.
    ///
    /// # Errors
    /// [`UpstreamError::Material`], naming the file.
    pub fn check(&self) -> Result<(), UpstreamError> {
        self.read().map(|_| ())
    }

    fn read(&self) -> Result<Held, UpstreamError> {
        let certificates = certificates(&self.files.certificate)?;
        let own = certificates
            .first()
            .cloned()
            .ok_or_else(|| no_certificate(&self.files.certificate))?;
        let signer = signer(&self.files.key)?;
        let of_certificate = |reason: String| material(&self.files.certificate, reason);
        let keys = match &self.files.alternative_key {
            None => AuthorityKeys::from(signer),
            Some(file) => AuthorityKeys::catalyst(signer, self::signer(file)?)
                .map_err(|error| material(file, error.to_string()))?,
        };
        let authority = Authority::serving(own.clone(), keys, &self.trust_domain)
            .map_err(|error| of_certificate(format!("the certificate and the key: {error}")))?;
        let (above, roots) = match &self.files.bundle {
            Some(file) => (certificates, self::certificates(file)?),
            None if own.is_self_issued() => (Vec::new(), vec![own]),
            None => {
                let reason = "the certificate is no root; name the roots with `bundle_file`";
                return Err(of_certificate(reason.to_owned()));
            }
        };
        Ok(Held {
            above,
            roots,
            authority,
        })
    }

    fn mint_now(&self, order: &MintOrder) -> Result<Minted, UpstreamError> {
        let held = self.read()?;
        let refused = |error: String| UpstreamError::Refused(error);
        let csr = Csr::from_der(&order.csr).map_err(|error| refused(error.to_string()))?;
        let serial = Serial::random(random::fill).map_err(|error| refused(error.to_string()))?;
        let request = IntermediateRequest {
            key: csr.key(),
            alternative: csr.alternative_key(),
            ttl: order.ttl,
            path_len: None,
            serial,
            now: order.now,
        };
        let linted =
            prepare_intermediate(&held.authority, &request).map_err(|error| refused(error.to_string()))?;
        let issued = linted
            .sign(&held.authority)
            .map_err(|error| refused(error.to_string()))?;
        let own = Certificate::from_der(issued.der()).map_err(|error| refused(error.to_string()))?;
        Ok(Minted {
            chain: std::iter::once(own).chain(held.above).collect(),
            roots: held.roots,
        })
    }
}

#[async_trait]
impl Upstream for Disk {
    fn kind(&self) -> &'static str {
        "disk"
    }

    async fn mint(&self, order: &MintOrder) -> Result<Answer, UpstreamError> {
        let (this, order) = (self.clone(), order.clone());
        let minting = self.hands.work(move || this.mint_now(&order));
        minting.await.map(Answer::Minted)
    }

    /// Its roots as they are now: one that was replaced stays in the bundle until it has ended.
    async fn bundle(&self) -> Result<Option<UpstreamBundle>, UpstreamError> {
        let this = self.clone();
        let held = self.hands.work(move || this.read()).await?;
        Ok(Some(UpstreamBundle {
            authorities: AppendedAuthorities {
                x509: held.roots.into_iter().map(X509Authority::new).collect(),
                ..AppendedAuthorities::default()
            },
            is_all: false,
        }))
    }
}

fn material(file: &Path, reason: impl std::fmt::Display) -> UpstreamError {
    UpstreamError::Material(format!("{}: {reason}", file.display()))
}

fn no_certificate(file: &Path) -> UpstreamError {
    material(file, "it holds no certificate")
}

/// What a file holds, if it can be read.
pub(super) fn bytes(file: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    use io::Read as _;
    let mut bytes = Zeroizing::new(Vec::new());
    std::fs::File::open(file)?.take(MAX_LEN).read_to_end(&mut bytes)?;
    Ok(bytes)
}

pub(super) fn read(file: &Path) -> Result<Zeroizing<Vec<u8>>, UpstreamError> {
    bytes(file).map_err(|error| material(file, format!("it cannot be read: {error}")))
}

pub(super) fn certificates(file: &Path) -> Result<Vec<Certificate>, UpstreamError> {
    certificates_in(file, &read(file)?)
}

/// The certificates of a file that holds these bytes.
pub(super) fn certificates_in(file: &Path, bytes: &[u8]) -> Result<Vec<Certificate>, UpstreamError> {
    let found = pem::certificates(bytes).map_err(|error| material(file, error))?;
    found
        .into_iter()
        .collect::<Result<_, _>>()
        .map_err(|error| material(file, error))
}

fn signer(file: &Path) -> Result<SuiteSigner, UpstreamError> {
    let key = pem::private_key(&read(file)?).map_err(|error| material(file, error))?;
    key.signer().map_err(|error| material(file, error))
}
