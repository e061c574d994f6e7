//! One token: calls to it with a deadline, on sessions that come and go with it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::access::Access;
use super::desk::{Desk, Fault, Seat};
use super::error::{Pkcs11Error, says_little};
use super::gate::NotRecovered;
use super::pool::{Limits, Pool, PoolError, Watch};
use crate::store::{StoreError, Unsupported};

/// As many calls may hang in a module as it may have sessions, and at least a few.
const FEWEST_STUCK: usize = 4;

/// A token that is in use.
#[derive(Debug)]
pub(super) struct Token {
    access: Arc<Access>,
    pool: Pool<Seat>,
}

impl Token {
    /// As many as `sessions` calls to the token may be under way at once.
    pub(super) fn new(access: Access, sessions: usize) -> Self {
        let limits = Limits {
            workers: sessions,
            stuck: sessions.max(FEWEST_STUCK),
        };
        Self {
            pool: Pool::new(&access.name(), limits, Seat::default),
            access: Arc::new(access),
        }
    }

    pub(super) fn access(&self) -> &Access {
        &self.access
    }

    /// Has no more than `sessions` calls at once.
    pub(super) fn bound(&self, sessions: usize) {
        self.pool.shrink(sessions);
    }

    /// Does `work` at a desk of the token, and once more if the token had gone away and came back. When the caller
    /// has left before it was done, `undo` gets what came of it.
    pub(super) fn call<T, W, U>(
        &self,
        doing: &'static str,
        relies: Relies,
        work: W,
        undo: U,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnMut(&Desk<'_>) -> Result<T, Fault> + Send + 'static,
        U: FnOnce(&Desk<'_>, T) + Clone + Send + 'static,
    {
        let deadline = Instant::now() + self.access.limit();
        let mut work = work;
        loop {
            let access = Arc::clone(&self.access);
            let undoing = Arc::clone(&self.access);
            let undo = undo.clone();
            // Those who hang in a copy that was left behind are no reason not to use the new one.
            let copies = self.access.module().gate().copies();
            let ran = self.pool.run(
                deadline,
                copies,
                move |seat, watch| {
                    let order = Order {
                        access: &access,
                        watch,
                        doing,
                        relies,
                    };
                    let result = order.attend(seat, &mut work);
                    (result, work)
                },
                move |seat, (result, _)| {
                    if let Ok(made) = result {
                        take_back(&undoing, seat, doing, undo, made);
                    }
                },
            );
            let (result, back) = ran.map_err(|error| self.not_run(error, doing))?;
            match result {
                Err(NotDone::NoSession(error)) => {
                    let open = self.access.sessions();
                    if open == 0 || Instant::now() >= deadline {
                        return Err(error.into());
                    }
                    tracing::info!(
                        token = self.access.name(),
                        open,
                        "the token gives no more sessions"
                    );
                    self.pool.shrink(open);
                    work = back;
                }
                Err(NotDone::Failed(error)) => return Err(error),
                Ok(done) => return Ok(done),
            }
        }
    }

    fn not_run(&self, error: PoolError, doing: &'static str) -> Pkcs11Error {
        let token = self.access.name();
        match error {
            PoolError::TimedOut => Pkcs11Error::TimedOut {
                token,
                doing,
                limit: self.access.limit(),
            },
            PoolError::Stuck(count) => Pkcs11Error::Stuck { token, count },
            PoolError::Thread(error) => Pkcs11Error::Thread(error),
            PoolError::Broken => Pkcs11Error::Broken { token, doing },
        }
    }
}

/// What work relies on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Relies {
    /// On what the token says of its objects: that a key is there, that there are no others.
    OnObjects,
    /// On an object that was found earlier; whoever asked sees by the result that it was the right one.
    OnHandle,
}

/// Why work was not done.
enum NotDone {
    /// The token has no session left for this worker; others have one.
    NoSession(Pkcs11Error),
    Failed(StoreError),
}

/// Work for a worker, and for whom.
struct Order<'a> {
    access: &'a Arc<Access>,
    watch: &'a dyn Watch,
    doing: &'static str,
    relies: Relies,
}

impl Order<'_> {
    /// Does the work on the worker's own session, with one recovery if the token is gone.
    fn attend<T>(
        &self,
        seat: &mut Seat,
        work: &mut impl FnMut(&Desk<'_>) -> Result<T, Fault>,
    ) -> Result<T, NotDone> {
        let module = self.access.module();
        let mut may_recover = true;
        loop {
            let pass = module.gate().enter(self.watch.deadline()).map_err(|_| {
                failed(Pkcs11Error::TimedOut {
                    token: self.access.name(),
                    doing: "waiting for its module to start again",
                    limit: self.access.limit(),
                })
            })?;
            let epoch = pass.epoch();
            let doubtful = self.relies == Relies::OnObjects && module.gate().is_doubtful(epoch);
            let error = if doubtful {
                self.in_doubt()
            } else {
                let fault = match seat.sit(self.access, &pass).and_then(|desk| work(&desk)) {
                    Ok(done) => {
                        pass.succeeded();
                        return Ok(done);
                    }
                    Err(fault) => fault,
                };
                self.judge(seat, fault, epoch)?
            };
            drop(pass);
            if !may_recover || self.watch.is_abandoned() {
                return Err(failed(error));
            }
            may_recover = false;
            match module.recover(epoch, self.watch.deadline()) {
                Ok(()) => {}
                Err(NotRecovered::TooSoon) => return Err(failed(error)),
                Err(NotRecovered::Failed(why)) => return Err(failed(why)),
                Err(NotRecovered::Occupied(count)) => {
                    let token = self.access.name();
                    return Err(failed(Pkcs11Error::Stuck { token, count }));
                }
            }
        }
    }

    /// What a fault is for the caller: `Ok` when the token is gone and finding it again may help.
    fn judge(&self, seat: &mut Seat, fault: Fault, epoch: u64) -> Result<Pkcs11Error, NotDone> {
        let kind = super::KIND;
        let gate = self.access.module().gate();
        match fault {
            Fault::Unknown(_) if gate.is_doubtful(epoch) => Ok(self.in_doubt()),
            Fault::Unknown(id) => Err(NotDone::Failed(StoreError::UnknownKey { kind, id })),
            Fault::Unsupported(component, reason) => Err(NotDone::Failed(
                Unsupported {
                    kind,
                    component,
                    reason,
                }
                .into(),
            )),
            Fault::NoSession(error) => Err(NotDone::NoSession(self.access.error(&error, self.doing, false))),
            Fault::Known(error) if error.is_gone() => {
                // That there is no such token is no news of one that was never there.
                if self.access.is_known() {
                    gate.doubt(epoch);
                }
                Ok(error)
            }
            Fault::Known(error) if error.is_about_objects() && gate.is_doubtful(epoch) => Ok(error),
            Fault::Known(error) => Err(failed(error)),
            Fault::Call(error) => {
                let gone = seat.finds_gone(&error);
                if gone || says_little(&error) {
                    gate.doubt(epoch);
                }
                if !gone {
                    // The session may be in the middle of something; the next call gets a new one.
                    seat.leave();
                    return Err(failed(self.access.error(&error, self.doing, false)));
                }
                let explained = self.access.module().explain(&error);
                Ok(explained.unwrap_or_else(|| self.access.error(&error, self.doing, true)))
            }
        }
    }

    fn in_doubt(&self) -> Pkcs11Error {
        Pkcs11Error::Token {
            token: self.access.name(),
            doing: self.doing,
            what: "it was gone a moment ago and is not looked at again yet".to_owned(),
            gone: true,
        }
    }
}

fn failed(error: Pkcs11Error) -> NotDone {
    NotDone::Failed(error.into())
}

/// Undoes what came after its caller had left. Nobody is there to be told when that fails: the log is.
fn take_back<T>(
    access: &Arc<Access>,
    seat: &mut Seat,
    doing: &'static str,
    undo: impl FnOnce(&Desk<'_>, T),
    made: T,
) {
    let patience = Instant::now() + Duration::from_secs(1);
    let Ok(pass) = access.module().gate().enter(patience) else {
        tracing::warn!(
            token = access.name(),
            doing,
            "what came too late stays on the token"
        );
        return;
    };
    match seat.sit(access, &pass) {
        Ok(desk) => undo(&desk, made),
        Err(_) => tracing::warn!(
            token = access.name(),
            doing,
            "what came too late stays on the token"
        ),
    }
}
