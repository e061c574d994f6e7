//! The lists that a verifier was given.

use x509_cert::name::Name;

use super::Crl;
use crate::names::Comparable;

/// The most lists that a verifier is given.
pub const MAX_CRLS: usize = 1024;

/// Lists of any issuers. Of which issuer and how new each is, they say themselves.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct CrlSet(Vec<Crl>);

/// More lists than a [`CrlSet`] holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("there are {0} revocation lists, more than {MAX_CRLS}")]
pub struct TooManyCrls(pub usize);

impl CrlSet {
    /// A set of these.
    ///
    /// # Errors
    /// [`TooManyCrls`] for more than [`MAX_CRLS`].
    pub fn new(crls: Vec<Crl>) -> Result<Self, TooManyCrls> {
        if crls.len() > MAX_CRLS {
            return Err(TooManyCrls(crls.len()));
        }
        Ok(Self(crls))
    }

    /// The lists that say they are of the issuer with this name and key identifier; if it has none, by name alone. Names
    /// are compared as RFC 5280, section 7.1, has it: whoever made list and certificate may have written the same name in
    /// two ways.
    pub fn of<'a>(&'a self, issuer: &Name, key_id: Option<&'a [u8]>) -> impl Iterator<Item = &'a Crl> {
        let issuer = Comparable::new(issuer).ok();
        self.0.iter().filter(move |crl| {
            key_id.is_none_or(|id| id == crl.akid_bytes()) && issuer.as_ref() == Some(crl.comparable_issuer())
        })
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
