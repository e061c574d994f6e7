//! Strict TOML configuration files: unknown keys are errors, and an error says where it is.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

/// Largest configuration file that is read, in bytes.
const MAX_LEN: u64 = 1024 * 1024;

/// A configuration file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The system refused to read it.
    #[error("cannot read the configuration {path}", path = .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Larger than any configuration.
    #[error("the configuration {path} is larger than {MAX_LEN} bytes", path = .0.display())]
    TooLarge(PathBuf),
    /// Not TOML, an unknown key, or a value of the wrong kind; the source shows the line.
    #[error("the configuration {path} is wrong", path = .path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and what.
        source: Box<toml::de::Error>,
    },
    /// Well formed, but a value makes no sense.
    #[error("the configuration {path} is wrong: {reason}", path = .path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// Which key, and what is wrong with it.
        reason: String,
    },
}

/// Reads a configuration file. `T` should refuse unknown fields.
///
/// # Errors
/// [`ConfigError`], naming the file and for what is in it the line.
pub fn load<T: DeserializeOwned>(path: &Path) -> Result<T, ConfigError> {
    let read = |source| ConfigError::Read {
        path: path.to_owned(),
        source,
    };
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_LEN + 1).read_to_string(&mut text))
        .map_err(read)?;
    if text.len() as u64 > MAX_LEN {
        return Err(ConfigError::TooLarge(path.to_owned()));
    }
    toml::from_str(&text).map_err(|e| ConfigError::Parse {
        path: path.to_owned(),
        source: Box::new(e),
    })
}
