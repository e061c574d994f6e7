//! What a client is told.

use symbolon_host::data_dir::DataDirError;
use symbolon_tls::grpc::ChannelError;
use symbolon_tls::peer_error;
use tonic::{Code, Status};

use crate::authorities::AuthoritiesError;
use crate::datastore::DatastoreError;

/// Why a question has no answer, or a change was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The server could not be reached, or was not to be believed.
    #[error(transparent)]
    Connect(#[from] ChannelError),
    /// The server refused, or failed; its words say which field or record it is about.
    #[error("{}", .0.message())]
    Refused(Box<Status>),
    /// The server's answer makes no sense.
    #[error("the server's answer cannot be used: {0}")]
    Answer(String),
    /// What was to be sent makes no sense.
    #[error("{0}")]
    Argument(String),
    /// An entry was deleted for another one to take its place, which was refused.
    #[error("it is there again: what was to take its place was refused")]
    PutBack,
    /// The same, and it could not be made again.
    #[error("it is gone: what was to take its place was refused, and it could not be made again: {0}")]
    Lost(Box<Self>),
    /// There is no data directory to answer from.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The data directory cannot answer.
    #[error(transparent)]
    Datastore(#[from] DatastoreError),
    /// What is on record about authorities makes no sense.
    #[error(transparent)]
    Authorities(#[from] AuthoritiesError),
}

impl ClientError {
    /// Whether there is no server to talk to, or it is going away. One that is there and not to be believed is not
    /// unreachable.
    pub fn is_unreachable(&self) -> bool {
        match self {
            Self::Connect(error) => peer_error(error).is_none(),
            Self::Refused(status) => {
                status.code() == Code::Unavailable && peer_error(status.as_ref()).is_none()
            }
            _ => false,
        }
    }

    /// Whether what was asked for is not there.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused(status) if status.code() == Code::NotFound)
    }
}

impl From<Status> for ClientError {
    fn from(status: Status) -> Self {
        Self::Refused(Box::new(status))
    }
}
