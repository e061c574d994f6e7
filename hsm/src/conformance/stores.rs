//! What a store must do with its keys.

use std::sync::Arc;

use symbolon_crypto::{Component, HeldKey, MlDsaContext};

use super::keys::{sign, verify};
use super::scratch::{Scratch, Subject, label};
use super::{CheckResult, Reopen, ensure, passed, while_};
use crate::names::KeyId;
use crate::store::{KeyInfo, KeyStore, StoreError};

pub(super) const UNKNOWN_ID: &str = "names an unknown key";
pub(super) const REFUSES: &str = "refuses what it does not offer";
pub(super) const REOPEN: &str = "has the same keys when opened anew";

type StoreCheck = fn(&mut Scratch<'_>, &Subject) -> CheckResult;

/// The checks that make, find and destroy keys beside the subject.
pub(super) const CHECKS: [(&str, StoreCheck); 5] = [
    ("opens a key again", opens),
    ("lists a key as it was made", lists),
    ("tells keys of one label apart", tells_apart),
    ("generates from many threads at once", generates_concurrently),
    ("destroys for good", destroys),
];

/// Ids that no store has given: one of no shape in particular, one of the software store's.
pub(super) fn unknown_id(store: &dyn KeyStore) -> CheckResult {
    for text in ["conformance-no-such-key", "00000000000000000000000000000000"] {
        let id = KeyId::parse(text).map_err(|e| while_("making an id")(&e))?;
        is_unknown(store, &id)?;
    }
    passed()
}

/// A component that is not offered is refused as such, and nothing is made.
pub(super) fn refuses(store: &dyn KeyStore, component: Component) -> Result<(), String> {
    let before = list(store)?;
    match store.generate(component, &label(component)?) {
        Err(StoreError::Unsupported(unsupported)) => {
            ensure(
                unsupported.component == component,
                "the refusal names another component",
            )?;
        }
        Err(error) => return Err(while_("refusing")(&error)),
        Ok(_) => return Err("it is not offered, and yet was made".to_owned()),
    }
    let after = list(store)?;
    ensure(
        after
            .iter()
            .all(|info| before.contains(info) || info.component != component),
        "a key was made all the same",
    )
}

fn opens(scratch: &mut Scratch<'_>, subject: &Subject) -> CheckResult {
    let (first, second) = (
        open(scratch.store, &subject.info)?,
        open(scratch.store, &subject.info)?,
    );
    // The earlier handle still signs after the later one did, and after that one is gone.
    signs_as(&*second, subject)?;
    signs_as(&*first, subject)?;
    drop(second);
    signs_as(&*first, subject)?;
    passed()
}

fn lists(scratch: &mut Scratch<'_>, subject: &Subject) -> CheckResult {
    let infos = list(scratch.store)?;
    let found: Vec<&KeyInfo> = infos.iter().filter(|info| info.id == subject.info.id).collect();
    match found.as_slice() {
        [info] => ensure(
            **info == subject.info,
            format!(
                "the key is listed as {} with label {}",
                info.component, info.label
            ),
        )?,
        found => return Err(format!("the key is listed {} times", found.len())),
    }
    ensure(
        infos.is_sorted_by(|a, b| a.id < b.id),
        "the list is not ordered by id",
    )?;
    passed()
}

fn tells_apart(scratch: &mut Scratch<'_>, subject: &Subject) -> CheckResult {
    let other = scratch.generate(subject.info.component)?;
    ensure(other.info.id != subject.info.id, "two keys have one id")?;
    ensure(
        other.info.public_key != subject.info.public_key,
        "two keys are the same key",
    )?;
    ensure(
        other.info.label == subject.info.label,
        "the label of the second key changed",
    )?;
    for one in [subject, &other] {
        signs_as(&*open(scratch.store, &one.info)?, one)?;
    }
    let infos = list(scratch.store)?;
    ensure(
        infos.contains(&subject.info) && infos.contains(&other.info),
        "not both keys are listed as they were made",
    )?;
    passed()
}

fn generates_concurrently(scratch: &mut Scratch<'_>, subject: &Subject) -> CheckResult {
    let store = scratch.store;
    let component = subject.info.component;
    let label = label(component)?;
    let made: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..3)
            .map(|_| scope.spawn(|| store.generate(component, &label)))
            .collect();
        threads.into_iter().map(|thread| thread.join()).collect()
    });
    // All are remembered before the first problem is reported, so that none stays behind.
    let mut infos = Vec::new();
    let mut problem = None;
    for result in made {
        match result {
            Ok(Ok((info, _))) => {
                scratch.remember(info.id.clone());
                infos.push(info);
            }
            Ok(Err(error)) => problem = Some(while_("generating")(&error)),
            Err(_) => problem = Some("a thread panicked".to_owned()),
        }
    }
    if let Some(problem) = problem {
        return Err(problem);
    }
    let listed = list(store)?;
    ensure(
        infos.iter().all(|info| listed.contains(info)),
        "a key is missing from the list",
    )?;
    let mut ids: Vec<_> = infos.iter().map(|info| &info.id).collect();
    ids.sort();
    ids.dedup();
    ensure(ids.len() == infos.len(), "two keys have one id")?;
    passed()
}

