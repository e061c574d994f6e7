//! JWT-SVIDs: handed out, and verified for those who cannot do it themselves.

use std::sync::Arc;
use std::time::Duration;

use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value};
use spiffe::SpiffeId;
use symbolon_api::spiffe::workload as wire;
use symbolon_pki::bundle::{BundleSet, TrustBundle};
use symbolon_pki::jwt::verify_jwt_svid;
use tonic::{Code, Status};
use zeroize::Zeroizing;

use super::caller::Caller;
use super::minting::Wanted;
use super::service::WorkloadApi;
use crate::cache::{Entry, JwtKey};
use crate::server::CallError;

/// Longest wait for the server where there is no token to give without it. Above it a caller is told to come back; the call
/// goes on, and what it brings is there by then.
const PATIENCE: Duration = Duration::from_secs(10);

/// The same where there is one, which is due and still good.
const PATIENCE_WITH_ONE: Duration = Duration::from_secs(2);

/// Most names in an audience, and most bytes of one.
const MAX_AUDIENCE: usize = 64;
const MAX_NAME: usize = 2048;

/// Answers `FetchJWTSVID`.
pub(super) async fn fetch(
    api: &WorkloadApi,
    caller: &Caller,
    request: wire::JwtsvidRequest,
) -> Result<Vec<wire::Jwtsvid>, Status> {
    let audience = request.audience;
    check_audience(&audience)?;
    let only = match request.spiffe_id.as_str() {
        "" => None,
        id => Some(SpiffeId::new(id).map_err(|error| {
            Status::invalid_argument(format!("the SPIFFE ID that was asked for is none: {error}"))
        })?),
    };
    let found = api.find_or_sync(caller, &[]).await?;
    let wanted = |entry: &&Arc<Entry>| only.as_ref().is_none_or(|id| *id == entry.spiffe_id);
    let entries: Vec<_> = found.entries.iter().filter(wanted).collect();
    if entries.is_empty() {
        return Err(caller.deny(&"no identity issued for the SPIFFE ID that was asked for"));
    }
    caller.admit(entries.len());
    let mut svids = Vec::with_capacity(entries.len());
    // A server that is silent about one is not waited for again.
    let mut silent = false;
    for entry in entries {
        let token = token(api, entry, &audience, &found.bundle, &mut silent).await?;
        svids.push(wire::Jwtsvid {
            spiffe_id: entry.spiffe_id.to_string(),
            svid: token.to_string(),
            hint: entry.hint.clone(),
        });
    }
    Ok(svids)
}

fn check_audience(audience: &[String]) -> Result<(), Status> {
    let count = audience.len();
    if !(1..=MAX_AUDIENCE).contains(&count) {
        return Err(Status::invalid_argument(format!(
            "the audience has {count} names; it must have 1 to {MAX_AUDIENCE}"
        )));
    }
    match audience
        .iter()
        .find(|name| name.is_empty() || name.len() > MAX_NAME)
    {
        None => Ok(()),
        Some(name) => Err(Status::invalid_argument(format!(
            "a name in the audience has {} bytes; it must have 1 to {MAX_NAME}",
            name.len()
        ))),
    }
}

/// The token that is held, or a new one. One that is merely due serves while the server is away. Those that are to be
/// shown once only are not held.
async fn token(
    api: &WorkloadApi,
    entry: &Arc<Entry>,
    audience: &[String],
    bundle: &TrustBundle,
    silent: &mut bool,
) -> Result<Arc<Zeroizing<String>>, Status> {
    let context = &api.context;
    let held = match entry.unique_tokens {
        true => None,
        false => {
            let key = JwtKey::new(entry, audience);
            context.jwts.get(&key, bundle, context.clock.now())
        }
    };
    let held = match held {
        Some(found) if !found.is_due => return Ok(found.token),
        held => held.map(|found| found.token),
    };
    let patience = match &held {
        Some(_) => PATIENCE_WITH_ONE,
        None => PATIENCE,
    };
    let minted = match *silent {
        true => None,
        false => {
            let wanted = Wanted {
                context: context.clone(),
                entry: entry.clone(),
                audience: audience.to_vec(),
            };
            tokio::select! {
                minted = api.minting.token(wanted, &api.cancel) => Some(minted),
                () = context.timer.sleep(patience) => None,
            }
        }
    };
    match minted {
        Some(Ok(token)) => Ok(token),
        Some(Err(error)) => held.ok_or_else(|| not_minted(&error)),
        None => {
            *silent = true;
            let in_vain = "the JWT-SVID could not be fetched in time: the server does not answer";
            held.ok_or_else(|| Status::unavailable(in_vain))
        }
    }
}

