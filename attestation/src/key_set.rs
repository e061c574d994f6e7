//! Tokens that a cloud signs, and the keys that it publishes for them (RFC 7515, 7517 and 7519).

mod published;
mod token;

use std::fmt::{self, Debug};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use symbolon_pki::text::printable;
use tokio::runtime::Handle;
use tokio::sync::Mutex as Turn;

use self::published::{Key, KeySet};
pub(crate) use self::token::{Expected, Token};
use crate::AttestationError;
use crate::http::{HttpClient, Request};

/// Longest key set, in bytes.
const MAX_KEY_SET: usize = 512 * 1024;
/// How long keys are taken as they are.
const FRESH: Duration = Duration::from_secs(60 * 60);
/// How long keys are taken that could not be fetched anew.
const STALE: Duration = Duration::from_secs(24 * 60 * 60);
/// Strangers name keys that there are not: for these it is asked no more often than this.
const PAUSE: Duration = Duration::from_secs(60);
/// The pause after a first question in vain. It doubles with each, up to [`PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// Tells the time by a clock that nobody sets.
pub type Monotonic = Arc<dyn Fn() -> Instant + Send + Sync>;

/// Where a cloud publishes its keys, and who fetches them.
///
/// One question is under way at a time, and whoever needs its answer waits for it. It goes on when they leave.
#[derive(Clone)]
pub struct KeySource(Arc<Inside>);

struct Inside {
    url: String,
    client: Arc<dyn HttpClient>,
    clock: Monotonic,
    held: Mutex<Held>,
    /// Whoever asks has this until there is an answer.
    turn: Arc<Turn<()>>,
}

#[derive(Default)]
struct Held {
    keys: Option<(Instant, KeySet)>,
    /// How many questions were begun.
    begun: u64,
    /// When there may be another.
    next: Option<Instant>,
    /// Why the last ones were in vain.
    trouble: Option<(u32, String)>,
}

impl Held {
    /// A key, if they are younger than this.
    fn key(&self, key_id: &str, younger_than: Duration, now: Instant) -> Option<Key> {
        let (since, keys) = self.keys.as_ref()?;
        let is_good = now.saturating_duration_since(*since) < younger_than;
        is_good.then(|| keys.get(key_id).cloned())?
    }

    fn note(&mut self, outcome: Result<KeySet, String>, now: Instant) {
        let pause = match outcome {
            Ok(keys) => {
                self.keys = Some((now, keys));
                self.trouble = None;
                PAUSE
            }
            Err(reason) => {
                let before = self.trouble.as_ref().map_or(0, |(times, _)| *times);
                self.trouble = Some((before.saturating_add(1), reason));
                FIRST_PAUSE.saturating_mul(1 << before.min(8)).min(PAUSE)
            }
        };
        self.next = Some(now + pause);
    }
}

impl Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeySource").field(&self.0.url).finish()
    }
}

impl KeySource {
    /// A JSON Web Key Set at `url`.
    pub fn new(url: impl Into<String>, client: Arc<dyn HttpClient>) -> Self {
        Self::with_clock(url, client, Arc::new(Instant::now))
    }

    /// One that goes by another clock.
    pub fn with_clock(url: impl Into<String>, client: Arc<dyn HttpClient>, clock: Monotonic) -> Self {
        Self(Arc::new(Inside {
            url: url.into(),
            client,
            clock,
            held: Mutex::default(),
            turn: Arc::default(),
        }))
    }

    /// A key that is published; none, if it was asked for this one and it is not.
    ///
    /// # Errors
    /// [`AttestationError::Busy`] while it may not be asked again, and [`AttestationError::Unavailable`] if that was in vain.
    async fn key(&self, key_id: &str) -> Result<Option<Key>, AttestationError> {
        let came = {
            let held = self.0.held();
            if let Some(key) = held.key(key_id, FRESH, self.0.now()) {
                return Ok(Some(key));
            }
            held.begun
        };
        let turn = match Arc::clone(&self.0.turn).try_lock_owned() {
            Ok(turn) => turn,
            Err(_) => {
                // Others ask already. What is a little old need not wait for them.
                if let Some(key) = self.0.held().key(key_id, STALE, self.0.now()) {
                    return Ok(Some(key));
                }
                Arc::clone(&self.0.turn).lock_owned().await
            }
        };
        let may_ask = {
            let held = self.0.held();
            // An answer to a question that was begun since counts for this one.
            if held.key(key_id, FRESH, self.0.now()).is_some() || held.begun > came {
                return self.0.answer(&held, key_id);
            }
            held.next.is_none_or(|next| next <= self.0.now())
        };
        if may_ask {
            let inside = Arc::clone(&self.0);
            let asking = async move {
                inside.held().begun += 1;
                let outcome = inside.fetch().await;
                let now = inside.now();
                inside.held().note(outcome, now);
                drop(turn);
            };
            match Handle::try_current() {
                Ok(runtime) => runtime
                    .spawn(asking)
                    .await
                    .map_err(|error| AttestationError::Unavailable(error.into()))?,
                // Outside of a runtime there is nobody else to go on with it.
                Err(_) => asking.await,
            }
            return self.0.answer(&self.0.held(), key_id);
        }
        let held = self.0.held();
        match (held.key(key_id, STALE, self.0.now()), &held.trouble) {
            (Some(key), _) => Ok(Some(key)),
            (None, Some((_, reason))) => Err(self.0.unavailable(reason)),
            // Nothing failed: it may be a name that somebody made up, or a key of a moment ago.
            (None, None) => Err(AttestationError::Busy(format!(
                "the token's key {} was not among those published, and they were fetched less than a minute ago",
                printable(key_id)
            ))),
        }
    }
}

impl Inside {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Instant {
        (self.clock)()
    }

    /// What is known after a question.
    fn answer(&self, held: &Held, key_id: &str) -> Result<Option<Key>, AttestationError> {
        match (&held.trouble, held.key(key_id, STALE, self.now())) {
            (_, Some(key)) => Ok(Some(key)),
            (None, None) => Ok(None),
            (Some((_, reason)), None) => Err(self.unavailable(reason)),
        }
    }

    fn unavailable(&self, reason: &str) -> AttestationError {
        AttestationError::Unavailable(format!("the keys of {}: {reason}", self.url).into())
    }

    async fn fetch(&self) -> Result<KeySet, String> {
        let request = Request::get(self.url.clone(), MAX_KEY_SET).with("accept", "application/json");
        let answer = self
            .client
            .send(request)
            .await
            .map_err(|error| error.to_string())?;
        if answer.status != 200 {
            return Err(format!("the status is {}", answer.status));
        }
        KeySet::read(&answer.body)
    }
}
