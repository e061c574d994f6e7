//! Logs: to standard error, as text for people or JSON for machines, through a filter that can be changed while the
//! process runs.

use std::fmt;
use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Subscriber;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry, fmt as lines, reload};

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One readable line an event, coloured on a terminal.
    #[default]
    Text,
    /// One JSON object an event.
    Json,
}

/// A log filter that cannot be read, or logs that were set up before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoggingError {
    /// The filter is not in the `tracing` filter syntax.
    #[error("{filter:?} is no log filter; write a level (error, warn, info, debug, trace) or target=level,…")]
    Filter {
        /// What was given.
        filter: String,
        /// Where it goes wrong.
        source: tracing_subscriber::filter::ParseError,
    },
    /// A process has one log.
    #[error("logs were set up twice in this process")]
    Twice,
    /// The log that the filter belongs to is gone.
    #[error("this process's log cannot be reached any more")]
    Gone,
}

/// The filter of this process's log: what it is, what it was at the start, and a way to change it. Cloning shares it.
#[derive(Clone)]
pub struct LogControl(Arc<Shared>);

type Apply = dyn Fn(EnvFilter) -> Result<(), LoggingError> + Send + Sync;

struct Shared {
    apply: Box<Apply>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// What the process was started with, or configured to since.
    launched: Filter,
    /// What holds now.
    current: Filter,
}

#[derive(Clone, Debug)]
struct Filter {
    text: String,
    most: LevelFilter,
}

impl LogControl {
    fn new(launched: Filter, apply: Box<Apply>) -> Self {
        let current = launched.clone();
        let state = Mutex::new(State { launched, current });
        Self(Arc::new(Shared { apply, state }))
    }

    /// The filter in force, as it was written.
    pub fn current(&self) -> String {
        self.state(|state| state.current.text.clone())
    }

    /// The filter that [`reset`](Self::reset) goes back to: that of the start, or of the configuration since.
    pub fn launched(&self) -> String {
        self.state(|state| state.launched.text.clone())
    }

    /// The most detailed level that the filter in force lets through for any target.
    pub fn current_level(&self) -> LevelFilter {
        self.state(|state| state.current.most)
    }

    /// As [`current_level`](Self::current_level), for the filter of the start.
    pub fn launched_level(&self) -> LevelFilter {
        self.state(|state| state.launched.most)
    }

    /// Filters by this from now on, until it is changed or [`reset`](Self::reset).
    ///
    /// # Errors
    /// [`LoggingError::Filter`]; what was in force stays.
    pub fn set(&self, filter: &str) -> Result<(), LoggingError> {
        self.apply(filter, |state, filter| state.current = filter)
    }

    /// Filters by this from now on, and goes back to it when reset: for a configuration that was read again.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub fn configure(&self, filter: &str) -> Result<(), LoggingError> {
        self.apply(filter, |state, filter| {
            state.launched = filter.clone();
            state.current = filter;
        })
    }

    /// Goes back to the filter of the start.
    ///
    /// # Errors
    /// [`LoggingError::Gone`].
    pub fn reset(&self) -> Result<(), LoggingError> {
        let launched = self.launched();
        self.set(&launched)
    }

    fn apply(&self, text: &str, remember: impl FnOnce(&mut State, Filter)) -> Result<(), LoggingError> {
        let (parsed, filter) = parse(text)?;
        // Under one lock, so that what is told is what is in force.
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        (self.0.apply)(parsed)?;
        remember(&mut state, filter);
        Ok(())
    }

    fn state<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        read(&self.0.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for LogControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.state(|state| f.debug_tuple("LogControl").field(state).finish())
    }
}

fn parse(text: &str) -> Result<(EnvFilter, Filter), LoggingError> {
    let parsed = EnvFilter::try_new(text).map_err(|source| LoggingError::Filter {
        filter: text.to_owned(),
        source,
    })?;
    let filter = Filter {
        text: text.to_owned(),
        // A filter without a hint may let anything through.
        most: parsed.max_level_hint().unwrap_or(LevelFilter::TRACE),
    };
    Ok((parsed, filter))
}

