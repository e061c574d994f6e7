//! What commands chose that families be, as rows.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;
use symbolon_hsm::names::StoreName;
use symbolon_pki::suite::{Family, Suite};

use super::codec::{Columns, failed, seconds};
use super::{SqliteDatastore, commit};
use crate::datastore::{ChoiceStore, DatastoreError, FamilyChoice, FamilyShape, Result, checks};

#[async_trait]
impl ChoiceStore for SqliteDatastore {
    async fn choose_family(&self, choice: &FamilyChoice) -> Result<u64> {
        checks::text("who chose", &choice.chosen_by)?;
        let mut transaction = self.begin().await?;
        let chosen = sqlx::query(
            "INSERT OR REPLACE INTO family_choice (family, suite, alternative, stores, configured_suite, \
             configured_alternative, configured_stores, notice, chosen_at, chosen_by) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(choice.family.name())
        .bind(choice.wanted.suite.name())
        .bind(choice.wanted.alternative.map(Suite::name))
        .bind(names(&choice.wanted.stores)?)
        .bind(choice.configured.suite.name())
        .bind(choice.configured.alternative.map(Suite::name))
        .bind(names(&choice.configured.stores)?)
        .bind(i64::try_from(choice.notice.as_secs()).unwrap_or(i64::MAX))
        .bind(seconds(choice.chosen_at))
        .bind(&choice.chosen_by)
        .execute(&mut *transaction)
        .await
        .map_err(failed("write a choice down"))?;
        commit(transaction).await?;
        Ok(chosen.last_insert_rowid().unsigned_abs())
    }

    async fn forget_family_choice(&self, family: Family) -> Result<()> {
        let mut transaction = self.begin().await?;
        sqlx::query("DELETE FROM family_choice WHERE family = ?")
            .bind(family.name())
            .execute(&mut *transaction)
            .await
            .map_err(failed("forget a choice"))?;
        commit(transaction).await
    }

    async fn family_choices(&self) -> Result<Vec<(u64, FamilyChoice)>> {
        let rows = sqlx::query("SELECT * FROM family_choice ORDER BY seq")
            .fetch_all(&self.readers)
            .await
            .map_err(failed("read the choices"))?;
        rows.iter().map(read).collect()
    }
}

fn read(row: &SqliteRow) -> Result<(u64, FamilyChoice)> {
    let columns = Columns::of("a choice", row);
    let shape = |suite, alternative, stores| -> Result<FamilyShape> {
        let names: Vec<String> = serde_json::from_str(columns.get::<&str>(stores)?)
            .map_err(|error| columns.corrupt(format!("{stores}: {error}")))?;
        let parse = |name: &String| StoreName::parse(name).map_err(|error| columns.corrupt(error));
        Ok(FamilyShape {
            suite: columns.parse(suite)?,
            alternative: columns.parse_option(alternative)?,
            stores: names.iter().map(parse).collect::<Result<_>>()?,
        })
    };
    let choice = FamilyChoice {
        family: columns.parse("family")?,
        wanted: shape("suite", "alternative", "stores")?,
        configured: shape("configured_suite", "configured_alternative", "configured_stores")?,
        notice: Duration::from_secs(columns.get::<i64>("notice")?.unsigned_abs()),
        chosen_at: columns.time("chosen_at")?,
        chosen_by: columns.get("chosen_by")?,
    };
    Ok((columns.get::<i64>("seq")?.unsigned_abs(), choice))
}

fn names(stores: &[StoreName]) -> Result<String> {
    let names: Vec<&str> = stores.iter().map(StoreName::as_str).collect();
    serde_json::to_string(&names).map_err(|error| DatastoreError::invalid("the stores", error.to_string()))
}
