//! How far this machine's clock and the server's are apart.

use std::time::SystemTime;

use time::PrimitiveDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use tonic::metadata::MetadataMap;

/// Seconds by which our clock is ahead of the server's; negative if it is behind.
pub(crate) type OffsetSeconds = i64;

/// An HTTP date (RFC 9110, section 5.6.7), such as `Sun, 06 Nov 1994 08:49:37 GMT`.
const HTTP_DATE: &[BorrowedFormatItem<'_>] =
    format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");

/// Compares our clock with the `date` header of an answer, to the second. `None` where the answer has none: servers
/// written in Go send none.
pub(crate) fn clock_offset(answer: &MetadataMap, now: SystemTime) -> Option<OffsetSeconds> {
    let date = answer.get("date")?.to_str().ok()?;
    let date = PrimitiveDateTime::parse(date, HTTP_DATE).ok()?.assume_utc();
    let ours = i64::try_from(symbolon_pki::time::unix_seconds(now)).ok()?;
    ours.checked_sub(date.unix_timestamp())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn offset(date: &'static str) -> Option<OffsetSeconds> {
        let mut metadata = MetadataMap::new();
        metadata.insert("date", date.parse().unwrap());
        clock_offset(
            &metadata,
            SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_787),
        )
    }

    #[test]
    fn the_offset_is_ours_minus_theirs() {
        assert_eq!(offset("Sun, 06 Nov 1994 08:49:37 GMT"), Some(10));
        assert_eq!(offset("Sun, 06 Nov 1994 08:49:57 GMT"), Some(-10));
        assert_eq!(offset("yesterday"), None);
        assert_eq!(clock_offset(&MetadataMap::new(), SystemTime::now()), None);
    }
}
