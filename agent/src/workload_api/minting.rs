//! JWT-SVIDs on their way.
//!
//! A call for a token runs on when who wanted it has been answered without: what it brings is kept for the next who asks, and
//! a connection over which nothing comes any more is found out, which takes longer than workloads wait.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tracing::Instrument as _;
use zeroize::Zeroizing;

use crate::agent::Context;
use crate::cache::{Entry, JwtKey};
use crate::server::{CallError, mint_jwt};
use crate::time::dice;

/// Most calls that run on. What is asked for beside them ends with who asks.
const MOST: usize = 64;

/// What became of a call; all who wait for it are told.
pub(super) type Outcome = Result<Arc<Zeroizing<String>>, Arc<CallError>>;

/// Calls by the token that they are to bring.
type UnderWay = HashMap<JwtKey, watch::Receiver<Option<Outcome>>>;

/// The calls that are on their way, one for each token that may be held. Copies share them.
#[derive(Clone)]
pub(super) struct Minting {
    places: Arc<Semaphore>,
    under_way: Arc<Mutex<UnderWay>>,
}

/// A token that is wanted.
#[derive(Clone)]
pub(super) struct Wanted {
    pub(super) context: Arc<Context>,
    pub(super) entry: Arc<Entry>,
    pub(super) audience: Vec<String>,
}

impl Wanted {
    /// Tokens that are to be shown once only are neither held nor shared.
    fn is_shared(&self) -> bool {
        !self.entry.unique_tokens
    }

    fn key(&self) -> JwtKey {
        JwtKey::new(&self.entry, &self.audience)
    }

    async fn mint(&self) -> Outcome {
        let Self {
            context,
            entry,
            audience,
        } = self;
        match mint_jwt(&context.link, &entry.id, &entry.spiffe_id, audience).await {
            Ok(minted) if self.is_shared() => {
                Ok(context.jwts.put(self.key(), minted, context.clock.now(), dice()))
            }
            Ok(minted) => Ok(Arc::new(minted.token)),
            Err(error) => {
                if error.must_reattest() || error.is_ban() {
                    context.nudge.notify_one();
                }
                Err(Arc::new(error))
            }
        }
    }
}

impl Minting {
    pub(super) fn new() -> Self {
        Self {
            places: Arc::new(Semaphore::new(MOST)),
            under_way: Arc::default(),
        }
    }

    /// Has the server mint a token, or waits for the call that is on its way for it already. Until `cancel` the call goes on
    /// though nobody waits any more.
    pub(super) async fn token(&self, wanted: Wanted, cancel: &CancellationToken) -> Outcome {
        let Some(mut outcome) = self.begin(&wanted, cancel) else {
            return wanted.mint().await;
        };
        if let Ok(told) = outcome.wait_for(Option::is_some).await
            && let Some(outcome) = &*told
        {
            return outcome.clone();
        }
        let stopping = Status::unavailable("the agent is stopping");
        Err(Arc::new(CallError::from(stopping)))
    }

    /// `None` if there is no place for another call.
    fn begin(&self, wanted: &Wanted, cancel: &CancellationToken) -> Option<watch::Receiver<Option<Outcome>>> {
        let key = wanted.is_shared().then(|| wanted.key());
        let mut under_way = self.under_way();
        if let Some(outcome) = key.as_ref().and_then(|key| under_way.get(key)) {
            return Some(outcome.clone());
        }
        let place = self.places.clone().try_acquire_owned().ok()?;
        let (told, outcome) = watch::channel(None);
        if let Some(key) = &key {
            under_way.insert(key.clone(), outcome.clone());
        }
        drop(under_way);
        let ending = Ending {
            minting: self.clone(),
            key,
        };
        let (wanted, cancel) = (wanted.clone(), cancel.clone());
        let call = async move {
            let _until_its_end = (place, ending);
            tokio::select! {
                biased;
                () = cancel.cancelled() => {}
                outcome = wanted.mint() => {
                    told.send_replace(Some(outcome));
                }
            }
        };
        // Whoever wants its outcome has a part in the channel.
        let _running = tokio::spawn(call.in_current_span());
        Some(outcome)
    }

    fn under_way(&self) -> MutexGuard<'_, UnderWay> {
        // Every change is complete before anything in it can panic.
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Minting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Minting")
            .field("under_way", &self.under_way().len())
            .finish_non_exhaustive()
    }
}

/// However a call ends, the next for its token is another one.
struct Ending {
    minting: Minting,
    key: Option<JwtKey>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        if let Some(key) = &self.key {
            self.minting.under_way().remove(key);
        }
    }
}
