//! Between the server's records and the messages that show them.
//!
//! Reading a message checks every field and names the one that is wrong; writing one fills every field and then
//! takes away what the caller's mask leaves out.

mod above;
mod agent;
mod bundle;
mod certificate;
mod entry;
mod federation;
mod selectors;
mod trust;

use std::time::{Duration, SystemTime};

use spiffe::{SpiffeId, TrustDomain};
use symbolon_api::spire::api::types;
use symbolon_pki::time::{from_unix_seconds, unix_seconds};
use tonic::Status;

pub(crate) use self::above::{family_below, request_message, root_message, upstream_message};
pub(crate) use self::agent::{agent_message, mask_agent};
pub(crate) use self::bundle::{bundle_message, forms_of, mask_bundle};
pub(crate) use self::certificate::{authority_message, certificate_message, plan_message, summary_message};
pub(crate) use self::entry::MAX_ID as MAX_ENTRY_ID;
pub use self::entry::new_entry;
pub(crate) use self::entry::{ALL_FIELDS, STOCK_FIELDS, apply_entry, entry_message, mask_entry};
pub(crate) use self::federation::{federation_change, federation_message, read_federation};
pub(crate) use self::selectors::{federation_filter, selector_filter, selector_messages};
pub(crate) use self::trust::{
    bundle_parts, foreign_domain, own_bundle_additions, read_jwt_key, read_trust_bundle, read_wit_key,
    trust_domain,
};

/// What every SPIFFE ID begins with.
const SCHEME: &str = "spiffe://";
/// Longest SPIFFE ID in bytes (SPIFFE ID, section 2.3).
const MAX_ID: usize = 2048;
/// The last second that dates of four digits can write.
const END_OF_TIME: u64 = 253_402_300_799;

/// Refuses text that is longer than anything it can mean, without repeating it: what callers write is in neither answers
/// nor logs beyond that.
pub(crate) fn check_length(field: &str, text: &str, most: usize) -> Result<(), Status> {
    match text.len() {
        length if length > most => Err(Status::invalid_argument(format!(
            "{field}: {length} bytes; at most {most} are read"
        ))),
        _ => Ok(()),
    }
}

/// A moment in seconds since the Unix epoch.
pub(crate) fn seconds(at: SystemTime) -> i64 {
    i64::try_from(unix_seconds(at)).unwrap_or(i64::MAX)
}

/// A moment that may be absent, which is written as 0.
pub(crate) fn optional_seconds(at: Option<SystemTime>) -> i64 {
    at.map_or(0, seconds)
}

/// Reads a moment that is absent when it is 0.
pub(crate) fn moment(field: &str, value: i64) -> Result<Option<SystemTime>, Status> {
    let wrong = || Status::invalid_argument(format!("{field} is {value}, which is no moment"));
    match u64::try_from(value) {
        Ok(0) => Ok(None),
        Ok(value) if value <= END_OF_TIME => from_unix_seconds(value).map(Some).ok_or_else(wrong),
        _ => Err(wrong()),
    }
}

/// Reads a lifetime in seconds that is absent when it is 0.
pub(crate) fn lifetime(field: &str, value: i32) -> Result<Option<Duration>, Status> {
    match u64::try_from(value) {
        Ok(0) => Ok(None),
        Ok(value) => Ok(Some(Duration::from_secs(value))),
        Err(_) => Err(Status::invalid_argument(format!(
            "{field} is {value}; a lifetime is not negative"
        ))),
    }
}

/// Reads a SPIFFE ID that must be there.
pub(crate) fn spiffe_id(field: &str, id: Option<&types::Spiffeid>) -> Result<SpiffeId, Status> {
    let id = id.ok_or_else(|| Status::invalid_argument(format!("{field} is missing")))?;
    let length = SCHEME.len() + id.trust_domain.len() + id.path.len();
    if length > MAX_ID {
        let message = format!("{field}: {length} bytes; a SPIFFE ID has at most {MAX_ID}");
        return Err(Status::invalid_argument(message));
    }
    SpiffeId::try_from(id).map_err(|error| Status::invalid_argument(format!("{field}: {error}")))
}

