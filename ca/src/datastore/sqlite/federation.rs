//! Bundles of other trust domains, and where they are fetched from.

use std::collections::BTreeSet;
use std::time::SystemTime;

use async_trait::async_trait;
use spiffe::{SpiffeId, TrustDomain};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use symbolon_pki::bundle::{JwtAuthority, TrustBundle};

use super::appended::{By, append, appended, appended_key, change_appended_key, prune, published_keys};
use super::codec::{Columns, failed, whole_seconds};
use super::filter::{Conditions, cut, start};
use super::published::{Authority, of_bundle, read_bundle_authorities, write_bundle};
use super::{SqliteDatastore, commit, upstream};
use crate::datastore::{
    AppendedAuthorities, AuthorityKind, AuthorityState, BundleParts, DatastoreError, DeleteMode,
    FederationChange, FederationProfile, FederationRecord, FederationStore, FetchedBundle, LeftBehind, Page,
    PageRequest, RecordKind, Result, UpstreamRoot, checks,
};

const BUNDLES: &str = "SELECT seq, trust_domain, sequence, refresh_hint FROM federated_bundle AS b";
const RELATIONSHIPS: &str =
    "SELECT seq, trust_domain, endpoint_url, profile, endpoint_id FROM federation_relationship AS f";

#[async_trait]
impl FederationStore for SqliteDatastore {
    async fn create_federated_bundle(&self, bundle: &TrustBundle) -> Result<()> {
        checks::federated_bundle(bundle)?;
        let mut transaction = self.begin().await?;
        if find_bundle(&mut transaction, &bundle.trust_domain)
            .await?
            .is_some()
        {
            return Err(DatastoreError::already_exists(
                RecordKind::FederatedBundle,
                &bundle.trust_domain,
            ));
        }
        insert_bundle(&mut transaction, bundle).await?;
        commit(transaction).await
    }

    async fn set_federated_bundle(&self, bundle: &TrustBundle, parts: &BundleParts) -> Result<TrustBundle> {
        checks::federated_bundle(bundle)?;
        let mut transaction = self.begin().await?;
        let set = set_bundle(&mut transaction, bundle, parts).await?;
        commit(transaction).await?;
        Ok(set)
    }

    async fn set_fetched_bundle(
        &self,
        bundle: &TrustBundle,
        relationship: &FederationRecord,
        only_newer: bool,
    ) -> Result<FetchedBundle> {
        checks::federated_bundle(bundle)?;
        let mut transaction = self.begin().await?;
        let present = find_federation(&mut transaction, &bundle.trust_domain).await?;
        if present.as_ref() != Some(relationship) {
            return Ok(FetchedBundle::NoRelationship);
        }
        let before = find_bundle(&mut transaction, &bundle.trust_domain).await?;
        let before = before.map(|(_, before)| before);
        let held = before.as_ref().map_or(0, |before| before.sequence);
        if only_newer && bundle.sequence != 0 && held > bundle.sequence {
            return Ok(FetchedBundle::Older(held));
        }
        let bundle = set_bundle(&mut transaction, bundle, &BundleParts::WHOLE).await?;
        commit(transaction).await?;
        Ok(FetchedBundle::Set {
            changed: before.as_ref() != Some(&bundle),
            bundle,
        })
    }

    async fn update_federated_bundle(
        &self,
        bundle: &TrustBundle,
        parts: &BundleParts,
    ) -> Result<TrustBundle> {
        checks::federated_bundle(bundle)?;
        let mut transaction = self.begin().await?;
        if find_bundle(&mut transaction, &bundle.trust_domain)
            .await?
            .is_none()
        {
            return Err(no_bundle(&bundle.trust_domain));
        }
        let updated = set_bundle(&mut transaction, bundle, parts).await?;
        commit(transaction).await?;
        Ok(updated)
    }

