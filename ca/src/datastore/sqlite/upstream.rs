//! What stands above this server's authorities, and what is awaited from there.

use std::collections::BTreeSet;

use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use symbolon_hsm::names::{KeyId, StoreName};
use symbolon_pki::bundle::X509Authority;
use symbolon_pki::certificate::Certificate;
use symbolon_pki::suite::{Family, Suite};

use super::appended::{REVOKED, insert, note_tainted_here, taint};
use super::authorities::advance;
use super::codec::{Columns, failed, seconds};
use super::published::{Authority, Row};
use crate::datastore::{
    AppendedAuthorities, AuthorityKind, AuthorityRequest, AuthorityState, DatastoreError, KeyReference,
    KeyRole, LeftBehind, RecordKind, Result, RootOrigin, UpstreamRoot, checks,
};

/// What the publisher of an upstream's authorities begins with; those of servers below this one are SPIFFE IDs.
pub(super) const UPSTREAM: &str = "upstream/";

/// And of an upstream that the configuration does not name any more.
pub(super) const FORMER: &str = "former/";

/// Adds and marks what an upstream has, and takes out what it no longer has where it is all.
pub(super) async fn follow(
    connection: &mut SqliteConnection,
    upstream: &str,
    found: &AppendedAuthorities,
    is_all: bool,
) -> Result<bool> {
    checks::text("the name of an upstream", upstream)?;
    let publisher = format!("{UPSTREAM}{upstream}");
    let x509 = found.x509.iter().cloned().map(Authority::X509);
    let jwt = found.jwt.iter().cloned().map(Authority::Jwt);
    let wit = found.wit.iter().cloned().map(Authority::Wit);
    let rows: Vec<Row> = x509.chain(jwt).chain(wit).map(|it| Row::from(&it)).collect();
    let mut changed = false;
    for row in &rows {
        if let Some(key_id) = &row.key_id {
            checks::text("a key id", key_id)?;
        }
        changed |= take(connection, &publisher, row).await?;
    }
    if is_all {
        changed |= take_out(connection, &publisher, &rows).await?;
    }
    if changed {
        advance(connection).await?;
    }
    Ok(changed)
}

/// Adds one authority, or marks it; whether that changed anything. What an administrator put in before, or an upstream that
/// is none any more, is this one's from then on: it is taken out when this one takes it back.
async fn take(connection: &mut SqliteConnection, publisher: &str, row: &Row) -> Result<bool> {
    let same: Vec<Vec<u8>> = sqlx::query_scalar(
        "SELECT material FROM appended_authority WHERE kind = ?1 AND (key_id = ?2 OR material = ?3) \
         UNION ALL SELECT material FROM authority \
         WHERE ((?1 = 'x509' AND jwt_key_id IS NULL) OR family = ?1) AND (jwt_key_id = ?2 OR material = ?3)",
    )
    .bind(row.kind.name())
    .bind(&row.key_id)
    .bind(&row.material)
    .fetch_all(&mut *connection)
    .await
    .map_err(failed("look for an authority"))?;
    if same.iter().any(|material| *material != row.material) {
        tracing::warn!(
            event = "upstream.key_passed_over",
            key_id = row.key_id,
            publisher,
            "another key of that id is in the bundle"
        );
        return Ok(false);
    }
    if same.is_empty() {
        return insert(connection, row, Some(publisher)).await;
    }
    sqlx::query(
        "UPDATE appended_authority SET publisher = ? WHERE kind = ? AND material = ? \
         AND (publisher IS NULL OR publisher LIKE ?)",
    )
    .bind(publisher)
    .bind(row.kind.name())
    .bind(&row.material)
    .bind(format!("{FORMER}%"))
    .execute(&mut *connection)
    .await
    .map_err(failed("note whose an authority is"))?;
    match row.tainted {
        true => taint(connection, row).await,
        false => Ok(false),
    }
}

/// Takes out what this upstream had and these are not, except for what was revoked here.
async fn take_out(connection: &mut SqliteConnection, publisher: &str, rows: &[Row]) -> Result<bool> {
    let held: Vec<(i64, String, Vec<u8>)> = sqlx::query_as(
        "SELECT seq, kind, material FROM appended_authority WHERE publisher = ? AND tainted <> ?",
    )
    .bind(publisher)
    .bind(REVOKED)
    .fetch_all(&mut *connection)
    .await
    .map_err(failed("read what was appended"))?;
    let mut changed = false;
    for (seq, kind, material) in held {
        let stays = |row: &Row| row.kind.name() == kind && row.material == material;
        if !rows.iter().any(stays) {
            sqlx::query("DELETE FROM appended_authority WHERE seq = ?")
                .bind(seq)
                .execute(&mut *connection)
                .await
                .map_err(failed("take an authority out"))?;
            changed = true;
        }
    }
    Ok(changed)
}

