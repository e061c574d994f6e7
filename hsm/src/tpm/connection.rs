//! One connection to a TPM: its storage root key, the sessions that talk to it, and what is loaded meanwhile.
//!
//! Sessions are salted with the storage root key, whose name the store has on record: only the TPM that has that
//! key can take part, and nobody on the way to it can change a command or read a secret parameter.

use std::collections::VecDeque;
use std::fs::OpenOptions;

use tss_esapi::attributes::SessionAttributesBuilder;
use tss_esapi::constants::{CapabilityType, SessionType, StartupType, Tss2ResponseCodeKind};
use tss_esapi::handles::{KeyHandle, ObjectHandle, PersistentTpmHandle, SessionHandle, TpmHandle};
use tss_esapi::interface_types::algorithm::HashingAlgorithm;
use tss_esapi::interface_types::session_handles::{AuthSession, PolicySession};
use tss_esapi::structures::{Auth, CapabilityData, SymmetricDefinition};
use tss_esapi::{Context, Error, TctiNameConf};

use super::codes::{self, Step};
use super::config::Tcti;
use super::error::TpmError;
use super::records::Blob;

/// Transient objects that are left loaded between calls. Every TPM has room for three; a persistent object takes one
/// while it is used.
const MOST_LOADED: usize = 2;

pub(super) struct Connection {
    pub(super) context: Context,
    srk: Option<Object>,
    hmac: Option<AuthSession>,
    policy: Option<PolicySession>,
    /// Ours, transient, the latest used last.
    loaded: VecDeque<Object>,
    /// Ours, persistent.
    resident: Vec<Object>,
    retired: bool,
}

/// An object that the TPM has in reach.
#[derive(Clone)]
struct Object {
    name: Vec<u8>,
    handle: KeyHandle,
}

impl Connection {
    pub(super) fn open(tcti: &Tcti) -> Result<Self, TpmError> {
        let unreachable = |error: Error| TpmError::Unreachable {
            tcti: tcti.clone(),
            reason: device_error(tcti).unwrap_or_else(|| codes::reason(error)),
        };
        let name: TctiNameConf = tcti.as_str().parse().map_err(unreachable)?;
        let mut context = Context::new(name).map_err(unreachable)?;
        start_up(&mut context).map_err(unreachable)?;
        Ok(Self {
            context,
            srk: None,
            hmac: None,
            policy: None,
            loaded: VecDeque::new(),
            resident: Vec::new(),
            retired: false,
        })
    }

    /// The storage root key's name, once [`use_srk`](Self::use_srk) was called.
    pub(super) fn srk_name(&self) -> Option<&[u8]> {
        self.srk.as_ref().map(|srk| srk.name.as_slice())
    }

    /// Takes the persistent object `handle` for the storage root key; what was in use under another is forgotten.
    pub(super) fn use_srk(&mut self, handle: u32) -> Step<()> {
        self.srk = None;
        let object = self.persistent(handle)?;
        self.srk = Some(object);
        Ok(())
    }

    pub(super) fn srk(&self) -> Step<KeyHandle> {
        let srk = self.srk.as_ref().ok_or(TpmError::Thread {
            doing: "find the storage root key that it was to use",
        })?;
        Ok(srk.handle)
    }

    /// Whether the TPM has a persistent object of this handle.
    pub(super) fn has_handle(&mut self, handle: u32) -> Step<bool> {
        Ok(first_handle_from(&mut self.context, handle)? == Some(handle))
    }

    /// The lowest of these handles that no persistent object has.
    pub(super) fn free_handle(&mut self, handles: impl IntoIterator<Item = u32>) -> Step<u32> {
        for handle in handles {
            if !self.has_handle(handle)? {
                return Ok(handle);
            }
        }
        Err(TpmError::NoFreeHandle.into())
    }

    fn persistent(&mut self, handle: u32) -> Step<Object> {
        let handle = TpmHandle::Persistent(PersistentTpmHandle::new(handle)?);
        let object = self.context.tr_from_tpm_public(handle)?;
        let name = self.context.tr_get_name(object)?.value().to_vec();
        Ok(Object {
            name,
            handle: object.into(),
        })
    }

