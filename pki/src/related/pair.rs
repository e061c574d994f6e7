//! Verifying the two certificates of a pair as one identity.

use std::time::SystemTime;

use spiffe::SpiffeId;

use super::RelatedError;
use super::request::check_first;
use crate::bundle::BundleSet;
use crate::certificate::Certificate;
use crate::key::Half;
use crate::verify::{ChainError, PathPolicy, VerifiedSvid, VerifyOptions, verify_x509_svid_with};

/// A pair that was verified. Certificates are public: whoever presents a pair proves to be its holder by *both* keys, and
/// that is for the caller to see. The second alone could be anybody's who forges ML-DSA, since anybody can name the first
/// in it; by both keys, one has to break both halves.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct VerifiedPair {
    /// Whose it is.
    pub spiffe_id: SpiffeId,
    /// The classical half.
    pub first: VerifiedSvid,
    /// The post-quantum half.
    pub second: VerifiedSvid,
    /// Until when both are valid.
    pub not_after: SystemTime,
}

/// Why a pair is not to be believed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PairError {
    /// The classical half's chain.
    #[error("the first, classical certificate: {0}")]
    First(ChainError),
    /// The post-quantum half's chain.
    #[error("the second, post-quantum certificate: {0}")]
    Second(ChainError),
    /// The two are for different identities.
    #[error("the first certificate is for {first}, the second for {second}")]
    OtherIdentity {
        /// Whose the first is.
        first: SpiffeId,
        /// Whose the second is.
        second: SpiffeId,
    },
    /// The second does not name the first.
    #[error("the second certificate has no relatedCertificate extension, so it is paired with none")]
    NotLinked,
    /// The first is none to be paired with, or the second names another one.
    #[error("the pair does not belong together: {0}")]
    Related(RelatedError),
    /// Both have the same key.
    #[error("both certificates have the same key, or one that shares a component")]
    SharedKey,
}

impl PairError {
    /// The half that this is about; both, where it is about what ties them.
    #[must_use]
    pub fn half(&self) -> Half {
        match self {
            Self::First(_) => Half::Classical,
            Self::Second(_) => Half::PostQuantum,
            _ => Half::Both,
        }
    }
}

/// Verifies two chains, leaf first, as a pair: each by itself against the bundle of the trust domain that it names, the
/// first as a classical one, the second without a classical key on its path; both for the same identity; and the first
/// being the one that the second names.
///
/// What `options` ask of a path's worth is asked of the pair, which satisfies any: each half is held to what it is. A profile
/// of theirs judges each half as a key that stands alone.
///
/// That the presenter holds the two keys is not shown by this: see [`VerifiedPair`].
///
/// # Errors
/// [`PairError`].
pub fn verify_pair(
    first: &[Certificate],
    second: &[Certificate],
    bundles: &BundleSet,
    now: SystemTime,
    options: &VerifyOptions,
) -> Result<VerifiedPair, PairError> {
    let with = |policy| {
        let mut options = options.clone();
        options.policy = policy;
        options
    };
    let verified_first = verify_x509_svid_with(first, bundles, now, &with(PathPolicy::ClassicalOk))
        .map_err(PairError::First)?;
    let verified_second = verify_x509_svid_with(second, bundles, now, &with(PathPolicy::PqRequired))
        .map_err(PairError::Second)?;
    if verified_first.spiffe_id != verified_second.spiffe_id {
        return Err(PairError::OtherIdentity {
            first: verified_first.spiffe_id,
            second: verified_second.spiffe_id,
        });
    }
    // Neither is empty: that is the first thing that a chain's verification refuses.
    let (Some(first), Some(second)) = (first.first(), second.first()) else {
        return Err(PairError::NotLinked);
    };
    check_first(first).map_err(PairError::Related)?;
    let link = second.related().ok_or(PairError::NotLinked)?;
    link.check(first).map_err(PairError::Related)?;
    if let (Ok(one), Ok(other)) = (first.subject_key(), second.subject_key())
        && one.shares_a_component(other)
    {
        return Err(PairError::SharedKey);
    }
    Ok(VerifiedPair {
        spiffe_id: verified_first.spiffe_id.clone(),
        not_after: verified_first.not_after.min(verified_second.not_after),
        first: verified_first,
        second: verified_second,
    })
}
