//! Passphrases, and the places they come from.
//!
//! A passphrase never comes from a command line, which every user of the machine can read; configuration and
//! arguments say where to find it ([`SecretSource`]). Asking a person is the caller's business.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::private_file::{PrivateFileError, read_private};

/// A passphrase: 1 to 1024 bytes, wiped when dropped, never printed.
///
/// The bytes count as they are: nothing is trimmed or normalised here.
#[derive(Clone)]
pub struct Passphrase(Zeroizing<Vec<u8>>);

impl Passphrase {
    /// The most bytes a passphrase may have.
    pub const MAX_LEN: usize = 1024;

    /// Takes what a person typed, or what came from elsewhere.
    ///
    /// # Errors
    /// [`PassphraseError::Length`] when it is empty or too long.
    pub fn new(secret: Zeroizing<Vec<u8>>) -> Result<Self, PassphraseError> {
        if secret.is_empty() || secret.len() > Self::MAX_LEN {
            return Err(PassphraseError::Length { found: secret.len() });
        }
        Ok(Self(secret))
    }

    /// The secret itself, for the one function that needs it.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(hidden)")
    }
}

/// Where a passphrase is to be found: `file:PATH`, `env:NAME` or `prompt`.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum SecretSource {
    /// A file that only its owner can read; one line ending at its end does not count.
    File(PathBuf),
    /// An environment variable. Everything this process starts inherits it, unless it is removed there.
    Environment(String),
    /// A person is asked.
    Prompt,
}

impl SecretSource {
    /// Gets the passphrase; `prompt` asks the person if that is what the source says.
    ///
    /// # Errors
    /// [`PassphraseError`], which names the file or the variable.
    pub fn read(
        &self,
        prompt: impl FnOnce() -> Result<Passphrase, PassphraseError>,
    ) -> Result<Passphrase, PassphraseError> {
        let found = match self {
            Self::File(path) => {
                let mut secret = read_private(path, Passphrase::MAX_LEN + 2)?;
                trim_line_ending(&mut secret);
                Passphrase::new(secret)
            }
            Self::Environment(name) => {
                use std::os::unix::ffi::OsStringExt;
                let value = std::env::var_os(name)
                    .ok_or_else(|| PassphraseError::NoVariable { name: name.clone() })?;
                Passphrase::new(Zeroizing::new(value.into_vec()))
            }
            Self::Prompt => prompt(),
        };
        found.map_err(|error| match error {
            PassphraseError::Length { found } => PassphraseError::LengthFrom {
                source_name: self.to_string(),
                found,
            },
            other => other,
        })
    }
}

fn trim_line_ending(secret: &mut Vec<u8>) {
    if secret.last() == Some(&b'\n') {
        secret.pop();
        if secret.last() == Some(&b'\r') {
            secret.pop();
        }
    }
}

impl FromStr for SecretSource {
    type Err = SourceSyntaxError;

    fn from_str(text: &str) -> Result<Self, SourceSyntaxError> {
        match text.split_once(':') {
            None if text == "prompt" => Ok(Self::Prompt),
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(PathBuf::from(path))),
            Some(("env", name)) if !name.is_empty() && !name.contains(['=', '\0']) => {
                Ok(Self::Environment(name.to_owned()))
            }
            _ => Err(SourceSyntaxError {
                expected: "file:PATH, env:NAME or prompt",
                len: text.len(),
            }),
        }
    }
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Environment(name) => write!(f, "env:{name}"),
            Self::Prompt => f.write_str("prompt"),
        }
    }
}

impl TryFrom<String> for SecretSource {
    type Error = SourceSyntaxError;

    fn try_from(text: String) -> Result<Self, SourceSyntaxError> {
        text.parse()
    }
}

impl From<SecretSource> for String {
    fn from(source: SecretSource) -> Self {
        source.to_string()
    }
}

/// A text that names no source of a secret.
///
/// The text is not repeated: somebody may have written the secret itself there.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a secret's source is written as {expected}, and these {len} bytes are not")]
pub struct SourceSyntaxError {
    pub(crate) expected: &'static str,
    pub(crate) len: usize,
}

