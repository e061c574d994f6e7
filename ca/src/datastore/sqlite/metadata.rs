//! Facts about the server itself.

use async_trait::async_trait;

use super::codec::failed;
use super::{SqliteDatastore, commit};
use crate::datastore::{MetadataStore, Result};

#[async_trait]
impl MetadataStore for SqliteDatastore {
    async fn metadata(&self, key: &str) -> Result<Option<String>> {
        sqlx::query_scalar("SELECT value FROM metadata WHERE key = ?")
            .bind(key)
            .fetch_optional(&self.readers)
            .await
            .map_err(failed("read a setting"))
    }

    async fn set_metadata(&self, key: &str, value: &str) -> Result<()> {
        let mut transaction = self.begin().await?;
        sqlx::query(
            "INSERT INTO metadata (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        )
        .bind(key)
        .bind(value)
        .execute(&mut *transaction)
        .await
        .map_err(failed("keep a setting"))?;
        commit(transaction).await
    }

    async fn claim_metadata(&self, key: &str, value: &str) -> Result<String> {
        let mut transaction = self.begin().await?;
        sqlx::query("INSERT INTO metadata (key, value) VALUES (?, ?) ON CONFLICT DO NOTHING")
            .bind(key)
            .bind(value)
            .execute(&mut *transaction)
            .await
            .map_err(failed("keep a setting"))?;
        let kept = sqlx::query_scalar("SELECT value FROM metadata WHERE key = ?")
            .bind(key)
            .fetch_one(&mut *transaction)
            .await
            .map_err(failed("read a setting"))?;
        commit(transaction).await?;
        Ok(kept)
    }
}
