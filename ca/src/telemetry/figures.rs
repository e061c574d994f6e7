//! The server's figures: what is counted, and what is read when somebody looks.
//!
//! [`FIGURES`] is the contract; the book's table of it is compared with this list by a test.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use symbolon_host::metrics::{Counters, Definition, Kind, Latencies, Metrics, Sample};
use symbolon_pki::suite::{Family, Form};
use symbolon_tls::MigrationTarget;
use tonic::{Code, Status};

use crate::datastore::{AgentFilter, AuthorityState, EntryFilter};
use crate::services::Core;

const RPCS: Definition = Definition {
    name: "symbolon_server_rpc",
    kind: Kind::Counter,
    labels: &["service", "method", "code"],
    help: "Calls that have ended, by how.",
};
const RPC_SECONDS: Definition = Definition {
    name: "symbolon_server_rpc_seconds",
    kind: Kind::Histogram,
    labels: &["service", "method"],
    help: "How long calls took, streams to their end.",
};
const SVIDS: Definition = Definition {
    name: "symbolon_server_svids",
    kind: Kind::Counter,
    labels: &["form", "outcome"],
    help: "SVIDs that were issued, refused for what was asked, or failed.",
};
const ISSUANCE_SECONDS: Definition = Definition {
    name: "symbolon_server_issuance_seconds",
    kind: Kind::Histogram,
    labels: &["kind"],
    help: "How long issuance took, from request to record; a batch counts once.",
};
const ATTESTATIONS: Definition = Definition {
    name: "symbolon_server_attestations",
    kind: Kind::Counter,
    labels: &["type", "outcome"],
    help: "Nodes that attested, were refused, or met a failure of the server's.",
};
const DENIALS: Definition = Definition {
    name: "symbolon_server_denials",
    kind: Kind::Counter,
    labels: &["reason"],
    help: "Calls that were turned away, by the reason.",
};
const AUTHORITY_CHANGES: Definition = Definition {
    name: "symbolon_server_authority_changes",
    kind: Kind::Counter,
    labels: &["family", "state"],
    help: "Authorities that came to a state while this server ran.",
};
const AUTHORITY_EXPIRY: Definition = Definition {
    name: "symbolon_server_authority_expiry_timestamp_seconds",
    kind: Kind::Gauge,
    labels: &["family"],
    help: "When the authority that signs now ends, as Unix time.",
};
const AUTHORITIES: Definition = Definition {
    name: "symbolon_server_authorities",
    kind: Kind::Gauge,
    labels: &["family", "state"],
    help: "Authorities in the journal.",
};
const BUNDLE_SEQUENCE: Definition = Definition {
    name: "symbolon_server_bundle_sequence",
    kind: Kind::Gauge,
    labels: &[],
    help: "The sequence number of the published bundle; it grows with each change.",
};
const FEDERATION_FAILING: Definition = Definition {
    name: "symbolon_server_federation_failing",
    kind: Kind::Gauge,
    labels: &[],
    help: "Relationships whose bundle could not be fetched the last time.",
};
const AGENTS: Definition = Definition {
    name: "symbolon_server_agents",
    kind: Kind::Gauge,
    labels: &[],
    help: "Agents on record.",
};
const ENTRIES: Definition = Definition {
    name: "symbolon_server_entries",
    kind: Kind::Gauge,
    labels: &[],
    help: "Registration entries.",
};
const HANDSHAKES: Definition = Definition {
    name: "symbolon_server_handshakes",
    kind: Kind::Counter,
    labels: &["form", "outcome"],
    help: "TLS handshakes on the server's address, by what the client's proof is worth.",
};
const MIGRATION_STAGE: Definition = Definition {
    name: "symbolon_server_migration_stage",
    kind: Kind::Gauge,
    labels: &["target"],
    help: "How far the migration of all entries is: 0 none, 1 publish, 2 issue, 3 accept, 4 prefer, 5 require.",
};
const HEALTHY: Definition = Definition {
    name: "symbolon_server_healthy",
    kind: Kind::Gauge,
    labels: &[],
    help: "1 while the server can do all of its work, else 0.",
};
const STARTED: Definition = Definition {
    name: "symbolon_server_start_timestamp_seconds",
    kind: Kind::Gauge,
    labels: &["version"],
    help: "When the server came up, as Unix time.",
};

