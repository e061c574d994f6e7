//! Names that the server chooses.

use symbolon_crypto::random;
use tonic::Status;

use crate::status::failure;

/// A new id: a random UUID (RFC 9562, version 4).
///
/// # Errors
/// `Internal` when the random generator fails.
pub(crate) fn fresh() -> Result<String, Status> {
    let mut bytes = [0; 16];
    random::fill(&mut bytes).map_err(|error| failure("no id could be drawn", &error))?;
    let value = u128::from_be_bytes(bytes);
    let value = value & !(0xf << 76) | 4 << 76;
    let value = value & !(0b11 << 62) | 0b10 << 62;
    let group = |shift: u32, digits: u32| (value >> shift) & ((1 << (4 * digits)) - 1);
    Ok(format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        group(96, 8),
        group(80, 4),
        group(64, 4),
        group(48, 4),
        group(0, 12)
    ))
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
