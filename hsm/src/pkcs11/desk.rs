//! A worker's place at a token: its session, opened and logged in when needed, in the module's current epoch.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cryptoki::context::Pkcs11;
use cryptoki::error::Error as Cryptoki;
use cryptoki::session::Session;
use cryptoki::slot::Slot;
use symbolon_crypto::Component;

use super::access::{Access, Stay};
use super::error::{Pkcs11Error, says_gone, says_little};
use super::gate::Pass;
use crate::names::KeyId;

/// Why work at a desk failed.
#[derive(Debug)]
pub(super) enum Fault {
    /// A function of the module returned an error.
    Call(Cryptoki),
    /// The token gives no session to this worker, and has given one to others.
    NoSession(Cryptoki),
    /// What is wrong is known.
    Known(Pkcs11Error),
    /// The token has no such key.
    Unknown(KeyId),
    /// The token turns out not to make such keys; why.
    Unsupported(Component, String),
}

impl From<Cryptoki> for Fault {
    fn from(error: Cryptoki) -> Self {
        Self::Call(error)
    }
}

impl From<Pkcs11Error> for Fault {
    fn from(error: Pkcs11Error) -> Self {
        Self::Known(error)
    }
}

/// A worker's session, between calls.
#[derive(Debug, Default)]
pub(super) struct Seat(Option<Taken>);

#[derive(Debug)]
struct Taken {
    access: Arc<Access>,
    context: Pkcs11,
    stay: Arc<Stay>,
    epoch: u64,
    slot: Slot,
    session: Session,
}

/// A session that can be used now: its worker holds a pass.
#[derive(Clone, Copy, Debug)]
pub(super) struct Desk<'a> {
    pub(super) access: &'a Access,
    pub(super) context: &'a Pkcs11,
    pub(super) epoch: u64,
    pub(super) slot: Slot,
    pub(super) session: &'a Session,
    stay: &'a Stay,
}

impl Seat {
    /// Sits down in the epoch that the worker holds a pass for. A session of an earlier one is dropped and not closed:
    /// its module has forgotten it, or keeps it where nobody goes any more.
    pub(super) fn sit(&mut self, access: &Arc<Access>, pass: &Pass<'_, Pkcs11>) -> Result<Desk<'_>, Fault> {
        let epoch = pass.epoch();
        let taken = match self.0.take().filter(|taken| taken.epoch == epoch) {
            Some(taken) => taken,
            None => {
                let context = pass.module().clone();
                let (session, slot, stay) = access.open(&context, epoch)?;
                Taken {
                    access: Arc::clone(access),
                    context,
                    stay,
                    epoch,
                    slot,
                    session,
                }
            }
        };
        Ok(self.0.insert(taken).desk())
    }

    /// Whether an error means that the token is not there as it was. Those that could mean anything are looked into.
    pub(super) fn finds_gone(&self, error: &Cryptoki) -> bool {
        let taken = self.0.as_ref();
        says_gone(error) || (says_little(error) && taken.is_none_or(|taken| !taken.desk().is_present()))
    }

    /// Closes the session. The worker still holds its pass.
    pub(super) fn leave(&mut self) {
        if let Some(taken) = self.0.take() {
            taken.stay.close(taken.session);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Some(taken) = self.0.take() else {
            return;
        };
        // A moment, in case the module is just starting again; then the session is gone anyway.
        let patience = Instant::now() + Duration::from_secs(1);
        if let Ok(pass) = taken.access.module().gate().enter(patience)
            && pass.epoch() == taken.epoch
        {
            taken.stay.close(taken.session);
        }
    }
}

impl Taken {
    fn desk(&self) -> Desk<'_> {
        Desk {
            access: &self.access,
            context: &self.context,
            epoch: self.epoch,
            slot: self.slot,
            session: &self.session,
            stay: &self.stay,
        }
    }
}

impl Desk<'_> {
    /// The token's name in messages.
    pub(super) fn token(&self) -> String {
        self.access.name()
    }

    /// Whether the token is still the one it was, and we are still logged in.
    pub(super) fn is_present(&self) -> bool {
        let Self { access, context, .. } = self;
        access.is_in_order(context, self.slot, self.session, self.stay)
    }
}
