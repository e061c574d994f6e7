//! What others put into the server's own bundle.

use std::time::Duration;

use spiffe::SpiffeId;
use symbolon_api::spire::api::types;
use symbolon_pki::bundle::JwtAuthority;
use tonic::{Request, Status};

use crate::authorities::AuthoritiesError;
use crate::authorization::CallContext;
use crate::caller::Caller;
use crate::datastore::AppendedAuthorities;
use crate::services::Core;
use crate::status::failure;
use crate::telemetry::BUNDLE_APPENDED;
use crate::upstream::UpstreamError;
use crate::wire::{read_jwt_key, read_wit_key};

/// How long a key of a server below this one may have to live, be our own authorities' lives ever so short: a stock server
/// sets that for itself (`ca_ttl`).
const A_WEEK: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// By how much that server's clock may be ahead.
const CLOCKS_APART: Duration = Duration::from_secs(5 * 60);

/// Puts an administrator's authorities into the bundle, and publishes it.
pub(super) async fn append(core: &Core, added: &AppendedAuthorities) -> Result<(), Status> {
    core.datastore.append_authorities(added).await?;
    publish(core, added, None).await
}

/// Who publishes: the server below this one that calls.
///
/// # Errors
/// `Internal` where the call was let in as anybody else's: a rule of the table is wrong then.
pub(super) fn publisher<T>(request: &Request<T>) -> Result<SpiffeId, Status> {
    let context = request.extensions().get::<CallContext>();
    match context.map(|context| &context.caller) {
        Some(Caller::X509(svid)) => Ok(svid.spiffe_id.clone()),
        _ => Err(Status::internal(
            "the call is not that of a server below this one",
        )),
    }
}

/// The JWT key of a server below this one.
pub(super) async fn publish_jwt(
    core: &Core,
    publisher: &SpiffeId,
    key: Option<&types::JwtKey>,
) -> Result<(), Status> {
    let key = key.ok_or_else(|| Status::invalid_argument("jwt_authority is missing"))?;
    let key = bounded(core, "jwt_authority", read_jwt_key("jwt_authority", key)?)?;
    let added = AppendedAuthorities {
        jwt: vec![key],
        ..AppendedAuthorities::default()
    };
    publish_for(core, publisher, &added).await
}

/// The WIT key of a server below this one.
pub(super) async fn publish_wit(
    core: &Core,
    publisher: &SpiffeId,
    key: Option<&types::WitKey>,
) -> Result<(), Status> {
    let key = key.ok_or_else(|| Status::invalid_argument("wit_authority is missing"))?;
    let key = bounded(core, "wit_authority", read_wit_key("wit_authority", key)?)?;
    let added = AppendedAuthorities {
        wit: vec![key],
        ..AppendedAuthorities::default()
    };
    publish_for(core, publisher, &added).await
}

async fn publish_for(core: &Core, publisher: &SpiffeId, added: &AppendedAuthorities) -> Result<(), Status> {
    // First above, and only then here: what is believed here alone would be refused elsewhere in the trust domain.
    let passed_up = core.authorities.pass_up(publisher, added).await;
    passed_up.map_err(of_upstream)?;
    let now = core.clock.now();
    core.datastore.publish_authorities(publisher, added, now).await?;
    publish(core, added, Some(publisher)).await
}

/// What the server below is told of whoever stands above this one.
fn of_upstream(error: AuthoritiesError) -> Status {
    let (upstream, source) = match &error {
        AuthoritiesError::Upstream { upstream, source, .. } => (upstream, source),
        AuthoritiesError::NoRoomAbove { .. } => return Status::failed_precondition(error.to_string()),
        _ => {
            return match error {
                AuthoritiesError::Datastore(error) => error.into(),
                error => failure("the key could not be published above", &error),
            };
        }
    };
    tracing::warn!(
        event = "upstream.key_not_passed_up",
        error = &error as &dyn std::error::Error
    );
    let message = format!("the key was not published above this server, by {upstream}: {source}");
    match source {
        UpstreamError::Distrusted(_) => Status::already_exists(message),
        UpstreamError::Unavailable(_) => Status::unavailable(message),
        _ => Status::failed_precondition(message),
    }
}

async fn publish(
    core: &Core,
    added: &AppendedAuthorities,
    publisher: Option<&SpiffeId>,
) -> Result<(), Status> {
    let published = core.authorities.publish_appended().await;
    published.map_err(|error| failure("the bundle could not be published", &error))?;
    tracing::info!(
        event = BUNDLE_APPENDED,
        publisher = publisher.map(tracing::field::display),
        x509_authorities = added.x509.len(),
        jwt_authorities = added.jwt.len(),
        wit_authorities = added.wit.len(),
        sequence = core.authorities.bundle().sequence,
    );
    Ok(())
}

/// A key that signs nothing any more is none to publish. One that says not when it ends, or ends who knows when, would be
/// believed for the whole trust domain long after the server's entry is gone.
fn bounded(core: &Core, field: &str, key: JwtAuthority) -> Result<JwtAuthority, Status> {
    let refused = |what: String| Err(Status::invalid_argument(format!("{field}.expires_at{what}")));
    let now = core.clock.now();
    let longest = core.lifetimes().authority.0.max(A_WEEK);
    let last = now.checked_add(longest.saturating_add(CLOCKS_APART));
    match key.expires_at {
        None => refused(" is missing".to_owned()),
        Some(at) if at <= now => refused(format!(": the key {:?} has expired", key.key_id)),
        Some(at) if last.is_some_and(|last| at > last) => refused(format!(
            ": it is more than {} hours away; let the server below make its keys for a shorter time (SPIRE's ca_ttl), or \
             lengthen `lifetimes.authority` here",
            longest.as_secs() / 3_600
        )),
        Some(_) => Ok(key),
    }
}
