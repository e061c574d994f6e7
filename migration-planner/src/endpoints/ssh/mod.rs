//! SSH servers: what they offer, their host keys, and whether they go on without a post-quantum exchange.

mod exchange;
mod packet;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use self::exchange::Outcome;
use self::packet::{MAX_NAMES, Offer};
use super::address::Address;
use super::line::Fault;
use super::pace::Pace;
use super::visit::Visit;
use super::{Endpoint, Settings};
use crate::algorithm::{Quantum, alias};
use crate::files::{ssh, wire};
use crate::inventory::{AssetId, Fragment, ProtocolDetail, Reason, Role};
use crate::scan::{Piece, Scanner, Target, Trigger};

/// SSH endpoints.
#[derive(Debug)]
pub(super) struct Ssh {
    pub(super) settings: Settings,
    pub(super) pace: Arc<Pace>,
}

impl Scanner for Ssh {
    fn name(&self) -> &'static str {
        "ssh"
    }

    fn triggers(&self) -> &[Trigger] {
        &[Trigger::Scheme("ssh")]
    }

    fn scan(&self, piece: &Piece<'_>, found: &mut Fragment) {
        let Piece::Target(Target::Uri { scheme, uri }, budget) = piece else {
            return;
        };
        if scheme != "ssh" {
            return;
        }
        let address = match Address::parse(uri, 22) {
            Ok(address) => address,
            Err(error) => return found.unread(Reason::Unsupported, None, error.to_string()),
        };
        let settings = &self.settings;
        let most = settings.ssh_connections;
        let visited =
            Visit::of(&address, &self.pace, *budget, settings.patience, most).and_then(|mut visit| {
                let (banner, offer) = exchange::offer(&mut visit.open()?)?;
                Ok((look(&mut visit, banner, offer), visit))
            });
        match visited {
            Ok((seen, visit)) => report(&seen, &Endpoint::of("ssh", &visit), found),
            Err(fault) => found.unread(fault.reason(), None, fault.to_string()),
        }
    }
}

/// Everything that was learned of one server.
#[derive(Debug, Default)]
struct Seen {
    banner: String,
    offer: Offer,
    /// Whether an exchange without a post-quantum half is accepted.
    classical: Option<bool>,
    /// The exchange that came about when only those with such a half were offered.
    hybrid: Option<&'static str>,
    /// Host keys by the algorithm that was asked for.
    keys: BTreeMap<String, Vec<u8>>,
    notes: Vec<(Reason, String)>,
}

fn look(visit: &mut Visit<'_>, banner: String, offer: Offer) -> Seen {
    let mut seen = Seen {
        banner,
        offer,
        ..Seen::default()
    };
    let Offer { cut, nameless, .. } = seen.offer;
    if cut > 0 {
        let note = format!("what the server offers: {cut} names beyond the first {MAX_NAMES} of a list");
        seen.notes.push((Reason::TooLarge, note));
    }
    if nameless > 0 {
        let note = format!("what the server offers: {nameless} entries of its lists are no names");
        seen.notes.push((Reason::Malformed, note));
    }
    if let Err(fault) = keys(visit, &mut seen) {
        let note = format!("host keys and what follows from their exchange: {fault}");
        seen.notes.push((fault.reason(), note));
    }
    seen
}

/// Asks for a host key of each type, and once with each kind of exchange. Errors are those that end the work.
fn keys(visit: &mut Visit<'_>, seen: &mut Seen) -> Result<(), Fault> {
    let offers = |method: &&str| seen.offer.exchanges.iter().any(|name| name == method);
    let classical: Vec<&'static str> = exchange::CLASSICAL.into_iter().filter(offers).collect();
    let hybrid: Vec<&'static str> = exchange::HYBRID.into_iter().filter(offers).collect();
    let mut kinds: Vec<String> = Vec::new();
    for algorithm in &seen.offer.host_keys {
        if !kinds.iter().any(|known| key_type(known) == key_type(algorithm)) {
            kinds.push(algorithm.clone());
        }
    }
    let Some(first) = kinds.first().cloned() else {
        return Ok(());
    };
    if let Some(method) = hybrid.first() {
        let what = "an exchange with a post-quantum half";
        if let Some(blob) = attempt(visit, seen, &hybrid, &first, what)? {
            seen.hybrid = Some(method);
            seen.keys.insert(first.clone(), blob);
        }
    }
    let listed = |quantum| {
        let mut names = seen.offer.exchanges.iter();
        names.any(|name| quantum_of(name) == Some(quantum))
    };
    if classical.is_empty() && listed(Quantum::Broken) {
        // What cannot be computed here is taken from the list.
        seen.classical = Some(true);
    } else {
        // Also of a server that lists nothing of the kind: whether it is so is seen by asking.
        let methods = match classical.as_slice() {
            [] => &exchange::CLASSICAL[..],
            listed => listed,
        };
        let mut line = visit.open()?;
        match exchange::host_key(&mut line, methods, &first, &seen.offer) {
            Ok(Outcome::Key(blob)) => {
                seen.classical = Some(true);
                seen.keys.insert(first.clone(), blob);
            }
            // It lists nothing of the kind, and ended the exchange when that was all it was offered. Of a method that
            // nobody here knows it is not known what kind it is.
            Ok(Outcome::No(_)) if classical.is_empty() => {
                let unknown: Vec<&str> = seen
                    .offer
                    .exchanges
                    .iter()
                    .map(String::as_str)
                    .filter(|name| is_method(name))
                    .filter(|name| !matches!(quantum_of(name), Some(Quantum::Resistant)))
                    .collect();
                if seen.offer.cut > 0 {
                    let note =
                        "an exchange without a post-quantum half: the server lists more than is read here";
                    seen.notes.push((Reason::TooLarge, note.to_owned()));
                } else if unknown.is_empty() {
                    seen.classical = Some(false);
                } else {
                    let note = format!(
                        "an exchange without a post-quantum half: what {} is, is not known here",
                        unknown.join(", ")
                    );
                    seen.notes.push((Reason::Unsupported, note));
                }
            }
            Err(fault) if fault.is_final() => return Err(fault),
            Ok(Outcome::No(fault)) | Err(fault) => {
                let note = format!("an exchange without a post-quantum half: {fault}");
                seen.notes.push((fault.reason(), note));
            }
        }
    }
    let methods = if classical.is_empty() { &hybrid } else { &classical };
    if methods.is_empty() {
        let note = format!(
            "host keys: no method that is computed here is offered ({})",
            seen.offer.exchanges.join(", ")
        );
        seen.notes.push((Reason::Unsupported, note));
        return Ok(());
    }
    for kind in kinds.into_iter().skip(1) {
        let what = format!("the host key for {kind}");
        if let Some(blob) = attempt(visit, seen, methods, &kind, &what)? {
            seen.keys.insert(kind, blob);
        }
    }
    Ok(())
}

