//! Registration entries.

use std::collections::BTreeSet;
use std::time::SystemTime;

use async_trait::async_trait;
use spiffe::TrustDomain;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Sqlite, SqliteConnection};
use symbolon_pki::suite::Form;

use super::codec::{Columns, failed, seconds, to_json, whole_seconds};
use super::filter::{Conditions, SetTable, bind_selector, cut, replace_set, start};
use super::{SqliteDatastore, commit};
use crate::datastore::{
    DatastoreError, EntryCreation, EntryFilter, EntryRecord, EntryStore, Page, PageRequest, RecordKind,
    Result, Selector, checks,
};

const SELECTORS: SetTable = SetTable {
    name: "entry_selector",
    owner: "entry_seq",
    member: &["kind", "value"],
};
const FEDERATION: SetTable = SetTable {
    name: "entry_federates_with",
    owner: "entry_seq",
    member: &["trust_domain"],
};

/// An entry with its sets, as one row.
const SELECT: &str = "SELECT e.*, \
    (SELECT json_group_array(json_array(kind, value)) FROM entry_selector WHERE entry_seq = e.seq) AS selectors, \
    (SELECT json_group_array(trust_domain) FROM entry_federates_with WHERE entry_seq = e.seq) AS federates_with \
    FROM entry AS e";

#[async_trait]
impl EntryStore for SqliteDatastore {
    async fn create_entry(&self, entry: &EntryRecord) -> Result<EntryCreation> {
        checks::entry(entry)?;
        let mut transaction = self.begin().await?;
        if let Some((_, existing)) = find_alike(&mut transaction, entry).await? {
            return Ok(EntryCreation::Existing(existing));
        }
        if find(&mut transaction, &entry.id).await?.is_some() {
            return Err(DatastoreError::already_exists(RecordKind::Entry, &entry.id));
        }
        let insert = sqlx::query(
            "INSERT INTO entry (id, likeness, spiffe_id, parent_id, x509_svid_ttl, jwt_svid_ttl, admin, \
             downstream, expires_at, dns_names, store_svid, hint, disable_x509_svid_prefetch, \
             jwt_svid_include_jti, allowed_forms, leaf_key_algorithms, not_before, not_after, owner, \
             revision_number, created_at) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?)",
        );
        let done = bind_fields(insert.bind(&entry.id), entry)?
            .bind(seconds(entry.created_at))
            .execute(&mut *transaction)
            .await
            .map_err(failed("create an entry"))?;
        replace_sets(&mut transaction, done.last_insert_rowid(), entry).await?;
        let (_, created) = must_find(&mut transaction, &entry.id).await?;
        commit(transaction).await?;
        Ok(EntryCreation::Created(created))
    }

    async fn update_entry(&self, entry: &EntryRecord) -> Result<EntryRecord> {
        checks::entry(entry)?;
        let mut transaction = self.begin().await?;
        let (seq, before) = must_find(&mut transaction, &entry.id).await?;
        if before.revision_number != entry.revision_number {
            let reason = format!(
                "it is at revision {} by now, not at {}",
                before.revision_number, entry.revision_number
            );
            return Err(DatastoreError::conflict(RecordKind::Entry, &entry.id, reason));
        }
        if let Some((other, existing)) = find_alike(&mut transaction, entry).await?
            && other != seq
        {
            return Err(DatastoreError::already_exists(RecordKind::Entry, existing.id));
        }
        let update = sqlx::query(
            "UPDATE entry SET likeness = ?, spiffe_id = ?, parent_id = ?, x509_svid_ttl = ?, jwt_svid_ttl = ?, \
             admin = ?, downstream = ?, expires_at = ?, dns_names = ?, store_svid = ?, hint = ?, \
             disable_x509_svid_prefetch = ?, jwt_svid_include_jti = ?, allowed_forms = ?, leaf_key_algorithms = ?, \
             not_before = ?, not_after = ?, owner = ?, revision_number = revision_number + 1 WHERE seq = ?",
        );
        bind_fields(update, entry)?
            .bind(seq)
            .execute(&mut *transaction)
            .await
            .map_err(failed("update an entry"))?;
        replace_sets(&mut transaction, seq, entry).await?;
        let (_, updated) = must_find(&mut transaction, &entry.id).await?;
        commit(transaction).await?;
        Ok(updated)
    }

