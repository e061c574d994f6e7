//! Where the keys of `up` are: in the stores that `--keys` names, or in encrypted files in the data directory.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use symbolon_ca::authorities::AuthoritiesError;
use symbolon_ca::config::{DEFAULT_STORE, ServerConfig, StoreConfig};
use symbolon_ca::server::ServerError;
use symbolon_crypto::digest::sha256;
use symbolon_host::data_dir::write_whole;
use symbolon_hsm::location::LocationSyntaxError;
use symbolon_hsm::{SecretSource, SoftwareStore, StoreLocation, StoreName, tpm};

use crate::exit::Usage;

/// The file that says, for the error message of a later run, what `--keys` was. It has no secret in it, only where
/// secrets are found.
const RECORD: &str = "server/up-keys.json";

/// The longest part of a store's name that tells a person what it is, in bytes.
const MAX_SLUG: usize = 26;

/// The stores of one run of `up`.
pub(super) struct Keys {
    /// In the order of the command line: each component of a key goes to the first that offers it.
    stores: Vec<(StoreName, StoreConfig)>,
    /// The store in the data directory, when keys of earlier runs may be in it.
    earlier: Option<(StoreName, StoreConfig)>,
    record: PathBuf,
}

impl Keys {
    /// Reads what `--keys` says. `software` is the store in the data directory, which is used when it says nothing.
    ///
    /// # Errors
    /// [`Usage`], naming what is wrong.
    pub(super) fn read(texts: &[String], data_dir: &Path, software: StoreConfig) -> Result<Self> {
        let default = StoreName::parse(DEFAULT_STORE)?;
        let mut stores: Vec<(StoreName, StoreConfig)> = Vec::new();
        for text in texts {
            let (name, store) = match text.as_str() {
                DEFAULT_STORE => (default.clone(), software.clone()),
                _ => store(text, data_dir).map_err(|reason| Usage(format!("--keys: {reason}")))?,
            };
            if stores.iter().any(|(known, _)| *known == name) {
                let reason = format!(
                    "--keys: two key stores are called {name}; name them yourself: --keys NAME=STORE"
                );
                return Err(Usage(reason).into());
            }
            stores.push((name, store));
        }
        let files = data_dir.join("server/keys").join(DEFAULT_STORE);
        let has_files = !SoftwareStore::is_new(&files).unwrap_or(true);
        let mut earlier = None;
        if stores.is_empty() {
            stores.push((default, software));
        } else if has_files && !stores.iter().any(|(name, _)| *name == default) {
            earlier = Some((default, software));
        }
        Ok(Self {
            stores,
            earlier,
            record: data_dir.join(RECORD),
        })
    }

    /// Makes these the stores of `config`.
    pub(super) fn configure(&self, config: &mut ServerConfig) {
        config.key_stores = self.stores.iter().map(|(name, _)| name.clone()).collect();
        config.stores = self.stores.iter().chain(&self.earlier).cloned().collect();
    }

    /// Remembers them for [`explain`](Self::explain).
    ///
    /// # Errors
    /// If the record cannot be written.
    pub(super) fn remember(&self) -> Result<()> {
        let mut record = self.recorded();
        let before = record.len();
        for (name, store) in &self.stores {
            if let StoreConfig::At(location) = store {
                record.insert(name.to_string(), location.to_string());
            }
        }
        if record.is_empty() && before == 0 {
            return Ok(());
        }
        write_whole(&self.record, &serde_json::to_vec_pretty(&record)?, 0o600)?;
        Ok(())
    }

    /// What was remembered; nothing where that cannot be read, as it only makes a message better.
    fn recorded(&self) -> BTreeMap<String, String> {
        read_record(&self.record)
    }

    /// Adds what to pass to an error about a store that was not named.
    pub(super) fn explain(&self, error: ServerError) -> anyhow::Error {
        let ServerError::Authorities(AuthoritiesError::StoreGone { store, .. }) = &error else {
            return error.into();
        };
        let mut recorded = self.recorded();
        let advice = match recorded.remove_entry(store.as_str()) {
            // With the others of the runs before: what lacks one of them is likely to lack them all.
            Some(missing) => {
                recorded.retain(|name, _| !self.stores.iter().any(|(known, _)| known.as_str() == name));
                let all = std::iter::once(missing).chain(recorded);
                let options: Vec<String> = all
                    .map(|(name, location)| format!("--keys '{name}={location}'"))
                    .collect();
                format!("pass {}", options.join(" "))
            }
            None if store.as_str() == DEFAULT_STORE => format!("pass --keys {DEFAULT_STORE}"),
            None => format!("pass --keys {store}=URI with the place of that store"),
        };
        Usage(format!("{error}: {advice}")).into()
    }
}

