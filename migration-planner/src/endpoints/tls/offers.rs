//! What is offered to a server: everything there is, or only what ordinary clients offer, to a server that answers no
//! more than that.

use std::collections::BTreeSet;

use super::codes::{Version, groups_of, offered_schemes, schemes_of};
use super::suites::offered;

/// What common clients of the last twenty years offer.
#[rustfmt::skip]
const PLAIN_SUITES: &[u16] = &[
    0x1302, 0x1303, 0x1301, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xc02b, 0xc02f, 0x009f, 0x009e, 0xc024, 0xc028, 0xc023,
    0xc027, 0xc00a, 0xc014, 0xc009, 0xc013, 0x0039, 0x0033, 0x009d, 0x009c, 0x003d, 0x003c, 0x0035, 0x002f, 0x000a,
];
const PLAIN_GROUPS: &[u16] = &[0x001d, 0x0017, 0x0018];
#[rustfmt::skip]
const PLAIN_SCHEMES: &[u16] = &[
    0x0403, 0x0503, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0203, 0x0201,
];

/// What a server is offered, by version.
#[derive(Clone, Debug, Default)]
pub(crate) struct Offers {
    plain: BTreeSet<Version>,
    needs_shares: bool,
}

impl Offers {
    /// From now on only what ordinary clients offer, and in TLS 1.3 with key shares as they send them.
    pub(crate) fn make_plain(&mut self, version: Version) {
        self.plain.insert(version);
        self.needs_shares |= version == Version::Tls13;
    }

    /// The other way round, after that was no use either.
    pub(crate) fn make_full(&mut self, version: Version) {
        self.plain.remove(&version);
        self.needs_shares &= version != Version::Tls13;
    }

    /// From now on key shares with every hello of TLS 1.3.
    pub(crate) fn send_shares(&mut self) {
        self.needs_shares = true;
    }

    pub(crate) fn needs_shares(&self) -> bool {
        self.needs_shares
    }

    pub(crate) fn suites(&self, version: Version) -> Vec<u16> {
        self.kept(version, PLAIN_SUITES, offered(version))
    }

    pub(crate) fn groups(&self, version: Version) -> Vec<u16> {
        let all = groups_of(version).map(|group| group.code).collect();
        self.kept(version, PLAIN_GROUPS, all)
    }

    /// The schemes that may sign a handshake.
    pub(crate) fn schemes(&self, version: Version) -> Vec<u16> {
        self.kept(version, PLAIN_SCHEMES, schemes_of(version))
    }

    /// Those, and what certificates may be signed with.
    pub(crate) fn schemes_offered(&self, version: Version) -> Vec<u16> {
        self.kept(version, PLAIN_SCHEMES, offered_schemes(version))
    }

    fn kept(&self, version: Version, plain: &[u16], mut all: Vec<u16>) -> Vec<u16> {
        if self.plain.contains(&version) {
            all.retain(|code| plain.contains(code));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_plain_is_part_of_everything() {
        let full = Offers::default();
        for version in Version::ALL {
            let mut plain = Offers::default();
            plain.make_plain(version);
            for (few, all) in [
                (plain.suites(version), full.suites(version)),
                (plain.groups(version), full.groups(version)),
                (plain.schemes_offered(version), full.schemes_offered(version)),
            ] {
                assert!(few.len() <= all.len() && few.iter().all(|code| all.contains(code)));
            }
            assert!(!plain.suites(version).is_empty() && plain.suites(version).len() < 30);
            plain.make_full(version);
            assert_eq!(plain.suites(version), full.suites(version));
            assert!(!plain.needs_shares());
        }
    }
}
