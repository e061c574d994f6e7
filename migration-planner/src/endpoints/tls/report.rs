//! What was learned of a TLS server, as assets.

use super::codes::{Version, group_name, scheme_name};
use super::survey::{Accepted, Order, Survey};
use crate::algorithm::suite;
use crate::endpoints::Endpoint;
use crate::files::x509;
use crate::inventory::{CipherSuite, Fragment, ProtocolDetail, Role};

/// Adds the service with its protocols and certificates.
pub(super) fn report(survey: &Survey, endpoint: &Endpoint<'_>, found: &mut Fragment) {
    let service = endpoint.service("TLS endpoint", survey.asks_client, found);
    let yes = |yes: bool| if yes { "yes" } else { "no" };

    found.note(&service, "classical-fallback", classical_fallback(survey));
    if let Some(group) = survey.post_quantum.negotiated {
        found.note(&service, "pq-group", &group_name(group));
    }
    if let Some(preferred) = survey.post_quantum.preferred {
        found.note(&service, "pq-preferred", yes(preferred));
    }
    if let Some(asked) = survey.post_quantum.asked_again {
        found.note(&service, "pq-retry", yes(asked));
    }
    if let Some(scheme) = survey.scheme {
        found.note(&service, "signature-scheme", &scheme_name(scheme));
    }
    for (version, how) in &survey.refused {
        found.note(
            &service,
            "version-refused",
            &format!("{} ({how})", version.words()),
        );
    }
    for (version, accepted) in survey.accepted.iter().rev() {
        if let Some(order) = accepted.order {
            let whose = match order {
                Order::Server => "server",
                Order::Client => "client",
                Order::Mixed => "mixed",
            };
            found.note(&service, "suite-order", &format!("{}: {whose}", version.words()));
        }
        let here = found.here().symbol(version.words());
        let protocol = found.protocol(detail(*version, accepted), here);
        found.connect(&service, Role::Offers, &protocol);
    }
    for chain in &survey.chains {
        for (place, der) in chain.iter().enumerate() {
            let symbol = match place {
                0 => "certificate".to_owned(),
                _ => format!("certificate {} of the chain", place + 1),
            };
            let here = found.here().symbol(symbol);
            if let Some(certificate) = x509::certificate(der, here, found) {
                found.connect(&service, Role::Presents, &certificate);
            }
        }
    }
    for (reason, note) in &survey.notes {
        found.unread(*reason, None, note.clone());
    }
}

/// What happens to a client without post-quantum groups: TLS before 1.3 has no others.
fn classical_fallback(survey: &Survey) -> &'static str {
    let older = survey.accepted.keys().any(|version| *version < Version::Tls13);
    let unknown = survey.undecided.iter().any(|version| *version < Version::Tls13);
    match (older, survey.classical) {
        (true, _) | (_, Some(true)) => "accepted",
        (false, Some(false)) if !unknown => "refused",
        _ => "not-tested",
    }
}

fn detail(version: Version, accepted: &Accepted) -> ProtocolDetail {
    let suites = accepted.suites.iter().map(|code| match suite::by_code(*code) {
        Some(suite) => suite.cipher_suite(),
        None => CipherSuite {
            name: format!("0x{code:04x}"),
            ..CipherSuite::default()
        },
    });
    let (protocol, version) = match version {
        Version::Ssl30 => ("ssl", "3.0"),
        _ => ("tls", version.name()),
    };
    ProtocolDetail {
        protocol: protocol.to_owned(),
        version: Some(version.to_owned()),
        suites: suites.collect(),
        groups: accepted.groups.clone(),
        signature_schemes: accepted.schemes.iter().map(|code| scheme_name(*code)).collect(),
        ..ProtocolDetail::default()
    }
}
