//! Which token, as configuration or a URI says it.

use std::path::PathBuf;
use std::time::Duration;

use super::error::Pkcs11Error;
use super::selector::TokenSelector;
use super::uri::{Pkcs11Uri, UriError};
use crate::secret::SecretSource;

/// What opening a token takes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pkcs11Config {
    /// The module's file.
    pub module: PathBuf,
    /// The token.
    pub token: TokenSelector,
    /// Where its PIN is; `None` for a token that wants none, or asks for it on a keypad of its own.
    pub pin_source: Option<SecretSource>,
    /// How long a call may take, recovery included.
    pub deadline: Duration,
    /// Sessions that are used at once, at most, where the token allows that many.
    pub max_sessions: usize,
}

impl Pkcs11Config {
    /// The default of [`deadline`](Self::deadline): an HSM across a network takes milliseconds, one that fails over
    /// takes seconds.
    pub const DEADLINE: Duration = Duration::from_secs(10);

    /// The default of [`max_sessions`](Self::max_sessions). Vendors of network HSMs name about thirty requests at
    /// once as what they are fastest with; several servers share one.
    pub const MAX_SESSIONS: usize = 16;

    /// The most that [`max_sessions`](Self::max_sessions) may be: each is a thread.
    pub const MOST_SESSIONS: usize = 256;

    /// A token of a module, without a PIN and with the defaults.
    pub fn new(module: impl Into<PathBuf>, token: TokenSelector) -> Self {
        Self {
            module: module.into(),
            token,
            pin_source: None,
            deadline: Self::DEADLINE,
            max_sessions: Self::MAX_SESSIONS,
        }
    }

    /// The token that a URI names, with the defaults.
    ///
    /// # Errors
    /// [`UriError::NoModule`] when it does not say which module.
    pub fn from_uri(uri: &Pkcs11Uri) -> Result<Self, UriError> {
        let module = uri.module_path.clone().ok_or(UriError::NoModule)?;
        Ok(Self {
            pin_source: uri.pin_source.clone(),
            ..Self::new(module, uri.token.clone())
        })
    }

    /// Refuses limits that make no sense.
    pub(super) fn check(&self) -> Result<(), Pkcs11Error> {
        let (least, most) = (Duration::from_millis(10), Duration::from_secs(3600));
        if !(least..=most).contains(&self.deadline) {
            return Err(Pkcs11Error::Limit {
                what: "deadline",
                allowed: "10 ms to 1 h",
            });
        }
        if !(1..=Self::MOST_SESSIONS).contains(&self.max_sessions) {
            return Err(Pkcs11Error::Limit {
                what: "number of sessions",
                allowed: "1 to 256",
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_is_a_configuration_when_it_names_the_module() {
        let uri: Pkcs11Uri = "pkcs11:token=ca?module-path=/m.so&pin-source=env:PIN"
            .parse()
            .expect("uri");
        let config = Pkcs11Config::from_uri(&uri).expect("config");
        assert_eq!(config.module, PathBuf::from("/m.so"));
        assert_eq!(config.token, TokenSelector::label("ca"));
        assert_eq!(
            config.pin_source,
            Some(SecretSource::Environment("PIN".to_owned()))
        );
        let uri: Pkcs11Uri = "pkcs11:token=ca".parse().expect("uri");
        assert_eq!(Pkcs11Config::from_uri(&uri), Err(UriError::NoModule));
    }

    #[test]
    fn limits_are_checked() {
        let config = Pkcs11Config::new("/m.so", TokenSelector::default());
        config.check().expect("the defaults");
        for bad in [
            Pkcs11Config {
                deadline: Duration::ZERO,
                ..config.clone()
            },
            Pkcs11Config {
                max_sessions: 0,
                ..config.clone()
            },
            Pkcs11Config {
                max_sessions: 257,
                ..config.clone()
            },
        ] {
            bad.check().expect_err("out of range");
        }
    }
}
