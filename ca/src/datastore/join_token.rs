//! Join tokens: what a new agent proves itself with, once.
//!
//! Only a token's SHA-256 is kept, so that a copy of the database lets nobody in. A token must therefore be random
//! enough (122 bits or more) that its hash cannot be searched for. A spent token is no secret: SPIRE puts it into
//! the agent's SPIFFE ID. For the same reason an *unspent* token appears in clear in the parent id of an alias
//! entry that is made together with it; whoever can read that entry can use the token while it lasts.

use std::time::SystemTime;

use async_trait::async_trait;
use spiffe::SpiffeId;

use super::{AgentRecord, Result};

/// A join token that has not been used.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct JoinTokenRecord {
    /// SHA-256 of the token's bytes.
    pub sha256: [u8; 32],
    /// From this moment it is no good.
    pub expires_at: SystemTime,
    /// The node alias that was asked for with it.
    pub agent_id: Option<SpiffeId>,
    /// When it was made.
    pub created_at: SystemTime,
}

/// What trying to use a join token came to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum TokenUse {
    /// It was good and now is spent.
    Consumed(JoinTokenRecord),
    /// It came too late. Nothing has changed.
    Expired(JoinTokenRecord),
    /// There is no such token: never made, or spent.
    Unknown,
}

/// The join tokens.
#[async_trait]
pub trait JoinTokenStore: Send + Sync {
    /// Keeps a new token.
    ///
    /// # Errors
    /// [`DatastoreError::AlreadyExists`](super::DatastoreError::AlreadyExists) when the same token is there.
    async fn create_join_token(&self, token: &JoinTokenRecord) -> Result<()>;

    /// A token that is there, whether or not it has ended. Looking at one changes nothing.
    async fn join_token(&self, sha256: &[u8; 32]) -> Result<Option<JoinTokenRecord>>;

    /// Uses a token at the moment `now` to let `agent` in: it is spent when the agent is on record, and not before.
    /// However many try at once, at most one gets [`TokenUse::Consumed`]. Unless it does nothing has changed.
    ///
    /// # Errors
    /// As [`AgentStore::attest_agent`](super::AgentStore::attest_agent).
    async fn consume_join_token(
        &self,
        sha256: &[u8; 32],
        now: SystemTime,
        agent: &AgentRecord,
    ) -> Result<TokenUse>;

    /// Forgets the tokens that ended before `expired_before`; returns how many there were.
    async fn prune_join_tokens(&self, expired_before: SystemTime) -> Result<u64>;
}
