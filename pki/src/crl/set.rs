//! The lists that a verifier was given.

use super::Crl;

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

    /// The lists that say they are of the issuer with this name (DER) and key identifier; if it has none, by name alone.
    pub fn of<'a>(&'a self, issuer: &'a [u8], key_id: Option<&'a [u8]>) -> impl Iterator<Item = &'a Crl> {
        self.0
            .iter()
            .filter(move |crl| crl.issuer_der() == issuer && key_id.is_none_or(|id| id == crl.akid_bytes()))
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
