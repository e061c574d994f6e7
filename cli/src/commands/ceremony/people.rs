//! Who is here, and where their secrets are, as the command line says it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use symbolon_ca::ceremony::{Name, Plan, SecretKind, SecretWanted};
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
        let mut bare = BTreeSet::new();
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
            // `alice.hsm=… alice=…` is one person and two sources; `alice alice` is one person too often.
            let is_repeated = which.is_none() && !bare.insert(name.clone());
            if is_repeated || !invited.names.contains(&name) {
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
        self.sources
            .get(&(name.clone(), Some(which(&wanted.kind))))
            .or_else(|| self.sources.get(&(name.clone(), None)))
    }

    /// Refuses one source for several secrets, and sources of secrets that there are none of.
    pub(super) fn check(&self, plan: &Plan, secrets: &[(Name, SecretKind)]) -> Result<()> {
        for ((name, asked), source) in &self.sources {
            let unknown = |which: &&String| {
                **which != SHARE && plan.stores.keys().all(|store| store.as_str() != **which)
            };
            if let Some(asked) = asked.as_ref().filter(unknown) {
                return Err(Usage(format!(
                    "--custodian {name}.{asked}: the ceremony's file has no store {asked}; write {name}.{SHARE}, or {name}. \
                     and a store"
                ))
                .into());
            }
            let mine = secrets.iter().filter(|(whose, _)| whose == name);
            let unsaid: Vec<String> = mine
                .map(|(_, kind)| which(kind))
                .filter(|which| !self.sources.contains_key(&(name.clone(), Some(which.clone()))))
                .map(|which| format!("--custodian {name}.{which}=…"))
                .collect();
            if asked.is_none() && *source != SecretSource::Prompt && unsaid.len() > 1 {
                return Err(Usage(format!(
                    "--custodian {name}: {name} has several secrets, and this is the source of one; write {}",
                    unsaid.join(" and ")
                ))
                .into());
            }
        }
        Ok(())
    }
}

/// What the command line calls a secret.
fn which(kind: &SecretKind) -> String {
    match kind {
        SecretKind::Share => SHARE.to_owned(),
        SecretKind::Pin(store) | SecretKind::Store(store) => store.to_string(),
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
    fn one_source_is_not_tried_for_several_secrets() {
        let plan = Plan::parse(
            "version = 1\ntrust_domain = \"example.org\"\noutput = \"root\"\n[root]\nsuite = \
             \"mldsa65-ecdsa-p256\"\nlifetime = \"10d\"\n[root.keys]\necdsa-p256-sha256 = \"hsm\"\n[stores.hsm]\nlocation \
             = \"pkcs11:token=root?module-path=/m.so\"\npin = [[\"alice\", \"bob\"]]\n[quorum]\nneeded = \
             2\n[[custodians]]\nname = \"alice\"\nrole = \"a\"\n[[custodians]]\nname = \"bob\"\nrole = \"b\"\n",
        )
        .unwrap();
        let check = |texts: &[&str]| {
            let invited = parse(texts).unwrap();
            let secrets = symbolon_ca::ceremony::secrets(&plan, &invited.names, false).unwrap();
            invited.check(&plan, &secrets)
        };
        let error = check(&["alice=env:A", "bob=env:B"]).unwrap_err().to_string();
        assert!(
            error.contains("--custodian alice.share=… and --custodian alice.hsm=…"),
            "{error}"
        );
        let error = check(&["alice.hms=env:A", "bob=env:B"]).unwrap_err().to_string();
        assert!(error.contains("no store hms"), "{error}");
        // Bob knows the PIN as well, and is not asked for it.
        check(&["alice.hsm=env:A", "alice=env:S", "bob=env:B"]).unwrap();
        check(&["alice=env:S", "alice.hsm=env:A", "bob=env:B"]).unwrap();
        check(&["alice.hsm=env:A", "alice.share=env:S", "bob"]).unwrap();
        check(&["alice=prompt", "bob"]).unwrap();
    }

    #[test]
    fn who_is_named_twice_is_there_twice_and_no_secret_is_repeated() {
        assert_eq!(parse(&["alice", "alice"]).unwrap().names.len(), 2);
        let error = parse(&["alice=hunter2"]).unwrap_err().to_string();
        assert!(error.contains("alice") && !error.contains("hunter2"), "{error}");
        parse(&["Alice"]).unwrap_err();
    }
}
