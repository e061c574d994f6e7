//! Registration entries, as far as an agent reads them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::SystemTime;

use spiffe::{SpiffeId, TrustDomain};
use symbolon_api::spire::api::types;
use symbolon_pki::suite::Form;
use symbolon_pki::time::from_unix_seconds;

/// Most trust domains that an entry federates with.
const MAX_FEDERATION: usize = 256;

/// Type and value of a selector.
pub(crate) type Selector = (String, String);

/// Entries by their id.
pub(crate) type Entries = BTreeMap<String, Arc<Entry>>;

/// Most bytes of an entry's id, hint, and of one selector.
const MAX_TEXT: usize = 4096;

/// Most selectors of an entry.
const MAX_SELECTORS: usize = 256;

/// Which state of an entry: one that is deleted and made again under the same id starts at the same revision.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub(crate) struct Version {
    /// Seconds since 1970.
    pub(crate) created_at: i64,
    pub(crate) revision: i64,
}

/// Who gets which identity.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Entry {
    pub(crate) id: String,
    pub(crate) spiffe_id: SpiffeId,
    /// What a workload must show, all of it. Never empty.
    pub(crate) selectors: BTreeSet<Selector>,
    pub(crate) hint: String,
    /// The other trust domains whose bundles its workloads get.
    pub(crate) federates_with: BTreeSet<TrustDomain>,
    pub(crate) version: Version,
    pub(crate) expires_at: Option<SystemTime>,
    /// Whether the Workload API serves it; entries whose SVIDs go to a secret store are not served.
    pub(crate) served: bool,
    /// Whether its SVIDs are fetched before anyone asks.
    pub(crate) prefetch: bool,
    /// The forms that the server issues for it; empty for every form.
    pub(crate) allowed_forms: BTreeSet<String>,
    /// Whether each of its tokens has an id of its own (`jti`), so that none is given out twice.
    pub(crate) unique_tokens: bool,
}

