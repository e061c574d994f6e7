//! Key stores, as the file has them.
//!
//! ```toml
#![doc = include_str!("stores.toml")]
//! ```

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use symbolon_host::duration::HumanDuration;
use symbolon_hsm::location::{SoftwareLocation, StoreLocation, TpmLocation};
use symbolon_hsm::tpm::{self, Authorization, PcrSelection, Placement, Tcti, TpmConfig};
use symbolon_hsm::{KekSpec, Pkcs11Config, SecretSource, StoreName, TokenSelector};

use super::ServerConfig;
use super::check::{Problem, Warning, problem};

/// One key store.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(tag = "kind", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum StoreConfig {
    /// One encrypted file for each key.
    Software(SoftwareStoreConfig),
    /// A token behind a PKCS#11 module.
    Pkcs11(Pkcs11StoreConfig),
    /// A TPM 2.0, with a directory for what it has sealed.
    Tpm(TpmStoreConfig),
    /// A store that the program around the server names by its location; files have no such thing.
    #[serde(skip)]
    At(StoreLocation),
}

/// A store of encrypted files. At most one of the four last says what encrypts them.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct SoftwareStoreConfig {
    /// Where the files are. Default: `server/keys/<name>` in the data directory.
    pub dir: Option<PathBuf>,
    /// The file with the key that encrypts them. Default: the data directory's path with `.key` after it.
    pub key_file: Option<PathBuf>,
    /// A file with a passphrase, instead of a key file.
    pub passphrase_file: Option<PathBuf>,
    /// An environment variable with a passphrase, instead of a key file.
    pub passphrase_env: Option<String>,
    /// Ask for a passphrase on the terminal when the server starts, instead of a key file. Default: no.
    pub passphrase_prompt: bool,
}

/// A token. At least one of the five that say which is given; all that are must hold.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Pkcs11StoreConfig {
    /// The module's file.
    pub module: PathBuf,
    /// The label the token was initialised with.
    pub token: Option<String>,
    /// Its serial number.
    pub serial: Option<String>,
    /// Its manufacturer.
    pub manufacturer: Option<String>,
    /// Its model.
    pub model: Option<String>,
    /// The slot it is in.
    pub slot: Option<u64>,
    /// Where its PIN is. Default: nowhere, for a token that wants none or has a keypad of its own.
    pub pin_source: Option<SecretSource>,
    /// Sessions that are used at once, at most. Default: 16.
    #[serde(default = "default_sessions")]
    pub max_sessions: usize,
    /// How long a call to the token may take, finding it again included. Default: 10 seconds.
    #[serde(default = "default_deadline")]
    pub deadline: HumanDuration,
}

/// A TPM.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct TpmStoreConfig {
    /// How it is reached. Default: `device:/dev/tpmrm0`.
    pub tcti: Tcti,
    /// Where the store's files are. Default: `server/keys/<name>` in the data directory.
    pub dir: Option<PathBuf>,
    /// Where the owner hierarchy's password is. Default: it has none.
    pub owner_auth_source: Option<SecretSource>,
    /// Where new ECDSA keys live. Default: as wrapped blobs in `dir`.
    pub placement: Placement,
    /// The PCRs that new ML-DSA seeds are sealed to. Default: `sha256:7`.
    pub pcrs: PcrSelection,
    /// How the TPM is shown that a signature is wanted by who may. Default: by a session.
    pub authorization: Authorization,
    /// How long a call to the TPM may take. Default: 10 seconds.
    pub deadline: HumanDuration,
}

impl Default for TpmStoreConfig {
    fn default() -> Self {
        let TpmConfig {
            tcti,
            pcrs,
            placement,
            authorization,
            deadline,
            ..
        } = TpmConfig::new(Tcti::default());
        Self {
            tcti,
            dir: None,
            owner_auth_source: None,
            placement,
            pcrs,
            authorization,
            deadline: HumanDuration(deadline),
        }
    }
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self::Software(SoftwareStoreConfig::default())
    }
}

fn default_sessions() -> usize {
    Pkcs11Config::MAX_SESSIONS
}

fn default_deadline() -> HumanDuration {
    HumanDuration(Pkcs11Config::DEADLINE)
}

impl StoreConfig {
    /// Checks what can be checked without opening anything. `key_file` is where a software store's key is by default,
    /// if there is such a place.
    pub(super) fn check(&self, name: &StoreName, key_file: Option<PathBuf>) -> Result<(), Problem> {
        let key = |field: &str| format!("stores.{name}.{field}");
        match self {
            Self::Software(store) => store.check(name, key_file.is_some()),
            Self::Pkcs11(store) => store.check(name),
            Self::Tpm(_) | Self::At(StoreLocation::Tpm(_)) if !tpm::IS_BUILT => Err(problem(
                key("kind"),
                "is tpm, and this program was built without TPM support; use one built with the cargo feature `tpm` \
                 (it links libtss2)",
            )),
            Self::Tpm(store) => {
                check_paths(name, &[("dir", store.dir.as_ref())])?;
                check_deadline(name, store.deadline)
            }
            Self::At(_) => Ok(()),
        }
    }
}

impl SoftwareStoreConfig {
    fn check(&self, name: &StoreName, has_default: bool) -> Result<(), Problem> {
        let given = [
            self.key_file.is_some(),
            self.passphrase_file.is_some(),
            self.passphrase_env.is_some(),
            self.passphrase_prompt,
        ];
        if given.into_iter().filter(|given| *given).count() > 1 {
            let reason = "has more than one of `key_file`, `passphrase_file`, `passphrase_env` and `passphrase_prompt`";
            return Err(problem(format!("stores.{name}"), reason));
        }
        let paths = [
            ("dir", self.dir.as_ref()),
            ("key_file", self.key_file.as_ref()),
            ("passphrase_file", self.passphrase_file.as_ref()),
        ];
        check_paths(name, &paths)?;
        let is_variable = |name: &String| !name.is_empty() && !name.contains(['=', '\0']);
        if !self.passphrase_env.as_ref().is_none_or(is_variable) {
            return Err(problem(
                format!("stores.{name}.passphrase_env"),
                "is not the name of an environment variable",
            ));
        }
        if given == [false; 4] && !has_default {
            return Err(problem(
                format!("stores.{name}.key_file"),
                "must be given for this data directory",
            ));
        }
        Ok(())
    }

