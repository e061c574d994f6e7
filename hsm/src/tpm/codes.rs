//! What a TPM, and the libraries on the way to it, answer instead of doing what was asked.

use tss_esapi::Error;
use tss_esapi::constants::{Tss2ResponseCode, Tss2ResponseCodeKind};

use super::error::TpmError;

/// How one step of a call failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The TPM or a library said so. A new connection may help: a TPM that was reset forgets sessions and handles.
    Tss(Error),
    /// Nothing that trying again would change.
    Final(TpmError),
}

/// What a step of a call returns.
pub(super) type Step<T> = Result<T, Failure>;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Tss(error)
    }
}

impl From<TpmError> for Failure {
    fn from(error: TpmError) -> Self {
        Self::Final(error)
    }
}

/// The number of a response code of "format zero", which the wrapper shows but does not give.
fn number(error: Error) -> Option<u32> {
    let Error::Tss2Error(Tss2ResponseCode::FormatZero(code)) = error else {
        return None;
    };
    let shown = code.to_string();
    let (_, digits) = shown.rsplit_once("0x")?;
    u32::from_str_radix(digits, 16).ok()
}

/// Codes whose upper half is zero are the TPM's own; a resource manager passes them on with 11 or 12 there
/// (TSS 2.0 Overview and Common Structures, response codes).
fn is_of_the_tpm(error: Error) -> bool {
    number(error).is_none_or(|number| matches!(number >> 16, 0 | 11 | 12))
}

/// The TPM's reason; `None` when a library failed before asking it. The wrapper does not look at who answers, and
/// would take a broken pipe for a TPM in failure mode.
pub(super) fn kind(error: Error) -> Option<Tss2ResponseCodeKind> {
    match error {
        Error::Tss2Error(code) if is_of_the_tpm(error) => code.kind(),
        _ => None,
    }
}

/// Whether the way to the TPM failed, not the TPM (layer 10 is the TCTI).
pub(super) fn is_of_the_connection(error: Error) -> bool {
    number(error).is_some_and(|number| number >> 16 == 10)
}

/// The reason in words.
pub(super) fn reason(error: Error) -> String {
    use Tss2ResponseCodeKind as Kind;
    match (kind(error), number(error)) {
        (Some(Kind::ObjectMemory | Kind::SessionMemory | Kind::ObjectHandles | Kind::SessionHandles), _) => {
            format!("{error}; other programs fill it, which a resource manager (device:/dev/tpmrm0) prevents")
        }
        (Some(_), _) | (None, None) => error.to_string(),
        (None, Some(number)) => {
            let what = match number & 0xffff {
                0x08 => "no connection",
                0x0a => "input or output failed",
                _ => "libtss2 failed",
            };
            format!("{what} (TSS code {number:#x})")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: u32) -> Error {
        Error::Tss2Error(Tss2ResponseCode::from(code))
    }

    #[test]
    fn who_answers_is_told_apart() {
        // TPM_RC_INITIALIZE, and the same through the kernel's resource manager.
        assert_eq!(kind(error(0x100)), Some(Tss2ResponseCodeKind::Initialize));
        assert_eq!(kind(error(0xb_0100)), Some(Tss2ResponseCodeKind::Initialize));
        // TPM_RC_POLICY_FAIL of session 1.
        assert_eq!(kind(error(0x99d)), Some(Tss2ResponseCodeKind::PolicyFail));
        // The TCTI's input/output error, which has the number of a TPM's warning.
        assert_eq!(kind(error(0xa_000a)), None);
        assert!(is_of_the_connection(error(0xa_000a)));
        assert!(!is_of_the_connection(error(0x100)));
        assert_eq!(reason(error(0xa_0008)), "no connection (TSS code 0xa0008)");
    }
}
