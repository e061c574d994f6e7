//! Names that the server chooses.

use symbolon_crypto::random;
use tonic::Status;

use crate::status::failure;

/// A new id: a random UUID (RFC 9562, version 4).
///
/// # Errors
/// `Internal` when the random generator fails.
pub(crate) fn fresh() -> Result<String, Status> {
    let id = random::uuid().map_err(|error| failure("no id could be drawn", &error))?;
    Ok(id.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_uuids_and_differ() {
        let id = fresh().unwrap();
        let parts: Vec<_> = id.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12]);
        assert!(id[14..].starts_with('4') && "89ab".contains(&id[19..20]), "{id}");
        assert_ne!(id, fresh().unwrap());
    }
}
