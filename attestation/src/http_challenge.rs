//! `http_challenge`: a node answers at a name of the DNS.
//!
//! The messages are SPIRE's: the payload has host name, agent name and port; the challenge has a nonce; the answer says
//! nothing but that the node is ready. Then the server fetches the nonce from
//! `http://<host>:<port>/.well-known/spiffe/nodeattestor/http_challenge/<agent name>/challenge`.
//!
//! What it proves is as good as the names and the network between: whoever can answer at that port, or for the name, or on
//! the way there, is the node. The server goes where a stranger sends it, so which names and addresses it goes to is bounded.

mod hosts;
mod message;
mod prover;
mod verifier;

pub use self::hosts::{HostPatterns, PatternError};
pub use self::message::Evidence;
pub use self::prover::{ChallengePage, HttpChallengeProver};
pub use self::verifier::{
    ChallengeFetcher, HttpChallengeConfig, HttpChallengeVerifier, MAX_PAGE, NotFetched,
};

/// The name of the method.
pub const METHOD: &str = "http_challenge";

/// How an agent is called when nothing else is said.
pub const DEFAULT_AGENT_NAME: &str = "default";

/// The first port that anybody may listen on.
pub const FIRST_OPEN_PORT: u16 = 1024;

/// Where the nonce is, on the node.
pub(crate) fn path(agent_name: &str) -> String {
    format!("/.well-known/spiffe/nodeattestor/{METHOD}/{agent_name}/challenge")
}
