//! What a configuration must keep to beyond its syntax, and what its author should be told.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use symbolon_host::duration::HumanDuration;
use symbolon_hsm::{KekSource, Passphrase, PassphraseError, SecretSource, StoreName};
use symbolon_pki::suite::Suite;

use super::{ServerConfig, StoreConfig};
use crate::authorities::may_sign;

/// Lifetimes of X.509-SVIDs above this one are warned of.
const LONG_SVID: Duration = Duration::from_secs(24 * 60 * 60);
/// Lifetimes of JWT-SVIDs above this one are warned of: whoever finds a token can use it as long.
const LONG_JWT: Duration = Duration::from_secs(15 * 60);

/// A value that makes no sense.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{key}` {reason}")]
pub struct Problem {
    /// The key, with the sections it is in.
    pub key: String,
    /// What is wrong with its value, and what would be right.
    pub reason: String,
}

/// A value that works and is likely not what its author wants.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Warning {
    /// The key, with the sections it is in.
    pub key: String,
    /// What it will lead to.
    pub reason: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.key, self.reason)
    }
}

fn problem(key: impl Into<String>, reason: impl Into<String>) -> Problem {
    Problem {
        key: key.into(),
        reason: reason.into(),
    }
}

impl ServerConfig {
    /// Checks the configuration without touching anything: no file is opened and no socket bound.
    ///
    /// # Errors
    /// The first [`Problem`].
    pub fn validate(&self) -> Result<Vec<Warning>, Problem> {
        if self.data_dir.as_os_str().is_empty() {
            return Err(problem("data_dir", "is empty"));
        }
        let name_ok = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        if self.server_name.is_empty()
            || self.server_name.len() > 64
            || !self.server_name.chars().all(name_ok)
        {
            return Err(problem(
                "server_name",
                "must be 1 to 64 letters, digits, `.`, `-` and `_`",
            ));
        }
        for (name, store) in &self.effective_stores() {
            self.check_store(name, store)?;
        }
        self.check_families()?;
        self.check_lifetimes()
    }

    fn check_store(&self, name: &StoreName, store: &StoreConfig) -> Result<(), Problem> {
        let StoreConfig::Software {
            dir,
            key_file,
            passphrase_file,
            passphrase_env,
        } = store;
        let key = |field: &str| format!("stores.{name}.{field}");
        let given = [
            key_file.is_some(),
            passphrase_file.is_some(),
            passphrase_env.is_some(),
        ];
        if given.into_iter().filter(|given| *given).count() > 1 {
            let reason = "has more than one of `key_file`, `passphrase_file` and `passphrase_env`";
            return Err(problem(format!("stores.{name}"), reason));
        }
        let paths = [
            ("dir", dir),
            ("key_file", key_file),
            ("passphrase_file", passphrase_file),
        ];
        for (field, path) in paths {
            if path.as_ref().is_some_and(|path| path.as_os_str().is_empty()) {
                return Err(problem(key(field), "is empty"));
            }
        }
        if passphrase_env
            .as_ref()
            .is_some_and(|name| name.is_empty() || name.contains(['=', '\0']))
        {
            return Err(problem(
                key("passphrase_env"),
                "is not the name of an environment variable",
            ));
        }
        if given == [false; 3] && self.default_key_file().is_none() {
            return Err(problem(key("key_file"), "must be given for this data directory"));
        }
        Ok(())
    }

    fn check_families(&self) -> Result<(), Problem> {
        let stores = self.effective_stores();
        for family in self.authority_settings().families {
            let key = |field: &str| format!("families.{}.{field}", family.family);
            let fits = |suite: &Suite| may_sign(family.family, *suite);
            if !fits(&family.suite) {
                let allowed: Vec<_> = Suite::ALL.into_iter().filter(fits).map(Suite::name).collect();
                let reason = format!(
                    "is {}; this family signs with one of {}",
                    family.suite,
                    allowed.join(", ")
                );
                return Err(problem(key("suite"), reason));
            }
            let components = family.suite.components().len();
            if family.stores.len() != 1 && family.stores.len() != components {
                let reason = format!(
                    "names {} stores; give one, or one for each of {components}",
                    family.stores.len()
                );
                return Err(problem(key("store"), reason));
            }
            if let Some(unknown) = family.stores.iter().find(|name| !stores.contains_key(name)) {
                return Err(problem(
                    key("store"),
                    format!("is {unknown}, and there is no section [stores.{unknown}]"),
                ));
            }
        }
        Ok(())
    }