/// Every figure of a server.
pub const FIGURES: [Definition; 17] = [
    RPCS,
    RPC_SECONDS,
    SVIDS,
    ISSUANCE_SECONDS,
    ATTESTATIONS,
    DENIALS,
    AUTHORITY_CHANGES,
    AUTHORITY_EXPIRY,
    AUTHORITIES,
    BUNDLE_SEQUENCE,
    FEDERATION_FAILING,
    AGENTS,
    ENTRIES,
    HANDSHAKES,
    MIGRATION_STAGE,
    HEALTHY,
    STARTED,
];

/// How something that was asked for ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    /// It was done.
    Done,
    /// What was asked for may not be, or not like that.
    Refused,
    /// The server could not.
    Failed,
}

impl Outcome {
    /// Of something that was answered.
    pub(crate) fn of_status<T>(result: &Result<T, Status>) -> Self {
        match result.as_ref().map_err(Status::code) {
            Ok(_) => Self::Done,
            Err(Code::Internal | Code::Unavailable | Code::Unknown | Code::DataLoss) => Self::Failed,
            Err(_) => Self::Refused,
        }
    }

    fn of_issuance(self) -> &'static str {
        match self {
            Self::Done => "issued",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }

    fn of_attestation(self) -> &'static str {
        match self {
            Self::Done => "attested",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// What an SVID is, where it is counted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Issuance {
    /// A certificate of a form.
    X509(Form),
    /// A JWT-SVID.
    Jwt,
    /// A WIT-SVID.
    Wit,
}

impl Issuance {
    fn form(self) -> &'static str {
        match self {
            Self::X509(form) => form.name(),
            Self::Jwt => "jwt",
            Self::Wit => "wit",
        }
    }

    fn kind(self) -> &'static str {
        match self {
            Self::X509(_) => "x509",
            Self::Jwt => "jwt",
            Self::Wit => "wit",
        }
    }
}

/// What is counted where it happens. Cloning shares it.
#[derive(Clone, Debug)]
pub(crate) struct Counted {
    rpcs: Counters<3>,
    rpc_seconds: Latencies<2>,
    svids: Counters<2>,
    issuance_seconds: Latencies<1>,
    attestations: Counters<2>,
    denials: Counters<1>,
    agents: Arc<AtomicU64>,
    entries: Arc<AtomicU64>,
}

impl Counted {
    /// Nothing counted yet, to be shown by `metrics`.
    pub(crate) fn new(metrics: &mut Metrics) -> Self {
        Self {
            rpcs: metrics.counters(&RPCS),
            rpc_seconds: metrics.latencies(&RPC_SECONDS),
            svids: metrics.counters(&SVIDS),
            issuance_seconds: metrics.latencies(&ISSUANCE_SECONDS),
            attestations: metrics.counters(&ATTESTATIONS),
            denials: metrics.counters(&DENIALS),
            agents: Arc::default(),
            entries: Arc::default(),
        }
    }

    /// A call ended. `service` and `method` are those of the table of what is served.
    pub(crate) fn rpc(
        &self,
        (service, method): (&'static str, &'static str),
        code: &'static str,
        took: Duration,
    ) {
        self.rpcs.count([service, method, code]);
        self.rpc_seconds.observe([service, method], took);
    }

    /// A call was turned away.
    pub(crate) fn denied(&self, reason: &'static str) {
        self.denials.count([reason]);
    }

    /// An SVID was issued, or was not.
    pub(crate) fn svid(&self, what: Issuance, outcome: Outcome) {
        self.svids.count([what.form(), outcome.of_issuance()]);
    }

    /// An issuance, or a batch of them, took so long.
    pub(crate) fn issuance(&self, what: Issuance, took: Duration) {
        self.issuance_seconds.observe([what.kind()], took);
    }

    /// A node attested, or did not. `method` is the name of a method that this server knows, or `none`.
    pub(crate) fn attestation(&self, method: &'static str, outcome: Outcome) {
        self.attestations.count([method, outcome.of_attestation()]);
    }

    /// Counts agents and entries anew, for whoever looks next. What the datastore does not tell stays as it was.
    pub(crate) async fn count_records(&self, core: &Core) {
        if let Ok(count) = core.datastore.count_agents(&AgentFilter::default()).await {
            self.agents.store(count, Ordering::Relaxed);
        }
        if let Ok(count) = core.datastore.count_entries(&EntryFilter::default()).await {
            self.entries.store(count, Ordering::Relaxed);
        }
    }

