//! What can be wrong with a list that is to be issued, by whose input was wrong.

use symbolon_pki::crl::MAX_CRL_ENTRIES;

use crate::error::{AuthorityError, IssuanceError, SigningError};
use crate::lint::LintError;
use crate::serial::Serial;

/// Why no list was issued.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CrlError {
    /// More certificates than a list may have.
    #[error("the revocation list would have {0} certificates; {MAX_CRL_ENTRIES} are allowed")]
    TooManyEntries(usize),
    /// The same certificate twice.
    #[error("the certificate {0} is to be on the revocation list twice")]
    RevokedTwice(Serial),
    /// A revocation that has not happened yet.
    #[error("the certificate {0} is said to have been revoked after the present moment")]
    RevokedInTheFuture(Serial),
    /// The authority that should sign cannot.
    #[error("the authority cannot sign this: {0}")]
    Authority(#[from] AuthorityError),
    /// A moment, a lifetime or the authority's time is wrong.
    #[error(transparent)]
    Issuance(#[from] IssuanceError),
    /// The list that would have been signed breaks rules. This is a fault of this program, never of the request.
    #[error("the revocation list would break rules: {0}")]
    Lint(#[from] LintError),
    /// The list that would have been signed does not say what was asked for.
    #[error("the revocation list would not say what was asked for: {0}")]
    NotAsAsked(String),
    /// The list could not be encoded.
    #[error("the revocation list cannot be encoded: {0}")]
    Encoding(String),
    /// Everything was right until the key was used.
    #[error("signing failed: {0}")]
    Signing(#[from] SigningError),
}
