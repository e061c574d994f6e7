//! Why a call to the server gave nothing, and what is to be done about it.

use symbolon_api::denial_reason;
use symbolon_api::spire::api::types::permission_denied_details::Reason;
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
            Self::Status(status) => !matches!(
                status.code(),
                Code::PermissionDenied
                    | Code::Unauthenticated
                    | Code::InvalidArgument
                    | Code::FailedPrecondition
                    | Code::Unimplemented
            ),
            Self::Timeout => true,
            Self::Answer(_) | Self::NoIdentity => false,
        }
    }

    /// Whether one of the messages was too large for one of the sides.
    pub(crate) fn is_too_large(&self) -> bool {
        matches!(self, Self::Status(status) if matches!(status.code(), Code::ResourceExhausted | Code::OutOfRange))
    }
}

impl From<Status> for CallError {
    fn from(status: Status) -> Self {
        Self::Status(Box::new(status))
    }
}

#[cfg(test)]
mod tests {
    use symbolon_api::permission_denied;

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
        assert!(CallError::from(Status::unavailable("away")).is_transient());
        assert!(CallError::Timeout.is_transient());
        assert!(!CallError::from(Status::invalid_argument("csr")).is_transient());
        assert!(!CallError::answer("no SVID").is_transient());
        assert!(CallError::from(Status::resource_exhausted("big")).is_too_large());
    }
}
