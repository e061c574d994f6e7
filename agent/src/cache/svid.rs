//! A workload's SVID: made of what the server answered, once that has been found good.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use spiffe::SpiffeId;
use symbolon_pki::bundle::{BundleSet, TrustBundle};
use symbolon_pki::catalyst::Alternative;
use symbolon_pki::certificate::{Certificate, CertificateError};
use symbolon_pki::key::{KeyError, Pkcs8Error, PrivateKey, SubjectKey, SuiteSigner};
use symbolon_pki::related::{PairError, verify_pair};
use symbolon_pki::skid::Skid;
use symbolon_pki::suite::{Form, Suite};
use symbolon_pki::verify::{ChainError, PathPolicy, VerifiedSvid, VerifyOptions, verify_x509_svid_with};
use zeroize::Zeroizing;

use super::{Entry, Version};
use crate::server::CallError;
use crate::time::renewal_at;

/// An X.509-SVID with its keys, in the encodings in which workloads are given both. A pair is one of these: its two halves
/// are fetched, renewed and dropped together.
#[derive(Debug)]
pub(crate) struct WorkloadSvid {
    /// What it consists of: the two halves of a pair in their order, otherwise one part.
    pub(crate) parts: Vec<Arc<Part>>,
    /// When the first of them ends.
    pub(crate) not_after: SystemTime,
    /// When the next one is to be fetched.
    pub(crate) renew_at: SystemTime,
    /// Whose it is. The entry may come to be about another one.
    pub(crate) spiffe_id: SpiffeId,
    /// The state of the entry that it was fetched for.
    pub(crate) version: Version,
}

/// A certificate with its keys.
#[derive(Debug)]
pub(crate) struct Part {
    /// The form of the authorities that it goes back to.
    pub(crate) form: Form,
    /// Certificates in DER, leaf first, one after the other.
    pub(crate) chain: Vec<u8>,
    /// The private key.
    pub(crate) key: PrivateKeyDer,
    /// That to its alternative key, if it has one.
    pub(crate) alternative_key: Option<PrivateKeyDer>,
    /// The authority that it goes back to.
    authority_id: Skid,
    /// Serial number of the leaf, in hexadecimal.
    serial: String,
    not_after: SystemTime,
}

impl Part {
    /// Whether peers with this bundle will go on believing it.
    fn stands_by(&self, bundle: &TrustBundle) -> bool {
        let authority = bundle.x509_authority(&self.authority_id);
        authority.is_some_and(|authority| !authority.tainted)
    }
}

/// A private key in PKCS#8, never printed.
pub(crate) struct PrivateKeyDer(pub(crate) Zeroizing<Vec<u8>>);

impl std::fmt::Debug for PrivateKeyDer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PrivateKeyDer(hidden)")
    }
}