/// What the server says about the agent is not for workloads to conclude from; what it says about the request is.
fn not_minted(error: &CallError) -> Status {
    let message = format!("the JWT-SVID could not be fetched: {error}");
    match error {
        CallError::Status(status) if status.code() == Code::InvalidArgument => {
            Status::invalid_argument(message)
        }
        _ => Status::unavailable(message),
    }
}

/// Answers `ValidateJWTSVID`. Tokens of other trust domains are believed by the bundles that the caller gets.
pub(super) fn validate(
    api: &WorkloadApi,
    request: &wire::ValidateJwtsvidRequest,
    federated: Vec<Arc<TrustBundle>>,
) -> Result<wire::ValidateJwtsvidResponse, Status> {
    if request.audience.is_empty() || request.svid.is_empty() {
        return Err(Status::invalid_argument("audience and svid must be specified"));
    }
    let context = &api.context;
    let bundle = context
        .cache
        .bundle()
        .ok_or_else(|| Status::unavailable("the agent has not been in sync with its server yet"))?;
    // The own one last: no other takes its place.
    let bundles = federated.into_iter().chain([bundle]).collect::<BundleSet>();
    let svid = verify_jwt_svid(&request.svid, &request.audience, &bundles, context.clock.now())
        .map_err(|error| Status::invalid_argument(error.to_string()))?;
    Ok(wire::ValidateJwtsvidResponse {
        spiffe_id: svid.spiffe_id.to_string(),
        claims: Some(as_struct(svid.claims)),
    })
}

/// JSON in protobuf's words. It is no deeper than its parser lets it be.
fn as_struct(object: serde_json::Map<String, serde_json::Value>) -> Struct {
    Struct {
        fields: object
            .into_iter()
            .map(|(name, value)| (name, as_value(value)))
            .collect(),
    }
}

fn as_value(value: serde_json::Value) -> Value {
    let kind = match value {
        serde_json::Value::Null => Kind::NullValue(0),
        serde_json::Value::Bool(value) => Kind::BoolValue(value),
        // Numbers there are floating-point, as in JavaScript.
        serde_json::Value::Number(value) => Kind::NumberValue(value.as_f64().unwrap_or(f64::NAN)),
        serde_json::Value::String(value) => Kind::StringValue(value),
        serde_json::Value::Array(values) => Kind::ListValue(ListValue {
            values: values.into_iter().map(as_value).collect(),
        }),
        serde_json::Value::Object(object) => Kind::StructValue(as_struct(object)),
    };
    Value { kind: Some(kind) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn audiences_are_bounded() {
        assert!(check_audience(&["a".to_owned()]).is_ok());
        assert!(check_audience(&vec!["a".to_owned(); 64]).is_ok());
        for (audience, words) in [
            (vec![], "0 names"),
            (vec!["a".to_owned(); 65], "65 names"),
            (vec![String::new()], "0 bytes"),
            (vec!["x".repeat(2049)], "2049 bytes"),
        ] {
            let status = check_audience(&audience).unwrap_err();
            assert_eq!(status.code(), Code::InvalidArgument);
            assert!(status.message().contains(words), "{}", status.message());
        }
    }

    #[test]
    fn claims_keep_their_shape() {
        let claims = serde_json::json!({"sub": "a", "exp": 7, "aud": ["b", true, null], "x": {"y": 1.5}});
        let serde_json::Value::Object(claims) = claims else {
            panic!("an object");
        };
        let found = as_struct(claims);
        let kind = |name: &str| found.fields[name].kind.clone().unwrap();
        assert_eq!(kind("exp"), Kind::NumberValue(7.0));
        assert!(matches!(kind("aud"), Kind::ListValue(list) if list.values.len() == 3));
        assert!(matches!(kind("x"), Kind::StructValue(inner) if inner.fields.contains_key("y")));
    }

    #[test]
    fn a_refused_agent_is_the_agents_trouble() {
        let denied = CallError::from(Status::permission_denied("agent banned"));
        assert_eq!(not_minted(&denied).code(), Code::Unavailable);
        let wrong = CallError::from(Status::invalid_argument("audience"));
        assert_eq!(not_minted(&wrong).code(), Code::InvalidArgument);
    }
}
