//! The wire: SPIRE server API, SPIFFE Workload API and Symbolon's additions.
//!
//! This crate holds the messages, clients and servers that are compiled from `proto/`, and the few facts and
//! conversions both ends of a connection must agree on. It must not know what the bytes in a message mean: no keys, no
//! certificates, no policy, no transport.
//!
//! | module | protobuf package | from |
//! |---|---|---|
//! | [`spire::api::types`] | `spire.api.types` | spire-api-sdk |
//! | [`spire::api::server::agent::v1`] and `entry`, `bundle`, `svid` beside it | `spire.api.server.*.v1` | spire-api-sdk |
//! | [`spiffe::workload`] | none | SPIFFE Workload API |
//! | [`symbolon::server::v1`], [`symbolon::workload::v1`] | `symbolon.server.v1`, `symbolon.workload.v1` | Symbolon |
//!
//! Names, numbers and types of the first three are those of their publishers, so that stock agents, tools and clients
//! fit. What Symbolon adds to their messages has field numbers of [`FIRST_OWN_FIELD`] and above.
//!
//! Rust names follow prost's rules, under which a run of capitals is one word: `SPIFFEID` is `Spiffeid`, `X509SVID` is
//! `X509svid`, and the method `BatchNewX509SVID` is `batch_new_x509svid`.

mod convert;
mod denied;
pub mod forms;
mod generated;
mod masked;
mod retry;

pub use convert::{IdPart, InvalidId};
pub use denied::{denial_reason, permission_denied};
pub use forms::FORMS_METADATA;
pub use generated::{spiffe, spire, symbolon};
pub use retry::{resource_exhausted, retry_delay};

/// The descriptors of all files and of what they import, as an encoded `google.protobuf.FileDescriptorSet`, without
/// comments: for gRPC reflection, and for comparison with the published ones.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// Fields that Symbolon adds to messages of SPIRE and SPIFFE have this number or a higher one.
pub const FIRST_OWN_FIELD: i32 = 1000;

/// Metadata key that every Workload API call must carry, with the value [`WORKLOAD_METADATA_VALUE`] (SPIFFE Workload
/// Endpoint, section 3). Something that was tricked into connecting on an attacker's behalf does not know to send it.
pub const WORKLOAD_METADATA: &str = "workload.spiffe.io";

/// The one value of [`WORKLOAD_METADATA`]; case matters.
pub const WORKLOAD_METADATA_VALUE: &str = "true";

/// Largest message in bytes that is sent or accepted: 4 MiB, which is all a stock gRPC client takes. Who answers a batch
/// must keep below it: 500 ML-DSA chains in one answer would not.
pub const MAX_MESSAGE: usize = 4 * 1024 * 1024;

/// Most items of one batch, be it certificates to issue or entries to change; SPIRE's agents ask for no more at once.
pub const MAX_BATCH: usize = 500;

/// Most items of one page of a list, and of one page of `SyncAuthorizedEntries`, as in SPIRE.
pub const MAX_PAGE: usize = 500;
