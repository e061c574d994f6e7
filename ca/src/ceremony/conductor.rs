//! Whoever leads through a ceremony: a person at a terminal, or a test.

use symbolon_hsm::{Passphrase, PassphraseError, StoreName};

use super::event::Event;
use super::plan::{Custodian, Name};

/// A secret that somebody is to enter.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SecretWanted {
    /// Who, if it is a custodian.
    pub custodian: Option<Name>,
    /// Which secret.
    pub kind: SecretKind,
    /// What to ask, in words.
    pub words: String,
    /// Whether it is about to be set, so that it is better asked for twice.
    pub is_new: bool,
}

/// Which secret it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum SecretKind {
    /// The passphrase of a share.
    Share,
    /// The PIN of a token, or a part of it.
    Pin(StoreName),
    /// What a store asks for by itself.
    Store(StoreName),
}

impl SecretWanted {
    pub(super) fn share(custodian: &Custodian, is_new: bool) -> Self {
        let words = match is_new {
            true => "a passphrase for the share",
            false => "the passphrase of the share",
        };
        Self {
            custodian: Some(custodian.name.clone()),
            kind: SecretKind::Share,
            words: format!("{} ({}): {words}", custodian.name, custodian.role),
            is_new,
        }
    }

    pub(super) fn pin(custodian: &Custodian, store: &StoreName, part: usize, parts: usize) -> Self {
        let words = match parts {
            1 => format!("the PIN of {store}"),
            _ => format!("part {part} of {parts} of the PIN of {store}"),
        };
        Self {
            custodian: Some(custodian.name.clone()),
            kind: SecretKind::Pin(store.clone()),
            words: format!("{} ({}): {words}", custodian.name, custodian.role),
            is_new: false,
        }
    }
}

/// Leads through a ceremony: says what comes, asks whoever must answer, and hears of every event as soon as it is on
/// the disk.
pub trait Conductor {
    /// Says what is about to happen, and who must come.
    fn step(&mut self, words: &str);

    /// Asks whether to go on.
    ///
    /// # Errors
    /// [`Declined`], and nothing was done.
    fn confirm(&mut self, question: &str) -> Result<(), Declined>;

    /// Asks for a secret.
    ///
    /// # Errors
    /// [`PassphraseError`] when there is none.
    fn secret(&mut self, wanted: &SecretWanted) -> Result<Passphrase, PassphraseError>;

    /// An event was written to the transcript.
    fn written(&mut self, event: &Event) {
        let _ = event;
    }
}

/// The answer was no.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("it was not confirmed")]
pub struct Declined;

impl From<Declined> for super::error::CeremonyError {
    fn from(_: Declined) -> Self {
        Self::Declined
    }
}