    /// The persistent object `handle` if it is the one that `blob` describes; `password` is what it was made with.
    pub(super) fn resident(&mut self, handle: u32, blob: &Blob, password: &[u8]) -> Step<Option<KeyHandle>> {
        let name = blob.name();
        if let Some(object) = self.resident.iter().find(|object| object.name == name) {
            return Ok(Some(object.handle));
        }
        if !self.has_handle(handle)? {
            return Ok(None);
        }
        let object = self.persistent(handle)?;
        if object.name != name {
            self.context.tr_close(&mut object.handle.into())?;
            return Ok(None);
        }
        let found = object.handle;
        self.context
            .tr_set_auth(found.into(), Auth::try_from(password)?)?;
        self.resident.push(object);
        Ok(Some(found))
    }

    /// Says that a persistent object was removed. libtss2 goes on taking its handle for the old object, so this
    /// connection is not to be used again.
    pub(super) fn retire(&mut self) {
        self.retired = true;
    }

    pub(super) fn is_retired(&self) -> bool {
        self.retired
    }

    /// Loads an object under the storage root key, unless it is still loaded; `password` is what it was made with.
    pub(super) fn load(&mut self, blob: &Blob, password: &[u8]) -> Step<KeyHandle> {
        let name = blob.name();
        if let Some(index) = self.loaded.iter().position(|object| object.name == name)
            && let Some(object) = self.loaded.remove(index)
        {
            let handle = object.handle;
            self.loaded.push_back(object);
            return Ok(handle);
        }
        self.make_room()?;
        let srk = self.srk()?;
        let session = self.session(Protect::Nothing)?;
        let (private, public) = (blob.private()?, blob.public()?);
        let handle = self
            .context
            .execute_with_session(Some(session), |context| context.load(srk, private, public))?;
        self.loaded.push_back(Object { name, handle });
        self.context
            .tr_set_auth(handle.into(), Auth::try_from(password)?)?;
        Ok(handle)
    }

    /// Takes note of a transient object that was made, so that it is given up in its turn.
    pub(super) fn remember(&mut self, name: Vec<u8>, handle: KeyHandle) {
        self.loaded.push_back(Object { name, handle });
    }

    /// Gives up everything that is loaded.
    pub(super) fn make_all_room(&mut self) -> Step<()> {
        while let Some(oldest) = self.loaded.pop_front() {
            self.context.flush_context(oldest.handle.into())?;
        }
        Ok(())
    }

    /// Makes room for the storage root key and one object more.
    pub(super) fn make_room(&mut self) -> Step<()> {
        while self.loaded.len() >= MOST_LOADED
            && let Some(oldest) = self.loaded.pop_front()
        {
            self.context.flush_context(oldest.handle.into())?;
        }
        Ok(())
    }

    /// The session for commands that a password authorises, which is also proven, not sent. It protects the
    /// command's and the answer's integrity, and what `protect` says from being read.
    pub(super) fn session(&mut self, protect: Protect) -> Step<AuthSession> {
        let session = match self.hmac {
            Some(session) => session,
            None => {
                let srk = self.srk()?;
                let session = self.start_session(Some(srk), SessionType::Hmac)?;
                *self.hmac.insert(session)
            }
        };
        self.protect(session, protect)?;
        Ok(session)
    }

    /// The session for commands that a policy authorises, with a fresh policy. Its answers are encrypted.
    pub(super) fn policy_session(&mut self) -> Step<PolicySession> {
        if let Some(session) = self.policy {
            return Ok(session);
        }
        let srk = self.srk()?;
        let session = self.start_session(Some(srk), SessionType::Policy)?;
        self.protect(session, Protect::Answer)?;
        let session = PolicySession::try_from(session)?;
        Ok(*self.policy.insert(session))
    }

    /// Ends the policy session, whose policy was left half done. The TPM itself starts a policy anew once used.
    pub(super) fn end_policy_session(&mut self) -> Step<()> {
        match self.policy.take() {
            Some(session) => Ok(self.context.flush_context(SessionHandle::from(session).into())?),
            None => Ok(()),
        }
    }

