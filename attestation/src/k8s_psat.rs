//! `k8s_psat`: a pod's projected service account token, which its cluster vouches for.
//!
//! The message is SPIRE's: the payload has the cluster's name and the token. The server asks the cluster whether it is one of
//! its tokens (the TokenReview API), for the server's audience, and of a service account that may be an agent's; then which
//! pod it was made for and which node that runs on. The cluster's API is asked each time, so that a token of a pod that is
//! gone counts no more.
//!
//! Whoever can read the token, or make one, is the agent: whoever may `create` tokens or pods under that service account.

mod api;
mod message;
mod prover;
mod token;
mod verifier;

pub use self::api::Cluster;
pub use self::message::Evidence;
pub use self::prover::{DEFAULT_TOKEN_PATH, K8sPsatProver};
pub use self::verifier::{K8sPsatConfig, K8sPsatVerifier};

/// The name of the method.
pub const METHOD: &str = "k8s_psat";

/// For whom tokens are made when nothing else is said, as in SPIRE.
pub const DEFAULT_AUDIENCE: &str = "spire-server";
