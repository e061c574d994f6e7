//! Authorities of bundles as rows.

use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use symbolon_pki::bundle::{JwtAuthority, TrustBundle, X509Authority};
use symbolon_pki::certificate::Certificate;

use super::codec::{Columns, failed, position, seconds};
use crate::datastore::{AuthorityKind, Result};

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

/// One of them, of columns named as a row's are.
pub(super) fn read(row: &SqliteRow) -> Result<Authority> {
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
