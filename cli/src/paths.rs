//! Where things are unless the command line says otherwise.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use etcetera::BaseStrategy as _;
use symbolon_tls::workload_api::Endpoint;

use crate::exit::Usage;

/// The data directory: `--data-dir`, else `symbolon` in the platform's (`$XDG_DATA_HOME` or `~/.local/share`).
///
/// # Errors
/// If there is no home directory to put it in.
pub(crate) fn data_dir(given: Option<&Path>) -> Result<PathBuf> {
    match given {
        Some(path) => Ok(std::path::absolute(path)?),
        None => Ok(base()?.data_dir().join("symbolon")),
    }
}

/// The file with the key that encrypts the software keys of `data_dir`: `--key-file`, else one in the platform's
/// configuration directory (`$XDG_CONFIG_HOME` or `~/.config`) that is named after the data directory, so that a
/// copy of the one is worth nothing without the other.
///
/// # Errors
/// If there is no home directory to put it in.
pub(crate) fn key_file(given: Option<&Path>, data_dir: &Path) -> Result<PathBuf> {
    if let Some(path) = given {
        return Ok(std::path::absolute(path)?);
    }
    let name = symbolon_crypto::digest::sha256(data_dir.as_os_str().as_encoded_bytes());
    let name: String = hex::encode(name).chars().take(16).collect();
    Ok(base()?.config_dir().join("symbolon").join(format!("{name}.key")))
}

/// The agent's socket: `--socket`, else `SPIFFE_ENDPOINT_SOCKET`, else the one in the data directory.
///
/// # Errors
/// If the endpoint is none.
pub(crate) fn agent_endpoint(given: Option<&str>, given_data_dir: Option<&Path>) -> Result<Endpoint> {
    let endpoint = match (given, given_data_dir) {
        // A bare path is what people type; the scheme is what programs are given.
        (Some(path), _) if !path.contains(':') => Endpoint::unix(Path::new(path)),
        (Some(endpoint), _) => endpoint.parse(),
        (None, None) if std::env::var_os(symbolon_tls::workload_api::ENDPOINT_VARIABLE).is_some() => {
            Endpoint::from_env()
        }
        (None, _) => Endpoint::unix(&data_dir(given_data_dir)?.join("agent/api.sock")),
    };
    Ok(endpoint.map_err(symbolon_tls::workload_api::WorkloadApiError::from)?)
}

fn base() -> Result<impl etcetera::BaseStrategy> {
    etcetera::choose_base_strategy().context(Usage(
        "there is no home directory; say where to keep things with --data-dir and --key-file".into(),
    ))
}