    /// What encrypts the files; `key_file` where nothing else is said.
    fn kek(&self, key_file: Option<PathBuf>) -> Option<KekSpec> {
        let source = match (&self.passphrase_file, &self.passphrase_env) {
            (Some(file), _) => SecretSource::File(file.clone()),
            (None, Some(name)) => SecretSource::Environment(name.clone()),
            (None, None) if self.passphrase_prompt => SecretSource::Prompt,
            (None, None) => return self.key_file.clone().or(key_file).map(KekSpec::KeyFile),
        };
        Some(KekSpec::Passphrase(source))
    }
}

impl Pkcs11StoreConfig {
    fn check(&self, name: &StoreName) -> Result<(), Problem> {
        let key = |field: &str| format!("stores.{name}.{field}");
        check_paths(name, &[("module", Some(&self.module))])?;
        if self.selector() == TokenSelector::default() {
            let reason = "must be given, or `serial`, `manufacturer`, `model` or `slot`: a module may have several tokens";
            return Err(problem(key("token"), reason));
        }
        if !(1..=Pkcs11Config::MOST_SESSIONS).contains(&self.max_sessions) {
            let reason = format!("is {}; it can be 1 to 256", self.max_sessions);
            return Err(problem(key("max_sessions"), reason));
        }
        check_deadline(name, self.deadline)
    }

    fn selector(&self) -> TokenSelector {
        TokenSelector {
            label: self.token.clone(),
            serial: self.serial.clone(),
            manufacturer: self.manufacturer.clone(),
            model: self.model.clone(),
            slot: self.slot,
        }
    }
}

fn check_paths(name: &StoreName, paths: &[(&str, Option<&PathBuf>)]) -> Result<(), Problem> {
    match paths
        .iter()
        .find(|(_, path)| path.is_some_and(|path| path.as_os_str().is_empty()))
    {
        Some((field, _)) => Err(problem(format!("stores.{name}.{field}"), "is empty")),
        None => Ok(()),
    }
}

fn check_deadline(name: &StoreName, deadline: HumanDuration) -> Result<(), Problem> {
    if (Duration::from_secs(1)..=Duration::from_secs(3600)).contains(&deadline.0) {
        return Ok(());
    }
    let reason = format!("is {deadline}; it can be 1s to 1h");
    Err(problem(format!("stores.{name}.deadline"), reason))
}

impl ServerConfig {
    /// What to tell of stores that no family uses.
    pub(super) fn idle_stores(&self) -> Vec<Warning> {
        let families = self.families();
        let is_idle = |name: &&StoreName| !families.iter().any(|plan| plan.place.stores().contains(name));
        let stores = self.stores.keys().filter(is_idle);
        let warn = |name: &StoreName| {
            Warning {
            key: format!("stores.{name}"),
            reason: "is used by no family; the server opens it all the same and does not start without it: take it out \
                     when no authority that signs has its key there"
                .to_owned(),
        }
        };
        stores.map(warn).collect()
    }

    /// Where the store called `name` is, and what opens it.
    pub fn location(&self, name: &StoreName, store: &StoreConfig) -> StoreLocation {
        let dir = |configured: &Option<PathBuf>| {
            let default = || self.data_dir.join("server").join("keys").join(name.as_str());
            configured.clone().unwrap_or_else(default)
        };
        match store {
            StoreConfig::Software(store) => StoreLocation::Software(SoftwareLocation {
                dir: dir(&store.dir),
                kek: store.kek(self.default_key_file()),
            }),
            StoreConfig::Pkcs11(store) => StoreLocation::Pkcs11(Pkcs11Config {
                pin_source: store.pin_source.clone(),
                deadline: store.deadline.0,
                max_sessions: store.max_sessions,
                ..Pkcs11Config::new(&store.module, store.selector())
            }),
            StoreConfig::At(location) => location.clone(),
            StoreConfig::Tpm(store) => StoreLocation::Tpm(TpmLocation {
                pcrs: store.pcrs.clone(),
                placement: store.placement,
                authorization: store.authorization,
                owner_auth_source: store.owner_auth_source.clone(),
                deadline: store.deadline.0,
                ..TpmLocation::new(store.tcti.clone(), dir(&store.dir))
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_no_family_uses_is_warned_of() {
        let idle = |text: &str| {
            let text = format!("trust_domain = \"example.org\"\ndata_dir = \"/d\"\n{text}");
            let config: ServerConfig = toml::from_str(&text).expect("a configuration");
            let warnings = config.idle_stores().into_iter();
            warnings.map(|warning| warning.key).collect::<Vec<_>>()
        };
        let stores = "[stores.a]\nkind = \"software\"\n[stores.b]\nkind = \"software\"\n";
        assert_eq!(idle(""), [""; 0]);
        assert_eq!(idle(&format!("key_stores = [\"a\", \"b\"]\n{stores}")), [""; 0]);
        assert_eq!(idle(&format!("key_stores = \"b\"\n{stores}")), ["stores.a"]);
        let family = "[families.jwt]\nstore = \"a\"\n";
        assert_eq!(idle(&format!("key_stores = \"b\"\n{stores}{family}")), [""; 0]);
    }
}
