//! What a configuration says about TLS, and the protocols that it comes to.

use std::collections::BTreeSet;

use super::ciphers::{self, Resolved};
use super::groups;
use super::report::{MAX_LIST, Said, Service, shortened};
use super::text::has_variables;
use crate::algorithm::suite::{self, Since};
use crate::inventory::{
    AssetId, CipherSuite, Fragment, Occurrence, ProtocolDetail, ProtocolPart, Reason, Role,
};

/// The versions of TLS, oldest first, as `(protocol, version)`.
pub(super) const VERSIONS: [(&str, &str); 6] = [
    ("ssl", "2.0"),
    ("ssl", "3.0"),
    ("tls", "1.0"),
    ("tls", "1.1"),
    ("tls", "1.2"),
    ("tls", "1.3"),
];

/// The version by any of its spellings: `TLSv1.2`, `TLSv1_2`, `tls1.2`, `TLS 1.2`, `TLSv12`.
pub(super) fn version(text: &str) -> Option<usize> {
    let lower: String = text
        .to_ascii_lowercase()
        .chars()
        .filter(|letter| !matches!(letter, '.' | '_' | ' ' | '-'))
        .collect();
    Some(match lower.as_str() {
        "sslv2" | "ssl2" | "ssl20" | "sslv2hello" => 0,
        "sslv3" | "ssl3" | "ssl30" => 1,
        "tlsv1" | "tls1" | "tlsv10" | "tls10" => 2,
        "tlsv11" | "tls11" => 3,
        "tlsv12" | "tls12" => 4,
        "tlsv13" | "tls13" => 5,
        _ => return None,
    })
}

/// What is said about TLS.
#[derive(Clone, Debug, Default)]
pub(super) struct Tls {
    /// Which of [`VERSIONS`] are on; `None` when it is not said.
    pub(super) versions: Option<Said<BTreeSet<usize>>>,
    /// The lowest version.
    pub(super) lowest: Option<Said<usize>>,
    /// The highest version.
    pub(super) highest: Option<Said<usize>>,
    /// Versions that are switched off one by one.
    pub(super) off: BTreeSet<usize>,
    /// An OpenSSL cipher string, for what is before TLS 1.3.
    pub(super) cipher_string: Option<Said>,
    /// Suites by name, of any version.
    pub(super) suites: Option<Said<Vec<String>>>,
    /// Groups by name, in OpenSSL's notation.
    pub(super) groups: Option<Said>,
    /// Signature schemes by name, in OpenSSL's notation.
    pub(super) schemes: Option<Said>,
}

impl Tls {
    /// Takes what is not said here from what is said further out.
    pub(super) fn or(mut self, outer: &Self) -> Self {
        self.versions = self.versions.or_else(|| outer.versions.clone());
        self.lowest = self.lowest.or_else(|| outer.lowest.clone());
        self.highest = self.highest.or_else(|| outer.highest.clone());
        self.off.extend(&outer.off);
        self.cipher_string = self.cipher_string.or_else(|| outer.cipher_string.clone());
        self.suites = self.suites.or_else(|| outer.suites.clone());
        self.groups = self.groups.or_else(|| outer.groups.clone());
        self.schemes = self.schemes.or_else(|| outer.schemes.clone());
        self
    }

    pub(super) fn is_silent(&self) -> bool {
        self.versions.is_none()
            && self.lowest.is_none()
            && self.highest.is_none()
            && self.off.is_empty()
            && self.cipher_string.is_none()
            && self.suites.is_none()
            && self.groups.is_none()
            && self.schemes.is_none()
    }

    /// The versions that are on, from all that is said about them. A bound that only the program knows leaves them
    /// open, unless everything below the first that is on is switched off.
    fn settle(&mut self, service: &mut Service) {
        let ssl3 = 1;
        if self.versions.is_none() {
            let stated = self.lowest.as_ref().map(|said| said.value);
            let below_off = (ssl3..VERSIONS.len())
                .find(|at| !self.off.contains(at))
                .filter(|at| *at > ssl3);
            let line = self
                .lowest
                .as_ref()
                .or(self.highest.as_ref())
                .map_or(service.line, |said| said.line);
            if stated.is_none() && !(self.off.is_empty() && self.highest.is_none()) {
                service.not_stated("lowest version");
            }
            if let Some(lowest) = stated.or(below_off) {
                self.versions = Some(Said::new(
                    (lowest..VERSIONS.len()).collect::<BTreeSet<usize>>(),
                    line,
                ));
                if self.highest.is_none() {
                    service.not_stated("highest version");
                }
            }
        }
        let name = |at: usize| {
            VERSIONS
                .get(at)
                .map(|(protocol, version)| format!("{protocol} {version}"))
        };
        match &mut self.versions {
            Some(said) => {
                let lowest = self.lowest.as_ref().map_or(0, |said| said.value);
                let highest = self.highest.as_ref().map_or(VERSIONS.len(), |said| said.value);
                said.value
                    .retain(|at| (lowest..=highest).contains(at) && !self.off.contains(at));
            }
            None => {
                for off in &self.off {
                    if let Some(name) = name(*off) {
                        service.fact("version-off", name);
                    }
                }
                let highest = self.highest.as_ref().and_then(|said| name(said.value));
                if let Some(name) = highest {
                    service.fact("highest-version", name);
                }
            }
        }
    }

