//! Certificate requests from callers. Proof of possession is verified for every caller, on the signer threads: what
//! callers can make the server compute is bounded by them.

use rayon::prelude::*;
use symbolon_pki::csr::Csr;
use tonic::Status;

use crate::issuer::Issuer;

/// Reads one request and verifies its proof of possession.
///
/// # Errors
/// `InvalidArgument`, naming `csr` and what is wrong with it, for composites with the half.
pub(super) async fn read(issuer: &Issuer, der: Vec<u8>) -> Result<Csr, Status> {
    let read = read_all(issuer, vec![der]).await.pop();
    read.unwrap_or_else(|| Err(Status::internal("a certificate request was lost")))
}

/// Reads many, in parallel; the results stand in their order.
pub(super) async fn read_all(issuer: &Issuer, requests: Vec<Vec<u8>>) -> Vec<Result<Csr, Status>> {
    let count = requests.len();
    let read = move || requests.par_iter().map(|der| read_one(der)).collect();
    let stopping = || {
        (0..count)
            .map(|_| Err(Status::unavailable("the server is stopping")))
            .collect()
    };
    issuer.on_signers(read).await.unwrap_or_else(stopping)
}

fn read_one(der: &[u8]) -> Result<Csr, Status> {
    if der.is_empty() {
        return Err(Status::invalid_argument("csr is missing"));
    }
    Csr::from_der(der).map_err(|error| Status::invalid_argument(format!("csr: {error}")))
}
