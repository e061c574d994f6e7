//! Traces: this process's spans sent to an OpenTelemetry collector (OTLP over gRPC), and their context passed on from
//! call to call as W3C Trace Context.
//!
//! Nothing is sent, read or written until [`start`] was called; what callers put into `traceparent` is passed over then.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::TracerProvider;
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, SpanLimits};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::Layer;

use crate::logging::OtherLayer;

/// How long the collector may take for one batch.
const PATIENCE: Duration = Duration::from_secs(10);

/// The headers of W3C Trace Context.
const HEADERS: [&str; 2] = ["traceparent", "tracestate"];

static ON: AtomicBool = AtomicBool::new(false);

/// Traces that cannot be sent.
#[derive(Debug, thiserror::Error)]
#[error("spans cannot be sent to the collector at {endpoint}: {reason}")]
pub struct TracesError {
    /// The collector.
    pub endpoint: String,
    /// Why.
    pub reason: String,
}

/// Spans on their way to a collector.
#[derive(Debug)]
pub struct Traces(SdkTracerProvider);

/// Sends spans of ours to the collector at `endpoint` (`http://host:port`) under the name of a service, `share` of them
/// (0 to 1) where no caller has decided for us. The layer goes beside the log. Must be called on a tokio runtime.
///
/// # Errors
/// [`TracesError`]. A collector that does not answer is none; its spans are lost, and the log says so.
pub fn start(endpoint: &str, service: &'static str, share: f64) -> Result<(Traces, OtherLayer), TracesError> {
    let failed = |reason: String| TracesError {
        endpoint: endpoint.to_owned(),
        reason,
    };
    let exporter = SpanExporter::builder()
        .with_tonic()
        .with_endpoint(endpoint)
        .with_timeout(PATIENCE)
        .build()
        .map_err(|error| failed(error.to_string()))?;
    let resource = Resource::builder_empty()
        .with_service_name(service)
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .build();
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(resource)
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(share))))
        .with_span_limits(SpanLimits::default())
        .build();
    let layer = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("symbolon"))
        .with_location(false)
        .with_threads(false)
        // Ours alone: spans of libraries would show what they hold.
        .with_filter(Targets::new().with_target("symbolon", LevelFilter::INFO));
    ON.store(true, Ordering::Relaxed);
    Ok((Traces(provider), layer.boxed()))
}

impl Traces {
    /// Sends what has not been sent. Blocks for as long as the collector takes, at most ten seconds.
    pub fn finish(self) {
        ON.store(false, Ordering::Relaxed);
        if let Err(error) = self.0.shutdown_with_timeout(PATIENCE) {
            tracing::warn!(%error, "the last spans did not reach the collector");
        }
    }
}

/// Whether spans are sent, so that what only they show is worth finding out.
pub fn are_on() -> bool {
    ON.load(Ordering::Relaxed)
}

/// Makes `span` part of the trace that a caller's headers name, if they name one and traces are sent.
pub fn follow<'h>(span: &Span, header: impl Fn(&str) -> Option<&'h str>) {
    if !are_on() {
        return;
    }
    let parent = parent(header);
    // A span that nobody records has no place in a trace.
    let _unrecorded = span.set_parent(parent);
}

/// Gives the context of `span` to `set`, header by header, for a call that is part of its trace.
pub fn pass_on(span: &Span, set: impl FnMut(&'static str, String)) {
    if !are_on() {
        return;
    }
    write(&span.context(), set);
}

fn parent<'h>(header: impl Fn(&str) -> Option<&'h str>) -> Context {
    TraceContextPropagator::new().extract_with_context(&Context::new(), &Headers(header, PhantomData))
}

fn write(context: &Context, set: impl FnMut(&'static str, String)) {
    TraceContextPropagator::new().inject_context(context, &mut Setting(set));
}

struct Headers<'h, F>(F, PhantomData<&'h str>);

impl<'h, F: Fn(&str) -> Option<&'h str>> Extractor for Headers<'h, F> {
    fn get(&self, key: &str) -> Option<&str> {
        (self.0)(key)
    }

    fn keys(&self) -> Vec<&str> {
        HEADERS
            .into_iter()
            .filter(|name| self.get(name).is_some())
            .collect()
    }
}

struct Setting<F>(F);

impl<F: FnMut(&'static str, String)> Injector for Setting<F> {
    fn set(&mut self, key: &str, value: String) {
        let known = HEADERS.into_iter().find(|name| *name == key);
        if let Some(name) = known.filter(|_| !value.is_empty()) {
            (self.0)(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::TraceContextExt;

    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn written(context: &Context) -> Vec<(&'static str, String)> {
        let mut headers = Vec::new();
        write(context, |name, value| headers.push((name, value)));
        headers
    }

    #[test]
    fn a_context_goes_from_header_to_header() {
        let parent = parent(|name| (name == "traceparent").then_some(PARENT));
        assert!(parent.span().span_context().is_remote());
        assert_eq!(written(&parent), [("traceparent", PARENT.to_owned())]);
    }

    #[test]
    fn what_is_no_context_is_passed_over() {
        for wrong in [
            "",
            "00-0-0-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "\u{7f}",
        ] {
            let parent = parent(|name| (name == "traceparent").then_some(wrong));
            assert!(!parent.span().span_context().is_valid(), "{wrong:?}");
        }
    }

    #[test]
    fn nothing_is_written_while_no_traces_are_sent() {
        pass_on(&Span::none(), |name, _| panic!("{name} was written"));
    }
}
