//! Endpoints that the operator named: TLS and SSH servers, asked what they accept.
//!
//! Everything is found by asking: every question is a connection of its own, to one address of the name, and no
//! host is asked more often in a second, nor more often in all, than [`Settings`] say. Nothing is contacted that was
//! not named: [`check`] refuses networks, ranges and patterns. Nobody logs in, nothing is believed, and no data is
//! sent once a handshake has shown what it has to show.

mod address;
mod line;
mod pace;
#[cfg(test)]
mod script;
mod ssh;
mod starttls;
#[cfg(test)]
mod testing;
mod tls;
mod visit;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use self::address::{Address, exposure};
use self::pace::Pace;
use self::visit::Visit;
use crate::inventory::{Asset, AssetId, Detail, Fragment, ServiceDetail};
use crate::scan::{Scanner, Target};

pub use self::address::TargetError;

/// How much is asked of a server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Settings {
    /// Connections to one host in a second, whichever of its endpoints they are for.
    pub per_second: u32,
    /// Connections to one TLS endpoint in all.
    pub tls_connections: usize,
    /// Connections to one SSH endpoint in all.
    pub ssh_connections: usize,
    /// How long one connection may take.
    pub patience: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            per_second: 10,
            tls_connections: 100,
            // OpenSSH lets a client connect and leave some fifteen times before it makes it wait
            // (PerSourcePenalties).
            ssh_connections: 12,
            patience: Duration::from_secs(5),
        }
    }
}

/// The scanners of this room, with the usual settings.
#[must_use]
pub fn scanners() -> Vec<Arc<dyn Scanner>> {
    scanners_with(Settings::default())
}

/// The scanners of this room. All endpoints that they scan share one pace for each host.
#[must_use]
pub fn scanners_with(settings: Settings) -> Vec<Arc<dyn Scanner>> {
    let pace = Arc::new(Pace::new(settings.per_second));
    vec![
        Arc::new(tls::Tls {
            settings,
            pace: pace.clone(),
        }),
        Arc::new(ssh::Ssh { settings, pace }),
    ]
}

/// Whether a target that names an endpoint names just one, without contacting anyone. Targets that are no endpoints
/// of this room are fine.
///
/// # Errors
/// [`TargetError`], which says what to write instead.
pub fn check(target: &Target) -> Result<(), TargetError> {
    let Target::Uri { scheme, uri } = target else {
        return Ok(());
    };
    let mut known = starttls::SCHEMES.iter().map(|(known, ..)| *known).chain(["ssh"]);
    if known.any(|known| known == scheme) {
        Address::parse(uri, 1)?;
    }
    Ok(())
}

/// An endpoint that answered.
#[derive(Debug)]
struct Endpoint<'a> {
    uri: String,
    visit: &'a Visit<'a>,
}

impl<'a> Endpoint<'a> {
    fn of(scheme: &str, visit: &'a Visit<'a>) -> Self {
        Self {
            uri: format!("{scheme}://{}", visit.address.authority()),
            visit,
        }
    }

    /// Adds it as a service.
    fn service(&self, what: &str, authenticated: Option<bool>, found: &mut Fragment) -> AssetId {
        let detail = ServiceDetail {
            what: what.to_owned(),
            endpoints: BTreeSet::from([self.uri.clone()]),
            authenticated,
        };
        // One place that answers differently by name is as many services as it has names.
        let asked_for = self.visit.address.server_name.clone().unwrap_or_default();
        let identity = [self.uri.as_bytes(), asked_for.as_bytes()];
        let mut asset = Asset::new(self.uri.clone(), Detail::Service(detail), &identity).seen(found.here());
        if !asked_for.is_empty() && asked_for != self.visit.address.host {
            asset.add_fact("server-name", asked_for);
        }
        if let Some(ip) = self.visit.peer() {
            asset.exposure = Some(exposure(ip).to_owned());
            asset.add_fact("address", ip.to_string());
        }
        for ip in self.visit.left_alone() {
            asset.add_fact("address-not-contacted", ip.to_string());
        }
        found.add(asset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_checked_without_contact() {
        let check = |text: &str| check(&Target::parse(text, &crate::scan::schemes()));
        check("tls://example.org:443").unwrap();
        check("smtp://mail.example.org").unwrap();
        check("ssh://example.org").unwrap();
        check("some/file").unwrap();
        assert!(matches!(check("tls://10.0.0.0/8"), Err(TargetError::Sweep(_))));
        assert!(matches!(
            check("ssh://example.org:1-100"),
            Err(TargetError::Sweep(_))
        ));
        assert!(matches!(check("ssh://root@example.org"), Err(TargetError::User)));
    }

    #[test]
    fn every_scheme_is_known_to_the_scan() {
        let schemes = crate::scan::schemes();
        for (scheme, ..) in starttls::SCHEMES {
            assert!(schemes.contains(scheme), "{scheme}");
        }
        assert!(schemes.contains(&"ssh"));
    }
}
