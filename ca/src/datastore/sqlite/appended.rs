//! What others put into the own bundle: administrators, servers below this one, and upstreams.

use std::time::SystemTime;

use spiffe::SpiffeId;
use sqlx::SqliteConnection;
use symbolon_pki::bundle::JwtAuthority;

use super::authorities::advance;
use super::codec::{Columns, failed, position, seconds};
use super::published::{Authority, Row, read};
use super::upstream::{FORMER, UPSTREAM, standing_of_key};
use crate::datastore::{
    AppendedAuthorities, AuthorityKind, AuthorityState, DatastoreError, MAX_APPENDED, MAX_APPENDED_LEN,
    MAX_PUBLISHED, RecordKind, Result, checks,
};

/// What the column `tainted` says of what others put into our bundle, beside no (0) and yes (1): that it was revoked, and
/// is kept so that it does not come back.
pub(super) const REVOKED: i64 = 2;

/// Who adds to the own bundle.
#[derive(Debug)]
pub(super) enum By {
    /// Somebody who may add anything.
    Administrator,
    /// A server below this one, which has a share.
    Server { publisher: String, now: SystemTime },
}

impl By {
    pub(super) fn server(spiffe_id: &SpiffeId, now: SystemTime) -> Self {
        Self::Server {
            publisher: spiffe_id.to_string(),
            now,
        }
    }

    fn publisher(&self) -> Option<&str> {
        match self {
            Self::Administrator => None,
            Self::Server { publisher, .. } => Some(publisher),
        }
    }
}

/// Adds authorities to the own bundle.
pub(super) async fn append(
    connection: &mut SqliteConnection,
    added: &AppendedAuthorities,
    by: &By,
) -> Result<()> {
    let x509 = added.x509.iter().cloned().map(Authority::X509);
    let jwt = added.jwt.iter().cloned().map(Authority::Jwt);
    let wit = added.wit.iter().cloned().map(Authority::Wit);
    let mut changed = false;
    for authority in x509.chain(jwt).chain(wit) {
        let row = Row::from(&authority);
        if let Some(key_id) = &row.key_id {
            checks::text("a key id", key_id)?;
        }
        if is_published(connection, &row).await? {
            changed |= row.tainted && taint(connection, &row).await?;
            changed |= is_claimed(connection, &row, by).await?;
            continue;
        }
        if !insert(connection, &row, by.publisher()).await? {
            let id = row.key_id.as_deref().unwrap_or("of this key");
            return Err(DatastoreError::already_exists(RecordKind::Authority, id));
        }
        changed = true;
    }
    if changed {
        if let By::Server { publisher, now } = by {
            keep_to_share(connection, publisher, *now).await?;
        }
        let (count, bytes): (i64, i64) = sqlx::query_as(
            "SELECT count(*), coalesce(sum(length(material) + coalesce(length(CAST(key_id AS BLOB)), 0)), 0) \
             FROM appended_authority WHERE (publisher IS NULL) = (? IS NULL) AND tainted <> ? \
             AND coalesce(publisher, '') NOT LIKE ? AND coalesce(publisher, '') NOT LIKE ?",
        )
        .bind(by.publisher())
        .bind(REVOKED)
        .bind(format!("{UPSTREAM}%"))
        .bind(format!("{FORMER}%"))
        .fetch_one(&mut *connection)
        .await
        .map_err(failed("count authorities"))?;
        let whose = match by {
            By::Administrator => "administrators may have added",
            By::Server { .. } => "servers below this one may have",
        };
        if exceeds(count, MAX_APPENDED) {
            let reason = format!("{whose} at most {MAX_APPENDED} authorities in it");
            return Err(too_many(reason));
        }
        if exceeds(bytes, MAX_APPENDED_LEN) {
            let reason = format!("{whose} authorities of at most {MAX_APPENDED_LEN} bytes together in it");
            return Err(too_many(reason));
        }
        advance(connection).await?;
    }
    Ok(())
}

/// Makes what an upstream has that of the server below this one whose it is: it may have come back from above before it came
/// from there. Whether it was an upstream's.
async fn is_claimed(connection: &mut SqliteConnection, row: &Row, by: &By) -> Result<bool> {
    let By::Server { publisher, .. } = by else {
        return Ok(false);
    };
    let done = sqlx::query(
        "UPDATE appended_authority SET publisher = ? WHERE kind = ? AND material = ? \
         AND (publisher LIKE ? OR publisher LIKE ?)",
    )
    .bind(publisher)
    .bind(row.kind.name())
    .bind(&row.material)
    .bind(format!("{UPSTREAM}%"))
    .bind(format!("{FORMER}%"))
    .execute(connection)
    .await
    .map_err(failed("note whose an authority is"))?;
    Ok(done.rows_affected() > 0)
}

