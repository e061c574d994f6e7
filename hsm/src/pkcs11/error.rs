//! What can be wrong with a token, its module, its PIN or the keys on it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use cryptoki::error::{Error as Cryptoki, RvError};
use symbolon_crypto::KeyError;

use super::uri::UriError;
use crate::names::KeyId;
use crate::secret::PassphraseError;

/// Why a PKCS#11 token could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Pkcs11Error {
    /// The module's path leads to no file that can be read.
    #[error("cannot find the PKCS#11 module {}", path.display())]
    ModuleMissing {
        /// The path as given.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is there and is no PKCS#11 module: no library for this machine, or one without PKCS#11's entry
    /// points.
    #[error("{} is no PKCS#11 module: {reason}", path.display())]
    NotAModule {
        /// The path as given.
        path: PathBuf,
        /// What it lacks.
        reason: String,
    },
    /// The module is one, and would not start.
    #[error("the PKCS#11 module {} did not start ({what})", path.display())]
    ModuleStart {
        /// The path as given.
        path: PathBuf,
        /// What it says: PKCS#11's own name of the error.
        what: String,
    },
    /// Somebody else in this process uses the module already; re-initialising it would pull it from under them.
    #[error("something else in this process already uses the PKCS#11 module {}", path.display())]
    ModuleShared {
        /// The path as given.
        path: PathBuf,
    },
    /// No token that is present is the one wanted.
    #[error("no token {wanted} in {}: {present}", module.display())]
    NoToken {
        /// What was asked for.
        wanted: String,
        /// The module that was asked.
        module: PathBuf,
        /// What there is instead, in words.
        present: String,
    },
    /// Several tokens are what is wanted; the choice is the operator's.
    #[error("{count} tokens are {wanted}: name the serial number or the slot too ({present})")]
    ManyTokens {
        /// What was asked for.
        wanted: String,
        /// How many there are.
        count: usize,
        /// Which, in words.
        present: String,
    },
    /// A token of the right name came back, and it is another one.
    #[error("the token {token} has been replaced by another one: its serial number was {was}, now {now}")]
    OtherToken {
        /// Its label.
        token: String,
        /// The serial number when it was opened.
        was: String,
        /// The serial number now.
        now: String,
    },
    /// The token wants a PIN and none is configured.
    #[error("the token {token} wants a PIN: configure where it is found")]
    PinMissing {
        /// The token's label.
        token: String,
    },
    /// The PIN could not be read from where it should be.
    #[error("cannot get the token's PIN")]
    PinSource(#[from] PassphraseError),
    /// The token refused the PIN. It is not tried again in this process.
    #[error("the token {token} refuses the PIN ({refusal}); it will not be tried again")]
    PinRefused {
        /// The token's label.
        token: String,
        /// How.
        refusal: PinRefusal,
    },
    /// The token, or the module, did not answer in time. What was asked may still happen.
    #[error("the token {token} did not answer within {} ms while {doing}", limit.as_millis())]
    TimedOut {
        /// The token's label, or the module's path.
        token: String,
        /// What it was to do.
        doing: &'static str,
        /// The time it had.
        limit: Duration,
    },
    /// Earlier calls still hang in the module, as many as may; no more are let in.
    #[error(
        "{count} earlier calls to the token {token} have not come back; restart when it does not recover"
    )]
    Stuck {
        /// The token's label, or the module's path.
        token: String,
        /// How many.
        count: usize,
    },
    /// The system would not give a thread to call the module on.
    #[error("cannot start a thread for calls to a PKCS#11 module")]
    Thread(#[source] io::Error),
    /// The thread that made the call broke down: a fault in the module's binding.
    #[error("a call to the token {token} broke down while {doing}")]
    Broken {
        /// The token's label, or the module's path.
        token: String,
        /// What it was to do.
        doing: &'static str,
    },
    /// The token answered with an error.
    #[error("the token {token} failed while {doing}: {what}")]
    Token {
        /// Its label.
        token: String,
        /// What it was to do.
        doing: &'static str,
        /// What it says: PKCS#11's own name of the error, with the function that returned it.
        what: String,
        /// Whether the token may be gone, so that finding it again may help.
        gone: bool,
    },
    /// The token has several private keys of one id; which is meant, only the operator knows.
    #[error("{count} {class} keys on the token {token} have the id {id}: remove or rename all but one")]
    Duplicate {
        /// The token's label.
        token: String,
        /// `private` or `public`.
        class: &'static str,
        /// Their common id.
        id: KeyId,
        /// How many there are.
        count: usize,
    },
    /// A private key without its public key object, which alone says what is to be verified.
    #[error("the token {token} has no public key object of the id {id} beside the private key")]
    NoPublicKey {
        /// The token's label.
        token: String,
        /// The key's id.
        id: KeyId,
    },
    /// A key of a type, curve or parameter set that is none of ours.
    #[error("the key {id} on the token {token} cannot be used here: it is {found}")]
    KeyType {
        /// The token's label.
        token: String,
        /// The key's id.
        id: KeyId,
        /// What it is.
        found: String,
    },
    /// The private and the public object of one id are of different types.
    #[error("the key {id} on the token {token} is {private}, but its public key object is {public}")]
    Mismatch {
        /// The token's label.
        token: String,
        /// The key's id.
        id: KeyId,
        /// What the private key object is.
        private: String,
        /// What the public key object is.
        public: String,
    },
    /// The token reports bytes that are no public key of the type it reports.
    #[error("the token {token} reports no usable public key for {id}")]
    PublicKey {
        /// The token's label.
        token: String,
        /// The key's id.
        id: KeyId,
        /// What is wrong with it.
        source: KeyError,
    },
    /// The key is not held as we claim keys on tokens to be; it is not used.
    #[error("the key {id} on the token {token} is not held as it must be: {faults}")]
    Attributes {
        /// The token's label.
        token: String,
        /// The key's id.
        id: KeyId,
        /// Which attributes are otherwise.
        faults: String,
    },
    /// A signature that is none of the key's kind.
    #[error("the token {token} returned {len} bytes that are no {kind} signature")]
    Signature {
        /// The token's label.
        token: String,
        /// What it should have been.
        kind: &'static str,
        /// How many bytes came.
        len: usize,
    },
    /// Randomness for a new key's id could not be had.
    #[error("cannot make an id for a new key")]
    Random(#[from] symbolon_crypto::random::RandomError),
    /// A limit that makes no sense.
    #[error("the {what} of a token is {allowed}")]
    Limit {
        /// Which limit.
        what: &'static str,
        /// What it may be.
        allowed: &'static str,
    },
    /// A `pkcs11:` URI that cannot be understood, or asks for what must not be.
    #[error(transparent)]
    Uri(#[from] UriError),
}

impl Pkcs11Error {
    /// Whether the token may have gone away, so that it is worth finding it again.
    pub(super) fn is_gone(&self) -> bool {
        match self {
            Self::Token { gone, .. } => *gone,
            Self::NoToken { .. } | Self::OtherToken { .. } | Self::ModuleStart { .. } => true,
            _ => false,
        }
    }

    /// Whether it says what is wrong with objects, so that it is wrong itself if the module has forgotten some.
    pub(super) fn is_about_objects(&self) -> bool {
        matches!(
            self,
            Self::NoPublicKey { .. } | Self::PublicKey { .. } | Self::Mismatch { .. } | Self::KeyType { .. }
        )
    }
}

/// How a token refuses a PIN.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum PinRefusal {
    /// It is not the PIN.
    Incorrect,
    /// Too many wrong PINs were tried, here or elsewhere; the security officer must unlock the token.
    Locked,
    /// Wrong PINs were tried, here or elsewhere, and one more would lock the token: this one was not tried.
    LastTry,
    /// The PIN must be changed first.
    Expired,
    /// Too short, too long, or with characters that the token does not take.
    Unusable,
    /// The token has no user PIN yet.
    NotInitialised,
}

impl std::fmt::Display for PinRefusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Incorrect => "it is wrong",
            Self::Locked => "it is locked: the security officer must unlock it",
            Self::LastTry => {
                "one try is left before it locks, and this one was not tried: correct it, and log in once by the token's \
                 own tool, such as pkcs11-tool --login, which gives all tries back"
            }
            Self::Expired => "it has expired and must be changed",
            Self::Unusable => "its length or characters are not what the token takes",
            Self::NotInitialised => "the token has no user PIN yet",
        })
    }
}

