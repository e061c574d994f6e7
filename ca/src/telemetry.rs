//! Names of the events that decisions leave in the log, the request id that runs through them, and the figures.
//!
//! Each event is a `tracing` event whose field `event` has one of these names, inside a span `call` with `request_id`,
//! `method` and `caller` where a call led to it. They are a contract: names are added, and never change their meaning.

mod figures;
mod observe;
mod served;

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use symbolon_crypto::random;

pub use self::figures::FIGURES;
pub(crate) use self::figures::{Counted, Issuance, Outcome};
pub use self::observe::REQUEST_ID;
pub(crate) use self::observe::{ObserveLayer, RequestId};

/// A server came up: `trust_domain`, `tcp`, `socket`, `version`.
pub const SERVER_STARTED: &str = "server.started";
/// A server stopped.
pub const SERVER_STOPPED: &str = "server.stopped";
/// The server cannot do all of its work: `problem`. Said once for each problem.
pub const SERVER_UNHEALTHY: &str = "server.unhealthy";
/// It can again.
pub const SERVER_HEALTHY: &str = "server.healthy";
/// A call was turned away: `method`, `caller`, `reason`.
pub const CALL_DENIED: &str = "call.denied";
/// The operator's policy decided about a call: `method`, `caller`, `standing`, `allowed`, `reason`, `micros`.
pub const POLICY_DECIDED: &str = "policy.decided";
/// A call asked for more than its caller may have: `method`, `caller`, `reason`.
pub const CALL_LIMITED: &str = "call.limited";
/// There are more calls than places, and some are turned away unheard: `caller`, `places`, `turned_away` since the start.
/// Said of the first and then of every 256th.
pub const CALLS_SHED: &str = "calls.shed";
/// An agent was turned away: `agent`, `reason`; a node that is none yet: `code`, `address`, `reason`.
pub const AGENT_DENIED: &str = "agent.denied";
/// A challenge was not fetched from where a node said that it is: `host`, `port`, `asking` (the node's address), `reason`. The node
/// is not told the reason.
pub const CHALLENGE_NOT_FETCHED: &str = "challenge.not_fetched";
/// A node became an agent: `agent`, `attestation_type`, `serial`, `form`.
pub const AGENT_ATTESTED: &str = "agent.attested";
/// An agent was given its next SVID: `agent`, `serial`, `form`.
pub const AGENT_RENEWED: &str = "agent.renewed";
/// An agent was shut out: `agent`.
pub const AGENT_BANNED: &str = "agent.banned";
/// An agent was forgotten: `agent`.
pub const AGENT_DELETED: &str = "agent.deleted";
/// A join token was made: `expires_at`, and `alias` if it has one.
pub const TOKEN_CREATED: &str = "token.created";
/// An entry was made: `entry_id`, `spiffe_id`, `parent_id`.
pub const ENTRY_CREATED: &str = "entry.created";
/// An entry was changed: `entry_id`, `spiffe_id`, `revision`.
pub const ENTRY_UPDATED: &str = "entry.updated";
/// An entry was removed: `entry_id`, `spiffe_id`.
pub const ENTRY_DELETED: &str = "entry.deleted";
/// An authority was changed by command: `step` (`prepare`, `activate`, `taint`, `revoke`, `rotate`), `family`, `authority_id`,
/// `caller`.
pub const AUTHORITY_COMMANDED: &str = "authority.commanded";
/// A command to change an authority was refused: as above, and `reason`.
pub const AUTHORITY_REFUSED: &str = "authority.refused";
/// An SVID was issued: `spiffe_id`, `form` (`jwt` and `wit` for tokens), `serial`, `entry_id`, `not_after`.
pub const SVID_ISSUED: &str = "svid.issued";
/// An SVID was not issued: `entry_id` or `spiffe_id`, `code`, `reason`.
pub const SVID_REFUSED: &str = "svid.refused";
/// An operator changed how much is logged: `from`, then `to`.
pub const LOG_LEVEL_CHANGED: &str = "log.level.changed";
/// The bundle of another trust domain was put in: `trust_domain`, `sequence`.
pub const BUNDLE_CREATED: &str = "bundle.created";
/// The bundle of another trust domain was replaced or changed: `trust_domain`, `sequence`.
pub const BUNDLE_SET: &str = "bundle.set";
/// The bundle of another trust domain was removed: `trust_domain`, and the number of `entries` that went or changed with
/// it.
pub const BUNDLE_DELETED: &str = "bundle.deleted";
/// Others put authorities into the server's own bundle: `x509_authorities`, `jwt_authorities`, `wit_authorities`,
/// `sequence`.
pub const BUNDLE_APPENDED: &str = "bundle.appended";
/// The bundle of another trust domain was fetched, and is another than before: `trust_domain`, `sequence`,
/// `x509_authorities`, `jwt_authorities`.
pub const BUNDLE_REFRESHED: &str = "bundle.refreshed";
/// The bundle of another trust domain was not fetched: `trust_domain`, `url`, `error`.
pub const BUNDLE_REFRESH_FAILED: &str = "bundle.refresh_failed";
/// A relationship with another trust domain was made: `trust_domain`, `url`, `profile`.
pub const FEDERATION_CREATED: &str = "federation.created";
/// A relationship with another trust domain was changed: `trust_domain`, `url`, `profile`.
pub const FEDERATION_UPDATED: &str = "federation.updated";
/// A relationship with another trust domain was ended: `trust_domain`.
pub const FEDERATION_DELETED: &str = "federation.deleted";
/// A rule of migration was made, moved or taken away: `revision`, `entries` (empty for all), `target`, `from`, `to`, `by`,
/// `forced`, `reason`.
pub const MIGRATION_CHANGED: &str = "migration.stage_changed";
/// A rule of migration was not changed: `entries`, `by`, `reason`.
pub const MIGRATION_REFUSED: &str = "migration.refused";
/// An entry came under another rule of migration, and further by that, since it was changed, or under one at `require`, since
/// it was made: `entry_id`, `spiffe_id`, `is_new`, `target`, `from`, `to`.
pub const MIGRATION_ENTRY_MOVED: &str = "migration.entry_moved";
/// The configuration was read again: `taken`, and `kept` until the next start.
pub const CONFIG_RELOADED: &str = "config.reloaded";
/// The configuration was read again and cannot be used; what was in force stays: `error`.
pub const CONFIG_REFUSED: &str = "config.refused";
/// Something that is done in the background failed and will be tried again: `task`, `error`.
pub const BACKGROUND_FAILED: &str = "background.failed";

