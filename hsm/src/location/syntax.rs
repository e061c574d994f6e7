//! How a location is written.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use super::{KeyChoice, SoftwareLocation, StoreLocation, TpmLocation};
use crate::pkcs11::{Pkcs11Config, Pkcs11Uri, UriError};
use crate::secret::SecretSource;
use crate::software::KekSpec;
use crate::tpm::{Authorization, PcrSelectionError, Placement, TctiError, TpmConfig};

/// Why a text says no location. No value is repeated: somebody may have written a secret there.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LocationSyntaxError {
    /// Neither a URI of ours nor a path.
    #[error(
        "a key store is named by a pkcs11:, tpm: or software: URI, or by the path of a directory, which has a / in it"
    )]
    Kind,
    /// A `pkcs11:` URI that cannot be used.
    #[error(transparent)]
    Pkcs11(#[from] UriError),
    /// A URI that names a key where a store is wanted.
    #[error("this pkcs11: URI names a key (object, id or type), and a store is wanted here")]
    NamesKey,
    /// No TPM.
    #[error(transparent)]
    Tcti(#[from] TctiError),
    /// No PCRs.
    #[error(transparent)]
    Pcrs(#[from] PcrSelectionError),
    /// Something that must be there is not.
    #[error("a {kind}: location must have {what}")]
    Missing {
        /// `tpm` or `software`.
        kind: &'static str,
        /// What, with an example.
        what: &'static str,
    },
    /// An option that there is not.
    #[error("a {kind}: location has no option {name:?}; it may have {known}")]
    Option {
        /// `tpm` or `software`.
        kind: &'static str,
        /// Its name.
        name: String,
        /// Those that there are.
        known: &'static str,
    },
    /// One option twice.
    #[error("the option {name} stands twice in a location")]
    Twice {
        /// Its name.
        name: &'static str,
    },
    /// A value that is none.
    #[error("the value of {name} in a location {fault}")]
    Value {
        /// The option's name.
        name: &'static str,
        /// What is wrong with it.
        fault: &'static str,
    },
}

const TPM_OPTIONS: &str = "dir, pcrs, placement, authorization, owner-auth-source, deadline";
const SOFTWARE_OPTIONS: &str = "key-file, passphrase-source";

impl StoreLocation {
    /// Reads the location of a store, and which of its keys is meant if the text says so, as a `pkcs11:` URI may.
    ///
    /// # Errors
    /// [`LocationSyntaxError`].
    pub fn parse_with_key(text: &str) -> Result<(Self, Option<KeyChoice>), LocationSyntaxError> {
        if Pkcs11Uri::is_meant(text) {
            let uri: Pkcs11Uri = text.parse()?;
            let choice = KeyChoice::from_uri(&uri)?;
            return Ok((Self::Pkcs11(Pkcs11Config::from_uri(&uri)?), choice));
        }
        let location = if let Some(rest) = text.strip_prefix("tpm:") {
            Self::Tpm(tpm(rest)?)
        } else if let Some(rest) = text.strip_prefix("software:") {
            Self::Software(software(rest)?)
        } else if is_path(text) {
            // As in the URI that says the same, so that every location can be written down.
            if text.chars().any(char::is_control) {
                return Err(wrong("software", "has a control character"));
            }
            Self::Software(SoftwareLocation {
                dir: PathBuf::from(text),
                kek: None,
            })
        } else {
            return Err(LocationSyntaxError::Kind);
        };
        Ok((location, None))
    }
}

impl FromStr for StoreLocation {
    type Err = LocationSyntaxError;

    fn from_str(text: &str) -> Result<Self, LocationSyntaxError> {
        match Self::parse_with_key(text)? {
            (location, None) => Ok(location),
            (_, Some(_)) => Err(LocationSyntaxError::NamesKey),
        }
    }
}

/// A path has a slash, and no scheme before it.
fn is_path(text: &str) -> bool {
    text.split_once('/')
        .is_some_and(|(first, _)| !first.contains(':'))
        && !text.contains('\0')
}

fn tpm(rest: &str) -> Result<TpmLocation, LocationSyntaxError> {
    let (tcti, options) = options("tpm", rest, TPM_OPTIONS)?;
    let mut dir = None;
    let mut location = TpmLocation::new(tcti.parse()?, PathBuf::new());
    for (name, value) in options {
        match name {
            "dir" => dir = Some(path("dir", &value)?),
            "pcrs" => location.pcrs = value.parse()?,
            "placement" => {
                location.placement = match value.as_str() {
                    "wrapped" => Placement::Wrapped,
                    "persistent" => Placement::Persistent,
                    _ => return Err(wrong("placement", "is wrapped or persistent")),
                };
            }
            "authorization" => {
                location.authorization = match value.as_str() {
                    "session" => Authorization::Session,
                    "password" => Authorization::Password,
                    _ => return Err(wrong("authorization", "is session or password")),
                };
            }
            "owner-auth-source" => location.owner_auth_source = Some(source("owner-auth-source", &value)?),
            // The list of known ones leaves this alone.
            _ => location.deadline = seconds("deadline", &value)?,
        }
    }
    location.dir = dir.ok_or(LocationSyntaxError::Missing {
        kind: "tpm",
        what: "the directory of its files, as in tpm:device:/dev/tpmrm0?dir=/var/lib/keys",
    })?;
    Ok(location)
}

fn software(rest: &str) -> Result<SoftwareLocation, LocationSyntaxError> {
    let (dir, options) = options("software", rest, SOFTWARE_OPTIONS)?;
    let mut kek = None;
    for (name, value) in options {
        let said = match name {
            "key-file" => KekSpec::KeyFile(path("key-file", &value)?),
            // The list of known ones leaves this alone.
            _ => KekSpec::Passphrase(source("passphrase-source", &value)?),
        };
        if kek.replace(said).is_some() {
            return Err(wrong(
                "passphrase-source",
                "excludes a key-file: a store has one or the other",
            ));
        }
    }
    if dir.is_empty() {
        return Err(LocationSyntaxError::Missing {
            kind: "software",
            what: "the directory of its files, as in software:/var/lib/keys",
        });
    }
    let dir = path("software", &dir)?;
    Ok(SoftwareLocation { dir, kek })
}

/// What stands before the `?`, and the options after it, decoded.
type HeadAndOptions = (String, Vec<(&'static str, String)>);

/// Takes a location apart; options other than the `known` are refused.
fn options(
    kind: &'static str,
    text: &str,
    known: &'static str,
) -> Result<HeadAndOptions, LocationSyntaxError> {
    let (head, query) = text.split_once('?').unwrap_or((text, ""));
    let mut found: Vec<(&'static str, String)> = Vec::new();
    for option in query.split('&').filter(|_| !query.is_empty()) {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let Some(name) = known.split(", ").find(|known| *known == name) else {
            // What is meant for a secret may stand where a name should; a name is short.
            let name = name.chars().take(20).collect();
            return Err(LocationSyntaxError::Option { kind, name, known });
        };
        if found.iter().any(|(seen, _)| *seen == name) {
            return Err(LocationSyntaxError::Twice { name });
        }
        found.push((name, decoded(name, value)?));
    }
    Ok((decoded(kind, head)?, found))
}

/// Undoes `%XX`. Every other character stands for itself.
fn decoded(name: &'static str, value: &str) -> Result<String, LocationSyntaxError> {
    let mut decoded = Vec::with_capacity(value.len());
    let mut bytes = value.bytes();
    while let Some(byte) = bytes.next() {
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        let byte = match byte {
            b'%' => digit()
                .zip(digit())
                .and_then(|(high, low)| u8::try_from(high * 16 + low).ok())
                .ok_or_else(|| wrong(name, "has a % without two hexadecimal digits"))?,
            plain => plain,
        };
        decoded.push(byte);
    }
    let text = String::from_utf8(decoded).map_err(|_| wrong(name, "is not UTF-8"))?;
    match text.chars().any(char::is_control) {
        true => Err(wrong(name, "has a control character")),
        false => Ok(text),
    }
}

fn source(name: &'static str, value: &str) -> Result<SecretSource, LocationSyntaxError> {
    value
        .parse()
        .map_err(|_| wrong(name, "is file:PATH, env:NAME or prompt"))
}

/// As many as a deadline in a server's configuration may have.
fn seconds(name: &'static str, value: &str) -> Result<Duration, LocationSyntaxError> {
    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = value
        .parse()
        .ok()
        .filter(|seconds| digits && (1..=3600).contains(seconds));
    let seconds = seconds.ok_or_else(|| wrong(name, "is a number of seconds, 1 to 3600"))?;
    Ok(Duration::from_secs(seconds))
}

fn path(name: &'static str, value: &str) -> Result<PathBuf, LocationSyntaxError> {
    match value.is_empty() {
        true => Err(wrong(name, "is empty")),
        false => Ok(PathBuf::from(value)),
    }
}

fn wrong(name: &'static str, fault: &'static str) -> LocationSyntaxError {
    LocationSyntaxError::Value { name, fault }
}

/// A text with what would end it escaped.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '%' | '?' | '&' => write!(f, "%{:02X}", u32::from(character))?,
                plain => write!(f, "{plain}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for StoreLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = |path: &Path| Escaped(&path.to_string_lossy()).to_string();
        match self {
            Self::Software(location) => {
                write!(f, "software:{}", path(&location.dir))?;
                match &location.kek {
                    Some(KekSpec::KeyFile(file)) => write!(f, "?key-file={}", path(file)),
                    Some(KekSpec::Passphrase(source)) => {
                        write!(f, "?passphrase-source={}", Escaped(&source.to_string()))
                    }
                    None => Ok(()),
                }
            }
            Self::Pkcs11(config) => {
                let uri = Pkcs11Uri {
                    module_path: Some(config.module.clone()),
                    token: config.token.clone(),
                    pin_source: config.pin_source.clone(),
                    ..Pkcs11Uri::default()
                };
                write!(f, "{uri}")
            }
            Self::Tpm(location) => {
                let (tcti, dir) = (location.tcti.as_str(), path(&location.dir));
                write!(f, "tpm:{}?dir={dir}&pcrs={}", Escaped(tcti), location.pcrs)?;
                if location.placement == Placement::Persistent {
                    f.write_str("&placement=persistent")?;
                }
                if location.authorization == Authorization::Password {
                    f.write_str("&authorization=password")?;
                }
                if let Some(source) = &location.owner_auth_source {
                    write!(f, "&owner-auth-source={}", Escaped(&source.to_string()))?;
                }
                if location.deadline != TpmConfig::DEADLINE {
                    write!(f, "&deadline={}", location.deadline.as_secs())?;
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests;
