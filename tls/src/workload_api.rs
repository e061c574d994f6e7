//! A client of the SPIFFE Workload API: how a workload gets its SVIDs and bundles from the agent on its node.

mod client;
mod endpoint;
mod error;
mod response;

pub use client::{WorkloadApiClient, X509Stream};
pub use endpoint::{ENDPOINT_VARIABLE, Endpoint, EndpointError};
pub use error::WorkloadApiError;
pub use response::{JwtSvid, ResponseError, X509Context, X509Svid};
