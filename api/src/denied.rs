//! The reason inside a refusal, by which an agent knows whether to attest again or to give up.
//!
//! It travels as SPIRE sends it: the status details hold a `google.rpc.Status`, and that holds a
//! `spire.api.types.PermissionDeniedDetails`.

use prost::Message;
use prost_types::Any;
use tonic::{Code, Status};

use crate::spire::api::types::{PermissionDeniedDetails, permission_denied_details::Reason};

/// How the type of the details is named inside `google.protobuf.Any`.
const TYPE_URL: &str = "type.googleapis.com/spire.api.types.PermissionDeniedDetails";

/// `google.rpc.Status`, which gRPC puts into the trailer `grpc-status-details-bin`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct RpcStatus {
    #[prost(int32, tag = "1")]
    pub(crate) code: i32,
    #[prost(string, tag = "2")]
    pub(crate) message: String,
    #[prost(message, repeated, tag = "3")]
    pub(crate) details: Vec<Any>,
}

/// A `PERMISSION_DENIED` status with its reason in a form that SPIRE's agents read.
pub fn permission_denied(reason: Reason, message: impl Into<String>) -> Status {
    let message = message.into();
    let details = PermissionDeniedDetails {
        reason: reason.into(),
    };
    let status = RpcStatus {
        code: Code::PermissionDenied.into(),
        message: message.clone(),
        details: vec![Any {
            type_url: TYPE_URL.to_owned(),
            value: details.encode_to_vec(),
        }],
    };
    Status::with_details(Code::PermissionDenied, message, status.encode_to_vec().into())
}

/// The reason that a `PERMISSION_DENIED` status gives; `None` for any other status, and where no reason can be read.
pub fn denial_reason(status: &Status) -> Option<Reason> {
    if status.code() != Code::PermissionDenied {
        return None;
    }
    let details = RpcStatus::decode(status.details()).ok()?.details;
    let found = details.iter().find(|any| any.type_url == TYPE_URL)?;
    let details = PermissionDeniedDetails::decode(found.value.as_slice()).ok()?;
    Reason::try_from(details.reason).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_arrives() {
        for reason in [
            Reason::Unknown,
            Reason::AgentExpired,
            Reason::AgentBanned,
            Reason::AgentMustReattest,
        ] {
            let status = permission_denied(reason, "no");
            assert_eq!(status.message(), "no");
            assert_eq!(denial_reason(&status), Some(reason));
        }
    }

    #[test]
    fn the_bytes_are_those_of_the_published_messages() {
        let mut any = vec![0x0a, 59];
        any.extend(b"type.googleapis.com/spire.api.types.PermissionDeniedDetails");
        any.extend([0x12, 2, 0x08, 4]);
        let mut expected = vec![
            0x08,
            7,
            0x12,
            2,
            b'n',
            b'o',
            0x1a,
            u8::try_from(any.len()).unwrap(),
        ];
        expected.extend(any);
        assert_eq!(permission_denied(Reason::AgentBanned, "no").details(), expected);
    }

    #[test]
    fn other_statuses_give_none() {
        assert_eq!(denial_reason(&Status::permission_denied("no")), None);
        let details = permission_denied(Reason::AgentBanned, "no").details().to_vec();
        let mislabelled = Status::with_details(Code::Unavailable, "no", details.into());
        assert_eq!(denial_reason(&mislabelled), None);
        let garbage = Status::with_details(Code::PermissionDenied, "no", vec![0xff; 9].into());
        assert_eq!(denial_reason(&garbage), None);
    }
}
