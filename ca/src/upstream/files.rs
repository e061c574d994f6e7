//! The files of an upstream: they may be on a mount that hangs.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::UpstreamError;

/// Longest time for what is done with them at a time.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whoever has to do with the files of one upstream: one after the other, and within a time. What hangs cannot be stopped, so
/// nothing else is begun before it is over: it costs one thread, and not one more with every look.
#[derive(Clone, Debug)]
pub(super) struct Files {
    turn: Arc<Semaphore>,
    patience: Duration,
}

impl Default for Files {
    fn default() -> Self {
        Self {
            turn: Arc::new(Semaphore::new(1)),
            patience: PATIENCE,
        }
    }
}

impl Files {
    /// With that much time.
    #[cfg(test)]
    pub(super) fn hasty(patience: Duration) -> Self {
        Self {
            patience,
            ..Self::default()
        }
    }

    /// Does something with them, off the async threads.
    pub(super) async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, UpstreamError> + Send + 'static,
    ) -> Result<T, UpstreamError> {
        let away = |reason: String| Err(UpstreamError::Unavailable(reason));
        let working = async {
            let turn = Arc::clone(&self.turn).acquire_owned().await;
            let working = tokio::task::spawn_blocking(move || {
                let done = work();
                drop(turn);
                done
            });
            let done = working.await;
            done.unwrap_or_else(|_| away("reading its files broke off".to_owned()))
        };
        let late = |_| {
            away(format!(
                "its files were not read or written within {} seconds; does the place that they are in hang?",
                self.patience.as_secs()
            ))
        };
        timeout(self.patience, working).await.unwrap_or_else(late)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::path::{Path, PathBuf};
    use std::sync::mpsc;

    use symbolon_pki::suite::Family;

    use super::super::{Disk, DiskFiles, Offline, Upstream};
    use super::*;

    #[tokio::test]
    async fn what_hangs_keeps_nobody_waiting_and_one_thread() {
        let hasty = Files::hasty(Duration::from_millis(20));
        let (let_go, hangs) = mpsc::channel::<()>();
        let hanging = hasty.work(move || Ok(hangs.recv().is_ok()));
        let late = hanging.await.unwrap_err().to_string();
        assert!(late.contains("within 0 seconds"), "{late}");
        let (begins, mut begun) = tokio::sync::oneshot::channel();
        let next = hasty.work(move || Ok(begins.send(()).is_ok()));
        assert!(matches!(next.await, Err(UpstreamError::Unavailable(_))));
        assert!(begun.try_recv().is_err(), "it did not begin");
        drop(let_go);
        let patient = Files {
            turn: hasty.turn,
            patience: Duration::from_secs(120),
        };
        assert_eq!(patient.work(|| Ok(7)).await.unwrap(), 7);
    }

    /// A file that whoever opens it waits for.
    fn pipe(dir: &Path, name: &str) -> PathBuf {
        let path = dir.join(name);
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.unwrap().success());
        path
    }

    /// Lets whoever waits for it go on: there is nothing in it.
    fn let_go(pipe: PathBuf) -> std::thread::JoinHandle<()> {
        std::thread::spawn(move || drop(OpenOptions::new().write(true).open(pipe).unwrap()))
    }

    #[tokio::test]
    async fn files_that_hang_are_as_upstreams_that_do_not_answer() {
        let dir = tempfile::tempdir().unwrap();
        let hasty = || Files::hasty(Duration::from_millis(20));
        let disk = Disk::with(
            "example.org".parse().unwrap(),
            DiskFiles {
                certificate: pipe(dir.path(), "root.pem"),
                key: dir.path().join("root.key"),
                alternative_key: None,
                bundle: None,
            },
            hasty(),
        );
        let offline = Offline::with(dir.path().to_owned(), hasty());
        let request = pipe(dir.path(), "composite.csr.pem");
        for late in [
            disk.bundle().await.err(),
            offline.hand_out(Family::Composite, b"a request").await.err(),
            offline.brought(Family::Composite).await.err(),
        ] {
            assert!(matches!(late, Some(UpstreamError::Unavailable(_))), "{late:?}");
        }
        for pipe in [dir.path().join("root.pem"), request] {
            let_go(pipe).join().unwrap();
        }
    }
}