    async fn delete_federated_bundle(&self, trust_domain: &TrustDomain, mode: DeleteMode) -> Result<u64> {
        let mut transaction = self.begin().await?;
        let found = find_bundle(&mut transaction, trust_domain).await?;
        let (seq, _) = found.ok_or_else(|| no_bundle(trust_domain))?;
        let entries = leave_entries(&mut transaction, trust_domain, mode).await?;
        sqlx::query("DELETE FROM federated_bundle WHERE seq = ?")
            .bind(seq)
            .execute(&mut *transaction)
            .await
            .map_err(failed("delete a bundle"))?;
        commit(transaction).await?;
        Ok(entries)
    }

    async fn federated_bundle(&self, trust_domain: &TrustDomain) -> Result<Option<TrustBundle>> {
        let mut snapshot = self.snapshot().await?;
        Ok(find_bundle(&mut snapshot, trust_domain)
            .await?
            .map(|(_, bundle)| bundle))
    }

    async fn count_federated_bundles(&self) -> Result<u64> {
        let row = sqlx::query("SELECT count(*) AS count FROM federated_bundle")
            .fetch_one(&self.readers)
            .await
            .map_err(failed("count bundles"))?;
        Columns::of("a count", &row).count("count")
    }

    async fn list_federated_bundles(&self, page: &PageRequest) -> Result<Page<TrustBundle>> {
        let mut snapshot = self.snapshot().await?;
        let mut conditions = Conditions::on(BUNDLES);
        conditions.compare("b.seq >", start(page));
        let mut query = conditions.page("b.seq", page);
        let rows = query.build().fetch_all(&mut *snapshot).await;
        let rows = rows.map_err(failed("list bundles"))?;
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            found.push(read_bundle(&mut snapshot, row).await?);
        }
        Ok(cut(found, page))
    }

    async fn create_federation(
        &self,
        federation: &FederationRecord,
        bundle: Option<(&TrustBundle, &BundleParts)>,
    ) -> Result<()> {
        check_federation(federation)?;
        let mut transaction = self.begin().await?;
        if find_federation(&mut transaction, &federation.trust_domain)
            .await?
            .is_some()
        {
            return Err(DatastoreError::already_exists(
                RecordKind::Federation,
                &federation.trust_domain,
            ));
        }
        set_bundle_with(&mut transaction, &federation.trust_domain, bundle).await?;
        write_federation(&mut transaction, federation).await?;
        commit(transaction).await
    }

    async fn update_federation(
        &self,
        trust_domain: &TrustDomain,
        change: &FederationChange,
        bundle: Option<(&TrustBundle, &BundleParts)>,
    ) -> Result<FederationRecord> {
        let mut transaction = self.begin().await?;
        let found = find_federation(&mut transaction, trust_domain).await?;
        let mut federation =
            found.ok_or_else(|| DatastoreError::not_found(RecordKind::Federation, trust_domain))?;
        if let Some(url) = &change.endpoint_url {
            federation.endpoint_url.clone_from(url);
        }
        if let Some(profile) = &change.profile {
            federation.profile.clone_from(profile);
        }
        check_federation(&federation)?;
        set_bundle_with(&mut transaction, trust_domain, bundle).await?;
        write_federation(&mut transaction, &federation).await?;
        commit(transaction).await?;
        Ok(federation)
    }

    async fn delete_federation(&self, trust_domain: &TrustDomain) -> Result<()> {
        let mut transaction = self.begin().await?;
        let done = sqlx::query("DELETE FROM federation_relationship WHERE trust_domain = ?")
            .bind(trust_domain.as_str())
            .execute(&mut *transaction)
            .await
            .map_err(failed("end a relationship"))?;
        if done.rows_affected() == 0 {
            return Err(DatastoreError::not_found(RecordKind::Federation, trust_domain));
        }
        commit(transaction).await
    }

    async fn federation(&self, trust_domain: &TrustDomain) -> Result<Option<FederationRecord>> {
        let mut reader = self.readers.acquire().await.map_err(failed("begin reading"))?;
        find_federation(&mut reader, trust_domain).await
    }

    async fn list_federation(&self, page: &PageRequest) -> Result<Page<FederationRecord>> {
        let mut conditions = Conditions::on(RELATIONSHIPS);
        conditions.compare("f.seq >", start(page));
        let mut query = conditions.page("f.seq", page);
        let rows = query.build().fetch_all(&self.readers).await;
        let rows = rows.map_err(failed("list relationships"))?;
        Ok(cut(
            rows.iter().map(read_federation).collect::<Result<_>>()?,
            page,
        ))
    }

    async fn append_authorities(&self, added: &AppendedAuthorities) -> Result<()> {
        let mut transaction = self.begin().await?;
        append(&mut transaction, added, &By::Administrator).await?;
        commit(transaction).await
    }

    async fn publish_authorities(
        &self,
        publisher: &SpiffeId,
        added: &AppendedAuthorities,
        now: SystemTime,
    ) -> Result<()> {
        let mut transaction = self.begin().await?;
        append(&mut transaction, added, &By::server(publisher, now)).await?;
        commit(transaction).await
    }

    async fn judge_publication(
        &self,
        publisher: &SpiffeId,
        added: &AppendedAuthorities,
        now: SystemTime,
    ) -> Result<()> {
        let mut transaction = self.begin().await?;
        append(&mut transaction, added, &By::server(publisher, now)).await?;
        transaction.rollback().await.map_err(failed("take back"))
    }

    async fn follow_upstream(
        &self,
        upstream: &str,
        found: &AppendedAuthorities,
        is_all: bool,
    ) -> Result<bool> {
        let mut transaction = self.begin().await?;
        let changed = upstream::follow(&mut transaction, upstream, found, is_all).await?;
        commit(transaction).await?;
        Ok(changed)
    }

    async fn settle_upstreams(&self, configured: &BTreeSet<&str>) -> Result<Vec<LeftBehind>> {
        let mut transaction = self.begin().await?;
        let left = upstream::settle(&mut transaction, configured).await?;
        commit(transaction).await?;
        Ok(left)
    }

    async fn upstream_roots(&self) -> Result<Vec<UpstreamRoot>> {
        let mut reader = self.readers.acquire().await.map_err(failed("begin reading"))?;
        upstream::roots(&mut reader).await
    }

    async fn change_upstream_root(&self, root_id: &str, next: AuthorityState) -> Result<()> {
        let mut transaction = self.begin().await?;
        upstream::change_root(&mut transaction, root_id, next).await?;
        commit(transaction).await
    }

    async fn published_keys(&self, kind: AuthorityKind) -> Result<Vec<JwtAuthority>> {
        let mut reader = self.readers.acquire().await.map_err(failed("begin reading"))?;
        published_keys(&mut reader, kind).await
    }

    async fn appended_authorities(&self) -> Result<AppendedAuthorities> {
        let mut reader = self.readers.acquire().await.map_err(failed("begin reading"))?;
        appended(&mut reader).await
    }

    async fn appended_key(
        &self,
        kind: AuthorityKind,
        key_id: &str,
    ) -> Result<Option<(JwtAuthority, AuthorityState)>> {
        let mut reader = self.readers.acquire().await.map_err(failed("begin reading"))?;
        appended_key(&mut reader, kind, key_id).await
    }

    async fn change_appended_key(
        &self,
        kind: AuthorityKind,
        key_id: &str,
        next: AuthorityState,
    ) -> Result<JwtAuthority> {
        let mut transaction = self.begin().await?;
        let changed = change_appended_key(&mut transaction, kind, key_id, next).await?;
        commit(transaction).await?;
        Ok(changed)
    }

    async fn prune_appended_authorities(&self, expired_before: SystemTime) -> Result<u64> {
        let mut transaction = self.begin().await?;
        let pruned = prune(&mut transaction, expired_before).await?;
        commit(transaction).await?;
        Ok(pruned)
    }
}