/// Lets a publisher have no more than its share: what has ended makes room for what is new.
async fn keep_to_share(connection: &mut SqliteConnection, publisher: &str, now: SystemTime) -> Result<()> {
    let count = published_by(connection, publisher).await?;
    if !exceeds(count, MAX_PUBLISHED) {
        return Ok(());
    }
    let over = count - position(MAX_PUBLISHED);
    sqlx::query(
        "DELETE FROM appended_authority WHERE seq IN (SELECT seq FROM appended_authority \
         WHERE publisher = ? AND expires_at <= ? ORDER BY expires_at, seq LIMIT ?)",
    )
    .bind(publisher)
    .bind(seconds(now))
    .bind(over)
    .execute(&mut *connection)
    .await
    .map_err(failed("forget what was published"))?;
    match exceeds(published_by(connection, publisher).await?, MAX_PUBLISHED) {
        true => Err(too_many(format!(
            "{publisher} may have at most {MAX_PUBLISHED} authorities in it that have not expired"
        ))),
        false => Ok(()),
    }
}

async fn published_by(connection: &mut SqliteConnection, publisher: &str) -> Result<i64> {
    sqlx::query_scalar("SELECT count(*) FROM appended_authority WHERE publisher = ?")
        .bind(publisher)
        .fetch_one(connection)
        .await
        .map_err(failed("count authorities"))
}

fn exceeds(count: i64, most: usize) -> bool {
    usize::try_from(count).is_ok_and(|count| count > most)
}

fn too_many(reason: String) -> DatastoreError {
    DatastoreError::conflict(RecordKind::Bundle, "the server's own", reason)
}

/// Whether an authority is in the own bundle already.
///
/// # Errors
/// [`DatastoreError::AlreadyExists`] if another key is, under its `kid`, and for one that was revoked: what is no longer to
/// be believed does not come back by this door.
async fn is_published(connection: &mut SqliteConnection, row: &Row) -> Result<bool> {
    let rows: Vec<(Vec<u8>, String)> = sqlx::query_as(
        "SELECT material, iif(tainted = ?4, 'revoked', 'appended') FROM appended_authority \
         WHERE kind = ?1 AND (key_id = ?2 OR material = ?3) \
         UNION ALL SELECT material, state FROM authority \
         WHERE ((?1 = 'x509' AND jwt_key_id IS NULL) OR family = ?1) AND (jwt_key_id = ?2 OR material = ?3)",
    )
    .bind(row.kind.name())
    .bind(&row.key_id)
    .bind(&row.material)
    .bind(REVOKED)
    .fetch_all(connection)
    .await
    .map_err(failed("look for an authority"))?;
    let published = |(material, state): &(Vec<u8>, String)| {
        *material == row.material && state != AuthorityState::Revoked.name()
    };
    match rows.iter().all(published) {
        true => Ok(!rows.is_empty()),
        false => {
            let id = row.key_id.as_deref().unwrap_or("with this certificate");
            Err(DatastoreError::already_exists(RecordKind::Authority, id))
        }
    }
}

/// Adds a row. What was tainted here once is tainted whoever brings it back, and what was revoked here is kept as such, be
/// it in another certificate. Whether it is in the bundle.
pub(super) async fn insert(
    connection: &mut SqliteConnection,
    row: &Row,
    publisher: Option<&str>,
) -> Result<bool> {
    let standing = standing_of_key(connection, row).await?;
    sqlx::query(
        "INSERT INTO appended_authority (kind, key_id, material, expires_at, tainted, publisher) VALUES (?1, ?2, ?3, ?4, \
         max(?5, ?7, EXISTS (SELECT 1 FROM tainted_here WHERE kind = ?1 AND material = ?3)), ?6)",
    )
    .bind(row.kind.name())
    .bind(&row.key_id)
    .bind(&row.material)
    .bind(row.expires_at)
    .bind(row.tainted)
    .bind(publisher)
    .bind(standing)
    .execute(&mut *connection)
    .await
    .map_err(failed("append an authority"))?;
    if standing > 0 {
        note_tainted_here(connection, row).await?;
    }
    Ok(standing != REVOKED)
}

/// Notes that a command tainted a row: it is tainted again when it comes back.
pub(super) async fn note_tainted_here(connection: &mut SqliteConnection, row: &Row) -> Result<()> {
    sqlx::query("INSERT OR IGNORE INTO tainted_here (kind, material, expires_at) VALUES (?, ?, ?)")
        .bind(row.kind.name())
        .bind(&row.material)
        .bind(row.expires_at)
        .execute(connection)
        .await
        .map_err(failed("note what was tainted"))?;
    Ok(())
}

/// Marks what was added before as tainted. Whether it was not so already.
pub(super) async fn taint(connection: &mut SqliteConnection, row: &Row) -> Result<bool> {
    let done = sqlx::query(
        "UPDATE appended_authority SET tainted = 1 WHERE kind = ? AND material = ? AND tainted = 0",
    )
    .bind(row.kind.name())
    .bind(&row.material)
    .execute(connection)
    .await
    .map_err(failed("taint an authority"))?;
    Ok(done.rows_affected() > 0)
}

