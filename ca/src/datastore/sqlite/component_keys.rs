//! The claims on component keys: which of them is part of what.

use std::time::SystemTime;

use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use super::codec::{failed, seconds};
use crate::datastore::{CertificateIntent, DatastoreError, RecordKind, Result, SubjectKeyClaim};

/// Claims a component key; `false` when anyone, `owner` too, has a claim on it already.
pub(super) async fn claim(
    connection: &mut SqliteConnection,
    owner: &str,
    spki_sha256: &[u8; 32],
    at: SystemTime,
) -> Result<bool> {
    let claimed = sqlx::query(
        "INSERT INTO component_key (spki_sha256, owner, claimed_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
    )
    .bind(spki_sha256.as_slice())
    .bind(owner)
    .bind(seconds(at))
    .execute(connection)
    .await
    .map_err(failed("claim a component key"))?;
    Ok(claimed.rows_affected() == 1)
}

pub(super) async fn claimed_by(
    connection: &mut SqliteConnection,
    spki_sha256: &[u8; 32],
) -> Result<Option<String>> {
    sqlx::query_scalar("SELECT owner FROM component_key WHERE spki_sha256 = ?")
        .bind(spki_sha256.as_slice())
        .fetch_optional(connection)
        .await
        .map_err(failed("look for a component key"))
}

pub(super) fn used_up(spki_sha256: &[u8; 32]) -> DatastoreError {
    DatastoreError::already_exists(RecordKind::ComponentKey, hex::encode(spki_sha256))
}

/// One component of a key that is about to be certified.
pub(super) struct Part {
    component: [u8; 32],
    owner: String,
    at: i64,
}

impl Part {
    /// The components of the key that is certified with this intent.
    pub(super) fn of<'a>(
        intent: &CertificateIntent,
        claim: &'a SubjectKeyClaim,
    ) -> impl Iterator<Item = Self> + use<'a> {
        let (owner, at) = (claim.owner(), seconds(intent.recorded_at));
        claim.components.iter().map(move |component| Self {
            component: *component,
            owner: owner.clone(),
            at,
        })
    }
}

/// Claims `parts`, or finds that their owners have them; returns for how many that is so.
pub(super) async fn claim_parts(connection: &mut SqliteConnection, parts: &[Part]) -> Result<u64> {
    let mut query =
        QueryBuilder::<Sqlite>::new("INSERT INTO component_key (spki_sha256, owner, claimed_at) ");
    query.push_values(parts, |mut row, part| {
        row.push_bind(part.component.as_slice())
            .push_bind(&part.owner)
            .push_bind(part.at);
    });
    // A row that is there counts when its owner is the same.
    query.push(
        " ON CONFLICT (spki_sha256) DO UPDATE SET owner = excluded.owner \
         WHERE component_key.owner = excluded.owner",
    );
    let done = query
        .build()
        .execute(connection)
        .await
        .map_err(failed("claim component keys"))?;
    Ok(done.rows_affected())
}

/// The component of `claim` that another owner has, if there is one.
pub(super) async fn taken(
    connection: &mut SqliteConnection,
    claim: &SubjectKeyClaim,
) -> Result<Option<[u8; 32]>> {
    let owner = claim.owner();
    for component in &claim.components {
        if claimed_by(connection, component)
            .await?
            .is_some_and(|claimant| claimant != owner)
        {
            return Ok(Some(*component));
        }
    }
    Ok(None)
}