fn no_bundle(trust_domain: &TrustDomain) -> DatastoreError {
    DatastoreError::not_found(RecordKind::FederatedBundle, trust_domain)
}

fn check_federation(federation: &FederationRecord) -> Result<()> {
    checks::text("the URL of the bundle endpoint", &federation.endpoint_url)
}

async fn find_bundle(
    connection: &mut SqliteConnection,
    trust_domain: &TrustDomain,
) -> Result<Option<(i64, TrustBundle)>> {
    let mut conditions = Conditions::on(BUNDLES);
    conditions.compare("b.trust_domain =", Some(trust_domain.as_str()));
    let row = conditions.finish().build().fetch_optional(&mut *connection).await;
    match row.map_err(failed("look for a bundle"))? {
        Some(row) => read_bundle(connection, &row).await.map(Some),
        None => Ok(None),
    }
}

async fn read_bundle(connection: &mut SqliteConnection, row: &SqliteRow) -> Result<(i64, TrustBundle)> {
    let columns = Columns::of("a bundle", row);
    let seq: i64 = columns.get("seq")?;
    let mut bundle = TrustBundle::new(columns.parse("trust_domain")?);
    bundle.sequence = columns.get::<i64>("sequence")?.cast_unsigned();
    bundle.refresh_hint = columns.duration_option("refresh_hint")?;
    for authority in read_bundle_authorities(connection, seq).await? {
        match authority {
            Authority::X509(authority) => bundle.x509_authorities.push(authority),
            Authority::Jwt(authority) => bundle.jwt_authorities.push(authority),
            Authority::Wit(authority) => bundle.wit_authorities.push(authority),
        }
    }
    Ok((seq, bundle))
}

