//! The system's random generator.

use aws_lc_rs::rand;

/// The random generator failed; nothing that needs randomness may go on.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the random number generator failed")]
pub struct RandomError;

/// Fills `out` with random bytes fit for keys, nonces and serial numbers.
///
/// # Errors
/// [`RandomError`] if the generator fails; `out` is then not to be used.
pub fn fill(out: &mut [u8]) -> Result<(), RandomError> {
    rand::fill(out).map_err(|_| RandomError)
}
