//! Which PINs were tried on the tokens of a module, so that a wrong one is never tried twice.
//!
//! A token counts wrong PINs and locks itself after a few. A process that opens a token again, by its own retry or
//! because two stores name it, must not use up the operator's tries. Digests are kept, under a key that no one else
//! knows; never the PINs.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use symbolon_crypto::{digest, random};
use zeroize::Zeroizing;

use super::error::PinRefusal;
use crate::secret::Passphrase;

/// How a token answered to a PIN.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Answer {
    Accepted,
    Refused(PinRefusal),
}

pub(super) struct Pins {
    key: Zeroizing<[u8; 32]>,
    answers: Mutex<BTreeMap<(String, [u8; 32]), Answer>>,
}

impl fmt::Debug for Pins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pins(hidden)")
    }
}

impl Pins {
    pub(super) fn new() -> Result<Self, random::RandomError> {
        let mut key = Zeroizing::new([0; 32]);
        random::fill(&mut *key)?;
        Ok(Self {
            key,
            answers: Mutex::default(),
        })
    }

    /// Remembers the answer of the token with this serial number.
    pub(super) fn remember(&self, serial: &str, pin: &Passphrase, answer: Answer) {
        let entry = (serial.to_owned(), self.digest(pin));
        self.answers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(entry, answer);
    }

    /// What the token said to this PIN, if it was asked. Others may have locked or changed it since.
    pub(super) fn answer(&self, serial: &str, pin: &Passphrase) -> Option<Answer> {
        let entry = (serial.to_owned(), self.digest(pin));
        self.answers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&entry)
            .copied()
    }

    /// Whether the token accepted some PIN of ours, which need not be this one.
    pub(super) fn accepted_any(&self, serial: &str) -> bool {
        self.answers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .any(|((token, _), answer)| token == serial && *answer == Answer::Accepted)
    }

    fn digest(&self, pin: &Passphrase) -> [u8; 32] {
        digest::sha256_of(&[&*self.key, pin.expose()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pin(text: &str) -> Passphrase {
        Passphrase::new(text.as_bytes().to_vec().into()).expect("pin")
    }

    #[test]
    fn answers_belong_to_one_pin_on_one_token() {
        let pins = Pins::new().expect("random");
        let wrong = Answer::Refused(PinRefusal::Incorrect);
        pins.remember("1", &pin("1234"), wrong);
        assert_eq!(pins.answer("1", &pin("1234")), Some(wrong));
        assert_eq!(pins.answer("1", &pin("4321")), None);
        assert_eq!(pins.answer("2", &pin("1234")), None);
        assert!(!pins.accepted_any("1"));
        pins.remember("1", &pin("4321"), Answer::Accepted);
        assert!(pins.accepted_any("1") && !pins.accepted_any("2"));
    }

    #[test]
    fn nothing_is_printed() {
        let pins = Pins::new().expect("random");
        pins.remember("1", &pin("hunter2"), Answer::Accepted);
        assert_eq!(format!("{pins:?}"), "Pins(hidden)");
    }
}