/// The stores of earlier runs of `up` on a data directory, by name; none where that cannot be read.
pub(crate) fn recorded(data_dir: &Path) -> BTreeMap<String, String> {
    read_record(&data_dir.join(RECORD))
}

fn read_record(file: &Path) -> BTreeMap<String, String> {
    fs::read(file)
        .ok()
        .and_then(|text| serde_json::from_slice(&text).ok())
        .unwrap_or_default()
}

/// `[NAME=]URI` or `[NAME=]DIRECTORY`. The error does not repeat what may be a secret.
fn store(text: &str, data_dir: &Path) -> Result<(StoreName, StoreConfig), String> {
    let named = text
        .split_once('=')
        .and_then(|(name, rest)| Some((StoreName::parse(name).ok()?, rest)));
    let (name, text) = match named {
        Some((name, rest)) => (Some(name), rest),
        None => (None, text),
    };
    if name.as_ref().is_some_and(|name| name.as_str() == DEFAULT_STORE) {
        return Err(format!(
            "`{DEFAULT_STORE}` is the name of the encrypted files in the data directory; choose another"
        ));
    }
    let location = location(text, data_dir).map_err(|error| error.to_string())?;
    if matches!(location, StoreLocation::Tpm(_)) && !tpm::IS_BUILT {
        return Err(
            "this program was built without TPM support; use one built with the cargo feature `tpm` (it links \
             libtss2)"
                .to_owned(),
        );
    }
    let location = absolute(location).map_err(|error| error.to_string())?;
    // Whoever names a directory alone gets its key beside it, as with a data directory.
    let location = location.with_key_file_beside();
    let name = match name {
        Some(name) => name,
        None => name_of(&location).map_err(|error| error.to_string())?,
    };
    Ok((name, StoreConfig::At(location)))
}

/// As [`StoreLocation`] reads it; the files of a TPM's store are in the data directory where nothing else is said.
fn location(text: &str, data_dir: &Path) -> Result<StoreLocation, LocationSyntaxError> {
    let read: Result<StoreLocation, _> = text.parse();
    match read {
        Err(LocationSyntaxError::Missing { kind: "tpm", .. }) => {
            let mut dir = String::new();
            for c in data_dir.join("server/keys/tpm").to_string_lossy().chars() {
                match c {
                    '%' | '&' | '?' | '#' => dir.push_str(&format!("%{:02X}", u32::from(c))),
                    plain => dir.push(plain),
                }
            }
            let separator = if text.contains('?') { '&' } else { '?' };
            format!("{text}{separator}dir={dir}").parse()
        }
        other => other,
    }
}

/// The location with paths that hold in any working directory.
fn absolute(mut location: StoreLocation) -> std::io::Result<StoreLocation> {
    let path = match &mut location {
        StoreLocation::Software(location) => &mut location.dir,
        StoreLocation::Tpm(location) => &mut location.dir,
        StoreLocation::Pkcs11(config) => &mut config.module,
        _ => return Ok(location),
    };
    *path = std::path::absolute(&*path)?;
    let secret = match &mut location {
        StoreLocation::Tpm(location) => &mut location.owner_auth_source,
        StoreLocation::Pkcs11(config) => &mut config.pin_source,
        _ => return Ok(location),
    };
    if let Some(SecretSource::File(file)) = secret {
        *file = std::path::absolute(&*file)?;
    }
    Ok(location)
}

/// A name that is the same in every run: what a person calls the store, and digits that tell like ones apart.
fn name_of(location: &StoreLocation) -> Result<StoreName> {
    let (words, identity) = match location {
        StoreLocation::Pkcs11(config) => {
            let token = &config.token;
            let words = token
                .label
                .as_deref()
                .or(token.serial.as_deref())
                .unwrap_or("token");
            // Not where the module is: that changes with its version.
            let module = config.module.file_name().unwrap_or_default();
            (words.to_owned(), format!("{token} {}", module.display()))
        }
        other => {
            let dir = other.dir().unwrap_or(Path::new(""));
            let words = match other {
                StoreLocation::Tpm(_) => "tpm".into(),
                _ => dir.file_name().unwrap_or_default().to_string_lossy(),
            };
            (words.into_owned(), dir.display().to_string())
        }
    };
    let digits: String = hex::encode(sha256(identity.as_bytes())).chars().take(4).collect();
    let name = format!("{}-{digits}", slug(&words));
    StoreName::parse(name.trim_start_matches('-')).context("no name can be made for the key store")
}