    fn check_lifetimes(&self) -> Result<Vec<Warning>, Problem> {
        let lifetimes = &self.lifetimes;
        let all = [
            ("lifetimes.authority", lifetimes.authority, None),
            (
                "lifetimes.svid",
                lifetimes.svid,
                Some((LONG_SVID, "a stolen key serves as long")),
            ),
            (
                "lifetimes.agent",
                lifetimes.agent,
                Some((LONG_SVID, "a stolen key serves as long")),
            ),
            (
                "lifetimes.jwt",
                lifetimes.jwt,
                Some((LONG_JWT, "whoever finds a token can use it as long")),
            ),
        ];
        let mut warnings = Vec::new();
        for (key, lifetime, advice) in all {
            if lifetime.0.is_zero() {
                return Err(problem(key, "is zero"));
            }
            let longest = lifetimes.authority.0;
            if lifetime.0 > longest {
                let reason = format!(
                    "is {lifetime}, longer than the authority's {}",
                    lifetimes.authority
                );
                return Err(problem(key, reason));
            }
            if let Some((limit, why)) = advice.filter(|(limit, _)| lifetime.0 > *limit) {
                let reason = format!("is {lifetime}; above {} {why}", HumanDuration(limit));
                warnings.push(Warning {
                    key: key.to_owned(),
                    reason,
                });
            } else if advice.is_some() && lifetime.0 > longest / 6 {
                let reason = format!(
                    "is {lifetime}; authorities sign until a sixth of their {} is left, so some will live shorter",
                    lifetimes.authority
                );
                warnings.push(Warning {
                    key: key.to_owned(),
                    reason,
                });
            }
        }
        Ok(warnings)
    }

    /// The directory of a software store.
    pub(crate) fn store_dir(&self, name: &StoreName, configured: Option<&PathBuf>) -> PathBuf {
        let default = || self.data_dir.join("server").join("keys").join(name.as_str());
        configured.cloned().unwrap_or_else(default)
    }

    /// Beside the data directory, and so not in it: `None` where that is the root.
    fn default_key_file(&self) -> Option<PathBuf> {
        let mut name = self.data_dir.file_name()?.to_owned();
        name.push(".key");
        Some(self.data_dir.with_file_name(name))
    }

    /// What opens a software store. Reads the passphrase if there is to be one.
    ///
    /// # Errors
    /// [`PassphraseError`].
    pub(crate) fn kek_of(&self, store: &StoreConfig) -> Result<KekSource, PassphraseError> {
        let StoreConfig::Software {
            key_file,
            passphrase_file,
            passphrase_env,
            ..
        } = store;
        let source = match (passphrase_file, passphrase_env) {
            (Some(file), _) => SecretSource::File(file.clone()),
            (None, Some(name)) => SecretSource::Environment(name.clone()),
            (None, None) => {
                let file = key_file.clone().or_else(|| self.default_key_file());
                return Ok(KekSource::KeyFile(file.unwrap_or_default()));
            }
        };
        source.read(nobody_to_ask).map(KekSource::Passphrase)
    }
}

/// A server has nobody at its terminal.
fn nobody_to_ask() -> Result<Passphrase, PassphraseError> {
    Err(PassphraseError::Prompt(std::io::ErrorKind::Unsupported.into()))
}

#[cfg(test)]
mod tests {
    use spiffe::TrustDomain;
    use symbolon_host::logging::LogFormat;

    use symbolon_pki::suite::Family;

    use super::*;

    const MINIMAL: &str = "trust_domain = \"example.org\"\ndata_dir = \"/var/lib/symbolon\"\n";

    fn parse(text: &str) -> Result<ServerConfig, toml::de::Error> {
        toml::from_str(&format!("{MINIMAL}{text}"))
    }

