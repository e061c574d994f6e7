//! Tokens with stores on them, in a process that has the tokens' environment.

use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Arc;

use symbolon_crypto::{Component, HeldKey};
use symbolon_hsm::{KeyInfo, KeyLabel, KeyStore, PassphraseError, StoreLocation};
use symbolon_test_tokens::{Kind, Token};

use crate::issuer::AnyError;

/// Tells the child which folder the tokens are in.
const FOLDER: &str = "SYMBOLON_BENCH_TOKENS";

/// Runs `body` with a new SoftHSM and a new PQ token, in a child process: modules read the environment.
///
/// # Errors
/// When a token cannot be made, the child cannot be started, or `body` fails.
pub fn with_tokens(
    body: impl FnOnce(&Token, &Token) -> Result<ExitCode, AnyError>,
) -> Result<ExitCode, AnyError> {
    if let Some(folder) = std::env::var_os(FOLDER) {
        let at = |kind, name| Token::at(kind, Path::new(&folder).join(name));
        return body(&at(Kind::SoftHsm, "softhsm")?, &at(Kind::Pq, "pq")?);
    }
    let folder = tempfile::tempdir()?;
    let make = |kind, name| Token::make(kind, folder.path().join(name));
    let tokens = [make(Kind::SoftHsm, "softhsm")?, make(Kind::Pq, "pq")?];
    let mut child = Command::new(std::env::current_exe()?);
    child
        .args(std::env::args_os().skip(1))
        .envs(tokens.iter().flat_map(Token::environment))
        .env(FOLDER, folder.path());
    Ok(match child.status()?.success() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// The store at a location, for whose secrets nobody is asked.
///
/// # Errors
/// When it cannot be opened.
pub fn store(location: &str) -> Result<Arc<dyn KeyStore>, AnyError> {
    let location: StoreLocation = location.parse()?;
    Ok(location.open(&|_| Err(PassphraseError::Prompt(ErrorKind::Unsupported.into())))?)
}

/// A new key in a store.
///
/// # Errors
/// When the store makes no such key.
pub fn key(store: &dyn KeyStore, component: Component) -> Result<(KeyInfo, Arc<dyn HeldKey>), AnyError> {
    let label = KeyLabel::of("example.org", "bench", "bench", component)?;
    Ok(store.generate(component, &label)?)
}
