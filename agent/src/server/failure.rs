//! Why a call to the server gave nothing, and what is to be done about it.

use std::time::Duration;

use symbolon_api::spire::api::types::permission_denied_details::Reason;
use symbolon_api::{denial_reason, retry_delay};
use symbolon_tls::grpc::ChannelError;
use symbolon_tls::{PeerError, peer_error};
use tonic::{Code, Status};

/// A call to the server that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// There is no connection.
    #[error(transparent)]
    Connect(#[from] ChannelError),
    /// The server refused or failed.
    #[error("the server answered {:?}: {}", .0.code(), .0.message())]
    Status(Box<Status>),
    /// The server took longer than 30 seconds.
    #[error("the server did not answer within {} s", super::link::CALL_TIMEOUT.as_secs())]
    Timeout,
    /// What the server answered makes no sense.
    #[error("the server's answer is not usable: {0}")]
    Answer(String),
    /// There is no connection to be had before the agent has attested.
    #[error("the agent has no identity to call the server with")]
    NoIdentity,
}

impl CallError {
    pub(crate) fn answer(reason: impl ToString) -> Self {
        Self::Answer(reason.to_string())
    }

    /// Why the server turned this agent away, if it did.
    pub(crate) fn denial(&self) -> Option<Reason> {
        match self {
            Self::Status(status) => denial_reason(status),
            _ => None,
        }
    }

    /// Whether the agent has to attest before it is heard again.
    pub(crate) fn must_reattest(&self) -> bool {
        matches!(
            self.denial(),
            Some(
                Reason::AgentExpired
                    | Reason::AgentNotAttested
                    | Reason::AgentNotActive
                    | Reason::AgentMustReattest
            )
        )
    }

    /// Whether the server has shut this agent out for good.
    pub(crate) fn is_ban(&self) -> bool {
        self.denial() == Some(Reason::AgentBanned)
    }

    /// Why *we* refuse the server, if we do.
    pub(crate) fn refused_server(&self) -> Option<&PeerError> {
        match self {
            Self::Connect(error) => peer_error(error),
            Self::Status(status) => peer_error(status.as_ref()),
            _ => None,
        }
    }

    /// Whether the same call may succeed later although nobody changes anything: the server is away or busy.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Connect(ChannelError::Address { .. }) => false,
            Self::Connect(_) => self.refused_server().is_none(),
            Self::Status(status) if is_from_transport(status) => self.refused_server().is_none(),
            Self::Status(status) => matches!(
                status.code(),
                Code::Unavailable
                    | Code::DeadlineExceeded
                    | Code::ResourceExhausted
                    | Code::Aborted
                    | Code::Cancelled
                    | Code::Internal
            ),
            Self::Timeout => true,
            Self::Answer(_) | Self::NoIdentity => false,
        }
    }

    /// Whether the server does not know what it was asked for, as one of another make or version.
    pub(crate) fn is_unknown_method(&self) -> bool {
        match self {
            Self::Status(status) => match status.code() {
                Code::Unimplemented => true,
                Code::PermissionDenied => denial_reason(status).is_none(),
                _ => false,
            },
            _ => false,
        }
    }

    /// Whether the server hears this agent and it is only what was asked for that is not to be had: another call may well
    /// succeed.
    pub(crate) fn is_about_one_thing(&self) -> bool {
        match self {
            Self::Answer(_) => true,
            Self::Status(status) => {
                let about_the_caller = matches!(
                    status.code(),
                    Code::PermissionDenied
                        | Code::Unauthenticated
                        | Code::Unavailable
                        | Code::DeadlineExceeded
                        | Code::Cancelled
                );
                !about_the_caller && !is_from_transport(status)
            }
            Self::Connect(_) | Self::Timeout | Self::NoIdentity => false,
        }
    }

    /// Whether nobody answered: what was asked for had no part in that, and is worth asking for as soon as somebody does.
    pub(crate) fn went_unanswered(&self) -> bool {
        match self {
            Self::Timeout => true,
            Self::Connect(_) => self.is_transient(),
            Self::Status(status) => is_from_transport(status) && self.is_transient(),
            Self::Answer(_) | Self::NoIdentity => false,
        }
    }

    /// Whether one of the messages was too large for one of the sides, or asked for too much at once.
    pub(crate) fn is_too_large(&self) -> bool {
        let Self::Status(status) = self else {
            return false;
        };
        // A server that says when to come back wants less often, not less at once.
        matches!(status.code(), Code::ResourceExhausted | Code::OutOfRange) && retry_delay(status).is_none()
    }

    /// How long the server wants to be left alone with this, if it says so.
    pub(crate) fn retry_delay(&self) -> Option<Duration> {
        match self {
            Self::Status(status) => retry_delay(status),
            _ => None,
        }
    }
}

