//! Serial numbers: 128 random bits.

use std::fmt;

/// Why no serial number came about.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SerialError {
    /// The caller's source of randomness failed.
    #[error("the random number generator failed while making a serial number")]
    Randomness,
    /// Sixteen zero bytes, or a set top bit: from a random source, a sign that it is broken.
    #[error("a serial number is positive and has its top bit clear")]
    NotPositive,
}

/// A certificate's serial number: 16 bytes, positive as a signed big-endian INTEGER (RFC 5280, section 4.1.2.2).
///
/// All bits but the topmost come from the random source, so that serials neither collide nor can be guessed, and
/// no two servers need to agree on a counter.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Serial([u8; 16]);

impl Serial {
    /// Makes a serial from `fill`, which fills the buffer with random bytes.
    ///
    /// # Errors
    /// [`SerialError::Randomness`] if `fill` fails, [`SerialError::NotPositive`] if it gives nothing but zeros.
    pub fn random<E>(fill: impl FnOnce(&mut [u8]) -> Result<(), E>) -> Result<Self, SerialError> {
        let mut bytes = [0; 16];
        fill(&mut bytes).map_err(|_| SerialError::Randomness)?;
        bytes[0] &= 0x7f;
        Self::from_bytes(bytes)
    }

    /// Takes a serial that was made before, for instance one read back from a record.
    ///
    /// # Errors
    /// [`SerialError::NotPositive`] for zero and for a set top bit.
    pub fn from_bytes(bytes: [u8; 16]) -> Result<Self, SerialError> {
        match u128::from_be_bytes(bytes) {
            0 => Err(SerialError::NotPositive),
            value if value >> 127 == 1 => Err(SerialError::NotPositive),
            _ => Ok(Self(bytes)),
        }
    }

    /// The 16 bytes, big-endian, leading zeros included.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Lower-case hex of the INTEGER's content octets, which is how certificates and records are looked up by
    /// serial.
    pub fn hex(&self) -> String {
        self.content().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The number in decimal, as SPIRE writes it into its authorities' subjects and agent records.
    pub fn decimal(&self) -> String {
        u128::from_be_bytes(self.0).to_string()
    }

    /// The content octets of the DER INTEGER: no leading zero byte unless the next one's top bit is set (X.690,
    /// section 8.3.2).
    pub(crate) fn content(&self) -> &[u8] {
        let mut rest: &[u8] = &self.0;
        while let [0, tail @ ..] = rest
            && tail.first().is_some_and(|next| next & 0x80 == 0)
        {
            rest = tail;
        }
        rest
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.hex())
    }
}

impl fmt::Debug for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Serial({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serial(value: u128) -> Serial {
        Serial::from_bytes(value.to_be_bytes()).unwrap()
    }

    #[test]
    fn the_top_bit_is_cleared() {
        let serial = Serial::random(|out| {
            out.fill(0xff);
            Ok::<_, ()>(())
        });
        assert_eq!(serial.unwrap().hex(), format!("7f{}", "ff".repeat(15)));
    }

    #[test]
    fn a_broken_source_is_refused() {
        assert_eq!(Serial::random(|_| Err(())), Err(SerialError::Randomness));
        assert_eq!(Serial::random(|_| Ok::<_, ()>(())), Err(SerialError::NotPositive));
        assert_eq!(Serial::from_bytes([0xff; 16]), Err(SerialError::NotPositive));
    }

    #[test]
    fn content_octets_are_minimal() {
        assert_eq!(serial(1).content(), [1]);
        assert_eq!(serial(0x80).content(), [0, 0x80]);
        assert_eq!(serial(0x0100).content(), [1, 0]);
        assert_eq!(serial(0x7f << 120).content().len(), 16);
        assert_eq!(serial(0xff << 112).content().len(), 16);
    }

    #[test]
    fn both_spellings() {
        assert_eq!(serial(255).hex(), "00ff");
        assert_eq!(serial(255).decimal(), "255");
    }
}
