//! The record of certificates.

use std::time::SystemTime;

use async_trait::async_trait;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};
use symbolon_pki::suite::Form;

use super::codec::{Columns, failed, seconds};
use super::component_keys::{Part, claim_parts, taken, used_up};
use super::filter::{Conditions, cut, start};
use super::{SqliteDatastore, commit};
use crate::datastore::{
    CertificateFilter, CertificateIntent, CertificateProfile, CertificateRecord, CertificateState,
    CertificateStore, CertificateSummary, CertificateWrite, DatastoreError, IssuedRecord, Page, PageRequest,
    RecordKind, Result, SerialNumber,
};

/// How many rows go into one statement. A statement costs two hops between threads, so many rows share one; few
/// different sizes, so that their prepared forms stay in the connection's cache.
const GROUP_SIZES: [usize; 4] = [64, 16, 4, 1];

#[async_trait]
impl CertificateStore for SqliteDatastore {
    async fn record_certificates(&self, writes: &[CertificateWrite]) -> Result<Vec<Result<()>>> {
        let mut transaction = self.begin().await?;
        if record_together(&mut transaction, writes).await? {
            commit(transaction).await?;
            return Ok(writes.iter().map(|_| Ok(())).collect());
        }
        // Something was refused. That is rare (a serial number twice, or a slip of the caller's), so finding out
        // what may cost a second, slower round.
        transaction.rollback().await.map_err(failed("roll back"))?;
        let mut transaction = self.begin().await?;
        let results = record_singly(&mut transaction, writes).await?;
        commit(transaction).await?;
        Ok(results)
    }

    async fn certificate(&self, serial: &SerialNumber) -> Result<Option<CertificateRecord>> {
        let row = sqlx::query(
            "SELECT c.*, i.sha256, i.der FROM certificate AS c \
             LEFT JOIN issued_certificate AS i ON i.certificate_seq = c.seq WHERE c.serial = ?",
        )
        .bind(serial.as_bytes())
        .fetch_optional(&self.readers)
        .await
        .map_err(failed("look for a certificate"))?;
        row.map(|row| {
            let der = Columns::of("a certificate's record", &row).get("der")?;
            Ok(CertificateRecord {
                summary: read(&row)?.1,
                der,
            })
        })
        .transpose()
    }

    async fn list_certificates(
        &self,
        filter: &CertificateFilter,
        page: &PageRequest,
    ) -> Result<Page<CertificateSummary>> {
        let mut conditions = Conditions::on(
            "SELECT c.*, i.sha256 FROM certificate AS c \
             LEFT JOIN issued_certificate AS i ON i.certificate_seq = c.seq",
        );
        conditions.compare("c.seq <", start(page));
        apply(filter, &mut conditions);
        let mut query = conditions.page("c.seq DESC", page);
        let rows = query
            .build()
            .fetch_all(&self.readers)
            .await
            .map_err(failed("list certificates"))?;
        Ok(cut(rows.iter().map(read).collect::<Result<_>>()?, page))
    }

    async fn count_certificates(&self, filter: &CertificateFilter) -> Result<u64> {
        let mut conditions = Conditions::on(
            "SELECT count(*) AS count FROM certificate AS c \
             LEFT JOIN issued_certificate AS i ON i.certificate_seq = c.seq",
        );
        apply(filter, &mut conditions);
        let row = conditions
            .finish()
            .build()
            .fetch_one(&self.readers)
            .await
            .map_err(failed("count certificates"))?;
        Columns::of("a count", &row).count("count")
    }

    async fn prune_certificates(&self, expired_before: SystemTime, limit: u32) -> Result<u64> {
        let mut transaction = self.begin().await?;
        let pruned = sqlx::query(
            "DELETE FROM certificate WHERE seq IN \
             (SELECT seq FROM certificate WHERE not_after < ? ORDER BY not_after LIMIT ?)",
        )
        .bind(seconds(expired_before))
        .bind(i64::from(limit))
        .execute(&mut *transaction)
        .await
        .map_err(failed("forget certificates"))?;
        commit(transaction).await?;
        Ok(pruned.rows_affected())
    }
}

