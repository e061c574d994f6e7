//! Stores of certificates (`crt-store`), and the names by which `@store/name` finds what is in them.

use std::collections::BTreeMap;

use super::{Fragment, Names, Service, based};

/// All stores of a file.
#[derive(Default)]
pub(super) struct Stores {
    all: Vec<Store>,
    /// By `@store/name`: the certificate and its key.
    known: BTreeMap<String, Vec<(Names, String, &'static str)>>,
}

struct Store {
    name: String,
    line: u64,
    certificate_base: Option<String>,
    key_base: Option<String>,
    files: Vec<(Names, String, u64, &'static str)>,
}

impl Stores {
    /// A store begins.
    pub(super) fn open(&mut self, name: &str, line: u64) {
        self.all.push(Store {
            name: name.to_owned(),
            line,
            certificate_base: None,
            key_base: None,
            files: Vec::new(),
        });
    }

    /// A line of the store that was opened last: its own directories, which hold in it alone, or
    /// `load crt a.pem key b.key alias c`.
    pub(super) fn take(&mut self, word: &str, rest: &[&str], bases: [&str; 2], line: u64) {
        let Some(store) = self.all.last_mut() else { return };
        let value = rest.first().copied().unwrap_or_default();
        match word {
            "crt-base" => return store.certificate_base = Some(value.to_owned()),
            "key-base" => return store.key_base = Some(value.to_owned()),
            _ => {}
        }
        let certificates = store.certificate_base.as_deref().unwrap_or(bases[0]);
        let keys = store.key_base.as_deref().unwrap_or(bases[1]);
        let mut name = "";
        let mut pair = Vec::new();
        for words in rest.chunks_exact(2).take(64) {
            let [what, value] = words else { continue };
            match *what {
                "crt" => {
                    name = if name.is_empty() { value } else { name };
                    pair.push((Names::Certificate, based(certificates, value), "crt"));
                }
                "key" => pair.push((Names::Key, based(keys, value), "key")),
                "alias" => name = value,
                "issuer" | "ocsp" | "sctl" => {
                    store
                        .files
                        .push((Names::Other, based(certificates, value), line, "load"));
                }
                _ => {}
            }
        }
        let files = pair
            .iter()
            .map(|(names, path, directive)| (*names, path.clone(), line, *directive));
        store.files.extend(files);
        self.known.insert(format!("@{}/{name}", store.name), pair);
    }

    /// Puts files in the place of names from a store.
    pub(super) fn resolve(&self, files: &mut Vec<(Names, String, &'static str)>) {
        if !files.iter().any(|(_, path, _)| path.starts_with('@')) {
            return;
        }
        let named = std::mem::take(files);
        for file in named {
            match self.known.get(&file.1) {
                Some(pair) => files.extend(pair.iter().cloned()),
                None => files.push(file),
            }
        }
    }

    /// Adds each as a service of its own.
    pub(super) fn tell(&self, found: &mut Fragment) {
        for store in &self.all {
            let mut service = Service::new("HAProxy certificate store", store.name.clone(), store.line);
            for (names, path, line, directive) in &store.files {
                service.file(*names, path, *line, directive);
            }
            service.tell(found);
        }
    }
}
