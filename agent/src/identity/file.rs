//! The files beside the key store.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use symbolon_hsm::KeyId;
use symbolon_pki::bundle::MAX_BUNDLE_LEN;
use symbolon_pki::suite::Suite;
use symbolon_pki::time::from_unix_seconds;

use crate::error::AgentError;

/// Largest file that is read, in bytes: a bundle.
const MAX_LEN: u64 = MAX_BUNDLE_LEN as u64;

/// What `agent/svid` says. Not secret: the keys are in the key store.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SvidFile {
    #[serde(with = "suite_name")]
    pub(super) suite: Suite,
    /// The keys that make up the suite, in its order.
    pub(super) keys: Vec<KeyId>,
    /// Seconds since 1970.
    obtained_at: u64,
    pub(super) reattestable: bool,
    /// Certificates in base64 of DER, leaf first.
    chain: Vec<String>,
}

impl SvidFile {
    pub(super) fn new(
        suite: Suite,
        keys: &[KeyId],
        obtained_at: u64,
        reattestable: bool,
        chain: &[Vec<u8>],
    ) -> Self {
        Self {
            suite,
            keys: keys.to_vec(),
            obtained_at,
            reattestable,
            chain: chain.iter().map(|der| STANDARD.encode(der)).collect(),
        }
    }

    /// Reads the file; `None` if there is none.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, AgentError> {
        let Some(content) = read(path)? else {
            return Ok(None);
        };
        let file: Self = serde_json::from_slice(&content).map_err(|error| damaged(path, &error))?;
        file.chain()
            .map_err(|_| damaged(path, &"a certificate is not base64"))?;
        Ok(Some(file))
    }

    pub(super) fn write(&self, path: &Path) -> Result<(), AgentError> {
        let content = serde_json::to_vec_pretty(self).map_err(|error| damaged(path, &error))?;
        write(path, &content)
    }

    pub(super) fn obtained_at(&self) -> Option<SystemTime> {
        from_unix_seconds(self.obtained_at)
    }

    pub(super) fn chain(&self) -> Result<Vec<Vec<u8>>, AgentError> {
        let decoded = self
            .chain
            .iter()
            .map(|text| STANDARD.decode(text))
            .collect::<Result<_, _>>();
        decoded.map_err(|error| AgentError::Key(error.to_string()))
    }
}

pub(super) fn damaged(path: &Path, reason: &dyn std::fmt::Display) -> AgentError {
    AgentError::Damaged {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}

/// Reads a whole file; `None` if there is none.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>, AgentError> {
    let failed = |source| AgentError::File {
        path: path.to_owned(),
        source,
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut content = Vec::new();
    file.take(MAX_LEN + 1).read_to_end(&mut content).map_err(failed)?;
    if content.len() as u64 > MAX_LEN {
        return Err(damaged(path, &format!("it is longer than {MAX_LEN} bytes")));
    }
    Ok(Some(content))
}

pub(super) fn write(path: &Path, content: &[u8]) -> Result<(), AgentError> {
    Ok(symbolon_host::data_dir::write_whole(path, content, 0o600)?)
}

pub(super) fn remove(path: &Path) -> Result<(), AgentError> {
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != ErrorKind::NotFound => Err(AgentError::File {
            path: path.to_owned(),
            source,
        }),
        _ => Ok(()),
    }
}

mod suite_name {
    //! Suites by their names.

    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use symbolon_pki::suite::Suite;

    pub(super) fn serialize<S: Serializer>(suite: &Suite, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(suite.name())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Suite, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_reads_back_as_written() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("svid");
        assert!(SvidFile::read(&path).unwrap().is_none());
        let keys = [KeyId::parse("00").unwrap(), KeyId::parse("01").unwrap()];
        let chain = [vec![1, 2], vec![3]];
        SvidFile::new(Suite::MlDsa65EcdsaP256, &keys, 7, true, &chain)
            .write(&path)
            .unwrap();
        let read = SvidFile::read(&path).unwrap().unwrap();
        assert_eq!((read.suite, &*read.keys), (Suite::MlDsa65EcdsaP256, &keys[..]));
        assert_eq!(read.chain().unwrap(), chain);
        assert_eq!(read.obtained_at(), from_unix_seconds(7));
        remove(&path).unwrap();
        remove(&path).unwrap();
        assert!(SvidFile::read(&path).unwrap().is_none());
    }

    #[test]
    fn damage_is_named_with_the_file() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("svid");
        let good =
            r#"{"suite":"ecdsa-p256","keys":["a"],"obtained_at":0,"reattestable":false,"chain":["AQI="]}"#;
        std::fs::write(&path, good).unwrap();
        assert!(SvidFile::read(&path).unwrap().is_some());
        for bad in [
            "",
            "{}",
            &good.replace("ecdsa-p256", "rot13"),
            &good.replace("AQI=", "?"),
            &good.replace("[\"a\"]", "[\"../a\"]"),
            &good.replace("false", "false,\"more\":1"),
        ] {
            std::fs::write(&path, bad).unwrap();
            let error = SvidFile::read(&path).unwrap_err();
            assert!(matches!(&error, AgentError::Damaged { .. }), "{bad}");
            assert!(error.to_string().contains("svid"), "{error}");
        }
    }
}