    async fn delete_entry(&self, id: &str) -> Result<EntryRecord> {
        let mut transaction = self.begin().await?;
        let (seq, entry) = must_find(&mut transaction, id).await?;
        sqlx::query("DELETE FROM entry WHERE seq = ?")
            .bind(seq)
            .execute(&mut *transaction)
            .await
            .map_err(failed("delete an entry"))?;
        commit(transaction).await?;
        Ok(entry)
    }

    async fn entry(&self, id: &str) -> Result<Option<EntryRecord>> {
        let mut conditions = Conditions::on(SELECT);
        conditions.compare("e.id =", Some(id));
        let row = conditions.finish().build().fetch_optional(&self.readers).await;
        row.map_err(failed("look for an entry"))?
            .as_ref()
            .map(|row| Ok(read(row)?.1))
            .transpose()
    }

    async fn list_entries(&self, filter: &EntryFilter, page: &PageRequest) -> Result<Page<EntryRecord>> {
        let mut conditions = Conditions::on(SELECT);
        conditions.compare("e.seq >", start(page));
        apply(filter, &mut conditions);
        let mut query = conditions.page("e.seq", page);
        let rows = query
            .build()
            .fetch_all(&self.readers)
            .await
            .map_err(failed("list entries"))?;
        Ok(cut(rows.iter().map(read).collect::<Result<_>>()?, page))
    }

    async fn count_entries(&self, filter: &EntryFilter) -> Result<u64> {
        let mut conditions = Conditions::on("SELECT count(*) AS count FROM entry AS e");
        apply(filter, &mut conditions);
        let row = conditions
            .finish()
            .build()
            .fetch_one(&self.readers)
            .await
            .map_err(failed("count entries"))?;
        Columns::of("a count", &row).count("count")
    }

    async fn prune_entries(&self, expired_before: SystemTime) -> Result<u64> {
        let mut transaction = self.begin().await?;
        let pruned = sqlx::query("DELETE FROM entry WHERE expires_at < ?")
            .bind(seconds(expired_before))
            .execute(&mut *transaction)
            .await
            .map_err(failed("delete expired entries"))?;
        commit(transaction).await?;
        Ok(pruned.rows_affected())
    }
}

async fn find(connection: &mut SqliteConnection, id: &str) -> Result<Option<(i64, EntryRecord)>> {
    let mut conditions = Conditions::on(SELECT);
    conditions.compare("e.id =", Some(id));
    let row = conditions.finish().build().fetch_optional(connection).await;
    row.map_err(failed("look for an entry"))?
        .as_ref()
        .map(read)
        .transpose()
}

async fn must_find(connection: &mut SqliteConnection, id: &str) -> Result<(i64, EntryRecord)> {
    find(connection, id)
        .await?
        .ok_or_else(|| DatastoreError::not_found(RecordKind::Entry, id))
}

/// The entry with the same parent, identity and selectors.
async fn find_alike(
    connection: &mut SqliteConnection,
    entry: &EntryRecord,
) -> Result<Option<(i64, EntryRecord)>> {
    let mut conditions = Conditions::on(SELECT);
    conditions.compare("e.likeness =", Some(entry.likeness().to_vec()));
    let row = conditions.finish().build().fetch_optional(connection).await;
    row.map_err(failed("look for an entry"))?
        .as_ref()
        .map(read)
        .transpose()
}