/// Checks that a filter can be read.
///
/// # Errors
/// [`LoggingError::Filter`].
pub fn check(filter: &str) -> Result<(), LoggingError> {
    parse(filter).map(|_| ())
}

/// Another consumer of this process's spans and events, with a filter of its own.
pub type OtherLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// Sends this process's events to standard error. `filter` is a level or a list of `target=level`.
///
/// # Errors
/// [`LoggingError`].
pub fn init(filter: &str, format: LogFormat) -> Result<LogControl, LoggingError> {
    init_beside(filter, format, None)
}

/// As [`init`], with `other` beside the log; it gets what its own filter lets through, whatever the log shows.
///
/// # Errors
/// [`LoggingError`].
pub fn init_beside(
    filter: &str,
    format: LogFormat,
    other: Option<OtherLayer>,
) -> Result<LogControl, LoggingError> {
    let (parsed, filter) = parse(filter)?;
    let (parsed, handle) = reload::Layer::new(parsed);
    let apply = move |filter| handle.reload(filter).map_err(|_| LoggingError::Gone);
    let control = LogControl::new(filter, Box::new(apply));
    let done = match other {
        // Without another consumer what the filter keeps out costs one comparison.
        None => tracing_subscriber::registry()
            .with(printed(format))
            .with(parsed)
            .try_init(),
        Some(other) => tracing_subscriber::registry()
            .with(other)
            .with(printed(format).with_filter(parsed))
            .try_init(),
    };
    done.map_err(|_| LoggingError::Twice)?;
    Ok(control)
}

fn printed<S>(format: LogFormat) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    let coloured = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    match format {
        LogFormat::Text => lines::layer()
            .with_writer(std::io::stderr)
            .with_ansi(coloured)
            .boxed(),
        LogFormat::Json => lines::layer()
            .json()
            .with_writer(std::io::stderr)
            .with_ansi(false)
            .boxed(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn control(filter: &str) -> (LogControl, mpsc::Receiver<String>) {
        let (applied, seen) = mpsc::channel();
        let apply = move |filter: EnvFilter| applied.send(filter.to_string()).map_err(|_| LoggingError::Gone);
        let (_, filter) = parse(filter).unwrap();
        (LogControl::new(filter, Box::new(apply)), seen)
    }

    #[test]
    fn a_filter_that_is_set_holds_until_reset() {
        let (control, seen) = control("info,symbolon_ca=debug");
        assert_eq!(control.current_level(), LevelFilter::DEBUG);
        control.set("error").unwrap();
        assert_eq!(
            (control.current().as_str(), control.current_level()),
            ("error", LevelFilter::ERROR)
        );
        assert_eq!(control.launched(), "info,symbolon_ca=debug");
        assert_eq!(control.launched_level(), LevelFilter::DEBUG);
        control.reset().unwrap();
        assert_eq!(control.current(), "info,symbolon_ca=debug");
        assert_eq!(seen.try_iter().count(), 2, "each change was applied");
    }

    #[test]
    fn a_configured_filter_is_what_reset_goes_back_to() {
        let (control, _seen) = control("info");
        control.set("trace").unwrap();
        control.configure("warn").unwrap();
        assert_eq!(control.current(), "warn");
        control.set("off").unwrap();
        assert_eq!(control.current_level(), LevelFilter::OFF);
        control.reset().unwrap();
        assert_eq!(control.current(), "warn");
    }

    #[test]
    fn what_is_no_filter_changes_nothing() {
        let (control, seen) = control("info");
        for wrong in ["a=b=c", "symbolon=loud", "x[y"] {
            let error = control.set(wrong).unwrap_err();
            assert!(error.to_string().contains(wrong), "{error}");
            assert!(check(wrong).is_err());
        }
        assert_eq!(control.current(), "info");
        assert_eq!(seen.try_iter().count(), 0);
    }

    #[test]
    fn a_log_that_is_gone_is_told() {
        let (control, seen) = control("info");
        drop(seen);
        assert!(matches!(control.set("warn"), Err(LoggingError::Gone)));
        assert_eq!(control.current(), "info", "what is told is what is in force");
    }
}