/// A key that was added to the own bundle, and where it stands: what others hold is old to us until it is tainted.
pub(super) async fn appended_key(
    connection: &mut SqliteConnection,
    kind: AuthorityKind,
    key_id: &str,
) -> Result<Option<(JwtAuthority, AuthorityState)>> {
    let row = sqlx::query(
        "SELECT kind, key_id, material, expires_at, tainted FROM appended_authority WHERE kind = ? AND key_id = ?",
    )
    .bind(kind.name())
    .bind(key_id)
    .fetch_optional(connection)
    .await
    .map_err(failed("look for an authority"))?;
    let Some(row) = row else {
        return Ok(None);
    };
    let standing: i64 = Columns::of("an authority of a bundle", &row).get("tainted")?;
    let state = match standing {
        0 => AuthorityState::Old,
        REVOKED => AuthorityState::Revoked,
        _ => AuthorityState::Tainted,
    };
    Ok(match read(&row)? {
        Authority::Jwt(key) | Authority::Wit(key) => Some((key, state)),
        Authority::X509(_) => None,
    })
}

/// Takes a key that was added to the own bundle to its next state.
pub(super) async fn change_appended_key(
    connection: &mut SqliteConnection,
    kind: AuthorityKind,
    key_id: &str,
    next: AuthorityState,
) -> Result<JwtAuthority> {
    let found = appended_key(connection, kind, key_id).await?;
    let (mut key, state) = found.ok_or_else(|| DatastoreError::not_found(RecordKind::Authority, key_id))?;
    if !state.may_become(next) {
        let reason = format!("it is {state} and cannot become {next}");
        return Err(DatastoreError::conflict(RecordKind::Authority, key_id, reason));
    }
    let authority = match kind {
        AuthorityKind::Wit => Authority::Wit(key.clone()),
        _ => Authority::Jwt(key.clone()),
    };
    note_tainted_here(connection, &Row::from(&authority)).await?;
    sqlx::query("UPDATE appended_authority SET tainted = ? WHERE kind = ? AND key_id = ?")
        .bind(if next == AuthorityState::Revoked {
            REVOKED
        } else {
            1
        })
        .bind(kind.name())
        .bind(key_id)
        .execute(&mut *connection)
        .await
        .map_err(failed("change an authority's state"))?;
    advance(connection).await?;
    key.tainted = true;
    Ok(key)
}

/// What was added to the own bundle, and not revoked.
pub(super) async fn appended(connection: &mut SqliteConnection) -> Result<AppendedAuthorities> {
    let rows = sqlx::query(
        "SELECT kind, key_id, material, expires_at, tainted FROM appended_authority WHERE tainted <> ? ORDER BY seq",
    )
    .bind(REVOKED)
    .fetch_all(connection)
    .await
    .map_err(failed("read what was appended"))?;
    let mut found = AppendedAuthorities::default();
    for row in &rows {
        match read(row)? {
            Authority::X509(authority) => found.x509.push(authority),
            Authority::Jwt(authority) => found.jwt.push(authority),
            Authority::Wit(authority) => found.wit.push(authority),
        }
    }
    Ok(found)
}

/// The keys of a kind that servers below this one published, but for those that were revoked.
pub(super) async fn published_keys(
    connection: &mut SqliteConnection,
    kind: AuthorityKind,
) -> Result<Vec<JwtAuthority>> {
    let rows = sqlx::query(
        "SELECT kind, key_id, material, expires_at, tainted FROM appended_authority \
         WHERE kind = ? AND publisher LIKE 'spiffe://%' AND tainted <> ? ORDER BY seq",
    )
    .bind(kind.name())
    .bind(REVOKED)
    .fetch_all(connection)
    .await
    .map_err(failed("read what was published"))?;
    let mut keys = Vec::new();
    for row in &rows {
        if let Authority::Jwt(key) | Authority::Wit(key) = read(row)? {
            keys.push(key);
        }
    }
    Ok(keys)
}

/// Forgets what has ended; how many there were.
pub(super) async fn prune(connection: &mut SqliteConnection, expired_before: SystemTime) -> Result<u64> {
    let done = sqlx::query("DELETE FROM appended_authority WHERE expires_at < ?")
        .bind(seconds(expired_before))
        .execute(&mut *connection)
        .await
        .map_err(failed("forget what was appended"))?;
    sqlx::query("DELETE FROM tainted_here WHERE expires_at < ?")
        .bind(seconds(expired_before))
        .execute(&mut *connection)
        .await
        .map_err(failed("forget what was tainted"))?;
    if done.rows_affected() > 0 {
        advance(connection).await?;
    }
    Ok(done.rows_affected())
}