    /// Notes on the service what is said and what is not, adds the service and its protocols, one a version.
    pub(super) fn tell(mut self, mut service: Service, found: &mut Fragment) -> AssetId {
        self.leave_out_templates(found);
        self.settle(&mut service);
        let resolved = self
            .cipher_string
            .as_ref()
            .map(|said| ciphers::resolve(&said.value));
        self.note(resolved.as_ref(), &mut service, found);
        let line = self.versions.as_ref().map_or(service.line, |said| said.line);
        let details = self.details(resolved.as_ref());
        let place = |said: Option<u64>, found: &Fragment| found.here().line(said.unwrap_or(line));
        let suites = self.cipher_string.as_ref().map(|said| said.line);
        let newer = self.suites.as_ref().map(|said| said.line);
        let places: [Occurrence; 4] = [
            place(suites.or(newer), found),
            place(newer.or(suites), found),
            place(self.groups.as_ref().map(|said| said.line), found),
            place(self.schemes.as_ref().map(|said| said.line), found),
        ];
        let service = service.tell(found);
        for detail in details {
            let [older, newer, groups, schemes] = &places;
            let suites = if detail.version.as_deref() == Some("1.3") {
                newer
            } else {
                older
            };
            let id = found.protocol_in_parts(detail, &place(None, found), |part| match part {
                ProtocolPart::Groups => groups.clone(),
                ProtocolPart::SignatureSchemes => schemes.clone(),
                ProtocolPart::Suites | ProtocolPart::List(_) => suites.clone(),
            });
            found.connect(&service, Role::Offers, &id);
        }
        service
    }

    /// What is filled in by something else later names no suite and no group: it is listed, and left open.
    fn leave_out_templates(&mut self, found: &mut Fragment) {
        let mut lines = Vec::new();
        for said in [&mut self.cipher_string, &mut self.groups, &mut self.schemes] {
            lines.extend(
                said.take_if(|said| has_variables(&said.value))
                    .map(|said| said.line),
            );
        }
        let suites = self
            .suites
            .take_if(|said| said.value.iter().any(|name| has_variables(name)));
        lines.extend(suites.map(|said| said.line));
        for line in lines {
            let what = "a value that a template or a variable fills in";
            found.unread(Reason::Unsupported, Some(line), what);
        }
    }

    fn note(&self, resolved: Option<&Resolved>, service: &mut Service, found: &mut Fragment) {
        if self.versions.is_none() {
            service.not_stated("versions");
        }
        match (&self.cipher_string, resolved) {
            (Some(said), Some(resolved)) => {
                service.fact("cipher-string", said.value.clone());
                if resolved.by_keyword && resolved.unresolved.is_none() {
                    service.fact("cipher-string-keywords", "expanded as OpenSSL 3 does");
                }
                if let Some(part) = &resolved.unresolved {
                    service.fact("cipher-string-not-resolved", part.clone());
                    let detail =
                        format!("what the cipher string's {part} stands for is said on the machine itself");
                    found.unread(Reason::Unsupported, Some(said.line), shortened(detail));
                }
                for name in &resolved.no_effect {
                    service.fact("cipher-string-no-effect", name.clone());
                }
                if let Some(level) = &resolved.level {
                    service.fact("security-level", level.clone());
                }
            }
            _ if self.suites.is_none() => service.not_stated("cipher suites"),
            _ => {}
        }
        if self
            .groups
            .as_ref()
            .is_none_or(|said| groups::list(&said.value).is_empty())
        {
            service.not_stated("groups");
        }
        if self.schemes.is_none() {
            service.not_stated("signature schemes");
        }
    }

