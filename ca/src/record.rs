//! The recorder: many certificates, one commit.
//!
//! Every certificate is recorded before it is signed and again before it is handed out, and "recorded" means
//! durable, which costs a wait for the disk. The recorder makes that wait a shared one. While one commit is under
//! way, whatever is asked for queues up, and all of it goes into the next. Nobody waits for others to come along:
//! an idle recorder commits a single record at once.
//!
//! It knows nothing of what it records; [`CertificateStore`] does.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinError, JoinHandle};

use crate::datastore::{
    CertificateIntent, CertificateStore, CertificateWrite, DatastoreError, IssuedRecord,
    Result as StoreResult,
};

/// How many records go into one commit, unless [`Limits`] says otherwise: with the largest certificates that is
/// about 4 MB of log.
const DEFAULT_BATCH: usize = 512;
/// How many requests wait at most before the next caller has to wait for room, unless [`Limits`] says otherwise.
const DEFAULT_QUEUE: usize = 1024;

/// Bounds on what the recorder holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// The most records in one commit. At least 1; a single request with more has a commit to itself.
    pub batch: usize,
    /// The most requests that wait in the queue. At least 1; a caller who finds it full waits for room.
    pub queue: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            batch: DEFAULT_BATCH,
            queue: DEFAULT_QUEUE,
        }
    }
}

/// Why something was not recorded.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The datastore refused this record, or failed to commit.
    #[error("the certificate could not be recorded")]
    Datastore(#[from] DatastoreError),
    /// The recorder has been shut down.
    #[error("the certificate could not be recorded: the server is stopping")]
    Stopped,
}

/// What one caller asked for and where to answer. The answer has one result for each write, in order.
struct Request {
    writes: Vec<CertificateWrite>,
    answer: oneshot::Sender<Vec<StoreResult<()>>>,
}

/// A handle to the recorder. Any number of tasks use clones of it.
#[derive(Clone, Debug)]
pub struct Recorder {
    queue: mpsc::Sender<Request>,
}

impl Recorder {
    /// Starts a recorder that writes to `store`. Must be called in a Tokio runtime.
    pub fn start(store: Arc<dyn CertificateStore>, limits: Limits) -> (Self, RecorderTask) {
        let (queue, requests) = mpsc::channel(limits.queue.max(1));
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(run(store, requests, limits.batch.max(1), stopped));
        (Self { queue }, RecorderTask { stop, task })
    }

    /// Records that a certificate is about to be signed. When this returns `Ok`, the record is durable.
    ///
    /// # Errors
    /// [`RecordError`]; then nothing may be signed.
    pub async fn record_intent(&self, intent: CertificateIntent) -> Result<(), RecordError> {
        self.record_one(CertificateWrite::Intent(intent)).await
    }

    /// Records a signed certificate whose intent is on record. When this returns `Ok`, the record is durable.
    ///
    /// # Errors
    /// [`RecordError`]; then the certificate must not be handed out.
    pub async fn record_issued(&self, issued: IssuedRecord) -> Result<(), RecordError> {
        self.record_one(CertificateWrite::Issued(issued)).await
    }

    /// Records several at once, in one commit; answers with one result for each, in order.
    ///
    /// # Errors
    /// [`RecordError::Stopped`] when none of them was recorded because the recorder has been shut down. A failed
    /// commit is in each result.
    pub async fn record_all(
        &self,
        writes: Vec<CertificateWrite>,
    ) -> Result<Vec<StoreResult<()>>, RecordError> {
        let (answer, answered) = oneshot::channel();
        self.queue
            .send(Request { writes, answer })
            .await
            .map_err(|_| RecordError::Stopped)?;
        answered.await.map_err(|_| RecordError::Stopped)
    }

    async fn record_one(&self, write: CertificateWrite) -> Result<(), RecordError> {
        let result = self.record_all(vec![write]).await?.pop();
        Ok(result.ok_or(RecordError::Stopped)??)
    }
}

/// The task behind a [`Recorder`]. Dropping it stops the recorder as [`RecorderTask::shutdown`] does, but without
/// waiting for it.
#[derive(Debug)]
pub struct RecorderTask {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl RecorderTask {
    /// Stops taking requests, commits all that wait, and returns when every one of them has its answer.
    ///
    /// # Errors
    /// When the recorder panicked.
    pub async fn shutdown(self) -> Result<(), JoinError> {
        drop(self.stop);
        self.task.await
    }
}

async fn run(
    store: Arc<dyn CertificateStore>,
    mut requests: mpsc::Receiver<Request>,
    batch: usize,
    mut stopped: oneshot::Receiver<()>,
) {
    let mut waiting = None;
    let mut open = true;
    loop {
        let first = match waiting.take() {
            Some(request) => request,
            None => {
                let next = tokio::select! {
                    biased;
                    // Whether told to stop or merely forgotten: no more requests, but all that wait are served.
                    _ = &mut stopped, if open => {
                        open = false;
                        requests.close();
                        continue;
                    }
                    next = requests.recv() => next,
                };
                match next {
                    Some(request) => request,
                    None => return,
                }
            }
        };
        let mut group = Group::of(first);
        while group.writes.len() < batch
            && let Ok(request) = requests.try_recv()
        {
            if group.writes.len() + request.writes.len() > batch {
                waiting = Some(request);
                break;
            }
            group.add(request);
        }
        group.commit(store.as_ref()).await;
    }
}

/// Requests that share a commit.
struct Group {
    writes: Vec<CertificateWrite>,
    /// For each request, how many of the writes are its own, and where to answer.
    answers: Vec<(usize, oneshot::Sender<Vec<StoreResult<()>>>)>,
}

impl Group {
    fn of(request: Request) -> Self {
        let answers = vec![(request.writes.len(), request.answer)];
        Self {
            writes: request.writes,
            answers,
        }
    }

    fn add(&mut self, request: Request) {
        self.answers.push((request.writes.len(), request.answer));
        self.writes.extend(request.writes);
    }

    /// Commits, and only then answers.
    async fn commit(self, store: &dyn CertificateStore) {
        let outcome = match store.record_certificates(&self.writes).await {
            Ok(results) => results,
            Err(error) => {
                tracing::error!(
                    records = self.writes.len(),
                    error = &error as &dyn std::error::Error,
                    "recording certificates failed"
                );
                self.writes.iter().map(|_| Err(error.clone())).collect()
            }
        };
        let mut results = outcome.into_iter();
        for (count, answer) in self.answers {
            // A caller that has gone away loses nothing: what it asked for is on record.
            let _gone = answer.send(results.by_ref().take(count).collect());
        }
    }
}

#[cfg(test)]
mod tests;
