//! How long a caller who asked for too much is to wait before it asks again.
//!
//! The hint travels twice, for two kinds of client: as a `google.rpc.RetryInfo` in the status details, and as the
//! trailer that gRPC's own retry policies go by.

use std::time::Duration;

use prost::Message;
use prost_types::Any;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Status};

use crate::denied::RpcStatus;

/// How the type of the details is named inside `google.protobuf.Any`.
const TYPE_URL: &str = "type.googleapis.com/google.rpc.RetryInfo";

/// Where gRPC's retry policies look for the hint, in milliseconds (gRFC A6).
const PUSHBACK: &str = "grpc-retry-pushback-ms";

/// `google.rpc.RetryInfo`.
#[derive(Clone, PartialEq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<prost_types::Duration>,
}

/// A `RESOURCE_EXHAUSTED` status that says when to ask again.
pub fn resource_exhausted(message: impl Into<String>, after: Duration) -> Status {
    let message = message.into();
    let info = RetryInfo {
        retry_delay: prost_types::Duration::try_from(after).ok(),
    };
    let status = RpcStatus {
        code: Code::ResourceExhausted.into(),
        message: message.clone(),
        details: vec![Any {
            type_url: TYPE_URL.to_owned(),
            value: info.encode_to_vec(),
        }],
    };
    let mut metadata = MetadataMap::new();
    let milliseconds = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
    metadata.insert(PUSHBACK, MetadataValue::from(milliseconds));
    let details = status.encode_to_vec().into();
    Status::with_details_and_metadata(Code::ResourceExhausted, message, details, metadata)
}

/// How long the sender of a status wants its caller to wait; `None` where it does not say.
pub fn retry_delay(status: &Status) -> Option<Duration> {
    let details = RpcStatus::decode(status.details()).ok()?.details;
    let found = details.iter().find(|any| any.type_url == TYPE_URL)?;
    let info = RetryInfo::decode(found.value.as_slice()).ok()?;
    info.retry_delay?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hint_arrives_in_both_ways() {
        let after = Duration::from_millis(1500);
        let status = resource_exhausted("too much", after);
        assert_eq!(
            (status.code(), status.message()),
            (Code::ResourceExhausted, "too much")
        );
        assert_eq!(retry_delay(&status), Some(after));
        assert_eq!(status.metadata().get(PUSHBACK).unwrap(), "1500");
    }

    #[test]
    fn the_bytes_are_those_of_the_published_message() {
        let mut any = vec![0x0a, 40];
        any.extend(b"type.googleapis.com/google.rpc.RetryInfo");
        any.extend([0x12, 4, 0x0a, 2, 0x08, 7]);
        let mut expected = vec![0x08, 8, 0x12, 2, b'n', b'o', 0x1a];
        expected.push(u8::try_from(any.len()).unwrap());
        expected.extend(any);
        let status = resource_exhausted("no", Duration::from_secs(7));
        assert_eq!(status.details(), expected);
    }

    #[test]
    fn what_gives_no_hint_has_none() {
        assert_eq!(retry_delay(&Status::resource_exhausted("no")), None);
        let garbage = Status::with_details(Code::ResourceExhausted, "no", vec![0xff; 9].into());
        assert_eq!(retry_delay(&garbage), None);
        let negative = RetryInfo {
            retry_delay: Some(prost_types::Duration {
                seconds: -3,
                nanos: 0,
            }),
        };
        let status = RpcStatus {
            details: vec![Any {
                type_url: TYPE_URL.to_owned(),
                value: negative.encode_to_vec(),
            }],
            ..Default::default()
        };
        let status = Status::with_details(Code::ResourceExhausted, "no", status.encode_to_vec().into());
        assert_eq!(retry_delay(&status), None);
    }
}