async fn insert_bundle(connection: &mut SqliteConnection, bundle: &TrustBundle) -> Result<()> {
    let seq: i64 = sqlx::query_scalar(
        "INSERT INTO federated_bundle (trust_domain, sequence, refresh_hint) VALUES (?, ?, ?) \
         ON CONFLICT (trust_domain) DO UPDATE SET sequence = excluded.sequence, \
         refresh_hint = excluded.refresh_hint RETURNING seq",
    )
    .bind(bundle.trust_domain.as_str())
    .bind(bundle.sequence.cast_signed())
    .bind(bundle.refresh_hint.map(whole_seconds))
    .fetch_one(&mut *connection)
    .await
    .map_err(failed("write a bundle"))?;
    write_bundle(connection, seq, &of_bundle(bundle)).await
}

/// Writes a bundle that may be there already, and returns it as it is then.
async fn set_bundle(
    connection: &mut SqliteConnection,
    bundle: &TrustBundle,
    parts: &BundleParts,
) -> Result<TrustBundle> {
    let wanted = match find_bundle(connection, &bundle.trust_domain).await? {
        Some((_, old)) => {
            let wanted = parts.replace(old.clone(), bundle);
            if wanted == old {
                return Ok(old);
            }
            // Two parts that are short enough may not be so together.
            checks::federated_bundle(&wanted)?;
            wanted
        }
        None => bundle.clone(),
    };
    insert_bundle(connection, &wanted).await?;
    let set = find_bundle(connection, &bundle.trust_domain).await?;
    set.map(|(_, set)| set)
        .ok_or_else(|| DatastoreError::corrupt("the bundles", "one vanished"))
}

async fn set_bundle_with(
    connection: &mut SqliteConnection,
    trust_domain: &TrustDomain,
    bundle: Option<(&TrustBundle, &BundleParts)>,
) -> Result<()> {
    let Some((bundle, parts)) = bundle else {
        return Ok(());
    };
    if bundle.trust_domain != *trust_domain {
        let reason = format!("it is that of {}, not of {trust_domain}", bundle.trust_domain);
        return Err(DatastoreError::invalid("the bundle", reason));
    }
    checks::federated_bundle(bundle)?;
    set_bundle(connection, bundle, parts).await.map(|_| ())
}

