//! The journal of authorities, and the claims on component keys.

use std::time::SystemTime;

use async_trait::async_trait;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use symbolon_pki::certificate::split_chain;
use symbolon_pki::suite::{Family, Suite};

use super::appended::appended;
use super::codec::{Columns, failed, position, seconds};
use super::component_keys::{claim, claimed_by, used_up};
use super::filter::Conditions;
use super::upstream::{self, read_key};
use super::{SqliteDatastore, commit};
use crate::datastore::authority::claim_owner;
use crate::datastore::{
    AuthorityMaterial, AuthorityRecord, AuthorityRequest, AuthorityState, AuthorityStore,
    AuthorityTransition, ComponentKeyClaim, DatastoreError, PublishedAuthorities, RecordKind, Result,
    UpstreamPath, checks,
};

/// An authority with its keys, as one row.
const SELECT: &str = "SELECT a.*, (SELECT json_group_array(json_array(role, store, key_id, hex(spki_sha256)) \
    ORDER BY position) FROM authority_key WHERE authority_seq = a.seq) AS keys FROM authority AS a";

#[async_trait]
impl AuthorityStore for SqliteDatastore {
    async fn add_authority(&self, authority: &AuthorityRecord) -> Result<u64> {
        if authority.state != AuthorityState::Prepared {
            return Err(DatastoreError::invalid(
                "the authority",
                "a new one must be prepared",
            ));
        }
        checks::text("the authority's id", &authority.authority_id)?;
        let mut transaction = self.begin().await?;
        if find(&mut transaction, &authority.authority_id).await?.is_some() {
            return Err(DatastoreError::already_exists(
                RecordKind::Authority,
                &authority.authority_id,
            ));
        }
        if let Some(prepared) = in_state(&mut transaction, authority.family, AuthorityState::Prepared).await?
        {
            let reason = format!(
                "the {} family has {} prepared already",
                authority.family, prepared.authority_id
            );
            return Err(DatastoreError::conflict(
                RecordKind::Authority,
                &authority.authority_id,
                reason,
            ));
        }
        let owner = claim_owner(&authority.authority_id);
        for key in &authority.keys {
            // Even a claim of its own: a key that an earlier authority of this id had is used up.
            if !claim(&mut transaction, &owner, &key.spki_sha256, authority.created_at).await? {
                return Err(used_up(&key.spki_sha256));
            }
        }
        insert(&mut transaction, authority).await?;
        let awaited = upstream::requests(&mut transaction).await?;
        if awaited.iter().any(|request| request.keys == authority.keys) {
            upstream::forget_request(&mut transaction, authority.family).await?;
        }
        let sequence = advance(&mut transaction).await?;
        commit(transaction).await?;
        Ok(sequence)
    }

    async fn change_authority_state(
        &self,
        authority_id: &str,
        next: AuthorityState,
        at: SystemTime,
    ) -> Result<AuthorityTransition> {
        let mut transaction = self.begin().await?;
        let before = find(&mut transaction, authority_id)
            .await?
            .ok_or_else(|| DatastoreError::not_found(RecordKind::Authority, authority_id))?;
        if !before.state.may_become(next) {
            let reason = format!("it is {} and cannot become {next}", before.state);
            return Err(DatastoreError::conflict(
                RecordKind::Authority,
                authority_id,
                reason,
            ));
        }
        let mut replaced = None;
        if next == AuthorityState::Active {
            replaced = in_state(&mut transaction, before.family, AuthorityState::Active).await?;
        }
        // The old one steps down first: two active ones are never allowed, not even inside the transaction.
        if let Some(replaced) = &mut replaced {
            set_state(&mut transaction, replaced, AuthorityState::Old, at).await?;
        }
        let mut authority = before.clone();
        set_state(&mut transaction, &mut authority, next, at).await?;
        let sequence = if before.state.differs_in_bundle(next) {
            advance(&mut transaction).await?
        } else {
            sequence(&mut transaction).await?
        };
        commit(transaction).await?;
        Ok(AuthorityTransition {
            authority,
            replaced,
            sequence,
        })
    }

    async fn authority(&self, authority_id: &str) -> Result<Option<AuthorityRecord>> {
        let mut reader = self.readers.acquire().await.map_err(failed("begin reading"))?;
        find(&mut reader, authority_id).await
    }

    async fn authorities(&self, family: Option<Family>) -> Result<Vec<AuthorityRecord>> {
        let mut reader = self.readers.acquire().await.map_err(failed("begin reading"))?;
        let mut conditions = Conditions::on(SELECT);
        conditions.compare("a.family =", family.map(Family::name));
        fetch(&mut reader, conditions).await
    }

