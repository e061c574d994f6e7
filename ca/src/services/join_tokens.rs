//! The datastore's join tokens, as node attestation uses them.
//!
//! A token is spent in the one step that puts its agent on record, so that a node whose attestation breaks off in between
//! can try again. Until then it is held here: of many who have one token, one gets further.

use std::collections::HashSet;
use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use async_trait::async_trait;
use symbolon_attestation::join_token::{self, JoinToken};

use crate::datastore::Datastore;

/// Join tokens in a datastore.
#[derive(Debug)]
pub(crate) struct JoinTokens {
    datastore: Arc<dyn Datastore>,
    held: Mutex<HashSet<[u8; 32]>>,
}

/// A token that an attestation in progress holds. Others can have it when this is dropped, if it is still there.
#[derive(Debug)]
pub(crate) struct HeldToken<'a> {
    tokens: &'a JoinTokens,
    sha256: [u8; 32],
}

impl JoinTokens {
    /// The tokens of a datastore.
    pub(crate) fn new(datastore: Arc<dyn Datastore>) -> Self {
        Self {
            datastore,
            held: Mutex::default(),
        }
    }

    /// The token that `method` has just let a node in by, if it is the method that has tokens.
    pub(crate) fn held_by(&self, method: &str, evidence: &[u8]) -> Option<HeldToken<'_>> {
        if method != join_token::METHOD {
            return None;
        }
        let sha256 = JoinToken::parse(evidence).ok()?.sha256();
        Some(HeldToken { tokens: self, sha256 })
    }

    fn held(&self) -> MutexGuard<'_, HashSet<[u8; 32]>> {
        // A token that a panic left behind is at worst held for good.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HeldToken<'_> {
    /// The token's hash.
    pub(crate) fn sha256(&self) -> &[u8; 32] {
        &self.sha256
    }
}

impl Drop for HeldToken<'_> {
    fn drop(&mut self) {
        self.tokens.held().remove(&self.sha256);
    }
}

#[async_trait]
impl join_token::TokenStore for JoinTokens {
    async fn spend(
        &self,
        sha256: &[u8; 32],
        now: SystemTime,
    ) -> Result<join_token::TokenUse, Box<dyn Error + Send + Sync>> {
        let found = self.datastore.join_token(sha256).await?;
        // Nothing is waited for after this, so that whoever holds a token knows it.
        Ok(match found {
            None => join_token::TokenUse::Unknown,
            Some(token) if now >= token.expires_at => join_token::TokenUse::Expired,
            Some(_) if self.held().insert(*sha256) => join_token::TokenUse::Spent,
            Some(_) => join_token::TokenUse::Unknown,
        })
    }
}