/// Tells this process's requests from those of another run.
static RUN: LazyLock<u32> = LazyLock::new(|| {
    let mut bytes = [0; 4];
    // Only a label: where the generator fails the process id does.
    match random::fill(&mut bytes) {
        Ok(()) => u32::from_be_bytes(bytes),
        Err(_) => std::process::id(),
    }
});

static NEXT: AtomicU64 = AtomicU64::new(1);

/// A new request id: unique in this run, and most likely among all.
pub(crate) fn request_id() -> String {
    format!("{:08x}-{}", *RUN, NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A SPIFFE ID as it may stand in a log: the ID of an agent that has yet to attest holds a token that still works.
pub(crate) fn loggable(id: &spiffe::SpiffeId) -> String {
    match id.path().strip_prefix("/spire/agent/join_token/") {
        Some(_) => format!(
            "spiffe://{}/spire/agent/join_token/(not shown)",
            id.trust_domain_name()
        ),
        None => id.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_differ() {
        assert_ne!(request_id(), request_id());
    }

    #[test]
    fn tokens_are_not_logged() {
        let id = spiffe::SpiffeId::new("spiffe://example.org/spire/agent/join_token/kite").unwrap();
        assert!(!loggable(&id).contains("kite"));
        let id = spiffe::SpiffeId::new("spiffe://example.org/web").unwrap();
        assert_eq!(loggable(&id), "spiffe://example.org/web");
    }
}
