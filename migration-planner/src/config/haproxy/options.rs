//! The words of a `bind` or `server` line, and of the defaults for them.

use crate::config::command;
use crate::config::report::{Names, Said, Service, Tls, shortened, version};
use crate::config::text;
use crate::inventory::{Fragment, Reason};

/// Settings whose value says what is spoken.
const SETTINGS: [&str; 7] = [
    "ciphers",
    "ciphersuites",
    "curves",
    "ecdhe",
    "sigalgs",
    "ssl-min-ver",
    "ssl-max-ver",
];

/// What options of one line, or the defaults for them, say.
#[derive(Clone, Default)]
pub(super) struct Options {
    pub(super) tls: Tls,
    pub(super) ssl: bool,
    pub(super) verify: Option<String>,
    pub(super) files: Vec<(Names, String, &'static str)>,
    pub(super) facts: Vec<(&'static str, String)>,
}

impl Options {
    /// Reads words of which some take a value.
    pub(super) fn read(
        &mut self,
        words: &[&str],
        line: u64,
        [certificates, trust, keys]: [&str; 3],
        found: &mut Fragment,
    ) {
        let mut words = words.iter().copied();
        let value_of = |words: &mut dyn Iterator<Item = &str>| words.next().unwrap_or_default().to_owned();
        while let Some(word) = words.next() {
            if SETTINGS.contains(&word) && words.clone().next().is_some_and(text::is_template) {
                words.next();
                found.unread(
                    Reason::Unsupported,
                    Some(line),
                    format!("what the environment sets `{word}` to"),
                );
                continue;
            }
            match word {
                "ssl" => self.ssl = true,
                "ciphers" => self.tls.cipher_string = Some(Said::new(value_of(&mut words), line)),
                "ciphersuites" => {
                    self.tls.suites = Some(Said::new(command::names(&value_of(&mut words)), line));
                }
                "curves" | "ecdhe" => self.tls.groups = Some(Said::new(value_of(&mut words), line)),
                "sigalgs" => self.tls.schemes = Some(Said::new(value_of(&mut words), line)),
                "client-sigalgs" => self
                    .facts
                    .push(("client-signature-schemes", value_of(&mut words))),
                "verify" => self.verify = Some(value_of(&mut words)),
                "crt" => self.files.push((
                    Names::Certificate,
                    based(certificates, &value_of(&mut words)),
                    "crt",
                )),
                "key" => self
                    .files
                    .push((Names::Key, based(keys, &value_of(&mut words)), "key")),
                "ca-file" | "ca-verify-file" => {
                    self.files
                        .push((Names::Trust, based(trust, &value_of(&mut words)), "ca-file"));
                }
                "crl-file" => {
                    self.files
                        .push((Names::Other, based(trust, &value_of(&mut words)), "crl-file"));
                }
                "crt-list" => self.files.push((Names::Other, value_of(&mut words), "crt-list")),
                "ssl-min-ver" | "ssl-max-ver" => {
                    let value = value_of(&mut words);
                    let Some(at) = version(&value) else {
                        let what = format!("the version {}", shortened(value));
                        found.unread(Reason::Unsupported, Some(line), what);
                        continue;
                    };
                    let bound = match word {
                        "ssl-min-ver" => &mut self.tls.lowest,
                        _ => &mut self.tls.highest,
                    };
                    *bound = Some(Said { value: at, line });
                }
                "allow-0rtt" => self.facts.push(("early-data", "on".to_owned())),
                _ => {
                    if let Some(at) = word.strip_prefix("force-").and_then(version) {
                        self.tls.lowest = Some(Said { value: at, line });
                        self.tls.highest = Some(Said { value: at, line });
                    } else if let Some(at) = word.strip_prefix("no-").and_then(version) {
                        self.tls.off.insert(at);
                    }
                }
            }
        }
    }

    pub(super) fn tell(self, defaults: Self, mut service: Service, line: u64, found: &mut Fragment) {
        for (names, path, directive) in &self.files {
            service.file(*names, path, line, directive);
        }
        for (name, value) in self.facts.into_iter().chain(defaults.facts) {
            service.fact(name, value);
        }
        let mut tls = self.tls.or(&defaults.tls);
        // HAProxy ignores `no-tlsv1x` beside a lowest or highest version, and says so when it starts.
        if tls.lowest.is_some() || tls.highest.is_some() {
            tls.off.clear();
        }
        tls.tell(service, found);
    }
}

/// A path with the directory that relative ones are in.
pub(super) fn based(base: &str, path: &str) -> String {
    if base.is_empty() || path.starts_with(['/', '@', '$']) {
        return path.to_owned();
    }
    format!("{}/{path}", base.trim_end_matches('/'))
}