    /// Adds to `metrics` what is read from a server when somebody looks.
    pub(crate) fn sample(&self, metrics: &mut Metrics, core: &Arc<Core>) {
        let at = |core: &Arc<Core>| Arc::clone(core);
        let server = at(core);
        metrics.sample(&AUTHORITY_CHANGES, move || arrivals(&server));
        let server = at(core);
        metrics.sample(&AUTHORITY_EXPIRY, move || expiries(&server));
        let server = at(core);
        metrics.sample(&AUTHORITIES, move || authorities(&server));
        let server = at(core);
        metrics.sample(&BUNDLE_SEQUENCE, move || {
            one(server.authorities.bundle().sequence as f64)
        });
        let server = at(core);
        metrics.sample(&FEDERATION_FAILING, move || {
            one(server.federation.failing() as f64)
        });
        let agents = Arc::clone(&self.agents);
        metrics.sample(&AGENTS, move || one(agents.load(Ordering::Relaxed) as f64));
        let entries = Arc::clone(&self.entries);
        metrics.sample(&ENTRIES, move || one(entries.load(Ordering::Relaxed) as f64));
        let server = at(core);
        metrics.sample(&HANDSHAKES, move || handshakes(&server));
        let server = at(core);
        metrics.sample(&MIGRATION_STAGE, move || migration_stage(&server));
        let server = at(core);
        metrics.sample(&HEALTHY, move || {
            one(f64::from(u8::from(server.problems.load().is_empty())))
        });
        let started = unix(core.started_at);
        metrics.sample(&STARTED, move || {
            vec![(vec![env!("CARGO_PKG_VERSION").into()], started)]
        });
    }
}

impl Default for Counted {
    /// Counted, and shown nowhere.
    fn default() -> Self {
        Self::new(&mut Metrics::default())
    }
}

fn one(value: f64) -> Vec<Sample> {
    vec![(Vec::new(), value)]
}

fn unix(at: SystemTime) -> f64 {
    at.duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64()
        .floor()
}

fn handshakes(core: &Core) -> Vec<Sample> {
    let mut sums = std::collections::BTreeMap::new();
    for counted in core.identity.handshakes() {
        let form = counted.kind.peer.map_or("none", Form::name);
        let outcome = match counted.kind.succeeded {
            true => "done",
            false => "failed",
        };
        *sums.entry((form, outcome)).or_insert(0_u64) += counted.count;
    }
    let sample = |((form, outcome), count): ((&'static str, &'static str), u64)| {
        (vec![form.into(), outcome.into()], count as f64)
    };
    sums.into_iter().map(sample).collect()
}

fn migration_stage(core: &Core) -> Vec<Sample> {
    let rules = core.migrations.rules();
    let of = |target: MigrationTarget| {
        let setting = rules.default.as_ref().map(|rule| rule.setting);
        let stage = setting
            .filter(|setting| setting.target == target)
            .and_then(|setting| setting.stage);
        let rank = u32::try_from(crate::migration::rank(stage)).unwrap_or_default();
        (vec![target.name().into()], f64::from(rank))
    };
    MigrationTarget::ALL.map(of).into()
}

fn arrivals(core: &Core) -> Vec<Sample> {
    let arrivals = core.authorities.arrivals().into_iter();
    let sample = |((family, state), count): ((Family, AuthorityState), u64)| {
        (vec![family.name().into(), state.name().into()], count as f64)
    };
    arrivals.map(sample).collect()
}

fn expiries(core: &Core) -> Vec<Sample> {
    let journal = core.authorities.journal();
    let active = journal
        .iter()
        .filter(|record| record.state == AuthorityState::Active);
    active
        .map(|record| (vec![record.family.name().into()], unix(record.not_after)))
        .collect()
}

fn authorities(core: &Core) -> Vec<Sample> {
    let mut counts = std::collections::BTreeMap::new();
    for record in core.authorities.journal() {
        *counts
            .entry((record.family.name(), record.state.name()))
            .or_insert(0_u32) += 1;
    }
    let sample = |((family, state), count): ((&'static str, &'static str), u32)| {
        (vec![family.into(), state.into()], f64::from(count))
    };
    counts.into_iter().map(sample).collect()
}
