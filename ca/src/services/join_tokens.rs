//! The datastore's join tokens, as node attestation spends them.

use std::error::Error;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use symbolon_attestation::join_token;

use crate::datastore::{Datastore, TokenUse};

/// Join tokens in a datastore.
#[derive(Debug)]
pub(crate) struct JoinTokens(pub(crate) Arc<dyn Datastore>);

#[async_trait]
impl join_token::TokenStore for JoinTokens {
    async fn spend(
        &self,
        sha256: &[u8; 32],
        now: SystemTime,
    ) -> Result<join_token::TokenUse, Box<dyn Error + Send + Sync>> {
        Ok(match self.0.consume_join_token(sha256, now).await? {
            TokenUse::Consumed(_) => join_token::TokenUse::Spent,
            TokenUse::Expired(_) => join_token::TokenUse::Expired,
            TokenUse::Unknown => join_token::TokenUse::Unknown,
        })
    }
}