/// Does about entries that federate with a trust domain what the mode says; how many that was.
async fn leave_entries(
    connection: &mut SqliteConnection,
    trust_domain: &TrustDomain,
    mode: DeleteMode,
) -> Result<u64> {
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM entry_federates_with WHERE trust_domain = ?")
        .bind(trust_domain.as_str())
        .fetch_one(&mut *connection)
        .await
        .map_err(failed("count entries"))?;
    let change = match (mode, count) {
        (_, 0) => return Ok(0),
        (DeleteMode::Restrict, 1) => return Err(still_used(trust_domain, "an entry federates")),
        (DeleteMode::Restrict, count) => {
            return Err(still_used(trust_domain, &format!("{count} entries federate")));
        }
        (DeleteMode::Delete, _) => {
            "DELETE FROM entry WHERE seq IN (SELECT entry_seq FROM entry_federates_with WHERE trust_domain = ?)"
        }
        (DeleteMode::Dissociate, _) => {
            "UPDATE entry SET revision_number = revision_number + 1 \
             WHERE seq IN (SELECT entry_seq FROM entry_federates_with WHERE trust_domain = ?)"
        }
    };
    // The first may have taken all that the second looks for.
    for statement in [change, "DELETE FROM entry_federates_with WHERE trust_domain = ?"] {
        sqlx::query(statement)
            .bind(trust_domain.as_str())
            .execute(&mut *connection)
            .await
            .map_err(failed("change entries"))?;
    }
    Ok(count.unsigned_abs())
}

fn still_used(trust_domain: &TrustDomain, entries: &str) -> DatastoreError {
    let reason = format!("{entries} with it");
    DatastoreError::conflict(RecordKind::FederatedBundle, trust_domain, reason)
}

async fn find_federation(
    connection: &mut SqliteConnection,
    trust_domain: &TrustDomain,
) -> Result<Option<FederationRecord>> {
    let mut conditions = Conditions::on(RELATIONSHIPS);
    conditions.compare("f.trust_domain =", Some(trust_domain.as_str()));
    let row = conditions.finish().build().fetch_optional(connection).await;
    row.map_err(failed("look for a relationship"))?
        .as_ref()
        .map(|row| Ok(read_federation(row)?.1))
        .transpose()
}

async fn write_federation(connection: &mut SqliteConnection, federation: &FederationRecord) -> Result<()> {
    let endpoint_id = match &federation.profile {
        FederationProfile::HttpsWeb => None,
        FederationProfile::HttpsSpiffe(id) => Some(id.to_string()),
    };
    sqlx::query(
        "INSERT INTO federation_relationship (trust_domain, endpoint_url, profile, endpoint_id) \
         VALUES (?, ?, ?, ?) ON CONFLICT (trust_domain) DO UPDATE SET endpoint_url = excluded.endpoint_url, \
         profile = excluded.profile, endpoint_id = excluded.endpoint_id",
    )
    .bind(federation.trust_domain.as_str())
    .bind(&federation.endpoint_url)
    .bind(federation.profile.name())
    .bind(endpoint_id)
    .execute(connection)
    .await
    .map_err(failed("write a relationship"))?;
    Ok(())
}

fn read_federation(row: &SqliteRow) -> Result<(i64, FederationRecord)> {
    let columns = Columns::of("a relationship", row);
    let profile = match columns.parse_option("endpoint_id")? {
        Some(id) => FederationProfile::HttpsSpiffe(id),
        None => FederationProfile::HttpsWeb,
    };
    let federation = FederationRecord {
        trust_domain: columns.parse("trust_domain")?,
        endpoint_url: columns.get("endpoint_url")?,
        profile,
    };
    Ok((columns.get("seq")?, federation))
}