impl PinRefusal {
    /// Whether an error of `C_Login` is about the PIN.
    pub(super) fn of(error: &Cryptoki) -> Option<Self> {
        let Cryptoki::Pkcs11(code, _) = error else {
            return None;
        };
        match code {
            RvError::PinIncorrect => Some(Self::Incorrect),
            RvError::PinLocked => Some(Self::Locked),
            RvError::PinExpired => Some(Self::Expired),
            RvError::PinInvalid | RvError::PinLenRange => Some(Self::Unusable),
            RvError::UserPinNotInitialized => Some(Self::NotInitialised),
            _ => None,
        }
    }
}

/// PKCS#11's return code, when the error is one.
pub(super) fn code(error: &Cryptoki) -> Option<&RvError> {
    match error {
        Cryptoki::Pkcs11(code, _) => Some(code),
        _ => None,
    }
}

/// Whether the error says that token, session, login or objects are not what they were.
pub(super) fn says_gone(error: &Cryptoki) -> bool {
    matches!(
        code(error),
        Some(
            RvError::CryptokiNotInitialized
                | RvError::DeviceError
                | RvError::DeviceRemoved
                | RvError::KeyHandleInvalid
                | RvError::ObjectHandleInvalid
                | RvError::SessionClosed
                | RvError::SessionHandleInvalid
                | RvError::SlotIdInvalid
                | RvError::TokenNotPresent
                | RvError::TokenNotRecognized
                | RvError::UserNotLoggedIn
        )
    )
}

