//! From when until when: the validity of a certificate, in whole seconds since 1970.

use std::time::{Duration, SystemTime};

use symbolon_pki::time::{from_unix_seconds, unix_seconds};

use crate::authority::Authority;
use crate::error::{AuthorityError, IssuanceError, RequestError};
use crate::profile::BACKDATE;

/// 9999-12-31T23:59:59Z, the last moment that a certificate can name (RFC 5280, section 4.1.2.5).
const LAST_SECOND: u64 = 253_402_300_799;

/// First and last second of a certificate's validity, both included.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Validity {
    pub(crate) not_before: u64,
    pub(crate) not_after: u64,
}

impl Validity {
    /// The validity of a certificate that nobody above limits.
    pub(crate) fn self_signed(now: SystemTime, ttl: Duration) -> Result<Self, IssuanceError> {
        let (now, seconds) = (seconds_of(now)?, whole_seconds(ttl)?);
        let not_after = now
            .checked_add(seconds)
            .filter(|end| *end <= LAST_SECOND)
            .ok_or(RequestError::LifetimeTooLong(ttl))?;
        Ok(Self {
            not_before: now.saturating_sub(BACKDATE.as_secs()),
            not_after,
        })
    }

    /// The validity of a certificate below `authority`: never outside the authority's own, so a lifetime that is
    /// too long is cut.
    pub(crate) fn below(
        authority: &Authority,
        now: SystemTime,
        ttl: Duration,
    ) -> Result<Self, IssuanceError> {
        let (clock, seconds) = (seconds_of(now)?, whole_seconds(ttl)?);
        let limit = authority.validity();
        if clock < limit.not_before {
            return Err(AuthorityError::NotYetValid {
                authority_id: authority.authority_id().to_string(),
                not_before: authority.certificate().not_before(),
                now,
            }
            .into());
        }
        if clock >= limit.not_after {
            return Err(AuthorityError::Expired {
                authority_id: authority.authority_id().to_string(),
                not_after: authority.certificate().not_after(),
                now,
            }
            .into());
        }
        Ok(Self {
            not_before: clock.saturating_sub(BACKDATE.as_secs()).max(limit.not_before),
            not_after: clock.saturating_add(seconds).min(limit.not_after),
        })
    }

    pub(crate) fn begins(self) -> Result<SystemTime, IssuanceError> {
        from_unix_seconds(self.not_before).ok_or(IssuanceError::Clock)
    }

    pub(crate) fn ends(self) -> Result<SystemTime, IssuanceError> {
        from_unix_seconds(self.not_after).ok_or(IssuanceError::Clock)
    }
}

/// `now` in whole seconds, if a certificate can name it.
pub(crate) fn seconds_of(now: SystemTime) -> Result<u64, IssuanceError> {
    let seconds = unix_seconds(now);
    if now < SystemTime::UNIX_EPOCH || seconds > LAST_SECOND {
        return Err(IssuanceError::Clock);
    }
    Ok(seconds)
}

/// A lifetime in whole seconds, at least one.
pub(crate) fn whole_seconds(ttl: Duration) -> Result<u64, RequestError> {
    match ttl.as_secs() {
        0 => Err(RequestError::LifetimeTooShort(ttl)),
        seconds => Ok(seconds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_backdated_but_not_before_1970() {
        let at = |seconds| from_unix_seconds(seconds).unwrap();
        let validity = Validity::self_signed(at(1_000), Duration::from_secs(60)).unwrap();
        assert_eq!((validity.not_before, validity.not_after), (990, 1_060));
        assert_eq!(
            Validity::self_signed(at(3), Duration::from_secs(60))
                .unwrap()
                .not_before,
            0
        );
    }

    #[test]
    fn fractions_of_seconds_do_not_lengthen_a_life() {
        let now = from_unix_seconds(1_000).unwrap() + Duration::from_millis(999);
        let validity = Validity::self_signed(now, Duration::from_millis(1_999)).unwrap();
        assert_eq!(validity.not_after, 1_001);
    }

    #[test]
    fn impossible_moments_are_refused() {
        let second = Duration::from_secs(1);
        assert!(matches!(
            Validity::self_signed(SystemTime::UNIX_EPOCH - second, second),
            Err(IssuanceError::Clock)
        ));
        assert!(matches!(
            Validity::self_signed(from_unix_seconds(LAST_SECOND).unwrap(), second),
            Err(IssuanceError::Request(RequestError::LifetimeTooLong(_)))
        ));
        assert!(matches!(
            Validity::self_signed(from_unix_seconds(5).unwrap(), Duration::from_millis(999)),
            Err(IssuanceError::Request(RequestError::LifetimeTooShort(_)))
        ));
    }
}
