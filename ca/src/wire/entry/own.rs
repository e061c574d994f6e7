//! What SPIRE's entries do not have: which forms and keys their SVIDs may have, when, and who declares them.

use std::collections::BTreeSet;

use symbolon_pki::suite::{Form, Suite};
use tonic::Status;

use super::bounded;
use crate::datastore::EntryRecord;

/// RSA keys that an SVID can have, by the names that keys show.
const RSA: [&str; 3] = ["rsa-2048", "rsa-3072", "rsa-4096"];
/// Longest name of an owner, in bytes.
const MAX_OWNER: usize = 255;

/// Reads the names of forms.
pub(super) fn read_forms(field: &str, names: &[String]) -> Result<BTreeSet<Form>, Status> {
    bounded(field, names.len(), Form::ALL.len())?;
    names
        .iter()
        .map(|name| {
            name.parse()
                .map_err(|error| Status::invalid_argument(format!("{field}: {error}")))
        })
        .collect()
}

/// Reads the names of key algorithms.
pub(super) fn read_key_algorithms(field: &str, names: &[String]) -> Result<BTreeSet<String>, Status> {
    bounded(field, names.len(), Suite::ALL.len() + RSA.len())?;
    names
        .iter()
        .map(|name| {
            let is_suite = || name.parse().is_ok_and(Suite::is_for_svids);
            if RSA.contains(&name.as_str()) || is_suite() {
                return Ok(name.clone());
            }
            let suites = Suite::DEFAULTS.map(Suite::name).join(", ");
            Err(Status::invalid_argument(format!(
                "{field}: {name:?} is no algorithm that keys of SVIDs can have; usual ones are {suites}, {}",
                RSA.join(", ")
            )))
        })
        .collect()
}

/// Reads the name of whoever declares an entry.
pub(super) fn read_owner(field: &str, owner: &str) -> Result<String, Status> {
    if owner.len() <= MAX_OWNER && owner.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(owner.to_owned());
    }
    Err(Status::invalid_argument(format!(
        "{field} must be at most {MAX_OWNER} printable ASCII characters without spaces"
    )))
}

/// Refuses a policy under which nothing could ever be issued.
pub(super) fn check_policy(entry: &EntryRecord) -> Result<(), Status> {
    if let (Some(begin), Some(end)) = (entry.not_before, entry.not_after)
        && end <= begin
    {
        return Err(Status::invalid_argument("not_after is not later than not_before"));
    }
    let forms = &entry.allowed_forms;
    if forms.contains(&Form::Paired) && !forms.contains(&Form::Classical) {
        return Err(Status::invalid_argument(
            "allowed_forms: paired needs classical beside it, for the first SVID of a pair is an ordinary classical one",
        ));
    }
    let algorithms = &entry.leaf_key_algorithms;
    let possible: BTreeSet<Form> = algorithms.iter().map(|name| form_of(name)).collect();
    let fits = |form: &Form| match form {
        Form::Paired => possible.contains(&Form::Classical) && possible.contains(&Form::MlDsa),
        Form::Catalyst => possible.contains(&Form::Classical) && possible.contains(&Form::MlDsa),
        of_key => possible.contains(of_key),
    };
    match forms.iter().find(|form| !fits(form)) {
        Some(form) if !algorithms.is_empty() => Err(Status::invalid_argument(format!(
            "leaf_key_algorithms: none of them makes the form {form} of allowed_forms{}",
            match form {
                Form::Paired | Form::Catalyst => ", which takes a classical key and one of ML-DSA",
                _ => "",
            }
        ))),
        _ => Ok(()),
    }
}

/// The form of a key of this algorithm by itself.
fn form_of(algorithm: &str) -> Form {
    algorithm.parse().map_or(Form::Classical, Suite::form)
}
