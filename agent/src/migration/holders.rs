//! Who has SVIDs and does not report, as it is kept for the next run.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use spiffe::SpiffeId;
use symbolon_pki::time::{from_unix_seconds, unix_seconds};

/// Identities, each with when the last of its SVIDs ends that somebody has.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Holders {
    /// Of which somebody has one who cannot follow their migration.
    pub(super) stock: BTreeMap<SpiffeId, SystemTime>,
    /// Of which somebody has one, and no process has reported since.
    pub(super) unreported: BTreeMap<SpiffeId, SystemTime>,
}

impl Holders {
    /// What is kept for the next run.
    pub(crate) fn to_json(&self) -> Vec<u8> {
        let kept = |held: &BTreeMap<SpiffeId, SystemTime>| {
            held.iter()
                .map(|(id, until)| (id.to_string(), unix_seconds(*until)))
                .collect()
        };
        let kept = Kept {
            stock: kept(&self.stock),
            unreported: kept(&self.unreported),
        };
        // Numbers in maps by strings are always written.
        serde_json::to_vec_pretty(&kept).unwrap_or_default()
    }

    /// Reads what was kept.
    ///
    /// # Errors
    /// In words, for what is damaged.
    pub(crate) fn from_json(content: &[u8]) -> Result<Self, String> {
        let kept: Kept = serde_json::from_slice(content).map_err(|error| error.to_string())?;
        Ok(Self {
            stock: read(kept.stock)?,
            unreported: read(kept.unreported)?,
        })
    }
}

fn read(kept: BTreeMap<String, u64>) -> Result<BTreeMap<SpiffeId, SystemTime>, String> {
    let read = |(id, until): (String, u64)| {
        let id = SpiffeId::new(&id).map_err(|error| format!("{id:?}: {error}"))?;
        let until = from_unix_seconds(until).ok_or_else(|| format!("{id}: there is no moment {until}"))?;
        Ok((id, until))
    };
    kept.into_iter().map(read).collect()
}

/// What `agent/holders` says: identities, and seconds since 1970.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    stock: BTreeMap<String, u64>,
    unreported: BTreeMap<String, u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_reads_back_as_written() {
        let at = |seconds| from_unix_seconds(seconds).unwrap();
        let id = |path: &str| SpiffeId::new(format!("spiffe://example.org/{path}")).unwrap();
        let holders = Holders {
            stock: [(id("web"), at(7)), (id("job"), at(9))].into(),
            unreported: [(id("web"), at(8))].into(),
        };
        assert_eq!(Holders::from_json(&holders.to_json()), Ok(holders));
        for damaged in [
            "",
            "{}",
            r#"{"stock":{"web":1},"unreported":{}}"#,
            r#"{"stock":{},"unreported":{"spiffe://example.org/web":-1}}"#,
            r#"{"stock":{"spiffe://example.org/web":18446744073709551615},"unreported":{}}"#,
        ] {
            Holders::from_json(damaged.as_bytes()).unwrap_err();
        }
    }
}