    fn refusal(text: &str) -> String {
        match parse(text) {
            Ok(config) => config.validate().unwrap_err().to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn the_documented_defaults_are_the_defaults() {
        let documented: ServerConfig = toml::from_str(include_str!("defaults.toml")).unwrap();
        let minimal = parse("").unwrap();
        assert_eq!(
            minimal,
            ServerConfig::new(TrustDomain::new("example.org").unwrap(), "/var/lib/symbolon")
        );
        assert_eq!(minimal.validate().unwrap(), []);
        assert_eq!(documented.validate().unwrap(), []);

        let families = |config: &ServerConfig| -> Vec<_> {
            let families = config.authority_settings().families.into_iter();
            families.map(|f| (f.family, f.suite, f.stores)).collect()
        };
        assert_eq!(families(&documented), families(&minimal));
        assert_eq!(families(&minimal).len(), 4);
        let places = |config: &ServerConfig| -> Vec<_> {
            let stores = config.effective_stores().into_iter();
            let place = |(name, store): (StoreName, StoreConfig)| {
                let StoreConfig::Software { dir, .. } = &store;
                (
                    config.store_dir(&name, dir.as_ref()),
                    format!("{:?}", config.kek_of(&store).unwrap()),
                )
            };
            stores.map(place).collect()
        };
        assert_eq!(places(&documented), places(&minimal));
        let rest = |config: &ServerConfig| {
            let (listen, lifetimes, log) = (config.listen.clone(), config.lifetimes, config.log.clone());
            (
                config.server_name.clone(),
                config.signer_threads,
                listen,
                lifetimes,
                log,
            )
        };
        assert_eq!(rest(&documented), rest(&minimal));
    }

    #[test]
    fn every_section_can_be_set() {
        let config = parse(
            "[listen]\naddress = \"[::1]:0\"\nallow_classical_kex = true\n\
             [lifetimes]\nauthority = \"7d\"\n\
             [stores.a]\nkind = \"software\"\npassphrase_env = \"SECRET\"\n\
             [stores.b]\nkind = \"software\"\ndir = \"/keys\"\nkey_file = \"/kek\"\n\
             [families.classical]\nsuite = \"ecdsa-p384\"\nstore = \"b\"\n\
             [families.ml-dsa]\nstore = \"a\"\n[families.jwt]\nstore = \"a\"\n\
             [families.composite]\nsuite = \"mldsa44-ed25519\"\nstore = [\"a\", \"b\"]\n\
             [log]\nfilter = \"debug\"\nformat = \"json\"\n",
        )
        .unwrap();
        assert_eq!(config.validate().unwrap(), []);
        assert_eq!(config.log.format, LogFormat::Json);
        let composite = config
            .authority_settings()
            .families
            .into_iter()
            .find(|f| f.family == Family::Composite);
        let composite = composite.unwrap();
        assert_eq!(composite.suite, Suite::MlDsa44Ed25519);
        assert_eq!(
            composite.stores.iter().map(StoreName::as_str).collect::<Vec<_>>(),
            ["a", "b"]
        );
    }

    #[test]
    fn each_mistake_is_named() {
        for (text, words) in [
            ("colour = 1", "colour"),
            ("[listen]\nport = 1", "port"),
            ("[listen]\naddress = \"somewhere\"", "address"),
            ("[lifetimes]\nsvid = \"1 hour\"", "1 hour"),
            ("[lifetimes]\njwt = \"0s\"", "`lifetimes.jwt` is zero"),
            (
                "[lifetimes]\nsvid = \"25h\"",
                "`lifetimes.svid` is 25h, longer than the authority's 1d",
            ),
            ("server_name = \"a/b\"", "server_name"),
            ("[stores.a]\nkind = \"paper\"", "paper"),
            ("[stores.a]\nkind = \"software\"\npin = 1", "pin"),
            ("[stores.A]\nkind = \"software\"", "a-z"),
            (
                "[stores.a]\nkind = \"software\"\nkey_file = \"/k\"\npassphrase_env = \"P\"",
                "more than one",
            ),
            ("[stores.a]\nkind = \"software\"", "[stores.software]"),
            (
                "[families.ml-dsa]\nsuite = \"ecdsa-p256\"",
                "ml-dsa-44, ml-dsa-65, ml-dsa-87",
            ),
            ("[families.jwt]\nsuite = \"ml-dsa-65\"", "`families.jwt.suite`"),
            ("[families.classical]\nsuite = \"rot13\"", "rot13"),
            (
                "[families.classical]\nstore = [\"software\", \"software\"]",
                "names 2 stores",
            ),
            ("[families.classical]\nstore = []", "empty"),
            ("[families.classical]\nstore = 7", "a store's name"),
            ("[families.catalyst]\nstore = \"software\"", "catalyst"),
        ] {
            let error = refusal(text);
            assert!(error.contains(words), "{text:?} gave {error:?}");
        }
        assert!(
            toml::from_str::<ServerConfig>("data_dir = \"/x\"")
                .unwrap_err()
                .to_string()
                .contains("trust_domain")
        );
        let wrong = "trust_domain = \"Not One\"\ndata_dir = \"/x\"";
        assert!(toml::from_str::<ServerConfig>(wrong).is_err());
    }

    #[test]
    fn long_lifetimes_are_warned_of() {
        let config = parse("[lifetimes]\nauthority = \"30d\"\nsvid = \"25h\"\njwt = \"16m\"").unwrap();
        let warnings = config.validate().unwrap();
        assert_eq!(
            warnings.iter().map(|w| w.key.as_str()).collect::<Vec<_>>(),
            ["lifetimes.svid", "lifetimes.jwt"]
        );
        let config = parse("[lifetimes]\nsvid = \"5h\"").unwrap();
        assert!(config.validate().unwrap()[0].to_string().contains("sixth"));
    }
}
