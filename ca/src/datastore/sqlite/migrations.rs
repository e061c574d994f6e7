//! Changes of migration, as rows.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;
use symbolon_tls::{MigrationStage, MigrationTarget};

use super::codec::{Columns, failed, seconds};
use super::{SqliteDatastore, commit};
use crate::datastore::{
    CertificateProfile, DatastoreError, LivingForms, MigrationChange, MigrationSetting, MigrationStore,
    RecordKind, Result, checks,
};

/// The forms that are good at a moment, from an index alone: what has ended is not read.
const LIVING: &str = "SELECT DISTINCT entry_id, agent_id, form FROM certificate \
                      JOIN issued_certificate ON certificate_seq = seq \
                      WHERE not_after >= ? AND profile = ? AND entry_id IS NOT NULL";

#[async_trait]
impl MigrationStore for SqliteDatastore {
    async fn change_migration(&self, known: u64, change: &MigrationChange) -> Result<u64> {
        checks::text("the entries of a migration", &change.entries)?;
        checks::text("who changed a migration", &change.changed_by)?;
        checks::text("why a migration was changed", &change.reason)?;
        let mut transaction = self.begin().await?;
        let newest: i64 = sqlx::query_scalar("SELECT coalesce(max(revision), 0) FROM migration_change")
            .fetch_one(&mut *transaction)
            .await
            .map_err(failed("read the migration"))?;
        if newest.unsigned_abs() != known {
            let reason = format!("it was changed meanwhile, to revision {newest} from {known}");
            return Err(DatastoreError::conflict(
                RecordKind::Metadata,
                "the rules of migration",
                reason,
            ));
        }
        let setting = change.setting;
        let written = sqlx::query(
            "INSERT INTO migration_change (entries, target, stage, changed_at, changed_by, forced, reason, quiet) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(&change.entries)
        .bind(setting.map(|setting| setting.target.name()))
        .bind(
            setting
                .and_then(|setting| setting.stage)
                .map(MigrationStage::name),
        )
        .bind(seconds(change.changed_at))
        .bind(&change.changed_by)
        .bind(change.forced)
        .bind(&change.reason)
        .bind(change.quiet.map(|quiet| i64::try_from(quiet.as_secs()).unwrap_or(i64::MAX)))
        .execute(&mut *transaction)
        .await
        .map_err(failed("record a change of the migration"))?;
        commit(transaction).await?;
        Ok(written.last_insert_rowid().unsigned_abs())
    }

    async fn migration_changes(&self) -> Result<Vec<(u64, MigrationChange)>> {
        let rows = sqlx::query("SELECT * FROM migration_change ORDER BY revision")
            .fetch_all(&self.readers)
            .await
            .map_err(failed("read the migration"))?;
        rows.iter().map(read).collect()
    }

    async fn living_forms(&self, now: SystemTime) -> Result<LivingForms> {
        let rows = sqlx::query(LIVING)
            .bind(seconds(now))
            .bind(CertificateProfile::Workload.name())
            .fetch_all(&self.readers)
            .await
            .map_err(failed("look through the certificates"))?;
        let mut forms = LivingForms::new();
        for row in &rows {
            let columns = Columns::of("a certificate", row);
            let of_entry = forms.entry(columns.get("entry_id")?).or_default();
            let of_agent = of_entry.entry(columns.parse_option("agent_id")?).or_default();
            of_agent.insert(columns.parse("form")?);
        }
        Ok(forms)
    }
}

fn read(row: &SqliteRow) -> Result<(u64, MigrationChange)> {
    let columns = Columns::of("a change of the migration", row);
    let target: Option<MigrationTarget> = columns.parse_option("target")?;
    let stage: Option<MigrationStage> = columns.parse_option("stage")?;
    let quiet: Option<i64> = columns.get("quiet")?;
    let change = MigrationChange {
        entries: columns.get("entries")?,
        setting: target.map(|target| MigrationSetting { target, stage }),
        changed_at: columns.time("changed_at")?,
        changed_by: columns.get("changed_by")?,
        forced: columns.get("forced")?,
        reason: columns.get("reason")?,
        quiet: quiet.map(|seconds| Duration::from_secs(seconds.unsigned_abs())),
    };
    Ok((columns.count("revision")?, change))
}

#[cfg(test)]
mod tests {
    use sqlx::Row as _;

    use super::*;

    #[tokio::test]
    async fn what_is_alive_is_found_without_the_record() {
        let directory = tempfile::TempDir::new().unwrap();
        let store = SqliteDatastore::open(&directory.path().join("db")).await.unwrap();
        let plan = sqlx::query(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {LIVING}")))
            .fetch_all(&store.readers)
            .await
            .unwrap();
        let steps: Vec<String> = plan.iter().map(|row| row.get("detail")).collect();
        let index = "USING COVERING INDEX certificate_living (not_after>?)";
        assert!(steps.iter().any(|step| step.contains(index)), "{steps:#?}");
    }
}
