//! Why the Workload API gave nothing.

use std::time::Duration;

use tonic::{Code, Status};

use super::endpoint::EndpointError;
use super::response::ResponseError;
use crate::grpc::ChannelError;

/// A call to the Workload API that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkloadApiError {
    /// There is no such endpoint.
    #[error("{0}")]
    Endpoint(#[from] EndpointError),
    /// Nobody answers there.
    #[error("the Workload API is not reachable: {0}")]
    Connect(#[from] ChannelError),
    /// The agent refused or failed.
    #[error("the Workload API answered {}: {}", code_name(.0.code()), .0.message())]
    Status(Box<Status>),
    /// The agent said nothing in time.
    #[error("the Workload API did not answer within {} s", .0.as_secs())]
    Timeout(Duration),
    /// The agent ended a stream before its first message.
    #[error("the Workload API ended the stream without an answer")]
    Ended,
    /// The agent's answer is not usable.
    #[error("the Workload API's answer is not usable: {0}")]
    Response(#[from] ResponseError),
    /// A form cannot be asked for.
    #[error("the forms cannot be asked for: {0}")]
    Forms(String),
}

impl WorkloadApiError {
    /// Whether another try may end differently. The specification forbids one after `InvalidArgument`: the caller
    /// itself is at fault (SPIFFE Workload API, section 4.2).
    pub fn is_worth_retrying(&self) -> bool {
        match self {
            Self::Status(status) => status.code() != Code::InvalidArgument,
            Self::Endpoint(_) | Self::Forms(_) => false,
            _ => true,
        }
    }

    /// Whether the agent is there and knows no identity for the caller.
    pub fn is_permission_denied(&self) -> bool {
        matches!(self, Self::Status(status) if status.code() == Code::PermissionDenied)
    }
}

impl From<Status> for WorkloadApiError {
    fn from(status: Status) -> Self {
        Self::Status(Box::new(status))
    }
}

/// A code as the specification writes it.
fn code_name(code: Code) -> String {
    format!("{code:?}")
}
