//! By what policy `symbolon svid verify` verifies.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use symbolon_pki::crl::{Crl, CrlSet};
use symbolon_pki::pem;
use symbolon_pki::verify::{AlgorithmProfile, Policy, Revocation, RevocationMode, VerifyOptions};

use crate::args::SvidVerify;
use crate::commands::read_input;
use crate::exit::Usage;

/// What the command line asks of a chain.
pub(super) fn options(options: &SvidVerify) -> Result<VerifyOptions> {
    let mut verify = VerifyOptions::under(policy(&options.policy)?);
    // Who gives lists wants them to count.
    let mode = match (options.revocation, options.crl.is_empty()) {
        (Some(mode), _) => mode,
        (None, true) => RevocationMode::Off,
        (None, false) => RevocationMode::Require,
    };
    let mut lists = Vec::new();
    for file in &options.crl {
        lists.extend(revocation_lists(file)?);
    }
    let lists = CrlSet::new(lists).map_err(|error| Usage(error.to_string()))?;
    verify.revocation = Revocation::new(mode, lists);
    Ok(verify)
}

/// Whether anything was asked that only a chain can answer.
pub(super) fn is_about_chains(options: &SvidVerify) -> bool {
    options.policy != DEFAULT || !options.crl.is_empty() || options.revocation.is_some()
}

/// The policy that is no more than the standards ask.
pub(crate) const DEFAULT: &str = "classical-ok";

/// A policy by its name, or a profile out of a file.
fn policy(name: &str) -> Result<Policy> {
    let unknown = match name.parse::<Policy>() {
        Ok(policy) => return Ok(policy),
        Err(error) => error,
    };
    let file = Path::new(name);
    if !file.is_file() {
        return Err(Usage(unknown.to_string()).into());
    }
    let wrong = |problem: String| Usage(format!("{name}: {problem}"));
    let text = String::from_utf8(read_input(file)?.to_vec()).map_err(|error| wrong(error.to_string()))?;
    let profile = if file.extension().is_some_and(|extension| extension == "json") {
        AlgorithmProfile::from_json(&text)
    } else {
        AlgorithmProfile::from_toml(&text)
    };
    let profile = profile.map_err(|error| wrong(error.to_string()))?;
    Ok(Policy::Profile(Arc::new(profile)))
}

/// The lists in a file, PEM or DER.
fn revocation_lists(file: &Path) -> Result<Vec<Crl>> {
    let input = read_input(file)?;
    let wrong = |problem: String| Usage(format!("{}: {problem}", file.display()));
    if !pem::looks_like_pem(&input) {
        return Ok(vec![
            Crl::from_der(&input).map_err(|error| wrong(error.to_string()))?,
        ]);
    }
    let mut lists = Vec::new();
    for block in pem::blocks(&input).map_err(|error| wrong(error.to_string()))? {
        let block = block.map_err(|error| wrong(error.to_string()))?;
        if block.label == "X509 CRL" {
            lists.push(Crl::from_der(&block.der).map_err(|error| wrong(error.to_string()))?);
        }
    }
    if lists.is_empty() {
        return Err(wrong("it holds no X509 CRL".to_owned()).into());
    }
    Ok(lists)
}