/// One exchange; what goes wrong without ending the work is noted.
fn attempt(
    visit: &mut Visit<'_>,
    seen: &mut Seen,
    methods: &[&str],
    kind: &str,
    what: &str,
) -> Result<Option<Vec<u8>>, Fault> {
    let mut line = visit.open()?;
    match exchange::host_key(&mut line, methods, kind, &seen.offer) {
        Ok(Outcome::Key(blob)) => Ok(Some(blob)),
        Err(fault) if fault.is_final() => Err(fault),
        Ok(Outcome::No(fault)) | Err(fault) => {
            seen.notes.push((fault.reason(), format!("{what}: {fault}")));
            Ok(None)
        }
    }
}

/// What tells keys apart: algorithms that differ in their hash share a key.
fn key_type(algorithm: &str) -> String {
    algorithm
        .replace("rsa-sha2-512", "ssh-rsa")
        .replace("rsa-sha2-256", "ssh-rsa")
}

fn quantum_of(method: &str) -> Option<Quantum> {
    alias::resolve(method).map(|algorithm| algorithm.quantum)
}

/// Whether a name in the list of methods is one, or says something else about its sender.
fn is_method(name: &str) -> bool {
    // kexguess2 is Dropbear's, for another rule of guessing.
    !name.starts_with("kex-strict-") && !name.starts_with("ext-info-") && !name.starts_with("kexguess2@")
}

fn report(seen: &Seen, endpoint: &Endpoint<'_>, found: &mut Fragment) {
    let service = endpoint.service("SSH endpoint", Some(true), found);
    found.note(&service, "software", &seen.banner);
    let fallback = match seen.classical {
        Some(true) => "accepted",
        Some(false) => "refused",
        None => "not-tested",
    };
    found.note(&service, "classical-fallback", fallback);
    let methods: Vec<String> = seen
        .offer
        .exchanges
        .iter()
        .filter(|name| is_method(name))
        .cloned()
        .collect();
    if let Some(method) = seen.hybrid {
        found.note(&service, "pq-group", method);
    }
    let both = |[there, back]: &[Vec<String>; 2]| {
        let mut list = there.clone();
        list.extend(back.iter().filter(|name| !there.contains(name)).cloned());
        list
    };
    let detail = ProtocolDetail {
        protocol: "ssh".to_owned(),
        version: Some("2.0".to_owned()),
        groups: methods,
        signature_schemes: seen.offer.host_keys.clone(),
        lists: BTreeMap::from([
            ("ciphers".to_owned(), both(&seen.offer.ciphers)),
            ("macs".to_owned(), both(&seen.offer.macs)),
            ("compression".to_owned(), both(&seen.offer.compressions)),
        ]),
        ..ProtocolDetail::default()
    };
    let here = found.here().symbol("SSH 2.0");
    let protocol = found.protocol(detail, here);
    found.connect(&service, Role::Offers, &protocol);
    for (algorithm, blob) in &seen.keys {
        match host_key(algorithm, blob, found) {
            Some(id) => found.connect(&service, Role::Presents, &id),
            None => found.unread(
                Reason::Malformed,
                None,
                format!("the host key for {algorithm} cannot be read"),
            ),
        }
    }
    for (reason, note) in &seen.notes {
        found.unread(*reason, None, note.clone());
    }
}

/// Adds a host key, or the certificate that it comes in.
fn host_key(algorithm: &str, blob: &[u8], found: &mut Fragment) -> Option<AssetId> {
    let here = found.here().symbol(format!("host key {algorithm}"));
    let (kind, key) = wire::public_key(blob)?;
    if kind.contains("-cert-v0") {
        return ssh::certificate(blob, kind, here, found);
    }
    match key {
        Some(key) => Some(key.add("SSH", here, found)),
        // A type that nobody here knows is an algorithm all the same.
        None if alias::resolve(kind).is_none() => Some(found.algorithm_spelt(kind, &[], here)),
        None => None,
    }
}
