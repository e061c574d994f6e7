//! When to ask again.

use std::time::Duration;

use symbolon_pki::bundle::TrustBundle;

/// How long to wait where the bundle gives no advice (SPIFFE Federation, section 4: five minutes is what it suggests).
pub const DEFAULT_INTERVAL: Duration = Duration::from_secs(5 * 60);

/// A bundle that asks to be fetched more often is fetched as if it asked for this.
pub const SHORTEST_HINT: Duration = Duration::from_secs(60);

/// A bundle that asks to be fetched less often is fetched as if it asked for this: authorities here live for a day.
pub const LONGEST_HINT: Duration = Duration::from_secs(24 * 60 * 60);

/// Tries within the time that a bundle may be old, so that an endpoint may be away for most of it.
const TRIES: u32 = 4;

/// How long after an attempt the next one is due, by the bundle that is held after it. Without one it is soon, because
/// nobody of that trust domain is believed until then.
#[must_use]
pub fn refresh_after(held: Option<&TrustBundle>) -> Duration {
    let Some(bundle) = held else { return SHORTEST_HINT };
    match bundle.refresh_hint {
        None | Some(Duration::ZERO) => DEFAULT_INTERVAL,
        Some(hint) => hint.clamp(SHORTEST_HINT, LONGEST_HINT) / TRIES,
    }
}

#[cfg(test)]
mod tests {
    use spiffe::TrustDomain;

    use super::*;

    #[test]
    fn hints_are_followed_within_reason() {
        let mut bundle = TrustBundle::new(TrustDomain::new("example.com").unwrap());
        assert_eq!(refresh_after(None), Duration::from_secs(60));
        for (hint, seconds) in [
            (None, 300),
            (Some(0), 300),
            (Some(1), 15),
            (Some(60), 15),
            (Some(300), 75),
            (Some(24 * 3600), 6 * 3600),
            (Some(u64::MAX), 6 * 3600),
        ] {
            bundle.refresh_hint = hint.map(Duration::from_secs);
            assert_eq!(
                refresh_after(Some(&bundle)),
                Duration::from_secs(seconds),
                "{hint:?}"
            );
        }
    }
}
