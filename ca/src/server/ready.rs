//! Whether the server can do what it is for, found out by doing it: a throwaway SVID of every family, and a question to
//! the datastore.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use symbolon_pki::suite::Family;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::services::Core;

/// What was found out is good for so long, however many ask: trying costs signatures, on a token maybe.
const GOOD_FOR: Duration = Duration::from_secs(5);
/// How long trying may take. A probe gives up as well, and hears nothing then.
const PATIENCE: Duration = Duration::from_secs(15);

/// Tries it, for all who ask together.
#[derive(Debug)]
pub(super) struct Readiness {
    core: Arc<Core>,
    last: Mutex<Option<(Instant, Vec<String>)>>,
}

impl Readiness {
    pub(super) fn new(core: Arc<Core>) -> Arc<Self> {
        Arc::new(Self {
            core,
            last: Mutex::new(None),
        })
    }

    /// What keeps the server from its work, in words; nothing if it is ready. Who asks while it is being tried waits for
    /// what comes of that.
    pub(super) async fn problems(&self) -> Vec<String> {
        let mut last = self.last.lock().await;
        if let Some((at, problems)) = &*last
            && at.elapsed() < GOOD_FOR
        {
            return problems.clone();
        }
        let late = |_| {
            vec![format!(
                "the server did not find out within {} s",
                PATIENCE.as_secs()
            )]
        };
        let problems = timeout(PATIENCE, self.try_all()).await.unwrap_or_else(late);
        *last = Some((Instant::now(), problems.clone()));
        problems
    }

    async fn try_all(&self) -> Vec<String> {
        if self.core.stopping.is_cancelled() {
            return vec!["the server is stopping".to_owned()];
        }
        let families = self
            .core
            .authorities
            .families()
            .map(|family| self.try_family(family));
        let (datastore, families) = tokio::join!(self.try_datastore(), join_all(families));
        datastore
            .into_iter()
            .chain(families.into_iter().flatten())
            .collect()
    }

    async fn try_datastore(&self) -> Option<String> {
        let error = self.core.datastore.ping().await.err()?;
        tracing::warn!(
            error = &error as &dyn Error,
            "not ready: the datastore does not answer"
        );
        Some("the datastore does not answer".to_owned())
    }

    /// The page is for everybody who reaches it; causes are for the log.
    async fn try_family(&self, family: Family) -> Option<String> {
        let error = self.core.issuer.rehearse(family).await.err()?;
        tracing::warn!(%family, error = &error as &dyn Error, "not ready: an authority does not sign");
        Some(format!("{family}: {error}"))
    }
}