/// Reads a SPIFFE ID with a path, of this trust domain.
pub(crate) fn member_id(
    field: &str,
    id: Option<&types::Spiffeid>,
    trust_domain: &TrustDomain,
) -> Result<SpiffeId, Status> {
    let id = spiffe_id(field, id)?;
    if !id.is_member_of(trust_domain) {
        let message = format!("{field}: {id} is outside the trust domain {trust_domain}");
        return Err(Status::invalid_argument(message));
    }
    if id.path().is_empty() {
        return Err(Status::invalid_argument(format!("{field}: {id} has no path")));
    }
    Ok(id)
}

/// Reads the SPIFFE ID of a workload of this trust domain: any but those kept for servers and agents.
pub(crate) fn workload_id(
    field: &str,
    id: Option<&types::Spiffeid>,
    trust_domain: &TrustDomain,
) -> Result<SpiffeId, Status> {
    let id = member_id(field, id, trust_domain)?;
    if id.path() == "/spire" || id.path().starts_with("/spire/") {
        return Err(Status::invalid_argument(format!(
            "{field}: {id} is no workload's: /spire is reserved"
        )));
    }
    Ok(id)
}

/// Reads the SPIFFE ID of an agent of this trust domain.
pub(crate) fn agent_id(
    field: &str,
    id: Option<&types::Spiffeid>,
    trust_domain: &TrustDomain,
) -> Result<SpiffeId, Status> {
    let id = member_id(field, id, trust_domain)?;
    if !id.path().starts_with("/spire/agent/") {
        return Err(Status::invalid_argument(format!("{field}: {id} is no agent's")));
    }
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(trust_domain: &str, path: &str) -> Option<types::Spiffeid> {
        Some(types::Spiffeid {
            trust_domain: trust_domain.to_owned(),
            path: path.to_owned(),
        })
    }

    #[test]
    fn ids_of_the_wrong_kind_are_refused_by_field() {
        let own = TrustDomain::new("example.org").unwrap();
        for (id, words) in [
            (None, "parent_id is missing"),
            (wire("example.com", "/a"), "outside the trust domain"),
            (wire("example.org", ""), "has no path"),
            (wire("example.org", "/a/"), "is not a SPIFFE ID"),
        ] {
            let status = member_id("parent_id", id.as_ref(), &own).unwrap_err();
            assert_eq!(status.code(), tonic::Code::InvalidArgument);
            assert!(
                status.message().starts_with("parent_id") && status.message().contains(words),
                "{status}"
            );
        }
        assert!(workload_id("id", wire("example.org", "/spire/agent/a").as_ref(), &own).is_err());
        assert!(workload_id("id", wire("example.org", "/spirelike").as_ref(), &own).is_ok());
        assert!(agent_id("id", wire("example.org", "/spire/agent/x/a").as_ref(), &own).is_ok());
        assert!(agent_id("id", wire("example.org", "/spire/server").as_ref(), &own).is_err());
    }

    #[test]
    fn numbers_that_are_no_times_are_refused() {
        assert_eq!(moment("expires_at", 0).unwrap(), None);
        assert!(moment("expires_at", 1).unwrap().is_some());
        for value in [-1, i64::MIN, i64::MAX] {
            assert!(
                moment("expires_at", value)
                    .unwrap_err()
                    .message()
                    .contains("expires_at"),
                "{value}"
            );
        }
        assert_eq!(lifetime("ttl", 0).unwrap(), None);
        assert_eq!(lifetime("ttl", 7).unwrap(), Some(Duration::from_secs(7)));
        assert!(lifetime("ttl", -7).unwrap_err().message().contains("ttl"));
    }
}
