//! The system's random generator.

use aws_lc_rs::rand;
use zeroize::Zeroizing;

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

/// A random UUID (RFC 9562, version 4), of which 122 bits cannot be guessed: an id, or a token, for which it is wiped.
///
/// # Errors
/// [`RandomError`] if the generator fails.
pub fn uuid() -> Result<Zeroizing<String>, RandomError> {
    let mut bytes = Zeroizing::new([0_u8; 16]);
    fill(&mut *bytes)?;
    let mut value = u128::from_be_bytes(*bytes);
    value = value & !(0xf << 76) | 4 << 76;
    value = value & !(0b11 << 62) | 0b10 << 62;
    let digits = Zeroizing::new(format!("{value:032x}"));
    let mut text = Zeroizing::new(String::with_capacity(36));
    for (position, digit) in digits.chars().enumerate() {
        if matches!(position, 8 | 12 | 16 | 20) {
            text.push('-');
        }
        text.push(digit);
    }
    Ok(text)
}
