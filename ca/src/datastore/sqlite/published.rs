//! Authorities of bundles as rows: those of other trust domains' bundles, and those that others put into our own.

use std::time::SystemTime;

use spiffe::SpiffeId;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use symbolon_pki::bundle::{JwtAuthority, TrustBundle, X509Authority};
use symbolon_pki::certificate::Certificate;

use super::authorities::advance;
use super::codec::{Columns, failed, position, seconds};
use super::upstream::UPSTREAM;
use crate::datastore::{
    AppendedAuthorities, AuthorityKind, AuthorityState, DatastoreError, MAX_APPENDED, MAX_APPENDED_LEN,
    MAX_PUBLISHED, RecordKind, Result, checks,
};

/// What the column `tainted` says of what others put into our bundle, beside no (0) and yes (1): that it was revoked, and
/// is kept so that it does not come back.
pub(super) const REVOKED: i64 = 2;

/// One authority of a bundle.
#[derive(Clone, Debug)]
pub(super) enum Authority {
    X509(X509Authority),
    Jwt(JwtAuthority),
    Wit(JwtAuthority),
}

/// The columns of one.
pub(super) struct Row {
    pub(super) kind: AuthorityKind,
    pub(super) key_id: Option<String>,
    pub(super) material: Vec<u8>,
    pub(super) expires_at: Option<i64>,
    pub(super) tainted: bool,
}

impl From<&Authority> for Row {
    fn from(authority: &Authority) -> Self {
        let key = |kind, key: &JwtAuthority| Self {
            kind,
            key_id: Some(key.key_id.clone()),
            material: key.spki_der(),
            expires_at: key.expires_at.map(seconds),
            tainted: key.tainted,
        };
        match authority {
            Authority::X509(authority) => Self {
                kind: AuthorityKind::X509,
                key_id: None,
                material: authority.certificate.der().to_vec(),
                expires_at: Some(seconds(authority.certificate.not_after())),
                tainted: authority.tainted,
            },
            Authority::Jwt(authority) => key(AuthorityKind::Jwt, authority),
            Authority::Wit(authority) => key(AuthorityKind::Wit, authority),
        }
    }
}

/// The authorities of a bundle, in its order.
pub(super) fn of_bundle(bundle: &TrustBundle) -> Vec<Authority> {
    let x509 = bundle.x509_authorities.iter().cloned().map(Authority::X509);
    let jwt = bundle.jwt_authorities.iter().cloned().map(Authority::Jwt);
    let wit = bundle.wit_authorities.iter().cloned().map(Authority::Wit);
    x509.chain(jwt).chain(wit).collect()
}

/// Makes these the authorities of another trust domain's bundle.
pub(super) async fn write_bundle(
    connection: &mut SqliteConnection,
    bundle_seq: i64,
    authorities: &[Authority],
) -> Result<()> {
    sqlx::query("DELETE FROM federated_authority WHERE bundle_seq = ?")
        .bind(bundle_seq)
        .execute(&mut *connection)
        .await
        .map_err(failed("write a bundle"))?;
    for (index, authority) in authorities.iter().enumerate() {
        let row = Row::from(authority);
        sqlx::query(
            "INSERT INTO federated_authority (bundle_seq, position, kind, key_id, material, expires_at, tainted) \
             VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(bundle_seq)
        .bind(position(index))
        .bind(row.kind.name())
        .bind(row.key_id)
        .bind(row.material)
        .bind(row.expires_at)
        .bind(row.tainted)
        .execute(&mut *connection)
        .await
        .map_err(failed("write a bundle"))?;
    }
    Ok(())
}

/// The authorities of another trust domain's bundle, in its order.
pub(super) async fn read_bundle_authorities(
    connection: &mut SqliteConnection,
    bundle_seq: i64,
) -> Result<Vec<Authority>> {
    let rows = sqlx::query(
        "SELECT kind, key_id, material, expires_at, tainted FROM federated_authority WHERE bundle_seq = ? \
         ORDER BY position",
    )
    .bind(bundle_seq)
    .fetch_all(connection)
    .await
    .map_err(failed("read a bundle"))?;
    rows.iter().map(read).collect()
}

fn read(row: &SqliteRow) -> Result<Authority> {
    let columns = Columns::of("an authority of a bundle", row);
    let material: Vec<u8> = columns.get("material")?;
    let tainted = columns.get("tainted")?;
    let kind: AuthorityKind = columns.parse("kind")?;
    if kind == AuthorityKind::X509 {
        let certificate = Certificate::from_der(&material).map_err(|error| columns.corrupt(error))?;
        return Ok(Authority::X509(X509Authority { certificate, tainted }));
    }
    let key_id: String = columns.get("key_id")?;
    let mut key = JwtAuthority::from_spki_der(key_id, &material).map_err(|error| columns.corrupt(error))?;
    key.expires_at = columns.time_option("expires_at")?;
    key.tainted = tainted;
    Ok(match kind {
        AuthorityKind::Wit => Authority::Wit(key),
        _ => Authority::Jwt(key),
    })
}

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
            continue;
        }
        sqlx::query(
            "INSERT INTO appended_authority (kind, key_id, material, expires_at, tainted, publisher) \
             VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(row.kind.name())
        .bind(row.key_id)
        .bind(row.material)
        .bind(row.expires_at)
        .bind(row.tainted)
        .bind(by.publisher())
        .execute(&mut *connection)
        .await
        .map_err(failed("append an authority"))?;
        changed = true;
    }
    if changed {
        if let By::Server { publisher, now } = by {
            keep_to_share(connection, publisher, *now).await?;
        }
        let (count, bytes): (i64, i64) = sqlx::query_as(
            "SELECT count(*), coalesce(sum(length(material) + coalesce(length(CAST(key_id AS BLOB)), 0)), 0) \
             FROM appended_authority WHERE (publisher IS NULL) = (? IS NULL) AND tainted <> ? \
             AND coalesce(publisher, '') NOT LIKE ?",
        )
        .bind(by.publisher())
        .bind(REVOKED)
        .bind(format!("{UPSTREAM}%"))
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

/// Marks what was added before as tainted. Whether it was not so already.
async fn taint(connection: &mut SqliteConnection, row: &Row) -> Result<bool> {
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

/// Forgets what has ended; how many there were.
pub(super) async fn prune(connection: &mut SqliteConnection, expired_before: SystemTime) -> Result<u64> {
    let done = sqlx::query("DELETE FROM appended_authority WHERE expires_at < ?")
        .bind(seconds(expired_before))
        .execute(&mut *connection)
        .await
        .map_err(failed("forget what was appended"))?;
    if done.rows_affected() > 0 {
        advance(connection).await?;
    }
    Ok(done.rows_affected())
}
