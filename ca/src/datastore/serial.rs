//! Certificate serial numbers as the datastore knows them.

use std::fmt;
use std::str::FromStr;

use super::{DatastoreError, Result};

/// A certificate's serial number: positive, at most 20 octets (RFC 5280 §4.1.2.2), one value however it is spelt.
///
/// Read from hexadecimal in either case, with or without leading zeros and colons between octets, since that is
/// how people and tools hand serials around; shown as lower-case hexadecimal with whole octets and no leading zero
/// octet.
#[derive(Clone, Eq, PartialEq, Ord, PartialOrd, Hash)]
pub struct SerialNumber(Vec<u8>);

impl SerialNumber {
    /// The most octets a serial number may have.
    pub const MAX_LEN: usize = 20;

    /// The serial number with this big-endian value; leading zero octets are ignored.
    ///
    /// # Errors
    /// [`DatastoreError::Invalid`] for zero and for more than [`SerialNumber::MAX_LEN`] octets.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let value: Vec<u8> = bytes.iter().copied().skip_while(|&b| b == 0).collect();
        match value.len() {
            0 => Err(DatastoreError::invalid("the serial number", "it is zero")),
            1..=Self::MAX_LEN => Ok(Self(value)),
            _ => Err(DatastoreError::invalid(
                "the serial number",
                "it is longer than 20 octets",
            )),
        }
    }

    /// The value, big-endian, without leading zero octets.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for SerialNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SerialNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SerialNumber({self})")
    }
}

impl FromStr for SerialNumber {
    type Err = DatastoreError;

    fn from_str(text: &str) -> Result<Self> {
        // Generous enough for colons and some leading zeros; the rest is no serial number.
        if text.len() > 4 * Self::MAX_LEN {
            return Err(DatastoreError::invalid(
                "the serial number",
                "it is longer than 20 octets",
            ));
        }
        let mut digits: String = text.chars().filter(|&c| c != ':').collect();
        if digits.len() % 2 == 1 {
            digits.insert(0, '0');
        }
        let bytes = hex::decode(&digits)
            .map_err(|_| DatastoreError::invalid("the serial number", "it is not hexadecimal"))?;
        Self::from_bytes(&bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_however_it_is_spelt() {
        let serial: SerialNumber = "0a1bff".parse().unwrap();
        for text in ["0A1BFF", "a1bff", "0a:1b:ff", "00000a1bff"] {
            assert_eq!(text.parse::<SerialNumber>().unwrap(), serial, "{text:?}");
        }
        assert_eq!(serial.to_string(), "0a1bff");
        assert_eq!(serial.as_bytes(), [0x0a, 0x1b, 0xff]);
    }

    #[test]
    fn what_is_no_serial_number_is_refused() {
        let long = "7f".repeat(21);
        for text in [
            "",
            "0",
            "0000",
            "xyz",
            "-1",
            "12 34",
            "é1",
            long.as_str(),
            &"0".repeat(1_000),
        ] {
            assert!(text.parse::<SerialNumber>().is_err(), "{text:?}");
        }
        assert!("7f".repeat(20).parse::<SerialNumber>().is_ok());
    }
}
