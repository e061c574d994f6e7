//! Certificate requests from callers. Proof of possession is verified for every caller, off the async threads.

use rayon::prelude::*;
use symbolon_pki::csr::Csr;
use tonic::Status;

/// Reads one request and verifies its proof of possession.
///
/// # Errors
/// `InvalidArgument`, naming `csr` and what is wrong with it, for composites with the half.
pub(super) async fn read(der: Vec<u8>) -> Result<Csr, Status> {
    read_all(vec![der])
        .await
        .pop()
        .unwrap_or_else(|| Err(Status::internal("a certificate request was lost")))
}

/// Reads many, in parallel; the results stand in their order.
pub(super) async fn read_all(requests: Vec<Vec<u8>>) -> Vec<Result<Csr, Status>> {
    let count = requests.len();
    let read = move || requests.par_iter().map(|der| read_one(der)).collect();
    match tokio::task::spawn_blocking(read).await {
        Ok(results) => results,
        Err(_) => (0..count)
            .map(|_| Err(Status::internal("certificate requests could not be read")))
            .collect(),
    }
}

fn read_one(der: &[u8]) -> Result<Csr, Status> {
    if der.is_empty() {
        return Err(Status::invalid_argument("csr is missing"));
    }
    Csr::from_der(der).map_err(|error| Status::invalid_argument(format!("csr: {error}")))
}