    /// Starts a session, salted with `salt` if given. The caller flushes it, or the end of the connection does.
    pub(super) fn start_session(&mut self, salt: Option<KeyHandle>, kind: SessionType) -> Step<AuthSession> {
        let session = self.context.execute_without_session(|context| {
            context.start_auth_session(
                salt,
                None,
                None,
                kind,
                SymmetricDefinition::AES_128_CFB,
                HashingAlgorithm::Sha256,
            )
        })?;
        Ok(session.ok_or(Error::WrapperError(
            tss_esapi::WrapperErrorKind::WrongValueFromTpm,
        ))?)
    }

    pub(super) fn flush_session(&mut self, session: AuthSession) -> Step<()> {
        Ok(self.context.flush_context(SessionHandle::from(session).into())?)
    }

    fn protect(&mut self, session: AuthSession, protect: Protect) -> Step<()> {
        let (attributes, mask) = SessionAttributesBuilder::new()
            .with_continue_session(true)
            .with_decrypt(matches!(protect, Protect::Both))
            .with_encrypt(matches!(protect, Protect::Both | Protect::Answer))
            .with_audit(matches!(protect, Protect::Origin))
            .build();
        Ok(self.context.tr_sess_set_attributes(session, attributes, mask)?)
    }
}

/// Which parameters a session encrypts.
#[derive(Clone, Copy)]
pub(super) enum Protect {
    /// None: nothing in them is secret, and a password is proven anyway.
    Nothing,
    /// None, for commands that need no password, so that the answer is the TPM's all the same.
    Origin,
    /// The first of the answer.
    Answer,
    /// The first of the command and of the answer.
    Both,
}

impl Drop for Connection {
    /// Leaves nothing loaded. A TPM that went away, or was reset, holds nothing any more; the first failure is enough
    /// to know, and the rest is forgotten without asking.
    fn drop(&mut self) {
        let sessions = [self.hmac.take(), self.policy.take().map(AuthSession::from)];
        let sessions = sessions
            .into_iter()
            .flatten()
            .map(|session| ObjectHandle::from(SessionHandle::from(session)));
        let objects = self
            .loaded
            .drain(..)
            .map(|object| ObjectHandle::from(object.handle));
        let mut gone = false;
        for mut handle in objects.chain(sessions) {
            if !gone && let Err(error) = self.context.flush_context(handle) {
                tracing::debug!(%error, "nothing left to flush in the TPM");
                gone = true;
            }
            if gone && let Err(error) = self.context.tr_close(&mut handle) {
                // The wrapper would rather have had it flushed, and has forgotten it all the same.
                tracing::trace!(%error, "closed");
            }
        }
    }
}

/// Why a device cannot be opened, which libtss2 keeps to itself.
fn device_error(tcti: &Tcti) -> Option<String> {
    let path = tcti.as_str().strip_prefix("device:")?;
    let opened = OpenOptions::new().read(true).write(true).open(path);
    opened.err().map(|error| error.to_string())
}

/// Sees to it that the TPM takes commands. The firmware has started it, or a resource manager; a bare simulator may
/// need telling.
fn start_up(context: &mut Context) -> Result<(), Error> {
    match first_handle_from(context, 0x8100_0000) {
        Err(error) if codes::kind(error) == Some(Tss2ResponseCodeKind::Initialize) => {
            context.startup(StartupType::Clear)
        }
        other => other.map(drop),
    }
}

/// The lowest handle of a persistent object that is not below `handle`.
fn first_handle_from(context: &mut Context, handle: u32) -> Result<Option<u32>, Error> {
    let (data, _) = context
        .execute_without_session(|context| context.get_capability(CapabilityType::Handles, handle, 1))?;
    match data {
        CapabilityData::Handles(handles) => Ok(handles.first().map(|&handle| handle.into())),
        _ => Err(Error::WrapperError(
            tss_esapi::WrapperErrorKind::WrongValueFromTpm,
        )),
    }
}
