//! Who is here, and where their secrets are, as the command line says it.

use std::collections::BTreeMap;

use anyhow::Result;
use symbolon_ca::ceremony::{Name, SecretKind, SecretWanted};
use symbolon_hsm::SecretSource;

use crate::exit::Usage;

/// What the command line calls a custodian's share where it calls others by their store.
const SHARE: &str = "share";

/// Those whom the command line names.
#[derive(Debug, Default)]
pub(super) struct Invited {
    /// In order, and twice if they were named twice.
    pub(super) names: Vec<Name>,
    sources: BTreeMap<(Name, Option<String>), SecretSource>,
}

impl Invited {
    /// Reads what stands after `--custodian`.
    pub(super) fn parse(texts: &[String]) -> Result<Self> {
        let mut invited = Self::default();
        for text in texts {
            // A secret that somebody wrote here must not be repeated.
            let (who, source) = match text.split_once('=') {
                Some((who, source)) => (who, Some(source)),
                None => (text.as_str(), None),
            };
            let (name, which) = match who.split_once('.') {
                Some((name, which)) => (name, Some(which.to_owned())),
                None => (who, None),
            };
            let name: Name = name
                .parse()
                .map_err(|error| Usage(format!("--custodian {who:?}: {error}")))?;
            if which.is_none() || !invited.names.contains(&name) {
                invited.names.push(name.clone());
            }
            if let Some(source) = source {
                let source = source
                    .parse()
                    .map_err(|error| Usage(format!("--custodian {who}: {error}")))?;
                invited.sources.insert((name, which), source);
            }
        }
        Ok(invited)
    }

    /// Where the secret is that is wanted, if the command line says so.
    pub(super) fn source(&self, wanted: &SecretWanted) -> Option<&SecretSource> {
        let name = wanted.custodian.as_ref()?;
        let which = match &wanted.kind {
            SecretKind::Share => SHARE.to_owned(),
            SecretKind::Pin(store) | SecretKind::Store(store) => store.to_string(),
        };
        self.sources
            .get(&(name.clone(), Some(which)))
            .or_else(|| self.sources.get(&(name.clone(), None)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(texts: &[&str]) -> Result<Invited> {
        Invited::parse(&texts.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    fn wanted(name: &str, kind: SecretKind) -> SecretWanted {
        SecretWanted {
            custodian: Some(name.parse().unwrap()),
            kind,
            words: String::new(),
            is_new: false,
        }
    }

    #[test]
    fn each_secret_has_its_source() {
        let invited = parse(&["alice.share=env:A", "alice.hsm=env:B", "bob=env:C", "carol"]).unwrap();
        assert_eq!(invited.names.len(), 3);
        let hsm = || SecretKind::Pin("hsm".parse().unwrap());
        for (name, kind, source) in [
            ("alice", SecretKind::Share, Some("env:A")),
            ("alice", hsm(), Some("env:B")),
            ("bob", SecretKind::Share, Some("env:C")),
            ("bob", hsm(), Some("env:C")),
            ("carol", SecretKind::Share, None),
        ] {
            let found = invited.source(&wanted(name, kind)).map(ToString::to_string);
            assert_eq!(found.as_deref(), source, "{name}");
        }
    }

    #[test]
    fn who_is_named_twice_is_there_twice_and_no_secret_is_repeated() {
        assert_eq!(parse(&["alice", "alice"]).unwrap().names.len(), 2);
        let error = parse(&["alice=hunter2"]).unwrap_err().to_string();
        assert!(error.contains("alice") && !error.contains("hunter2"), "{error}");
        parse(&["Alice"]).unwrap_err();
    }
}
