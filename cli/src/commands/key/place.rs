//! Which store a command means, and opening it.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use anyhow::{Context as _, Result};
use symbolon_ca::config::{DEFAULT_STORE, ServerConfig};
use symbolon_crypto::Component;
use symbolon_hsm::location::KeyChoice;
use symbolon_hsm::{KeyStore, Passphrase, SoftwareLocation, StoreError, StoreLocation, StoreName};

use crate::args::Common;
use crate::args::key::StoreArgs;
use crate::exit::Usage;
use crate::up::keys;
use crate::{paths, prompt};

/// A store that was named on the command line.
pub(super) struct Place {
    location: StoreLocation,
    /// The key that its URI names.
    key: Option<KeyChoice>,
    /// What the command line called it.
    name: Option<StoreName>,
    /// The data directory whose authorities may use its keys, and whether the command line names it.
    data_dir: Option<(PathBuf, bool)>,
    /// The server whose configuration named it.
    server: Option<String>,
    /// Whether a new store may be made.
    may_make: bool,
    /// What a person has been asked for, so that nobody is asked twice for the same.
    given: OnceLock<Passphrase>,
}

impl Place {
    /// # Errors
    /// [`Usage`] when the text names no store, and what is wrong with a configuration file.
    pub(super) fn find(common: &Common, args: &StoreArgs) -> Result<Self> {
        let config = match &args.config {
            Some(file) => Some(ServerConfig::load(file)?.0),
            None => None,
        };
        let data_dir = match &config {
            Some(config) => Some((config.data_dir.clone(), true)),
            None => paths::data_dir(common.data_dir.as_deref())
                .ok()
                .map(|path| (path, common.data_dir.is_some())),
        };
        let new = |location, key, name| Self {
            location,
            key,
            name,
            data_dir: data_dir.clone(),
            server: config.as_ref().map(|config| config.server_name.clone()),
            may_make: false,
            given: OnceLock::new(),
        };
        if let Ok(name) = StoreName::parse(&args.store) {
            let location = match &config {
                Some(config) => configured(config, &name)?,
                None => in_data_dir(common, &name)?,
            };
            return Ok(new(location, None, Some(name)));
        }
        let (location, key) =
            StoreLocation::parse_with_key(&args.store).map_err(|error| Usage(format!("--store: {error}")))?;
        Ok(new(location.with_key_file_beside(), key, None))
    }

    /// The same, for a command that may make a new store.
    pub(super) fn for_making(self) -> Self {
        Self {
            may_make: true,
            ..self
        }
    }

    /// The key that its URI names.
    pub(super) fn key(&self) -> Option<&KeyChoice> {
        self.key.as_ref()
    }

    /// The data directory whose authorities may use its keys, and whether the command line names it.
    pub(super) fn data_dir(&self) -> Option<&(PathBuf, bool)> {
        self.data_dir.as_ref()
    }

    /// The name of the server whose configuration names it.
    pub(super) fn server(&self) -> Option<&str> {
        self.server.as_deref()
    }

    /// Opens it; what is not there is made only by a command that may.
    ///
    /// # Errors
    /// [`StoreError`], and [`Usage`] where there is none.
    pub(super) fn open(&self) -> Result<Arc<dyn KeyStore>> {
        if !self.may_make && self.location.is_new()? {
            return Err(Usage(format!("there is no key store at {self}")).into());
        }
        self.reopen()
            .with_context(|| format!("cannot open the key store {self}"))
    }

    /// Opens it once more, without another look. A person who has been asked for a secret is not asked again.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) fn reopen(&self) -> Result<Arc<dyn KeyStore>, StoreError> {
        self.location.open(&|wanted| match self.given.get() {
            Some(given) => Ok(given.clone()),
            None => {
                let given = prompt::wanted(wanted)?;
                Ok(self.given.get_or_init(|| given).clone())
            }
        })
    }

    /// Whether opening it makes a new store.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(super) fn is_new(&self) -> Result<bool, StoreError> {
        self.location.is_new()
    }

    /// Whether its keys are in files alone.
    pub(super) fn is_software(&self) -> bool {
        matches!(self.location, StoreLocation::Software(_))
    }
}

fn configured(config: &ServerConfig, name: &StoreName) -> Result<StoreLocation> {
    let stores = config.effective_stores();
    let store = stores.get(name).ok_or_else(|| {
        let names: Vec<&str> = stores.keys().map(StoreName::as_str).collect();
        Usage(format!(
            "the configuration has no store {name}; it has {}",
            names.join(", ")
        ))
    })?;
    Ok(config.location(name, store))
}

/// The store that `symbolon up` makes, or one that it was given.
fn in_data_dir(common: &Common, name: &StoreName) -> Result<StoreLocation> {
    let data_dir = paths::data_dir(common.data_dir.as_deref())?;
    if name.as_str() != DEFAULT_STORE {
        let recorded = keys::recorded(&data_dir);
        let location = recorded.get(name.as_str()).and_then(|text| text.parse().ok());
        let known: Vec<&str> = [DEFAULT_STORE]
            .into_iter()
            .chain(recorded.keys().map(String::as_str))
            .collect();
        let unknown = || {
            Usage(format!(
                "{} has the stores {}: name the configuration that has {name} with --config, or write a path with a / in \
                 it (./{name})",
                data_dir.display(),
                known.join(", ")
            ))
        };
        return Ok(location.ok_or_else(unknown)?);
    }
    let location = StoreLocation::Software(SoftwareLocation {
        dir: data_dir.join("server").join("keys").join(DEFAULT_STORE),
        kek: None,
    });
    let key_file = paths::key_file(None, &data_dir)?;
    Ok(location.with_key_file(|_| key_file))
}

/// The algorithms that a store makes keys of, in words.
pub(super) fn offered(store: &dyn KeyStore) -> String {
    let offered: Vec<&str> = Component::ALL
        .into_iter()
        .filter(|component| store.offers(*component).is_ok())
        .map(Component::name)
        .collect();
    match offered.is_empty() {
        true => "nothing".to_owned(),
        false => offered.join(", "),
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name} ({})", self.location),
            None => write!(f, "{}", self.location),
        }
    }
}