/// A row of what upstreams put in: its number, whose it is, its kind, its key id, its material, and where it stands.
type PutIn = (i64, String, String, Option<String>, Vec<u8>, i64);

/// Notes which upstreams there are: what others put in is nobody's until an upstream has it, and that of one that is back
/// is its own again. Returns what is nobody's, but for what was revoked.
pub(super) async fn settle(
    connection: &mut SqliteConnection,
    configured: &BTreeSet<&str>,
) -> Result<Vec<LeftBehind>> {
    let rows: Vec<PutIn> = sqlx::query_as(
        "SELECT seq, publisher, kind, key_id, material, tainted FROM appended_authority \
         WHERE publisher LIKE ? OR publisher LIKE ? ORDER BY seq",
    )
    .bind(format!("{UPSTREAM}%"))
    .bind(format!("{FORMER}%"))
    .fetch_all(&mut *connection)
    .await
    .map_err(failed("read what was appended"))?;
    let mut left = Vec::new();
    for (seq, publisher, kind, key_id, material, standing) in rows {
        let name = match publisher.strip_prefix(UPSTREAM) {
            Some(name) => name,
            None => publisher.strip_prefix(FORMER).unwrap_or(&publisher),
        };
        let is_configured = configured.contains(name);
        let owner = match is_configured {
            true => format!("{UPSTREAM}{name}"),
            false => format!("{FORMER}{name}"),
        };
        if owner != publisher {
            sqlx::query("UPDATE appended_authority SET publisher = ? WHERE seq = ?")
                .bind(owner)
                .bind(seq)
                .execute(&mut *connection)
                .await
                .map_err(failed("note whose an authority is"))?;
        }
        if is_configured || standing == REVOKED {
            continue;
        }
        left.push(LeftBehind {
            upstream: name.to_owned(),
            kind: kind
                .parse()
                .map_err(|error| DatastoreError::corrupt("what an upstream put in", error))?,
            id: match key_id {
                Some(key_id) => key_id,
                None => X509Authority::new(root(&material)?).id().to_string(),
            },
        });
    }
    Ok(left)
}

fn root(material: &[u8]) -> Result<Certificate> {
    Certificate::from_der(material).map_err(|error| DatastoreError::corrupt("an upstream authority", error))
}

/// The X.509 authorities that others put in, with their rows' numbers. An administrator may have put one in before an
/// upstream did, so that everybody knows it in time: it stands above as well.
async fn numbered_roots(connection: &mut SqliteConnection) -> Result<Vec<(i64, UpstreamRoot)>> {
    let rows: Vec<(i64, Vec<u8>, i64, Option<String>)> = sqlx::query_as(
        "SELECT seq, material, tainted, publisher FROM appended_authority WHERE kind = ? ORDER BY seq",
    )
    .bind(AuthorityKind::X509.name())
    .fetch_all(connection)
    .await
    .map_err(failed("read what was appended"))?;
    rows.into_iter()
        .map(|(seq, material, tainted, publisher)| {
            let certificate = root(&material)?;
            let publisher = publisher.unwrap_or_default();
            let root = UpstreamRoot {
                root_id: X509Authority::new(certificate.clone()).id().to_string(),
                certificate,
                state: match tainted {
                    0 => AuthorityState::Old,
                    REVOKED => AuthorityState::Revoked,
                    _ => AuthorityState::Tainted,
                },
                origin: match (publisher.strip_prefix(UPSTREAM), publisher.strip_prefix(FORMER)) {
                    (Some(name), _) => RootOrigin::Upstream(name.to_owned()),
                    (None, Some(name)) => RootOrigin::Former(name.to_owned()),
                    (None, None) => RootOrigin::Administrator,
                },
            };
            Ok((seq, root))
        })
        .collect()
}

/// Where an X.509 authority that comes in stands by what commands did with its key: revoked (2), tainted (1) or neither. A
/// renewed certificate has what the same key signed believed as before.
pub(super) async fn standing_of_key(connection: &mut SqliteConnection, row: &Row) -> Result<i64> {
    if row.kind != AuthorityKind::X509 {
        return Ok(0);
    }
    let id = |material: &[u8]| Ok::<_, DatastoreError>(X509Authority::new(root(material)?).id().to_string());
    let own = id(&row.material)?;
    let known = numbered_roots(connection).await?;
    let is_revoked = |root: &UpstreamRoot| root.root_id == own && root.state == AuthorityState::Revoked;
    if known.iter().any(|(_, root)| is_revoked(root)) {
        return Ok(REVOKED);
    }
    let tainted: Vec<Vec<u8>> = sqlx::query_scalar("SELECT material FROM tainted_here WHERE kind = ?")
        .bind(row.kind.name())
        .fetch_all(connection)
        .await
        .map_err(failed("read what was tainted"))?;
    for material in tainted {
        if id(&material)? == own {
            return Ok(1);
        }
    }
    Ok(0)
}

