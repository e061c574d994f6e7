//! The node's half.

use std::fmt::Debug;

use async_trait::async_trait;
use zeroize::Zeroizing;

use super::message::{Challenge, Evidence};
use super::{METHOD, path};
use crate::x509pop::message::read;
use crate::{Prover, ProverError};

/// Longest nonce that is shown, in bytes. SPIRE's and ours have 44.
const MAX_NONCE: usize = 128;

/// The answer, which has to be there and says nothing.
pub(super) const READY: &[u8] = b"\n";

/// A page on the node, over plain HTTP. It goes when this is dropped.
#[async_trait]
pub trait ChallengePage: Send + Debug {
    /// Begins to listen, with nothing to show at `path` yet and nothing anywhere else, and returns the port. What was
    /// listening before stops.
    ///
    /// # Errors
    /// What is wrong, in words.
    async fn listen(&mut self, path: &str) -> Result<u16, String>;

    /// Shows `body` at the path.
    ///
    /// # Errors
    /// What is wrong, in words.
    async fn show(&mut self, body: String) -> Result<(), String>;
}

/// Proves a node by a page on it.
#[derive(Debug)]
pub struct HttpChallengeProver {
    host_name: String,
    agent_name: String,
    advertised_port: Option<u16>,
    page: Box<dyn ChallengePage>,
}

impl HttpChallengeProver {
    /// Proves that this is the node of that name. The server is told `advertised_port`, or else the one that the page
    /// listens on.
    ///
    /// # Errors
    /// [`ProverError::Evidence`]: no such name can be.
    pub fn new(
        host_name: &str,
        agent_name: &str,
        advertised_port: Option<u16>,
        page: Box<dyn ChallengePage>,
    ) -> Result<Self, ProverError> {
        Evidence::new(host_name, agent_name, advertised_port.unwrap_or(1)).map_err(unusable)?;
        Ok(Self {
            host_name: host_name.to_owned(),
            agent_name: agent_name.to_owned(),
            advertised_port,
            page,
        })
    }
}

#[async_trait]
impl Prover for HttpChallengeProver {
    fn method(&self) -> &'static str {
        METHOD
    }

    async fn evidence(&mut self) -> Result<Zeroizing<Vec<u8>>, ProverError> {
        let listening = self
            .page
            .listen(&path(&self.agent_name))
            .await
            .map_err(unusable)?;
        let port = self.advertised_port.unwrap_or(listening);
        let evidence = Evidence::new(&self.host_name, &self.agent_name, port).map_err(unusable)?;
        Ok(Zeroizing::new(evidence.to_json()))
    }

    async fn respond(&mut self, challenge: &[u8]) -> Result<Vec<u8>, ProverError> {
        let challenge: Challenge =
            read("the challenge", challenge).map_err(|error| unusable(error.to_string()))?;
        // It is put on a page for anybody: a server has no business with anything but a nonce there.
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_=+/".contains(&byte);
        if challenge.nonce.is_empty()
            || challenge.nonce.len() > MAX_NONCE
            || !challenge.nonce.bytes().all(is_plain)
        {
            return Err(unusable("the server's nonce is no base64".to_owned()));
        }
        let shown = self.page.show(format!("{}\n", challenge.nonce));
        shown.await.map_err(unusable)?;
        Ok(READY.to_vec())
    }
}

fn unusable(reason: String) -> ProverError {
    ProverError::Evidence {
        method: METHOD,
        reason,
    }
}