/// Why there is no passphrase.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PassphraseError {
    /// Empty, or longer than [`Passphrase::MAX_LEN`].
    #[error("a passphrase must have 1 to 1024 bytes, not {found}")]
    Length {
        /// How many bytes there were.
        found: usize,
    },
    /// As [`Length`](Self::Length), with the place it came from.
    #[error("the passphrase from {source_name} must have 1 to 1024 bytes, not {found}")]
    LengthFrom {
        /// The source, as configuration writes it.
        source_name: String,
        /// How many bytes there were.
        found: usize,
    },
    /// The file could not be read, or others can.
    #[error(transparent)]
    File(#[from] PrivateFileError),
    /// The environment variable is not set.
    #[error("the environment variable {name}, which should hold the passphrase, is not set")]
    NoVariable {
        /// Its name.
        name: String,
    },
    /// Nobody could be asked: no terminal, or the person gave up.
    #[error("cannot ask for the passphrase")]
    Prompt(#[source] std::io::Error),
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::OpenOptionsExt;
    use std::path::Path;

    use super::*;

    fn no_prompt() -> Result<Passphrase, PassphraseError> {
        panic!("nobody is to be asked")
    }

    fn secret_file(dir: &Path, contents: &[u8]) -> SecretSource {
        let path = dir.join("passphrase");
        let mut options = fs::OpenOptions::new();
        let mut file = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&path)
            .expect("open");
        std::io::Write::write_all(&mut file, contents).expect("write");
        SecretSource::File(path)
    }

    #[test]
    fn sources_read_back_as_written() {
        for text in ["file:/run/secrets/kek", "env:SYMBOLON_KEK", "prompt"] {
            assert_eq!(text.parse::<SecretSource>().expect(text).to_string(), text);
        }
        for text in ["", "file:", "env:", "env:A=B", "hunter2", "Prompt", "prompt:now"] {
            text.parse::<SecretSource>().expect_err(text);
        }
    }

    #[test]
    fn a_secret_written_in_place_of_a_source_is_not_repeated() {
        let error = "hunter2".parse::<SecretSource>().expect_err("no source");
        assert!(!error.to_string().contains("hunter2") && !format!("{error:?}").contains("hunter2"));
    }

    #[test]
    fn passphrases_are_never_printed() {
        let passphrase = Passphrase::new(Zeroizing::new(b"hunter2".to_vec())).expect("passphrase");
        assert_eq!(format!("{passphrase:?}"), "Passphrase(hidden)");
    }

    #[test]
    fn one_line_ending_of_a_file_does_not_count() {
        let scratch = tempfile::tempdir().expect("scratch");
        for (contents, secret) in [
            (&b"a b"[..], &b"a b"[..]),
            (b"a\n", b"a"),
            (b"a\r\n", b"a"),
            (b"a\n\n", b"a\n"),
            (b" a ", b" a "),
        ] {
            let source = secret_file(scratch.path(), contents);
            assert_eq!(source.read(no_prompt).expect("passphrase").expose(), secret);
        }
    }

    #[test]
    fn bounds_hold_for_every_source() {
        let scratch = tempfile::tempdir().expect("scratch");
        let longest = vec![b'x'; Passphrase::MAX_LEN];
        secret_file(scratch.path(), &[&longest[..], b"\r\n"].concat())
            .read(no_prompt)
            .expect("longest");
        for contents in [&b"\n"[..], b"", &[&longest[..], b"x"].concat()] {
            let error = secret_file(scratch.path(), contents)
                .read(no_prompt)
                .expect_err("bounds");
            assert!(error.to_string().contains("passphrase"), "{error}");
        }
        secret_file(scratch.path(), &[b'x'; 5000])
            .read(no_prompt)
            .expect_err("far too long");
        let error = SecretSource::Prompt
            .read(|| Passphrase::new(Zeroizing::new(vec![])))
            .expect_err("empty");
        assert_eq!(
            error.to_string(),
            "the passphrase from prompt must have 1 to 1024 bytes, not 0"
        );
    }

    #[test]
    fn the_environment_is_read_and_a_missing_variable_named() {
        let source: SecretSource = "env:CARGO_PKG_NAME".parse().expect("source");
        let passphrase = source.read(no_prompt).expect("cargo sets it");
        assert_eq!(passphrase.expose(), b"symbolon-hsm");
        let source: SecretSource = "env:SYMBOLON_NO_SUCH_VARIABLE".parse().expect("source");
        let error = source.read(no_prompt).expect_err("not set").to_string();
        assert!(error.contains("SYMBOLON_NO_SUCH_VARIABLE"), "{error}");
    }
}