    fn details(&self, resolved: Option<&Resolved>) -> Vec<ProtocolDetail> {
        let mut suites: Vec<(Option<Since>, CipherSuite)> = Vec::new();
        if let Some(resolved) = resolved {
            suites.extend(
                resolved
                    .suites
                    .iter()
                    .map(|suite| (Some(suite.since()), suite.cipher_suite())),
            );
            let unknown = resolved.unknown.iter();
            suites.extend(unknown.map(|name| (Some(Since::Ssl3), suite::described(name))));
        }
        for name in self.suites.iter().flat_map(|said| &said.value).take(MAX_LIST) {
            let since = suite::by_name(name).map(suite::Suite::since);
            suites.push((since, suite::described(name)));
        }
        let groups = self
            .groups
            .as_ref()
            .map(|said| groups::list(&said.value))
            .unwrap_or_default();
        let schemes = self
            .schemes
            .as_ref()
            .map(|said| groups::schemes(&said.value))
            .unwrap_or_default();
        let unresolved = resolved.and_then(|resolved| resolved.unresolved.as_ref());
        let one = |at: Option<usize>| {
            let fits = |since: &Option<Since>| match (at, since) {
                (Some(0), Some(_)) => false,
                (None | Some(0), _) | (_, None) => true,
                (Some(5), Some(since)) => *since == Since::Tls13,
                (Some(4), Some(since)) => *since != Since::Tls13,
                (Some(2 | 3), Some(since)) => *since <= Since::Tls1,
                (_, Some(since)) => *since == Since::Ssl3,
            };
            let (protocol, version) = at.and_then(|at| VERSIONS.get(at)).copied().unzip();
            let before_tls13 = at.is_some_and(|at| at < 5);
            let mut detail = ProtocolDetail {
                protocol: protocol.unwrap_or("tls").to_owned(),
                version: version.map(str::to_owned),
                suites: suites
                    .iter()
                    .filter(|(since, _)| fits(since))
                    .map(|(_, suite)| suite.clone())
                    .collect(),
                groups: groups
                    .iter()
                    .filter(|name| !before_tls13 || suite::group_before_tls13(name))
                    .cloned()
                    .collect(),
                signature_schemes: schemes.clone(),
                ..ProtocolDetail::default()
            };
            if let Some(part) = unresolved.filter(|_| at != Some(5)) {
                detail.lists.insert("not-resolved".to_owned(), vec![part.clone()]);
            }
            detail
        };
        match &self.versions {
            Some(said) => said.value.iter().map(|at| one(Some(*at))).collect(),
            None => vec![one(None)],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::Detail;

    #[test]
    fn what_is_filled_in_later_is_no_name() {
        let tls = Tls {
            cipher_string: Some(Said::new("{{ ciphers }}", 3)),
            suites: Some(Said::new(vec!["${SUITES}".to_owned()], 4)),
            groups: Some(Said::new("X25519:$curves", 5)),
            ..Tls::default()
        };
        let mut found = Fragment::at("x");
        tls.tell(Service::new("thing", "one", 1), &mut found);
        let lines: Vec<_> = found.unread_entries().iter().map(|unread| unread.line).collect();
        assert_eq!(lines, [Some(3), Some(5), Some(4)]);
        assert!(
            found
                .assets()
                .iter()
                .all(|asset| asset.detail.kind() != "algorithm")
        );
    }

    #[test]
    fn each_version_has_what_it_can_have() {
        let tls = Tls {
            lowest: Some(Said { value: 3, line: 2 }),
            cipher_string: Some(Said::new("ECDHE-RSA-AES128-GCM-SHA256:AES128-SHA:FROB", 3)),
            suites: Some(Said::new(vec!["TLS_AES_128_GCM_SHA256".to_owned()], 4)),
            groups: Some(Said::new("X25519MLKEM768:P-256", 5)),
            ..Tls::default()
        };
        let mut found = Fragment::at("x");
        tls.tell(Service::new("thing", "one", 1), &mut found);
        let names = |version: &str| -> (Vec<String>, Vec<String>) {
            let detail = found.assets().iter().find_map(|asset| match &asset.detail {
                Detail::Protocol(detail) if detail.version.as_deref() == Some(version) => Some(detail),
                _ => None,
            });
            let detail = detail.unwrap();
            (
                detail.suites.iter().map(|suite| suite.name.clone()).collect(),
                detail.groups.clone(),
            )
        };
        assert_eq!(names("1.1").0, ["TLS_RSA_WITH_AES_128_CBC_SHA", "FROB"]);
        assert_eq!(names("1.2").0.len(), 3);
        assert_eq!(names("1.2").1, ["P-256"]);
        assert_eq!(
            names("1.3"),
            (
                vec!["TLS_AES_128_GCM_SHA256".to_owned()],
                vec!["X25519MLKEM768".to_owned(), "P-256".to_owned()]
            )
        );
        let place = |name: &str| {
            let asset = found.assets().iter().find(|asset| asset.name == name).unwrap();
            asset.evidence.iter().next().unwrap().line
        };
        assert_eq!(
            (place("X25519MLKEM768"), place("FROB"), place("thing one")),
            (Some(5), Some(3), Some(1))
        );
    }

    #[test]
    fn versions_have_many_spellings() {
        for (text, at) in [
            ("TLSv1_3", 5),
            ("TLSv1.2", 4),
            ("tls1.1", 3),
            ("TLSv1", 2),
            ("SSLv3", 1),
        ] {
            assert_eq!(version(text), Some(at), "{text}");
        }
        assert_eq!(version("TLSv9"), None);
    }
}
