//! `join_token`: a word that lets one node in, once.
//!
//! The node sends the token's bytes as they are, as in SPIRE; there are no challenges. The token becomes part of the
//! agent's SPIFFE ID, so it must fit a path segment; it is a secret until it is spent and none afterwards.

use std::error::Error;
use std::fmt::{self, Debug};
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use spiffe::{SpiffeId, SpiffeIdError, TrustDomain};
use symbolon_crypto::digest::sha256;
use symbolon_crypto::random;
use zeroize::Zeroizing;

use crate::{AttestationError, Attested, Challenger, Prover, ProverError, Verifier};

/// The name of the method.
pub const METHOD: &str = "join_token";

/// Longest token in bytes.
pub const MAX_TOKEN_LEN: usize = 128;

/// A join token: 1 to [`MAX_TOKEN_LEN`] letters, digits, `.`, `-` and `_`. Wiped when dropped, never printed.
#[derive(Clone)]
pub struct JoinToken(Zeroizing<String>);

/// Text that is no join token. It is not repeated here: it may be one that was mistyped.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "a join token has 1 to {MAX_TOKEN_LEN} letters, digits, `.`, `-` and `_`, and is more than dots; these {0} bytes do not fit"
)]
pub struct InvalidToken(pub usize);

impl JoinToken {
    /// Reads a token.
    ///
    /// # Errors
    /// [`InvalidToken`].
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidToken> {
        let invalid = InvalidToken(bytes.len());
        let allowed = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
        if bytes.is_empty() || bytes.len() > MAX_TOKEN_LEN || !bytes.iter().all(allowed) {
            return Err(invalid);
        }
        let text = Zeroizing::new(str::from_utf8(bytes).map_err(|_| invalid)?.to_owned());
        // As a path segment these would mean something else.
        if matches!(text.as_str(), "." | "..") {
            return Err(invalid);
        }
        Ok(Self(text))
    }

    /// Draws a new token: a random UUID (RFC 9562, version 4), of which 122 bits cannot be guessed.
    ///
    /// # Errors
    /// That of the random generator.
    pub fn generate() -> Result<Self, random::RandomError> {
        Ok(Self(random::uuid()?))
    }

    /// The token itself, for whoever hands it to the operator or the server.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// SHA-256 of the token, by which it is looked up: where tokens are kept there is none to steal, and a look-up
    /// takes as long for a near miss as for any other.
    pub fn sha256(&self) -> [u8; 32] {
        sha256(self.0.as_bytes())
    }

    /// The identity of the agent that spends this token.
    ///
    /// # Errors
    /// [`SpiffeIdError`] if the whole is longer than an identity may be.
    pub fn agent_id(&self, trust_domain: &TrustDomain) -> Result<SpiffeId, SpiffeIdError> {
        SpiffeId::new(format!(
            "spiffe://{trust_domain}/spire/agent/{METHOD}/{}",
            self.0.as_str()
        ))
    }
}

impl Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JoinToken(hidden)")
    }
}

/// What trying to spend a token came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TokenUse {
    /// It was good, and now it is spent.
    Spent,
    /// It came too late.
    Expired,
    /// Nobody made it, or it is spent.
    Unknown,
}

/// Where the server keeps its tokens.
#[async_trait]
pub trait TokenStore: Send + Sync + Debug {
    /// Spends the token with this hash at the moment `now`. However many try at once, at most one is told
    /// [`TokenUse::Spent`].
    ///
    /// # Errors
    /// The store's own.
    async fn spend(
        &self,
        sha256: &[u8; 32],
        now: SystemTime,
    ) -> Result<TokenUse, Box<dyn Error + Send + Sync>>;
}

/// The node's half.
#[derive(Debug)]
pub struct TokenProver(JoinToken);

impl TokenProver {
    /// Proves the node by this token.
    pub fn new(token: JoinToken) -> Self {
        Self(token)
    }
}

#[async_trait]
impl Prover for TokenProver {
    fn method(&self) -> &'static str {
        METHOD
    }

    async fn evidence(&mut self) -> Result<Zeroizing<Vec<u8>>, ProverError> {
        Ok(Zeroizing::new(self.0.expose().as_bytes().to_vec()))
    }

    async fn respond(&mut self, _challenge: &[u8]) -> Result<Vec<u8>, ProverError> {
        Err(ProverError::UnexpectedChallenge { method: METHOD })
    }
}

/// The server's half.
#[derive(Debug)]
pub struct TokenVerifier {
    trust_domain: TrustDomain,
    tokens: Arc<dyn TokenStore>,
}

impl TokenVerifier {
    /// Lets in the nodes that hold a token of `tokens`.
    pub fn new(trust_domain: TrustDomain, tokens: Arc<dyn TokenStore>) -> Self {
        Self { trust_domain, tokens }
    }
}

#[async_trait]
impl Verifier for TokenVerifier {
    fn method(&self) -> &'static str {
        METHOD
    }

    async fn verify(
        &self,
        evidence: &[u8],
        _challenger: &mut dyn Challenger,
        now: SystemTime,
    ) -> Result<Attested, AttestationError> {
        let malformed = |reason: String| AttestationError::Malformed {
            field: "the join token",
            reason,
        };
        let token = JoinToken::parse(evidence).map_err(|error| malformed(error.to_string()))?;
        // Before the token is spent: one that leads to no identity stays as it is.
        let agent_id = token
            .agent_id(&self.trust_domain)
            .map_err(|error| malformed(error.to_string()))?;
        let refused = |reason: &str| Err(AttestationError::Refused(reason.to_owned()));
        match self
            .tokens
            .spend(&token.sha256(), now)
            .await
            .map_err(AttestationError::Unavailable)?
        {
            TokenUse::Spent => Ok(Attested {
                agent_id,
                siblings: Vec::new(),
                selectors: [].into(),
                can_reattest: false,
            }),
            TokenUse::Expired => refused("the join token has expired; make a new one"),
            TokenUse::Unknown => refused("the join token does not exist or has been used; make a new one"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_that_fit_no_path_are_refused_and_not_repeated() {
        for token in ["", ".", "..", "a/b", "a b", "päss", "a\0", &"x".repeat(129)] {
            let error = JoinToken::parse(token.as_bytes()).unwrap_err();
            assert_eq!(error, InvalidToken(token.len()));
            assert!(token.len() < 2 || !error.to_string().contains(token), "{error}");
        }
        assert!(JoinToken::parse(&[0xff; 4]).is_err());
        for token in ["a", "...", "A.b-c_9", &"x".repeat(128)] {
            assert_eq!(JoinToken::parse(token.as_bytes()).unwrap().expose(), token);
        }
    }

    #[test]
    fn drawn_tokens_are_uuids_and_differ() {
        let (one, other) = (JoinToken::generate().unwrap(), JoinToken::generate().unwrap());
        assert_ne!(one.expose(), other.expose());
        let text = one.expose();
        assert_eq!(text.len(), 36);
        assert_eq!(&text[14..15], "4", "version");
        assert!("89ab".contains(&text[19..20]), "variant");
        assert_eq!(text.matches('-').count(), 4);
        assert!(JoinToken::parse(text.as_bytes()).is_ok());
    }

    #[test]
    fn the_token_names_the_agent_and_is_not_printed() {
        let token = JoinToken::parse(b"kite-7").unwrap();
        let id = token.agent_id(&TrustDomain::new("example.org").unwrap()).unwrap();
        assert_eq!(
            id.to_string(),
            "spiffe://example.org/spire/agent/join_token/kite-7"
        );
        assert!(!format!("{token:?} {:?}", TokenProver::new(token.clone())).contains("kite"));
    }
}