impl Entry {
    /// Reads an entry as servers send it.
    ///
    /// # Errors
    /// In words.
    pub(crate) fn from_wire(wire: types::Entry, trust_domain: &TrustDomain) -> Result<Self, String> {
        if wire.id.is_empty() || wire.id.len() > MAX_TEXT || wire.hint.len() > MAX_TEXT {
            return Err("its id or its hint is missing or too long".to_owned());
        }
        let id = wire.spiffe_id.as_ref().ok_or("it has no SPIFFE ID")?;
        let spiffe_id = SpiffeId::try_from(id).map_err(|error| error.to_string())?;
        if !spiffe_id.is_member_of(trust_domain) || spiffe_id.path().is_empty() {
            return Err(format!("{spiffe_id} is no workload of {trust_domain}"));
        }
        let count = wire.selectors.len();
        if !(1..=MAX_SELECTORS).contains(&count) {
            return Err(format!(
                "it has {count} selectors; it can have 1 to {MAX_SELECTORS}"
            ));
        }
        let long = |selector: &types::Selector| selector.r#type.len() + selector.value.len() > MAX_TEXT;
        if wire.selectors.iter().any(long) {
            return Err("one of its selectors is too long".to_owned());
        }
        let federates_with = trust_domains(&wire.federates_with, trust_domain)?;
        let attributes = wire.additional_attributes.unwrap_or_default();
        Ok(Self {
            id: wire.id,
            spiffe_id,
            selectors: wire
                .selectors
                .into_iter()
                .map(|selector| (selector.r#type, selector.value))
                .collect(),
            hint: wire.hint,
            federates_with,
            version: Version {
                created_at: wire.created_at,
                revision: wire.revision_number,
            },
            expires_at: [wire.expires_at, wire.not_after]
                .into_iter()
                .filter_map(moment)
                .min(),
            served: !wire.store_svid,
            prefetch: !attributes.disable_x509_svid_prefetch,
            allowed_forms: wire.allowed_forms.into_iter().take(Form::ALL.len()).collect(),
            unique_tokens: attributes.jwt_svid_include_jti,
        })
    }

    /// Whether the server issues this form for it, as far as it said.
    pub(crate) fn allows(&self, form: Form) -> bool {
        self.allowed_forms.is_empty() || self.allowed_forms.contains(form.name())
    }

    pub(crate) fn has_expired(&self, now: SystemTime) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }
}

/// A moment that is absent when it is 0.
fn moment(seconds: i64) -> Option<SystemTime> {
    u64::try_from(seconds)
        .ok()
        .filter(|at| *at > 0)
        .and_then(from_unix_seconds)
}

/// Reads the names of other trust domains. The agent's own is none of them: its bundle is everybody's.
fn trust_domains(names: &[String], own: &TrustDomain) -> Result<BTreeSet<TrustDomain>, String> {
    if names.len() > MAX_FEDERATION {
        return Err(format!(
            "it federates with {} trust domains; it can with {MAX_FEDERATION}",
            names.len()
        ));
    }
    let read = |name: &String| {
        TrustDomain::new(name).map_err(|error| format!("it federates with no trust domain: {error}"))
    };
    let mut found: BTreeSet<TrustDomain> = names.iter().map(read).collect::<Result<_, _>>()?;
    found.remove(own);
    Ok(found)
}

/// How two sets of entries differ.
#[derive(Debug)]
pub(super) struct Difference {
    pub(super) added: usize,
    pub(super) removed: usize,
    pub(super) changed: usize,
}

/// `None` if they do not.
pub(super) fn difference(old: &Entries, new: &Entries) -> Option<Difference> {
    let added = new.keys().filter(|id| !old.contains_key(*id)).count();
    let removed = old.keys().filter(|id| !new.contains_key(*id)).count();
    let other = |(id, entry): (&String, &Arc<Entry>)| new.get(id).is_some_and(|now| now != entry);
    let changed = old.iter().filter(|pair| other(*pair)).count();
    (added + removed + changed > 0).then_some(Difference {
        added,
        removed,
        changed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire() -> types::Entry {
        types::Entry {
            id: "one".to_owned(),
            spiffe_id: Some(types::Spiffeid {
                trust_domain: "example.org".to_owned(),
                path: "/web".to_owned(),
            }),
            selectors: vec![types::Selector {
                r#type: "unix".to_owned(),
                value: "uid:1000".to_owned(),
            }],
            ..types::Entry::default()
        }
    }

    fn read(entry: types::Entry) -> Result<Entry, String> {
        Entry::from_wire(entry, &TrustDomain::new("example.org").unwrap())
    }

    #[test]
    fn an_entry_ends_with_its_window_and_gives_the_forms_that_it_allows() {
        let at = |seconds| from_unix_seconds(seconds).unwrap();
        for (expires_at, not_after, end) in [
            (0, 0, None),
            (20, 0, Some(20)),
            (0, 10, Some(10)),
            (20, 10, Some(10)),
        ] {
            let entry = read(types::Entry {
                expires_at,
                not_after,
                ..wire()
            });
            assert_eq!(entry.unwrap().expires_at, end.map(at));
        }
        assert!(
            Form::ALL
                .into_iter()
                .all(|form| read(wire()).unwrap().allows(form))
        );
        let narrow = read(types::Entry {
            allowed_forms: vec!["composite".to_owned()],
            ..wire()
        });
        let narrow = narrow.unwrap();
        assert!(narrow.allows(Form::Composite) && !narrow.allows(Form::Classical));
    }

    #[test]
    fn entries_that_could_match_everyone_or_name_others_are_refused() {
        assert!(read(wire()).is_ok());
        for (words, spoil) in [
            ("0 selectors", (|e| e.selectors.clear()) as fn(&mut types::Entry)),
            ("257 selectors", |e| {
                e.selectors = vec![e.selectors[0].clone(); 257];
            }),
            ("too long", |e| e.selectors[0].value = "x".repeat(5000)),
            ("no SPIFFE ID", |e| e.spiffe_id = None),
            ("no workload of", |e| {
                e.spiffe_id.as_mut().unwrap().trust_domain = "example.com".to_owned();
            }),
            ("no workload of", |e| e.spiffe_id.as_mut().unwrap().path.clear()),
            ("not a SPIFFE ID", |e| {
                e.spiffe_id.as_mut().unwrap().path = "/..".to_owned();
            }),
            ("its id", |e| e.id.clear()),
            ("no trust domain", |e| {
                e.federates_with = vec!["not one".to_owned()];
            }),
            ("257 trust domains", |e| {
                e.federates_with = vec!["example.com".to_owned(); 257];
            }),
        ] {
            let mut entry = wire();
            spoil(&mut entry);
            let error = read(entry).unwrap_err();
            assert!(error.contains(words), "{error} lacks {words}");
        }
    }

    #[test]
    fn differences_are_counted() {
        let entry = |id: &str, revision| {
            let mut entry = read(wire()).unwrap();
            (entry.id, entry.version.revision) = (id.to_owned(), revision);
            (id.to_owned(), Arc::new(entry))
        };
        let old = Entries::from([entry("a", 1), entry("b", 1), entry("c", 1)]);
        let new = Entries::from([entry("b", 2), entry("c", 1), entry("d", 1), entry("e", 1)]);
        let found = difference(&old, &new).unwrap();
        assert_eq!((found.added, found.removed, found.changed), (2, 1, 1));
        assert!(difference(&new, &new).is_none());
    }

    #[test]
    fn the_own_trust_domain_is_no_other() {
        let mut entry = wire();
        entry.federates_with = ["example.com", "example.org"].map(str::to_owned).into();
        let read = read(entry).unwrap();
        assert_eq!(
            read.federates_with,
            [TrustDomain::new("example.com").unwrap()].into()
        );
    }

    #[test]
    fn entries_expire() {
        let mut entry = wire();
        entry.expires_at = 100;
        let entry = read(entry).unwrap();
        assert!(entry.has_expired(from_unix_seconds(100).unwrap()));
        assert!(!entry.has_expired(from_unix_seconds(99).unwrap()));
    }
}