fn destroys(scratch: &mut Scratch<'_>, subject: &Subject) -> CheckResult {
    let doomed = scratch.generate(subject.info.component)?;
    scratch
        .store
        .destroy(&doomed.info.id)
        .map_err(|e| while_("destroying")(&e))?;
    is_gone(scratch.store, &doomed.info.id)?;
    signs_as(&*open(scratch.store, &subject.info)?, subject)
        .map_err(|problem| format!("a key beside the destroyed one suffered: {problem}"))?;
    passed()
}

/// What a restarted process finds: the keys with their labels, and nothing that was destroyed.
pub(super) fn reopen(scratch: &mut Scratch<'_>, subject: &Subject, reopen: Reopen<'_>) -> CheckResult {
    let doomed = scratch.generate(subject.info.component)?;
    scratch
        .store
        .destroy(&doomed.info.id)
        .map_err(|e| while_("destroying")(&e))?;
    let store = reopen().map_err(|e| while_("opening the store anew")(&e))?;
    ensure(
        list(&*store)?.contains(&subject.info),
        "a key is missing or has changed",
    )?;
    signs_as(&*open(&*store, &subject.info)?, subject)?;
    is_gone(&*store, &doomed.info.id)?;
    passed()
}

fn is_gone(store: &dyn KeyStore, id: &KeyId) -> Result<(), String> {
    is_unknown(store, id)?;
    ensure(
        list(store)?.iter().all(|info| info.id != *id),
        "a destroyed key is still listed",
    )
}

fn is_unknown(store: &dyn KeyStore, id: &KeyId) -> Result<(), String> {
    for (doing, result) in [("open", store.open(id).map(drop)), ("destroy", store.destroy(id))] {
        match result {
            Err(StoreError::UnknownKey { id: named, .. }) => {
                ensure(named == *id, format!("{doing} names another key, {named}"))?;
            }
            Err(error) => {
                return Err(format!(
                    "{doing} says something other than that the key is unknown: {error}"
                ));
            }
            Ok(()) => return Err(format!("{doing} of a key that does not exist succeeds")),
        }
    }
    Ok(())
}

fn signs_as(key: &dyn HeldKey, subject: &Subject) -> Result<(), String> {
    ensure(
        *key.public_key() == subject.info.public_key,
        "the handle has another public key",
    )?;
    let signature = sign(key, b"message", MlDsaContext::EMPTY)?;
    verify(subject, b"message", &signature, MlDsaContext::EMPTY)
}

fn open(store: &dyn KeyStore, info: &KeyInfo) -> Result<Arc<dyn HeldKey>, String> {
    store.open(&info.id).map_err(|e| while_("opening")(&e))
}

fn list(store: &dyn KeyStore) -> Result<Vec<KeyInfo>, String> {
    store.list().map_err(|e| while_("listing")(&e))
}
