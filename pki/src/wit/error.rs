//! Why a WIT-SVID was refused.

use spiffe::TrustDomain;

use crate::jwt::JwtError;

/// A token that is no WIT-SVID, or not to be believed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum WitError {
    /// What every token has to be: a JWS in compact serialisation with claims, a signature that verifies, a moment that
    /// lies within its life.
    #[error(transparent)]
    Token(#[from] JwtError),
    /// The header is not JSON, or has a member that WIT-SVIDs do not have, `crit` among them.
    #[error("the token's header is not that of a WIT-SVID: {0}")]
    Header(String),
    /// `alg` names something else than RSA or ECDSA with SHA-2.
    #[error("the token's algorithm {0:?} is not allowed in a WIT-SVID")]
    Algorithm(String),
    /// `typ` is missing or says something else.
    #[error("the token's type is {}, and that of a WIT-SVID is \"wit+jwt\"", .0.as_ref().map_or("missing".to_owned(), |typ| format!("{typ:?}")))]
    Type(Option<String>),
    /// `aud` is there: a WIT-SVID is not meant for somebody in particular.
    #[error("the token has a claim `aud`, which a WIT-SVID must not have")]
    Audience,
    /// `cnf.jwk` holds the private key as well, so that everybody who saw the token has it.
    #[error("the token's claim `cnf.jwk` holds a private key")]
    PrivateKey,
    /// `cnf.jwk` lacks something, or a member of it is wrong.
    #[error("the token's claim `cnf.jwk`: {0}")]
    MalformedConfirmation(String),
    /// The algorithm that the confirmation key is used with is none that is allowed.
    #[error(
        "a WIT-SVID is not bound to a key for {0:?}; its algorithm is one of RS256, RS384, RS512, ES256, ES384, ES512, PS256, PS384 and PS512"
    )]
    ConfirmationAlgorithm(String),
    /// The confirmation key is of another type than its algorithm uses.
    #[error("the confirmation key is of type {key}, which {algorithm} does not use")]
    ConfirmationKey {
        /// The algorithm.
        algorithm: &'static str,
        /// The type of the key.
        key: String,
    },
    /// The token is bound to a key that signs tokens.
    #[error("the token is bound to a key that is an authority's own")]
    AuthorityKey,
    /// The bundle has no such key.
    #[error("trust domain {trust_domain} has no WIT authority {key_id:?}")]
    UnknownKey {
        /// The token's `kid`.
        key_id: String,
        /// Whose bundle was searched.
        trust_domain: TrustDomain,
    },
}
