//! The server's half.

use std::fmt::Debug;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use spiffe::{SpiffeId, TrustDomain};
use symbolon_crypto::random;

use super::message::{Challenge, Evidence};
use super::prover::READY;
use super::{FIRST_OPEN_PORT, HostPatterns, METHOD, path};
use crate::first_use::{KnownAgents, refuse_known};
use crate::x509pop::message::write;
use crate::{AttestationError, Attested, Challenger, Verifier, check_len};

/// Longest page that is read, in bytes, as in SPIRE. The nonce has 44.
pub const MAX_PAGE: usize = 64;

/// Why there is no page, as far as the node may know. Its name may lead to anybody, and what the server sees of them from
/// where it is, is for the log of whoever fetches.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum NotFetched {
    /// It could not be fetched, or the server does not go there.
    Failed,
    /// As many are being fetched as may be, of all or for whoever asks.
    Busy,
}

/// Who fetches pages from nodes. An implementation decides which addresses it goes to, bounds the time and how many are
/// fetched at a time, and follows no redirect.
#[async_trait]
pub trait ChallengeFetcher: Send + Sync + Debug {
    /// Fetches `http://<host>:<port><path>`, at most [`MAX_PAGE`] bytes, for somebody who calls from the address `asking`.
    ///
    /// # Errors
    /// [`NotFetched`].
    async fn fetch(
        &self,
        host: &str,
        port: u16,
        path: &str,
        asking: Option<IpAddr>,
    ) -> Result<Vec<u8>, NotFetched>;
}

/// How the server verifies.
#[derive(Clone, Debug)]
pub struct HttpChallengeConfig {
    /// In which agents are named.
    pub trust_domain: TrustDomain,
    /// Which names nodes may have.
    pub allowed: HostPatterns,
    /// The one port, if there is one.
    pub required_port: Option<u16>,
    /// Whether ports may be used that any user of the node can listen on.
    pub allow_non_root_ports: bool,
    /// Whether a node is let in once only.
    pub first_use_only: bool,
    /// Where it is seen whether it was.
    pub known: Arc<dyn KnownAgents>,
    /// How pages are fetched.
    pub fetcher: Arc<dyn ChallengeFetcher>,
}

/// Lets in the nodes that answer at their names.
#[derive(Debug)]
pub struct HttpChallengeVerifier(HttpChallengeConfig);

impl HttpChallengeVerifier {
    /// A verifier that is configured so.
    pub fn new(config: HttpChallengeConfig) -> Self {
        Self(config)
    }

    /// Whether the server goes there at all.
    fn check(&self, evidence: &Evidence) -> Result<(), AttestationError> {
        let refused = |reason: String| Err(AttestationError::Refused(reason));
        let port = evidence.port();
        if let Some(required) = self.0.required_port
            && port != required
        {
            return refused(format!(
                "port {port} is not the one to use here, which is {required}"
            ));
        }
        if !self.0.allow_non_root_ports && port >= FIRST_OPEN_PORT {
            return refused(format!(
                "port {port} can be any user's, and here it has to be one below {FIRST_OPEN_PORT}"
            ));
        }
        if !self.0.allowed.allow(evidence.host_name()) {
            return Err(AttestationError::Denied(format!(
                "{} is no name that `allowed_dns_patterns` lets in; without any, names have a dot",
                evidence.host_name()
            )));
        }
        Ok(())
    }
}

#[async_trait]
impl Verifier for HttpChallengeVerifier {
    fn method(&self) -> &'static str {
        METHOD
    }

    async fn verify(
        &self,
        evidence: &[u8],
        challenger: &mut dyn Challenger,
        _now: SystemTime,
    ) -> Result<Attested, AttestationError> {
        let evidence = Evidence::parse(evidence)?;
        self.check(&evidence)?;
        let host = evidence.host_name();
        let id = format!("spiffe://{}/spire/agent/{METHOD}/{host}", self.0.trust_domain);
        let agent_id = SpiffeId::new(&id)
            .map_err(|error| AttestationError::Denied(format!("the agent would be named {id:?}: {error}")))?;
        // Before anybody is asked anything: names on record would have the server go to each of its nodes.
        if self.0.first_use_only {
            refuse_known(&*self.0.known, &agent_id).await?;
        }

        let mut nonce = [0; 32];
        random::fill(&mut nonce).map_err(|error| AttestationError::Unavailable(error.into()))?;
        let nonce = URL_SAFE.encode(nonce);
        let challenge = write(&Challenge { nonce: nonce.clone() });
        let answer = challenger.challenge(challenge).await?;
        check_len("challenge_response", &answer)?;
        if answer != READY {
            return Err(AttestationError::Malformed {
                field: "challenge_response",
                reason: "a node that is ready says so by one line feed".to_owned(),
            });
        }
        let (path, asking) = (path(evidence.agent_name()), challenger.occasion().address);
        let fetched = self.0.fetcher.fetch(host, evidence.port(), &path, asking);
        let page = fetched.await.map_err(|why| match why {
            NotFetched::Failed => AttestationError::Denied(format!(
                "the challenge could not be fetched from {host}:{}; the server goes to public addresses and to \
                 `allowed_networks`, and its log says why",
                evidence.port()
            )),
            NotFetched::Busy => {
                AttestationError::Busy("as many challenges are being fetched as may be".to_owned())
            }
        })?;
        if page.trim_ascii() != nonce.as_bytes() {
            return Err(AttestationError::Denied(format!(
                "what {host} shows on port {} is not this challenge's nonce",
                evidence.port()
            )));
        }
        Ok(Attested {
            agent_id,
            siblings: Vec::new(),
            selectors: [(METHOD.to_owned(), format!("hostname:{host}"))].into(),
            can_reattest: !self.0.first_use_only,
        })
    }
}
