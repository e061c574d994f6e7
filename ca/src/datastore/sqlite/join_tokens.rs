//! Join tokens.

use std::time::SystemTime;

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;

use super::codec::{Columns, failed, seconds};
use super::{SqliteDatastore, agents, commit};
use crate::datastore::{
    AgentRecord, DatastoreError, JoinTokenRecord, JoinTokenStore, RecordKind, Result, TokenUse,
};

#[async_trait]
impl JoinTokenStore for SqliteDatastore {
    async fn create_join_token(&self, token: &JoinTokenRecord) -> Result<()> {
        let mut transaction = self.begin().await?;
        let added = sqlx::query(
            "INSERT INTO join_token (sha256, expires_at, agent_id, created_at) VALUES (?, ?, ?, ?) \
             ON CONFLICT DO NOTHING",
        )
        .bind(token.sha256.as_slice())
        .bind(seconds(token.expires_at))
        .bind(token.agent_id.as_ref().map(ToString::to_string))
        .bind(seconds(token.created_at))
        .execute(&mut *transaction)
        .await
        .map_err(failed("keep a join token"))?;
        if added.rows_affected() == 0 {
            // The hash is as good as the token's name to whoever knows the token, and tells nobody else anything.
            return Err(DatastoreError::already_exists(
                RecordKind::JoinToken,
                hex::encode(token.sha256),
            ));
        }
        commit(transaction).await
    }

    async fn join_token(&self, sha256: &[u8; 32]) -> Result<Option<JoinTokenRecord>> {
        let found = sqlx::query("SELECT * FROM join_token WHERE sha256 = ?")
            .bind(sha256.as_slice())
            .fetch_optional(&self.readers)
            .await
            .map_err(failed("look for a join token"))?;
        found.as_ref().map(read).transpose()
    }

    async fn consume_join_token(
        &self,
        sha256: &[u8; 32],
        now: SystemTime,
        agent: &AgentRecord,
    ) -> Result<TokenUse> {
        // Looked for among the readers first: a stranger who guesses tokens takes no turn at writing.
        let token = match self.join_token(sha256).await? {
            None => return Ok(TokenUse::Unknown),
            Some(token) if now >= token.expires_at => return Ok(TokenUse::Expired(token)),
            Some(token) => token,
        };
        let mut transaction = self.begin().await?;
        let spent = sqlx::query("DELETE FROM join_token WHERE sha256 = ?")
            .bind(sha256.as_slice())
            .execute(&mut *transaction)
            .await
            .map_err(failed("spend a join token"))?;
        // Whoever deleted it has used it; anyone else came a moment too late.
        if spent.rows_affected() == 0 {
            return Ok(TokenUse::Unknown);
        }
        agents::attest(&mut transaction, agent).await?;
        commit(transaction).await?;
        Ok(TokenUse::Consumed(token))
    }

    async fn prune_join_tokens(&self, expired_before: SystemTime) -> Result<u64> {
        let mut transaction = self.begin().await?;
        let pruned = sqlx::query("DELETE FROM join_token WHERE expires_at < ?")
            .bind(seconds(expired_before))
            .execute(&mut *transaction)
            .await
            .map_err(failed("forget join tokens"))?;
        commit(transaction).await?;
        Ok(pruned.rows_affected())
    }
}

fn read(row: &SqliteRow) -> Result<JoinTokenRecord> {
    let columns = Columns::of("a join token", row);
    Ok(JoinTokenRecord {
        sha256: columns.hash("sha256")?,
        expires_at: columns.time("expires_at")?,
        agent_id: columns.parse_option("agent_id")?,
        created_at: columns.time("created_at")?,
    })
}