pub(super) async fn roots(connection: &mut SqliteConnection) -> Result<Vec<UpstreamRoot>> {
    let numbered = numbered_roots(connection).await?;
    Ok(numbered.into_iter().map(|(_, root)| root).collect())
}

pub(super) async fn change_root(
    connection: &mut SqliteConnection,
    root_id: &str,
    next: AuthorityState,
) -> Result<()> {
    let all = numbered_roots(connection).await?;
    let named: Vec<_> = all
        .into_iter()
        .filter(|(_, root)| root.root_id == root_id)
        .collect();
    if named.is_empty() {
        return Err(DatastoreError::not_found(RecordKind::Authority, root_id));
    }
    // Somebody above may have tainted one certificate of the key and not the other.
    if let Some((_, root)) = named.first()
        && !named.iter().any(|(_, root)| root.state.may_become(next))
    {
        let reason = format!("it is {} and cannot become {next}", root.state);
        return Err(DatastoreError::conflict(RecordKind::Authority, root_id, reason));
    }
    let standing = match next {
        AuthorityState::Revoked => REVOKED,
        _ => 1,
    };
    let goes_further = |root: &UpstreamRoot| match next {
        AuthorityState::Revoked => root.state != AuthorityState::Revoked,
        next => root.state.may_become(next),
    };
    for (seq, root) in named.into_iter().filter(|(_, root)| goes_further(root)) {
        note_tainted_here(
            connection,
            &Row::from(&Authority::X509(X509Authority::new(root.certificate))),
        )
        .await?;
        sqlx::query("UPDATE appended_authority SET tainted = ? WHERE seq = ?")
            .bind(standing)
            .bind(seq)
            .execute(&mut *connection)
            .await
            .map_err(failed("change an authority's state"))?;
    }
    advance(connection).await?;
    Ok(())
}

pub(super) async fn request(connection: &mut SqliteConnection, request: &AuthorityRequest) -> Result<()> {
    let keys: Vec<[String; 4]> = request
        .keys
        .iter()
        .map(|key| {
            [
                key.role.name().to_owned(),
                key.store.to_string(),
                key.key_id.to_string(),
                hex::encode(key.spki_sha256),
            ]
        })
        .collect();
    let keys = serde_json::to_string(&keys)
        .map_err(|error| DatastoreError::invalid("the keys of a request", error.to_string()))?;
    sqlx::query(
        "INSERT OR REPLACE INTO authority_request (family, suite, alternative, csr, keys, created_at) \
         VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(request.family.name())
    .bind(request.suite.name())
    .bind(request.alternative.map(Suite::name))
    .bind(&request.csr)
    .bind(keys)
    .bind(seconds(request.created_at))
    .execute(connection)
    .await
    .map_err(failed("note a request"))?;
    Ok(())
}

pub(super) async fn forget_request(connection: &mut SqliteConnection, family: Family) -> Result<()> {
    sqlx::query("DELETE FROM authority_request WHERE family = ?")
        .bind(family.name())
        .execute(connection)
        .await
        .map_err(failed("forget a request"))?;
    Ok(())
}

pub(super) async fn requests(connection: &mut SqliteConnection) -> Result<Vec<AuthorityRequest>> {
    let rows = sqlx::query("SELECT * FROM authority_request ORDER BY family")
        .fetch_all(connection)
        .await
        .map_err(failed("read the requests"))?;
    rows.iter().map(read_request).collect()
}

fn read_request(row: &SqliteRow) -> Result<AuthorityRequest> {
    let columns = Columns::of("a request for an authority", row);
    let keys: Vec<[String; 4]> = columns.json("keys")?;
    Ok(AuthorityRequest {
        family: columns.parse("family")?,
        suite: columns.parse("suite")?,
        alternative: columns.parse_option("alternative")?,
        keys: keys
            .iter()
            .map(|key| read_key(&columns, key))
            .collect::<Result<_>>()?,
        csr: columns.get("csr")?,
        created_at: columns.time("created_at")?,
    })
}

/// A key as the journal has it.
pub(super) fn read_key(
    columns: &Columns<'_>,
    [role, store, key_id, hash]: &[String; 4],
) -> Result<KeyReference> {
    let role = KeyRole::ALL.into_iter().find(|known| known.name() == role);
    let mut spki_sha256 = [0; 32];
    hex::decode_to_slice(hash, &mut spki_sha256)
        .map_err(|e| columns.corrupt(format!("a key's hash: {e}")))?;
    Ok(KeyReference {
        store: StoreName::parse(store).map_err(|e| columns.corrupt(e))?,
        key_id: KeyId::parse(key_id).map_err(|e| columns.corrupt(e))?,
        spki_sha256,
        role: role.ok_or_else(|| columns.corrupt("unknown role of a key"))?,
    })
}
