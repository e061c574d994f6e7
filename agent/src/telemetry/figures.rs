//! The agent's figures. [`FIGURES`] is the contract; the book's table of it is compared with this list by a test.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use symbolon_host::metrics::{Counters, Definition, Kind, Latencies, Metrics, Sample};

use crate::agent::Context;
use crate::status::Phase;

const CALLS: Definition = Definition {
    name: "symbolon_agent_server_calls",
    kind: Kind::Counter,
    labels: &["method", "code"],
    help: "Calls to the server that have ended, by how.",
};
const CALL_SECONDS: Definition = Definition {
    name: "symbolon_agent_server_call_seconds",
    kind: Kind::Histogram,
    labels: &["method"],
    help: "How long calls to the server took, streams to their end.",
};
const REQUESTS: Definition = Definition {
    name: "symbolon_agent_workload_api_requests",
    kind: Kind::Counter,
    labels: &["method", "code"],
    help: "Calls of workloads that have ended, by how.",
};
const REQUEST_SECONDS: Definition = Definition {
    name: "symbolon_agent_workload_api_request_seconds",
    kind: Kind::Histogram,
    labels: &["method"],
    help: "How long calls of workloads took, streams to their end.",
};
const READY: Definition = Definition {
    name: "symbolon_agent_ready",
    kind: Kind::Gauge,
    labels: &[],
    help: "1 once the agent serves workloads, else 0.",
};
const SYNCS: Definition = Definition {
    name: "symbolon_agent_syncs",
    kind: Kind::Gauge,
    labels: &[],
    help: "How often the agent was in sync with its server since it started.",
};
const STALENESS: Definition = Definition {
    name: "symbolon_agent_bundle_staleness_seconds",
    kind: Kind::Gauge,
    labels: &[],
    help: "How long ago the trust bundle and the entries were last fetched.",
};
const EXPIRY: Definition = Definition {
    name: "symbolon_agent_svid_expiry_timestamp_seconds",
    kind: Kind::Gauge,
    labels: &["form"],
    help: "When the agent's own SVID ends, as Unix time.",
};
const AUTHORITY_EXPIRY: Definition = Definition {
    name: "symbolon_agent_authority_expiry_timestamp_seconds",
    kind: Kind::Gauge,
    labels: &[],
    help: "When the last X.509 authority in the trust bundle ends, as Unix time.",
};
const ENTRIES: Definition = Definition {
    name: "symbolon_agent_entries",
    kind: Kind::Gauge,
    labels: &[],
    help: "Entries that the agent may serve.",
};
const CLOCK_OFFSET: Definition = Definition {
    name: "symbolon_agent_clock_offset_seconds",
    kind: Kind::Gauge,
    labels: &[],
    help: "By how much this machine's clock is ahead of the server's.",
};
const INFO: Definition = Definition {
    name: "symbolon_agent_info",
    kind: Kind::Gauge,
    labels: &["version"],
    help: "Always 1; the label tells the version.",
};

/// Every figure of an agent.
pub const FIGURES: [Definition; 12] = [
    CALLS,
    CALL_SECONDS,
    REQUESTS,
    REQUEST_SECONDS,
    READY,
    SYNCS,
    STALENESS,
    EXPIRY,
    AUTHORITY_EXPIRY,
    ENTRIES,
    CLOCK_OFFSET,
    INFO,
];

/// The calls of one side.
#[derive(Clone, Debug)]
pub(crate) struct Calls {
    ended: Counters<2>,
    seconds: Latencies<1>,
}

impl Calls {
    pub(crate) fn ended(&self, method: &'static str, code: &'static str, took: Duration) {
        self.ended.count([method, code]);
        self.seconds.observe([method], took);
    }
}

/// What is counted where it happens.
#[derive(Clone, Debug)]
pub(crate) struct Counted {
    /// Calls to the server.
    pub(crate) calls: Calls,
    /// Calls of workloads.
    pub(crate) requests: Calls,
}

impl Counted {
    /// Nothing counted yet, to be shown by `metrics`.
    pub(crate) fn new(metrics: &mut Metrics) -> Self {
        Self {
            calls: Calls {
                ended: metrics.counters(&CALLS),
                seconds: metrics.latencies(&CALL_SECONDS),
            },
            requests: Calls {
                ended: metrics.counters(&REQUESTS),
                seconds: metrics.latencies(&REQUEST_SECONDS),
            },
        }
    }
}

impl Default for Counted {
    /// Counted, and shown nowhere.
    fn default() -> Self {
        Self::new(&mut Metrics::default())
    }
}

/// Adds to `metrics` what is read from an agent when somebody looks.
pub(crate) fn sample(metrics: &mut Metrics, context: &Arc<Context>) {
    let agent = |read: fn(&Context) -> Vec<Sample>| {
        let context = Arc::clone(context);
        move || read(&context)
    };
    metrics.sample(
        &READY,
        agent(|agent| one(f64::from(u8::from(is_ready(&agent.status.borrow().phase))))),
    );
    metrics.sample(&SYNCS, agent(|agent| one(agent.status.borrow().syncs as f64)));
    metrics.sample(
        &STALENESS,
        agent(|agent| {
            let synced_at = agent.status.borrow().synced_at;
            let since = |at| {
                agent
                    .clock
                    .now()
                    .duration_since(at)
                    .unwrap_or_default()
                    .as_secs_f64()
            };
            synced_at.map(|at| (Vec::new(), since(at))).into_iter().collect()
        }),
    );
    metrics.sample(
        &EXPIRY,
        agent(|agent| {
            let status = agent.status.borrow();
            let own = status.form.zip(status.not_after);
            own.map(|(form, at)| (vec![form.name().into()], unix(at)))
                .into_iter()
                .collect()
        }),
    );
    metrics.sample(
        &AUTHORITY_EXPIRY,
        agent(|agent| {
            let bundle = agent.cache.bundle();
            let ends = bundle.iter().flat_map(|bundle| &bundle.x509_authorities);
            let last = ends.map(|authority| authority.certificate.not_after()).max();
            last.map(|at| (Vec::new(), unix(at))).into_iter().collect()
        }),
    );
    metrics.sample(&ENTRIES, agent(|agent| one(agent.status.borrow().entries as f64)));
    metrics.sample(
        &CLOCK_OFFSET,
        agent(|agent| {
            let offset = agent.status.borrow().clock_offset_seconds;
            offset
                .map(|seconds| (Vec::new(), seconds as f64))
                .into_iter()
                .collect()
        }),
    );
    metrics.sample(&INFO, || vec![(vec![env!("CARGO_PKG_VERSION").into()], 1.0)]);
}

/// Whether workloads are served.
pub(crate) fn is_ready(phase: &Phase) -> bool {
    matches!(phase, Phase::Ready | Phase::NeedsEvidence(_))
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