/// Binds what both creating and updating write, in the order of their statements.
fn bind_fields<'q>(
    query: Query<'q, Sqlite, SqliteArguments>,
    entry: &EntryRecord,
) -> Result<Query<'q, Sqlite, SqliteArguments>> {
    let forms: Vec<&str> = entry.allowed_forms.iter().map(|form| form.name()).collect();
    Ok(query
        .bind(entry.likeness().to_vec())
        .bind(entry.spiffe_id.to_string())
        .bind(entry.parent_id.to_string())
        .bind(entry.x509_svid_ttl.map(whole_seconds))
        .bind(entry.jwt_svid_ttl.map(whole_seconds))
        .bind(entry.admin)
        .bind(entry.downstream)
        .bind(entry.expires_at.map(seconds))
        .bind(to_json(&entry.dns_names)?)
        .bind(entry.store_svid)
        .bind(entry.hint.clone())
        .bind(entry.disable_x509_svid_prefetch)
        .bind(entry.jwt_svid_include_jti)
        .bind(to_json(&forms)?)
        .bind(to_json(&entry.leaf_key_algorithms)?)
        .bind(entry.not_before.map(seconds))
        .bind(entry.not_after.map(seconds))
        .bind(entry.owner.clone()))
}

async fn replace_sets(connection: &mut SqliteConnection, seq: i64, entry: &EntryRecord) -> Result<()> {
    replace_set(connection, SELECTORS, seq, &entry.selectors, bind_selector).await?;
    replace_set(
        connection,
        FEDERATION,
        seq,
        &entry.federates_with,
        |query, trust_domain| {
            query.push_bind(trust_domain.as_str());
        },
    )
    .await
}

fn apply(filter: &EntryFilter, conditions: &mut Conditions) {
    conditions.compare(
        "e.spiffe_id =",
        filter.spiffe_id.as_ref().map(ToString::to_string),
    );
    conditions.compare(
        "e.parent_id =",
        filter.parent_id.as_ref().map(ToString::to_string),
    );
    conditions.compare("e.hint =", filter.hint.as_deref());
    conditions.compare("e.downstream =", filter.downstream);
    conditions.set("e.seq", SELECTORS, filter.selectors.as_ref(), bind_selector);
    conditions.set(
        "e.seq",
        FEDERATION,
        filter.federates_with.as_ref(),
        |query, trust_domain| {
            query.push_bind(trust_domain.as_str());
        },
    );
}

fn read(row: &SqliteRow) -> Result<(i64, EntryRecord)> {
    let columns = Columns::of("an entry", row);
    let selectors: Vec<(String, String)> = columns.json("selectors")?;
    let federates_with: Vec<String> = columns.json("federates_with")?;
    let federates_with: Result<BTreeSet<TrustDomain>> = federates_with
        .into_iter()
        .map(|name| {
            name.parse()
                .map_err(|e| columns.corrupt(format!("federates_with: {e}")))
        })
        .collect();
    let forms: Vec<String> = columns.json("allowed_forms")?;
    let forms: Result<BTreeSet<Form>> = forms
        .iter()
        .map(|name| {
            name.parse()
                .map_err(|e| columns.corrupt(format!("allowed_forms: {e}")))
        })
        .collect();
    let entry = EntryRecord {
        id: columns.get("id")?,
        spiffe_id: columns.parse("spiffe_id")?,
        parent_id: columns.parse("parent_id")?,
        selectors: selectors
            .into_iter()
            .map(|(kind, value)| Selector { kind, value })
            .collect(),
        x509_svid_ttl: columns.duration_option("x509_svid_ttl")?,
        jwt_svid_ttl: columns.duration_option("jwt_svid_ttl")?,
        federates_with: federates_with?,
        admin: columns.get("admin")?,
        downstream: columns.get("downstream")?,
        expires_at: columns.time_option("expires_at")?,
        dns_names: columns.json("dns_names")?,
        revision_number: columns.count("revision_number")?,
        store_svid: columns.get("store_svid")?,
        hint: columns.get("hint")?,
        created_at: columns.time("created_at")?,
        disable_x509_svid_prefetch: columns.get("disable_x509_svid_prefetch")?,
        jwt_svid_include_jti: columns.get("jwt_svid_include_jti")?,
        allowed_forms: forms?,
        leaf_key_algorithms: columns.json("leaf_key_algorithms")?,
        not_before: columns.time_option("not_before")?,
        not_after: columns.time_option("not_after")?,
        owner: columns.get("owner")?,
    };
    Ok((columns.get("seq")?, entry))
}
