//! Conditions of listings and counts.

use std::time::SystemTime;

use symbolon_api::spire::api::server::agent::v1::{count_agents_request, list_agents_request};
use time::OffsetDateTime;
use time::format_description::StaticFormatDescription;
use time::macros::format_description;
use tonic::Status;

use crate::datastore::AgentFilter;
use crate::wire::selector_filter;

/// How SPIRE writes a moment, up to the name of the zone, which says nothing that the offset does not.
const MOMENT: StaticFormatDescription = format_description!(
    "[year]-[month]-[day] [hour]:[minute]:[second] [offset_hour sign:mandatory][offset_minute]"
);

/// A count's conditions are a listing's.
pub(super) fn counted(filter: count_agents_request::Filter) -> list_agents_request::Filter {
    let count_agents_request::Filter {
        by_attestation_type,
        by_selector_match,
        by_banned,
        by_can_reattest,
        by_expires_before,
    } = filter;
    list_agents_request::Filter {
        by_attestation_type,
        by_selector_match,
        by_banned,
        by_can_reattest,
        by_expires_before,
    }
}

/// Reads the conditions.
///
/// # Errors
/// `InvalidArgument`, naming the field.
pub(super) fn read_filter(filter: &list_agents_request::Filter) -> Result<AgentFilter, Status> {
    Ok(AgentFilter {
        attestation_type: Some(filter.by_attestation_type.clone()).filter(|name| !name.is_empty()),
        selectors: selector_filter("by_selector_match", filter.by_selector_match.as_ref())?,
        banned: filter.by_banned,
        can_reattest: filter.by_can_reattest,
        expires_before: read_moment(&filter.by_expires_before)?,
    })
}

fn read_moment(text: &str) -> Result<Option<SystemTime>, Status> {
    if text.is_empty() {
        return Ok(None);
    }
    let end = text
        .match_indices(' ')
        .nth(2)
        .map_or(text.len(), |(position, _)| position);
    let (moment, _zone) = text.split_at(end);
    match OffsetDateTime::parse(moment, &MOMENT) {
        Ok(moment) if moment >= OffsetDateTime::UNIX_EPOCH => Ok(Some(moment.into())),
        _ => Err(Status::invalid_argument(
            "by_expires_before is no moment since 1970 that is written like `2026-01-31 18:00:00 +0100 +01`",
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn moments_read_as_spire_writes_them() {
        let expected = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_769_878_800));
        for text in [
            "2026-01-31 18:00:00 +0100 +01",
            "2026-01-31 17:00:00 +0000 UTC",
            "2026-01-31 17:00:00 +0000",
        ] {
            assert_eq!(read_moment(text).unwrap(), expected, "{text}");
        }
        assert_eq!(read_moment("").unwrap(), None);
        for text in [
            "tomorrow",
            "2026-01-31",
            "2026-01-31 18:00:00",
            "1969-01-01 00:00:00 +0000 UTC",
            "   ",
        ] {
            assert!(
                read_moment(text)
                    .unwrap_err()
                    .message()
                    .contains("by_expires_before"),
                "{text}"
            );
        }
    }
}
