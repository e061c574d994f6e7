//! The way to a token: which slot it is in, sessions there, and the PIN.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use cryptoki::context::Pkcs11;
use cryptoki::error::{Error as Cryptoki, RvError};
use cryptoki::session::{Session, SessionState, UserType};
use cryptoki::slot::{Slot, TokenInfo};
use cryptoki::types::RawAuthPin;

use super::desk::Fault;
use super::error::{PinRefusal, Pkcs11Error, code, words};
use super::module::Module;
use super::pins::Answer;
use super::selector::TokenSelector;
use crate::secret::Passphrase;

/// What the workers of one token have in common.
#[derive(Debug)]
pub(super) struct Access {
    module: Arc<Module>,
    selector: TokenSelector,
    pin: Option<Passphrase>,
    /// Set when the token is first found: it must not become another one.
    serial: OnceLock<String>,
    /// Set when the token refuses the PIN: for good.
    refused: OnceLock<PinRefusal>,
    stay: Mutex<Arc<Stay>>,
    limit: Duration,
    /// Whether nothing is to be changed: sessions are read-only, and without a PIN only public objects are seen.
    only_looks: bool,
}

/// What holds for one epoch of the module. A call that hangs there holds up nobody in the next.
#[derive(Debug, Default)]
pub(super) struct Stay {
    epoch: u64,
    sessions: AtomicUsize,
    /// Held while logging in, which one worker does for all.
    logged_in: Mutex<bool>,
}

impl Stay {
    fn logged_in(&self) -> MutexGuard<'_, bool> {
        self.logged_in.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes a session while the worker holds a pass. With its last one, a token logs the application out: that is
    /// noted first, so that nobody relies on a login that is about to end.
    pub(super) fn close(&self, session: Session) {
        let mut logged_in = self.logged_in();
        if self.sessions.fetch_sub(1, Ordering::SeqCst) == 1 {
            *logged_in = false;
        }
        drop(logged_in);
        if let Err(error) = session.close() {
            tracing::debug!(error = words(&error), "C_CloseSession failed");
        }
    }
}

impl Access {
    /// A token that is not looked for before it is used; each call to it may take `limit`.
    pub(super) fn new(
        module: Arc<Module>,
        selector: TokenSelector,
        pin: Option<Passphrase>,
        limit: Duration,
    ) -> Self {
        Self {
            module,
            selector,
            pin,
            serial: OnceLock::new(),
            refused: OnceLock::new(),
            stay: Mutex::default(),
            limit,
            only_looks: false,
        }
    }

    /// The same for somebody who changes nothing, and who may look without a PIN.
    pub(super) fn looking(
        module: Arc<Module>,
        selector: TokenSelector,
        pin: Option<Passphrase>,
        limit: Duration,
    ) -> Self {
        Self {
            only_looks: true,
            ..Self::new(module, selector, pin, limit)
        }
    }

    pub(super) fn module(&self) -> &Module {
        &self.module
    }

    /// The token in messages: its label where it was chosen by one.
    pub(super) fn name(&self) -> String {
        match &self.selector.label {
            Some(label) => label.clone(),
            None => self.selector.to_string(),
        }
    }

    /// Whether the token was ever found.
    pub(super) fn is_known(&self) -> bool {
        self.serial.get().is_some()
    }

    /// How many sessions are open.
    pub(super) fn sessions(&self) -> usize {
        let stay = self.stay.lock().unwrap_or_else(PoisonError::into_inner);
        stay.sessions.load(Ordering::SeqCst)
    }

    /// What holds for an epoch.
    fn stay(&self, epoch: u64) -> Arc<Stay> {
        let mut stay = self.stay.lock().unwrap_or_else(PoisonError::into_inner);
        if stay.epoch == epoch {
            return Arc::clone(&stay);
        }
        let new = Arc::new(Stay {
            epoch,
            ..Stay::default()
        });
        // A straggler of an earlier epoch is on its own.
        if stay.epoch < epoch {
            *stay = Arc::clone(&new);
        }
        new
    }

    pub(super) fn error(&self, error: &Cryptoki, doing: &'static str, gone: bool) -> Pkcs11Error {
        Pkcs11Error::Token {
            token: self.name(),
            doing,
            what: words(error),
            gone,
        }
    }

    /// How long a call may take.
    pub(super) fn limit(&self) -> Duration {
        self.limit
    }

    /// The slot of the token: the only one that matches.
    fn find(&self, context: &Pkcs11) -> Result<(Slot, TokenInfo), Fault> {
        let mut present = Vec::new();
        let mut found = Vec::new();
        for slot in context.get_slots_with_token()? {
            // A token that cannot even be described is none that we could use; the others may be.
            let Ok(info) = context.get_token_info(slot) else {
                present.push(format!("one in slot {slot} that does not answer"));
                continue;
            };
            if !info.token_initialized() {
                continue;
            }
            present.push(format!("{:?} in slot {slot}", info.label()));
            if self.selector.matches(slot.id(), &info) {
                found.push((slot, info));
            }
        }
        let present = match present.len() {
            0 => "it has no token".to_owned(),
            _ => format!("there is {}", present.join(", ")),
        };
        let wanted = self.selector.to_string();
        if found.len() > 1 {
            let count = found.len();
            return Err(Pkcs11Error::ManyTokens {
                wanted,
                count,
                present,
            }
            .into());
        }
        let Some((slot, info)) = found.pop() else {
            let module = self.module.path().to_owned();
            return Err(Pkcs11Error::NoToken {
                wanted,
                module,
                present,
            }
            .into());
        };
        let serial = self.serial.get_or_init(|| info.serial_number().to_owned());
        if serial != info.serial_number() {
            return Err(Pkcs11Error::OtherToken {
                token: self.name(),
                was: serial.clone(),
                now: info.serial_number().to_owned(),
            }
            .into());
        }
        Ok((slot, info))
    }

