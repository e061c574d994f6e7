//! How far a scan has come.

use std::fmt::Debug;
use std::time::Duration;

/// Told about a scan's progress, now and then and at the end, from any of its threads.
pub trait Progress: Send + Sync + Debug {
    /// How far it is.
    fn update(&self, snapshot: &Snapshot);

    /// Whether to stop. What is left is then counted as not asked for.
    fn cancelled(&self) -> bool {
        false
    }
}

/// How far a scan is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// Files met so far.
    pub files: u64,
    /// Of those, files taken over from an earlier scan without reading them.
    pub unchanged: u64,
    /// Bytes read so far.
    pub bytes: u64,
    /// Places so far in which something was found.
    pub places: u64,
    /// Things so far that could not be read.
    pub unread: u64,
    /// Endpoints and tokens done so far.
    pub contacts: u64,
    /// The share that is done, from 0 to 1. An estimate: each directory's share is divided evenly among what is in
    /// it.
    pub done: f64,
    /// Time since the start.
    pub elapsed: Duration,
    /// Time that is left if it goes on like this; absent as long as nobody can say.
    pub remaining: Option<Duration>,
}

/// For callers who do not want to know.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoProgress;

impl Progress for NoProgress {
    fn update(&self, _: &Snapshot) {}
}
