//! Destroying a key, with the care that this wants.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Serialize;
use symbolon_ca::client::ClientError;
use symbolon_ca::journal::{KeyUse, key_uses};
use symbolon_crypto::digest::sha256;
use symbolon_hsm::KeyInfo;

use super::place::Place;
use super::{blocking, one, view};
use crate::args::Common;
use crate::args::key::KeyArgs;
use crate::exit::{Refused, Usage};
use crate::output::Show;

pub(super) async fn run(common: &Common, key: KeyArgs, yes: bool, force: bool) -> Result<()> {
    let place = Place::find(common, &key.store)?;
    let data_dir = place.data_dir().cloned();
    let (store, info) = blocking(move || one(&place, &key)).await?;
    let spki_sha256 = sha256(&view::spki(&info.public_key)?);
    let uses = match data_dir {
        Some((path, named)) if !force => uses(&path, named, &spki_sha256).await?,
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
        Err(ClientError::DataDir(error)) if !named => {
            tracing::debug!(%error, "no data directory, so no authority to ask for");
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