/// Whether the error may mean anything: then the token is looked at before it is taken for gone.
pub(super) fn says_little(error: &Cryptoki) -> bool {
    matches!(
        code(error),
        Some(RvError::GeneralError | RvError::FunctionFailed | RvError::DeviceMemory)
    )
}

/// The error in a few words. The binding's own text is a paragraph of the standard.
pub(super) fn words(error: &Cryptoki) -> String {
    match error {
        Cryptoki::Pkcs11(code, function) => format!("{} from C_{function:?}", name(code)),
        other => other.to_string(),
    }
}

/// `DeviceRemoved` as the standard writes it: `CKR_DEVICE_REMOVED`.
fn name(code: &RvError) -> String {
    match code {
        RvError::VendorDefined(number) | RvError::UnknownErrorCode(number) => format!("CKR {number:#x}"),
        known => {
            let mut name = "CKR".to_owned();
            for character in format!("{known:?}").chars() {
                if character.is_ascii_uppercase() {
                    name.push('_');
                }
                name.push(character.to_ascii_uppercase());
            }
            name
        }
    }
}

#[cfg(test)]
mod tests {
    use cryptoki::context::Function;

    use super::*;

    #[test]
    fn errors_are_named_as_the_standard_names_them() {
        let error = Cryptoki::Pkcs11(RvError::DeviceRemoved, Function::Sign);
        assert_eq!(words(&error), "CKR_DEVICE_REMOVED from C_Sign");
        let error = Cryptoki::Pkcs11(RvError::VendorDefined(0x8000_0001), Function::SignInit);
        assert_eq!(words(&error), "CKR 0x80000001 from C_SignInit");
    }

    #[test]
    fn a_pin_error_is_no_reason_to_look_for_the_token() {
        let error = Cryptoki::Pkcs11(RvError::PinIncorrect, Function::Login);
        assert!(!says_gone(&error) && !says_little(&error));
        assert_eq!(PinRefusal::of(&error), Some(PinRefusal::Incorrect));
        let error = Cryptoki::Pkcs11(RvError::DeviceError, Function::Login);
        assert!(says_gone(&error));
        assert_eq!(PinRefusal::of(&error), None);
    }
}