/// Records everything, many rows a statement; `false` when something was refused and the rest is half done.
async fn record_together(connection: &mut SqliteConnection, writes: &[CertificateWrite]) -> Result<bool> {
    let parts: Vec<_> = writes.iter().flat_map(parts_of).collect();
    for group in groups(&parts) {
        if claim_parts(connection, group).await? != group.len() as u64 {
            return Ok(false);
        }
    }
    let intents: Vec<_> = writes.iter().filter_map(CertificateWrite::intent).collect();
    for group in groups(&intents) {
        if insert_intents(connection, group).await? != group.len() as u64 {
            return Ok(false);
        }
    }
    let issued: Vec<_> = writes.iter().filter_map(CertificateWrite::issued).collect();
    for group in groups(&issued) {
        if insert_issued(connection, group).await? != group.len() as u64 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What `write` claims.
fn parts_of(write: &CertificateWrite) -> impl Iterator<Item = Part> + '_ {
    let pair = write.intent().zip(write.claim());
    pair.into_iter()
        .flat_map(|(intent, claim)| Part::of(intent, claim))
}

/// Records what can be recorded, one row a statement, with the same order and outcome as [`record_together`].
async fn record_singly(
    connection: &mut SqliteConnection,
    writes: &[CertificateWrite],
) -> Result<Vec<Result<()>>> {
    let mut results: Vec<Result<()>> = writes.iter().map(|_| Ok(())).collect();
    let exists = |serial: &SerialNumber| Err(DatastoreError::already_exists(RecordKind::Certificate, serial));
    for (write, result) in writes.iter().zip(&mut results) {
        let Some(intent) = write.intent() else {
            continue;
        };
        if let Some(claim) = write.claim()
            && let Some(component) = taken(connection, claim).await?
        {
            *result = Err(used_up(&component));
            continue;
        }
        if insert_intents(connection, &[intent]).await? == 0 {
            *result = exists(&intent.serial);
            continue;
        }
        for part in parts_of(write) {
            claim_parts(connection, &[part]).await?;
        }
    }
    for (write, result) in writes.iter().zip(&mut results) {
        if let Some(issued) = write.issued()
            && insert_issued(connection, &[issued]).await? == 0
        {
            *result = if is_known(connection, &issued.serial).await? {
                exists(&issued.serial)
            } else {
                Err(DatastoreError::not_found(RecordKind::Certificate, &issued.serial))
            };
        }
    }
    Ok(results)
}

/// `items` in groups of [`GROUP_SIZES`], large ones first.
fn groups<T>(mut items: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let size = GROUP_SIZES.into_iter().find(|&size| size <= items.len())?;
        let (group, rest) = items.split_at_checked(size)?;
        items = rest;
        Some(group)
    })
}

async fn insert_intents(connection: &mut SqliteConnection, intents: &[&CertificateIntent]) -> Result<u64> {
    let mut query = QueryBuilder::<Sqlite>::new(
        "INSERT INTO certificate (serial, profile, spiffe_id, form, suite, key_algorithm, alternative_algorithm, issuer, \
         not_before, not_after, entry_id, agent_id, recorded_at) ",
    );
    query.push_values(intents, |mut row, intent| {
        row.push_bind(intent.serial.as_bytes())
            .push_bind(intent.profile.name())
            .push_bind(intent.spiffe_id.to_string())
            .push_bind(intent.form.name())
            .push_bind(intent.suite.name())
            .push_bind(&intent.key_algorithm)
            .push_bind(intent.alternative_algorithm.as_deref())
            .push_bind(&intent.issuer)
            .push_bind(seconds(intent.not_before))
            .push_bind(seconds(intent.not_after))
            .push_bind(intent.entry_id.as_deref())
            .push_bind(intent.agent_id.as_ref().map(ToString::to_string))
            .push_bind(seconds(intent.recorded_at));
    });
    query.push(" ON CONFLICT DO NOTHING");
    let done = query
        .build()
        .execute(connection)
        .await
        .map_err(failed("record certificates"))?;
    Ok(done.rows_affected())
}

