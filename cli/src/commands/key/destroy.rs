//! Destroying a key, with the care that this wants.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Serialize;
use symbolon_ca::client::ClientError;
use symbolon_ca::journal::{KeyUse, key_uses};
use symbolon_crypto::digest::sha256;
use symbolon_host::DataDirError;
use symbolon_host::data_dir::trust_domain_of;
use symbolon_hsm::{KeyInfo, KeyLabel};

use super::place::Place;
use super::{blocking, one, view};
use crate::args::Common;
use crate::args::key::KeyArgs;
use crate::exit::{Refused, Usage};
use crate::output::Show;

pub(super) async fn run(common: &Common, key: KeyArgs, yes: bool, force: bool) -> Result<()> {
    let place = Place::find(common, &key.store)?;
    let data_dir = place.data_dir().cloned();
    let server = place.server().map(str::to_owned);
    let (store, info) = blocking(move || one(&place, &key)).await?;
    let spki_sha256 = sha256(&view::spki(&info.public_key)?);
    let uses = match &data_dir {
        Some((path, named)) if !force => uses(path, *named, &spki_sha256).await?,
        _ => Vec::new(),
    };
    if let Some(user) = uses.first() {
        let reason = format!(
            "the key {} is not destroyed: {user} has it; without it that authority never signs again (--force destroys \
             it all the same)",
            info.id
        );
        return Err(Refused(reason).into());
    }
    let looked_at = data_dir.and_then(|(path, _)| trust_domain_of(&path).ok());
    if !force && let Some(owner) = owner_elsewhere(&info.label, looked_at.as_deref(), server.as_deref()) {
        let reason = format!(
            "the key {} is not destroyed: by its label {owner} made it, and whether that uses it is not known here; name \
             its data directory with --data-dir, or its configuration with --config (--force destroys it all the same)",
            info.id
        );
        return Err(Refused(reason).into());
    }
    if !yes {
        confirm(&info)?;
    }
    let id = info.id.clone();
    blocking(move || Ok(store.destroy(&id)?)).await?;
    common.output.print(&Destroyed {
        id: info.id.to_string(),
        label: info.label.to_string(),
        algorithm: info.component.name(),
        spki_sha256: hex::encode(spki_sha256),
        destroyed: true,
    })
}

/// The authorities that have the key. A data directory that nobody named need not be there.
async fn uses(data_dir: &Path, named: bool, spki_sha256: &[u8; 32]) -> Result<Vec<KeyUse>> {
    match key_uses(data_dir, spki_sha256).await {
        Ok(uses) => Ok(uses),
        // Missing, and nothing else: one that cannot be read may have the authority.
        Err(ClientError::DataDir(DataDirError::Missing(path))) if !named => {
            tracing::debug!(path = %path.display(), "no data directory, so no authority to ask for");
            Ok(Vec::new())
        }
        Err(error) => Err(error).with_context(|| {
            format!(
                "cannot tell whether an authority of {} uses the key, so it is not destroyed (--force destroys it all the same)",
                data_dir.display()
            )
        }),
    }
}

/// The server that a key's label names, unless it is the one whose journal was looked at: that of the trust domain
/// `looked_at`, and by the name of `server` where that is known.
fn owner_elsewhere(label: &KeyLabel, looked_at: Option<&str>, server: Option<&str>) -> Option<String> {
    let parts: Vec<&str> = label.as_str().split('/').collect();
    let ["symbolon", trust_domain, name, _family, _component] = parts.as_slice() else {
        return None;
    };
    // Nobody's: the doctor's scratch keys.
    if *trust_domain == SCRATCH_TRUST_DOMAIN {
        return None;
    }
    let here = looked_at == Some(trust_domain) && server.is_none_or(|server| server == *name);
    (!here).then(|| format!("the server {name} of {trust_domain}"))
}

/// A person says the word, or nothing happens.
fn confirm(info: &KeyInfo) -> Result<()> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        return Err(Usage("nobody is here to be asked: say --yes to destroy the key".to_owned()).into());
    }
    let mut terminal = anstream::stderr().lock();
    write!(
        terminal,
        "Destroy the {} key {} ({}) for good? No copy is kept. Type yes: ",
        info.component, info.id, info.label
    )
    .and_then(|()| terminal.flush())
    .context("cannot ask")?;
    let mut answer = String::new();
    input
        .lock()
        .read_line(&mut answer)
        .context("cannot read the answer")?;
    match answer.trim() {
        "yes" => Ok(()),
        _ => Err(Refused("nothing was destroyed".to_owned()).into()),
    }
}

/// What stands for a trust domain in the labels of scratch keys.
const SCRATCH_TRUST_DOMAIN: &str = "conformance.invalid";

#[derive(Serialize)]
struct Destroyed {
    id: String,
    label: String,
    algorithm: &'static str,
    spki_sha256: String,
    destroyed: bool,
}

impl Show for Destroyed {
    fn text(&self) -> String {
        format!(
            "destroyed the {} key {} ({})",
            self.algorithm, self.id, self.label
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_label_names_a_server_whose_journal_must_be_looked_at() {
        let owner = |label: &str, looked_at, server| {
            owner_elsewhere(&KeyLabel::parse(label).unwrap(), looked_at, server)
        };
        let ours = "symbolon/example.org/main/jwt/ed25519";
        assert_eq!(
            owner(ours, None, None),
            Some("the server main of example.org".to_owned())
        );
        assert_eq!(owner(ours, Some("example.org"), None), None);
        assert_eq!(owner(ours, Some("example.org"), Some("main")), None);
        owner(ours, Some("example.org"), Some("second")).unwrap();
        owner(ours, Some("example.com"), None).unwrap();
        for label in [
            "root",
            "symbolon/ours",
            "symbolon/conformance.invalid/scratch/conformance/ed25519",
        ] {
            assert_eq!(owner(label, None, None), None, "{label}");
        }
    }
}
