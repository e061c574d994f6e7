//! The messages, in JSON.

use serde::{Deserialize, Serialize};

use super::hosts;
use crate::AttestationError;
use crate::aside::PAYLOAD;
use crate::x509pop::message::{read, write};

/// Longest name of an agent, in bytes.
const MAX_AGENT_NAME: usize = 32;

/// What a node opens with.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Evidence {
    #[serde(default)]
    hostname: String,
    #[serde(default)]
    agentname: String,
    #[serde(default)]
    port: u16,
}

impl Evidence {
    /// Where a node is to be found.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn new(hostname: &str, agent_name: &str, port: u16) -> Result<Self, String> {
        hosts::check(hostname)?;
        check_agent_name(agent_name)?;
        if port == 0 {
            return Err("the port is 0".to_owned());
        }
        Ok(Self {
            hostname: hostname.to_owned(),
            agentname: agent_name.to_owned(),
            port,
        })
    }

    /// Reads a payload.
    ///
    /// # Errors
    /// [`AttestationError::Malformed`] for what is too long, no such JSON, or names no place on the network.
    pub fn parse(payload: &[u8]) -> Result<Self, AttestationError> {
        let said: Self = read(PAYLOAD, payload)?;
        Self::new(&said.hostname, &said.agentname, said.port).map_err(|reason| AttestationError::Malformed {
            field: PAYLOAD,
            reason,
        })
    }

    /// Writes a payload.
    pub fn to_json(&self) -> Vec<u8> {
        write(self)
    }

    /// The node's name.
    pub fn host_name(&self) -> &str {
        &self.hostname
    }

    /// The agent's name.
    pub fn agent_name(&self) -> &str {
        &self.agentname
    }

    /// The port, which is not 0.
    pub fn port(&self) -> u16 {
        self.port
    }
}

/// What is fetched.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Challenge {
    pub(super) nonce: String,
}

fn check_agent_name(name: &str) -> Result<(), String> {
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic());
    let rest = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if begins && rest && name.len() <= MAX_AGENT_NAME {
        return Ok(());
    }
    Err(format!(
        "the agent's name has 1 to {MAX_AGENT_NAME} letters, digits and hyphens, and begins with a letter"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_payload_is_as_spire_writes_it() {
        let evidence = Evidence::new("p1.example.com", "default", 80).unwrap();
        assert_eq!(
            String::from_utf8(evidence.to_json()).unwrap(),
            r#"{"hostname":"p1.example.com","agentname":"default","port":80}"#
        );
        assert_eq!(Evidence::parse(&evidence.to_json()).unwrap(), evidence);
    }

    #[test]
    fn what_leads_nowhere_is_refused() {
        for (payload, words) in [
            (r#"{}"#, "host name"),
            (
                r#"{"hostname":"p1.example.com","agentname":"a","port":0}"#,
                "port is 0",
            ),
            (
                r#"{"hostname":"p1.example.com","agentname":"a","port":65536}"#,
                "65536",
            ),
            (
                r#"{"hostname":"p1.example.com","agentname":"a","port":-1}"#,
                "malformed",
            ),
            (
                r#"{"hostname":"p1.example.com","agentname":"","port":1}"#,
                "agent's name",
            ),
            (
                r#"{"hostname":"p1.example.com","agentname":"9a","port":1}"#,
                "agent's name",
            ),
            (
                r#"{"hostname":"p1.example.com","agentname":"a/../b","port":1}"#,
                "agent's name",
            ),
            (
                r#"{"hostname":"p1.example.com","agentname":"a.b","port":1}"#,
                "agent's name",
            ),
        ] {
            let error = Evidence::parse(payload.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(words), "{payload}: {error}");
        }
    }
}
