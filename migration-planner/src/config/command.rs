//! OpenSSL's configuration commands (`SSL_CONF_cmd`), which openssl.cnf, nginx and Apache share.

use std::collections::BTreeSet;

use super::report::{Names, Said, Service, Tls, VERSIONS, version};

/// Takes one command. False when it is none about cryptography.
pub(super) fn take(tls: &mut Tls, service: &mut Service, name: &str, value: &str, line: u64) -> bool {
    let value = value.trim();
    let lower = name.to_ascii_lowercase();
    match lower.as_str() {
        "cipherstring" => tls.cipher_string = Some(Said::new(value, line)),
        "ciphersuites" => tls.suites = Some(Said::new(names(value), line)),
        "groups" | "curves" | "ecdhparameters" => tls.groups = Some(Said::new(value, line)),
        "signaturealgorithms" => tls.schemes = Some(Said::new(value, line)),
        "clientsignaturealgorithms" => service.fact("client-signature-schemes", value),
        "minprotocol" | "maxprotocol" => bound(tls, service, lower == "minprotocol", value, line),
        "protocol" => {
            if let Some(on) = protocols(value) {
                tls.versions = Some(Said::new(on, line));
            }
        }
        "options" => service.fact("options", value),
        "certificate" => service.file(Names::Certificate, value, line, name),
        "privatekey" => service.file(Names::Key, value, line, name),
        "chaincafile" | "chaincapath" | "verifycafile" | "verifycapath" | "requestcafile" => {
            service.file(Names::Trust, value, line, name);
        }
        "dhparameters" => service.file(Names::Other, value, line, name),
        "verifymode" => service.authenticated = Some(!value.is_empty()),
        _ => return false,
    }
    service.seen(line, name);
    true
}

/// The names of a list of suites.
pub(super) fn names(value: &str) -> Vec<String> {
    let parts = value.split([':', ',', ';', ' ', '\t', '"', '\'']);
    parts.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// The lowest or highest version that is allowed.
pub(super) fn bound(tls: &mut Tls, service: &mut Service, lowest: bool, value: &str, line: u64) {
    // DTLS has the same commands; `None` takes the bound away.
    let Some(at) = version(value) else {
        return service.fact("version-not-read", value);
    };
    let bound = if lowest { &mut tls.lowest } else { &mut tls.highest };
    *bound = Some(Said { value: at, line });
}

/// `-ALL,TLSv1.2,+TLSv1.3`: `None` when there is no version in it.
pub(super) fn protocols(value: &str) -> Option<BTreeSet<usize>> {
    let mut on: Option<BTreeSet<usize>> = None;
    for part in value.split([',', ' ', '\t', ':']).filter(|part| !part.is_empty()) {
        let (off, name) = match part.strip_prefix('-') {
            Some(name) => (true, name),
            None => (false, part.strip_prefix('+').unwrap_or(part)),
        };
        let these: BTreeSet<usize> = match version(name) {
            Some(at) => BTreeSet::from([at]),
            // SSL 2.0 is in no library's ALL any more.
            None if name.eq_ignore_ascii_case("all") => (1..VERSIONS.len()).collect(),
            None => continue,
        };
        let set = on.get_or_insert_with(|| match off {
            true => (1..VERSIONS.len()).collect(),
            false => BTreeSet::new(),
        });
        match off {
            true => set.retain(|version| !these.contains(version)),
            false => set.extend(these),
        }
    }
    on
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_added_and_taken_away() {
        let set = |value: &str| protocols(value).map(|on| on.into_iter().collect::<Vec<_>>());
        assert_eq!(set("-ALL,TLSv1.2 +TLSv1.3"), Some(vec![4, 5]));
        assert_eq!(set("all -SSLv3 -TLSv1"), Some(vec![3, 4, 5]));
        assert_eq!(set("-TLSv1.1"), Some(vec![1, 2, 4, 5]));
        assert_eq!(set("nonsense"), None);
    }

    #[test]
    fn bounds_meet() {
        let (mut tls, mut service) = (Tls::default(), Service::new("x", "", 1));
        assert!(take(&mut tls, &mut service, "MinProtocol", "TLSv1.2", 3));
        assert!(take(&mut tls, &mut service, "MaxProtocol", "TLSv1.2", 4));
        assert_eq!(tls.lowest, Some(Said { value: 4, line: 3 }));
        assert_eq!(tls.highest, Some(Said { value: 4, line: 4 }));
        assert!(!take(&mut tls, &mut service, "SessionTicket", "x", 5));
    }
}