/// Statuses that a server sent have no source.
pub(super) fn is_from_transport(status: &Status) -> bool {
    std::error::Error::source(status).is_some()
}

impl From<Status> for CallError {
    fn from(status: Status) -> Self {
        Self::Status(Box::new(status))
    }
}

#[cfg(test)]
mod tests {
    use symbolon_api::{permission_denied, resource_exhausted};

    use super::*;

    #[test]
    fn what_to_do_follows_from_the_reason() {
        for (reason, reattest, ban) in [
            (Reason::AgentExpired, true, false),
            (Reason::AgentNotAttested, true, false),
            (Reason::AgentNotActive, true, false),
            (Reason::AgentMustReattest, true, false),
            (Reason::AgentBanned, false, true),
            (Reason::Unknown, false, false),
        ] {
            let error = CallError::from(permission_denied(reason, "no"));
            assert_eq!(
                (error.must_reattest(), error.is_ban()),
                (reattest, ban),
                "{reason:?}"
            );
            assert!(!error.is_transient());
        }
        let plain = CallError::from(Status::permission_denied("no"));
        assert!(!plain.must_reattest() && !plain.is_ban());
    }

    #[test]
    fn being_away_passes_and_being_wrong_does_not() {
        for status in [
            Status::unavailable("away"),
            Status::deadline_exceeded("slow"),
            Status::resource_exhausted("busy"),
            Status::aborted("again"),
            Status::internal("its disk is full"),
        ] {
            assert!(CallError::from(status.clone()).is_transient(), "{status}");
        }
        assert!(CallError::Timeout.is_transient() && CallError::Timeout.went_unanswered());
        // A server that is there and cannot is not asked the sooner for being there.
        let unable = CallError::from(Status::unavailable("a key store did not sign"));
        assert!(!unable.went_unanswered());
        for status in [
            Status::invalid_argument("csr"),
            Status::failed_precondition("no such method"),
            Status::permission_denied("no"),
            Status::unauthenticated("no"),
            Status::unimplemented("no"),
            Status::not_found("no"),
            Status::already_exists("no"),
            Status::out_of_range("no"),
            Status::data_loss("no"),
            Status::unknown("no"),
        ] {
            assert!(!CallError::from(status.clone()).is_transient(), "{status}");
        }
        assert!(!CallError::answer("no SVID").is_transient());
        let broken = Status::from_error(Box::new(std::io::Error::other("reset")));
        let broken = CallError::from(broken);
        assert!(
            broken.is_transient() && broken.went_unanswered(),
            "the connection broke"
        );
    }

    #[test]
    fn what_is_wrong_with_one_thing_is_not_wrong_with_all() {
        for status in [
            Status::internal("a row is damaged"),
            Status::resource_exhausted("longer than a message"),
            Status::out_of_range("longer than a message"),
            Status::invalid_argument("its name"),
            Status::unimplemented("never heard of it"),
        ] {
            assert!(CallError::from(status.clone()).is_about_one_thing(), "{status}");
        }
        assert!(CallError::answer("no certificate").is_about_one_thing());
        let denied = permission_denied(Reason::AgentBanned, "no");
        let broken = Status::from_error(Box::new(std::io::Error::other("reset")));
        for status in [denied, broken, Status::unavailable("away")] {
            assert!(!CallError::from(status.clone()).is_about_one_thing(), "{status}");
        }
        assert!(!CallError::Timeout.is_about_one_thing());
    }

    #[test]
    fn too_much_at_once_is_not_too_often() {
        let large = CallError::from(Status::resource_exhausted("big"));
        assert!(large.is_too_large() && large.retry_delay().is_none());
        let often = CallError::from(resource_exhausted("often", Duration::from_secs(3)));
        assert!(!often.is_too_large() && often.is_transient());
        assert_eq!(often.retry_delay(), Some(Duration::from_secs(3)));
    }
}
