//! `pkcs11:` URIs (RFC 7512): which module, which token, which key, and where the PIN is.
//!
//! Strict: what is not understood is refused instead of passed over, because a filter that is passed over selects
//! more than it should. No error repeats a value: one of them may be a PIN.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::selector::TokenSelector;
use crate::names::KeyId;
use crate::secret::SecretSource;

/// A `pkcs11:` URI, with the attributes that we understand: `token`, `serial`, `manufacturer`, `model`, `slot-id`,
/// `object`, `id` and `type` of the path, `module-path` and `pin-source` of the query.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Pkcs11Uri {
    /// The module's file.
    pub module_path: Option<PathBuf>,
    /// The token.
    pub token: TokenSelector,
    /// The label of a key.
    pub object: Option<String>,
    /// The `CKA_ID` of a key.
    pub id: Option<Vec<u8>>,
    /// The class of object.
    pub object_type: Option<ObjectType>,
    /// Where the token's PIN is.
    pub pin_source: Option<SecretSource>,
}

/// The classes of object that a URI can mean to us.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ObjectType {
    /// A private key, and with it its public key.
    Private,
    /// A public key.
    Public,
}

/// Why a text is no `pkcs11:` URI that can be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum UriError {
    /// It does not begin with `pkcs11:`.
    #[error("a token's URI begins with pkcs11:")]
    Scheme,
    /// It is longer than any that means something.
    #[error("a token's URI has at most {MAX_LEN} bytes")]
    Length,
    /// It names a token, and not the module that leads there.
    #[error("a token's URI must have module-path, which says how the token is reached")]
    NoModule,
    /// The PIN itself stands in it, where every user of the machine and every log can read it.
    #[error("pin-value is refused, because a URI is no place for a PIN: use pin-source")]
    PinValue,
    /// An attribute that RFC 7512 or we do not know.
    #[error("the attribute {name:?} is not understood in the {part} of a pkcs11: URI; known: {known}")]
    Attribute {
        /// Its name.
        name: String,
        /// `path` or `query`.
        part: &'static str,
        /// Those that are.
        known: &'static str,
    },
    /// A part without a name and a value.
    #[error("every part of a pkcs11: URI is name=value, and the {part} has one that is not")]
    NotAnAttribute {
        /// `path` or `query`.
        part: &'static str,
    },
    /// One attribute twice.
    #[error("the attribute {name} stands twice in a pkcs11: URI")]
    Twice {
        /// Its name.
        name: &'static str,
    },
    /// A value that cannot be what the attribute wants.
    #[error("the value of {name} in a pkcs11: URI {fault}")]
    Value {
        /// The attribute's name.
        name: &'static str,
        /// What is wrong with it.
        fault: &'static str,
    },
}

const PATH: &str = "token, serial, manufacturer, model, slot-id, object, id, type";
const QUERY: &str = "module-path, pin-source";

/// The most bytes a URI may have: each of our attributes at its longest, percent-encoded, and room to spare.
const MAX_LEN: usize = 16 * 1024;

impl Pkcs11Uri {
    /// Whether `text` is meant to be one.
    pub fn is_meant(text: &str) -> bool {
        text.get(..7)
            .is_some_and(|scheme| scheme.eq_ignore_ascii_case("pkcs11:"))
    }

    /// The id of the key that `id` names, as the store writes it.
    ///
    /// # Errors
    /// [`UriError::Value`] when it is empty or longer than a [`KeyId`] can be.
    pub fn key_id(&self) -> Result<Option<KeyId>, UriError> {
        let invalid = UriError::Value {
            name: "id",
            fault: "has 1 to 64 bytes, percent-encoded",
        };
        self.id
            .as_deref()
            .map(|id| KeyId::parse(&hex::encode(id)).map_err(|_| invalid))
            .transpose()
    }

    fn add_to_path(&mut self, name: &str, value: &[u8]) -> Result<(), UriError> {
        match name {
            "token" => once("token", &mut self.token.label, text("token", value)?),
            "serial" => once("serial", &mut self.token.serial, text("serial", value)?),
            "manufacturer" => once(
                "manufacturer",
                &mut self.token.manufacturer,
                text("manufacturer", value)?,
            ),
            "model" => once("model", &mut self.token.model, text("model", value)?),
            "slot-id" => once("slot-id", &mut self.token.slot, number("slot-id", value)?),
            "object" => once("object", &mut self.object, text("object", value)?),
            "id" => once("id", &mut self.id, value.to_owned()),
            "type" => {
                let object_type = match value {
                    b"private" => ObjectType::Private,
                    b"public" => ObjectType::Public,
                    _ => {
                        return Err(UriError::Value {
                            name: "type",
                            fault: "is private or public",
                        });
                    }
                };
                once("type", &mut self.object_type, object_type)
            }
            _ => Err(unknown(name, "path", PATH)),
        }
    }

    fn add_to_query(&mut self, name: &str, value: &[u8]) -> Result<(), UriError> {
        match name {
            "module-path" => {
                let path = text("module-path", value)?;
                once("module-path", &mut self.module_path, PathBuf::from(path))
            }
            "pin-source" => once("pin-source", &mut self.pin_source, pin_source(value)?),
            "pin-value" => Err(UriError::PinValue),
            _ => Err(unknown(name, "query", QUERY)),
        }
    }
}

