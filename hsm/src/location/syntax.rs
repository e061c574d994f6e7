//! How a location is written.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::{KeyChoice, SoftwareLocation, StoreLocation, TpmLocation};
use crate::pkcs11::{Pkcs11Config, Pkcs11Uri, UriError};
use crate::secret::SecretSource;
use crate::software::KekSpec;
use crate::tpm::{Authorization, PcrSelectionError, Placement, TctiError};

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

const TPM_OPTIONS: &str = "dir, pcrs, placement, authorization, owner-auth-source";
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
            // The list of known ones leaves this alone.
            _ => {
                location.owner_auth_source = Some(source("owner-auth-source", &value)?);
            }
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
                match &location.owner_auth_source {
                    Some(source) => write!(f, "&owner-auth-source={}", Escaped(&source.to_string())),
                    None => Ok(()),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_read_back_as_written() {
        for text in [
            "software:/var/lib/keys",
            "software:/var/lib/a b%3F?key-file=/etc/k%26k",
            "software:keys?passphrase-source=env:KEK",
            "pkcs11:token=ca?module-path=/m.so&pin-source=file%3A/run/pin",
            "tpm:device:/dev/tpmrm0?dir=/var/lib/keys&pcrs=sha256:0,7+sha384:14",
            "tpm:swtpm:host=127.0.0.1,port=2321?dir=keys&pcrs=sha256:7&placement=persistent\
             &authorization=password&owner-auth-source=env:OWNER",
        ] {
            let location: StoreLocation = text.parse().expect(text);
            assert_eq!(location.to_string(), text);
            assert_eq!(location.to_string().parse(), Ok(location), "{text}");
        }
    }

    #[test]
    fn a_tpm_has_its_options() {
        let text = "tpm:swtpm:port=2321?dir=/k&placement=persistent&owner-auth-source=file:/o";
        let StoreLocation::Tpm(location) = text.parse().expect(text) else {
            panic!("a TPM");
        };
        assert_eq!(location.tcti.as_str(), "swtpm:port=2321");
        assert_eq!(location.placement, Placement::Persistent);
        assert_eq!(location.pcrs.to_string(), "sha256:7");
        let owner = SecretSource::File(PathBuf::from("/o"));
        assert_eq!(location.owner_auth_source, Some(owner));
    }

    #[test]
    fn plain_paths_have_a_slash() {
        for text in ["/k", "./k", "../k", "k/", "a/b:c"] {
            let location: StoreLocation = text.parse().expect(text);
            let expected = SoftwareLocation {
                dir: PathBuf::from(text),
                kek: None,
            };
            assert_eq!(location, StoreLocation::Software(expected));
        }
        for text in ["", "hsm1", "file:/k", "http://example.org/", "a\0/b"] {
            assert_eq!(
                text.parse::<StoreLocation>(),
                Err(LocationSyntaxError::Kind),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_not_understood_is_refused_and_no_secret_repeated() {
        for (text, words) in [
            ("tpm:", "does not say how to reach a TPM"),
            ("tpm:device:/dev/tpmrm0", "dir=/var/lib/keys"),
            ("tpm:device:/dev/tpmrm0?dir=", "dir in a location is empty"),
            ("tpm:device:/dev/tpmrm0?dir=/k&pcrs=md5:1", "selects no PCRs"),
            (
                "tpm:device:/dev/tpmrm0?dir=/k&placement=x",
                "wrapped or persistent",
            ),
            (
                "tpm:device:/dev/tpmrm0?dir=/k&authorization=x",
                "session or password",
            ),
            (
                "tpm:device:/dev/tpmrm0?dir=/k&owner-auth-source=hunter2",
                "file:PATH",
            ),
            ("tpm:device:/dev/tpmrm0?dir=/k&dir=/l", "twice"),
            ("software:", "the directory"),
            ("software:/k?pass=hunter2", "no option \"pass\""),
            ("software:/k?passphrase-source=hunter2", "file:PATH"),
            (
                "software:/k?key-file=/f&passphrase-source=prompt",
                "one or the other",
            ),
            ("software:/k%2", "two hexadecimal digits"),
            ("software:/k%00", "control character"),
            ("/k\n", "control character"),
            ("software:/k%ff", "UTF-8"),
            ("pkcs11:token=ca", "module-path"),
            (
                "pkcs11:token=ca?module-path=/m.so&pin-value=hunter2",
                "pin-value is refused",
            ),
            ("pkcs11:token=ca;id=%01?module-path=/m.so", "a store is wanted"),
        ] {
            let error = text.parse::<StoreLocation>().expect_err(text).to_string();
            assert!(error.contains(words), "{text}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