    async fn published_authorities(&self) -> Result<PublishedAuthorities> {
        let mut snapshot = self.snapshot().await?;
        let sequence = sequence(&mut snapshot).await?;
        let mut authorities = fetch(&mut snapshot, Conditions::on(SELECT)).await?;
        authorities.retain(|authority| authority.state.is_published());
        Ok(PublishedAuthorities {
            sequence,
            authorities,
            appended: appended(&mut snapshot).await?,
        })
    }

    async fn prune_authorities(&self, expired_before: SystemTime) -> Result<Vec<AuthorityRecord>> {
        let mut transaction = self.begin().await?;
        let mut conditions = Conditions::on(SELECT);
        conditions.compare("a.not_after <", Some(seconds(expired_before)));
        conditions.compare("a.state <>", Some(AuthorityState::Active.name()));
        let pruned = fetch(&mut transaction, conditions).await?;
        for authority in &pruned {
            sqlx::query("DELETE FROM authority WHERE authority_id = ?")
                .bind(&authority.authority_id)
                .execute(&mut *transaction)
                .await
                .map_err(failed("forget an authority"))?;
        }
        if pruned.iter().any(|authority| authority.state.is_published()) {
            advance(&mut transaction).await?;
        }
        commit(transaction).await?;
        Ok(pruned)
    }

    async fn request_authority(&self, request: &AuthorityRequest) -> Result<()> {
        let mut transaction = self.begin().await?;
        upstream::request(&mut transaction, request).await?;
        commit(transaction).await
    }

    async fn forget_authority_request(&self, family: Family) -> Result<()> {
        let mut transaction = self.begin().await?;
        upstream::forget_request(&mut transaction, family).await?;
        commit(transaction).await
    }

    async fn authority_requests(&self) -> Result<Vec<AuthorityRequest>> {
        let mut reader = self.readers.acquire().await.map_err(failed("begin reading"))?;
        upstream::requests(&mut reader).await
    }

    async fn claim_component_keys(
        &self,
        owner: &str,
        spki_sha256: &[[u8; 32]],
        at: SystemTime,
    ) -> Result<()> {
        checks::text("the owner of a component key", owner)?;
        let mut transaction = self.begin().await?;
        for hash in spki_sha256 {
            if !claim(&mut transaction, owner, hash, at).await?
                && claimed_by(&mut transaction, hash).await?.as_deref() != Some(owner)
            {
                return Err(used_up(hash));
            }
        }
        commit(transaction).await
    }

    async fn component_key_claims(&self, spki_sha256: &[[u8; 32]]) -> Result<Vec<ComponentKeyClaim>> {
        let mut reader = self.readers.acquire().await.map_err(failed("begin reading"))?;
        let mut claims = Vec::new();
        for hash in spki_sha256 {
            if let Some(owner) = claimed_by(&mut reader, hash).await? {
                claims.push(ComponentKeyClaim {
                    spki_sha256: *hash,
                    owner,
                });
            }
        }
        Ok(claims)
    }
}

