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

/// Compares our clock with the `date` header of an answer, to the second. A server that takes its time is not one whose
/// clock is ahead: the offset is nothing if the date lies between the question and the answer, and otherwise the distance
/// to the nearer one. `None` where the answer has none: servers written in Go send none.
pub(crate) fn clock_offset(
    answer: &MetadataMap,
    asked_at: SystemTime,
    answered_at: SystemTime,
) -> Option<OffsetSeconds> {
    let date = answer.get("date")?.to_str().ok()?;
    let date = PrimitiveDateTime::parse(date, HTTP_DATE).ok()?.assume_utc();
    let date = date.unix_timestamp();
    let ahead = |ours| {
        let ours = i64::try_from(symbolon_pki::time::unix_seconds(ours)).ok()?;
        ours.checked_sub(date)
    };
    let (earliest, latest) = (ahead(asked_at)?, ahead(answered_at)?);
    Some(if earliest > 0 { earliest } else { latest.min(0) })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn offset(date: &str) -> Option<OffsetSeconds> {
        let mut metadata = MetadataMap::new();
        metadata.insert("date", date.parse().unwrap());
        let asked_at = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_787);
        clock_offset(&metadata, asked_at, asked_at + Duration::from_secs(20))
    }

    #[test]
    fn the_offset_is_ours_minus_theirs() {
        assert_eq!(offset("Sun, 06 Nov 1994 08:49:37 GMT"), Some(10));
        assert_eq!(offset("Sun, 06 Nov 1994 08:50:27 GMT"), Some(-20));
        for during in ["08:49:47", "08:49:57", "08:50:07"] {
            let date = format!("Sun, 06 Nov 1994 {during} GMT");
            assert_eq!(offset(&date), Some(0), "{during}: the server was slow");
        }
        assert_eq!(offset("yesterday"), None);
        let now = SystemTime::now();
        assert_eq!(clock_offset(&MetadataMap::new(), now, now), None);
    }
}