async fn insert_issued(connection: &mut SqliteConnection, issued: &[&IssuedRecord]) -> Result<u64> {
    let mut query = QueryBuilder::<Sqlite>::new("WITH signed (serial, sha256, der) AS (");
    query.push_values(issued, |mut row, issued| {
        row.push_bind(issued.serial.as_bytes())
            .push_bind(issued.sha256.as_slice())
            .push_bind(issued.der.as_slice());
    });
    // A cross join, because that fixes the order: look up each of a few serial numbers by their index.
    query.push(
        ") INSERT INTO issued_certificate (certificate_seq, sha256, der) \
         SELECT c.seq, signed.sha256, signed.der FROM signed CROSS JOIN certificate AS c \
         WHERE c.serial = signed.serial ON CONFLICT DO NOTHING",
    );
    let done = query
        .build()
        .execute(connection)
        .await
        .map_err(failed("record certificates"))?;
    Ok(done.rows_affected())
}

async fn is_known(connection: &mut SqliteConnection, serial: &SerialNumber) -> Result<bool> {
    let found = sqlx::query("SELECT seq FROM certificate WHERE serial = ?").bind(serial.as_bytes());
    Ok(found
        .fetch_optional(connection)
        .await
        .map_err(failed("look for a certificate"))?
        .is_some())
}

fn apply(filter: &CertificateFilter, conditions: &mut Conditions) {
    conditions.compare("c.profile =", filter.profile.map(CertificateProfile::name));
    conditions.compare(
        "c.spiffe_id =",
        filter.spiffe_id.as_ref().map(ToString::to_string),
    );
    conditions.compare("c.form =", filter.form.map(Form::name));
    conditions.compare("c.issuer =", filter.issuer.as_deref());
    conditions.compare("c.entry_id =", filter.entry_id.as_deref());
    conditions.compare("c.not_after >=", filter.not_after_from.map(seconds));
    conditions.compare("c.not_after <", filter.not_after_before.map(seconds));
    match filter.state {
        Some(CertificateState::Intent) => conditions.holds("i.certificate_seq IS NULL"),
        Some(CertificateState::Issued) => conditions.holds("i.certificate_seq IS NOT NULL"),
        None => {}
    }
}

fn read(row: &SqliteRow) -> Result<(i64, CertificateSummary)> {
    let columns = Columns::of("a certificate's record", row);
    let intent = CertificateIntent {
        serial: columns.serial("serial")?,
        profile: columns.parse("profile")?,
        spiffe_id: columns.parse("spiffe_id")?,
        form: columns.parse("form")?,
        suite: columns.parse("suite")?,
        key_algorithm: columns.get("key_algorithm")?,
        alternative_algorithm: columns.get("alternative_algorithm")?,
        issuer: columns.get("issuer")?,
        not_before: columns.time("not_before")?,
        not_after: columns.time("not_after")?,
        entry_id: columns.get("entry_id")?,
        agent_id: columns.parse_option("agent_id")?,
        recorded_at: columns.time("recorded_at")?,
    };
    Ok((
        columns.get("seq")?,
        CertificateSummary {
            intent,
            sha256: columns.hash_option("sha256")?,
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_large_first_and_lose_nothing() {
        for len in [0, 1, 3, 4, 63, 64, 65, 500] {
            let items: Vec<usize> = (0..len).collect();
            let sizes: Vec<usize> = groups(&items).map(<[usize]>::len).collect();
            assert!(sizes.iter().all(|size| GROUP_SIZES.contains(size)) && sizes.is_sorted_by(|a, b| a >= b));
            assert_eq!(groups(&items).flatten().copied().collect::<Vec<_>>(), items);
        }
    }
}
