//! What an entry lets SVIDs be: of which forms, and with keys of which algorithms.

use symbolon_pki::csr::Csr;
use tonic::Status;

use crate::datastore::EntryRecord;

/// Holds a request against its entry's policy.
///
/// # Errors
/// `PermissionDenied` for a form that the entry does not allow, and `InvalidArgument` for a key of another algorithm than
/// it names. Both say what the entry allows.
pub(super) fn check(entry: &EntryRecord, csr: &Csr) -> Result<(), Status> {
    let (form, forms) = (csr.form(), &entry.allowed_forms);
    if !forms.is_empty() && !forms.contains(&form) {
        let allowed: Vec<&str> = forms.iter().map(|form| form.name()).collect();
        return Err(Status::permission_denied(format!(
            "form: entry {:?} does not allow {form}; it allows {}",
            entry.id,
            allowed.join(", ")
        )));
    }
    let algorithms = &entry.leaf_key_algorithms;
    if algorithms.is_empty() {
        return Ok(());
    }
    for key in [Some(csr.key()), csr.alternative_key()].into_iter().flatten() {
        let name = key.algorithm_name();
        if !algorithms.contains(&name) {
            let allowed: Vec<&str> = algorithms.iter().map(String::as_str).collect();
            return Err(Status::invalid_argument(format!(
                "csr: entry {:?} does not allow keys of {name}; it allows {}",
                entry.id,
                allowed.join(", ")
            )));
        }
    }
    Ok(())
}
