//! What our own authority issued, from its server or from a file.

use std::io::Read as _;
use std::time::SystemTime;

use anyhow::{Context as _, Result};
use symbolon_ca::client::{CertificateQuery, Reader as _};
use symbolon_migration_planner::inventory::Inventory;
use symbolon_migration_planner::issued::{self, Joined, Record};
use symbolon_pki::time::rfc3339;

use crate::args::Common;
use crate::commands::server;
use crate::exit::Usage;

/// The records of one source, and what they are called in the inventory.
#[derive(Debug)]
pub(super) struct Issued {
    source: String,
    records: Vec<Record>,
}

/// Reads the records of each source: `server` is the server that the common options name, through its API; all else
/// are files.
pub(super) async fn read(common: &Common, sources: &[String]) -> Result<Vec<Issued>> {
    let mut all = Vec::new();
    for source in sources {
        all.push(if source == "server" {
            from_server(common).await?
        } else {
            from_file(source)?
        });
    }
    Ok(all)
}

/// Joins all of them with what was found.
pub(super) fn join(inventory: &mut Inventory, sources: &[Issued]) -> Joined {
    let now = rfc3339(SystemTime::now());
    let mut sum = Joined::default();
    for Issued { source, records } in sources {
        let joined = issued::join(inventory, source, records, &now);
        sum.deployed += joined.deployed;
        sum.shadow += joined.shadow;
        sum.missing += joined.missing;
        sum.expired += joined.expired;
        sum.unrecorded += joined.unrecorded;
        sum.unknown_issuer += joined.unknown_issuer;
        inventory.targets.insert(source.clone());
    }
    sum
}

/// What the join came to, for the summary.
pub(super) fn words(joined: &Joined) -> String {
    format!(
        "issued      {} deployed ({} in several files), {} missing, {} expired and not found\nothers      {} claim our \
         authority and are not on its record, {} of unknown issuers\n",
        joined.deployed,
        joined.shadow,
        joined.missing,
        joined.expired,
        joined.unrecorded,
        joined.unknown_issuer
    )
}

async fn from_server(common: &Common) -> Result<Issued> {
    let client = server::connect(common).await?;
    let trust_domain = client.bundle().await?.trust_domain;
    let mut records = Vec::new();
    for listed in client.certificates(&CertificateQuery::default()).await? {
        // Without a digest it was only intended.
        if listed.sha256.is_none() {
            continue;
        }
        let one = client.certificate(&listed.serial).await?;
        if let Some(der) = one.der {
            records.push(Record {
                spiffe_id: Some(one.spiffe_id),
                profile: Some(one.profile),
                form: Some(one.form),
                authority_id: Some(one.authority_id),
                der,
            });
        }
    }
    Ok(Issued {
        source: format!("symbolon:{trust_domain}"),
        records,
    })
}

fn from_file(path: &str) -> Result<Issued> {
    let mut bytes = Vec::new();
    let limit = issued::MAX_LEN as u64 + 1;
    std::fs::File::open(path)
        .and_then(|file| file.take(limit).read_to_end(&mut bytes))
        .with_context(|| format!("cannot read {path}"))?;
    let records = issued::read(&bytes).map_err(|error| {
        Usage(format!(
            "{path} is not what `symbolon cert export` writes: {error}"
        ))
    })?;
    Ok(Issued {
        source: format!("symbolon:{path}"),
        records,
    })
}
