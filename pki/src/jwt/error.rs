//! Why a token was refused.

use std::time::SystemTime;

use spiffe::TrustDomain;

use super::MAX_TOKEN_LEN;
use crate::time::rfc3339;

/// A token that is no JWT-SVID, or not to be believed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum JwtError {
    /// Longer than any token that is read.
    #[error("the token has {0} bytes; at most {MAX_TOKEN_LEN} are read")]
    TooLong(usize),
    /// Not three parts of base64url with dots between (RFC 7515, section 7.1).
    #[error("the token is not a JWS in compact serialisation: {0}")]
    NotCompact(&'static str),
    /// The header is not JSON, or has a member that JWT-SVIDs do not have (JWT-SVID, section 2), `crit` among them.
    #[error("the token's header is not that of a JWT-SVID: {0}")]
    Header(String),
    /// `alg` names something else than RSA or ECDSA with SHA-2 (JWT-SVID, section 2.1).
    #[error("the token's algorithm {0:?} is not allowed in a JWT-SVID")]
    Algorithm(String),
    /// `typ` is there and neither JWT nor JOSE (JWT-SVID, section 2.3).
    #[error("the token's type {0:?} is neither JWT nor JOSE")]
    Type(String),
    /// No `kid`, without which no key can be told (JWT-SVID, section 2.2).
    #[error("the token does not name its key: it has no `kid`")]
    NoKeyId,
    /// The claims are not a JSON object, or one of them is there twice.
    #[error("the token's claims cannot be read: {0}")]
    NotClaims(String),
    /// A claim that must be there (JWT-SVID, section 3).
    #[error("the token has no claim `{0}`")]
    MissingClaim(&'static str),
    /// A claim of the wrong type.
    #[error("the token's claim `{claim}` is not {expected}")]
    Claim {
        /// Its name.
        claim: &'static str,
        /// What ought to be there.
        expected: &'static str,
    },
    /// `sub` is no SPIFFE ID, or not that of a workload.
    #[error("the token's subject {subject:?} is not the SPIFFE ID of a workload: {problem}")]
    SpiffeId {
        /// The subject, cut to a printable length.
        subject: String,
        /// What is wrong with it.
        problem: String,
    },

    /// Nobody gave us that trust domain's bundle.
    #[error("there is no trust bundle for trust domain {0}")]
    UnknownTrustDomain(TrustDomain),
    /// The bundle has no such key.
    #[error("trust domain {trust_domain} has no JWT authority {key_id:?}")]
    UnknownKey {
        /// The token's `kid`.
        key_id: String,
        /// Whose bundle was searched.
        trust_domain: TrustDomain,
    },
    /// The key of that name is of another type than `alg` needs.
    #[error("the token says it is signed with {algorithm}, and its key is of type {key}")]
    OtherKeyType {
        /// The token's `alg`.
        algorithm: &'static str,
        /// The type of the key.
        key: String,
    },
    /// The signature does not verify.
    #[error("the token's signature does not verify")]
    Signature,
    /// The key's own life is over.
    #[error("the token's key expired at {}; it is now {}", rfc3339(*expired_at), rfc3339(*now))]
    KeyExpired {
        /// When it did.
        expired_at: SystemTime,
        /// The time of the verification.
        now: SystemTime,
    },
    /// Past `exp`.
    #[error("the token expired at {}; it is now {}", rfc3339(*expired_at), rfc3339(*now))]
    Expired {
        /// When it did.
        expired_at: SystemTime,
        /// The time of the verification.
        now: SystemTime,
    },
    /// Before `nbf`, or before the `iat` at which it says it was made.
    #[error("the token's `{claim}` is {}; it is now {}", rfc3339(*at), rfc3339(*now))]
    NotYetValid {
        /// `nbf` or `iat`.
        claim: &'static str,
        /// What it says.
        at: SystemTime,
        /// The time of the verification.
        now: SystemTime,
    },
    /// Meant for others.
    #[error("the token is not meant for {expected:?}")]
    Audience {
        /// Who we are.
        expected: String,
    },
}
