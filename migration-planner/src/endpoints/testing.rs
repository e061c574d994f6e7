//! Contacts for tests: quick ones, to scripted servers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::{Settings, scanners_with};
use crate::inventory::{Fragment, Reason};
use crate::scan::{Budget, Piece, Scanner, Target};

/// Settings under which nothing waits long but for who says nothing.
pub(super) const QUICK: Settings = Settings {
    per_second: 10_000,
    tls_connections: 60,
    ssh_connections: 12,
    // Long enough for a machine that has other work, and less than scripted servers drip.
    patience: Duration::from_secs(5),
};

/// What is found at an address.
pub(super) fn contact(scheme: &str, address: SocketAddr) -> Fragment {
    contact_with(QUICK, Duration::from_secs(600), scheme, address)
}

/// The same under other settings and within a time.
pub(super) fn contact_with(
    settings: Settings,
    time: Duration,
    scheme: &str,
    address: SocketAddr,
) -> Fragment {
    let uri = format!("{scheme}://{address}");
    let target = Target::parse(&uri, &crate::scan::schemes());
    let mut found = Fragment::at(uri);
    for scanner in scanners_with(settings) {
        let scanner: Arc<dyn Scanner> = scanner;
        scanner.scan(&Piece::Target(&target, Budget::starting_now(time)), &mut found);
    }
    found
}

/// The one thing that could not be read.
pub(super) fn only_note(found: &Fragment) -> (Reason, String) {
    let [note] = found.unread_entries() else {
        panic!("{:?}", found.unread_entries());
    };
    (note.reason, note.detail.clone())
}
