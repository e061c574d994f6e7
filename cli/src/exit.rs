//! Exit codes, and how an error is told to a person.

use std::process::ExitCode;

use symbolon_ca::apply::ApplyError;
use symbolon_ca::ceremony::CeremonyError;
use symbolon_ca::client::ClientError;
use symbolon_ca::import::ImportError;
use symbolon_host::{ConfigError, DataDirError, SocketError};
use symbolon_tls::workload_api::WorkloadApiError;

use crate::output::printable;

/// The command did not do what it was asked, for a reason no other code has.
const FAILED: u8 = 1;
/// The command line or a configuration file is wrong. (clap uses the same for the command line.)
pub(crate) const USAGE: u8 = 2;
/// What was to be verified is not to be believed.
pub(crate) const NOT_VERIFIED: u8 = 3;
/// Server or agent cannot be reached.
pub(crate) const UNREACHABLE: u8 = 4;
/// Server or agent refused: not found, not allowed, bad request.
pub(crate) const REFUSED: u8 = 5;

/// Something was checked and found wrong; the source says what.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct NotVerified(pub String);

/// What was asked for is not done, though it could be; the text says why.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Refused(pub String);

/// What was tried failed, and everything there is to say has been printed but this.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Failed(pub String);

/// A command line that clap could not see to be wrong.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub String);

/// Says what went wrong, why, and what may help, on standard error.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    // A closed pipe (`symbolon cert list | head -1`) is the reader's way to say that it has had enough.
    if is_broken_pipe(error) {
        return ExitCode::SUCCESS;
    }
    anstream::eprintln!("error: {}", printable(&error.to_string()));
    let mut said = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        // Errors that show their cause in their own text would say everything twice, and this one says nothing.
        if !said.contains(&cause) && cause != "transport error" {
            anstream::eprintln!("  because: {}", printable(&cause));
            said.push_str(&cause);
        }
    }
    if let Some(hint) = hint(error) {
        anstream::eprintln!("  hint: {hint}");
    }
    ExitCode::from(code(error))
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
        && error.downcast_ref::<BrokenOutput>().is_some()
}

/// Standard output is gone.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to standard output")]
pub(crate) struct BrokenOutput(#[source] pub std::io::Error);

/// The exit code that says most about an error.
pub(crate) fn code(error: &anyhow::Error) -> u8 {
    for cause in error.chain() {
        if let Some(error) = cause.downcast_ref::<CeremonyError>() {
            return crate::commands::ceremony::code(error).unwrap_or(FAILED);
        }
        if let Some(code) = crate::commands::key::code(cause) {
            return code;
        }
        if cause.is::<Refused>() {
            return REFUSED;
        }
        if cause.is::<NotVerified>() {
            return NOT_VERIFIED;
        }
        if cause.is::<Usage>() || cause.is::<ConfigError>() {
            return USAGE;
        }
        match cause.downcast_ref::<ApplyError>() {
            Some(ApplyError::Conflicts(_)) => return REFUSED,
            Some(ApplyError::Client(error)) => return code_of_client(error),
            Some(_) => return USAGE,
            None => {}
        }
        match cause.downcast_ref::<ImportError>() {
            Some(ImportError::Source(error) | ImportError::Target(error)) => return code_of_client(error),
            Some(_) => return REFUSED,
            None => {}
        }
        if let Some(error) = cause.downcast_ref::<ClientError>() {
            return code_of_client(error);
        }
        if let Some(error) = cause.downcast_ref::<WorkloadApiError>() {
            return match error {
                WorkloadApiError::Endpoint(_) => USAGE,
                WorkloadApiError::Connect(_) => UNREACHABLE,
                _ => REFUSED,
            };
        }
    }
    FAILED
}

fn code_of_client(error: &ClientError) -> u8 {
    match error {
        ClientError::Argument(_) => USAGE,
        error if error.is_unreachable() => UNREACHABLE,
        _ => REFUSED,
    }
}

fn hint(error: &anyhow::Error) -> Option<&'static str> {
    for cause in error.chain() {
        if let Some(WorkloadApiError::Endpoint(_)) = cause.downcast_ref() {
            return Some("name the agent's socket with --socket or SPIFFE_ENDPOINT_SOCKET");
        }
        if let Some(error) = cause.downcast_ref::<WorkloadApiError>() {
            if matches!(error, WorkloadApiError::Connect(_)) {
                return Some("is the agent running? `symbolon up` starts one");
            }
            if error.is_permission_denied() {
                return Some("no entry matches this process; `symbolon entry create` makes one");
            }
        }
        if cause
            .downcast_ref::<ClientError>()
            .is_some_and(ClientError::is_unreachable)
        {
            return Some("is the server running? `symbolon up` or `symbolon server run` starts one");
        }
        if let Some(DataDirError::Locked { .. }) = cause.downcast_ref() {
            return Some("`symbolon healthcheck` tells whether it is well");
        }
        if let Some(SocketError::PathTooLong { .. }) = cause.downcast_ref() {
            return Some("--data-dir /run/symbolon, for instance");
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_before_anybody_is_asked_is_wrong_usage() {
        let too_long = ClientError::Argument("ttl is longer than 68 years".to_owned());
        assert_eq!(code(&too_long.into()), USAGE);
        let elsewhere = "http://example.org".parse::<symbolon_tls::workload_api::Endpoint>();
        let error = WorkloadApiError::from(elsewhere.unwrap_err());
        assert_eq!(code(&error.into()), USAGE);
    }
}