/// The words in letters, digits and single hyphens.
fn slug(words: &str) -> String {
    let mut slug = String::new();
    for c in words.chars() {
        match c.to_ascii_lowercase() {
            c if c.is_ascii_alphanumeric() => slug.push(c),
            _ if slug.is_empty() || slug.ends_with('-') => {}
            _ => slug.push('-'),
        }
        if slug.len() == MAX_SLUG {
            break;
        }
    }
    slug.trim_end_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(texts: &[&str]) -> Result<Vec<String>> {
        let texts: Vec<String> = texts.iter().map(ToString::to_string).collect();
        let keys = Keys::read(&texts, Path::new("/nowhere/data"), StoreConfig::default())?;
        Ok(keys.stores.iter().map(|(name, _)| name.to_string()).collect())
    }

    #[test]
    fn stores_are_named_alike_in_every_run_and_differently_from_each_other() {
        let uri = "pkcs11:token=My%20HSM%20(prod)?module-path=/usr/lib/a/m.so&pin-source=env:PIN";
        let elsewhere = "pkcs11:token=My%20HSM%20(prod)?module-path=/opt/m.so&pin-source=prompt";
        let other = "pkcs11:token=My%20HSM%20(prod)?module-path=/usr/lib/other.so";
        let names = read(&[uri, other, "/srv/Keys", "software", "mine=/srv/Keys"]).unwrap();
        assert!(
            names[0].starts_with("my-hsm-prod-") && names[2].starts_with("keys-"),
            "{names:?}"
        );
        assert_eq!(names[3..], ["software", "mine"]);
        assert_ne!(names[0], names[1]);
        assert_eq!(read(&[elsewhere]).unwrap()[0], names[0]);
        assert_eq!(read(&[]).unwrap(), ["software"]);
        let twice = read(&[uri, elsewhere]).unwrap_err().to_string();
        assert!(twice.contains("NAME=STORE"), "{twice}");
        let long = format!("pkcs11:token={}?module-path=/m.so", "x".repeat(32));
        assert_eq!(read(&[&long]).unwrap()[0].len(), MAX_SLUG + 5);
        assert_eq!(slug("--a__B--"), "a-b");
    }

    #[test]
    fn what_is_no_store_is_refused_without_being_repeated() {
        for (text, words) in [
            ("hunter2", "URI"),
            (
                "pkcs11:token=a?module-path=/m&pin-value=hunter2",
                "pin-value is refused",
            ),
            ("pkcs11:token=a?pin-source=hunter2&module-path=/m", "pin-source"),
            ("pkcs11:token=a", "module-path"),
            ("tpm:hunter2", "TPM"),
            ("software=/srv/Keys", "choose another"),
        ] {
            let error = read(&[text]).unwrap_err().to_string();
            assert!(
                error.starts_with("--keys: ") && error.contains(words),
                "{text}: {error}"
            );
            assert!(text.starts_with("tpm:") || !error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn what_is_remembered_holds_in_any_working_directory() {
        for text in [
            "pkcs11:token=a?module-path=m.so&pin-source=file:pin",
            "tpm:device:/dev/tpmrm0?owner-auth-source=file:pin",
        ] {
            let location = absolute(location(text, Path::new("/d")).unwrap())
                .unwrap()
                .to_string();
            let pin = std::path::absolute("pin").unwrap();
            assert!(location.contains(pin.to_str().unwrap()), "{location}");
        }
    }

    #[test]
    fn a_tpm_store_is_in_the_data_directory_unless_said_otherwise() {
        let dir = |text: &str, data: &str| {
            let location = location(text, Path::new(data)).unwrap();
            location.dir().unwrap().display().to_string()
        };
        assert_eq!(dir("tpm:device:/dev/tpmrm0", "/d?a"), "/d?a/server/keys/tpm");
        assert_eq!(
            dir("tpm:swtpm:port=2321?pcrs=sha256:1", "/d"),
            "/d/server/keys/tpm"
        );
        assert_eq!(dir("tpm:swtpm:port=2321?dir=/x", "/d"), "/x");
    }
}
