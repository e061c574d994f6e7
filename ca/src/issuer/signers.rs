//! The threads that sign.
//!
//! What this process computes itself has one thread for each processor. A token is waited for, not computed, and it may
//! hang: each family whose authority's key is not our own software has threads of its own, as many as a token takes
//! calls at once, so that nobody else waits for it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};
use symbolon_hsm::Pkcs11Config;
use symbolon_pki::suite::Family;
use tokio::sync::oneshot;

/// Where work is done.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Lane {
    /// On the processors.
    Processors,
    /// By whatever holds the key of this family's authority.
    Holder(Family),
}

impl Lane {
    /// The lane for signing with a family's authority.
    pub(super) fn of(family: Family, is_own_software: bool) -> Self {
        match is_own_software {
            true => Self::Processors,
            false => Self::Holder(family),
        }
    }
}

/// The threads by lane. Those of a holder are started when it first signs.
#[derive(Debug)]
pub(super) struct Signers {
    processors: Arc<ThreadPool>,
    holders: Mutex<BTreeMap<Family, Arc<ThreadPool>>>,
    holder_threads: usize,
}

impl Signers {
    /// `threads` for the processors, 0 for as many as there are.
    pub(super) fn new(threads: usize) -> Result<Self, ThreadPoolBuildError> {
        Ok(Self {
            processors: Arc::new(pool("signer", threads)?),
            holders: Mutex::default(),
            holder_threads: Pkcs11Config::MAX_SESSIONS,
        })
    }

    /// With `threads` for each family whose key is held elsewhere; at least one.
    pub(super) fn with_holder_threads(mut self, threads: usize) -> Self {
        self.holder_threads = threads.max(1);
        self
    }

    /// Runs `work` in a lane; `None` if its threads are gone or it panicked. Work that still waits for its turn when
    /// its caller gives up is not begun: a slow token is not kept busy for those who have left.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        lane: Lane,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let (done, result) = oneshot::channel();
        self.pool(lane).spawn(move || {
            if !done.is_closed() {
                // The caller may leave meanwhile; what came of it is then not wanted any more.
                let _ = done.send(work());
            }
        });
        result.await.ok()
    }

    fn pool(&self, lane: Lane) -> Arc<ThreadPool> {
        let Lane::Holder(family) = lane else {
            return Arc::clone(&self.processors);
        };
        let mut holders = self.holders.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pool) = holders.get(&family) {
            return Arc::clone(pool);
        }
        match pool(&format!("signer-{family}"), self.holder_threads) {
            Ok(pool) => Arc::clone(holders.entry(family).or_insert(Arc::new(pool))),
            Err(error) => {
                tracing::error!(%family, %error, "no threads for a key store; others may wait for it");
                Arc::clone(&self.processors)
            }
        }
    }
}

fn pool(name: &str, threads: usize) -> Result<ThreadPool, ThreadPoolBuildError> {
    let name = name.to_owned();
    ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(move |index| format!("{name}-{index}"))
        // Or one request that finds a bug would take the whole server with it.
        .panic_handler(|_| tracing::error!("work on a signer thread panicked"))
        .build()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn work_that_panics_ends_neither_the_process_nor_the_thread() {
        let signers = Signers::new(1).unwrap();
        let lost = signers.run(Lane::Processors, || panic!("a bug")).await;
        assert_eq!(lost, None::<()>, "whoever waits is told");
        assert_eq!(signers.run(Lane::Processors, || 7).await, Some(7));
    }

    #[tokio::test]
    async fn work_whose_caller_has_left_is_not_begun() {
        let signers = Signers::new(1).unwrap().with_holder_threads(1);
        let lane = Lane::Holder(Family::MlDsa);
        let (go, busy) = mpsc::channel::<()>();
        let (began, log) = mpsc::channel();
        let first = signers.run(lane, move || busy.recv().is_ok());
        tokio::pin!(first);
        assert!(futures_util::poll!(first.as_mut()).is_pending());
        let left = began.clone();
        {
            let abandoned = signers.run(lane, move || left.send("abandoned").is_ok());
            tokio::pin!(abandoned);
            assert!(futures_util::poll!(abandoned.as_mut()).is_pending());
        }
        go.send(()).unwrap();
        assert_eq!(first.await, Some(true));
        assert_eq!(
            signers.run(lane, move || began.send("wanted").is_ok()).await,
            Some(true)
        );
        assert_eq!(log.iter().collect::<Vec<_>>(), ["wanted"]);
    }

    #[tokio::test]
    async fn a_holder_that_hangs_holds_up_its_own_family_alone() {
        let signers = Arc::new(Signers::new(1).unwrap().with_holder_threads(2));
        let (go, hung) = mpsc::channel::<()>();
        let hung = Arc::new(Mutex::new(hung));
        let hanging: Vec<_> = (0..4)
            .map(|_| {
                let (signers, hung) = (signers.clone(), hung.clone());
                tokio::spawn(async move {
                    let work = move || hung.lock().unwrap().recv().is_ok();
                    signers.run(Lane::Holder(Family::MlDsa), work).await
                })
            })
            .collect();
        assert_eq!(signers.run(Lane::Processors, || 1).await, Some(1));
        assert_eq!(signers.run(Lane::Holder(Family::Composite), || 2).await, Some(2));
        for _ in 0..4 {
            go.send(()).unwrap();
        }
        for task in hanging {
            assert_eq!(task.await.unwrap(), Some(true));
        }
    }
}