/// Why there is no SVID.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum SvidProblem {
    /// The server gave none.
    #[error("{0}")]
    Call(#[from] CallError),
    /// A key could not be made, used or written.
    #[error("the key: {0}")]
    Key(String),
    /// The server's answer holds no certificate.
    #[error("the server's certificate cannot be read: {0}")]
    Certificate(#[from] CertificateError),
    /// The chain is not good.
    #[error("the server's certificate is refused: {0}")]
    Chain(#[from] ChainError),
    /// The two chains are not a pair.
    #[error("the server's pair of certificates is refused: {0}")]
    Pair(#[from] PairError),
    /// The certificate is not what was asked for.
    #[error("the server's certificate is for {found}, not for {wanted}")]
    Other {
        /// What was asked for.
        wanted: String,
        /// What came.
        found: String,
    },
}

impl SvidProblem {
    /// Whether asking again for the same may help, without anything being changed.
    pub(crate) fn is_transient(&self) -> bool {
        matches!(self, Self::Call(error) if error.is_transient())
    }

    /// How long the server wants to be left alone with this, if it says so.
    pub(crate) fn retry_delay(&self) -> Option<Duration> {
        match self {
            Self::Call(error) => error.retry_delay(),
            _ => None,
        }
    }
}

impl From<Pkcs8Error> for SvidProblem {
    fn from(error: Pkcs8Error) -> Self {
        Self::Key(error.to_string())
    }
}

impl From<KeyError> for SvidProblem {
    fn from(error: KeyError) -> Self {
        Self::Key(error.to_string())
    }
}

/// The keys that one certificate is asked for.
#[derive(Debug)]
pub(crate) struct NewKeys {
    native: PrivateKey,
    pub(crate) signer: SuiteSigner,
    alternative: Option<(PrivateKey, SuiteSigner)>,
}

impl NewKeys {
    /// New ones, as the form has them.
    pub(crate) fn generate(form: Form) -> Result<Self, SvidProblem> {
        let generate = |suite: Suite| {
            let key = PrivateKey::generate(suite).map_err(|error| SvidProblem::Key(error.to_string()))?;
            let signer = key.signer()?;
            Ok::<_, SvidProblem>((key, signer))
        };
        let (native, signer) = generate(form.default_suite())?;
        Ok(Self {
            native,
            signer,
            alternative: form.default_alternative().map(generate).transpose()?,
        })
    }

    pub(crate) fn alternative(&self) -> Option<&SuiteSigner> {
        self.alternative.as_ref().map(|(_, signer)| signer)
    }

    /// Whether `leaf` certifies these, and no other.
    fn are_those_of(&self, leaf: &Certificate) -> bool {
        let certified = leaf.alternative().filter(|alternative| alternative.has_key());
        let is_alternative = match (certified.map(Alternative::key), self.alternative()) {
            (None, None) => true,
            (Some(Ok(SubjectKey::Suite(certified))), Some(ours)) => certified == ours.public_key(),
            _ => false,
        };
        is_alternative && leaf.spki_der() == self.signer.public_key().spki_der()
    }
}

/// A certificate that was issued for new keys, and found good.
#[derive(Debug)]
pub(crate) struct Issued {
    pub(crate) part: Arc<Part>,
    /// Leaf first.
    pub(crate) certificates: Vec<Certificate>,
    pub(crate) keys: NewKeys,
    /// The state of the entry that it was fetched for.
    version: Version,
    issued_at: SystemTime,
}

impl Issued {
    /// Whether a pair can still be begun with this: for the same state of its entry, with an authority that is believed,
    /// and in the first half of its life.
    pub(crate) fn can_be_first(&self, entry: &Entry, bundle: &TrustBundle, now: SystemTime) -> bool {
        let life = self
            .part
            .not_after
            .duration_since(self.issued_at)
            .unwrap_or_default();
        let age = now.duration_since(self.issued_at);
        self.version == entry.version && self.part.stands_by(bundle) && age.is_ok_and(|age| age < life / 2)
    }

    /// The leaf, which every chain has that was found good.
    pub(crate) fn leaf(&self) -> Result<&Certificate, SvidProblem> {
        let none = || CallError::answer("it has no SVID in it");
        Ok(self.certificates.first().ok_or_else(none)?)
    }
}

/// What one certificate is checked against.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected<'a> {
    pub(crate) entry: &'a Entry,
    /// The form that was asked for.
    pub(crate) form: Form,
    /// The first half, if it is to be the second half of a pair.
    pub(crate) first: Option<&'a Issued>,
    pub(crate) bundle: &'a TrustBundle,
    pub(crate) now: SystemTime,
}

impl Expected<'_> {
    /// Checks the chain that the server sent for `keys`.
    pub(crate) fn check(&self, keys: NewKeys, chain: &[Vec<u8>]) -> Result<Issued, SvidProblem> {
        let certificates = chain
            .iter()
            .map(|der| Certificate::from_der(der))
            .collect::<Result<Vec<_>, _>>()?;
        let verified = self.verify(&certificates)?;
        let leaf = certificates.first();
        let is_ours = leaf.is_some_and(|leaf| keys.are_those_of(leaf));
        let family = self.form_of_authorities();
        if verified.spiffe_id != self.entry.spiffe_id || verified.form != family || !is_ours {
            let whose = if is_ours { "" } else { " and another key" };
            return Err(SvidProblem::Other {
                wanted: format!("{} ({family})", self.entry.spiffe_id),
                found: format!("{} ({}){whose}", verified.spiffe_id, verified.form),
            });
        }
        let der = |key: &PrivateKey| key.to_pkcs8_der().map(PrivateKeyDer);
        let part = Part {
            form: family,
            chain: chain.concat(),
            key: der(&keys.native)?,
            alternative_key: keys.alternative.as_ref().map(|(key, _)| der(key)).transpose()?,
            authority_id: verified.authority_id,
            serial: leaf.map(Certificate::serial_hex).unwrap_or_default(),
            not_after: verified.not_after,
        };
        Ok(Issued {
            part: Arc::new(part),
            certificates,
            keys,
            version: self.entry.version,
            issued_at: self.now,
        })
    }

    /// The second half of a pair is an ML-DSA SVID in all but the link.
    fn form_of_authorities(&self) -> Form {
        match self.form {
            Form::Paired => Form::MlDsa,
            form => form,
        }
    }

    fn verify(&self, certificates: &[Certificate]) -> Result<VerifiedSvid, SvidProblem> {
        let bundles = BundleSet::from(self.bundle.clone());
        let mut options = VerifyOptions::default();
        if let Some(first) = self.first {
            let pair = verify_pair(&first.certificates, certificates, &bundles, self.now, &options)?;
            return Ok(pair.second);
        }
        if self.form == Form::Catalyst {
            // Or what is wrong with the alternative signatures would not be told.
            options.policy = PathPolicy::HybridRequired;
        }
        Ok(verify_x509_svid_with(certificates, &bundles, self.now, &options)?)
    }
}

impl WorkloadSvid {
    /// The SVID of an entry.
    pub(crate) fn new(entry: &Entry, parts: Vec<Arc<Part>>, now: SystemTime, dice: u16) -> Self {
        let not_after = parts.iter().map(|part| part.not_after).min().unwrap_or(now);
        Self {
            not_after,
            renew_at: renewal_at(now, not_after, dice),
            spiffe_id: entry.spiffe_id.clone(),
            version: entry.version,
            parts,
        }
    }

    /// Whether peers with this bundle believe it: all of its authorities are there, tainted or not.
    pub(crate) fn is_believed_by(&self, bundle: &TrustBundle) -> bool {
        let mut parts = self.parts.iter();
        parts.all(|part| bundle.x509_authority(&part.authority_id).is_some())
    }

    /// Whether peers with this bundle will go on believing it.
    pub(crate) fn stands_by(&self, bundle: &TrustBundle) -> bool {
        self.parts.iter().all(|part| part.stands_by(bundle))
    }

    /// Serial numbers of its leaves, in hexadecimal.
    pub(crate) fn serials(&self) -> String {
        let serials: Vec<&str> = self.parts.iter().map(|part| part.serial.as_str()).collect();
        serials.join(" ")
    }
}
