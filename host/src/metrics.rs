//! Figures for Prometheus: each defined once, with its name, kind, labels and meaning, and counted where it happens.
//!
//! A [`Definition`] is what a table of the telemetry contract shows; nothing can be counted that has none. Values of
//! labels that are counted are `'static`, so that no caller can make up new ones; what is [sampled](Metrics::sample) when
//! somebody looks may have names of the operator's making.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// What a page of figures says that it is.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper bounds of the buckets of latencies, in seconds.
const BUCKETS: [f64; 12] = [
    0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0,
];

/// What kind of figure it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// It only grows; its samples end in `_total`.
    Counter,
    /// It goes up and down.
    Gauge,
    /// How long something took, in seconds; its samples end in `_bucket`, `_sum` and `_count`.
    Histogram,
}

impl Kind {
    /// As the exposition format and the contract's table have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// One figure.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Definition {
    /// Its name, without what its kind adds.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// What tells its series apart.
    pub labels: &'static [&'static str],
    /// What it means, in one sentence.
    pub help: &'static str,
}

type Labels<const N: usize> = [(&'static str, &'static str); N];

/// Counters of one definition. Cloning shares them.
#[derive(Clone, Debug)]
pub struct Counters<const N: usize> {
    names: [&'static str; N],
    family: Family<Labels<N>, Counter>,
}

impl<const N: usize> Counters<N> {
    /// Counts one, in the series with these values of the labels.
    pub fn count(&self, values: [&'static str; N]) {
        self.add(values, 1);
    }

    /// Counts several at once.
    pub fn add(&self, values: [&'static str; N], count: u64) {
        self.family
            .get_or_create(&pairs(self.names, values))
            .inc_by(count);
    }

    /// How many were counted in a series.
    pub fn get(&self, values: [&'static str; N]) -> u64 {
        self.family
            .get(&pairs(self.names, values))
            .map_or(0, |counter| counter.get())
    }
}

/// Latencies of one definition. Cloning shares them.
#[derive(Clone, Debug)]
pub struct Latencies<const N: usize> {
    names: [&'static str; N],
    family: Family<Labels<N>, Histogram, Buckets>,
}

impl<const N: usize> Latencies<N> {
    /// Notes how long something took.
    pub fn observe(&self, values: [&'static str; N], took: Duration) {
        self.family
            .get_or_create(&pairs(self.names, values))
            .observe(took.as_secs_f64());
    }
}

#[derive(Clone, Debug)]
struct Buckets;

impl MetricConstructor<Histogram> for Buckets {
    fn new_metric(&self) -> Histogram {
        Histogram::new(BUCKETS)
    }
}

fn pairs<const N: usize>(names: [&'static str; N], values: [&'static str; N]) -> Labels<N> {
    let mut pairs = [("", ""); N];
    for ((pair, name), value) in pairs.iter_mut().zip(names).zip(values) {
        *pair = (name, value);
    }
    pairs
}

/// One value of a gauge or of a counter, whole then, with the values of its labels in the definition's order.
pub type Sample = (Vec<Cow<'static, str>>, f64);

/// The figures of one process, or of one server in it.
#[derive(Debug, Default)]
pub struct Metrics {
    registry: Registry,
    definitions: Vec<Definition>,
}

impl Metrics {
    /// Counters as defined.
    pub fn counters<const N: usize>(&mut self, definition: &Definition) -> Counters<N> {
        let family = Family::default();
        self.register(definition, Kind::Counter, family.clone());
        let names = names_of(definition);
        Counters { names, family }
    }

    /// Latencies as defined.
    pub fn latencies<const N: usize>(&mut self, definition: &Definition) -> Latencies<N> {
        let family = Family::new_with_constructor(Buckets);
        self.register(definition, Kind::Histogram, family.clone());
        let names = names_of(definition);
        Latencies { names, family }
    }

    /// A gauge that is read when somebody looks, or a counter that counts elsewhere.
    pub fn sample(
        &mut self,
        definition: &Definition,
        read: impl Fn() -> Vec<Sample> + Send + Sync + 'static,
    ) {
        debug_assert_ne!(definition.kind, Kind::Histogram, "{}", definition.name);
        self.definitions.push(*definition);
        self.registry.register_collector(Box::new(Sampled {
            definition: *definition,
            read: Box::new(read),
        }));
    }

    /// Everything that is defined.
    pub fn definitions(&self) -> &[Definition] {
        &self.definitions
    }

    /// The figures as they stand, in the OpenMetrics text format.
    pub fn page(&self) -> String {
        let mut page = String::new();
        // Writing to a string cannot fail.
        match encode(&mut page, &self.registry) {
            Ok(()) => page,
            Err(error) => {
                tracing::error!(%error, "the metrics cannot be written");
                String::new()
            }
        }
    }

    fn register(
        &mut self,
        definition: &Definition,
        kind: Kind,
        metric: impl prometheus_client::registry::Metric,
    ) {
        debug_assert_eq!(definition.kind, kind, "{}", definition.name);
        self.definitions.push(*definition);
        // The registry ends the sentence by itself.
        let help = definition.help.trim_end_matches('.');
        self.registry.register(definition.name, help, metric);
    }
}

fn names_of<const N: usize>(definition: &Definition) -> [&'static str; N] {
    debug_assert_eq!(definition.labels.len(), N, "{}", definition.name);
    let mut names = [""; N];
    for (name, label) in names.iter_mut().zip(definition.labels) {
        *name = label;
    }
    names
}

struct Sampled {
    definition: Definition,
    read: Box<dyn Fn() -> Vec<Sample> + Send + Sync>,
}

impl fmt::Debug for Sampled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sampled")
            .field("definition", &self.definition)
            .finish_non_exhaustive()
    }
}

impl Collector for Sampled {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let samples = (self.read)();
        let Definition { name, help, .. } = self.definition;
        let counts = self.definition.kind == Kind::Counter;
        let of_kind = match counts {
            true => ConstCounter::new(0_u64).metric_type(),
            false => ConstGauge::new(0.0).metric_type(),
        };
        let mut metric = encoder.encode_descriptor(name, help, None, of_kind)?;
        for (values, value) in samples {
            let labels: Vec<_> = self.definition.labels.iter().copied().zip(values).collect();
            let encode = |encoder: MetricEncoder<'_>| match counts {
                true => ConstCounter::new(value as u64).encode(encoder),
                false => ConstGauge::new(value).encode(encoder),
            };
            if labels.is_empty() {
                return encode(metric);
            }
            encode(metric.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALLS: Definition = Definition {
        name: "calls",
        kind: Kind::Counter,
        labels: &["method", "code"],
        help: "Calls.",
    };
    const TOOK: Definition = Definition {
        name: "call_seconds",
        kind: Kind::Histogram,
        labels: &["method"],
        help: "How long calls took.",
    };
    const LEFT: Definition = Definition {
        name: "left_seconds",
        kind: Kind::Gauge,
        labels: &["family"],
        help: "What is left.",
    };
    const MADE: Definition = Definition {
        name: "made",
        kind: Kind::Counter,
        labels: &["family"],
        help: "What was made.",
    };
    const UP: Definition = Definition {
        name: "up",
        kind: Kind::Gauge,
        labels: &[],
        help: "Whether it is.",
    };

    #[test]
    fn a_page_has_what_was_counted_observed_and_sampled() {
        let mut metrics = Metrics::default();
        let calls = metrics.counters(&CALLS);
        let took = metrics.latencies(&TOOK);
        metrics.sample(&LEFT, || {
            vec![(vec!["jwt".into()], 12.5), (vec!["wit\"".into()], -1.0)]
        });
        metrics.sample(&MADE, || vec![(vec!["jwt".into()], 2.0)]);
        metrics.sample(&UP, || vec![(Vec::new(), 1.0)]);
        calls.count(["Get", "OK"]);
        calls.add(["Get", "OK"], 2);
        took.observe(["Get"], Duration::from_millis(3));
        assert_eq!((calls.get(["Get", "OK"]), calls.get(["Get", "no"])), (3, 0));
        let page = metrics.page();
        for line in [
            "# HELP calls Calls.",
            "# TYPE calls counter",
            "calls_total{method=\"Get\",code=\"OK\"} 3",
            "# TYPE call_seconds histogram",
            "call_seconds_bucket{le=\"0.005\",method=\"Get\"} 1",
            "call_seconds_count{method=\"Get\"} 1",
            "# TYPE left_seconds gauge",
            "left_seconds{family=\"jwt\"} 12.5",
            "left_seconds{family=\"wit\\\"\"} -1.0",
            "# TYPE made counter",
            "made_total{family=\"jwt\"} 2",
            "up 1.0",
            "# EOF",
        ] {
            assert!(
                page.lines().any(|found| found == line),
                "{line} is not in\n{page}"
            );
        }
        let defined: Vec<_> = metrics
            .definitions()
            .iter()
            .map(|definition| definition.name)
            .collect();
        assert_eq!(defined, ["calls", "call_seconds", "left_seconds", "made", "up"]);
    }
}
