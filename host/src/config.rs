//! Strict TOML configuration files: unknown keys are errors, and an error says where it is.

mod examine;

use std::fmt::Display;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error};

pub use self::examine::{Examined, Mistake, examine};

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
    let text = read(path)?;
    toml::from_str(&text).map_err(|e| ConfigError::Parse {
        path: path.to_owned(),
        source: Box::new(e),
    })
}

fn read(path: &Path) -> Result<String, ConfigError> {
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
    Ok(text)
}

/// Reads a value that is written as text; for `#[serde(deserialize_with = …)]`.
///
/// # Errors
/// The deserializer's, with what `T` says is wrong.
pub fn from_text<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: FromStr<Err: Display>,
    D: Deserializer<'de>,
{
    String::deserialize(deserializer)?
        .parse()
        .map_err(D::Error::custom)
}

/// Reads a value that is written as text, where there is one; goes with `#[serde(default)]`.
///
/// # Errors
/// As [`from_text`].
pub fn optional_from_text<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: FromStr<Err: Display>,
    D: Deserializer<'de>,
{
    from_text(deserializer).map(Some)
}

/// Reads a list of values that are written as text; one that is there twice counts once.
///
/// # Errors
/// As [`from_text`], for the first that is wrong.
pub fn distinct_from_text<'de, T, D>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    T: FromStr<Err: Display> + PartialEq,
    D: Deserializer<'de>,
{
    let mut values = Vec::new();
    for text in Vec::<String>::deserialize(deserializer)? {
        let value = text.parse().map_err(D::Error::custom)?;
        if !values.contains(&value) {
            values.push(value);
        }
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    #[derive(Debug, serde::Deserialize)]
    struct Sample {
        #[serde(deserialize_with = "from_text")]
        one: IpAddr,
        #[serde(default, deserialize_with = "optional_from_text")]
        maybe: Option<IpAddr>,
        #[serde(default, deserialize_with = "distinct_from_text")]
        many: Vec<IpAddr>,
    }

    #[test]
    fn values_are_read_from_text_and_what_is_wrong_is_said() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let read: Sample = toml::from_str("one = \"::1\"").unwrap();
        assert_eq!((read.one, read.maybe, read.many), (ip("::1"), None, vec![]));
        let text = "one = \"::1\"\nmaybe = \"::2\"\nmany = [\"::3\", \"::4\", \"::3\"]";
        let read: Sample = toml::from_str(text).unwrap();
        assert_eq!(
            (read.maybe, read.many),
            (Some(ip("::2")), vec![ip("::3"), ip("::4")])
        );
        for wrong in [
            "one = \"x\"",
            "one = \"::1\"\nmaybe = \"x\"",
            "one = \"::1\"\nmany = [\"x\"]",
        ] {
            let error = toml::from_str::<Sample>(wrong).unwrap_err().to_string();
            assert!(error.contains("invalid IP address"), "{error}");
        }
    }
}
