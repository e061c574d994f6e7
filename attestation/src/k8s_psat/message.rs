//! The message, in JSON.

use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::ZeroizeOnDrop;

use crate::AttestationError;
pub(super) use crate::aside::PAYLOAD;
use crate::x509pop::message::{read, write};

/// What a node opens with.
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize, ZeroizeOnDrop)]
pub struct Evidence {
    #[serde(default)]
    cluster: String,
    #[serde(default)]
    token: String,
}

impl fmt::Debug for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Evidence")
            .field("cluster", &self.cluster)
            .finish_non_exhaustive()
    }
}

impl Evidence {
    pub(super) fn new(cluster: &str, token: &str) -> Self {
        Self {
            cluster: cluster.to_owned(),
            token: token.to_owned(),
        }
    }

    /// Reads a payload.
    ///
    /// # Errors
    /// [`AttestationError::Malformed`] for what is too long, no such JSON, or lacks one of the two.
    pub fn parse(payload: &[u8]) -> Result<Self, AttestationError> {
        let evidence: Self = read(PAYLOAD, payload)?;
        for (member, value) in [("cluster", &evidence.cluster), ("token", &evidence.token)] {
            if value.is_empty() {
                let reason = format!("it has no {member}");
                return Err(AttestationError::Malformed {
                    field: PAYLOAD,
                    reason,
                });
            }
        }
        Ok(evidence)
    }

    /// Writes a payload.
    pub fn to_json(&self) -> Vec<u8> {
        write(self)
    }

    /// The cluster's name.
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// The token, which is a secret.
    pub fn token(&self) -> &str {
        &self.token
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_payload_is_as_spire_writes_it_and_the_token_is_not_shown() {
        let evidence = Evidence::new("prod", "hunter2");
        assert_eq!(evidence.to_json(), br#"{"cluster":"prod","token":"hunter2"}"#);
        assert!(!format!("{evidence:?}").contains("hunter2"));
        for (payload, words) in [
            (r#"{"token":"a"}"#, "no cluster"),
            (r#"{"cluster":"a","token":""}"#, "no token"),
        ] {
            let error = Evidence::parse(payload.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