fn unknown(name: &str, part: &'static str, known: &'static str) -> UriError {
    // A name is at most what the longest of ours could be misspelt as; a value without its `=` may be longer.
    let name = name.chars().take(32).collect();
    UriError::Attribute { name, part, known }
}

fn once<T>(name: &'static str, place: &mut Option<T>, value: T) -> Result<(), UriError> {
    match place {
        Some(_) => Err(UriError::Twice { name }),
        None => {
            *place = Some(value);
            Ok(())
        }
    }
}

fn text(name: &'static str, value: &[u8]) -> Result<String, UriError> {
    let fault = |fault| UriError::Value { name, fault };
    let text = std::str::from_utf8(value).map_err(|_| fault("is not UTF-8"))?;
    if text.is_empty() {
        return Err(fault("is empty"));
    }
    if text.chars().any(char::is_control) {
        return Err(fault("has a control character"));
    }
    Ok(text.to_owned())
}

fn number(name: &'static str, value: &[u8]) -> Result<u64, UriError> {
    let digits = text(name, value)?;
    let decimal = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| decimal).ok_or(UriError::Value {
        name,
        fault: "is a decimal number",
    })
}

/// RFC 7512, section 2.4: a `file:` URI or an absolute path; and, beyond it, what configuration writes.
/// A command to run (`|command`) is refused: it would make a URI a program.
fn pin_source(value: &[u8]) -> Result<SecretSource, UriError> {
    let source = text("pin-source", value)?;
    let path = source.strip_prefix("file://").or(source.strip_prefix("file:"));
    match path.unwrap_or(&source) {
        path if path.starts_with('/') => Ok(SecretSource::File(PathBuf::from(path))),
        _ => source.parse().map_err(|_| UriError::Value {
            name: "pin-source",
            fault: "is file:/PATH, env:NAME or prompt",
        }),
    }
}

impl FromStr for Pkcs11Uri {
    type Err = UriError;

    fn from_str(uri: &str) -> Result<Self, UriError> {
        if uri.len() > MAX_LEN {
            return Err(UriError::Length);
        }
        let rest = Self::is_meant(uri).then(|| uri.get(7..)).flatten();
        let rest = rest.ok_or(UriError::Scheme)?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut parsed = Self::default();
        // `pin-value` first, so that its error comes before one about something else beside it.
        if query
            .split('&')
            .any(|part| part.split('=').next() == Some("pin-value"))
        {
            return Err(UriError::PinValue);
        }
        for (part, text, separator) in [("path", path, ';'), ("query", query, '&')] {
            for attribute in text.split(separator).filter(|_| !text.is_empty()) {
                let (name, value) = attribute
                    .split_once('=')
                    .ok_or(UriError::NotAnAttribute { part })?;
                let value = decoded(value).ok_or(UriError::NotAnAttribute { part })?;
                match part {
                    "path" => parsed.add_to_path(name, &value)?,
                    _ => parsed.add_to_query(name, &value)?,
                }
            }
        }
        Ok(parsed)
    }
}

/// Undoes the percent-encoding; `None` when a byte should have been encoded, or an encoding is none.
fn decoded(value: &str) -> Option<Vec<u8>> {
    let mut bytes = value.bytes();
    let mut decoded = Vec::with_capacity(value.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let high = char::from(bytes.next()?).to_digit(16)?;
                let low = char::from(bytes.next()?).to_digit(16)?;
                u8::try_from(high * 16 + low).ok()?
            }
            plain if is_plain(plain) => plain,
            _ => return None,
        });
    }
    Some(decoded)
}

/// What RFC 7512 lets stand for itself in either part; `/`, `?` and `|`, which only a query may hold, are let in
/// everywhere, and `&`, which only a path may hold, nowhere.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:[]@!$'()*+,=/?|".contains(&byte)
}

/// Escapes what cannot stand for itself.
fn encoded(value: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for &byte in value {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            write!(f, "{}", char::from(byte))?;
        } else {
            write!(f, "%{byte:02X}")?;
        }
    }
    Ok(())
}

impl fmt::Display for Pkcs11Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slot = self.token.slot.map(|slot| slot.to_string());
        let text = |text: &Option<String>| text.clone().map(String::into_bytes);
        let path = [
            ("token", text(&self.token.label)),
            ("manufacturer", text(&self.token.manufacturer)),
            ("model", text(&self.token.model)),
            ("serial", text(&self.token.serial)),
            ("slot-id", text(&slot)),
            ("object", text(&self.object)),
            ("id", self.id.clone()),
            (
                "type",
                self.object_type.map(|object_type| match object_type {
                    ObjectType::Private => b"private".to_vec(),
                    ObjectType::Public => b"public".to_vec(),
                }),
            ),
        ];
        let query = [
            (
                "module-path",
                self.module_path
                    .as_ref()
                    .map(|path| path.to_string_lossy().into_owned().into_bytes()),
            ),
            (
                "pin-source",
                self.pin_source
                    .as_ref()
                    .map(|source| source.to_string().into_bytes()),
            ),
        ];
        f.write_str("pkcs11:")?;
        for (attributes, first, next) in [(&path[..], "", ";"), (&query[..], "?", "&")] {
            let mut separator = first;
            for (name, value) in attributes {
                if let Some(value) = value {
                    write!(f, "{separator}{name}=")?;
                    encoded(value, f)?;
                    separator = next;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "uri_tests.rs"]
mod tests;
