//! What every backend refuses to keep, so that all of them keep the same things.

use symbolon_pki::bundle::{MAX_AUTHORITIES, TrustBundle};

use super::{AgentRecord, DatastoreError, EntryRecord, MAX_FEDERATED_BUNDLE, Result, Selector};

/// Refuses text with a NUL, which PostgreSQL cannot hold and SQLite's functions cut short.
pub(crate) fn text(field: &'static str, text: &str) -> Result<()> {
    if text.contains('\0') {
        Err(DatastoreError::invalid(field, "it holds a NUL character"))
    } else {
        Ok(())
    }
}

/// Checks an entry that is to be kept.
pub(crate) fn entry(entry: &EntryRecord) -> Result<()> {
    if entry.id.is_empty() {
        return Err(DatastoreError::invalid("the entry's id", "it is empty"));
    }
    if entry.selectors.is_empty() {
        return Err(DatastoreError::invalid("the entry's selectors", "there are none"));
    }
    text("the entry's id", &entry.id)?;
    text("the entry's hint", &entry.hint)?;
    text("the entry's owner", &entry.owner)?;
    entry
        .dns_names
        .iter()
        .try_for_each(|name| text("a DNS name of the entry", name))?;
    entry
        .leaf_key_algorithms
        .iter()
        .try_for_each(|name| text("a key algorithm of the entry", name))?;
    selectors(&entry.selectors)
}

/// Checks a bundle of another trust domain that is to be kept. One that is too long would be so in every list that it is in,
/// and in what workloads get.
pub(crate) fn federated_bundle(bundle: &TrustBundle) -> Result<()> {
    let keys = || bundle.jwt_authorities.iter().chain(&bundle.wit_authorities);
    keys().try_for_each(|key| text("a key id of the bundle", &key.key_id))?;
    let refused = |found: usize, what: &str, most: usize| {
        let reason = format!(
            "that of {} has {found} {what}; at most {most} are kept",
            bundle.trust_domain
        );
        Err(DatastoreError::invalid("the bundle", reason))
    };
    let count = bundle.x509_authorities.len() + keys().count();
    if count > MAX_AUTHORITIES {
        return refused(count, "authorities", MAX_AUTHORITIES);
    }
    let certificates = bundle.x509_authorities.iter();
    let certificates: usize = certificates
        .map(|authority| authority.certificate.der().len())
        .sum();
    let keys: usize = keys().map(|key| key.key_id.len() + key.spki_der().len()).sum();
    match certificates + keys {
        length if length > MAX_FEDERATED_BUNDLE => {
            refused(length, "bytes of certificates and keys", MAX_FEDERATED_BUNDLE)
        }
        _ => Ok(()),
    }
}

/// Checks an agent that is to be kept.
pub(crate) fn agent(agent: &AgentRecord) -> Result<()> {
    text("the agent's attestation type", &agent.attestation_type)?;
    agent
        .agent_version
        .iter()
        .try_for_each(|version| text("the agent's version", version))?;
    selectors(&agent.selectors)
}

/// Checks selectors that are to be kept.
pub(crate) fn selectors<'a>(selectors: impl IntoIterator<Item = &'a Selector>) -> Result<()> {
    selectors.into_iter().try_for_each(|selector| {
        text("a selector's type", &selector.kind)?;
        text("a selector's value", &selector.value)
    })
}
