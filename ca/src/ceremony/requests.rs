//! The requests that the root is to sign, read and checked before anybody is asked for anything.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use symbolon_pki::csr::Csr;
use symbolon_pki::pem::{self, PemError};

use super::error::CeremonyError;
use super::plan::{Name, Plan};
use super::policy::{self, PolicyError, Taken};

/// The most bytes of a request's file.
const MAX_LEN: u64 = 64 * 1024;

/// A request to be signed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CsrFile {
    /// What its files are to be called.
    pub name: Name,
    /// The request, PEM or DER.
    pub path: PathBuf,
    /// How long the intermediate is to live; without it as long as the policy allows.
    pub lifetime: Option<Duration>,
}

/// A request that the root may sign.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) name: Name,
    pub(super) der: Vec<u8>,
    pub(super) csr: Csr,
    pub(super) lifetime: Duration,
}

/// Reads and checks requests, each against those before it too.
pub(super) fn read(plan: &Plan, taken: &Taken, files: &[CsrFile]) -> Result<Vec<Request>, CeremonyError> {
    let mut taken = taken.clone();
    let mut requests = Vec::new();
    for file in files {
        let refused = |source| CeremonyError::Request {
            path: file.path.clone(),
            source: Box::new(source),
        };
        let der = read_der(&file.path)?;
        let csr = Csr::from_der(&der).map_err(|error| refused(error.into()))?;
        policy::check(plan, &taken, &file.name, &csr).map_err(refused)?;
        let lifetime = file.lifetime.unwrap_or(plan.policy.lifetime);
        policy::check_lifetime(plan, lifetime).map_err(refused)?;
        if plan.root.path_length == 0 {
            return Err(refused(PolicyError::NothingBelow));
        }
        taken.intermediate(&file.name, csr.key());
        requests.push(Request {
            name: file.name.clone(),
            der,
            csr,
            lifetime,
        });
    }
    Ok(requests)
}

fn read_der(path: &Path) -> Result<Vec<u8>, CeremonyError> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_LEN + 1).read_to_end(&mut bytes))
        .map_err(CeremonyError::io("read the request", path))?;
    let no_request = |source: PemError| CeremonyError::NoRequest {
        path: path.to_owned(),
        source,
    };
    if pem::looks_like_pem(&bytes) {
        return pem::certificate_request(&bytes).map_err(no_request);
    }
    Ok(bytes)
}
