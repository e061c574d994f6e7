//! Certificate requests from callers. Proof of possession is verified for every caller, on the signer threads: what
//! callers can make the server compute is bounded by them.

use rayon::prelude::*;
use symbolon_api::FORMS_METADATA;
use symbolon_pki::csr::Csr;
use symbolon_pki::suite::Form;
use tonic::Status;

use crate::issuer::Issuer;

/// Reads one request and verifies its proof of possession. It has to be for one of `forms`, which the caller asked for: a caller who asked for none never comes by a post-quantum certificate.
///
/// # Errors
/// `InvalidArgument`, naming `csr` and what is wrong with it, for composites with the half.
pub(super) async fn read(issuer: &Issuer, der: Vec<u8>, forms: &[Form]) -> Result<Csr, Status> {
    let read = read_all(issuer, vec![der], forms).await.pop();
    read.unwrap_or_else(|| Err(Status::internal("a certificate request was lost")))
}

/// Reads many, in parallel; the results stand in their order.
pub(super) async fn read_all(
    issuer: &Issuer,
    requests: Vec<Vec<u8>>,
    forms: &[Form],
) -> Vec<Result<Csr, Status>> {
    let count = requests.len();
    let forms = forms.to_vec();
    let read = move || requests.par_iter().map(|der| read_one(der, &forms)).collect();
    let stopping = || {
        (0..count)
            .map(|_| Err(Status::unavailable("the server is stopping")))
            .collect()
    };
    issuer.on_signers(read).await.unwrap_or_else(stopping)
}

fn read_one(der: &[u8], forms: &[Form]) -> Result<Csr, Status> {
    if der.is_empty() {
        return Err(Status::invalid_argument("csr is missing"));
    }
    let csr = Csr::from_der(der).map_err(|error| Status::invalid_argument(format!("csr: {error}")))?;
    if forms.contains(&csr.form()) {
        return Ok(csr);
    }
    Err(Status::invalid_argument(format!(
        "csr: it is for an SVID of form {form}, which the request did not ask for; send the metadata {FORMS_METADATA}: {form}",
        form = csr.form(),
    )))
}