    /// Opens a session in the epoch that the worker holds a pass for, and logs in.
    pub(super) fn open(&self, context: &Pkcs11, epoch: u64) -> Result<(Session, Slot, Arc<Stay>), Fault> {
        if let Some(refusal) = self.refused.get() {
            return Err(self.refusal(*refusal).into());
        }
        let stay = self.stay(epoch);
        let (slot, info) = self.find(context)?;
        // Never closed by the binding: after a restart of the module its number may be somebody else's.
        let opened = match self.only_looks || info.write_protected() {
            true => context.open_ro_session_no_drop(slot),
            false => context.open_rw_session_no_drop(slot),
        };
        let session = opened.map_err(|error| match code(&error) {
            Some(RvError::SessionCount) if stay.sessions.load(Ordering::SeqCst) > 0 => {
                Fault::NoSession(error)
            }
            _ => Fault::Call(error),
        })?;
        stay.sessions.fetch_add(1, Ordering::SeqCst);
        match self.log_in(&stay, &session, &info) {
            Ok(()) => Ok((session, slot, stay)),
            Err(fault) => {
                stay.close(session);
                Err(fault)
            }
        }
    }

    fn log_in(&self, stay: &Stay, session: &Session, info: &TokenInfo) -> Result<(), Fault> {
        let mut logged_in = stay.logged_in();
        if *logged_in {
            return Ok(());
        }
        // Somebody may have been refused while we waited for our turn.
        if let Some(refusal) = self.refused.get() {
            return Err(self.refusal(*refusal).into());
        }
        let Some(pin) = &self.pin else {
            if self.only_looks {
                return Ok(());
            }
            if info.protected_authentication_path() {
                session.login(UserType::User, None)?;
                *logged_in = true;
            } else if info.login_required() {
                return Err(Pkcs11Error::PinMissing { token: self.name() }.into());
            }
            return Ok(());
        };
        self.offer(pin, session, info)?;
        *logged_in = true;
        Ok(())
    }

    /// Tries the PIN, unless it is known what will come of it.
    fn offer(&self, pin: &Passphrase, session: &Session, info: &TokenInfo) -> Result<(), Fault> {
        let (pins, serial) = (self.module.pins(), info.serial_number());
        let refuse = |refusal: PinRefusal| {
            let refusal = *self.refused.get_or_init(|| refusal);
            Fault::Known(self.refusal(refusal))
        };
        match pins.answer(serial, pin) {
            Some(Answer::Refused(refusal)) => return Err(refuse(refusal)),
            _ if info.user_pin_locked() => return Err(refuse(PinRefusal::Locked)),
            Some(Answer::Accepted) => {}
            // What starts us again and again after a wrong PIN must not lock the token: the last try is a person's.
            None if info.user_pin_final_try() => return Err(refuse(PinRefusal::LastTry)),
            None => {}
        }
        let raw = RawAuthPin::new(Box::new(pin.expose().to_vec()));
        let error = match session.login_with_raw(UserType::User, &raw) {
            Ok(()) => {
                pins.remember(serial, pin, Answer::Accepted);
                return Ok(());
            }
            Err(error) => error,
        };
        if code(&error) == Some(&RvError::UserAlreadyLoggedIn) {
            // Another store of this process is; the token does not look at this PIN then, so we must.
            let other = pins.accepted_any(serial) && pins.answer(serial, pin).is_none();
            return match other {
                true => Err(refuse(PinRefusal::Incorrect)),
                false => Ok(()),
            };
        }
        match PinRefusal::of(&error) {
            Some(refusal) => {
                pins.remember(serial, pin, Answer::Refused(refusal));
                Err(refuse(refusal))
            }
            None => Err(error.into()),
        }
    }

    fn refusal(&self, refusal: PinRefusal) -> Pkcs11Error {
        Pkcs11Error::PinRefused {
            token: self.name(),
            refusal,
        }
    }

    /// Whether a session is as logged in as we take it to be, at the token that we know.
    pub(super) fn is_in_order(&self, context: &Pkcs11, slot: Slot, session: &Session, stay: &Stay) -> bool {
        let info = context.get_token_info(slot);
        let same = info.is_ok_and(|info| {
            let serial = self.serial.get();
            info.token_initialized() && serial.is_none_or(|serial| serial == info.serial_number())
        });
        let state = session.get_session_info().map(|info| info.session_state());
        let is_out = |state| matches!(state, SessionState::RoPublic | SessionState::RwPublic);
        same && state.is_ok_and(|state| !*stay.logged_in() || !is_out(state))
    }
}
