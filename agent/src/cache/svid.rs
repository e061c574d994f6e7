//! A workload's SVID: made of what the server answered, once that has been found good.

use std::time::SystemTime;

use spiffe::SpiffeId;
use symbolon_pki::bundle::{BundleSet, TrustBundle};
use symbolon_pki::certificate::{Certificate, CertificateError};
use symbolon_pki::key::{Pkcs8Error, PrivateKey};
use symbolon_pki::skid::Skid;
use symbolon_pki::suite::Form;
use symbolon_pki::verify::{ChainError, verify_x509_svid};
use zeroize::Zeroizing;

use super::{Entry, Version};
use crate::server::CallError;
use crate::time::renewal_at;

/// An X.509-SVID with its key, in the encodings in which workloads are given both.
#[derive(Debug)]
pub(crate) struct WorkloadSvid {
    /// Certificates in DER, leaf first, one after the other.
    pub(crate) chain: Vec<u8>,
    /// The private key.
    pub(crate) key: PrivateKeyDer,
    /// When the leaf ends.
    pub(crate) not_after: SystemTime,
    /// When the next one is to be fetched.
    pub(crate) renew_at: SystemTime,
    /// The authority that it goes back to.
    pub(crate) authority_id: Skid,
    /// Serial number of the leaf, in hexadecimal.
    pub(crate) serial: String,
    /// Whose it is. The entry may come to be about another one.
    pub(crate) spiffe_id: SpiffeId,
    /// The state of the entry that it was fetched for.
    pub(crate) version: Version,
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
    /// The certificate is not what was asked for.
    #[error("the server's certificate is for {found}, not for {wanted}")]
    Other {
        /// What was asked for.
        wanted: String,
        /// What came.
        found: String,
    },
}

impl From<Pkcs8Error> for SvidProblem {
    fn from(error: Pkcs8Error) -> Self {
        Self::Key(error.to_string())
    }
}

impl WorkloadSvid {
    /// Checks the chain that the server sent for `key` against what was asked for, and against the bundle.
    pub(crate) fn new(
        entry: &Entry,
        form: Form,
        key: &PrivateKey,
        chain: &[Vec<u8>],
        bundle: &TrustBundle,
        now: SystemTime,
        dice: u16,
    ) -> Result<Self, SvidProblem> {
        let certificates = chain
            .iter()
            .map(|der| Certificate::from_der(der))
            .collect::<Result<Vec<_>, _>>()?;
        let verified = verify_x509_svid(&certificates, &BundleSet::from(bundle.clone()), now)?;
        let public = key
            .public_key()
            .map_err(|error| SvidProblem::Key(error.to_string()))?;
        let leaf = certificates.first();
        let is_ours = leaf.is_some_and(|leaf| leaf.spki_der() == public.spki_der());
        if verified.spiffe_id != entry.spiffe_id || verified.form != form || !is_ours {
            let whose = if is_ours { "" } else { " and another key" };
            return Err(SvidProblem::Other {
                wanted: format!("{} ({form})", entry.spiffe_id),
                found: format!("{} ({}){whose}", verified.spiffe_id, verified.form),
            });
        }
        Ok(Self {
            chain: chain.concat(),
            key: PrivateKeyDer(key.to_pkcs8_der()?),
            not_after: verified.not_after,
            renew_at: renewal_at(now, verified.not_after, dice),
            authority_id: verified.authority_id,
            serial: leaf.map(Certificate::serial_hex).unwrap_or_default(),
            spiffe_id: verified.spiffe_id,
            version: entry.version,
        })
    }

    /// Whether peers with this bundle will go on believing it.
    pub(crate) fn stands_by(&self, bundle: &TrustBundle) -> bool {
        bundle
            .x509_authority(&self.authority_id)
            .is_some_and(|authority| !authority.tainted)
    }
}
