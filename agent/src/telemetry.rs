//! Names of the events that the agent's decisions leave in the log, its figures, and the spans of its calls.
//!
//! Each event is a `tracing` event whose field `event` has one of these names. They are a contract: names are added, and
//! never change their meaning.

mod figures;
mod observe;

pub use self::figures::FIGURES;
pub(crate) use self::figures::{Calls, Counted, is_ready, sample};
pub(crate) use self::observe::{ObserveLayer, Observed};

/// The agent listens: `socket`, `trust_domain`, `server`, `version`.
pub const AGENT_STARTED: &str = "agent.started";
/// The agent stopped.
pub const AGENT_STOPPED: &str = "agent.stopped";
/// The server took the node for an agent: `spiffe_id`, `form`, `not_after`, `reattestable`.
pub const AGENT_ATTESTED: &str = "agent.attested";
/// Attestation failed: `error`.
pub const AGENT_ATTESTATION_FAILED: &str = "agent.attestation_failed";
/// The agent goes on with the SVID of its last run: `spiffe_id`, `form`, `not_after`.
pub const AGENT_RESUMED: &str = "agent.resumed";
/// An SVID of the last run is of no use any more: `reason`.
pub const AGENT_SVID_DISCARDED: &str = "agent.svid_discarded";
/// The agent has its next SVID: `spiffe_id`, `form`, `not_after`.
pub const AGENT_RENEWED: &str = "agent.renewed";
/// The agent's SVID could not be renewed yet: `error`.
pub const AGENT_RENEWAL_FAILED: &str = "agent.renewal_failed";
/// The agent has to attest again and has nothing to attest with: `reason`.
pub const AGENT_NEEDS_EVIDENCE: &str = "agent.needs_evidence";
/// The server has shut this agent out for good: `spiffe_id`.
pub const AGENT_BANNED: &str = "agent.banned";
/// The server answers again after failures: `failures`.
pub const SYNC_RECOVERED: &str = "sync.recovered";
/// Entries and bundle could not be fetched: `error`, `failures`, `wait`.
pub const SYNC_FAILED: &str = "sync.failed";
/// The agent's entries changed: `entries`, `added`, `removed`, `changed`.
pub const ENTRIES_CHANGED: &str = "entries.changed";
/// The server sent an entry that cannot be used: `entry_id`, `reason`.
pub const ENTRY_IGNORED: &str = "entry.ignored";
/// The trust bundle changed: `sequence`, `x509_authorities`, `jwt_authorities`.
pub const BUNDLE_CHANGED: &str = "bundle.changed";
/// The bundles of the trust domains that entries federate with changed: `bundles`, how many there are.
pub const FEDERATED_BUNDLES_CHANGED: &str = "federated_bundles.changed";
/// Workloads do not get the server's bundle of a trust domain that entries federate with: `trust_domain`, `reason`. Either
/// the server has none that is usable, and what was known of it goes on being served if what the server sent cannot be read;
/// or there is no room for it in a message, `bytes` says how much it would take.
pub const FEDERATED_BUNDLE_MISSING: &str = "federated_bundle.missing";
/// How far entries are in their migration changed: `entries`, how many migrate.
pub const MIGRATION_CHANGED: &str = "migration.changed";
/// The server does not say how far entries are in their migration, with the error; what it said last counts.
pub const MIGRATION_UNKNOWN: &str = "migration.unknown";
/// This machine's clock and the server's disagree: `offset_seconds`, positive if ours is ahead.
pub const CLOCK_OFFSET: &str = "clock.offset";
/// The clocks agree again: `offset_seconds`.
pub const CLOCK_AGREES: &str = "clock.agrees";
/// A workload's first SVID of an entry and form: `entry_id`, `spiffe_id`, `form`, `not_after`.
pub const SVID_OBTAINED: &str = "svid.obtained";
/// The next one: `entry_id`, `spiffe_id`, `form`, `not_after`.
pub const SVID_RENEWED: &str = "svid.renewed";
/// A workload's SVID could not be had: `entry_id`, `form`, `error`.
pub const SVID_FAILED: &str = "svid.failed";
/// A process is who entries are for: `pid`, `uid`, `gid`, `method`, `identities`.
pub const WORKLOAD_ATTESTED: &str = "workload.attested";
/// A process gets nothing: `pid`, `uid`, `gid`, `method`, `reason`.
pub const WORKLOAD_DENIED: &str = "workload.denied";
/// A connection to the Workload API was turned away: `uid`, `reason`.
pub const CONNECTION_REFUSED: &str = "workload.connection_refused";
/// The configuration was read again: `taken`, `kept` until the next start.
pub const CONFIG_RELOADED: &str = "config.reloaded";
/// The configuration was read again and cannot be used; what was in force stays: `error`.
pub const CONFIG_REFUSED: &str = "config.refused";