async fn insert(connection: &mut SqliteConnection, authority: &AuthorityRecord) -> Result<()> {
    let (jwt_key_id, material) = match &authority.material {
        AuthorityMaterial::X509 { certificate } => (None, certificate),
        AuthorityMaterial::Jwt { key_id, spki } => (Some(key_id), spki),
    };
    let added = sqlx::query(
        "INSERT INTO authority (authority_id, family, suite, alternative, state, jwt_key_id, material, not_before, \
         not_after, created_at, changed_at, chain, upstream_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&authority.authority_id)
    .bind(authority.family.name())
    .bind(authority.suite.name())
    .bind(authority.alternative.map(Suite::name))
    .bind(authority.state.name())
    .bind(jwt_key_id)
    .bind(material)
    .bind(seconds(authority.not_before))
    .bind(seconds(authority.not_after))
    .bind(seconds(authority.created_at))
    .bind(seconds(authority.changed_at))
    .bind(authority.upstream.as_ref().map(|path| path.chain.concat()))
    .bind(authority.upstream.as_ref().map(|path| path.root_id.as_str()))
    .execute(&mut *connection)
    .await
    .map_err(failed("add an authority"))?;
    for (index, key) in authority.keys.iter().enumerate() {
        sqlx::query(
            "INSERT INTO authority_key (authority_seq, position, role, store, key_id, spki_sha256) \
             VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(added.last_insert_rowid())
        .bind(position(index))
        .bind(key.role.name())
        .bind(key.store.as_str())
        .bind(key.key_id.as_str())
        .bind(key.spki_sha256.as_slice())
        .execute(&mut *connection)
        .await
        .map_err(failed("add an authority's key"))?;
    }
    Ok(())
}

async fn set_state(
    connection: &mut SqliteConnection,
    authority: &mut AuthorityRecord,
    state: AuthorityState,
    at: SystemTime,
) -> Result<()> {
    let activated_at = match state {
        AuthorityState::Active => Some(at),
        _ => authority.activated_at,
    };
    sqlx::query("UPDATE authority SET state = ?, changed_at = ?, activated_at = ? WHERE authority_id = ?")
        .bind(state.name())
        .bind(seconds(at))
        .bind(activated_at.map(seconds))
        .bind(&authority.authority_id)
        .execute(&mut *connection)
        .await
        .map_err(failed("change an authority's state"))?;
    let again = find(connection, &authority.authority_id).await?;
    *authority = again.ok_or_else(|| DatastoreError::corrupt("the journal", "an authority vanished"))?;
    Ok(())
}

async fn fetch(connection: &mut SqliteConnection, conditions: Conditions) -> Result<Vec<AuthorityRecord>> {
    let mut query = conditions.finish();
    query.push(" ORDER BY a.seq");
    let rows = query
        .build()
        .fetch_all(connection)
        .await
        .map_err(failed("read the journal"))?;
    rows.iter().map(read).collect()
}

async fn find(connection: &mut SqliteConnection, authority_id: &str) -> Result<Option<AuthorityRecord>> {
    let mut conditions = Conditions::on(SELECT);
    conditions.compare("a.authority_id =", Some(authority_id));
    Ok(fetch(connection, conditions).await?.pop())
}

/// The family's authority in a state that at most one of them has.
async fn in_state(
    connection: &mut SqliteConnection,
    family: Family,
    state: AuthorityState,
) -> Result<Option<AuthorityRecord>> {
    let mut conditions = Conditions::on(SELECT);
    conditions.compare("a.family =", Some(family.name()));
    conditions.compare("a.state =", Some(state.name()));
    Ok(fetch(connection, conditions).await?.pop())
}

/// Advances the bundle's sequence number and returns it.
pub(super) async fn advance(connection: &mut SqliteConnection) -> Result<u64> {
    sqlx::query("UPDATE bundle SET sequence = sequence + 1")
        .execute(&mut *connection)
        .await
        .map_err(failed("advance the bundle's sequence number"))?;
    sequence(connection).await
}

async fn sequence(connection: &mut SqliteConnection) -> Result<u64> {
    let row = sqlx::query("SELECT sequence FROM bundle")
        .fetch_one(connection)
        .await;
    Columns::of(
        "the bundle",
        &row.map_err(failed("read the bundle's sequence number"))?,
    )
    .count("sequence")
}

fn read(row: &SqliteRow) -> Result<AuthorityRecord> {
    let columns = Columns::of("an authority", row);
    let material: Vec<u8> = columns.get("material")?;
    let keys: Vec<[String; 4]> = columns.json("keys")?;
    Ok(AuthorityRecord {
        authority_id: columns.get("authority_id")?,
        family: columns.parse("family")?,
        suite: columns.parse("suite")?,
        alternative: columns.parse_option("alternative")?,
        state: columns.parse("state")?,
        material: match columns.get("jwt_key_id")? {
            Some(key_id) => AuthorityMaterial::Jwt {
                key_id,
                spki: material,
            },
            None => AuthorityMaterial::X509 {
                certificate: material,
            },
        },
        keys: keys
            .iter()
            .map(|key| read_key(&columns, key))
            .collect::<Result<_>>()?,
        not_before: columns.time("not_before")?,
        not_after: columns.time("not_after")?,
        created_at: columns.time("created_at")?,
        changed_at: columns.time("changed_at")?,
        activated_at: columns.time_option("activated_at")?,
        upstream: match columns.get::<Option<String>>("upstream_id")? {
            Some(root_id) => Some(UpstreamPath {
                chain: read_chain(
                    &columns,
                    columns.get::<Option<&[u8]>>("chain")?.unwrap_or_default(),
                )?,
                root_id,
            }),
            None => None,
        },
    })
}

fn read_chain(columns: &Columns<'_>, chain: &[u8]) -> Result<Vec<Vec<u8>>> {
    if chain.is_empty() {
        return Ok(Vec::new());
    }
    let certificates = split_chain(chain).map_err(|error| columns.corrupt(error))?;
    Ok(certificates
        .iter()
        .map(|certificate| certificate.der().to_vec())
        .collect())
}
