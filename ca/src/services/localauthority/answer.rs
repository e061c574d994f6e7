//! What callers are told: authorities as messages, and refusals with SPIRE's codes.

use symbolon_api::spire::api::server::localauthority::v1 as api;
use symbolon_pki::bundle::JwtAuthority;
use symbolon_pki::suite::Family;
use tonic::Status;

use super::super::commanded::in_full;
use crate::authorities::{AuthoritiesError, CommandError, Step};
use crate::datastore::{AuthorityRecord, AuthorityState};
use crate::status::failure;
use crate::wire::seconds;

/// The authorities of a family that commands can be about.
pub(super) struct State {
    pub(super) active: Option<api::AuthorityState>,
    pub(super) prepared: Option<api::AuthorityState>,
    pub(super) old: Option<api::AuthorityState>,
}

/// An authority.
pub(super) fn message(record: &AuthorityRecord) -> api::AuthorityState {
    api::AuthorityState {
        authority_id: record.authority_id.clone(),
        expires_at: seconds(record.not_after),
        upstream_authority_subject_key_id: record
            .upstream
            .as_ref()
            .map(|path| path.root_id.clone())
            .unwrap_or_default(),
    }
}

/// A key that others put into the bundle.
pub(super) fn key_message(key: &JwtAuthority) -> api::AuthorityState {
    api::AuthorityState {
        authority_id: key.key_id.clone(),
        expires_at: key.expires_at.map(seconds).unwrap_or_default(),
        upstream_authority_subject_key_id: String::new(),
    }
}

/// The status of a command that changed nothing.
///
/// SPIRE looks at where an authority stands before it takes a step, and answers `InvalidArgument`; what it notices only
/// while it takes the step is `Internal`. Its command line and its own tests rely on that.
pub(super) fn of(error: CommandError) -> Status {
    let message = error.to_string();
    match error {
        CommandError::NotConfigured(family) => Status::unimplemented(disabled(family)),
        CommandError::NotReady(_) => Status::unavailable(message),
        CommandError::Unknown { .. } => {
            Status::invalid_argument(format!("authority_id: unexpected authority ID: {message}"))
        }
        CommandError::WrongState { step, state, .. } => {
            let message = format!("authority_id: {message}");
            match is_noticed_late(step, state) {
                true => Status::internal(message),
                false => Status::invalid_argument(message),
            }
        }
        CommandError::NoUpstream => Status::failed_precondition(message),
        CommandError::UnknownUpstream { .. } | CommandError::UpstreamInUse { .. } => {
            Status::invalid_argument(format!("provided subject key id is not valid: {message}"))
        }
        CommandError::BelowUpstream { .. } => Status::failed_precondition(format!(
            "local authority can't be tainted or revoked if there is an upstream authority: {message}"
        )),
        // Whoever gave the command is who can do something about it.
        CommandError::Failed(error @ AuthoritiesError::Upstream { .. }) => {
            Status::failed_precondition(in_full(&error))
        }
        CommandError::Failed(AuthoritiesError::Awaited { .. }) => Status::failed_precondition(message),
        CommandError::Expired { .. } | CommandError::Fallen { .. } | CommandError::NotYet { .. } => {
            Status::failed_precondition(format!("authority_id: {message}"))
        }
        CommandError::TooMany { .. } | CommandError::Requested { .. } => Status::failed_precondition(message),
        other => failure("the authority could not be changed", &other),
    }
}

/// Whether SPIRE would have begun with the step.
fn is_noticed_late(step: Step, state: AuthorityState) -> bool {
    match step {
        // An authority that was replaced stands where a prepared one would.
        Step::Activate => matches!(
            state,
            AuthorityState::Old | AuthorityState::Tainted | AuthorityState::Revoked
        ),
        Step::Taint => matches!(state, AuthorityState::Tainted | AuthorityState::Revoked),
        Step::Revoke => matches!(state, AuthorityState::Old | AuthorityState::Revoked),
    }
}

/// As SPIRE answers for what is switched off.
fn disabled(family: Family) -> String {
    let kind = match family {
        Family::Jwt => "JWT functionality",
        Family::Wit => "WIT-SVID functionality",
        _ => "the X.509 authority",
    };
    format!("{kind} is disabled; the server's configuration has no section [families.{family}]")
}
