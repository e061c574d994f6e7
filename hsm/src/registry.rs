//! The stores of one process, by the names its configuration gives them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::names::StoreName;
use crate::store::KeyStore;

/// Key stores by name. Filled at start, then only read; cloning shares the stores.
#[derive(Clone, Debug, Default)]
pub struct Stores(BTreeMap<StoreName, Arc<dyn KeyStore>>);

impl Stores {
    /// No store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a store.
    ///
    /// # Errors
    /// [`RegistryError::Duplicate`] when the name is taken; the registry is unchanged.
    pub fn add(&mut self, name: StoreName, store: Arc<dyn KeyStore>) -> Result<(), RegistryError> {
        if self.0.contains_key(&name) {
            return Err(RegistryError::Duplicate { name });
        }
        self.0.insert(name, store);
        Ok(())
    }

    /// The store of this name.
    ///
    /// # Errors
    /// [`RegistryError::Unknown`], which lists the names there are.
    pub fn get(&self, name: &StoreName) -> Result<&Arc<dyn KeyStore>, RegistryError> {
        self.0.get(name).ok_or_else(|| RegistryError::Unknown {
            name: name.clone(),
            known: self.known(),
        })
    }

    /// All stores, ordered by name.
    pub fn iter(&self) -> impl Iterator<Item = (&StoreName, &Arc<dyn KeyStore>)> {
        self.0.iter()
    }

    fn known(&self) -> String {
        match self.0.len() {
            0 => "there are none".to_owned(),
            _ => {
                let names: Vec<&str> = self.0.keys().map(StoreName::as_str).collect();
                format!("there is {}", names.join(", "))
            }
        }
    }
}

/// Why a registry did not do what it was asked.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RegistryError {
    /// Two stores were given one name.
    #[error("two key stores are called {name}")]
    Duplicate {
        /// The name.
        name: StoreName,
    },
    /// No store has this name: the configuration lacks it, or a journal was written under another one.
    #[error("no key store is called {name} ({known})")]
    Unknown {
        /// The name asked for.
        name: StoreName,
        /// The names there are, in words.
        known: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::software::{KekSource, SoftwareStore};

    #[test]
    fn stores_are_found_by_name_and_names_are_unique() {
        let scratch = tempfile::tempdir().expect("scratch");
        let open = |dir: &str| {
            let kek = KekSource::KeyFile(scratch.path().join("kek"));
            Arc::new(SoftwareStore::open(&scratch.path().join(dir), &kek).expect("store"))
        };
        let name = |text: &str| StoreName::parse(text).expect("name");

        let mut stores = Stores::new();
        let error = stores.get(&name("a")).expect_err("empty");
        assert_eq!(error.to_string(), "no key store is called a (there are none)");
        stores.add(name("b"), open("b")).expect("b");
        stores.add(name("a"), open("a")).expect("a");
        assert_eq!(
            stores.add(name("a"), open("c")).expect_err("again"),
            RegistryError::Duplicate { name: name("a") }
        );
        assert_eq!(stores.get(&name("a")).expect("a").kind(), "software");
        assert_eq!(
            stores.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
            ["a", "b"]
        );
        let error = stores.get(&name("hsm1")).expect_err("unknown");
        assert_eq!(error.to_string(), "no key store is called hsm1 (there is a, b)");
    }
}
