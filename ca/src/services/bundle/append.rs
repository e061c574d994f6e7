//! What others put into the server's own bundle.

use symbolon_api::spire::api::types;
use symbolon_pki::bundle::JwtAuthority;
use tonic::Status;

use crate::datastore::AppendedAuthorities;
use crate::services::Core;
use crate::status::failure;
use crate::telemetry::BUNDLE_APPENDED;
use crate::wire::{read_jwt_key, read_wit_key};

/// Puts authorities into the bundle, and publishes it.
pub(super) async fn append(core: &Core, added: &AppendedAuthorities) -> Result<(), Status> {
    core.datastore.append_authorities(added).await?;
    let published = core.authorities.publish_appended().await;
    published.map_err(|error| failure("the bundle could not be published", &error))?;
    tracing::info!(
        event = BUNDLE_APPENDED,
        x509_authorities = added.x509.len(),
        jwt_authorities = added.jwt.len(),
        wit_authorities = added.wit.len(),
        sequence = core.authorities.bundle().sequence,
    );
    Ok(())
}

/// The JWT key of a server below this one.
pub(super) async fn publish_jwt(core: &Core, key: Option<&types::JwtKey>) -> Result<(), Status> {
    let key = key.ok_or_else(|| Status::invalid_argument("jwt_authority is missing"))?;
    let key = fresh(core, "jwt_authority", read_jwt_key("jwt_authority", key)?)?;
    let added = AppendedAuthorities {
        jwt: vec![key],
        ..AppendedAuthorities::default()
    };
    append(core, &added).await
}

/// The WIT key of a server below this one.
pub(super) async fn publish_wit(core: &Core, key: Option<&types::WitKey>) -> Result<(), Status> {
    let key = key.ok_or_else(|| Status::invalid_argument("wit_authority is missing"))?;
    let key = fresh(core, "wit_authority", read_wit_key("wit_authority", key)?)?;
    let added = AppendedAuthorities {
        wit: vec![key],
        ..AppendedAuthorities::default()
    };
    append(core, &added).await
}

/// A key that signs nothing any more is none to publish.
fn fresh(core: &Core, field: &str, key: JwtAuthority) -> Result<JwtAuthority, Status> {
    match key.expires_at {
        Some(at) if at <= core.clock.now() => Err(Status::invalid_argument(format!(
            "{field}.expires_at: the key {:?} has expired",
            key.key_id
        ))),
        _ => Ok(key),
    }
}
